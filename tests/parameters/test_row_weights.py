"""Weights of rows: a row of weight 3 is three rows, and no scale of weights matters."""

import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skorch.dataset import Dataset
from skorch.helper import predefined_split
from torch.utils.data import Subset

from skact import ActMLP, ActMLPBinary, ActMLPRegressor, fused
from skact.parameters.row_weights import (
    balanced_weight,
    combine_weights,
    read_sample_weight,
)

rng = np.random.default_rng(0)
X = rng.normal(size=(24, 3))
Y = (X[:, 0] > 0).astype(int)
KINDS = [ActMLP, ActMLPBinary, ActMLPRegressor]
LOOPS = pytest.mark.parametrize("loop", [{}, {"iterator_train__num_workers": 0}])


def halves(dataset, y=None):
    """Hold out the second half, whatever the number of rows."""
    is_train = dataset.X[:, -1] < 0  # a column that marks the rows
    rows = np.arange(len(dataset))
    return Subset(dataset, rows[is_train]), Subset(dataset, rows[~is_train])


def a_net(kind, **params):
    # full batches, so that the batches hold the same rows
    fixed = {"width": 5, "max_epochs": 6, "random_state": 0, "batch_size": -1}
    return kind(**{**fixed, "shuffle": False, "lr": 0.05, **params})


@LOOPS
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("norm", [None, "layer"])
@given(weights=st.lists(st.integers(0, 3), min_size=24, max_size=24))
@settings(max_examples=5, deadline=None)
def test_a_row_of_weight_3_is_three_rows(kind, norm, loop, weights):
    w, marked = (
        np.array(weights),
        np.column_stack([X, np.where(np.arange(24) % 2, 1, -1)]),
    )
    w[:4] = 1  # both classes on both sides
    params = {"norm": norm, "train_split": halves, **loop}
    if kind is not ActMLPRegressor:
        params["class_weight"] = "balanced"
    labels = np.array([0, 0, 1, 1, *Y[4:]])
    net = a_net(kind, **params).fit(marked, labels, sample_weight=w)
    rows = np.repeat(np.arange(24), w)
    other = a_net(kind, **params).fit(marked[rows], labels[rows])
    names = ["train_loss", "valid_loss"]
    names += ["valid_acc"] * (kind is not ActMLPRegressor)
    for name in names:
        np.testing.assert_allclose(
            net.history[:, name], other.history[:, name], rtol=1e-6, err_msg=name
        )
    assert net.score(marked, labels, sample_weight=w) == pytest.approx(
        other.score(marked[rows], labels[rows])
    )
    np.testing.assert_allclose(net.predict(marked), other.predict(marked), rtol=1e-6)


def test_early_stopping_counts_the_weights_of_held_out_rows():
    weight = np.where(Y, 100.0, 0.01)
    nets = [
        a_net(ActMLP, early_stopping=True, patience=2, max_epochs=30).fit(
            X, 1 - Y, sample_weight=w
        )
        for w in (None, weight)
    ]
    plain, weighted = (net.history[:, "valid_loss"] for net in nets)
    assert plain[0] != weighted[0]


SCALES = [1e-300, 5e-324, 2.0**-60, 1e30, 2.0**900, 1.7e308]


@LOOPS
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("kind", KINDS)
def test_no_scale_of_the_weights_changes_the_training(kind, scale, loop):
    params = {**loop, "early_stopping": True}
    nets = [
        a_net(kind, **params).fit(X, Y, sample_weight=np.full(24, one))
        for one in (1.0, scale)
    ]
    for name in ("train_loss", "valid_loss"):
        np.testing.assert_allclose(*(net.history[:, name] for net in nets), rtol=1e-6)
    assert nets[0].score(X, Y) == pytest.approx(nets[1].score(X, Y))


@pytest.mark.parametrize("scale", SCALES)
def test_no_scale_of_class_weights_changes_the_training(scale):
    nets = [
        a_net(ActMLP, class_weight={0: one, 1: one / 2}).fit(X, Y)
        for one in (1.0, scale)
    ]
    if scale > 5e-324:  # whose half is zero
        np.testing.assert_allclose(*(net.loss_curve_ for net in nets), rtol=1e-6)
    net = a_net(ActMLP, class_weight={0: 1e300}, dtype="float32")
    net.fit(X, Y, sample_weight=np.full(24, 1e300))
    assert np.isfinite(net.loss_)


def test_usual_weights_stay_bit_for_bit_as_they_are():
    weight = rng.uniform(0.01, 1000, size=24)
    found = combine_weights(weight, None, "float64")
    assert np.array_equal(found, weight)
    both = combine_weights(weight, weight, "float64")
    assert np.array_equal(both, weight * weight)


def test_weights_in_a_fused_search_are_those_alone():
    weight = np.full(24, 1e308)
    alone = a_net(ActMLP).fit(X, Y, sample_weight=weight)
    with fused():
        together = a_net(ActMLP).fit(X, Y, sample_weight=weight)
    for p, q in zip(
        alone.module_.parameters(), together.module_.parameters(), strict=True
    ):
        assert torch.equal(p, q)


@pytest.mark.parametrize(
    ("weight", "error", "message"),
    [
        (
            np.ones(24) + 1j,
            TypeError,
            "must hold real numbers, got values of type comp",
        ),
        (
            np.full(24, np.datetime64("2020")),
            TypeError,
            "got values of type datetime64",
        ),
        (["1"] * 24, TypeError, "got values of type <U1"),
        (np.array(["1"] * 24, dtype=object), TypeError, "got values of type object"),
        ({0: 1.0}, TypeError, "got values of type object"),
        (np.ma.masked_equal(np.arange(24), 3), TypeError, "is a masked array"),
        (np.full(24, np.inf), ValueError, "contains infinity (inf) at row 0"),
        (np.full(24, np.nan), ValueError, "contains NaN at row 0"),
        (np.full(23, 1.0), ValueError, "must have shape (24,)"),
        (np.full(24, -1.0), ValueError, "must not be negative"),
        (np.zeros(24), ValueError, "nor zero for all rows"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_no_weight_is_refused_by_name(weight, error, message):
    with pytest.raises(error, match=re.escape(message)) as raised:
        ActMLP().fit(X, Y, sample_weight=weight)
    assert "sample_weight" in str(raised.value)


def test_weights_that_cancel_each_other_are_refused():
    with pytest.raises(ValueError, match="times class_weight is zero for all rows"):
        ActMLP(class_weight={0: 0.0}).fit(X, Y, sample_weight=1.0 - Y)


def test_weights_may_be_objects_that_are_numbers_or_one_number():
    assert read_sample_weight(np.array([1, 2.5], dtype=object), 2).tolist() == [1, 2.5]
    assert read_sample_weight(3, 2).tolist() == [3.0, 3.0]
    assert read_sample_weight(None, 2) is None


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=40
    ).filter(lambda rows: any(weight for _, weight in rows))
)
def test_balanced_weights_give_all_classes_the_same_weight(rows):
    codes, weight = map(np.array, zip(*rows, strict=True))
    of_rows = balanced_weight(codes, weight.astype(float))
    totals = np.bincount(codes, weights=weight * of_rows)
    present = np.bincount(codes, weights=weight) > 0
    np.testing.assert_allclose(totals[present], weight.sum() / present.sum())
    repeated = balanced_weight(np.repeat(codes, weight), None)
    np.testing.assert_allclose(repeated, np.repeat(of_rows, weight))


def test_held_out_rows_of_ones_own_count_once_each_in_valid_acc():
    valid = Dataset(X, Y)
    net = a_net(ActMLP, train_split=predefined_split(valid))
    net.fit(X, Y, sample_weight=np.linspace(1, 9, 24))
    assert net.history[-1, "valid_acc"] == net.score(X, Y)

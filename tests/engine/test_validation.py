"""Held-out rows: scored as torch scores them, and in any stack as alone."""

import math
import pickle
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from skact.activations.catalogue import list_activations
from skact.engine.jobs import HeldOut, StoppingRule
from skact.engine.stack_run import traits_of_stack
from skact.engine.train import lane_of, train
from skact.engine.validation import can_validate, shape_of_held_out
from skact.network.mlp import MLP

RNG = np.random.default_rng(1)
LOSSES = ["cross_entropy", "bce_with_logits", "squared_error"]


def targets_of(loss, n_rows, rng=RNG):
    if loss == "squared_error":
        return rng.normal(size=(n_rows, 1))
    codes = np.arange(n_rows) % (3 if loss == "cross_entropy" else 2)
    return codes if loss == "cross_entropy" else codes * 1.0


def hold_out(loss="cross_entropy", n_rows=41, d=5, dtype="float64", **fields):
    return HeldOut(
        X=RNG.normal(size=(n_rows, d)).astype(dtype),
        targets=targets_of(loss, n_rows).astype(dtype)
        if loss != "cross_entropy"
        else targets_of(loss, n_rows),
        **{"sample_weight": None, "score_weight": None, "batch_size": 16, **fields},
    )


RULE = StoppingRule("loss", 2, 0.01, "rel", True, True)


def last_scores(job):
    (outcome,) = train([job]).outcomes
    if outcome.error is not None:
        raise outcome.error
    return outcome.records[-1].held_out


def outputs_of(job, X):
    with torch.no_grad():
        return job.module.eval()(torch.from_numpy(X))


def losses_of(loss, outputs, targets):
    targets = torch.from_numpy(targets)
    if loss == "cross_entropy":
        return nn.functional.cross_entropy(outputs, targets, reduction="none").numpy()
    if loss == "squared_error":
        return ((outputs - targets) ** 2).mean(1).numpy()
    bce = nn.functional.binary_cross_entropy_with_logits
    return bce(outputs[:, 0], targets, reduction="none").numpy()


# --------------------------------------------------------------- what is computed


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("norm", [None, "batch", "layer"])
@pytest.mark.parametrize("activation", ["relu", "rrelu", "prelu", "swish_beta"])
def test_scores_are_those_of_torch_in_evaluation_mode(activation, norm, loss, make_job):
    rows = hold_out(loss)
    job = make_job(
        activation, norm=norm, loss=loss, held_out=rows, dropout=0.3, hidden=(6, 4)
    )
    found, outputs = last_scores(job), outputs_of(job, rows.X)
    losses = losses_of(loss, outputs, rows.targets)
    assert found.loss == pytest.approx(losses.mean())
    if loss == "squared_error":
        assert found.accuracy is None
        return
    labels = outputs.argmax(1) if loss == "cross_entropy" else outputs[:, 0] > 0
    share = np.mean(labels.numpy() == rows.targets)
    assert found.accuracy == pytest.approx(share)


@pytest.mark.parametrize("batch_size", [-1, 1, 7, 16, 41, 50, 1000])
@pytest.mark.parametrize("weighted", [False, True])
def test_batches_have_the_weighted_means_of_their_rows(batch_size, weighted, make_job):
    weight = np.arange(41) % 4 / 3 if weighted else None
    rows = hold_out(sample_weight=weight, batch_size=batch_size)
    job = make_job(loss="cross_entropy", held_out=rows)
    found = last_scores(job)
    losses = losses_of("cross_entropy", outputs_of(job, rows.X), rows.targets)
    weight, start = np.ones(41) if weight is None else weight, 0
    for mean, size, total in zip(
        found.batch_losses, found.batch_sizes, found.batch_weights, strict=True
    ):
        part = slice(start, start + size)
        expected = weight[part].sum()
        assert total == pytest.approx(expected)
        assert mean == pytest.approx(
            (losses[part] * weight[part]).sum() / expected if expected else 0
        )
        start = part.stop
    assert start == 41
    assert found.loss == pytest.approx(np.average(losses, weights=weight))


def test_batches_of_zero_weights_have_a_loss_of_zero(make_job):
    weight = np.repeat([0.0, 1.0], [16, 25])
    found = last_scores(
        make_job(loss="cross_entropy", held_out=hold_out(sample_weight=weight))
    )
    assert found.batch_losses[0] == 0
    assert all(loss > 0 for loss in found.batch_losses[1:])
    nothing = hold_out(sample_weight=np.zeros(41), score_weight=np.zeros(41))
    found = last_scores(make_job(loss="cross_entropy", held_out=nothing))
    assert found.loss == 0
    assert 0 <= found.accuracy <= 1


def test_the_share_of_the_weight_is_that_of_the_weights_as_given(make_job):
    weight = np.arange(41) % 3 * 1.0
    rows = hold_out(sample_weight=weight * 7 + 1, score_weight=weight)
    job = make_job(loss="cross_entropy", held_out=rows)
    found = last_scores(job)
    correct = outputs_of(job, rows.X).argmax(1).numpy() == rows.targets
    assert found.accuracy == pytest.approx(np.average(correct, weights=weight))


@pytest.mark.parametrize("n_rows", [1, 31, 32, 33, 64, 200])
def test_rows_in_several_passes_are_scored_as_in_one(n_rows, make_job, monkeypatch):
    rows = hold_out(n_rows=n_rows, batch_size=50)
    whole = last_scores(make_job(loss="cross_entropy", held_out=rows))
    monkeypatch.setattr("skact.engine.validation._ROWS_AT_ONCE", 32)
    job = make_job(loss="cross_entropy", held_out=rows)
    sizes, _ = shape_of_held_out(rows)
    assert all(size % 32 == 0 for size in sizes)
    parts = last_scores(job)
    assert parts.loss == pytest.approx(whole.loss)
    assert parts.accuracy == whole.accuracy
    assert parts.batch_losses == pytest.approx(whole.batch_losses)
    assert parts.batch_sizes == whole.batch_sizes


@pytest.mark.parametrize("is_small", [True, False])
def test_sparse_rows_are_scored_as_dense_ones(is_small, make_job, monkeypatch):
    monkeypatch.setattr("skact.engine.validation._ROWS_AT_ONCE", 32)
    rows = hold_out(n_rows=90)
    dense = last_scores(make_job(loss="cross_entropy", held_out=rows))
    if not is_small:
        monkeypatch.setattr("skact.engine.batches._MAX_DENSE_BYTES", 0)
    sparse = replace(rows, X=sp.csr_matrix(rows.X))
    assert last_scores(make_job(loss="cross_entropy", held_out=sparse)) == dense


def test_outputs_have_the_dtype_of_the_network_under_autocast(make_job):
    rows = hold_out(dtype="float32")
    X = rows.X[:20]

    def scores():
        return last_scores(
            make_job(loss="cross_entropy", X=X, dtype=torch.float32, held_out=rows)
        )

    expected = scores()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert scores() == expected


def test_a_network_without_hidden_layers_is_scored(make_job):
    rows = hold_out()
    job = make_job(loss="cross_entropy", hidden=(), held_out=rows)
    found = last_scores(job)
    expected = losses_of("cross_entropy", outputs_of(job, rows.X), rows.targets)
    assert found.loss == pytest.approx(expected.mean())


def test_what_only_autograd_knows_is_not_scored():
    for activation, answer in [
        *((name, True) for name in list_activations()),
        (torch.sin, False),
        (nn.Sequential(nn.ReLU()), False),
        (nn.Softmax(0), False),
    ]:
        assert can_validate(MLP(4, 3, hidden=(5, 4), activation=activation)) == answer


# ----------------------------------------------------------------- what it changes


@pytest.mark.parametrize("norm", [None, "batch"])
def test_scoring_changes_no_weight(norm, make_job):
    rows = hold_out()
    with_rows = make_job("rrelu", loss="cross_entropy", norm=norm, held_out=rows)
    without = make_job("rrelu", loss="cross_entropy", norm=norm)
    train([with_rows])
    train([without])
    state = without.module.state_dict()
    for name, value in with_rows.module.state_dict().items():
        assert torch.equal(value, state[name])


def test_a_nan_ends_the_fit_of_its_lane_only(make_job):
    rows = hold_out()
    bad = replace(rows, X=np.full_like(rows.X, np.nan))
    jobs = [
        make_job(loss="cross_entropy", seed=i, held_out=one)
        for i, one in enumerate((rows, bad, rows))
    ]
    first, second, third = train(jobs).outcomes
    assert math.isnan(second.diverged_loss)
    assert second.records[-1].is_finite
    assert len(second.records) == 1
    assert len(first.records) == len(third.records) == 4


def test_stacks_hold_out_as_many_rows_in_each_lane(make_job):
    def group(n_rows, batch_size=16):
        job = make_job(
            loss="cross_entropy",
            held_out=hold_out(n_rows=n_rows, batch_size=batch_size),
        )
        return lane_of(job).group, traits_of_stack(job)["validation"]

    assert group(41) == group(42)
    assert group(41)[0] != group(65)[0]
    assert group(41)[0] != group(41, 8)[0]
    assert group(41)[1] == "up to 64 held-out rows"
    assert traits_of_stack(make_job())["validation"] == ""


def test_a_job_can_be_pickled(make_job):
    job = make_job(loss="cross_entropy", held_out=hold_out(), stopping=RULE)
    copied = pickle.loads(pickle.dumps(job))
    assert last_scores(copied) == last_scores(job)


# ---------------------------------------------- a lane does not know its neighbours

lanes = st.fixed_dictionaries(
    {
        "activation": st.sampled_from(list_activations()),
        "seed": st.integers(0, 3),
        "lr": st.sampled_from([1.0, 0.3, 0.01]),
        "n_held_out": st.sampled_from([38, 39, 40]),
        "table": st.integers(0, 1),
        "weighted": st.booleans(),
        "monitor": st.sampled_from(["loss", "train_loss", "accuracy", None]),
        "patience": st.integers(1, 3),
        "load_best": st.booleans(),
        "keeps_weights": st.booleans(),
    }
)
groups = st.fixed_dictionaries(
    {
        "d": st.sampled_from([1, 2, 5, 13]),
        "hidden": st.sampled_from([(), (1,), (9, 3), (8, 17), (64, 33)]),
        "loss": st.sampled_from(LOSSES),
        "norm": st.sampled_from([None, "batch", "layer"]),
        "dtype": st.sampled_from(["float32", "float64"]),
        "batch_size": st.sampled_from([16, -1]),
        "scored_at_once": st.sampled_from([-1, 7, 16, 32]),
        "parts": st.sampled_from([32, 256]),
        "dropout": st.sampled_from([0.0, 0.4]),
        "optimizer": st.sampled_from([torch.optim.SGD, torch.optim.Adam]),
    }
)


def build_lane(make_job, group, lane):
    rng, loss = np.random.default_rng(lane["table"]), group["loss"]
    n, d, dtype = 60 + lane["n_held_out"], group["d"], group["dtype"]
    X, y = rng.normal(size=(n, d)).astype(dtype), targets_of(loss, n, rng)
    y = y if loss == "cross_entropy" else y.astype(dtype)
    weight = rng.random(n).astype(dtype) if lane["weighted"] else None
    monitor, rule = lane["monitor"], None
    if loss == "squared_error" and monitor == "accuracy":
        monitor = "loss"
    if monitor is not None:
        lower = monitor != "accuracy"
        rule = replace(
            RULE,
            monitor=monitor,
            lower_is_better=lower,
            patience=lane["patience"],
            load_best=lane["load_best"],
        )
    parts = [None if weight is None else part for part in (weight, weight)]
    return make_job(
        lane["activation"],
        **{name: group[name] for name in ("hidden", "loss", "norm", "dropout")},
        **{name: lane[name] for name in ("seed", "lr", "keeps_weights")},
        X=X[:60],
        sample_weight=None if weight is None else weight[:60],
        dtype=getattr(torch, dtype),
        batch_size=group["batch_size"],
        optimizer=group["optimizer"],
        n_epochs=6,
        held_out=HeldOut(
            X[60:],
            y[60:],
            *(None if part is None else part[60:] for part in parts),
            group["scored_at_once"],
        ),
        stopping=rule,
    )


def assert_equal_weights(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert torch.equal(value.nan_to_num(7), theirs[name].nan_to_num(7)), name


@settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(group=groups, members=st.lists(lanes, min_size=2, max_size=6))
def test_a_lane_in_a_stack_is_scored_and_stops_as_alone_bit_for_bit(
    group, members, make_job
):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("skact.engine.validation._ROWS_AT_ONCE", group["parts"])
        fused = [build_lane(make_job, group, lane) for lane in members]
        outcomes = train(fused).outcomes
        for job, outcome, lane in zip(fused, outcomes, members, strict=True):
            alone = build_lane(make_job, group, lane)
            (lone,) = train([alone]).outcomes
            ours, theirs = (
                [replace(record, seconds=0) for record in one.records]
                for one in (outcome, lone)
            )
            assert repr(ours) == repr(theirs)
            assert_equal_weights(job.module.state_dict(), alone.module.state_dict())
            state, other = outcome.stopping, lone.stopping
            if state is None:
                assert other is None
                continue
            best, others_best = state.best_weights, other.best_weights
            assert repr(replace(state, best_weights=None)) == (
                repr(replace(other, best_weights=None))
            )
            assert (best is None) == (others_best is None)
            if best is not None:
                assert_equal_weights(best, others_best)
            for a, b in zip(outcome.weights, lone.weights, strict=True):
                assert_equal_weights(a, b)

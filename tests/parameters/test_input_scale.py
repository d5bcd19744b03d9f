"""Columns that are not scaled are named by a warning; ordinary ones are not."""

import pickle
import re
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.datasets import load_digits
from sklearn.ensemble import BaggingClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from skact import ActMLP, ActMLPBinary, ActMLPRegressor, UnscaledInputWarning, fused
from skact.parameters import input_scale
from skact.parameters.input_scale import (
    some_rows,
    warn_if_unscaled,
    warn_if_unscaled_y,
)

NORMAL = np.random.default_rng(0).normal(size=(3_000, 4))
Y = (NORMAL[:, 0] > 0).astype(int)
MESSAGE = (
    "X is not scaled: values are about 10,000 in column 'b'. A network learns little "
    "from such columns. Scale them in a pipeline: make_pipeline(StandardScaler(), net)."
)


@pytest.fixture(autouse=True)
def _nothing_shown(monkeypatch):
    monkeypatch.setattr(input_scale, "_shown", set())


def times(*scales):
    return NORMAL * scales


def warnings_of(work, action="default"):
    """Return the texts that a user sees, whom no filter but Python's own serves."""
    with warnings.catch_warnings(record=True) as found:
        warnings.resetwarnings()
        warnings.simplefilter(action)
        work()
    return [str(w.message) for w in found if w.category is UnscaledInputWarning]


@pytest.mark.parametrize("net", [ActMLP, ActMLPBinary, ActMLPRegressor])
@pytest.mark.parametrize("loop", ["engine", "skorch"])
def test_each_net_names_the_column_and_the_remedy(net, loop):
    frame = pd.DataFrame(times(1, 1e4, 1, 1)[:200], columns=list("abcd"))
    more = {"optimizer": "adam"} if loop == "engine" else {"optimizer__amsgrad": True}
    with pytest.warns(UnscaledInputWarning, match=re.escape(MESSAGE)) as found:
        fitted = net(max_epochs=1, random_state=0, **more).fit(frame, Y[:200])
    assert len(found) == 1
    assert found[0].filename == __file__
    assert loop in fitted.trained_by_


@pytest.mark.parametrize(
    ("X", "about"),
    [
        (times(1, 1e3, 1e-4, 1), "0.0001 in column 2, about 1,000 in column 1"),
        (times(2e3, 0, 1e5, 1), "100,000 in column 2, about 1,000 in column 0"),
        (NORMAL + np.array([0, 0, 2_000, 0]), "1,000 in column 2"),
        (NORMAL * 1e-3, "0.001 in column 0, .* in column 2 and in 1 more col"),
        (NORMAL[:1] * 1e6, "1,000,000 in column 2"),
        (np.full((5, 2), 1e300), "inf in column 0, about inf in column 1"),
        ((NORMAL * [1, 1, 1e4, 1]).astype(np.float32), "10,000 in column 2"),
        (sp.csr_array(NORMAL * [1, 1, 1e4, 1]), "10,000 in column 2"),
        (sp.csr_matrix(NORMAL * [1, 1e-3, 1, 1]), "0.001 in column 1"),
    ],
    ids=["both", "zero", "years", "small", "one", "huge", "float32", "csr", "tiny"],
)
def test_what_is_far_from_one_is_named_the_farthest_first(X, about):
    with pytest.warns(UnscaledInputWarning, match=f"values are about {about}"):
        warn_if_unscaled(ActMLP(), X)


@pytest.mark.parametrize(
    "X",
    [
        NORMAL,
        NORMAL * [0, 0.03, 30, 1],
        np.eye(1_000),
        sp.csr_array(sp.eye(1_000)),
        load_digits().data,
        # 0 to 1, and pixels in which almost all images are black
        np.where(NORMAL > 3, 1 / 255, 0.0),
        NORMAL * 13 + 40,  # ages
        np.where(NORMAL[:, :1] > 0, 95.0, 100.0),  # percentages
        np.zeros((5, 3)),
    ],
    ids=[
        "normal",
        "bounds",
        "onehot",
        "sparse",
        "digits",
        "pixels",
        "ages",
        "percentages",
        "zeros",
    ],
)
def test_ordinary_columns_are_scaled(X):
    warn_if_unscaled(ActMLP(), X)  # warnings are errors


def test_a_thousand_rows_spread_over_all_tell_the_scale():
    read = {n: len(range(n)[some_rows(n)]) for n in (1, 999, 1_000, 1_001, 3_000)}
    assert read == {1: 1, 999: 999, 1_000: 1_000, 1_001: 501, 3_000: 1_000}
    assert range(3_000)[some_rows(3_000)] == range(0, 3_000, 3)


@pytest.mark.parametrize(
    ("y", "said"),
    [
        (NORMAL[:, 0] * 2e3, "values are about 1,000. A network takes long"),
        (NORMAL[:, 0] + 5e4, "values are about 100,000. A"),
        (NORMAL[:, :2] * [1, 1e5], "values are about 100,000 in output 1. A"),
        (NORMAL[:, 0] * 1e-3, "it varies by about 0.001. A"),
        (NORMAL[:, 0] * 1e-3 + 1, "it varies by about 0.001. A"),
        (np.full((5, 1), 1e300), "values are about inf. A"),
    ],
    ids=["large", "far", "output", "small", "flat", "huge"],
)
def test_a_y_that_is_not_scaled_is_said(y, said):
    with pytest.warns(UnscaledInputWarning, match=f"y is not scaled: {said}") as found:
        warn_if_unscaled_y(y)
    assert len(found) == 1


@pytest.mark.parametrize(
    "y",
    [NORMAL[:, 0], NORMAL * [1, 0.05, 100, 1], NORMAL[:, 0] * 77 + 152, np.ones(5)],
    ids=["normal", "bounds", "diabetes", "constant"],
)
def test_an_ordinary_y_is_scaled(y):
    warn_if_unscaled_y(y)  # warnings are errors


def test_only_a_free_output_and_a_squared_error_ask_for_a_scaled_y():
    y = np.exp(NORMAL[:90, 0]) * 2_000
    with pytest.warns(UnscaledInputWarning, match="y is not scaled") as found:
        ActMLPRegressor(max_epochs=1).fit(NORMAL[:90], y)
    assert found[0].filename == __file__
    # counts cannot be scaled, and an output of 0 to 1 has the scale of its y
    poisson = {"criterion": nn.PoissonNLLLoss}
    ActMLPRegressor(max_epochs=1, **poisson).fit(NORMAL[:90], y.round())
    rates = ActMLPRegressor(max_epochs=1, output_activation="sigmoid")
    rates.fit(NORMAL[:90], 0.01 / (1 + y))
    ActMLPBinary(max_epochs=1).fit(NORMAL, np.arange(len(NORMAL)) < 1)


def search(n_jobs=None):
    grid = {"lr": [0.1, 0.01], "width": [2, 3]}
    net = ActMLP(max_epochs=1, random_state=0)
    return GridSearchCV(net, grid, cv=3, n_jobs=n_jobs, refit=False)


@pytest.mark.parametrize("is_fused", [True, False])
def test_a_search_warns_once_and_not_for_each_fit(is_fused):
    X = times(1, 1e4, 1, 1)[:90]

    def work():
        if is_fused:
            with fused():
                search().fit(X, Y[:90])
        else:
            search().fit(X, Y[:90])

    (text,) = warnings_of(work)
    assert "10,000 in column 1" in text
    assert len(warnings_of(work, action="always")) == 12


def test_a_filter_that_raises_meets_every_fit():
    net = ActMLP(max_epochs=1)
    for _ in range(2):
        with pytest.raises(UnscaledInputWarning, match="in column 1"):
            net.fit(times(1, 1e4, 1, 1), Y)  # warnings are errors


def test_a_filter_may_name_the_text_or_the_class():
    net, X = ActMLP(max_epochs=1), times(1, 1e4, 1, 1)
    for filters in ({"message": "X is not scaled"}, {"category": UnscaledInputWarning}):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", **filters)
            net.fit(X, Y)
            net.fit(X, Y)


def test_training_on_does_not_warn_again():
    X = times(1, 1e4, 1, 1)
    net = ActMLP(max_epochs=1, warm_start=True, random_state=0)

    def work():
        for _ in range(3):
            net.partial_fit(X, Y)
        net.fit(X, Y)

    assert len(warnings_of(work, action="always")) == 1


def test_the_pipeline_that_the_warning_asks_for_does_not_warn():
    pipe = make_pipeline(StandardScaler(), ActMLP(max_epochs=1))
    with fused():
        BaggingClassifier(pipe, n_estimators=2).fit(times(1, 1e4, 1e-4, 1), Y)


def test_the_warning_survives_a_pickle():
    copy = pickle.loads(pickle.dumps(UnscaledInputWarning("far")))
    assert (type(copy), str(copy)) == (UnscaledInputWarning, "far")

"""`diagnose` judges nets, candidates and fits, and prints what it found."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.datasets import load_digits
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler
from skorch import NeuralNetClassifier

from skact import (
    ActivationMonitor,
    ActMLP,
    DivergedError,
    TrainingLog,
    diagnose,
    fused,
    load_results,
    save_results,
    to_frame,
)


def digits() -> tuple[np.ndarray, np.ndarray]:
    X, y = load_digits(return_X_y=True)
    return (X / 16).astype(np.float32), y


def monitored(kind: Any = ActMLP, **parameters: Any) -> Any:
    return kind(callbacks=[ActivationMonitor()], random_state=0, **parameters)


def fitted(net: Any, data: tuple[np.ndarray, np.ndarray]) -> Any:
    try:
        return net.fit(*data)
    except DivergedError:
        return net


@pytest.fixture(scope="module")
def search() -> Any:
    net = monitored(max_epochs=10, batch_size=64).set_callbacks(TrainingLog())
    pipeline = make_pipeline(MinMaxScaler(), net)
    grid = {"actmlp__activation": ["relu", "leaky_relu"], "actmlp__lr": [5.0, 0.01]}
    X, y = digits()
    with fused():
        return GridSearchCV(pipeline, grid, cv=3).fit(X[:600], y[:600])


def epochs(**columns: Any) -> pd.DataFrame:
    n = len(next(iter(columns.values())))
    return pd.DataFrame({"epoch": range(1, n + 1), **columns})


def test_each_candidate_of_a_search_is_judged_by_its_folds(search: Any) -> None:
    found = diagnose(search)
    for where, finding in found.findings:
        assert where["lr"] == 5.0
        assert "of 3 folds" in finding.text
    dead = [w for w, finding in found.findings if finding.kind == "dead units"]
    assert [where["activation"] for where in dead] == ["relu"]
    frame = found.to_frame()
    assert {"candidate", "activation", "lr", "layer", "kind", "dead"} <= set(frame)
    assert str(frame["layer"].dtype) == "Int64"
    text = str(found)
    assert "activation=relu, lr=5.0\n  layer 1: " in text
    assert "lr=0.01" not in text


class Times(TransformerMixin, BaseEstimator):
    """A step that has a parameter of the same name as the net."""

    def __init__(self, lr: float = 1.0) -> None:
        self.lr = lr

    def fit(self, X: Any, y: Any = None) -> "Times":
        return self

    def transform(self, X: Any) -> Any:
        return X * self.lr


@pytest.mark.parametrize("grid", [{}, {"net__lr": [5.0]}, {"net__lr": [5.0, 0.01]}])
def test_advice_is_about_the_net_also_where_another_step_has_the_same_name(
    grid: dict[str, list[float]],
) -> None:
    X, y = digits()
    net = monitored(max_epochs=10, lr=0.02 if grid else 5.0)
    pipeline = Pipeline([("times", Times()), ("net", net.set_callbacks(TrainingLog()))])
    with fused():
        search = GridSearchCV(pipeline, {"times__lr": [1.0, 0.9], **grid}, cv=2)
        found = diagnose(search.fit(X[:200], y[:200]))
    assert {advice for advice in found.to_frame()["advice"] if "high" in advice}
    for where, finding in found.findings:
        assert where["times__lr" if grid else "lr"] in (1.0, 0.9)
        assert where.get("net__lr", 5.0) == 5.0
        if "high" in finding.advice:
            assert finding.advice.startswith("lr 5 is high for relu")


def test_the_figures_of_a_candidate_are_medians_of_its_folds(search: Any) -> None:
    frame = to_frame(search, "epoch")
    rows = frame[(frame["lr"] == 5.0) & (frame["activation"] == "relu")]
    ends = rows[rows["epoch"] == 10]["dead_1"]
    found = diagnose(search).to_frame()
    row = found[(found["kind"] == "dead units")].iloc[0]
    assert row["dead"] == pytest.approx(np.median(ends))


def test_saved_results_and_frames_are_diagnosed_alike(
    search: Any, tmp_path: Any
) -> None:
    save_results(search, tmp_path / "saved")
    expected = diagnose(search).to_frame()["kind"].tolist()
    for other in (load_results(tmp_path / "saved"), to_frame(search, "epoch")):
        assert diagnose(other).to_frame()["kind"].tolist() == expected


def test_several_nets_are_told_apart() -> None:
    data = digits()
    nets = {
        "good": monitored(max_epochs=5).fit(*data),
        "bad": monitored(max_epochs=5, lr=5.0).fit(*data),
    }
    found = diagnose(nets)
    assert {where["model"] for where, _ in found.findings} == {"bad"}


def test_fits_that_failed_are_said_to_have_diverged() -> None:
    net = monitored(max_epochs=3, optimizer="sgd").set_callbacks(TrainingLog())
    search = GridSearchCV(net, {"lr": [1e30, 0.1]}, cv=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitFailedWarning)
        warnings.filterwarnings("ignore", "One or more of the test scores")
        search.fit(*digits())
    found = diagnose(search)
    (row,) = found.to_frame().itertuples()
    assert (row.kind, row.lr) == ("diverged", 1e30)


def test_without_a_monitor_the_losses_are_looked_at_and_it_says_so() -> None:
    data = digits()
    rising = ActMLP("tanh", lr=3.0, max_epochs=15, random_state=0).fit(*data)
    found = diagnose(rising)
    assert {finding.kind for _, finding in found.findings} <= {"rising loss"}
    assert "at losses alone: with callbacks=[ActivationMonitor()]" in str(found)
    still = ActMLP(lr=1e-9, max_epochs=4, random_state=0).fit(*data)
    (_, finding), *_ = diagnose(still).findings
    assert finding.kind == "no learning"
    assert "try lr=1e-08 and lr=1e-10" in finding.advice


def test_a_plain_net_of_skorch_can_be_looked_at() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(64, 10), torch.nn.Softmax(-1))
    net = NeuralNetClassifier(module, max_epochs=3, verbose=0, lr=0.1)
    X, y = digits()
    assert not diagnose(net.fit(X, y.astype(np.int64)))


def test_layers_that_have_the_same_share_a_line() -> None:
    found = diagnose(epochs(dead_1=[0.5] * 3, dead_2=[0.8] * 3, saturated_3=[0.9] * 3))
    first, second, _ = str(found).splitlines()
    assert first.startswith("layers 1, 2: 80 % dead units since epoch 1, or fewer; try")
    assert second.startswith("layer 3: 90 % saturated units")
    assert len(found.to_frame()) == 3


def test_a_net_that_diverged_at_once_is_not_told_to_be_monitored() -> None:
    net = monitored(activation="relu", lr=1e30, optimizer="sgd", max_epochs=10)
    assert "ActivationMonitor" not in str(diagnose(fitted(net, digits())))


def test_what_is_found_in_half_of_the_folds_or_less_is_left_out() -> None:
    folds = [
        epochs(dead_1=[0.9] * 3 if fold < 2 else [0.0] * 3).assign(
            candidate=0, fold=fold
        )
        for fold in range(4)
    ]
    frame = pd.concat(folds)
    frame = frame[["candidate", "fold", "epoch", "dead_1"]]
    assert not diagnose(frame)
    assert diagnose(frame[frame["fold"] < 3])


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="needs the column 'epoch'"):
        diagnose(pd.DataFrame({"dead_1": [0.1]}))
    with pytest.raises(NotFittedError):
        diagnose(ActMLP())
    with pytest.raises(ValueError, match="Attach a log"):
        diagnose(GridSearchCV(ActMLP(max_epochs=1), {"lr": [1.0]}, cv=2).fit(*digits()))


def test_the_fits_of_a_log_are_told_apart() -> None:
    log, data = TrainingLog(), digits()
    for lr in (0.01, 5.0):
        monitored(max_epochs=5, lr=lr).set_callbacks(log).fit(*data)
    found = diagnose(log.to_frame())
    assert {where["lr"] for where, _ in found.findings} == {5.0}

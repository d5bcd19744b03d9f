"""`diagnose` finds what was planted, leaves healthy nets in peace, and prints it."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.datasets import load_diabetes, load_digits, load_iris, load_wine
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, scale
from skorch import NeuralNetClassifier
from skorch.callbacks import Initializer
from skorch.dataset import ValidSplit

from skact import (
    ActivationMonitor,
    ActMLP,
    ActMLPRegressor,
    Diagnosis,
    DivergedError,
    Finding,
    TrainingLog,
    diagnose,
    fused,
    load_results,
    save_results,
    to_frame,
)
from skact.activations.rate_table import RELU_RATES


def digits() -> tuple[np.ndarray, np.ndarray]:
    X, y = load_digits(return_X_y=True)
    return (X / 16).astype(np.float32), y


def noisy_digits() -> tuple[np.ndarray, np.ndarray]:
    X, y = digits()
    rng = np.random.default_rng(0)
    return X[:500], np.where(rng.random(500) < 0.3, rng.permutation(y[:500]), y[:500])


def raw_wine() -> tuple[np.ndarray, np.ndarray]:
    return load_wine(return_X_y=True)


def raw_numbers() -> tuple[np.ndarray, np.ndarray]:
    X, y = load_diabetes(return_X_y=True)
    return scale(X), y


def to_zero(weight: Any) -> None:
    weight.data.zero_()


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


# what was planted, and the cause that must be found
FAULTS: dict[str, tuple[Any, Any, str]] = {
    "relu at lr 5": ({"lr": 5.0}, digits, "high lr"),
    "lr 1e-6": ({"lr": 1e-6}, digits, "low lr"),
    "lr 1e30": ({"lr": 1e30, "optimizer": "sgd"}, digits, "high lr"),
    "momentum": (
        {"optimizer": "sgd", "lr": 0.1, "momentum": 0.999},
        digits,
        "momentum",
    ),
    "dropout .97": ({"dropout": 0.97, "lr": 0.01}, digits, "dropout"),
    "weight_decay 10": ({"weight_decay": 10.0}, digits, "weight decay"),
    "softmax before the loss": (
        {"output_activation": "softmax"},
        digits,
        "output activation",
    ),
    "sigmoid, eight layers": (
        {"activation": "sigmoid", "width": 32, "depth": 8, "lr": 0.01},
        digits,
        "depth",
    ),
    "relu, twenty layers of torch's own weights": (
        {"depth": 20, "width": 30, "init": "torch"},
        digits,
        "depth",
    ),
    "one unit": ({"width": 1}, digits, "width"),
    "one epoch": ({"max_epochs": 1}, digits, "epochs"),
    "one batch": ({"batch_size": -1}, digits, "epochs"),
    "inputs unscaled": ({"activation": "tanh"}, raw_wine, "inputs"),
    "inputs x 1e-4": ({}, lambda: (digits()[0] * 1e-4, digits()[1]), "inputs"),
    "y in its units": ({}, raw_numbers, "y"),
    "weights of 0": ({"callbacks": [Initializer("*", fn=to_zero)]}, digits, "initial"),
    "noise": (
        {"width": 300, "max_epochs": 60, "train_split": ValidSplit(10)},
        lambda: (digits()[0][:300], np.random.default_rng(0).integers(0, 3, 300)),
        "no signal",
    ),
    "noise in a third of the labels": (
        {"width": 300, "max_epochs": 60, "lr": 0.01, "train_split": ValidSplit(10)},
        noisy_digits,
        "overfitting",
    ),
}
HEALTHY: dict[str, tuple[Any, Any]] = {
    "relu": ({"max_epochs": 30}, digits),
    "silu, four layers": (
        {"activation": "silu", "depth": 4, "width": 64, "lr": 0.001, "max_epochs": 30},
        digits,
    ),
    "relu, eight layers": (
        {"depth": 8, "width": 64, "lr": 0.001, "max_epochs": 30},
        digits,
    ),
    "prelu with batch norm": (
        {"activation": "prelu", "norm": "batch", "depth": 3, "max_epochs": 30},
        digits,
    ),
    "dropout and early stopping": (
        {"dropout": 0.3, "early_stopping": True, "max_epochs": 40},
        digits,
    ),
    "SGD": ({"optimizer": "sgd", "lr": 0.05, "max_epochs": 30}, digits),
    "sigmoid on wine": (
        {"activation": "sigmoid", "max_epochs": 50, "lr": 0.01},
        lambda: (scale(raw_wine()[0]), raw_wine()[1]),
    ),
    "numbers": ({"max_epochs": 50}, lambda: tuple(map(scale, raw_numbers()))),
}


def trained(params: dict[str, Any], data: Any) -> Any:
    X, y = data()
    kind = ActMLPRegressor if y.dtype.kind == "f" else ActMLP
    callbacks = [ActivationMonitor(), *params.get("callbacks", [])]
    settings = {"max_epochs": 10, **params, "callbacks": callbacks}
    return fitted(kind(random_state=0, dtype="float32", **settings), (X, y))


# two of the faults are X that is not scaled, of which fit itself warns
@pytest.mark.filterwarnings("ignore::skact.UnscaledInputWarning")
@pytest.mark.parametrize("case", FAULTS)
def test_a_planted_fault_is_found_and_nothing_else(case: str) -> None:
    params, data, cause = FAULTS[case]
    found = diagnose(trained(params, data))
    assert [one.cause.partition(" w")[0] for _, one in found.findings] == (
        [cause.partition(" w")[0]]
    ), str(found)


@pytest.mark.parametrize("case", HEALTHY)
def test_a_healthy_training_is_left_in_peace(case: str) -> None:
    found = diagnose(trained(*HEALTHY[case]))
    assert not found, str(found)
    assert str(found).startswith("Nothing wrong was found. Looked at ")
    assert found.to_frame().empty


@pytest.mark.parametrize(
    "case", ["relu at lr 5", "dropout .97", "one unit", "sigmoid, eight layers"]
)
def test_a_net_that_follows_the_advice_is_better(case: str) -> None:
    params, data, _ = FAULTS[case]
    ((_, finding),) = diagnose(trained(params, data)).findings
    X, y = data()
    before, after = (
        trained({**params, **change}, lambda: (X[::2], y[::2])).score(X[1::2], y[1::2])
        for change in ({}, finding.change)
    )
    assert after > before + 0.2


def test_each_candidate_of_a_search_is_judged_by_its_folds(search: Any) -> None:
    found = diagnose(search)
    assert len(found.findings) == 2
    for where, finding in found.findings:
        assert (where["lr"], finding.cause) == (5.0, "high lr")
        assert "of 3 folds" in finding.text
    frame = found.to_frame()
    assert {"candidate", "activation", "lr", "cause", "cost", "loss"} <= set(frame)
    text = str(found)
    assert (
        "activation=relu, lr=5.0\n  lr 5 is high, 2,500 times what suits relu" in text
    )
    assert "lr=0.01\n" not in text


def test_a_search_that_tried_the_advice_names_what_it_scored(search: Any) -> None:
    results = search.cv_results_
    scores = {
        (p["actmlp__activation"], p["actmlp__lr"]): score
        for p, score in zip(results["params"], results["mean_test_score"], strict=True)
    }
    for where, finding in diagnose(search).findings:
        name = where["activation"]
        assert finding.advice == (
            f"Take lr=0.01: it scores {scores[name, 0.01]:.3g}, this one "
            f"{scores[name, 5.0]:.3g}."
        )
        assert dict(finding.change) == {"lr": 0.01}


def test_what_the_search_shows_to_be_worse_is_not_advised() -> None:
    scores = {0.3: 1.0, 0.003: 2.0}  # the last held-out losses: .3 is better

    def frame(of: dict[float, float]) -> pd.DataFrame:
        rows = [
            epochs(train_loss=[1.0, 0.9, 0.9], fold_loss=[2.0, 2.0, loss]).assign(
                candidate=i, activation="relu", optimizer="adam", lr=lr, fold=0
            )
            for i, (lr, loss) in enumerate(of.items())
        ]
        ids = ["candidate", "activation", "optimizer", "lr", "fold", "epoch"]
        return pd.concat(rows)[[*ids, "train_loss", "fold_loss"]]

    advised = [one.change.get("lr") for _, one in diagnose(frame(scores)).findings]
    assert 0.003 not in advised
    turned = {0.3: 2.0, 0.003: 1.0}
    (where, finding), *_ = diagnose(frame(turned)).findings
    assert (where["lr"], finding.cause) == (0.3, "high lr")
    assert finding.advice == "Take lr=0.003: it has a held-out loss of 1, this one 2."


def test_the_costliest_fault_comes_first(search: Any) -> None:
    costs = [finding.cost for _, finding in diagnose(search).findings]
    means = search.cv_results_["mean_test_score"]
    assert costs == sorted(costs, reverse=True)
    assert costs[0] == pytest.approx(max(means) - min(means))
    data = digits()
    nets = {
        "slow": monitored(max_epochs=3, batch_size=-1).fit(*data),
        "stuck": monitored(max_epochs=3, lr=1e-9).fit(*data),
    }
    frame = diagnose(nets).to_frame()
    assert frame["model"].tolist() == ["stuck", "slow"]
    assert frame["cost"].is_monotonic_decreasing


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
    net = monitored(max_epochs=60, lr=0.02 if grid else 5.0)
    pipeline = Pipeline([("times", Times()), ("net", net.set_callbacks(TrainingLog()))])
    with fused():
        search = GridSearchCV(pipeline, {"times__lr": [1.0, 0.9], **grid}, cv=2)
        found = diagnose(search.fit(X[:200], y[:200]))
    assert found
    for where, finding in found.findings:
        assert where["times__lr" if grid else "lr"] in (1.0, 0.9)
        assert where.get("net__lr", 5.0) == 5.0
        assert finding.text.startswith("lr 5 is high, 2,500 times what suits relu")


def test_the_figures_of_a_candidate_are_medians_of_its_folds(search: Any) -> None:
    frame = to_frame(search, "epoch")
    rows = frame[(frame["lr"] == 5.0) & (frame["activation"] == "relu")]
    losses = rows["train_loss"] / rows["loss_constant"]
    ends = [of_fold.tail(3).median() for _, of_fold in losses.groupby(rows["fold"])]
    found = diagnose(search).to_frame()
    row = found[found["activation"] == "relu"].iloc[0]
    assert row["loss"] == pytest.approx(np.median(ends))
    assert row["rate_ratio"] == pytest.approx(5 / RELU_RATES["adam"])


def test_saved_results_and_frames_are_diagnosed_alike(
    search: Any, tmp_path: Any
) -> None:
    save_results(search, tmp_path / "saved")
    expected = diagnose(search).to_frame()["cause"].tolist()
    for other in (load_results(tmp_path / "saved"), to_frame(search, "epoch")):
        assert diagnose(other).to_frame()["cause"].tolist() == expected


def test_a_high_rate_that_learned_all_is_left_in_peace() -> None:
    X, y = load_wine(return_X_y=True)
    X = scale(X)
    net = ActMLP(lr=0.5, max_epochs=60, random_state=0).fit(X, y)
    assert net.history[0, "train_loss"] > 1.7  # it was bad in the beginning
    assert not diagnose(net, X, y)
    assert diagnose(net.set_params(max_epochs=2).fit(X, y), X, y)


def test_a_search_without_a_log_is_told_how_to_keep_one() -> None:
    search = GridSearchCV(ActMLP(max_epochs=1), {"lr": [0.1, 0.2]}, cv=2)
    said = "^diagnose needs epochs: GridSearchCV keeps no .*set_callbacks.TrainingLog"
    with pytest.raises(ValueError, match=said):
        diagnose(search.fit(*load_iris(return_X_y=True)))


def test_several_nets_are_told_apart() -> None:
    data = digits()
    nets = {
        "good": monitored(max_epochs=5).fit(*data),
        "bad": monitored(max_epochs=5, lr=5.0).fit(*data),
    }
    ((where, finding),) = diagnose(nets).findings
    # what both nets share, as activation and optimizer, is read from each net
    assert (where["model"], finding.cause) == ("bad", "high lr")
    assert finding.text.startswith("lr 5 is high, 2,500 times what suits relu")
    assert diagnose(list(nets.values()))


def test_fits_that_failed_are_said_to_have_diverged() -> None:
    net = monitored(max_epochs=30, optimizer="sgd").set_callbacks(TrainingLog())
    search = GridSearchCV(net, {"lr": [1e30, 0.1]}, cv=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitFailedWarning)
        warnings.filterwarnings("ignore", "One or more of the test scores")
        search.fit(*digits())
    found = diagnose(search)
    (row,) = found.to_frame().itertuples()
    assert (row.cause, row.lr) == ("high lr", 1e30)
    assert "the loss became NaN or infinite in epoch 1" in row.text


def test_without_a_monitor_it_says_what_it_could_not_see() -> None:
    data = digits()
    net = ActMLP("tanh", lr=3.0, max_epochs=15, random_state=0).fit(*data)
    found = diagnose(net)
    assert [finding.cause for _, finding in found.findings] == ["high lr"]
    assert found.looked_at == (
        "Looked at 15 epochs. The scale of X is not known: pass X and y, or give the "
        "net callbacks=[ActivationMonitor()], which also records what its layers do. "
        "No rows were held out, so overfitting cannot be seen: see train_split and "
        "TrainingLog.scorer."
    )
    assert diagnose(net, *data).looked_at == (
        "Looked at 15 epochs. No rows were held out, so overfitting cannot be seen: "
        "see train_split and TrainingLog.scorer."
    )
    split = monitored(max_epochs=2, train_split=ValidSplit(5)).fit(*data)
    assert diagnose(split).looked_at == "Looked at 2 epochs and 1 hidden layer."


def test_a_plain_net_of_skorch_can_be_looked_at() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(64, 10), torch.nn.Softmax(-1))
    net = NeuralNetClassifier(module, max_epochs=3, verbose=0, lr=0.1)
    X, y = digits()
    found = diagnose(net.fit(X, y.astype(np.int64)))
    assert [finding.cause for _, finding in found.findings] == ["epochs"]


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


def a_diagnosis(n: int, **where: Any) -> Diagnosis:
    finding = Finding(
        "dropout", "dropout 0.9 is <b>high</b>", "Try dropout=0.2.", {}, 0, {}
    )
    return Diagnosis(
        [({**where, **({"n": i} if where else {})}, finding) for i in range(n)],
        "Looked.",
    )


def test_the_short_form_counts_causes() -> None:
    assert repr(Diagnosis([], "")) == "<Diagnosis: nothing wrong was found>"
    several = [
        ({}, Finding(cause, "", "", {}, 0, {})) for cause in ("y", "depth", "depth")
    ]
    assert repr(Diagnosis(several, "")) == "<Diagnosis: depth (2), y>"


def test_the_html_form_has_a_row_for_each_finding_and_no_markup_of_others() -> None:
    page = a_diagnosis(2, activation="<script>")._repr_html_()
    assert page.count("<tr>") == 3
    assert "&lt;script&gt;" in page
    assert "&lt;b&gt;high&lt;/b&gt;" in page
    assert "<script>" not in page
    assert ">of</th>" in page
    assert ">of</th>" not in a_diagnosis(1)._repr_html_()
    assert Diagnosis([], "Looked.")._repr_html_() == (
        "<p><b>Nothing wrong was found.</b></p><p>Looked.</p>"
    )


def test_of_very_many_candidates_the_costliest_are_printed() -> None:
    found = a_diagnosis(25, lr=0.1)
    assert len(found.to_frame()) == 25
    assert str(found).count("dropout 0.9") == 20
    assert "... 5 more, in to_frame()." in str(found)
    assert "... 5 more" in found._repr_html_()
    assert "more" not in str(a_diagnosis(20, lr=0.1))


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

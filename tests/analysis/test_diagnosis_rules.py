"""Each rule finds the fault that was planted, and is silent where there is none."""

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
)
from sklearn.preprocessing import scale
from skorch.dataset import ValidSplit

from skact import (
    ActivationMonitor,
    ActMLP,
    ActMLPBinary,
    ActMLPRegressor,
    DivergedError,
    diagnose,
)

TWO_LAYERS = {"grad_norm_1": [1.0] * 3, "grad_norm_2": [1.0] * 3}


def as_it_is(load: Any) -> tuple[np.ndarray, np.ndarray]:
    X, y = load(return_X_y=True)
    return X.astype(np.float32), y


def scaled(load: Any) -> tuple[np.ndarray, np.ndarray]:
    X, y = load(return_X_y=True)
    return scale(X).astype(np.float32), y


def digits() -> tuple[np.ndarray, np.ndarray]:
    X, y = load_digits(return_X_y=True)
    return (X / 16).astype(np.float32), y


def noise() -> tuple[np.ndarray, np.ndarray]:
    return digits()[0][:300], np.random.default_rng(0).integers(0, 3, 300)


def numbers() -> tuple[np.ndarray, np.ndarray]:
    X, y = load_diabetes(return_X_y=True)
    return scale(X).astype(np.float32), scale(y).astype(np.float32)


def monitored(kind: Any = ActMLP, **parameters: Any) -> Any:
    return kind(callbacks=[ActivationMonitor()], random_state=0, **parameters)


# what was planted: net, data, the kind and the layer of what must be found, its words
FAULTS: dict[str, tuple[Any, Any, str, int | None, str]] = {
    "sigmoid, eight layers deep": (
        {"activation": "sigmoid", "width": 32, "depth": 8, "max_epochs": 10},
        digits,
        "vanishing",
        None,
        r"gradients vanish: that of the first layer was 0\.000\d times .* 8 hidden "
        r"layers; try relu",
    ),
    "the same from torch's own weights": (
        {
            "activation": "sigmoid",
            "width": 32,
            "depth": 8,
            "init": "torch",
            "max_epochs": 10,
        },
        digits,
        "vanishing",
        None,
        "gradients vanish",
    ),
    "relu at lr 5": (
        {"activation": "relu", "lr": 5.0, "max_epochs": 10},
        digits,
        "dead units",
        1,
        r"layer 1: \d+ % dead units since epoch 1; lr 5 is high for relu: try lr <= "
        r"0\.1, or leaky_relu",
    ),
    "relu at lr 5, by SGD": (
        {"activation": "relu", "lr": 5.0, "optimizer": "sgd", "max_epochs": 10},
        digits,
        "dead units",
        1,
        "dead units",
    ),
    "tanh, inputs unscaled": (
        {"activation": "tanh", "max_epochs": 10},
        lambda: as_it_is(load_breast_cancer),
        "saturated",
        1,
        r"layer 1: \d+ % saturated units since epoch 1; its inputs spread too widely .*"
        r"StandardScaler",
    ),
    "sigmoid, inputs unscaled": (
        {"activation": "sigmoid", "lr": 0.001, "max_epochs": 10},
        lambda: as_it_is(load_wine),
        "saturated",
        1,
        "StandardScaler",
    ),
    "tanh at lr 3": (
        {"activation": "tanh", "lr": 3.0, "max_epochs": 10},
        digits,
        "saturated",
        1,
        "lr 3 is high for tanh: try lr <= 0.1",
    ),
    "lr 1e-6": (
        {"activation": "relu", "lr": 1e-6, "max_epochs": 10},
        digits,
        "too slow",
        None,
        r"no layer changes by more than .* lr 1e-06 is low: try lr >= 1e-05",
    ),
    "lr 1e30": (
        {"activation": "relu", "lr": 1e30, "optimizer": "sgd", "max_epochs": 10},
        digits,
        "diverged",
        None,
        r"NaN or infinite in epoch 1; try lr <= 0\.1",
    ),
    "relu, inputs unscaled": (
        {"activation": "relu", "max_epochs": 10},
        lambda: as_it_is(load_wine),
        "dead units",
        1,
        "inputs spread too widely .*StandardScaler",
    ),
    "dropout .99": (
        {"activation": "relu", "dropout": 0.99, "max_epochs": 20},
        digits,
        "dead units",
        1,
        r"dropout 0\.99 is high: try 0\.2",
    ),
    "weight_decay 10": (
        {"activation": "relu", "weight_decay": 10.0, "max_epochs": 10},
        digits,
        "no learning",
        None,
        r"weight_decay 10 is high: try 0\.01",
    ),
    "relu, twenty layers of torch's own weights": (
        {
            "activation": "relu",
            "depth": 20,
            "width": 30,
            "init": "torch",
            "max_epochs": 10,
        },
        digits,
        "dead units",
        5,
        "layers .* dead units .* try init='auto'",
    ),
    "labels that are noise": (
        {
            "activation": "relu",
            "width": 300,
            "max_epochs": 60,
            "train_split": ValidSplit(10),
        },
        noise,
        "overfitting",
        None,
        r"valid_loss has risen from .* while the training loss fell; try early_stop",
    ),
}
HEALTHY: dict[str, tuple[Any, Any, Any]] = {
    "relu": (ActMLP, {"activation": "relu", "max_epochs": 30}, digits),
    "tanh": (ActMLP, {"activation": "tanh", "max_epochs": 30}, digits),
    "silu, four layers": (
        ActMLP,
        {"activation": "silu", "depth": 4, "width": 64, "lr": 0.001, "max_epochs": 30},
        digits,
    ),
    "relu, eight layers": (
        ActMLP,
        {"activation": "relu", "depth": 8, "width": 64, "lr": 0.001, "max_epochs": 30},
        digits,
    ),
    "selu, eight layers": (
        ActMLP,
        {"activation": "selu", "depth": 8, "width": 32, "lr": 0.001, "max_epochs": 30},
        digits,
    ),
    "prelu with batch norm": (
        ActMLP,
        {"activation": "prelu", "norm": "batch", "depth": 3, "max_epochs": 30},
        digits,
    ),
    "dropout and early stopping": (
        ActMLP,
        {"dropout": 0.3, "early_stopping": True, "max_epochs": 40},
        digits,
    ),
    "SGD": (ActMLP, {"optimizer": "sgd", "lr": 0.05, "max_epochs": 30}, digits),
    "sigmoid on wine": (
        ActMLP,
        {"activation": "sigmoid", "max_epochs": 50},
        lambda: scaled(load_wine),
    ),
    "relu on iris": (ActMLP, {"max_epochs": 50}, lambda: scaled(load_iris)),
    "two classes": (
        ActMLPBinary,
        {"activation": "tanh", "max_epochs": 30},
        lambda: scaled(load_breast_cancer),
    ),
    "numbers": (ActMLPRegressor, {"max_epochs": 50}, numbers),
}


def fitted(net: Any, data: tuple[np.ndarray, np.ndarray]) -> Any:
    try:
        return net.fit(*data)
    except DivergedError:
        return net


def epochs(**columns: Any) -> pd.DataFrame:
    n = len(next(iter(columns.values())))
    return pd.DataFrame({"epoch": range(1, n + 1), **columns})


# inputs that are not scaled are one of the faults
@pytest.mark.filterwarnings("ignore::skact.UnscaledInputWarning")
@pytest.mark.parametrize("case", FAULTS)
def test_a_planted_fault_is_found(case: str) -> None:
    parameters, data, kind, layer, words = FAULTS[case]
    parameters = {"lr": 0.01, "init": "auto", **parameters}
    found = diagnose(fitted(monitored(**parameters), data()))
    assert found
    kinds = {(finding.kind, finding.layer) for _, finding in found.findings}
    assert (kind, layer) in kinds
    assert re.search(words, str(found)), str(found)


@pytest.mark.parametrize("case", HEALTHY)
def test_a_healthy_training_is_left_in_peace(case: str) -> None:
    kind, parameters, data = HEALTHY[case]
    found = diagnose(monitored(kind, **parameters).fit(*data()))
    assert not found, str(found)
    assert str(found).startswith("Nothing wrong was found. Looked at ")
    assert found.to_frame().empty


@pytest.mark.parametrize(
    ("columns", "kinds"),
    [
        ({"dead_1": [0.1, 0.5, 0.4]}, ["dead units"]),
        ({"dead_1": [0.5, 0.39, 0.5]}, []),
        ({"saturated_2": [0.0, 0.5, 0.6]}, ["saturated"]),
        ({"saturated_2": [0.9, 0.9, 0.4]}, []),
        ({"grad_ratio": [0.009, 0.5, 0.5], **TWO_LAYERS}, ["vanishing"]),
        ({"grad_ratio": [0.009, 0.5, 0.5]}, []),  # over one layer
        ({"grad_ratio": [0.011, 0.5, 0.5], **TWO_LAYERS}, []),
        ({"grad_ratio": [0.5, 0.005, 0.005], **TWO_LAYERS}, ["vanishing"]),
        ({"grad_ratio": [101.0, 5.0, 5.0], **TWO_LAYERS}, ["exploding"]),
        (
            {"grad_ratio": [0.0] * 3, "saturated_1": [0.9] * 3, **TWO_LAYERS},
            ["vanishing"],
        ),
        ({"train_loss": [1.0, 0.2, 0.5, 0.5, 0.5]}, ["rising loss"]),
        ({"train_loss": [1.0, 0.2, 0.5, 0.5, 0.25]}, []),
        ({"train_loss": [3.0, 0.2, 0.5, 0.5, 0.5]}, []),
        ({"train_loss": [1.0, 0.99, 0.985]}, ["no learning"]),
        ({"train_loss": [1.0, 0.99, 0.97]}, []),
        ({"train_loss": [1.0, 0.99]}, []),
        ({"train_loss": [1.0, np.nan]}, ["diverged"]),
        ({"update_ratio_1": [5e-4] * 3, "update_ratio_out": [9e-4] * 3}, ["too slow"]),
        ({"update_ratio_1": [5e-4] * 3, "update_ratio_out": [2e-3] * 3}, []),
        (
            {"train_loss": [5, 4, 3, 2, 1], "fold_loss": [5.0, 1.0, 1.1, 1.2, 1.4]},
            ["overfitting"],
        ),
        ({"train_loss": [5, 4, 3, 2, 1], "fold_loss": [5.0, 1.0, 1.1, 1.2, 1.2]}, []),
        ({"train_loss": [5, 1, 2, 3, 1], "fold_loss": [5.0, 1.0, 1.1, 1.2, 1.4]}, []),
        # one tells of the other
        ({"dead_1": [0.9] * 3, "train_loss": [1.0] * 3}, ["dead units"]),
        ({"dead_1": [0.9] * 3, "grad_ratio": [0.0] * 3}, ["dead units"]),
    ],
)
def test_the_rules_are_those_that_are_documented(
    columns: dict[str, Any], kinds: list[str]
) -> None:
    found = diagnose(epochs(**columns))
    assert [finding.kind for _, finding in found.findings] == kinds


def test_since_is_the_epoch_from_which_it_held() -> None:
    found = diagnose(epochs(dead_1=[0.5, 0.1, 0.6, 0.61]))
    assert "61 % dead units since epoch 3" in str(found)
    assert found.findings[0][1].figures == {"dead": 0.61, "since": 3.0}

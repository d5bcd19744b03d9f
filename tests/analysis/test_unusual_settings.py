"""A setting is blamed where it is unusual and the losses are bad, and only there."""

import math
from typing import Any

import pandas as pd
import pytest

from skact.activations.rate_table import RELU_RATES, rate_of_name
from skact.analysis.evidence import Evidence
from skact.analysis.unusual_settings import (
    advise_rate,
    rate_ratio,
    suiting_rate,
    unusual_settings,
)

STUCK = [1.0] * 4
LEARNED = [0.9, 0.02, 0.01, 0.01]
FALLING = [1.0, 0.9, 0.8, 0.7]
USUAL = {"activation": "relu", "optimizer": "adam", "lr": 0.002, "momentum": 0.9}


def evidence(params: dict[str, Any], losses: list[float], **columns: Any) -> Evidence:
    rows = {"epoch": range(1, len(losses) + 1), "train_loss": losses, **columns}
    frame = pd.DataFrame(rows).assign(loss_constant=1.0)
    return Evidence(frame, {**USUAL, **params})


def causes(params: dict[str, Any], losses: list[float], **columns: Any) -> list[str]:
    return [one.cause for one in unusual_settings(evidence(params, losses, **columns))]


SGD = {"optimizer": "sgd", "lr": 0.03}
UNUSUAL: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "momentum": ({**SGD, "momentum": 0.99}, "momentum", {"momentum": 0.9}),
    "high lr": ({"lr": 0.5}, "high lr", {"lr": 0.002}),
    "high lr of SGD": ({**SGD, "lr": 3.0}, "high lr", {"lr": 0.03}),
    "low lr": ({"lr": 1e-5}, "low lr", {"lr": 0.002}),
    "dropout": ({"dropout": 0.8}, "dropout", {"dropout": 0.2}),
    "penalty": ({"weight_decay": 0.5}, "weight decay", {"weight_decay": 2e-4}),
    "decay": (
        {"weight_decay": 10.0, "optimizer": "adamw"},
        "weight decay",
        {"weight_decay": 0.01},
    ),
    "output": (
        {"output_activation": "softmax"},
        "output activation",
        {"output_activation": None},
    ),
    "depth": ({"depth": 8}, "depth", {"depth": 2, "hidden": None}),
    "width": ({"width": 1}, "width", {"width": 64, "hidden": None}),
    "one narrow layer": ({"hidden": "(64, 2)"}, "width", {"width": 64, "hidden": None}),
}


@pytest.mark.parametrize("case", UNUSUAL)
def test_an_unusual_setting_of_a_net_that_learned_nothing_is_its_cause(
    case: str,
) -> None:
    params, cause, change = UNUSUAL[case]
    (finding,) = unusual_settings(evidence(params, STUCK))
    assert (finding.cause, dict(finding.change)) == (cause, change)
    assert "no better than that of a constant output" in finding.text
    assert finding.cost == 1


@pytest.mark.parametrize("case", UNUSUAL)
def test_of_a_net_that_has_learned_no_setting_is_a_fault(case: str) -> None:
    assert causes(UNUSUAL[case][0], LEARNED) == []


def test_usual_settings_are_not_blamed_whatever_the_losses() -> None:
    for losses in (STUCK, FALLING, LEARNED, [1.0, math.nan]):
        assert causes({}, losses) == []
        assert (
            causes({"lr": 0.01, "dropout": 0.5, "width": 8, "depth": 3}, losses) == []
        )


def test_norm_makes_many_layers_usual() -> None:
    assert causes({"depth": 8, "norm": "batch"}, STUCK) == []


def test_momentum_counts_for_sgd_alone() -> None:
    assert causes({"momentum": 0.999}, STUCK) == []


def test_a_low_rate_is_not_the_fault_of_a_training_that_has_converged() -> None:
    converged = [0.9, 0.5, 0.4, 0.4, 0.4, 0.4]
    assert causes({"lr": 1e-5}, converged) == []
    assert causes({"lr": 1e-5}, FALLING) == ["low lr"]


def test_no_net_has_a_rate_that_is_too_high_and_too_low() -> None:
    for lr in (1e-9, 1e-4, 3e-3, 0.1, 1e3):
        for losses in (STUCK, FALLING, [1.0, 9.0, 1.0, 9.0]):
            assert len({"high lr", "low lr"} & set(causes({"lr": lr}, losses))) <= 1


def test_a_high_rate_also_shows_in_its_layers_and_at_its_start() -> None:
    assert causes({"lr": 0.5}, LEARNED, dead_1=[0.9] * 4) == ["high lr"]
    assert causes({"lr": 0.5}, LEARNED, saturated_1=[0.9] * 4) == ["high lr"]
    assert causes({"lr": 0.5}, [8.0, 0.2, 0.04, 0.03]) == ["high lr"]


def test_vanishing_gradients_count_before_the_loss_is_that_of_a_constant() -> None:
    half = [0.9, 0.5, 0.5, 0.5]
    assert causes({"depth": 8}, half) == []
    found = unusual_settings(evidence({"depth": 8}, half, grad_ratio=[1e-4] * 4))
    assert "8 hidden layers without norm" in next(found).text


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "Adam", "sgd"])
@pytest.mark.parametrize("name", ["relu", "sigmoid", "tanh", "leaky_relu(0.2)"])
def test_the_rate_that_suits_has_one_source(name: str, optimizer: str) -> None:
    params = {"activation": name, "optimizer": optimizer}
    kind = "sgd" if optimizer == "sgd" else "adam"
    assert suiting_rate(evidence(params, STUCK)) == rate_of_name(name, kind)
    several = {"activation": f"('{name}', 'relu')", "optimizer": optimizer}
    assert suiting_rate(evidence(several, STUCK)) == rate_of_name(name, kind)


def test_without_the_optimizer_a_rate_must_suit_none() -> None:
    def of_any(lr: float) -> list[str]:
        found = evidence({"lr": lr}, STUCK)
        del found.params["optimizer"]  # as of a search that was saved
        return [one.cause for one in unusual_settings(found)]

    assert of_any(RELU_RATES["sgd"] * 5) == of_any(RELU_RATES["adam"] / 5) == []
    assert of_any(RELU_RATES["sgd"] * 9) == ["high lr"]
    assert of_any(RELU_RATES["adam"] / 9) == ["low lr"]


def test_a_rate_that_is_not_known_is_not_judged() -> None:
    assert suiting_rate(evidence({"optimizer": "RMSprop"}, STUCK)) is None
    assert rate_ratio(evidence({"lr": None}, STUCK)) is None
    assert causes({"optimizer": "RMSprop", "lr": 100.0}, STUCK) == []


@pytest.mark.parametrize(
    ("lr", "lower", "advised"),
    [
        (1.0, True, RELU_RATES["adam"]),
        (0.005, True, 0.0005),  # near what suits: a tenth
        (1e-6, False, RELU_RATES["adam"]),
        (0.1, False, 1.0),  # what suits lies on the other side
    ],
)
def test_the_advised_rate_lies_on_the_advised_side(
    lr: float, lower: bool, advised: float
) -> None:
    words, change = advise_rate(evidence({"lr": lr}, STUCK), lower=lower)
    assert change == {"lr": pytest.approx(advised)}
    assert words == f"Try lr={advised:g}."

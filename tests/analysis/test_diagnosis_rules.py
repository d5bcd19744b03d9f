"""Each rule finds its fault in a small history, and the order of the rules holds."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from skact.analysis.diagnosis_rules import findings_of_fit
from skact.analysis.evidence import Evidence
from skact.analysis.finding import Finding

USUAL = {"activation": "relu", "optimizer": "adam", "lr": 0.003, "max_epochs": 10}
SCALED = {"input_max": 1.1, "input_median": 1.0, "loss_constant": 1.0}
STUCK = [1.0] * 10
LEARNED = [0.9, 0.5, 0.3, 0.2, 0.1, 0.08, 0.06, 0.05, 0.04, 0.04]


def evidence(losses: Any = (), params: Any = (), **columns: Any) -> Evidence:
    """Recorded by a monitor, with usual settings, unless said otherwise."""
    columns = {"train_loss": losses, **columns} if len(losses) else columns
    n = max(np.size(values) for values in columns.values())
    rows = pd.DataFrame({"epoch": range(1, n + 1), **SCALED, **columns})
    rows = rows.dropna(axis=1, how="all")
    return Evidence(rows, {**USUAL, **dict(params)})


def causes(*args: Any, **columns: Any) -> list[str]:
    return [finding.cause for finding in findings_of_fit(evidence(*args, **columns))]


def test_a_healthy_training_is_left_in_peace() -> None:
    assert causes(LEARNED) == []
    assert causes([0.99, 0.9, 0.82, 0.8, 0.8, 0.8, 0.8]) == []  # a noisy table
    assert causes(LEARNED, dead_1=[0.5] * 10) == []


@pytest.mark.parametrize(
    ("recorded", "words"),
    [
        ({"input_max": 1e6}, r"a column of X has values of about 1e\+06"),
        ({"input_median": 1e-4}, "most columns of X vary by 0.0001 only"),
    ],
)
def test_inputs_that_are_not_scaled_come_first(
    recorded: dict[str, float], words: str
) -> None:
    found = evidence(STUCK, {"lr": 1.0, "dropout": 0.9}, **recorded)
    (finding,) = findings_of_fit(found)
    assert (finding.cause, dict(finding.change)) == ("inputs", {"X": "scaled"})
    assert pd.Series([finding.text]).str.contains(words).all()


def test_where_the_scale_of_inputs_is_not_known_a_bad_start_is_theirs() -> None:
    unknown = {"input_max": np.nan, "input_median": np.nan}
    start = [50.0, 9.0, 5.0, 4.0, 3.0]
    assert causes(start, **unknown) == ["inputs"]
    assert causes([1.0, math.nan], **unknown) == ["inputs"]
    assert causes(start, {"lr": 1.0}, **unknown) == ["high lr"]
    assert causes(start) == ["initial weights"]


@pytest.mark.parametrize("variance", [1e4, 1e-5])
def test_y_that_is_not_scaled_is_blamed_unless_the_net_has_learned(
    variance: float,
) -> None:
    of_numbers = {"criterion": "MSELoss"}
    stuck, learned = (np.array(x) * variance for x in (STUCK, LEARNED))
    assert causes(stuck, of_numbers, loss_constant=variance) == ["y"]
    assert causes(learned, of_numbers, loss_constant=variance) == []
    of_classes = {"criterion": "CrossEntropyLoss"}
    assert causes(stuck, of_classes, loss_constant=variance) == ["no signal"]


def test_settings_come_before_what_losses_show() -> None:
    rising = [*LEARNED[:4], 0.5, 0.6, 0.7, 0.9, 1.0, 1.0]
    assert causes(LEARNED, valid_loss=rising) == ["overfitting"]
    assert causes(LEARNED, {"lr": 1.0}, valid_loss=rising) == ["high lr"]


@pytest.mark.parametrize(
    ("losses", "columns", "words"),
    [
        (STUCK, {"update_ratio_1": [1.0] + [0.0] * 9}, "initial weights are 0"),
        (STUCK, {"update_ratio_1": [1e290] + [0.1] * 9}, "initial weights are 0"),
        (STUCK, {"dead_1": [1.0] * 10}, "units are dead from the first epoch on"),
        ([90.0, *LEARNED], {}, "initial weights are large"),
        ([3.0, *LEARNED], {"preact_std_1": [30.0] * 11}, "initial weights are large"),
    ],
)
def test_bad_initial_weights_are_told_by_what_they_do(
    losses: list[float], columns: dict[str, Any], words: str
) -> None:
    (finding,) = findings_of_fit(evidence(losses, **columns))
    assert finding.cause == "initial weights"
    assert finding.text.startswith(words)


def test_a_loss_that_diverged_asks_for_a_lower_rate() -> None:
    (finding,) = findings_of_fit(evidence([1.0, 2.0, math.nan]))
    assert finding.cause == "high lr"
    assert finding.text == "the loss became NaN or infinite in epoch 3"
    assert dict(finding.change) == {"lr": 0.0003}


def test_what_no_net_can_learn_is_not_blamed_on_a_setting() -> None:
    (finding,) = findings_of_fit(evidence(LEARNED, valid_loss=[1.0] * 10))
    assert (finding.cause, dict(finding.change)) == ("no signal", {})
    assert causes(STUCK) == ["no signal"]


def test_overfitting_is_a_rise_that_matters_while_the_training_loss_falls() -> None:
    def found(*held_out: float, losses: Any = LEARNED, **params: Any) -> list[str]:
        losses_held_out = [0.9, 0.6, 0.4, 0.3, 0.3, *held_out]
        return causes(losses, params, valid_loss=losses_held_out)

    assert found(0.4, 0.5, 0.6, 0.7, 0.7) == ["overfitting"]
    assert found(0.31, 0.32, 0.33, 0.35, 0.35) == []
    assert found(0.4, 0.5, 0.6, 0.7, 0.7, early_stopping=True) == []
    both_rise = [0.9, 0.5, 0.2, 0.1, 0.1, 0.2, 0.2, 0.25, 0.25, 0.25]
    assert found(0.4, 0.5, 0.6, 0.7, 0.7, losses=both_rise) == []


def test_the_fold_of_a_search_counts_before_validation_rows() -> None:
    rising = [0.9, 0.6, 0.4, 0.3, 0.3, 0.4, 0.5, 0.6, 0.7, 0.7]
    steady = [0.9, 0.6, 0.4] + [0.3] * 7
    assert causes(LEARNED, valid_loss=rising, fold_loss=steady) == []
    assert causes(LEARNED, valid_loss=steady, fold_loss=rising) == ["overfitting"]


def test_layers_are_blamed_where_nothing_else_is() -> None:
    half = [0.95] * 10
    assert causes(half, dead_1=[0.5] * 10) == ["dead units"]
    assert causes(half, saturated_2=[0.6] * 10) == ["saturated units"]
    assert causes(half, dead_1=[0.3] * 10) == []
    assert causes([0.9, 0.7] + [0.6] * 8, dead_1=[0.5] * 10) == []
    only_layers = {"train_loss": np.nan, "loss_constant": np.nan, "dead_1": [0.5] * 3}
    assert causes(**only_layers) == ["dead units"]


def test_a_loss_that_goes_up_and_down_asks_for_a_lower_rate() -> None:
    assert causes([0.9, 0.5] * 6) == ["high lr"]
    assert causes([0.9, 0.2, 0.25, 0.1, 0.15, 0.05, 0.1, 0.05, 0.05]) == []


def test_more_epochs_are_advised_where_the_loss_still_falls() -> None:
    falling = np.linspace(1.2, 0.82, 10)
    (finding,) = findings_of_fit(evidence(falling))
    assert (finding.cause, dict(finding.change)) == ("epochs", {"max_epochs": 40})
    (finding,) = findings_of_fit(evidence(falling, {"batch_size": -1}))
    assert (finding.cause, dict(finding.change)) == ("epochs", {"batch_size": 64})
    assert causes([0.9]) == ["epochs"]
    assert causes([0.2]) == []
    # early stopping has ended it, or the held-out loss rises
    stopped = {"early_stopping": True}
    assert causes(falling[:9], stopped, valid_loss=falling[:9]) == []
    assert causes(falling, valid_loss=[0.9, 0.6] + [0.5] * 5 + [0.53] * 3) == []
    # further down, only held-out rows tell learning from learning by heart
    lower = np.linspace(1, 0.3, 10)
    assert causes(lower) == []
    assert causes(lower, valid_loss=lower) == ["epochs"]


def test_what_other_evidence_contradicts_makes_way_for_the_next_cause() -> None:
    params = {"dropout": 0.9, "lr": 1.0}
    both = findings_of_fit(evidence(STUCK, params))
    assert [finding.cause for finding in both] == ["high lr", "dropout"]

    def weigh(finding: Finding) -> Finding | None:
        return None if finding.cause in ("high lr", "dropout") else finding

    (finding,) = findings_of_fit(evidence(STUCK, params), weigh)
    assert finding.cause == "no signal"

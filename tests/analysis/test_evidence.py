"""Losses of a fit in units of the loss of a constant, and what their curves show."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from skact.analysis.evidence import Evidence


def evidence(params: dict[str, Any] | None = None, **columns: Any) -> Evidence:
    known = {k: v for k, v in columns.items() if k not in ("failed", "n_classes")}
    rest = {k: v for k, v in columns.items() if k not in known}
    n = len(next(iter(known.values())))
    rows = pd.DataFrame({"epoch": range(1, n + 1), **known})
    return Evidence(rows, params or {}, **rest)


def test_losses_count_in_units_of_the_loss_of_a_constant() -> None:
    recorded = evidence(train_loss=[4.0, 2.0], loss_constant=[8.0, 8.0])
    assert recorded.train.tolist() == [0.5, 0.25]
    of_classes = evidence(train_loss=[math.log(4), 0.0], n_classes=4)
    assert of_classes.train.tolist() == [1.0, 0.0]
    unknown = evidence(train_loss=[4.0, 2.0])
    assert (unknown.constant, unknown.train.tolist()) == (None, [1.0, 0.5])


def test_epochs_may_come_in_any_order() -> None:
    rows = pd.DataFrame({"epoch": [3, 1, 2], "train_loss": [1.0, 3.0, 2.0]})
    assert (Evidence(rows, {}).train * 3).tolist() == [3.0, 2.0, 1.0]


@pytest.mark.parametrize(
    ("losses", "failed", "diverged"),
    [
        ([1.0, np.nan], False, True),
        ([1.0, np.inf], False, True),
        ([1.0, 0.5], False, False),
        ([1.0, 0.5], True, True),
    ],
)
def test_a_fit_has_diverged_if_its_last_loss_is_no_number_or_it_failed(
    losses: list[float], failed: bool, diverged: bool
) -> None:
    assert evidence(train_loss=losses, failed=failed).has_diverged == diverged


def test_the_end_is_that_of_the_weights_that_the_net_keeps() -> None:
    losses = {"train_loss": [4.0, 1.0, 0.5, 0.4], "valid_loss": [4.0, 1.0, 2.0, 3.0]}
    constant = {"loss_constant": [1.0] * 4}
    assert evidence(**losses, **constant).end == 0.5  # the median of three
    stopped = evidence({"early_stopping": True}, **losses, **constant)
    assert stopped.end == 1.0
    assert stopped.rise == 0


def test_a_rise_is_above_the_least_of_smoothed_losses() -> None:
    losses = [1.0, 0.8, 0.6, 0.1, 0.6, 0.7, 0.9, 1.0, 1.1]
    found = evidence(train_loss=[1.0] * 9, valid_loss=losses, loss_constant=[1.0] * 9)
    assert found.best_held_out == 0.6  # one lucky epoch is no minimum
    assert found.rise == pytest.approx(0.4)
    assert math.isnan(evidence(train_loss=[1.0] * 9).best_held_out)


def test_what_falls_at_the_end_is_told_from_what_stands_still() -> None:
    falling = np.linspace(1, 0.1, 20)
    still = np.maximum(falling, 0.5)
    rate = falling[0] - falling[1]
    assert evidence(train_loss=falling).last_fall == pytest.approx(4 * rate)
    assert evidence(train_loss=still).last_fall == 0
    # where the held-out loss stands still, more epochs bring nothing
    assert evidence(train_loss=falling, valid_loss=still).last_fall == 0
    # a schedule stills what would fall
    plateau = np.r_[np.linspace(1, 0.4, 15), [0.4] * 5]
    assert evidence({"lr_schedule": "cosine"}, train_loss=plateau).last_fall > 0.02
    assert evidence(train_loss=[1.0, 0.5]).fall == 0


def test_jumps_sum_the_steps_upwards() -> None:
    found = evidence(train_loss=[1.0, 5.0, 1.0, 1.5, 0.5, 0.7, 0.6, 0.6])
    assert found.jumps == pytest.approx(0.5 + 0.2)  # the first quarter does not count


def test_the_worst_layer_was_bad_in_the_last_two_epochs() -> None:
    found = evidence(dead_1=[0.9, 0.1, 0.9], dead_2=[0.0, 0.5, 0.6])
    assert found.worst_layer("dead", 0.4) == (2, 0.5)
    assert found.worst_layer("saturated", 0.4) is None


@pytest.mark.parametrize(
    ("params", "depth", "narrowest"),
    [
        ({"width": 7, "depth": 3}, 3, 7),
        ({"width": 7, "depth": 3, "hidden": "(5, 2)"}, 2, 2),
        ({"width": 7, "depth": 3, "hidden": "None"}, 3, 7),
        ({}, 1, None),
    ],
)
def test_hidden_layers_are_read_from_the_parameters(
    params: dict[str, Any], depth: int, narrowest: int | None
) -> None:
    found = evidence(params, train_loss=[1.0])
    assert (found.depth, found.narrowest) == (depth, narrowest)


def test_a_parameter_that_is_no_number_is_not_known() -> None:
    found = evidence({"lr": "auto", "momentum": True, "dropout": 0}, train_loss=[1.0])
    assert found.number("lr") is None
    assert found.number("momentum") is None
    assert found.number("dropout") == 0

"""Losses and layers in words."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from skact.analysis.evidence import Evidence
from skact.analysis.trouble import blame, cost_of, describe_trouble

CONSTANT = {"loss_constant": [2.0] * 3}


def evidence(**columns: Any) -> Evidence:
    n = len(next(iter(columns.values())))
    return Evidence(pd.DataFrame({"epoch": range(1, n + 1), **columns}), {})


@pytest.mark.parametrize(
    ("columns", "words", "cost"),
    [
        (
            {"train_loss": [2.0, np.nan]},
            "the loss became NaN or infinite in epoch 2",
            1,
        ),
        (
            {"train_loss": [2.0] * 3, **CONSTANT},
            "the training loss is no better than that of a constant output",
            1,
        ),
        (
            {"train_loss": [2.0, 5.0, 5.0], **CONSTANT},
            "the training loss is 2.5 times that of a constant output",
            1,
        ),
        (
            {"train_loss": [2.0, 0.5, 0.5], **CONSTANT},
            "the training loss is 25 % of that of a constant output",
            0.25,
        ),
        (
            {"train_loss": [20.0, 0.1, 0.1], **CONSTANT},
            "the first training loss was 10 times that of a constant",
            0.05,
        ),
        (
            {"train_loss": [2.0, 1.0, 1.0]},
            "the training loss is 0.5 times that of the first epoch",
            0.5,
        ),
        (
            {"train_loss": [2.0, 1.0, 1.0], "dead_1": [0.5] * 3, **CONSTANT},
            "the training loss is 50 % of that of a constant output; 50 % of layer 1's "
            "units are dead",
            0.5,
        ),
    ],
)
def test_trouble_is_described_and_costed(
    columns: dict[str, Any], words: str, cost: float
) -> None:
    assert describe_trouble(evidence(**columns)) == words
    assert cost_of(evidence(**columns)) == pytest.approx(cost)


def test_a_finding_has_reason_losses_and_those_figures_that_are_known() -> None:
    found = blame(
        "dropout",
        evidence(train_loss=[2.0] * 3, **CONSTANT),
        "dropout 0.9 is high",
        "Try dropout=0.2.",
        {"dropout": 0.2},
        known=3.0,
        unknown=np.nan,
    )
    assert found.text.startswith("dropout 0.9 is high: the training loss is no better")
    assert found.figures == {"loss": 1.0, "known": 3.0}

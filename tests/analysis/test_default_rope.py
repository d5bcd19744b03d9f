"""The default rope is 0.01 of a share, and relative to the spread of other scores."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from skact import compare
from skact.analysis.default_rope import default_rope

RNG = np.random.default_rng(0)
# a score that moves by 0.1 from fold to fold
COMMON = RNG.normal(0, 0.1, 200)[:, None] + RNG.normal(0, 0.01, (200, 3))


def rope_of(scores: Any) -> tuple[float, list[str]]:
    notes: list[str] = []
    return default_rope(pd.DataFrame(scores), notes), notes


def test_shares_have_the_usual_rope_and_no_note() -> None:
    assert rope_of(np.clip(0.8 + COMMON, 0, 1)) == (0.01, [])
    # R2 with a fold far below
    assert rope_of([[0.9, -9.3], [0.8, 0.7], [0.9, 0.8]]) == (0.01, [])


@pytest.mark.parametrize("unit", [6e-5, 1.0, 63_000.0])
@pytest.mark.parametrize("middle", [-2.0, 3.0])
def test_scores_with_a_unit_have_a_tenth_of_their_deviation(
    unit: float, middle: float
) -> None:
    rope, notes = rope_of((middle + COMMON) * unit)
    assert rope == pytest.approx(0.01 * unit, rel=0.2)
    assert f"Differences up to {rope:g} count as equal" in notes[0]


def test_one_fold_or_one_value_with_enormous_errors_makes_nothing_equivalent() -> None:
    usual, _ = rope_of(COMMON - 2)
    odd_fold, odd_value = COMMON - 2, COMMON - 2
    odd_fold[3] -= 1000
    odd_value[:, 1] *= 1000
    for odd in (odd_fold, odd_value):
        assert rope_of(odd)[0] == pytest.approx(usual, rel=0.1)


def test_small_scores_with_a_unit_are_no_shares() -> None:
    """All of these were equivalent, within 0.01."""
    rope, notes = rope_of(0.002 + 0.001 * COMMON)
    assert rope < 0.0001
    assert notes


def test_scores_that_do_not_move_have_no_rope() -> None:
    rope, notes = rope_of(np.full((5, 2), -3.0))
    assert rope == 0
    assert "none counts as equal" in notes[0]


def test_errors_in_any_unit_have_the_same_verdicts(results: Any) -> None:
    """Errors of 6e-5 were all equivalent, and errors of 63,000 never."""
    rng = np.random.default_rng(1)
    common = -1 + rng.normal(0, 0.05, 10)
    scores = {
        "a": common,
        "b": common - 0.0001 + rng.normal(0, 0.0005, 10),
        "c": common - 0.2 + rng.normal(0, 0.01, 10),
    }
    for unit in (6e-5, 1.0, 63_000.0):
        found = compare(results({k: v * unit for k, v in scores.items()}))
        assert found.frame["verdict"].tolist() == ["equivalent", *["a better"] * 2]
        assert f"within {found.rope:g}" in found.verdict
        assert f"Differences up to {found.rope:g} count" in found.verdict

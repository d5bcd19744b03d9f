"""A fold that decides alone is named, and chance is not taken for one."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from skact import compare
from skact.analysis.deciding_fold import DecidingFold, deciding_fold

R2 = pd.DataFrame(
    {
        "relu": [0.76, 0.74, -9.3, 0.78, 0.72],
        "tanh": [0.70, 0.67, 0.71, 0.72, 0.67],
        "silu": [0.75, 0.73, 0.70, 0.77, 0.73],
    }
)


def test_the_fold_the_value_and_its_other_scores_are_told() -> None:
    expected = DecidingFold(2, "relu", -9.3, 0.72, 0.78)
    assert deciding_fold(R2, 0) == expected
    assert deciding_fold(R2[["relu", "tanh"]], 0) == expected
    assert deciding_fold(R2[["tanh", "relu"]], 0) == expected
    assert deciding_fold(R2[["tanh", "silu"]], 0) is None


def test_where_most_values_are_unlike_themselves_one_of_them_is_told() -> None:
    odd = R2.assign(silu=[0.75, 0.73, -6.0, 0.77, 0.73], selu=R2["relu"] + 0.01)
    found = deciding_fold(odd, 0)
    assert found is not None
    assert (found.fold, found.value) == (2, "relu")


def test_a_fold_that_is_hard_for_all_values_alike_is_no_such_fold() -> None:
    hard = R2[["tanh", "silu"]].copy()
    hard.iloc[2] -= 10
    assert deciding_fold(hard, 0) is None


def test_two_folds_have_no_odd_one() -> None:
    assert deciding_fold(R2.iloc[1:3], 0) is None
    assert deciding_fold(0 * R2, 0) is None


def test_one_row_more_on_one_fold_decides_nothing() -> None:
    """All other differences are 0, so any other is infinitely many deviations."""
    scores = pd.DataFrame({"a": [0.9] * 10, "b": [0.9] * 9 + [0.8]})
    assert deciding_fold(scores, 0.1) is None
    assert deciding_fold(scores, 0) is not None


@pytest.mark.parametrize(("n_folds", "n_values"), [(3, 2), (5, 2), (5, 8), (10, 4)])
def test_chance_is_seldom_taken_for_such_a_fold(n_folds: int, n_values: int) -> None:
    """At most the level of .01; five of 200 are seen in .05 % of such runs."""
    rng = np.random.default_rng(0)
    tables = (pd.DataFrame(rng.normal(size=(n_folds, n_values))) for _ in range(200))
    assert sum(deciding_fold(one, 0) is not None for one in tables) <= 5


def test_the_verdict_says_what_it_would_be_without_that_fold(results: Any) -> None:
    """It said that a difference must reach 31, and not why."""
    found = compare(results({name: R2[name].tolist() for name in R2}))
    lines = found.verdict.split("\n")
    assert lines[0].startswith("No winner is shown: silu scores best of 3 values")
    (said,) = [line for line in lines if line.startswith("Fold 2")]
    assert said.startswith(
        "Fold 2 decides: relu scores -9.3 there, and 0.72 to 0.78 on the other folds. "
        "Without fold 2 the answer would be: No single winner: relu scores best"
    )
    (reach,) = [line for line in lines if line.startswith("With these 5 folds")]
    assert "; without fold 2, about 0.0" in reach
    calm = compare(results({name: R2[name].tolist() for name in ("tanh", "silu")}))
    assert "Fold" not in calm.verdict


def test_a_fold_without_which_nothing_changes_is_not_named(results: Any) -> None:
    rng = np.random.default_rng(0)
    scores = {f"f{i}": 0.9 + rng.normal(0, 0.01, 10) for i in range(6)}
    scores["bad"] = np.full(10, 0.3)
    scores["bad"][4] = 0.0
    found = compare(results(scores))
    assert found.deciding == DecidingFold(4, "bad", 0.0, 0.3, 0.3)
    assert "bad (by 0.6" in found.verdict
    assert "Fold 4" not in found.verdict

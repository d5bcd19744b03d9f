"""The step of a score is that of one row, as the scores or the splitter tell it."""

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, r2_score, roc_auc_score

from skact.analysis.score_steps import step_of_scores


@pytest.mark.parametrize("m", [1, 12, 30, 75, 1000])
def test_accuracies_tell_their_number_of_rows(m: int) -> None:
    """Of several candidates and folds the least common denominator is m itself."""
    right = np.random.default_rng(0).binomial(m, 0.9, (8, 5))
    assert step_of_scores(right / m) == pytest.approx(1 / m)
    assert step_of_scores(np.where(right < m, right / m, np.nan)) >= 1 / m - 1e-12


def test_few_scores_give_a_step_that_is_no_smaller_than_that_of_a_row() -> None:
    for right in range(1, 61):
        step = step_of_scores([[right / 60, right / 60]])
        assert step >= 1 / 60
        assert (step * 60) == pytest.approx(round(step * 60))


def test_folds_of_nearly_equal_size_count_as_the_largest() -> None:
    scores = [[30 / 31, 29 / 30], [28 / 31, 27 / 30], [29 / 31, 23 / 30]]
    assert step_of_scores(scores) == pytest.approx(1 / 31)


def test_known_rows_decide_for_all_scores_that_count_rows() -> None:
    assert step_of_scores([[1.0, 1.0]]) == 1
    assert step_of_scores([[1.0, 1.0]], n_test=50) == 1 / 50
    assert step_of_scores([[0.7312345678, 1.0]], n_test=50) == 0


def scores_by(metric: Any, rng: np.random.Generator) -> np.ndarray:
    """Scores of four candidates on three folds of 24 rows."""
    table = np.empty((4, 3))
    for place in np.ndindex(4, 3):
        y = np.arange(24) % 2
        table[place] = metric(y, rng, np.where(rng.random(24) < 0.8, y, 1 - y))
    return table


METRICS = {
    "F1": lambda y, rng, found: f1_score(y, found),
    "macro F1": lambda y, rng, found: f1_score(y, found, average="macro"),
    "balanced": lambda y, rng, found: balanced_accuracy_score(y, found),
    "AUC": lambda y, rng, found: roc_auc_score(y, y + rng.normal(size=24)),
}


@pytest.mark.parametrize("name", METRICS)
def test_scores_that_count_rows_have_a_step_and_others_have_none(name: str) -> None:
    rng = np.random.default_rng(0)
    step = step_of_scores(scores_by(METRICS[name], rng))
    assert 0 < step <= 2 / 24
    noisy = scores_by(lambda y, rng, _: r2_score(y, y + rng.normal(size=24)), rng)
    assert step_of_scores(noisy) == 0
    assert step_of_scores(1000 * noisy) == 0


def test_without_scores_there_is_no_step() -> None:
    assert step_of_scores([[np.nan, np.nan]]) == 0


@pytest.mark.parametrize("rounded", ["float32", 4, 5, 6])
def test_scores_that_were_rounded_tell_their_rows_all_the_same(rounded: Any) -> None:
    """Else 29/30 and 28/30 of two models would be no steps, and chance look sure."""
    rng = np.random.default_rng(0)
    for m in (12, 30, 75):
        scores = rng.binomial(m, 0.9, (8, 5)) / m
        if rounded == "float32":
            given = scores.astype(np.float32).astype(float)
            noise = rng.random((8, 5)).astype(np.float32)
            assert step_of_scores(noise) == 0
        else:
            given = scores.round(rounded)
            noise = rng.random((8, 5)).round(rounded)
            assert step_of_scores(noise) <= 1.01 * 10.0**-rounded
        assert step_of_scores(given) == pytest.approx(1 / m)

"""The steps in which a score moves: one test row more that is right, or less."""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

_EXACT = 2e-15  # rounding error of a score
_FLOAT32 = 6e-8
_LARGEST_DENOMINATOR = 100_000
_CHANCE = 1e-4  # that numbers all lie near to fractions and are none


def step_of_scores(scores: Any, n_test: float | None = None) -> float:
    """Return the step in which scores move; 0 for scores that move continuously.

    The accuracy on m rows is a number of rows over m. So are, over other numbers, all
    scores that count rows, such as recall or F1. Scores that are such fractions on
    every fold are taken to move in steps of one row, the others to be continuous.

    Parameters
    ----------
    scores : array-like of shape (n_candidates, n_folds)
        Scores as the search has them; NaN where a fit failed.
    n_test : float or None, default=None
        Test rows of a fold, if they are known. Else the scores tell: the common
        denominator of a fold divides its number of rows, so the step is at most too
        large.

    Returns
    -------
    float

    Examples
    --------
    >>> f"{step_of_scores([[28 / 30, 29 / 30], [27 / 30, 29 / 30]]):.4f}"
    '0.0333'
    >>> step_of_scores([[0.7312345678, 0.1234567891]])
    0.0
    """
    table = np.asarray(scores, dtype=float)
    folds = [np.unique(fold[np.isfinite(fold)]) for fold in table.T]
    if not any(map(len, folds)):
        return 0.0
    scores = np.unique(np.concatenate(folds))
    for rounding in _roundings_of(scores):
        # numbers up to 1 have 0.3 q^2 fractions with denominators up to q
        chance = _CHANCE ** (1 / len(scores))
        largest = int(math.sqrt(chance / 0.6 / rounding))
        largest = max(1, min(largest, _LARGEST_DENOMINATOR))
        found = [_rows_told_by(fold.tolist(), rounding, largest) for fold in folds]
        if 0 not in found:
            return 1 / (max(found) if n_test is None else n_test)
    return 0.0


def _roundings_of(scores: np.ndarray) -> list[float]:
    """Return how scores may have been rounded: to decimals, to float32, or hardly."""
    decimals = [n for n in range(3, 8) if (scores.round(n) == scores).all()]
    found = [0.5 * 10.0**-n for n in decimals[:1]]
    if (scores.astype(np.float32) == scores).all():
        found.append(_FLOAT32)
    return [*found, _EXACT]


def _rows_told_by(scores: Sequence[float], rounding: float, largest: int) -> int:
    """Return how many rows the scores of a fold count; 0 if one is no fraction."""
    highest = common = 1
    for score in scores:
        found = Fraction(score).limit_denominator(largest)
        if abs(float(found) - score) > rounding * max(1.0, abs(score)):
            return 0
        highest = max(highest, found.denominator)
        common = math.lcm(common, found.denominator)
    # counts over one number of rows have a small common denominator; those over many,
    # as F1 has them, a product of these
    return common if common <= 4 * highest else highest

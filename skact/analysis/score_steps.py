"""The steps in which a score moves: one test row more that is right, or less."""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

# A number that is no fraction lies so near to one with a chance of 1e-5.
_LARGEST_DENOMINATOR = 100_000
_ROUNDING = 2e-15


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
    folds = [np.unique(fold[np.isfinite(fold)]).tolist() for fold in table.T]
    if not any(folds):
        return 0.0
    found = [_rows_told_by(fold) for fold in folds]
    if 0 in found:
        return 0.0
    return 1 / (max(found) if n_test is None else n_test)


def _rows_told_by(scores: Sequence[float]) -> int:
    """Return how many rows the scores of a fold count; 0 if one is no fraction."""
    largest = common = 1
    for score in scores:
        found = Fraction(score).limit_denominator(_LARGEST_DENOMINATOR)
        if abs(float(found) - score) > _ROUNDING * max(1.0, abs(score)):
            return 0
        largest = max(largest, found.denominator)
        common = math.lcm(common, found.denominator)
    # counts over one number of rows have a small common denominator; those over many,
    # as F1 has them, a product of these
    return common if common <= 4 * largest else largest

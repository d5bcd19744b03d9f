"""Whether the scores of one fold are so unlike the others that they decide alone."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtr

_LEVEL = 0.01  # of the test of all folds
_TIMES = 10.0  # that the fold must deviate more: less decides little


@dataclass(frozen=True)
class DecidingFold:
    """A fold that is unlike the others.

    Parameters
    ----------
    fold : int
        Its number.
    value : Any
        The value whose score is unlike its scores on the other folds.
    score : float
        That score.
    low, high : float
        The least and the greatest of its other scores.
    """

    fold: Any
    value: Any
    score: float
    low: float
    high: float


def deciding_fold(scores: pd.DataFrame, step: float) -> DecidingFold | None:
    """Return the fold on which the values differ unlike they do on the others.

    A value's score on a fold, less its mean on the others and less what all values have
    in common there, is a deviation. Their root mean square on the fold, over that on
    the others, is compared with Student's t with n - 2 degrees of freedom, which it is
    if one pair makes it (the externally studentized residual); Bonferroni's method
    adjusts for n folds. Steps of scores are no sign: the others deviate by one step.

    Parameters
    ----------
    scores : DataFrame of shape (n_folds, n_values)
    step : float
        The step in which scores move; 0: none.

    Returns
    -------
    DecidingFold or None
        Of several such folds the most unlike one; None: there is none.
    """
    table = scores.to_numpy()
    n, size = len(table), float(np.abs(table).max())
    if n < 3 or size == 0:  # of two folds neither is the odd one
        return None
    least = max(step / np.sqrt(2 * (n - 1)), 1e-9 * size)
    times = [_times_as_far(table, fold, least) for fold in range(n)]
    fold = int(np.argmax(times))
    if times[fold] < _TIMES or 2 * stdtr(n - 2, -times[fold]) * n > _LEVEL:
        return None
    rest = np.delete(table, fold, axis=0)
    # most values may be unlike themselves there, so the one that moved most is told
    value = int(np.abs(table[fold] - np.median(rest, axis=0)).argmax())
    return DecidingFold(
        scores.index[fold],
        scores.columns[value],
        float(table[fold, value]),
        float(rest[:, value].min()),
        float(rest[:, value].max()),
    )


def _times_as_far(table: np.ndarray, fold: int, least: float) -> float:
    """Return how many times as far the scores of a fold deviate as the others do."""
    n, n_values = table.shape
    rest = np.delete(table, fold, axis=0)
    own, others = _deviations(table[fold], rest), _deviations(rest, rest)
    usual = np.sqrt((others**2).sum() / (n - 2) / (n_values - 1))
    here = np.sqrt((own**2).sum() / (n_values - 1) * (n - 1) / n)
    return float(here / max(usual, least))


def _deviations(scores: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Return how far scores (..., n_values) of folds are from the means of others."""
    apart = scores - rest.mean(axis=0)
    return apart - apart.mean(axis=-1, keepdims=True)

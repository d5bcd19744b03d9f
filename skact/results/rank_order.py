"""Ranks of a table that its mean scores contradict, and ranks in their place.

A table of several searches put together has the ranks of each: several candidates of
rank 1, of which the first in the table need not be the best.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np


def ranks_in_place_of(
    ranks: Sequence[Any], means: Sequence[Any], rounds: Sequence[Any]
) -> list[int | None] | None:
    """Return ranks by the mean scores, if given ranks contradict these.

    They do if equal ranks have different means, or if their order is neither that of
    the means nor exactly the reverse. The reverse is that of scores which were
    minimized, or which changed their sign, and no mistake of a table.

    Parameters
    ----------
    ranks, means : sequence of float or None
        None: the candidate has none. One without a rank is not judged, and gets none.
    rounds : sequence of float or None
        The iterations of successive halving, each of which is judged by itself, for
        not all searches rank the candidates of several iterations together.

    Returns
    -------
    list of int or None
        As scikit-learn ranks: the greatest mean is best, equal means share the best of
        their ranks, and a candidate without a mean comes last. None if nothing
        contradicts.
    """
    ranked = np.array([rank is not None for rank in ranks], dtype=bool)
    numbers = _array_of(ranks), _array_of(means)
    judged = ranked & ~np.isnan(numbers[1])
    parts = [
        [numbers[0][rows], numbers[1][rows]]
        for rows in (judged & of_round for of_round in _rows_of_rounds(rounds))
    ]
    if all(_is_falling(*part) for part in parts):
        return None
    if all(_is_falling(part[0], -part[1]) for part in parts):
        return None
    least_first = np.sort(np.where(np.isnan(numbers[1]), -math.inf, numbers[1])[ranked])
    n_known = int(judged.sum())
    found: list[int | None] = []
    for is_ranked, mean in zip(ranked, numbers[1], strict=True):
        above = len(least_first) - int(np.searchsorted(least_first, mean, "right"))
        rank = 1 + (n_known if math.isnan(mean) else above)
        found.append(rank if is_ranked else None)
    return found


def _array_of(numbers: Sequence[Any]) -> np.ndarray:
    return np.array([math.nan if x is None else x for x in numbers], dtype=float)


def _rows_of_rounds(rounds: Sequence[Any]) -> list[np.ndarray]:
    keys = np.array([-1.0 if x is None else x for x in rounds], dtype=float)
    return [keys == key for key in np.unique(keys)]


def _is_falling(ranks: np.ndarray, means: np.ndarray) -> bool:
    """Whether means fall, or stay, from each rank to the next, and equal ranks tie."""
    order = np.lexsort((-means, ranks))
    ranks, means = ranks[order], means[order]
    # a file may have lost the last digits of the means
    tie = np.isclose(means[1:], means[:-1], rtol=1e-9, atol=0)
    same = ranks[1:] == ranks[:-1]
    return bool(np.where(same, tie, tie | (means[1:] < means[:-1])).all())

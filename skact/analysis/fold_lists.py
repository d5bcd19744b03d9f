"""Folds that a search was given as rows: a list, or an array, of pairs."""

from collections.abc import Iterable
from typing import Any

import numpy as np


def is_list_of_folds(cv: Any) -> bool:
    """Whether the `cv` of a search is a list of its folds, and no splitter."""
    return isinstance(cv, list | tuple | np.ndarray)


def splitter_of(search: Any) -> Any:
    """Return the `cv` of a search, also a list that `check_cv` has wrapped."""
    listed = getattr(search.cv, "cv", None)
    return listed if is_list_of_folds(listed) else search.cv


def positions_of(rows: Any) -> np.ndarray:
    """Return the sorted positions of rows, which a fold may give as a mask."""
    rows = np.asarray(rows)
    return np.flatnonzero(rows) if rows.dtype == bool else np.sort(rows).astype(np.intp)


def ratio_of_folds(folds: Iterable[tuple[Any, Any]]) -> float:
    """Return the mean of test rows over training rows of folds.

    A row that a fold has twice, as oversampling makes them, counts once: the copy adds
    nothing that is not known already.
    """
    sizes = [[np.unique(positions_of(rows)).size for rows in pair] for pair in folds]
    return float(np.mean([n_test / n_train for n_train, n_test in sizes]))


def notes_on_lists_of_folds(splitters: Iterable[Any]) -> list[str]:
    """Return what a report has to say about those splitters that are lists of folds."""
    lists = filter(is_list_of_folds, splitters)
    return list(dict.fromkeys(note for folds in lists for note in _notes_on(folds)))


def _notes_on(folds: Any) -> list[str]:
    """Return notes on a list of folds; raise ValueError if a fold is there twice."""
    pairs = [(positions_of(train), positions_of(test)) for train, test in folds]
    n_folds = len({(train.tobytes(), test.tobytes()) for train, test in pairs})
    if n_folds < len(pairs):
        raise ValueError(
            f"The cv of the search has {len(pairs)} folds, but only {n_folds} "
            f"different ones: a fold that is there twice would count as two."
        )
    notes = []
    n_tests = len({test.tobytes() for _, test in pairs})
    if n_tests < n_folds:
        notes.append(
            f"The {n_folds} folds have only {n_tests} different sets of test "
            f"rows: that other test rows may say otherwise is not counted."
        )
    n_leaks = sum(np.isin(test, train).any() for train, test in pairs)
    if n_leaks:
        notes.append(
            f"In {n_leaks} of {n_folds} folds, rows that test are also training rows: "
            f"these scores are too high, most of all of candidates that learn rows by "
            f"heart."
        )
    if any(np.unique(rows).size < rows.size for pair in pairs for rows in pair):
        notes.append("Without test_ratio, a row that a fold has twice counts once.")
    return notes

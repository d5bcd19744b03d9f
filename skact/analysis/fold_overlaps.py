"""Which folds of a search share test rows: none of them may choose for another."""

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    LeaveOneGroupOut,
    LeaveOneOut,
    LeavePGroupsOut,
    LeavePOut,
    PredefinedSplit,
    RepeatedKFold,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    StratifiedShuffleSplit,
    TimeSeriesSplit,
)

from skact._sklearn import n_folds_of_repetition
from skact.analysis.fold_lists import is_list_of_folds, positions_of
from skact.analysis.fold_sizes import searches_in
from skact.analysis.known_splitter import known_splitters

# The types, and no subclasses: what else has their attributes may split otherwise.
_PARTITIONS = (
    *(KFold, StratifiedKFold, GroupKFold, StratifiedGroupKFold, LeaveOneOut),
    *(LeaveOneGroupOut, PredefinedSplit, TimeSeriesSplit),
)
_REPEATED = (RepeatedKFold, RepeatedStratifiedKFold)
_SHUFFLED = (ShuffleSplit, StratifiedShuffleSplit, GroupShuffleSplit)

_BIASED = (
    "so rows of a score took part in its choice: these means are biased upwards, and "
    "more so with more candidates."
)
_NOT_KNOWN = (
    "If folds share test rows, as those of repetitions do, rows of a score took part "
    "in its choice, and these means are biased upwards; of a search whose cv is one of "
    "scikit-learn's splitters, or a list of folds, this is known and avoided."
)


@dataclass(frozen=True)
class Overlaps:
    """Which folds may not choose the candidate whose score on a fold counts.

    Parameters
    ----------
    barred : sparse array of shape (n_folds, n_folds)
        1 in row i and column j where fold j may not choose for fold i, as no fold may
        for itself.
    notes : list of str
        What is to be said of a choice by the other folds.
    """

    barred: sparse.csr_array
    notes: list[str]

    @property
    def are_of_all(self) -> bool:
        """Whether each fold may choose for all others."""
        return int(self.barred.sum()) == self.barred.shape[0]


def overlaps_of(search: Any, n_folds: int) -> Overlaps:
    """Return which folds of a search, or of several, share test rows.

    A fold that shares test rows with all others is chosen for by all others.
    """
    itself = _as_ints(sparse.eye_array(n_folds))
    splitters = [cv for _, cv in known_splitters(searches_in(search), n_folds)]
    drawn = [type(cv).__name__ for cv in splitters if type(cv) in _SHUFFLED]
    if drawn:
        return Overlaps(itself, [f"The folds of {drawn[0]} share test rows, {_BIASED}"])
    found = [_shared_by(cv, n_folds) for cv in splitters]
    known = [one for one in found if one is not None]
    shared = _as_ints(sum(known, itself) > 0)
    notes = [_NOT_KNOWN] if not known or len(known) < len(found) else []
    has_others = shared.sum(axis=1) < n_folds
    if not has_others.all() and n_folds > 1:
        n = int((~has_others).sum())
        share = "fold shares" if n == 1 else "folds share"
        notes.insert(0, f"{n} {share} test rows with each other fold, {_BIASED}")
        chosen = sparse.diags_array(has_others.astype(float))
        shared = _as_ints(chosen @ shared + itself > 0)
    return Overlaps(shared, notes)


def _shared_by(cv: Any, n_folds: int) -> sparse.csr_array | None:
    """Return the pairs of folds of a splitter that share test rows; None: not known."""
    kind = type(cv)
    rows: list[Any] | None = None
    if cv is None or isinstance(cv, Integral) or kind in _PARTITIONS:
        rows = [[i] for i in range(n_folds)]
    elif kind in _REPEATED and cv.get_n_splits() == n_folds:
        # not all folds of two repetitions share rows, but which ones do is not known
        repetition = np.arange(n_folds) // n_folds_of_repetition(cv)
        return _as_ints(sparse.csr_array(repetition[:, None] != repetition[None]))
    elif kind in (LeavePOut, LeavePGroupsOut):
        p = cv.p if kind is LeavePOut else cv.n_groups
        n = next(n for n in itertools.count(p) if math.comb(n, p) >= n_folds)
        rows = list(itertools.combinations(range(n), p))
    elif is_list_of_folds(cv):
        rows = [positions_of(test) for _, test in cv]
    if rows is None or len(rows) != n_folds:
        return None  # also of a cv that was set after the fit
    return _pairs_that_share(rows)


def _pairs_that_share(rows: Iterable[Any]) -> sparse.csr_array:
    parts = [np.unique(one).astype(np.intp) for one in rows]
    folds = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    columns = np.concatenate(parts)
    shape = (len(parts), int(columns.max(initial=0)) + 1)
    ones = np.ones(len(columns), dtype=np.int64)
    has = sparse.csr_array((ones, (folds, columns)), shape=shape)
    return _as_ints(has @ has.T > 0)


def _as_ints(table: Any) -> sparse.csr_array:
    return sparse.csr_array(table).astype(np.int64)

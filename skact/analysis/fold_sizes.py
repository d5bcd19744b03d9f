"""The ratio of test rows to training rows of a fold, by the splitter of a search."""

from collections.abc import Iterable, Mapping
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.model_selection import (
    GroupShuffleSplit,
    KFold,
    LeaveOneOut,
    PredefinedSplit,
    StratifiedKFold,
    TimeSeriesSplit,
)

from skact._sklearn import default_test_size, n_folds_of_repetition
from skact.naming import short_name
from skact.results.cv_results import is_search_or_results, search_inside

# each row is tested once, so all folds together test n rows and train (k - 1) n rows
_PARTITIONS = (KFold, StratifiedKFold, LeaveOneOut)


def searches_in(search: Any) -> list[Any]:
    """Return the searches of a list or dict of several, or the one search."""
    several = [search]
    if isinstance(search, list | tuple):
        several = list(search)
    elif isinstance(search, Mapping) and any(
        map(is_search_or_results, search.values())
    ):
        several = list(search.values())
    return [search_inside(one) for one in several]


def ratio_of_fold_sizes(search: Any, n_folds: int, notes: list[str]) -> float:
    """Return test rows over training rows of a fold, of a search or of several."""
    said: list[str] = []
    searches = searches_in(search)
    ratios = [_ratio_of_search(one, n_folds, said) for one in searches]
    if max(ratios) - min(ratios) > 0.01 * max(ratios):  # a row more or less is equal
        splitters = list(
            dict.fromkeys(short_name(getattr(one, "cv", None)) for one in searches)
        )
        raise ValueError(
            f"test_ratio is needed, test rows over training rows: the searches have "
            f"folds of different sizes, by cv={splitters}."
        )
    notes += dict.fromkeys(said)
    return ratios[0]


def _ratio_of_search(search: Any, n_folds: int, notes: list[str]) -> float:
    cv: Any = getattr(search, "cv", None)
    if isinstance(cv, list | tuple):
        folds = {tuple(positions_of(rows).tobytes() for rows in fold) for fold in cv}
        if len(folds) < len(cv):
            raise ValueError(
                f"The cv of the search has {len(cv)} folds, but only {len(folds)} "
                f"different ones: a fold that is there twice would count as two."
            )
        n_tests = len({test for _, test in folds})
        if n_tests < len(folds):
            notes.append(
                f"The {len(folds)} folds have only {n_tests} different sets of test "
                f"rows: that other test rows may say otherwise is not counted."
            )
        return ratio_of_folds(cv)
    if isinstance(cv, PredefinedSplit):
        sizes = np.unique(cv.test_fold[cv.test_fold != -1], return_counts=True)[1]
        return float(np.mean(sizes / (len(cv.test_fold) - sizes)))
    # split i trains on i parts of equal size
    if isinstance(cv, TimeSeriesSplit) and (
        cv.max_train_size,
        cv.test_size,
        cv.gap,
    ) == (None, None, 0):
        notes.append(
            "The parts of TimeSeriesSplit are taken as equal: its first part has the "
            "rows that are left over, so of few rows give test_ratio."
        )
        return float(np.mean([1 / i for i in range(1, n_folds + 1)]))
    is_by_groups = isinstance(cv, GroupShuffleSplit)  # its sizes count groups
    if hasattr(cv, "test_size") and hasattr(cv, "train_size") and not is_by_groups:
        return _ratio_of_shuffle_split(cv)
    repeated = n_folds_of_repetition(cv)
    if repeated is not None:
        return 1 / (repeated - 1)
    if not hasattr(search, "cv"):
        notes.append(
            f"Taken as {n_folds} folds without repetition, the same for all "
            f"candidates: give test_ratio if not so."
        )
    elif (
        cv is not None and not isinstance(cv, Integral) and type(cv) not in _PARTITIONS
    ):
        raise ValueError(
            f"test_ratio is needed, test rows over training rows: cv={cv!r} does not "
            f"say it. It is np.mean([len(test) / len(train) for train, test in "
            f"cv.split(X, y, groups)])."
        )
    return 1 / (n_folds - 1)


def ratio_of_folds(folds: Iterable[tuple[Any, Any]]) -> float:
    """Return the mean of test rows over training rows of folds."""
    sizes = [[len(positions_of(rows)) for rows in pair] for pair in folds]
    return float(np.mean([n_test / n_train for n_train, n_test in sizes]))


def positions_of(rows: Any) -> np.ndarray:
    """Return the sorted positions of rows, which a fold may give as a mask."""
    rows = np.asarray(rows)
    return np.flatnonzero(rows) if rows.dtype == bool else np.sort(rows).astype(np.intp)


def _ratio_of_shuffle_split(cv: Any) -> float:
    """Return the ratio of a shuffled split; sizes mean what scikit-learn says."""
    test, train = cv.test_size, cv.train_size
    if test is None and train is None:
        test = default_test_size(cv)
    if test is None and isinstance(train, float):
        test = 1 - train
    if train is None and isinstance(test, float):
        train = 1 - test
    if test is None or type(test) is not type(train):
        raise ValueError(
            f"test_ratio is needed, test rows over training rows: {cv!r} does not say "
            f"it."
        )
    return float(test / train)

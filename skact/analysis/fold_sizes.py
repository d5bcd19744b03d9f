"""The sizes of folds, as far as the splitter of a search says them."""

from collections.abc import Mapping
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import (
    KFold,
    LeaveOneOut,
    PredefinedSplit,
    RepeatedKFold,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedKFold,
    StratifiedShuffleSplit,
    TimeSeriesSplit,
)

from skact._sklearn import default_test_size, n_folds_of_repetition
from skact.analysis.fold_lists import is_list_of_folds, positions_of, ratio_of_folds
from skact.analysis.known_splitter import known_splitter, known_splitters
from skact.naming import short_name
from skact.results.cv_results import is_search_or_results, search_inside
from skact.results.schema import splitter_of_frame
from skact.results.splitter_facts import KeptFolds

# The types, and no subclasses: what else has their attributes may split otherwise.
# Each row is tested once, so all folds together test n rows and train (k - 1) n rows.
_PARTITIONS = (KFold, StratifiedKFold, LeaveOneOut)
_REPEATED = (RepeatedKFold, RepeatedStratifiedKFold)
_SHUFFLED = (ShuffleSplit, StratifiedShuffleSplit)  # that of groups counts groups


def searches_in(search: Any) -> list[Any]:
    """Return the searches of a list or dict of several, or the one search.

    In place of a frame stand the facts of the folds that it keeps, or None: its
    columns, which may have names such as ``cv``, are no settings of a search.
    """
    several = [search]
    if isinstance(search, list | tuple):
        several = list(search)
    elif isinstance(search, Mapping) and any(
        map(is_search_or_results, search.values())
    ):
        several = list(search.values())
    return [
        _folds_kept_by(one) if isinstance(one, pd.DataFrame) else search_inside(one)
        for one in several
    ]


def _folds_kept_by(frame: pd.DataFrame) -> KeptFolds | None:
    facts = splitter_of_frame(frame)
    return None if facts is None else KeptFolds(facts)


def ratio_of_fold_sizes(search: Any, n_folds: int, notes: list[str]) -> float:
    """Return test rows over training rows of a fold, of a search or of several."""
    said: list[str] = []
    searches = searches_in(search)
    # results alone are taken to have had the folds of the searches beside them
    known = known_splitters(searches, n_folds)
    searches = [one for one, _ in known] or searches
    ratios = [_ratio_of_search(one, n_folds, said) for one in searches]
    if max(ratios) - min(ratios) > 0.01 * max(ratios):  # a row more or less is equal
        splitters = list(
            dict.fromkeys(short_name(getattr(x, "cv", cv)) for x, cv in known)
        )
        raise ValueError(
            f"test_ratio is needed, test rows over training rows: the searches have "
            f"folds of different sizes, by cv={splitters}."
        )
    notes += dict.fromkeys(said)
    return ratios[0]


def size_of_test_folds(search: Any, n_folds: int) -> float | None:
    """Return the mean number of test rows of a fold; None: the splitter does not say.

    Most splitters have sizes relative to rows, which a search does not keep.
    """
    known = known_splitters(searches_in(search), n_folds)
    sizes = {_test_rows_of(cv) for _, cv in known}
    return sizes.pop() if len(sizes) == 1 else None


def _test_rows_of(cv: Any) -> float | None:
    if is_list_of_folds(cv):
        return float(np.mean([np.unique(positions_of(test)).size for _, test in cv]))
    if type(cv) is PredefinedSplit:
        sizes = np.unique(cv.test_fold[cv.test_fold != -1], return_counts=True)[1]
        return float(np.mean(sizes))
    if type(cv) is LeaveOneOut:
        return 1.0
    if type(cv) in _SHUFFLED and isinstance(cv.test_size, Integral):
        return float(cv.test_size)
    return None


def _ratio_of_search(search: Any, n_folds: int, notes: list[str]) -> float:
    is_known, cv = known_splitter(search, n_folds)
    kind = type(cv)
    if is_list_of_folds(cv):
        return ratio_of_folds(cv)
    if kind is PredefinedSplit:
        sizes = np.unique(cv.test_fold[cv.test_fold != -1], return_counts=True)[1]
        return float(np.mean(sizes / (len(cv.test_fold) - sizes)))
    # split i trains on i parts of equal size
    if kind is TimeSeriesSplit and (cv.max_train_size, cv.test_size, cv.gap) == (
        None,
        None,
        0,
    ):
        notes.append(
            "The parts of TimeSeriesSplit are taken as equal: its first part has the "
            "rows that are left over, so of few rows give test_ratio."
        )
        return float(np.mean([1 / i for i in range(1, n_folds + 1)]))
    if kind in _SHUFFLED:
        return _ratio_of_shuffle_split(cv, notes)
    if kind in _REPEATED:
        return 1 / (n_folds_of_repetition(cv) - 1)
    if not is_known:
        notes.append(
            f"Taken as {n_folds} folds without repetition, the same for all "
            f"candidates: give test_ratio if not so."
        )
    elif cv is not None and not isinstance(cv, Integral) and kind not in _PARTITIONS:
        raise ValueError(
            f"test_ratio is needed, test rows over training rows: cv={short_name(cv)} "
            f"does not say it. It is np.mean([len(test) / len(train) for train, test "
            f"in cv.split(X, y, groups)])."
        )
    return 1 / (n_folds - 1)


def _ratio_of_shuffle_split(cv: Any, notes: list[str]) -> float:
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
            f"test_ratio is needed, test rows over training rows: {short_name(cv)} "
            f"does not say it."
        )
    if isinstance(test, float):
        notes.append(
            f"The sizes of {type(cv).__name__} are taken as exact shares: it rounds "
            f"them to whole rows, so of few rows give test_ratio."
        )
    return float(test / train)

"""Whether two searches of the same rows had the same folds, as far as it is known."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any

from sklearn.base import is_classifier
from sklearn.model_selection import (
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
    StratifiedKFold,
    StratifiedShuffleSplit,
)

from skact._sklearn import default_test_size, n_folds_of_repetition, n_rows_of_halving
from skact.analysis.fold_lists import is_list_of_folds, positions_of, splitter_of

_SHUFFLED = (ShuffleSplit, StratifiedShuffleSplit, GroupShuffleSplit)
_REPEATED = {RepeatedKFold: KFold, RepeatedStratifiedKFold: StratifiedKFold}
# which of these are the same depends on the rows
_MAY_BE_THE_SAME = (
    {KFold, LeaveOneOut},
    {KFold, LeavePOut},
    {LeaveOneOut, LeavePOut},
    {LeaveOneGroupOut, LeavePGroupsOut},
)


@dataclass(frozen=True)
class Folds:
    """What is known of the folds of a search.

    Parameters
    ----------
    rows : tuple of bytes or None, default=None
        The rows themselves.
    kind : type or None, default=None
        The class of a splitter of scikit-learn.
    options : tuple, default=()
        Its parameters, as pairs of name and value.
    is_by_y : bool, default=False
        Whether the splitter is `KFold` if y has several columns.
    drawn : tuple or None, default=None
        Random state and number of the rows that successive halving drew of them.
    """

    rows: tuple[bytes, ...] | None = None
    kind: type | None = None
    options: tuple[tuple[str, Any], ...] = ()
    is_by_y: bool = False
    drawn: tuple[Any, int] | None = None


def folds_of(search: Any) -> Folds | None:
    """Return what is known of the folds of a search; None of results alone."""
    if not hasattr(search, "cv"):
        return None
    return replace(_folds_of_splitter(search), drawn=rows_drawn_by_halving(search))


def rows_drawn_by_halving(search: Any) -> tuple[Any, int] | None:
    """Return random state and number of rows of a last iteration; None: all rows."""
    n_rows = n_rows_of_halving(search)
    if n_rows is None or search.resource != "n_samples":
        return None
    n_drawn = int(search.n_resources_[-1])
    seed = search.random_state
    # without a seed no other search draws the same rows
    known = int(seed) if isinstance(seed, Integral) else id(search)
    return None if n_drawn >= n_rows else (known, n_drawn)


def are_same_folds(a: Folds | None, b: Folds | None) -> bool | None:
    """Whether two searches of the same rows had the same folds; None: not known."""
    if a is None or b is None:
        return None
    if a.drawn != b.drawn:
        return False
    if a.rows is not None and b.rows is not None:
        return a.rows == b.rows
    if a.kind is None or b.kind is None:
        return None  # the rows of a splitter depend on those that it splits
    if (a.kind, a.options) == (b.kind, b.options):
        return True
    if a.kind is not b.kind:
        by_y = (a.is_by_y and b.kind is KFold) or (b.is_by_y and a.kind is KFold)
        return None if by_y or {a.kind, b.kind} in _MAY_BE_THE_SAME else False
    mine, other = dict(a.options), dict(b.options)
    pairs = {key: (mine[key], other[key]) for key in mine if mine[key] != other[key]}
    # a number of rows may be that share of them, or that default
    are_sizes = all(
        key.endswith("_size") and type(x) is not type(y)
        for key, (x, y) in pairs.items()
    )
    return None if are_sizes else False


def _folds_of_splitter(search: Any) -> Folds:
    cv: Any = 5 if search.cv is None else splitter_of(search)
    kind = type(cv)
    if isinstance(cv, Integral):
        is_by_y = is_classifier(search.estimator)
        splitter = (StratifiedKFold if is_by_y else KFold)(int(cv))
        return Folds(
            kind=type(splitter), options=_options_of(splitter), is_by_y=is_by_y
        )
    if kind is PredefinedSplit:
        cv = list(cv.split())
    if is_list_of_folds(cv):
        return Folds(tuple(positions_of(x).tobytes() for pair in cv for x in pair))
    if kind in _REPEATED and cv.n_repeats == 1:
        kind = _REPEATED[kind]
        cv = kind(n_folds_of_repetition(cv), shuffle=True, random_state=cv.random_state)
    if not kind.__module__.startswith("sklearn."):
        return Folds()
    return Folds(kind=kind, options=_options_of(cv))


def _options_of(cv: Any) -> tuple[tuple[str, Any], ...]:
    """Return the parameters of a splitter, and the sizes that they mean."""
    options = {key: _plain(value) for key, value in vars(cv).items()}
    if type(cv) in _SHUFFLED:
        test, train = options["test_size"], options["train_size"]
        if test is None and train is None:
            test = default_test_size(cv)
        if test is None and isinstance(train, float):
            test = round(1 - train, 12)
        if train is None and isinstance(test, float):
            train = round(1 - test, 12)
        options |= {"test_size": test, "train_size": train}
    return tuple(sorted(options.items()))


def _plain(value: Any) -> Any:
    """Return a parameter as what is equal, and has a hash."""
    if isinstance(value, Mapping):
        return tuple(sorted((key, _plain(one)) for key, one in value.items()))
    if isinstance(value, bool) or not isinstance(value, Real):
        return value if value is None or isinstance(value, bool) else repr(value)
    return int(value) if isinstance(value, Integral) else float(value)

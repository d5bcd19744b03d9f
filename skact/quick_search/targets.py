"""Which task a target asks for, and the target as scikit-learn takes it."""

from collections.abc import Iterable
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from skact.analysis.fold_pairs import reads_groups
from skact.naming import short_name
from skact.parameters.kinds import check_dtype_of_tensor, check_list, check_no_mask

MAX_NUMBER_CLASSES = 20  # y with more different whole numbers is a regression
_SCORES_OF_ONE_CLASS = ("f1", "precision", "recall", "jaccard")
_SMALLEST, _LARGEST = 1e-100, 1e100  # sizes of y
TASKS = ("classification", "regression")


def read_target(y: Any, task: str | None) -> tuple[np.ndarray, str, str]:
    """Return y as an array, its task, and why it is this task.

    Parameters
    ----------
    y : array-like, Series or DataFrame
        Labels or numbers.
    task : {"classification", "regression"} or None
        None: regression for numbers that are not all whole, for more than 20 different
        numbers and for several columns; else classification.

    Returns
    -------
    tuple of ndarray, str and str
        The values, the task, and a sentence that says why.

    Raises
    ------
    ValueError
        If values are missing or infinite, or do not suit the task.

    Examples
    --------
    >>> read_target(["a", "b"], None)[1], read_target([0.5, 1.0], None)[1]
    ('classification', 'regression')
    """
    if task is not None and task not in TASKS:
        raise ValueError(
            f"task must be 'classification', 'regression' or None, got {task!r}."
        )
    values = _to_array(y)
    if len(values) == 0:
        raise ValueError("y holds no rows.")
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    _check_present(values)
    values = _of_one_type(values)
    reason = f"task={task!r}."
    if task is None:
        _check_not_one_hot(values)
        task, reason = _task_of(values)
    if task == "regression":
        _check_numbers(values)
    elif values.ndim == 2:
        raise ValueError("y of several columns can only be searched as a regression.")
    elif len(np.unique(values)) < 2:
        raise ValueError(f"y has one class only: {values[:1].tolist()[0]!r}.")
    return values, task, reason


def _task_of(values: np.ndarray) -> tuple[str, str]:
    """Return the task of y, and a sentence that says why, and how to change it."""
    if values.ndim == 2:
        return "regression", f"y has {values.shape[1]} columns."
    n = len(np.unique(values))
    if values.dtype.kind not in "iuf":
        kind = "booleans" if values.dtype.kind == "b" else "words"
        return "classification", f"y holds {n} different {kind}."
    if not bool((values == np.round(values)).all()):
        return "regression", "y holds numbers that are not whole."
    if n > MAX_NUMBER_CLASSES:
        return "regression", (
            f"y holds {n} different whole numbers; if they are labels, pass "
            f"task='classification'."
        )
    if n == 2:
        return "classification", "y holds 2 different numbers."
    return "classification", (
        f"y holds {n} different whole numbers; if their order counts, as that of "
        f"grades, pass task='regression'."
    )


def _check_not_one_hot(values: np.ndarray) -> None:
    if values.ndim != 2 or values.dtype.kind not in "biuf":
        return
    if np.isin(values, (0, 1)).all() and (values.sum(axis=1) == 1).all():
        raise ValueError(
            "y looks like one column for each class: pass y.argmax(axis=1), or "
            "task='regression' if it holds numbers."
        )


def _of_one_type(values: np.ndarray) -> np.ndarray:
    """Return objects as booleans, numbers or words."""
    if values.dtype.kind in "mMcV":
        raise ValueError(
            f"y holds values of type {values.dtype}: turn them into numbers or words."
        )
    if values.dtype != object:
        return values
    if all(isinstance(value, bool | np.bool_) for value in values.flat):
        return values.astype(bool)
    if not all(isinstance(value, Real | Decimal) for value in values.flat):
        return values.astype(str)
    numbers = values.astype(float)
    is_whole = bool((numbers == np.round(numbers)).all())
    return numbers.astype(int) if is_whole else numbers


def _to_array(y: Any) -> np.ndarray:
    check_no_mask(y, "y")
    check_dtype_of_tensor(y, "y")
    if isinstance(y, str):
        raise TypeError(f"y must hold the targets, got the word {y!r}: pass X[{y!r}].")
    if not isinstance(y, list | tuple) and np.ndim(y) == 0:
        raise TypeError(f"y must hold a target for each row, got {y!r}.")
    check_list(y)
    if isinstance(y, pd.DataFrame | pd.Series):
        dtypes = y.dtypes if isinstance(y, pd.DataFrame) else [y.dtype]
        plain = all(isinstance(dtype, np.dtype) for dtype in dtypes)
        return y.to_numpy() if plain else y.astype(object).to_numpy()
    return np.asarray(y)


def _check_present(values: np.ndarray) -> None:
    missing = np.asarray(pd.isna(values))
    if values.dtype.kind == "f":
        missing = missing | np.isinf(values)
    rows = np.flatnonzero(missing.reshape(len(values), -1).any(axis=1))
    if len(rows):
        more = ", ..." if len(rows) > 5 else ""
        named = ", ".join(map(str, rows[:5])) + more
        raise ValueError(
            f"y is missing or infinite in {len(rows)} rows ({named}): drop these rows."
        )


def _check_numbers(values: np.ndarray) -> None:
    """Refuse words, and numbers whose squares no float can hold."""
    if values.dtype.kind not in "iufb":
        raise ValueError("task='regression' needs numbers in y, got words.")
    largest = float(np.abs(values.astype(float)).max())
    if not (largest == 0 or _SMALLEST < largest < _LARGEST):
        raise ValueError(
            f"y has numbers of up to {largest:.3g}: scale it, so that the largest is "
            f"between {_SMALLEST:g} and {_LARGEST:g}."
        )


def check_rows_of_classes(y: np.ndarray, n_splits: Any) -> None:
    """Refuse a class with fewer rows than there are folds."""
    if not isinstance(n_splits, int | np.integer):
        return
    labels, counts = np.unique(y, return_counts=True)
    rare = labels[counts < n_splits]
    if len(rare):
        n = int(counts.min())
        raise ValueError(
            f"Class {rare[0]} has {n} row{'s' * (n != 1)}, fewer than the {n_splits} "
            f"folds: use a smaller cv, or drop or join the class"
            + ", or pass task='regression' if the order of numbers counts."
            * (y.dtype.kind in "iuf")
            + "." * (y.dtype.kind not in "iuf")
        )


def check_lengths(X: Any, y: Any, **of_rows: Any) -> None:
    """Refuse weights and groups that are not one for each row, before any fold."""
    n_rows = len(y)
    if len(getattr(X, "shape", ())) == 2 and X.shape[1] == 0:
        raise ValueError("X has no columns.")
    for name, values in {"X": X, **of_rows}.items():
        if values is None or np.ndim(values) == 0:
            continue
        n = values.shape[0] if hasattr(values, "shape") else len(values)
        if n != n_rows:
            raise ValueError(f"{name} must have {n_rows} rows, as y has, got {n}.")


def check_groups(groups: Any, cv: Any) -> None:
    """Refuse a splitter of groups without groups, and groups that nobody heeds."""
    check_no_mask(groups, "groups")
    if isinstance(groups, str):
        raise TypeError(
            f"groups must hold a group for each row, got the word {groups!r}: pass "
            f"X[{groups!r}]."
        )
    if groups is not None and pd.isna(np.asarray(groups, dtype=object)).any():
        raise ValueError("groups must name a group for each row; some are missing.")
    if groups is not None and (cv is None or isinstance(cv, int | np.integer)):
        n = 5 if cv is None else cv
        raise ValueError(
            f"groups were given, but cv={cv!r} does not heed them: use "
            f"cv=GroupKFold({n}), or StratifiedGroupKFold({n})."
        )
    if groups is None and reads_groups(cv):
        raise ValueError(
            f"groups must be given for cv={short_name(cv)}: one group for each row, "
            f"such as groups=frame['customer'], got None."
        )


def check_scores(scoring: Any, y: np.ndarray) -> None:
    """Refuse a score of one positive class if y does not say which class that is."""
    names = [scoring] if isinstance(scoring, str) else scoring
    if isinstance(names, dict):
        names = names.values()
    labels = np.unique(y)
    if not isinstance(names, Iterable) or (
        labels.size == 2 and y.dtype.kind in "iufb" and 1 in labels
    ):
        return
    for name in names:
        if isinstance(name, str) and name in _SCORES_OF_ONE_CLASS:
            raise ValueError(
                f"scoring={name!r} asks for a class that is positive, and y has "
                f"{labels[:5].tolist()}: use make_scorer({name}_score, "
                f"pos_label={labels[-1].item()!r}), or '{name}_macro'."
            )

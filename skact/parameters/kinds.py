"""Kinds of values that are no numbers, and are refused by name."""

from numbers import Real
from typing import Any

import numpy as np
import scipy.sparse as sp

from skact.naming import short_name

_KINDS = {"M": "dates", "m": "times", "V": "records", "c": "complex numbers"}


def check_kind(values: Any, name: str) -> None:
    """Raise if X or y holds dates, times, records or masked values.

    scikit-learn's checks turn dates into numbers of nanoseconds, and drop masks.

    Parameters
    ----------
    values : array-like
    name : {"X", "y"}

    Raises
    ------
    ValueError
        With the name of the column, if it has one.
    """
    check_no_mask(values, name)
    check_no_grad(values, name)
    dtypes = getattr(values, "dtypes", None)
    if hasattr(values, "columns") and dtypes is not None:
        columns = zip(values.columns, dtypes, strict=True)
        kinds = [(f"column {column!r} of {name}", dtype) for column, dtype in columns]
    else:
        kinds = [(name, getattr(values, "dtype", None))]
    for place, dtype in kinds:
        kind = _KINDS.get(getattr(dtype, "kind", ""))
        if kind is not None:
            raise ValueError(
                f"{place} holds {kind} ({dtype}), from which no network learns: turn "
                f"them into numbers first."
                + " Complex data not supported."
                * (kind == "complex numbers")
            )


def check_no_mask(values: Any, name: str) -> None:
    """Raise if X or y is masked: a copy would show what the mask hides."""
    if np.ma.isMaskedArray(values):
        raise ValueError(
            f"{name} is a masked array: fill its masked values first, with "
            f"{name}.filled(value)."
        )


def check_no_grad(values: Any, name: str) -> None:
    """Raise for a tensor that records gradients, which numpy cannot read."""
    if getattr(values, "requires_grad", False):
        raise ValueError(
            f"{name} is a tensor that requires grad: pass {name}.detach()."
        )


def check_numbers(y: np.ndarray) -> None:
    """Raise if the y of a regressor holds words, also such as "3"."""
    if y.dtype.kind in "SU":
        raise ValueError(f"y holds words such as {str(y.flat[0])!r}, not numbers.")


def name_what_is_no_number(error: Exception, X: Any, y: Any) -> None:
    """Raise an error that names the column of X, or the value of y, that is no number.

    Parameters
    ----------
    error : Exception
        scikit-learn's error, which names neither.
    X : array-like
    y : array-like or None
        None if y need not hold numbers.

    Raises
    ------
    TypeError, ValueError
        As the error is; nothing is raised if another thing is wrong.
    """
    found = _find_no_number(X, y)
    if found is None:
        return
    place, value = found
    if isinstance(value, Real):
        raise ValueError(
            f"{place} holds {short_name(value)}, which is too large for a float."
        ) from error
    kind = TypeError if isinstance(error, TypeError) else ValueError
    raise kind(
        f"{place} holds {value!r} of type {type(value).__name__}, which is no number: "
        f"encode it first, for example with sklearn.preprocessing.OneHotEncoder in a "
        f"pipeline. ({error})"
    ) from error


def _find_no_number(X: Any, y: Any) -> tuple[str, Any] | None:
    """Return the place and value of the first object that no float can hold."""
    parts: list[tuple[str, Any]] = [("X", X)]
    if hasattr(X, "columns") and hasattr(X, "iloc"):
        parts = [(f"Column {c!r} of X", X.iloc[:, i]) for i, c in enumerate(X.columns)]
    for place, part in [*parts, ("y", y)]:
        # a y of None is no y; sparse tables hold numbers
        array = np.asarray([] if part is None or sp.issparse(part) else part)
        for value in array.flat if array.dtype.kind in "OSU" else ():
            try:
                float(value)
            except (TypeError, ValueError, OverflowError):
                return place, getattr(value, "item", lambda v=value: v)()
    return None

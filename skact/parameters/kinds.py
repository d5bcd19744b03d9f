"""Kinds of values that are no numbers, and are refused by name."""

from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch

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
    check_dtype_of_tensor(values, name)
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


def check_dtype_of_tensor(values: Any, name: str) -> None:
    """Raise for a tensor of a dtype that numpy does not have, such as bfloat16."""
    if not isinstance(values, torch.Tensor):
        return
    try:
        torch.empty(0, dtype=values.dtype).numpy()
    except (TypeError, RuntimeError) as error:
        raise ValueError(
            f"{name} is a tensor of {values.dtype}, which numpy does not have: pass "
            f"{name}.float()."
        ) from error


def check_list(y: Any) -> None:
    """Raise if a y that is no array mixes things, which numpy turns into words.

    ``np.asarray`` turns a gap among words into the word "nan", and 1 into "1".

    Raises
    ------
    ValueError
        Also if rows of a list differ in length.
    """
    if not isinstance(y, list | tuple):
        return
    try:
        values = np.asarray(y)
    except ValueError as error:
        raise ValueError(
            "y must have the same number of targets in each row; the rows of the list "
            "differ in length."
        ) from error
    if values.dtype.kind in "US":
        values = np.asarray(y, dtype=object)
    elif values.dtype.kind != "O":
        return
    check_no_gap(values)
    is_word = [isinstance(value, str | bytes) for value in values.flat]
    if any(is_word) and not all(is_word):
        value = values.flat[is_word.index(False)]
        raise ValueError(
            f"y holds {value!r} of type {type(value).__name__} beside words: "
            f"labels must be all numbers or all strings."
        )


def check_no_gap(y: Any) -> None:
    """Raise if objects, or values of an extension type of pandas, are missing in y."""
    dtypes = [*y.dtypes] if isinstance(y, pd.DataFrame) else [getattr(y, "dtype", None)]
    is_extension = pd.api.types.is_extension_array_dtype
    if not any(is_extension(one) or getattr(one, "kind", "") == "O" for one in dtypes):
        return  # scikit-learn names NaN in an array of numbers
    missing = np.asarray(pd.isna(y))
    rows = np.flatnonzero(missing.reshape(len(missing), -1).any(axis=1))
    if len(rows):
        raise ValueError(
            f"y is missing in {len(rows)} of {len(missing)} rows; the first is row "
            f"{rows[0]}: drop these rows."
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

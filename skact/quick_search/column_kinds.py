"""What a column of a table is: numbers, dates, categories, text, ids."""

import warnings
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

MAX_CATEGORIES = 50  # of a column of words; rarer words share a category
_MIN_ROWS_OF_AN_ID = 20  # fewer rows can be all different by chance
_SHARE_OF_AN_ID = 0.9  # of words that are all different: an id, or free text
_ISO_DATE = r"\d{4}-\d{2}-\d{2}"  # and perhaps a time
# a price, a share, a measure or a date, as "USD 1,200", "50.1kg" and "12-May-2024"
_NUMBER_IN_WORDS = (
    r"(?:[A-Za-z]{1,3} )?[^A-Za-z]*\d[^A-Za-z]*(?:[A-Za-z]{1,9}[^A-Za-z]*)?"
)
# what people write for "missing", in small letters and without spaces around
_WORDS_FOR_MISSING = frozenset(
    (
        *("", "?", "-", "--", ".", "na", "n/a", "#n/a", "<na>", "nan", "nat", "null"),
        *("none", "missing", "unknown"),
    )
)
# of the words that are not for "missing", a column of numbers or dates may hold others
_SHARE_OF_NUMBERS = 0.9
_USES_OF_WORDS = {
    "id": "drops as ids",
    "category": "takes for categories",
    "text": "hashes as free text",
}


def kind_of_column(column: pd.Series) -> str:
    """Return "number", "date", "duration", "category", "text", "id" or "constant"."""
    present = column[~is_missing(column)]
    if column.dtype == object:
        _check_no_arrays(present)
    if present.map(str).nunique() <= 1:
        # of one value and gaps, the gaps tell the rows apart
        return "category" if 0 < len(present) < len(column) else "constant"
    n, dtype = len(present), column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return "category"
    if pd.api.types.is_bool_dtype(dtype):
        return "number"
    if pd.api.types.is_complex_dtype(dtype):
        raise TypeError(f"Column {column.name!r} of X holds complex numbers.")
    if pd.api.types.is_numeric_dtype(dtype) or _all_are(present, (Real, Decimal)):
        numbers = to_numbers(present)
        check_no_infinity(numbers, column.name)
        is_running = n >= _MIN_ROWS_OF_AN_ID and bool((np.diff(numbers) == 1).all())
        return "id" if is_running else "number"
    times = pd.Timedelta | np.timedelta64 | _type_of("timedelta") | _type_of("time")
    if _all_are(present, times):
        return "duration"
    if _all_are(present, (_type_of("date"), pd.Period)):
        return "date"
    return _kind_of_words(present.map(str))


def _check_no_arrays(column: pd.Series) -> None:
    """Refuse arrays and lists in cells, whose text may leave their middle out."""
    for value in column:
        if hasattr(value, "__len__") and not isinstance(value, str | bytes):
            raise TypeError(
                f"Column {column.name!r} of X holds a {type(value).__name__} in a cell:"
                f" give each of its numbers a column, as with np.vstack."
            )


def _kind_of_words(words: pd.Series) -> str:
    n, n_different = len(words), words.nunique()
    told = words[~are_for_missing(words)]
    if n_different > MAX_CATEGORIES and len(told):
        are_numbers = pd.to_numeric(told, errors="coerce").notna()
        if are_numbers.mean() >= _SHARE_OF_NUMBERS:
            check_no_infinity(to_numbers(told[are_numbers]), words.name)
            return "number"
    are_dates = told.str.strip().str.match(_ISO_DATE)
    if are_dates.any():  # one that no calendar has, as 2024-02-30, is no date
        are_dates &= to_dates(told.where(are_dates)).notna()
        if are_dates.mean() >= _SHARE_OF_NUMBERS:
            return "date"
    n_words = words.str.split().str.len().mean()
    is_unlike = n >= _MIN_ROWS_OF_AN_ID and n_different >= _SHARE_OF_AN_ID * n
    if is_unlike:
        return "id" if n_words < 2 else "text"
    return "text" if n_words >= 3 and n_different > MAX_CATEGORIES else "category"


def are_for_missing(words: pd.Series) -> pd.Series:
    """Whether each value is a word for "missing", such as "n/a"."""
    plain = words.astype(object).map(str).str.strip().str.lower()
    return plain.isin(_WORDS_FOR_MISSING)


def check_no_infinity(values: np.ndarray, name: Any) -> None:
    """Refuse infinite values of a column, before folds fail of them one by one."""
    if np.isinf(values).any():
        raise ValueError(
            f"Column {name!r} of X holds infinite values: replace them by numbers or "
            f"by NaN."
        )


def warn_of_digits(column: pd.Series, kind: str) -> None:
    """Warn of prices, measures and dates in words that are not read as such."""
    if column.dtype.kind != "O" or kind not in _USES_OF_WORDS:
        return
    words = column.dropna().astype(object)
    words = words[words.map(lambda value: isinstance(value, str))].drop_duplicates()
    told = words[~are_for_missing(words)]
    numbers = told[told.str.strip().str.fullmatch(_NUMBER_IN_WORDS)]
    if len(words) > MAX_CATEGORIES and 2 * len(numbers) >= len(told):
        warnings.warn(
            f"Column {column.name!r} of X holds numbers in words, such as "
            f"{numbers.iloc[0]!r}, which search {_USES_OF_WORDS[kind]}: turn them into "
            f"numbers or dates if they are.",
            stacklevel=2,
        )


def _type_of(name: str) -> Any:
    import datetime

    return getattr(datetime, name)


def _all_are(column: pd.Series, types: Any) -> bool:
    return all(isinstance(value, types) for value in column.astype(object))


def is_missing(column: pd.Series) -> np.ndarray:
    """Return whether each value is missing."""
    return column.isna().to_numpy(dtype=bool)


def to_numbers(column: pd.Series) -> np.ndarray:
    """Return floats; what is missing, or no number, is NaN."""
    if isinstance(column.dtype, pd.CategoricalDtype) or column.dtype == object:
        column = column.map(lambda v: float(v) if isinstance(v, Real | Decimal) else v)
    return pd.to_numeric(column, errors="coerce").to_numpy(float, na_value=np.nan)


def to_dates(column: pd.Series) -> pd.Series:
    """Return dates in UTC, in seconds: nanoseconds reach only from 1677 to 2262."""
    is_of_objects = column.dtype.kind == "O"  # dates in words, or in both
    if is_of_objects:
        column = column.map(_to_timestamp)
    format = "ISO8601" if is_of_objects else None
    dates = pd.to_datetime(column, utc=True, errors="coerce", format=format)
    seconds = dates.dt.tz_localize(None).to_numpy().astype("datetime64[s]")
    if is_of_objects:  # pandas before 3 reads no dates outside of nanoseconds
        for i in np.flatnonzero(np.isnat(seconds)):
            seconds[i] = _to_far_date(column.iloc[i])
    return pd.Series(seconds, index=column.index, name=column.name)


def _to_far_date(value: Any) -> np.datetime64:
    try:
        return np.datetime64(str(value)[:10], "s")
    except ValueError:
        return np.datetime64("NaT", "s")


def _to_timestamp(value: Any) -> Any:
    if isinstance(value, pd.Period):
        return value.to_timestamp()
    return value.strip() if isinstance(value, str) else value

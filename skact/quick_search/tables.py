"""From the columns that users have to the numbers that a net takes."""

import datetime
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils.validation import check_is_fitted

from skact.parameters.kinds import check_dtype_of_tensor, check_no_mask
from skact.quick_search.column_kinds import (
    MAX_CATEGORIES,
    are_for_missing,
    check_no_infinity,
    is_missing,
    kind_of_column,
    to_dates,
    to_numbers,
)
from skact.quick_search.numbers import NumberEncoder

_N_HASHES = 32  # columns for free text
_MISSING = "<missing>"
_DAY = np.timedelta64(1, "D")
_DROPPED = ("constant", "id")


def as_table(X: Any) -> Any:
    """Return frames of all kinds, structured and object arrays, and lists, as pandas.

    Arrays of numbers and sparse matrices are returned as they are.
    """
    check_no_mask(X, "X")
    check_dtype_of_tensor(X, "X")
    if hasattr(X, "tocsr"):
        return X
    if isinstance(X, pd.DataFrame):
        return _decode_bytes(X)
    if isinstance(X, Mapping):
        return pd.DataFrame(X)
    if isinstance(X, pd.Series):  # a row of a frame
        return X.to_frame().T
    # asked first for `collect`: a lazy frame warns of `columns`
    if hasattr(X, "collect") or hasattr(X, "columns"):
        return _to_pandas(X)
    try:
        values = np.asarray(X)
    except ValueError as error:
        raise ValueError(f"The rows of X must have equal lengths: {error}") from error
    if values.dtype.names:
        return pd.DataFrame({name: values[name] for name in values.dtype.names})
    if values.ndim != 2:
        what = f"{X!r}" if values.ndim == 0 else f"an array of shape {values.shape}"
        raise ValueError(
            f"X must be a table of rows and columns, got {what[:80]}."
            + " If X is one column, pass X.reshape(-1, 1)." * (values.ndim == 1)
        )
    if values.dtype.kind not in "fiub":
        # not of `values`: numpy makes one kind of a list of numbers and words
        return _decode_bytes(pd.DataFrame(X if isinstance(X, list) else values))
    return X


def _decode_bytes(frame: pd.DataFrame) -> pd.DataFrame:
    """Return words for the bytes that some files, as of SAS, have in their place."""
    columns = [frame.iloc[:, i] for i in range(frame.shape[1])]
    is_of_bytes = [
        getattr(column.dtype, "kind", "") == "S"
        or (column.dtype == object and pd.api.types.infer_dtype(column) == "bytes")
        for column in columns
    ]
    if not any(is_of_bytes):
        return frame
    decoded = [
        column.astype(object).str.decode("utf-8", "replace") if is_bytes else column
        for column, is_bytes in zip(columns, is_of_bytes, strict=True)
    ]
    return pd.concat(decoded, axis=1)


def _to_pandas(X: Any) -> pd.DataFrame:
    """Return the frame of another library, such as polars, as one of pandas."""
    if hasattr(X, "to_dicts"):  # polars; its to_pandas needs pyarrow
        return pd.DataFrame(X.to_dict(as_series=False))
    if hasattr(X, "to_pandas"):  # pyarrow, cuDF
        return X.to_pandas()
    lazy = type(X).__name__ == "LazyFrame"
    how = "call its collect()" if lazy else "turn it into a pandas DataFrame"
    raise TypeError(f"X is a {type(X).__name__}, which search cannot read: {how}.")


class TableEncoder(TransformerMixin, BaseEstimator):
    """Encode each column of a table by its kind, as float32.

    Numbers and booleans are encoded by a :class:`NumberEncoder`; gaps get a middle
    value. Dates become year, month, day, weekday, hour and days since 1970; durations
    become days. Categories become a column each; a missing one is a category, too. Free
    text is hashed, word by word. Ids and constants are dropped.

    Parameters
    ----------
    kinds : sequence of str or None, default=None
        The kind of each column; None: read from the rows of `fit`.
    numbers : {"standard", "clip", "quantile", "piecewise"}, default="standard"
        How numbers are encoded.

    Attributes
    ----------
    kinds_ : list of str
        The kind of each column.
    columns_ : list
        The names of the columns, which can be of all types.

    Examples
    --------
    >>> import pandas as pd
    >>> X = pd.DataFrame({"n": [1.0, 3.0], "word": ["a", "b"]})
    >>> TableEncoder().fit(X).get_feature_names_out().tolist()
    ['n', 'word_a', 'word_b']
    """

    def __init__(
        self, kinds: Sequence[str] | None = None, numbers: str = "standard"
    ) -> None:
        self.kinds, self.numbers = kinds, numbers

    def fit(self, X: Any, y: Any = None) -> "TableEncoder":
        """Learn means, deviations and categories of the columns."""
        frame = as_table(X)
        self.columns_ = list(frame.columns)
        columns = [frame.iloc[:, i] for i in range(frame.shape[1])]
        self.kinds_ = list(self.kinds or map(kind_of_column, columns))
        if all(kind in _DROPPED for kind in self.kinds_):
            raise ValueError("X holds nothing but constants and ids: nothing to learn.")
        self.n_features_in_ = len(columns)
        words = self._words(columns)
        self.encoder_ = None
        if words is not None:
            self.encoder_ = OneHotEncoder(
                handle_unknown="infrequent_if_exist",
                max_categories=MAX_CATEGORIES,
                sparse_output=False,
                dtype=np.float32,
            ).fit(words)
        numbers = self._numbers(columns)
        self.number_encoder_ = None
        if numbers is not None:
            self.number_encoder_ = NumberEncoder(self.numbers).fit(numbers)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return the numbers for a net: float32, without missing values."""
        check_is_fitted(self)
        columns = self._columns_of(as_table(X))
        parts, numbers = [], self._numbers(columns)
        if numbers is not None:
            assert self.number_encoder_ is not None
            parts.append(self.number_encoder_.transform(numbers))
        words = self._words(columns)
        if words is not None:
            assert self.encoder_ is not None
            parts.append(self.encoder_.transform(words))
        parts += [_hash(c) for c, k in self._with_kinds(columns) if k == "text"]
        return np.hstack(parts)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return a name for each column of what `transform` returns."""
        check_is_fitted(self)
        names: list[str] = []
        pairs = list(zip(map(str, self.columns_), self.kinds_, strict=True))
        for name, kind in pairs:
            names += [f"{name}{part}" for part in _PARTS.get(kind, ())]
        if self.number_encoder_ is not None:
            names = self.number_encoder_.get_feature_names_out(names).tolist()
        if self.encoder_ is not None:
            coded = [name for name, kind in pairs if kind == "category"]
            names += self.encoder_.get_feature_names_out(coded).tolist()
        for name, kind in pairs:
            if kind == "text":
                names += [f"{name}_hash{i}" for i in range(_N_HASHES)]
        return np.asarray(names, dtype=object)

    def count_outputs(self) -> list[int]:
        """Return how many columns of what `transform` returns each column becomes."""
        check_is_fitted(self)
        of_numbers: Iterator[int] = iter(())
        if self.number_encoder_ is not None:
            of_numbers = iter(self.number_encoder_.n_outputs_.tolist())
        of_categories: Iterator[int] = iter(())
        if self.encoder_ is not None:
            rare = self.encoder_.infrequent_categories_
            of_categories = iter(
                [
                    len(all_) - (0 if few is None else len(few) - 1)
                    for all_, few in zip(self.encoder_.categories_, rare, strict=True)
                ]
            )
        return [
            next(of_categories)
            if kind == "category"
            else _N_HASHES * (kind == "text")
            + sum(next(of_numbers) for _ in _PARTS.get(kind, ()))
            for kind in self.kinds_
        ]

    def read_numbers(self, X: Any) -> np.ndarray | None:
        """Return the columns that `numbers` encodes, None: there are none."""
        check_is_fitted(self)
        return self._numbers(self._columns_of(as_table(X)))

    def _with_kinds(self, columns: list[pd.Series]) -> Any:
        return zip(columns, self.kinds_, strict=True)

    def _columns_of(self, frame: Any) -> list[pd.Series]:
        """Return the columns of `fit`, by name; by place, if a name is there twice."""
        frame = frame if isinstance(frame, pd.DataFrame) else pd.DataFrame(frame)
        names = self.columns_
        if list(frame.columns) != names and len(set(names)) == len(names):
            missing = [name for name in names if name not in frame.columns]
            if missing:
                has_none = isinstance(frame.columns, pd.RangeIndex)
                raise ValueError(
                    f"X lacks columns that the search had: {missing}."
                    + " It has no names: pass a frame." * has_none
                )
            frame = frame.loc[:, frame.columns.isin(names)]
            places = [list(frame.columns).index(name) for name in names]
            frame = frame.iloc[:, places]
        if frame.shape[1] != len(names):
            raise ValueError(f"X must have {len(names)} columns, got {frame.shape[1]}.")
        return [frame.iloc[:, i] for i in range(len(names))]

    def _words(self, columns: list[pd.Series]) -> np.ndarray | None:
        coded = [_to_words(c) for c, k in self._with_kinds(columns) if k == "category"]
        return np.column_stack(coded) if coded else None

    def _numbers(self, columns: list[pd.Series]) -> np.ndarray | None:
        pairs = [pair for pair in self._with_kinds(columns) if pair[1] in _PARTS]
        blocks = [_read_numbers(column, kind) for column, kind in pairs]
        return np.column_stack(blocks) if blocks else None


def _read_numbers(column: pd.Series, kind: str) -> np.ndarray:
    """Return the numbers of a column; what is missing, or of another kind, is NaN."""
    is_present = ~is_missing(column)
    others = "mM" if kind == "number" else "iufcb"
    if column.dtype.kind in others and is_present.any():
        raise TypeError(
            f"Column {column.name!r} of X holds {column.dtype}, and the search had "
            f"a column of {kind}s."
        )
    block = _READERS[kind](column)
    check_no_infinity(block, column.name)
    if column.dtype.kind == "O":  # words, or objects of any type
        is_lost = np.isnan(block.reshape(len(block), -1)[:, 0]) & is_present
        lost = column[is_lost]
        lost = lost[~are_for_missing(lost)]
        if len(lost):
            warnings.warn(
                f"Column {column.name!r} of X holds what is no {kind}, such as "
                f"{lost.iloc[0]!r}, in {len(lost)} of {len(block)} rows: it counts "
                f"as missing.",
                stacklevel=2,
            )
    return block


def _to_words(column: pd.Series) -> np.ndarray:
    words = column.astype(object).map(_to_word).to_numpy(dtype=object, copy=True)
    words[is_missing(column)] = _MISSING
    return words


def _to_word(value: Any) -> str:
    """Return 2 for 2.0, too: a gap makes floats of a column of whole numbers."""
    is_whole = isinstance(value, float | np.floating) and value.is_integer()
    return str(int(value)) if is_whole else str(value)


def _to_date_parts(column: pd.Series) -> np.ndarray:
    dates = to_dates(column)
    parts = [
        getattr(dates.dt, name) for name in ("year", "month", "day", "day_of_week")
    ]
    days = (dates - pd.Timestamp(0).as_unit("s")) / _DAY
    return np.column_stack([*(p.astype(float) for p in parts), dates.dt.hour, days])


def _to_days(column: pd.Series) -> np.ndarray:
    if column.dtype == object:  # a time of the day counts from midnight
        column = column.map(
            lambda v: str(v)[:15] if isinstance(v, datetime.time) else v
        )
    return (pd.to_timedelta(column, errors="coerce") / _DAY).to_numpy(float)


def _hash(column: pd.Series) -> np.ndarray:
    from sklearn.feature_extraction.text import HashingVectorizer

    hashed = HashingVectorizer(n_features=_N_HASHES, dtype=np.float32)
    return hashed.transform(_to_words(column)).toarray()


_PARTS = {
    "number": ("",),
    "date": ("_year", "_month", "_day", "_weekday", "_hour", "_days"),
    "duration": ("_days",),
}
_READERS = {"number": to_numbers, "date": _to_date_parts, "duration": _to_days}

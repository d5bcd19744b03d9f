"""The inputs of a converted estimator: one table, or a column each of a frame."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer

from skact.deploying.onnx_nodes import UnconvertibleError
from skact.deploying.onnx_parts import heads_of
from skact.deploying.onnx_tables import names_of_numbers
from skact.quick_search.tables import TableEncoder

# kinds of columns, and the type of their input: where two parts read one column, the
# kind that stands first counts
WORDS, WHOLE, NUMBERS = "words", "whole numbers", "numbers"
_KINDS = (WORDS, WHOLE, NUMBERS)


class Inputs(NamedTuple):
    """What the graph is fed.

    Parameters
    ----------
    kinds : mapping of str to str
        The kind of each input, by name.
    width : int or None
        The number of columns of the only input; None: each input is one column.
    """

    kinds: Mapping[str, str]
    width: int | None


def read_inputs(estimator: Any, X: Any) -> Inputs:
    """Return the inputs that an estimator needs, from its fitted parts or from X.

    Parameters
    ----------
    estimator : estimator
        Fitted and checked.
    X : DataFrame, array or None
        Rows as `predict` takes them; their types go before those of the parts.
    """
    heads = heads_of(estimator)
    fitted_names = _names_of(heads)
    if X is not None and not hasattr(X, "columns"):
        return _inputs_of_array(heads, np.asarray(X))
    if X is not None:
        sample = {str(name): X.iloc[:, i].dtype for i, name in enumerate(X.columns)}
        names = fitted_names or list(sample)
        missing = [name for name in names if name not in sample]
        if missing:
            raise ValueError(f"X lacks columns that the estimator had: {missing}")
        kinds = _kinds_of_parts(heads, names)
        return Inputs({name: _kind_of_dtype(sample[name]) for name in kinds}, None)
    kinds = _kinds_of_parts(heads, fitted_names)
    if fitted_names is not None:
        return Inputs(kinds, None)
    found = set(kinds.values())
    if WORDS in found and len(found) > 1:
        raise UnconvertibleError(
            "to_onnx needs the types of the columns, because they are words and "
            "numbers: fit on a DataFrame, or pass one as X"
        )
    return Inputs({"X": WORDS if WORDS in found else NUMBERS}, len(kinds))


def _inputs_of_array(heads: list[Any], X: np.ndarray) -> Inputs:
    n_columns = heads[0].n_features_in_
    if X.ndim != 2 or X.shape[1] != n_columns:
        raise ValueError(f"X must have {n_columns} columns, got shape {X.shape}")
    if any(isinstance(head, TableEncoder) for head in heads):
        raise ValueError("X must be a DataFrame, because TableEncoder reads by name")
    return Inputs({"X": _kind_of_dtype(X.dtype)}, n_columns)


def _names_of(heads: list[Any]) -> list[str] | None:
    head = heads[0]
    names = getattr(head, "columns_", getattr(head, "feature_names_in_", None))
    return None if names is None else [str(name) for name in names]


def _kinds_of_parts(heads: list[Any], names: Iterable[Any] | None) -> dict[str, str]:
    """Return the kinds of the columns that fitted parts need, by name."""
    if names is None:
        names = [f"x{i}" for i in range(heads[0].n_features_in_)]
    listed = [str(name) for name in names]
    found: dict[str, str] = {}
    for head in heads:
        for name, kind in _kinds_of_head(head, listed):
            found[name] = min(found.get(name, NUMBERS), kind, key=_KINDS.index)
    if any(isinstance(head, ColumnTransformer) for head in heads):
        # positions count all columns, those that nothing reads too
        found = {**dict.fromkeys(listed, NUMBERS), **found}
    return {name: found[name] for name in listed if name in found}


def _kinds_of_head(head: Any, names: list[str]) -> Iterable[tuple[str, str]]:
    """Yield the names and kinds of the columns that one part reads."""
    if isinstance(head, ColumnTransformer):
        for _, transformer, columns in head.transformers_:
            if transformer != "drop":
                for part in heads_of(transformer):
                    yield from _kinds_of_head(part, _choose(columns, names))
        return
    if isinstance(head, TableEncoder):
        yield from ((name, NUMBERS) for name in names_of_numbers(head))
        return
    if hasattr(head, "vocabulary_"):
        dtypes = [np.dtype(object)] * len(names)
    elif hasattr(head, "categories_"):
        dtypes = [values.dtype for values in head.categories_]
    else:  # such as a SimpleImputer
        learnt = np.asarray(getattr(head, "statistics_", 0.0)).dtype
        dtypes = [np.dtype(float) if learnt.kind != "O" else learnt] * len(names)
    yield from zip(names, map(_kind_of_dtype, dtypes), strict=True)


def _choose(columns: Any, names: list[str]) -> list[str]:
    """Return the names that a ColumnTransformer's columns stand for."""
    if isinstance(columns, str):
        return [columns]
    if isinstance(columns, int | np.integer | slice):
        return np.atleast_1d(np.array(names)[columns]).tolist()
    listed = list(columns)
    if listed and isinstance(listed[0], str):
        return listed
    return np.array(names)[listed].tolist()


def _kind_of_dtype(dtype: Any) -> str:
    if pd.api.types.is_bool_dtype(dtype) or pd.api.types.is_integer_dtype(dtype):
        return WHOLE
    return NUMBERS if pd.api.types.is_numeric_dtype(dtype) else WORDS

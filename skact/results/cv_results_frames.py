"""``cv_results_`` that is a frame, also one that went through a CSV file."""

import ast
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from skact.results.result_names import MISSING, RESULT_NAME

_PARAMS = "params"
_INDEX_OF_CSV = re.compile(r"Unnamed: \d+")  # how pandas names an index it has read
_OF_HALVING = ("iter", "n_resources")


def is_cv_results_frame(value: Any) -> bool:
    """Whether a value is ``pandas.DataFrame(search.cv_results_)``, and no tidy frame.

    A frame of ``to_frame`` has parameters of short names, and no column ``params``.
    """
    if not isinstance(value, pd.DataFrame):
        return False
    names = [str(name) for name in value.columns]
    others = [
        name
        for name in names
        if not (RESULT_NAME.fullmatch(name) or _INDEX_OF_CSV.fullmatch(name))
        and name not in _OF_HALVING
    ]
    has_scores = any(name.startswith("mean_test_") for name in names)
    return has_scores and (
        _PARAMS in others
        or (bool(others) and all(name.startswith("param_") for name in others))
    )


def columns_of_frame(frame: pd.DataFrame) -> dict[str, list[Any]]:
    """Return the columns of ``cv_results_``, as far as the frame still has them.

    Of a parameter, a gap of the frame may be None, NaN, or no parameter of the
    candidate: ``params`` says which. In a file it is a text, in which a gap is None if
    the text says so; else the candidate does not have the parameter. Without ``params``
    a gap is None if the cell is.
    """
    texts = frame.get(_PARAMS, pd.Series([None] * len(frame))).tolist()
    params = [_dict_of(x) for x in texts]
    columns: dict[str, list[Any]] = {}
    named = {str(name) for name in frame.columns}
    for key in dict.fromkeys(key for one in params if one for key in one):
        if f"param_{key}" not in named:  # the columns were left out, the dicts were not
            columns[f"param_{key}"] = [(one or {}).get(key, MISSING) for one in params]
    for name, label in zip(map(str, frame.columns), frame.columns, strict=True):
        cells, gaps = frame[label].tolist(), frame[label].isna().tolist()
        if _INDEX_OF_CSV.fullmatch(name) or name == _PARAMS:
            continue
        if name.startswith("param_"):
            key = name.removeprefix("param_")
            columns[name] = [
                one.get(key, MISSING)
                if one is not None
                else (_meaning_of_gap(key, text) if gap and cell is not None else cell)
                for one, text, cell, gap in zip(params, texts, cells, gaps, strict=True)
            ]
        elif RESULT_NAME.fullmatch(name):
            columns[name] = cells
        else:
            columns[name] = [
                MISSING if gap else cell for cell, gap in zip(cells, gaps, strict=True)
            ]
    return columns


def columns_of_dict(results: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of ``cv_results_``, which may be a frame in form of a dict.

    Such a dict has NaN where a parameter of a candidate is None.
    """
    columns = dict(results)
    params = [_dict_of(one) or {} for one in results.get(_PARAMS, ())]
    for name in results if params else ():
        key = str(name).removeprefix("param_")
        if key != name and not np.ma.isMaskedArray(results[name]):
            columns[name] = [
                None if one.get(key, MISSING) is None else cell
                for one, cell in zip(params, results[name], strict=True)
            ]
    return columns


def _meaning_of_gap(key: str, text: Any) -> Any:
    """Return None if the text of a dict says so; else the mark of a missing cell."""
    says_none = re.search(rf"{re.escape(repr(key))}: None(?=[,}}])", str(text))
    return None if says_none else MISSING


def _dict_of(value: Any) -> Mapping[str, Any] | None:
    """Return the parameters of a candidate; None if they are not known."""
    if isinstance(value, str):
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return None  # the text of an object
    return value if isinstance(value, Mapping) else None

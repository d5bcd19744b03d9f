"""``cv_results_`` that is a frame, or a dict of one, also read from a CSV file."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from skact.results.params_texts import IN_CELL, params_of_candidates
from skact.results.result_names import (
    ATTRS_KEY,
    INDEX_OF_CSV,
    MISSING,
    RESULT_NAME,
)

_PARAMS, _OF_PARAM = "params", "param_"
_OF_HALVING = ("iter", "n_resources")


def is_cv_results_frame(value: Any) -> bool:
    """Whether a value is ``pandas.DataFrame(search.cv_results_)``, and no tidy frame.

    A frame of ``to_frame`` has parameters of short names, and no column ``params``; its
    ``attrs`` tell it, too, if a parameter is called ``param_grid``.
    """
    if not isinstance(value, pd.DataFrame) or ATTRS_KEY in value.attrs:
        return False
    names = [str(name) for name in value.columns]
    others = [
        name
        for name in names
        if not (RESULT_NAME.fullmatch(name) or INDEX_OF_CSV.fullmatch(name))
        and name not in _OF_HALVING
    ]
    has_scores = any(name.startswith("mean_test_") for name in names)
    return has_scores and (
        _PARAMS in others
        or (bool(others) and all(name.startswith(_OF_PARAM) for name in others))
    )


def columns_of_frame(frame: pd.DataFrame) -> dict[str, Any]:
    """Return the columns of ``cv_results_``, as far as the frame still has them.

    Where ``params`` do not tell the value of a parameter, a gap is None if the cell is;
    else the candidate does not have the parameter.
    """
    names = list(map(str, frame.columns))
    repeated = [name for name, n in Counter(names).items() if n > 1]
    if repeated:
        raise ValueError(
            f"obj must have each column once; this frame has {repeated[0]!r} "
            f"{names.count(repeated[0])} times."
        )
    columns: dict[str, Any] = {}
    for name, label in zip(names, frame.columns, strict=True):
        columns[name] = frame[label].tolist()
        if name != _PARAMS and not RESULT_NAME.fullmatch(name):
            is_param = name.startswith(_OF_PARAM)
            columns[name] = [
                MISSING if _is_gap(cell) and not (is_param and cell is None) else cell
                for cell in columns[name]
            ]
    return columns_of_dict(columns)


def refuse_dict_of_dicts(value: Any) -> None:
    """Raise ValueError for what ``DataFrame.to_dict()`` returns."""
    if not isinstance(value, Mapping):
        return
    is_of_frame = any(str(key).startswith("mean_test_") for key in value)
    if is_of_frame and all(isinstance(cells, Mapping) for cells in value.values()):
        raise ValueError(
            "obj must have columns that are lists; got a dict of dicts, as "
            'DataFrame.to_dict() returns it. Give the frame itself, or to_dict("list").'
        )


def columns_of_dict(results: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of ``cv_results_``, with the values that ``params`` tell.

    A search masks the cells of parameters that a candidate does not have. A frame has a
    gap there, as it may have for None and NaN, and its numbers may have another type.
    So ``params`` decide about the parameters that they name.
    """
    columns = {
        str(key): cells
        for key, cells in results.items()
        if key != _PARAMS and not INDEX_OF_CSV.fullmatch(str(key))
    }
    names = [name for name in columns if name.startswith(_OF_PARAM)]
    keys = [name.removeprefix(_OF_PARAM) for name in names]
    params = params_of_candidates(results.get(_PARAMS, ()), keys)
    for key in dict.fromkeys(key for one in params for key in one):
        # the column may have been left out
        cells = columns.get(f"{_OF_PARAM}{key}", [MISSING] * len(params))
        if not np.ma.isMaskedArray(cells):
            columns[f"{_OF_PARAM}{key}"] = [
                _value_of(one.get(key, MISSING), cell)
                for one, cell in zip(params, cells, strict=True)
            ]
    return columns


def _value_of(told: Any, cell: Any) -> Any:
    """Return the value of a parameter: what ``params`` tell, else what the cell is."""
    if told is not IN_CELL:
        return told
    return MISSING if cell is not None and _is_gap(cell) else cell


def _is_gap(cell: Any) -> bool:
    """Whether a cell is None, NaN or the like; no list and no array is."""
    return bool(pd.api.types.is_scalar(cell) and pd.isna(cell))

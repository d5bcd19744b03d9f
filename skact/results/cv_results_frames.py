"""``cv_results_`` that is a frame, or a dict of one, also read from a CSV file."""

import ast
import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from skact.results.result_names import INDEX_OF_CSV, MISSING, RESULT_NAME

_PARAMS, _OF_PARAM = "params", "param_"
_OF_HALVING = ("iter", "n_resources")
_IN_CELL = object()  # the mark of a value that params do not tell
_OPENING, _CLOSING = set("[({<"), set("])}>")
# what stands in the text of a dict: strings, and marks outside of strings
_TOKEN = re.compile(
    r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|(?P<mark>[\[({<\])}>,])""", re.DOTALL
)
_NAMED_VALUES = {
    "nan": math.nan,
    "inf": math.inf,
    "np.True_": True,
    "np.False_": False,
}
# what the text of a broken literal raises when it is read
_READING_ERRORS = (
    *(ValueError, SyntaxError, TypeError, OverflowError),
    *(MemoryError, RecursionError),
)


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
    columns: dict[str, Any] = {}
    for name, label in zip(map(str, frame.columns), frame.columns, strict=True):
        columns[name] = frame[label].tolist()
        if name != _PARAMS and not RESULT_NAME.fullmatch(name):
            is_param = name.startswith(_OF_PARAM)
            columns[name] = [
                MISSING if _is_gap(cell) and not (is_param and cell is None) else cell
                for cell in columns[name]
            ]
    return columns_of_dict(columns)


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
    params = [_params_of_candidate(one, keys) for one in results.get(_PARAMS, ())]
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
    if told is not _IN_CELL:
        return told
    return MISSING if cell is not None and _is_gap(cell) else cell


def _is_gap(cell: Any) -> bool:
    """Whether a cell is None, NaN or the like; no list and no array is."""
    return bool(pd.api.types.is_scalar(cell) and pd.isna(cell))


@dataclass(frozen=True)
class _ObjectInText:
    """An object of which a file has kept the repr; so it gets the object's name."""

    text: str

    def __repr__(self) -> str:
        return self.text


def _params_of_candidate(value: Any, keys: Sequence[str]) -> Mapping[str, Any]:
    """Return the parameters that a dict, or the text of a dict, tells."""
    if isinstance(value, Mapping):
        return value
    text = value.strip() if isinstance(value, str) else ""
    texts = _split_dict(text)
    if texts is not None:
        return {key: _read(one, _ObjectInText(one)) for key, one in texts.items()}
    # the repr of an estimator that scikit-learn has shortened may lack brackets
    found = {
        key: re.findall(rf"{re.escape(repr(key))}: ([^,{{}}]*)[,}}]", text)
        for key in keys
    }
    return {
        key: _read(ones[0], _IN_CELL) if len(ones) == 1 else _IN_CELL
        for key, ones in found.items()
    }


def _split_dict(text: str) -> dict[str, str] | None:
    """Return the texts of the values in the text of a dict; None if it is none."""
    depth, cuts = 0, [0]
    for token in _TOKEN.finditer(text):
        mark = token["mark"]
        depth += (mark in _OPENING) - (mark in _CLOSING)
        if depth == 0 or (depth == 1 and mark == ","):
            cuts.append(token.start())
    if not (text.startswith("{") and text.endswith("}") and cuts[-1] == len(text) - 1):
        return None
    items = [text[start + 1 : end] for start, end in itertools.pairwise(cuts)]
    pairs = [item.partition(": ") for item in items if item.strip()]
    texts = {_read(key, None): value.strip() for key, _, value in pairs}
    return texts if all(isinstance(key, str) for key in texts) else None


def _read(text: str, otherwise: Any) -> Any:
    """Return the value of a literal, also of numpy's; never is a text evaluated."""
    try:
        tree = ast.parse(text.strip(), mode="eval")
        return ast.literal_eval(_WithPlainValues().visit(tree))
    except _READING_ERRORS:
        return otherwise


class _WithPlainValues(ast.NodeTransformer):
    """Put values in place of ``nan``, ``inf`` and the scalars of numpy."""

    def visit_Name(self, node: ast.Name | ast.Attribute) -> Any:
        name = ast.unparse(node)
        return ast.Constant(_NAMED_VALUES[name]) if name in _NAMED_VALUES else node

    visit_Attribute = visit_Name

    def visit_Call(self, node: ast.Call) -> Any:
        module, _, name = ast.unparse(node.func).partition(".")
        kind: Any = getattr(np, name, None) if module == "np" else None
        is_scalar = isinstance(kind, type) and issubclass(kind, np.number | np.str_)
        if not is_scalar or node.keywords:
            return node
        return ast.Constant(kind(*(ast.literal_eval(self.visit(x)) for x in node.args)))

"""The parameters of candidates in texts of dicts, as a CSV file keeps ``params``.

A text is read value by value, and never run.
"""

import ast
import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

IN_CELL = object()  # the mark of a value that a text does not tell
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
# BayesSearchCV has ordered dicts, which Python before 3.12 writes as pairs
_ORDERED_DICT = re.compile(r"OrderedDict\((.*)\)", re.DOTALL)


@dataclass(frozen=True)
class _Form:
    """How the text of a dict is written."""

    start: str
    after_key: str
    between: str
    end: str


_DICT, _PAIRS = _Form("{", ": ", ", ", "}"), _Form("[(", ", ", "), (", ")]")


@dataclass(frozen=True)
class _ObjectInText:
    """An object of which a file has kept the repr; so it gets the object's name."""

    text: str

    def __repr__(self) -> str:
        return self.text


def params_of_candidates(
    told: Iterable[Any], names: Sequence[str]
) -> list[Mapping[str, Any]]:
    """Return the parameters that dicts, or texts of dicts, tell.

    Parameters
    ----------
    told : iterable
        The cells of ``params``.
    names : sequence of str
        Names of the parameters that have a column.

    Returns
    -------
    list of dict
        A value is `IN_CELL` where a text is unreadable.
    """
    cells = list(told)
    texts = [cell.strip() if isinstance(cell, str) else "" for cell in cells]
    split = [_split_dict(text) for text in texts]
    known = [one for one in (*split, *cells) if isinstance(one, Mapping)]
    keys = dict.fromkeys([*names, *(key for one in known for key in one)])
    return [
        cell if isinstance(cell, Mapping) else _params_of_text(text, values, list(keys))
        for cell, text, values in zip(cells, texts, split, strict=True)
    ]


def _params_of_text(
    text: str, split: Mapping[str, str] | None, keys: Sequence[str]
) -> dict[str, Any]:
    """Return the parameters of one text that was split, if that was possible."""
    # scikit-learn shortens the repr of a large estimator, and then brackets may lack
    if split is None or "..." in text:
        cut = _cut_at_keys(text, keys)
        if split is None or len(cut) > len(split):
            return dict.fromkeys(keys, IN_CELL) | _read_all(cut)
    return _read_all(split)


def _read_all(texts: Mapping[str, str]) -> dict[str, Any]:
    return {key: _read(text, _ObjectInText(text)) for key, text in texts.items()}


def _form_of(text: str) -> tuple[str, _Form]:
    """Return the text of a dict without its class, and how it is written."""
    match = _ORDERED_DICT.fullmatch(text)
    inner = text if match is None else match[1] or "{}"
    is_pairs = match is not None and inner.startswith("[")
    return inner, _PAIRS if is_pairs else _DICT


def _split_dict(text: str) -> dict[str, str] | None:
    """Return the texts of the values in the text of a dict; None if it is none."""
    text, form = _form_of(text)
    depth, cuts = 0, [0]
    for token in _TOKEN.finditer(text):
        mark = token["mark"]
        depth += (mark in _OPENING) - (mark in _CLOSING)
        if depth == 0 or (depth == 1 and mark == ","):
            cuts.append(token.start())
    first, last = form.start[0], form.end[-1]
    if not (text[:1] == first and text[-1:] == last and cuts[-1] == len(text) - 1):
        return None
    items = [text[start + 1 : end].strip() for start, end in itertools.pairwise(cuts)]
    if form is _PAIRS:
        items = [item[1:-1] for item in items]  # without the brackets of the pair
    pairs = [item.partition(form.after_key) for item in items if item]
    texts = {_read(key, None): value.strip() for key, _, value in pairs}
    return texts if all(isinstance(key, str) for key in texts) else None


def _cut_at_keys(text: str, keys: Sequence[str]) -> dict[str, str]:
    """Return the texts between known keys; the brackets in a text may not match."""
    text, form = _form_of(text)
    before = rf"(?:^{re.escape(form.start)}|{re.escape(form.between)})"
    names = "|".join(re.escape(repr(key)) for key in keys)
    found = list(re.finditer(rf"{before}({names}){re.escape(form.after_key)}", text))
    if not (keys and found and text.endswith(form.end)):
        return {}
    ends = [*(match.start() for match in found[1:]), len(text) - len(form.end)]
    # a key that is there twice stands in a value, too
    texts = [match[1] for match in found]
    return {
        _read(match[1], None): text[match.end() : end]
        for match, end in zip(found, ends, strict=True)
        if texts.count(match[1]) == 1
    }


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

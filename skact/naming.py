"""Values of any kind as scalars: numbers, booleans, and short names.

The functions know no class outside Python and numpy, so no other library is imported.
"""

import functools
import inspect
import itertools
import pickle
import re
from collections.abc import Iterable
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

Scalar = bool | int | float | str

_MAX_NAME = 60
_MAX_HEAD = 20  # of a name that is too long and begins as others do

# patterns in the repr of an object, and replacements without modules and addresses
_REPR_REPLACEMENTS = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\s+", " "),
        (r"<class '(?:[^']*\.)?([^'.]+)'>", r"\1"),
        (r"<(?:[\w-]+ )?(?:function|method) (?:\S*\.)?<?(\w+)>?[^>]*>+", r"\1"),
        (r"<(?:\S*\.)?(\w+) object at 0x[0-9a-fA-F]+>", r"\1()"),
        (r"<lambda>", "lambda"),
        (r" at 0x[0-9a-fA-F]+", ""),
        (r"\bnp\.(True|False)_", r"\1"),
        (r"\bnp\.\w+\(([^()]*)\)", r"\1"),
        (r"\bfunctools\.partial\(", "partial("),
    )
)


def name_values(values: Iterable[Any]) -> list[Scalar]:
    """Return a column's values as scalars; values that share a name get numbers."""
    objects = list(values)
    kinds = set(map(type, objects))
    if kinds <= {bool, int, float, str} and not (
        float in kinds and any(value != value for value in objects)
    ):
        return objects  # scalars already
    scalars = [_to_scalar(value) for value in objects]
    named: dict[str, list[Any]] = {}  # name -> the different values of that name
    index: dict[int, int] = {}  # id of a value -> its index among those values
    for value, name in zip(objects, scalars, strict=True):
        if isinstance(name, str) and id(value) not in index:
            others = named.setdefault(name, [])
            copies = (i for i, other in enumerate(others) if _are_copies(value, other))
            index[id(value)] = next(copies, len(others))
            others += [value] * (index[id(value)] == len(others))
    labels, taken = {name: [name] for name in named}, set(named)
    for name, others in named.items():
        if len(others) > 1:
            telling = _names_that_differ(others)
            if telling and not set(telling) & taken:
                labels[name] = telling
                taken.update(telling)
                continue
            numbered = (f"{name} #{number}" for number in itertools.count(1))
            free = (label for label in numbered if label not in named)
            labels[name] = list(itertools.islice(free, len(others)))
    return [
        labels[name][index[id(value)]] if isinstance(name, str) else name
        for value, name in zip(objects, scalars, strict=True)
    ]


def _names_that_differ(values: list[Any]) -> list[str]:
    """Name values of one name by what differs; empty if their texts do not differ."""
    texts = [_full_name(value) for value in values]
    if len(set(texts)) < len(texts):
        qualified = [_full_name(value, with_place=True) for value in values]
        texts = qualified if len(set(qualified)) == len(values) else []
    if max(map(len, texts), default=0) > _MAX_NAME:
        # the beginning, and from a little before the first letter that differs
        places = enumerate(itertools.zip_longest(*texts))
        differs = next(i for i, letters in places if len(set(letters)) > 1)
        start = max(_MAX_HEAD, differs - _MAX_HEAD // 2)
        texts = [_cut(f"{text[:_MAX_HEAD]}…{text[start:]}") for text in texts]
    return texts if len(set(texts)) == len(values) else []


def _to_scalar(value: Any) -> Scalar:
    """Convert a number, boolean or string to Python's own type; name other values."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and np.isnan(value):
        return "nan"  # a value of the grid: it must not look like a missing value
    kinds = (kind for kind in (bool, int, float, str) if isinstance(value, kind))
    return next(kinds, short_name)(value)


def short_name(value: Any) -> str:
    """Describe an object in one short line."""
    return _cut(_full_name(value))


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_NAME else f"{text[: _MAX_NAME - 1]}…"


def _full_name(value: Any, with_place: bool = False) -> str:
    """Describe an object in one line, on request with its module or attributes."""
    name = getattr(value, "__name__", None)  # of a class or function
    text = name if isinstance(name, str) else _describe(value)
    if isinstance(value, date | time | timedelta | Decimal):
        text = str(value)  # shorter than the repr, and just as clear
    place = getattr(value, "__module__", None)
    if with_place and isinstance(name, str) and isinstance(place, str):
        text = f"{name} ({place})"
    elif with_place and _has_no_repr(value):
        text = _describe_by(value, getattr(value, "__dict__", {}), {})
    for pattern, replacement in _REPR_REPLACEMENTS:
        text = pattern.sub(replacement, text)
    return text.strip()


def _describe(value: Any) -> str:
    """Return the repr; objects whose repr has no parameters show their parameters."""
    if _is_plain(value):
        return repr(value)
    inside = _name_inside
    if type(value) in (list, tuple):
        inner = ", ".join(map(inside, value))
        comma = "," if len(value) == 1 else ""
        return f"[{inner}]" if isinstance(value, list) else f"({inner}{comma})"
    if type(value) is dict:
        return f"{{{', '.join(f'{k!r}: {inside(v)}' for k, v in value.items())}}}"
    if isinstance(value, functools.partial):
        named = [f"{key}={inside(one)}" for key, one in value.keywords.items()]
        return (
            f"partial({', '.join([*map(inside, (value.func, *value.args)), *named])})"
        )
    try:
        params = value.get_params(deep=False)
        parameters = inspect.signature(type(value)).parameters
        return _describe_by(
            value, params, {k: p.default for k, p in parameters.items()}
        )
    except Exception:  # any error that a method of the object raises
        return repr(value)


def _describe_by(value: Any, params: Any, defaults: dict[str, Any]) -> str:
    shown = [
        f"{key}={_name_inside(one)}"
        for key, one in params.items()
        if key not in defaults or repr(one) != repr(defaults[key])
    ]
    return f"{type(value).__name__}({', '.join(shown)})"


def _name_inside(value: Any) -> str:
    return repr(value) if isinstance(value, str) else _full_name(value)


def _has_no_repr(value: Any) -> bool:
    """Whether the repr says nothing; skorch's ValidSplit defines such a one."""
    return repr(value) == object.__repr__(value)


def _is_plain(value: Any) -> bool:
    """Whether neither a value nor one inside has parameters that its repr omits."""
    if isinstance(value, type):
        return True
    if type(value) in (list, tuple):
        return all(map(_is_plain, value))
    if type(value) is dict:
        return all(map(_is_plain, value.values()))
    if isinstance(value, functools.partial):
        return all(map(_is_plain, (*value.args, *value.keywords.values())))
    if not hasattr(value, "get_params"):
        return True
    if type(value).__repr__ is object.__repr__:
        return False
    try:
        return all(map(_is_plain, value.get_params(deep=False).values()))
    except Exception:  # any error that a method of the object raises
        return True


def _are_copies(value: Any, other: Any) -> bool:
    """Return whether two values of one name are copies of each other."""
    # Few of these objects define ==, and a repr may omit the difference. Objects with
    # equal pickles are copies. An object that cannot be pickled counts as different.
    try:
        both_str = isinstance(value, str) and isinstance(other, str)
        return both_str or pickle.dumps(value) == pickle.dumps(other)
    except Exception:  # any error that a method of the object raises
        return False

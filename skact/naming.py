"""Values of any kind as scalars that can be shown: numbers, booleans, short names.

Every value is described from outside: what made it need not be imported.
"""

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

# Python's words for an object -> ours, without modules and memory addresses.
_SHORTER = tuple(
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
    """Show a column's values as scalars, numbering different values of one name."""
    objects = list(values)
    kinds = set(map(type, objects))
    if kinds <= {bool, int, float, str} and not (
        float in kinds and any(value != value for value in objects)
    ):
        return objects  # they are their own names
    scalars = [_scalar(value) for value in objects]
    different: dict[str, list[Any]] = {}  # name -> the different values it stands for
    place: dict[int, int] = {}  # id of a value -> its place among those
    for value, name in zip(objects, scalars, strict=True):
        if isinstance(name, str) and id(value) not in place:
            others = different.setdefault(name, [])
            same = (i for i, other in enumerate(others) if _same(value, other))
            place[id(value)] = next(same, len(others))
            others += [value] * (place[id(value)] == len(others))
    labels = {name: [name] for name in different}
    for name, others in different.items():
        if len(others) > 1:
            numbered = (f"{name} #{number}" for number in itertools.count(1))
            free = (label for label in numbered if label not in different)
            labels[name] = list(itertools.islice(free, len(others)))
    return [
        labels[name][place[id(value)]] if isinstance(name, str) else name
        for value, name in zip(objects, scalars, strict=True)
    ]


def _scalar(value: Any) -> Scalar:
    """Keep a number, boolean or string as Python's own; name anything else."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and np.isnan(value):
        return "nan"  # somebody put it into the grid: it must not look missing
    kinds = (kind for kind in (bool, int, float, str) if isinstance(value, kind))
    return next(kinds, short_name)(value)


def short_name(value: Any) -> str:
    """Describe an object in one short line."""
    name = getattr(value, "__name__", None)  # of a class or function
    text = name if isinstance(name, str) else repr(value)
    if isinstance(value, date | time | timedelta | Decimal):
        text = str(value)  # theirs is how one writes them
    for pattern, replacement in _SHORTER:
        text = pattern.sub(replacement, text)
    text = text.strip()
    return text if len(text) <= _MAX_NAME else f"{text[: _MAX_NAME - 1]}…"


def _same(value: Any, other: Any) -> bool:
    """Tell whether two values of one name are copies of each other."""
    # Neither ==, which few such objects define, nor repr, which may leave out what
    # differs. Equal pickles are sure; what cannot be pickled counts as different.
    try:
        both_str = isinstance(value, str) and isinstance(other, str)
        return both_str or pickle.dumps(value) == pickle.dumps(other)
    except Exception:  # pickle raises whatever the object's own methods raise
        return False

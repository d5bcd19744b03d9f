"""Columns as a page can hold them: what they are for, numbers or safe words.

HiPlot keeps words in plain JavaScript objects, sorts them by letters, and takes some
for missing numbers.
"""

import itertools
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum, auto
from functools import cached_property
from typing import Any

import numpy as np

from skact.results.schema import MODEL, Schema

# Pages look words up in plain JavaScript objects, which know these from birth, and take
# some for missing numbers. Such words get a mark that nobody sees.
_JAVASCRIPT = re.compile(
    "__proto__|constructor|hasOwnProperty|isPrototypeOf|propertyIsEnumerable|valueOf|"
    "to(Locale)?String|__(define|lookup)[GS]etter__|-?inf|-?Infinity|NaN|null|undefined"
)
_NO_WIDTH = "\u200b\u200c"
_RATES = {"lr", "learning_rate", "weight_decay", "alpha", "C", "gamma"}  # tried by tens
_MAX_WORD = 60  # letters of a name or value: more print over other axes


@dataclass(eq=False)
class Column:
    """A column of a table on a page."""

    label: str  # in the frame
    name: str  # on the page
    cells: list[Any]  # numbers, or words; None: missing
    type: str

    @cached_property
    def values_and_gaps(self) -> set[Any]:
        """All different cells."""
        return set(self.cells)

    @cached_property
    def values(self) -> set[Any]:
        """All different cells, but for what is missing."""
        found = self.values_and_gaps
        return found - {None} if None in found else found

    @property
    def letters(self) -> int:
        """Letters of the longest word; 0 of numbers."""
        if self.type != "categorical":
            return 0
        return max(len(str(value).strip(_NO_WIDTH)) for value in self.values)


class Axis(IntEnum):
    """Places of axes, from left to right."""

    ASKED = auto()  # the user named it
    MODEL = auto()
    NUMBER = auto()  # a parameter
    WORD = auto()  # a parameter
    FOLD = auto()
    EPOCH = auto()
    TIME = auto()
    TRAIN = auto()
    RESULT = auto()  # other scores, and what was recorded
    SPREAD = auto()  # of the score
    RANK = auto()
    SCORE = auto()


# the places of results, by their names; a result that is not here has no axis
_AXES: dict[str, dict[str, Axis]] = {
    "candidate": {
        "mean_fit_time": Axis.TIME,
        "mean_train_.+": Axis.TRAIN,
        "mean_test_.+": Axis.RESULT,
    },
    "fold": {
        "fold": Axis.FOLD,
        "mean_fit_time": Axis.TIME,
        "train_.+": Axis.TRAIN,
        "test_.+": Axis.RESULT,
    },
    "epoch": {
        "fold": Axis.FOLD,
        "epoch": Axis.EPOCH,
        "(?!dur$|candidate$).*(?<!_best)": Axis.RESULT,
    },
}


def is_result(label: str, schema: Schema) -> bool:
    """Whether a column tells what came of a row, or which part of a fit the row is."""
    part = label in ("candidate", "fold", "epoch") and label in schema.ids
    return part or label in schema.results


def axis_of(column: Column, schema: Schema) -> Axis | None:
    """Say where the axis of a column stands; None: it has none."""
    label = column.label
    if not is_result(label, schema):
        if label == MODEL and schema.several:
            return Axis.MODEL
        return Axis.WORD if column.type == "categorical" else Axis.NUMBER
    ends = {schema.rank: Axis.RANK, schema.score: Axis.SCORE}
    if schema.level == "candidate":
        spread, rank = (schema.score.replace("mean", x, 1) for x in ("std", "rank"))
        ends = {spread: Axis.SPREAD, rank: Axis.RANK, schema.score: Axis.SCORE}
    if label in ends:
        return ends[label]
    for pattern, axis in _AXES[schema.level].items():
        if re.fullmatch(pattern, label):
            return axis
    return None


def words_of(texts: Iterable[str], reserved: Sequence[str] = ()) -> list[str]:
    """Make words that a page can hold: all different, and none of them markup."""
    words: dict[str, None] = {}
    for text in texts:
        text = text if len(text) <= _MAX_WORD else f"{text[: _MAX_WORD - 1]}\u2026"
        word = text.replace("<", "\u2039").replace(">", "\u203a") or "(empty)"
        if _JAVASCRIPT.fullmatch(word) or word in reserved:
            word += _NO_WIDTH[0]
        tries = (word if n == 1 else f"{word} #{n}" for n in itertools.count(1))
        words[next(word for word in tries if word not in words)] = None
    return list(words)


def column_of(
    label: str, name: str, cells: list[Any], schema: Schema, log: bool
) -> Column:
    """Give a column numbers or words that a page can show, and a type."""
    kinds = set(map(type, cells)) - {type(None)}
    result = is_result(label, schema)
    if float in kinds:
        cells = _rounded(cells)
    numbers = _extremes(cells) if kinds <= {int, float} else []
    if result and not all(map(math.isfinite, numbers)):
        # an infinite score would be drawn above the best one
        cells = [None if cell in (math.inf, -math.inf) else cell for cell in cells]
        numbers = _extremes(cells)
    numeric = bool(numbers) and all(abs(number) < 1e308 for number in numbers)
    positive = numeric and numbers[0] > 0
    if log and not positive:
        some = sorted({str(cell) for cell in cells if cell is not None})[:5]
        raise ValueError(f"log needs positive numbers; got {label!r} of {some!r}.")
    if not numeric or (label == "fold" and schema.level != "candidate"):
        words = _in_order({(type(cell), cell) for cell in cells if cell is not None})
        words[type(None), None] = None  # type: ignore[assignment]
        cells = [words[type(cell), cell] for cell in cells]
        return Column(label, name, cells, "categorical")
    spread = label.endswith(("_time", "_loss")) and not label.startswith("std_")
    if positive and (not result or label in _RATES or spread):
        log = log or numbers[1] >= (10 if label in _RATES else 100) * numbers[0]
    return Column(label, name, cells, "numericlog" if log else "numeric")


def _extremes(cells: Sequence[Any]) -> list[Any]:
    """Return the least and the greatest number; zeros if there is none."""
    present = [cell for cell in cells if cell is not None] if None in cells else cells
    return [min(present), max(present)] if present else [0, 0]


def _rounded(cells: Sequence[Any]) -> list[Any]:
    """Round floats to six digits: tables would show seventeen."""
    if set(map(type, cells)) != {float}:
        return [float(f"{v:.6g}") if isinstance(v, float) else v for v in cells]
    values = np.array(cells)
    with np.errstate(all="ignore"):
        digits = 5 - np.floor(np.log10(np.abs(values)))
        # a whole number over a power of ten that is exact is the nearest to its digits
        exact = np.isfinite(values) & (values != 0) & (digits >= 0) & (digits <= 15)
        power = 10.0 ** np.where(exact, digits, 0)
        rounded = np.round(values * power) / power
    found: list[Any] = rounded.tolist()
    for i in np.flatnonzero(~exact):
        found[i] = float(f"{values[i]:.6g}")
    return found


def _in_order(values: Iterable[tuple[type, Any]]) -> dict[tuple[type, Any], str]:
    """Name values so that the page, which sorts words by letters, keeps their order."""
    ordered = sorted(values, key=_natural)
    words = words_of(str(value) for _, value in ordered)
    if words != sorted(words):
        # Before each word its place, in ten characters that have no width.
        digits = str.maketrans("01", _NO_WIDTH)
        words = [f"{i:010b}".translate(digits) + word for i, word in enumerate(words)]
    return dict(zip(ordered, words, strict=True))


def _natural(value: tuple[type, Any]) -> tuple[bool, Any]:
    """Put numbers before words, and words in the order of the numbers inside them."""
    if value[0] in (int, float):
        return False, value[1]
    parts = re.split(r"(\d+(?:\.\d+)?)", str(value[1]))
    return True, [float(part) if i % 2 else part for i, part in enumerate(parts)]

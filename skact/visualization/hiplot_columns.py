"""Columns of a page: numbers or safe words, and the place of each axis.

HiPlot uses words as keys of JavaScript objects, sorts words by letters, and reads some
words as missing numbers.
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

from skact.results.schema import MODEL, Schema, is_name_of_loss, is_name_of_time_or_loss

# JavaScript objects have some of these keys already, and HiPlot reads the other words
# as missing numbers. Such words get an invisible mark.
_JAVASCRIPT = re.compile(
    "__proto__|constructor|hasOwnProperty|isPrototypeOf|propertyIsEnumerable|valueOf|"
    "to(Locale)?String|__(define|lookup)[GS]etter__|-?inf|-?Infinity|NaN|null|undefined"
)
_NO_WIDTH = "\u200b\u200c"
# parameters whose values are usually powers of ten
_LOG_PARAMETERS = {
    *("lr", "learning_rate", "learning_rate_init", "weight_decay"),
    *("alpha", "C", "gamma"),
}
_MAX_LETTERS = 60  # of a name or value: a longer one would cover other axes


@dataclass(eq=False)
class Column:
    """A column of a table on a page."""

    label: str  # name in the frame
    name: str  # name on the page
    cells: list[Any]  # numbers, or words; None: missing
    type: str  # "numeric", "numericlog" or "categorical"

    @cached_property
    def values_and_gaps(self) -> set[Any]:
        """All different cells."""
        return set(self.cells)

    @cached_property
    def values(self) -> set[Any]:
        """All different cells without None."""
        found = self.values_and_gaps
        return found - {None} if None in found else found

    @property
    def n_letters(self) -> int:
        """Number of letters of the longest word; 0 for numbers."""
        if self.type != "categorical":
            return 0
        return max(len(str(value).strip(_NO_WIDTH)) for value in self.values)

    @property
    def n_pixels(self) -> int:
        """Width of the longest word beside an axis, at most; 0 for numbers."""
        if self.type != "categorical":
            return 0
        return max(_width_of(str(value).strip(_NO_WIDTH)) for value in self.values)


def _width_of(word: str) -> int:
    """Return the width of a word in pixels, at most, in HiPlot's font of 13 pixels."""
    wide = sum(13 if ord(c) > 0x2E80 else 4 for c in word if ord(c) > 0xFF or c in "mw")
    return 8 * len(word) + wide + 3 * sum(map(str.isupper, word))


class Axis(IntEnum):
    """Places of axes from left to right."""

    ASKED = auto()  # the user named the column
    MODEL = auto()
    NUMBER = auto()  # a parameter
    WORD = auto()  # a parameter
    FOLD = auto()
    EPOCH = auto()
    TIME = auto()
    TRAIN = auto()
    RESULT = auto()  # other scores, and recorded values
    DEVIATION = auto()  # standard deviation of the score
    RANK = auto()
    SCORE = auto()


# the places of ids and of groups of results; other results have no axis
_ID_AXES = {"fold": Axis.FOLD, "epoch": Axis.EPOCH}
_RESULT_AXES = {
    "time": Axis.TIME,
    "train": Axis.TRAIN,
    "test": Axis.RESULT,
    "recorded": Axis.RESULT,
}


def is_result_or_place(label: str, schema: Schema) -> bool:
    """Whether a column is a result, or says which candidate, fold or epoch a row is."""
    is_place = label in ("candidate", "fold", "epoch") and label in schema.ids
    return is_place or label in schema.results


def axis_of(column: Column, schema: Schema) -> Axis | None:
    """Return the place of a column's axis; None: the column has no axis."""
    label = column.label
    if not is_result_or_place(label, schema):
        if label == MODEL and schema.has_models:
            return Axis.MODEL
        return Axis.WORD if column.type == "categorical" else Axis.NUMBER
    last = {schema.rank: Axis.RANK, schema.score: Axis.SCORE}
    if schema.level == "candidate":
        last = {
            schema.beside_score("std"): Axis.DEVIATION,
            schema.beside_score("rank"): Axis.RANK,
            schema.score: Axis.SCORE,
        }
    if label in last:
        return last[label]
    if label in schema.ids:
        return _ID_AXES.get(label)
    return _RESULT_AXES.get(schema.group_of_result(label))


def safe_words_of(texts: Iterable[str], reserved: Sequence[str] = ()) -> list[str]:
    """Turn texts into words that differ and contain neither markup nor bad keys."""
    words: dict[str, None] = {}
    for text in texts:
        if len(text) > _MAX_LETTERS:
            text = f"{text[: _MAX_LETTERS - 1]}\u2026"
        word = text.replace("<", "\u2039").replace(">", "\u203a") or "(empty)"
        if _JAVASCRIPT.fullmatch(word) or word in reserved:
            word += _NO_WIDTH[0]
        tries = (word if n == 1 else f"{word} #{n}" for n in itertools.count(1))
        words[next(word for word in tries if word not in words)] = None
    return list(words)


def make_column(
    label: str, name: str, cells: list[Any], schema: Schema, log: bool
) -> Column:
    """Turn cells into numbers or words that a page can show, and find their type."""
    kinds = set(map(type, cells)) - {type(None)}
    is_result = is_result_or_place(label, schema)
    if float in kinds:
        cells = _round_floats(cells)
    numbers = _least_and_greatest(cells) if kinds <= {int, float} else []
    if is_result and not all(map(math.isfinite, numbers)):
        # HiPlot would draw an infinite score above the best score
        cells = [None if cell in (math.inf, -math.inf) else cell for cell in cells]
        numbers = _least_and_greatest(cells)
    is_numeric = bool(numbers) and all(abs(number) < 1e308 for number in numbers)
    is_positive = is_numeric and numbers[0] > 0
    if log and not is_positive:
        some = sorted({str(cell) for cell in cells if cell is not None})[:5]
        raise ValueError(f"log needs positive numbers; got {label!r} of {some!r}.")
    if not is_numeric or (label == "fold" and label in schema.ids):
        words = _name_in_order(
            {(type(cell), cell) for cell in cells if cell is not None}
        )
        words[type(None), None] = None  # type: ignore[assignment]
        cells = [words[type(cell), cell] for cell in cells]
        return Column(label, name, cells, "categorical")
    may_be_log = not is_result or is_name_of_time_or_loss(label)
    if is_positive and (may_be_log or label in _LOG_PARAMETERS):
        log = log or suits_log_axis(label, *numbers)
    return Column(label, name, cells, "numericlog" if log else "numeric")


def suits_log_axis(label: str, least: float, greatest: float) -> bool:
    """Whether numbers of a column are so far apart that a log axis shows them better.

    Losses and parameters such as learning rates need a factor of 10, other columns 100.
    """
    is_rate = label.rpartition("__")[2] in _LOG_PARAMETERS
    factor = 10 if is_rate or is_name_of_loss(label) else 100
    return 0 < factor * least <= greatest


def _least_and_greatest(cells: Sequence[Any]) -> list[Any]:
    """Return the least and the greatest number; zeros if there are no numbers."""
    present = [cell for cell in cells if cell is not None] if None in cells else cells
    return [min(present), max(present)] if present else [0, 0]


def _round_floats(cells: Sequence[Any]) -> list[Any]:
    """Round floats to six digits; the table of a page would show seventeen."""
    if set(map(type, cells)) != {float}:
        return [float(f"{v:.6g}") if isinstance(v, float) else v for v in cells]
    values = np.array(cells)
    with np.errstate(all="ignore"):
        digits = 5 - np.floor(np.log10(np.abs(values)))
        # these powers of ten are exact, so the quotient is the nearest float
        exact = np.isfinite(values) & (values != 0) & (digits >= 0) & (digits <= 15)
        power = 10.0 ** np.where(exact, digits, 0)
        rounded = np.round(values * power) / power
    found: list[Any] = rounded.tolist()
    for i in np.flatnonzero(~exact):
        found[i] = float(f"{values[i]:.6g}")
    return found


def _name_in_order(values: Iterable[tuple[type, Any]]) -> dict[tuple[type, Any], str]:
    """Name values so that sorting their names by letters keeps their natural order."""
    ordered = sorted(values, key=natural_sort_key)
    words = safe_words_of(str(value) for _, value in ordered)
    if words != sorted(words):
        # each word begins with its position, in ten characters without width
        digits = str.maketrans("01", _NO_WIDTH)
        words = [f"{i:010b}".translate(digits) + word for i, word in enumerate(words)]
    return dict(zip(ordered, words, strict=True))


def natural_sort_key(value: tuple[type, Any]) -> tuple[bool, Any]:
    """Return a key that sorts numbers before words, and words by numbers in them."""
    if value[0] in (int, float):
        return False, value[1]
    parts = re.split(r"(\d+(?:\.\d+)?)", str(value[1]))
    return True, [float(part) if i % 2 else part for i, part in enumerate(parts)]

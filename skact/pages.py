"""What a page shows of a frame, decided as plain values; it knows no HiPlot."""

import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

from skact.frames import MODEL
from skact.names import Scalar, name_values
from skact.results import RESULT_NAME

# Pages look words up in plain JavaScript objects, which know these from birth, and take
# some for missing numbers. Such words get a mark that nobody sees.
_JAVASCRIPT = re.compile(
    "__proto__|constructor|hasOwnProperty|isPrototypeOf|propertyIsEnumerable|valueOf|"
    "to(Locale)?String|__(define|lookup)[GS]etter__|-?inf|-?Infinity|NaN|null|undefined"
)
_NO_WIDTH = "\u200b\u200c"
_OWN = ("uid", "from_uid")  # columns that HiPlot adds
_RATES = {"lr", "learning_rate", "weight_decay", "alpha", "C", "gamma"}  # tried by tens
_MAX_CATEGORIES = 80  # on one axis: HiPlot would hide it if it had more
_LABEL_ROOM = 15  # letters that are not too long for the first axis
_NO_HEIGHTS = ("epoch", "dur", "candidate", "fold")  # of a curve
_MAX_WORD = 60  # letters of a name or value: more print over other axes
_CHAIN = (MODEL, "candidate", "fold")  # what tells one training curve from another
# told apart by the colour-blind, too (Okabe and Ito 2008); HiPlot draws hex in black
_COLORS = (
    "rgb(0, 114, 178)",
    "rgb(213, 94, 0)",
    "rgb(0, 158, 115)",
    "rgb(204, 121, 167)",
    "rgb(230, 159, 0)",
    "rgb(86, 180, 233)",
    "rgb(0, 0, 0)",
    "rgb(148, 129, 43)",
)


class Options:
    """What a user asks of a page, as `to_hiplot` takes it: columns, and a number."""

    def __init__(
        self,
        color: Any = None,
        order: Any = (),
        hide: Any = (),
        log: Any = (),
        max_rows: int | None = 20_000,
    ) -> None:
        self.color, self.order = _listed(color), _listed(order)
        self.hide, self.log = _listed(hide), _listed(log)
        self.max_rows = max_rows

    def check(self, labels: Sequence[str]) -> None:
        """Raise ValueError if a column is not there, or the number is none."""
        for name in ("color", "order", "hide", "log"):
            for label in getattr(self, name):
                if label not in labels:
                    raise ValueError(
                        f"{name} must name some of {labels!r}; got {label!r}."
                    )
        most = self.max_rows
        whole = isinstance(most, Integral) and not isinstance(most, bool)
        if most is not None and not (whole and most >= 1):
            raise ValueError(
                f"max_rows must be an int of at least 1, or None; got {most!r}."
            )


def _listed(wanted: Any) -> list[Any]:
    if pd.api.types.is_list_like(wanted):
        return list(wanted)
    return [] if wanted is None else [wanted]


@dataclass(frozen=True)
class PlotInfo:
    """What a page shows."""

    rows: list[dict[str, Scalar]]  # what is missing has no key
    uids: list[str]  # one a row, all different
    types: dict[str, str]  # all columns in the table's order -> their hiplot.ValueType
    axes: list[str]  # the columns drawn, from left to right; none: no such plot
    hidden: list[str]  # the columns not drawn
    inverted: list[str]  # the axes with small values on top
    color: str  # the column that colours the lines
    colors: dict[str, str]  # the words of that column -> rgb(); none: HiPlot's own
    sort: list[tuple[str, str]]  # the columns that order the table, and "asc" or "desc"
    curves: tuple[str, str] | None = None  # x and y of a plot of curves
    parents: list[str | None] = field(default_factory=list)  # uid of the point before
    notice: str = ""  # what the page has to say of itself
    letters: int = 0  # of the longest word at the leftmost axis


@dataclass(eq=False)
class _Column:
    label: str  # in the frame
    name: str  # on the page
    cells: list[Any]  # numbers, or words; None: missing
    type: str

    @cached_property
    def values_and_gaps(self) -> set[Any]:
        return set(self.cells)

    @cached_property
    def values(self) -> set[Any]:
        found = self.values_and_gaps
        return found - {None} if None in found else found


def level_of(frame: pd.DataFrame) -> str:
    """Tell what the rows of a frame are, by its columns."""
    labels = {str(label) for label in frame.columns}
    if any(label.startswith("mean_test_") for label in labels):
        return "candidate"
    if {"candidate", "fold"} <= labels and "epoch" not in labels:
        return "fold"
    return "epoch" if "epoch" in labels else "candidate"


def cells_of(frame: pd.DataFrame) -> list[tuple[str, list[Any]]]:
    """Turn a frame into columns of scalars; None is what is missing."""
    columns = []
    for i, label in enumerate(frame.columns):
        series, gaps = frame.iloc[:, i], frame.iloc[:, i].isna()
        named = iter(name_values(series[~gaps].tolist()))
        columns.append((str(label), [None if gap else next(named) for gap in gaps]))
    return columns


def plot_info(
    cells: Sequence[tuple[str, list[Any]]],
    index: Sequence[Any],
    options: Options,
    level: str,
) -> PlotInfo:
    """Decide what a page shows of columns, whose rows have labels."""
    if not len(index):
        raise ValueError("obj must have at least one row; got an empty frame.")
    labels = [label for label, _ in cells]
    options.check(labels)
    kept, notice = _sample(dict(cells), len(index), options.max_rows, level)
    if notice:
        cells = [(label, [column[i] for i in kept]) for label, column in cells]
        index = [index[i] for i in kept]
    names = _words((" ".join(label.split()) for label in labels), reserved=_OWN)
    roles = _Roles(labels, level)
    columns = [
        _column(label, name, column, roles, label in options.log)
        for (label, column), name in zip(cells, names, strict=True)
    ]
    axes = _axes(columns, roles, options)
    color = _color(columns, axes, roles, options)
    uids = [str(i) for i in index]
    if not isinstance(index, range):
        uids = _words(uids)
    return PlotInfo(
        rows=_rows(columns),
        uids=uids,
        types={column.name: column.type for column in columns},
        axes=[axis.name for axis in axes],
        hidden=[*_OWN, *(c.name for c in columns if c not in axes)],
        inverted=[axis.name for axis in axes if roles.is_better_low(axis.label)],
        color=color.name if color is not None else "",
        colors=_colors(color),
        sort=_sort(columns, roles),
        curves=_curves(columns, roles, options),
        parents=_parents(columns, uids) if level == "epoch" else [],
        notice=" ".join(filter(None, [notice, _missing(columns, roles)])),
        letters=_letters(axes[0]) if axes else 0,
    )


def _missing(columns: Sequence["_Column"], roles: "_Roles") -> str:
    """Say what lines cannot show: scores that are not there, or all alike."""
    if roles.level == "epoch" or not roles.score:
        return ""
    score = next(column for column in columns if column.label == roles.score)
    n_rows, failed = len(score.cells), score.cells.count(None)
    said = []
    if failed:
        why = "" if roles.several else ": a fit or its scoring failed"
        said.append(f"{failed:,} of {n_rows:,} rows have no {score.name}{why}.")
    if len(score.values) == 1 and n_rows - failed > 1:
        value = next(iter(score.values))
        said.append(f"{score.name} is {value} wherever there is one: it has no axis.")
    return " ".join(said)


def _rows(columns: Sequence["_Column"]) -> list[dict[str, Scalar]]:
    """Make a dict a row; what is missing has no key."""
    names = [column.name for column in columns]
    cells = zip(*(column.cells for column in columns), strict=True)
    # twice as fast as a comprehension, and most of what a large page costs
    rows = list(map(dict, map(zip, itertools.repeat(names), cells)))
    for column in columns:
        if None in column.values_and_gaps:
            for row, cell in zip(rows, column.cells, strict=True):
                if cell is None:
                    del row[column.name]
    return rows


def _sample(
    cells: Mapping[str, list[Any]], n_rows: int, most: int | None, level: str
) -> tuple[np.ndarray, str]:
    """Choose the rows to show; more would be a solid block, and slow."""
    if most is None or n_rows <= most:
        return np.arange(n_rows), ""
    chosen = _spread(n_rows, most)
    what = "rows, evenly spread from the first to the last"
    keys = [cells[name] for name in _CHAIN if name in cells]
    if level == "epoch" and keys:  # whole curves, as many as there is room for
        numbers: dict[tuple, int] = {}
        places = zip(*keys, strict=True)
        chain = np.array([numbers.setdefault(key, len(numbers)) for key in places])
        room = int(most // np.bincount(chain).max())
        if room:
            chosen = np.flatnonzero(np.isin(chain, _spread(len(numbers), room)))
            what = f"rows: {room:,} of {len(numbers):,} curves, evenly spread"
    return chosen, (
        f"This page shows {len(chosen):,} of {n_rows:,} {what}. "
        f"to_hiplot(..., max_rows=None) shows all."
    )


def _spread(n: int, most: int) -> np.ndarray:
    """Return up to `most` of n positions, the first and the last among them."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int))


class _Roles:
    """What columns are for, by the names and the order that frames give them."""

    def __init__(self, labels: Sequence[str], level: str) -> None:
        self.labels, self.level = labels, level
        self.several = labels[:1] == [MODEL]
        ranks = [label for label in labels if label.startswith("rank_test_")]
        self.rank = ranks[0] if ranks else ""
        metrics = [rank.removeprefix("rank_test_") for rank in ranks]
        self.scores = {
            "candidate": [label for label in labels if label.startswith("mean_test_")],
            "fold": [f"test_{metric}" for metric in metrics or ["score"]],
            "epoch": ["valid_loss", "train_loss"],
        }[level]
        if level == "candidate":  # the metric that ranks them comes first
            self.scores.sort(key=lambda label: label[4:] != self.rank[4:])
        self.scores = [label for label in self.scores if label in labels]
        self.score = self.scores[0] if self.scores else ""
        self._results = {"candidate", "fold"} if level != "candidate" else set()
        if level == "fold":
            parts = itertools.product(("test", "train"), metrics or ["score"])
            self._results |= {f"{part}_{metric}" for part, metric in parts}
        if level == "epoch":  # what was recorded stands behind the epoch
            self._results |= set(labels[labels.index("epoch") :])

    def is_result(self, label: str) -> bool:
        """Whether a column is no parameter."""
        return bool(RESULT_NAME.fullmatch(label)) or label in self._results

    def is_better_low(self, label: str) -> bool:
        """Whether the axis has small values on top."""
        is_loss = self.level == "epoch" and label.endswith("_loss")
        return label.startswith("rank_test_") or is_loss

    def place(self, label: str) -> int | None:
        """Say how far to the right the axis of a column is; None: it has none."""
        if not self.is_result(label):
            return -1
        ends = [self.rank, self.score]
        if self.level == "candidate":
            ends = [self.score.replace("mean", of, 1) for of in ("std", "rank", "mean")]
        if label in ends:
            return 10 + ends.index(label)
        middle = {
            "candidate": ["mean_fit_time", "mean_train_.+", "mean_test_.+"],
            "fold": ["fold", "mean_fit_time", "train_.+", "test_.+"],
            "epoch": ["fold", "epoch", "(?!dur$|candidate$).*(?<!_best)"],
        }[self.level]
        places = [i for i, pattern in enumerate(middle) if re.fullmatch(pattern, label)]
        return places[0] if places else None


def _words(texts: Iterable[str], reserved: Sequence[str] = ()) -> list[str]:
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


def _column(
    label: str, name: str, cells: list[Any], roles: _Roles, log: bool
) -> _Column:
    """Give a column numbers or words that a page can show, and a type."""
    kinds = set(map(type, cells)) - {type(None)}
    is_result = roles.is_result(label)
    if float in kinds:
        cells = _rounded(cells)
    numbers = _extremes(cells) if kinds <= {int, float} else []
    if is_result and not all(map(math.isfinite, numbers)):
        # an infinite score would be drawn above the best one
        cells = [None if cell in (math.inf, -math.inf) else cell for cell in cells]
        numbers = _extremes(cells)
    numeric = bool(numbers) and all(abs(number) < 1e308 for number in numbers)
    positive = numeric and numbers[0] > 0
    if log and not positive:
        some = sorted({str(cell) for cell in cells if cell is not None})[:5]
        raise ValueError(f"log needs positive numbers; got {label!r} of {some!r}.")
    if not numeric or (label == "fold" and roles.level != "candidate"):
        words = _in_order({(type(cell), cell) for cell in cells if cell is not None})
        words[type(None), None] = None  # type: ignore[assignment]
        cells = [words[type(cell), cell] for cell in cells]
        return _Column(label, name, cells, "categorical")
    if positive and (not is_result or label in _RATES or label.endswith("_time")):
        log = log or numbers[1] >= (10 if label in _RATES else 100) * numbers[0]
    return _Column(label, name, cells, "numericlog" if log else "numeric")


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
    words = _words(str(value) for _, value in ordered)
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


def _axes(columns: Sequence[_Column], roles: _Roles, options: Options) -> list[_Column]:
    """Choose the columns to draw, and order them from left to right."""
    wanted, hidden = options.order, options.hide
    axes = []
    for column in columns:
        place = roles.place(column.label)
        if place == -1 and column.type != "categorical":
            place = -2
        if place == -1 and column.label == MODEL and roles.several:
            place = -3
        if column.label in wanted:
            place = -4
        limit = _MAX_CATEGORIES if column.type == "categorical" else math.inf
        drawn = place is not None and column.label not in hidden
        if drawn and 1 < len(column.values) <= limit:
            axes.append((place, column))
    ordered = [column for _, column in sorted(axes, key=lambda axis: axis[0] or 0)]
    if wanted:
        asked = [c for label in wanted for c in ordered if c.label == label]
        return [*asked, *(c for c in ordered if c.label not in wanted)]
    # Long words on the left take room from all axes; results stay on the right.
    for lead in ordered:
        if not roles.is_result(lead.label) and _letters(lead) <= _LABEL_ROOM:
            return [lead, *(column for column in ordered if column is not lead)]
    return ordered


def _letters(axis: _Column) -> int:
    """Count the letters of the longest word at an axis."""
    if axis.type != "categorical":
        return 0
    return max(len(str(value).strip(_NO_WIDTH)) for value in axis.values)


def _color(
    columns: Sequence[_Column], axes: list[_Column], roles: _Roles, options: Options
) -> _Column | None:
    """Choose the column that colours the lines: the next best thing with values."""
    by_label = {column.label: column for column in columns}
    chosen = [c for c in columns if c.label in options.color]
    if roles.level == "epoch":  # the words that tell curves apart
        chosen += [
            axis
            for axis in sorted(
                axes, key=lambda axis: axis.label in ("fold", "candidate")
            )
            if axis.type == "categorical" and not axis.label.endswith("_best")
        ]
    chosen += [by_label[label] for label in roles.scores[:1]]
    return next((c for c in [*chosen, *axes[::-1], *columns] if c.values), None)


def _colors(color: _Column | None) -> dict[str, str]:
    if color is None or color.type != "categorical" or len(color.values) > len(_COLORS):
        return {}
    return dict(zip(sorted(color.values), _COLORS, strict=False))


def _sort(columns: Sequence[_Column], roles: _Roles) -> list[tuple[str, str]]:
    """Order the table as the search would pick from it; epochs stay as they are."""
    if roles.level == "epoch":
        return []
    by = {"iter": "desc"} if {"iter", "n_resources"} <= set(roles.labels) else {}
    by[roles.rank] = "asc"
    first = {column.label: column for column in reversed(columns) if column.values}
    return [(first[label].name, way) for label, way in by.items() if label in first]


def _curves(
    columns: Sequence[_Column], roles: _Roles, options: Options
) -> tuple[str, str] | None:
    """Choose what a plot of curves has along and up: what each of them has."""
    if roles.level != "epoch":
        return None
    known = {c.label: c for c in columns if c.values and c.type != "categorical"}
    heights = [*roles.scores, *(label for label in known if label not in _NO_HEIGHTS)]
    heights = [x for x in heights if x in known and x not in options.hide]
    chains = [column.cells for column in columns if column.label in _CHAIN]

    def curves(cells: Sequence[Any]) -> int:
        places = zip(cells, *chains, strict=True)
        return len({tuple(place) for cell, *place in places if cell is not None})

    if "epoch" not in known or not heights:
        return None
    most = max(heights, key=lambda label: curves(known[label].cells))
    return known["epoch"].name, known[most].name


def _parents(columns: Sequence[_Column], uids: Sequence[str]) -> list[str | None]:
    """Chain the points of each curve in the order of their epochs."""
    by_label = {column.label: column.cells for column in columns}
    keys = [by_label[name] for name in _CHAIN if name in by_label]
    epochs = by_label["epoch"]
    chains: dict[tuple, list[int]] = {}
    for i, epoch in enumerate(epochs):
        if epoch is not None:
            chains.setdefault(tuple(cells[i] for cells in keys), []).append(i)
    parents: list[str | None] = [None] * len(uids)
    for chain in chains.values():
        if len({epochs[i] for i in chain}) == len(chain):
            chain.sort(key=epochs.__getitem__)
        for before, point in itertools.pairwise(chain):
            if epochs[before] < epochs[point]:  # else another curve begins
                parents[point] = uids[before]
    return parents

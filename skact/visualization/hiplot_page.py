"""What a page shows of a frame, decided as plain values; it knows no HiPlot."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

from skact.naming import Scalar, name_values
from skact.results.schema import Schema
from skact.visualization.hiplot_columns import (
    Axis,
    Column,
    axis_of,
    column_of,
    is_result,
    words_of,
)
from skact.visualization.hiplot_curves import CHAIN, curves_of, parents_of, telling_of

_OWN = ("uid", "from_uid")  # columns that HiPlot adds
_MAX_CATEGORIES = 80  # on one axis: HiPlot would hide it if it had more
_LABEL_ROOM = 15  # letters that are not too long for the first axis
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
    schema: Schema,
) -> PlotInfo:
    """Decide what a page shows of columns, whose rows have labels."""
    if not len(index):
        raise ValueError("obj must have at least one row; got an empty frame.")
    labels = [label for label, _ in cells]
    options.check(labels)
    kept, notice = _sample(dict(cells), len(index), options.max_rows, schema.level)
    if notice:
        cells = [(label, [column[i] for i in kept]) for label, column in cells]
        index = [index[i] for i in kept]
    names = words_of((" ".join(label.split()) for label in labels), reserved=_OWN)
    columns = [
        column_of(label, name, column, schema, label in options.log)
        for (label, column), name in zip(cells, names, strict=True)
    ]
    axes = _axes(columns, schema, options)
    curves = curves_of(columns, schema, options.hide)
    color = _color(columns, axes, curves, schema, options)
    uids = [str(i) for i in index]
    if not isinstance(index, range):
        uids = words_of(uids)
    return PlotInfo(
        rows=_rows(columns),
        uids=uids,
        types={column.name: column.type for column in columns},
        axes=[axis.name for axis in axes],
        hidden=[*_OWN, *(c.name for c in columns if c not in axes)],
        inverted=[axis.name for axis in axes if schema.is_better_low(axis.label)],
        color=color.name if color is not None else "",
        colors=_colors(color),
        sort=_sort(columns, schema),
        curves=None if curves is None else (curves[0].name, curves[1].name),
        parents=parents_of(columns, uids) if schema.level == "epoch" else [],
        notice=" ".join(filter(None, [notice, _missing(columns, schema)])),
        letters=axes[0].letters if axes else 0,
    )


def _missing(columns: Sequence[Column], schema: Schema) -> str:
    """Say what lines cannot show: scores that are not there, or all alike."""
    if schema.level == "epoch" or not schema.score:
        return ""
    score = next(column for column in columns if column.label == schema.score)
    n_rows, failed = len(score.cells), score.cells.count(None)
    said = []
    if failed:
        why = "" if schema.several else ": a fit or its scoring failed"
        said.append(f"{failed:,} of {n_rows:,} rows have no {score.name}{why}.")
    if len(score.values) == 1 and n_rows - failed > 1:
        value = next(iter(score.values))
        said.append(f"{score.name} is {value} wherever there is one: it has no axis.")
    return " ".join(said)


def _rows(columns: Sequence[Column]) -> list[dict[str, Scalar]]:
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
    keys = [cells[name] for name in CHAIN if name in cells]
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


def _axes(columns: Sequence[Column], schema: Schema, options: Options) -> list[Column]:
    """Choose the columns to draw, and order them from left to right."""
    wanted, hidden = options.order, options.hide
    # a table without scores, such as a catalogue, may hold long texts
    of_texts = schema.level == "candidate" and not schema.scores
    axes: list[tuple[Axis, Column]] = []
    for column in columns:
        place = axis_of(column, schema)
        if column.label in wanted:
            place = Axis.ASKED
        elif of_texts and column.letters > _LABEL_ROOM:
            place = None
        limit = _MAX_CATEGORIES if column.type == "categorical" else math.inf
        if place is None or column.label in hidden:
            continue
        if 1 < len(column.values) <= limit:
            axes.append((place, column))
    ordered = [column for _, column in sorted(axes, key=lambda axis: axis[0])]
    if wanted:
        asked = [c for label in wanted for c in ordered if c.label == label]
        return [*asked, *(c for c in ordered if c.label not in wanted)]
    # Long words on the left take room from all axes; results stay on the right.
    for lead in ordered:
        if not is_result(lead.label, schema) and lead.letters <= _LABEL_ROOM:
            return [lead, *(column for column in ordered if column is not lead)]
    return ordered


def _color(
    columns: Sequence[Column],
    axes: list[Column],
    curves: tuple[Column, Column] | None,
    schema: Schema,
    options: Options,
) -> Column | None:
    """Choose the column that colours the lines: the next best thing with values."""
    by_label = {column.label: column for column in columns}
    chosen = [c for c in columns if c.label in options.color]
    if curves is not None:
        parameters = [axis for axis in axes if not is_result(axis.label, schema)]
        telling = telling_of(parameters, columns, curves[1])
        chosen += [] if telling is None else [telling]
    if schema.level == "epoch":  # the words that tell curves apart
        chosen += [
            axis
            for axis in sorted(
                axes, key=lambda axis: axis.label in ("fold", "candidate")
            )
            if axis.type == "categorical" and not axis.label.endswith("_best")
        ]
    chosen += [by_label[label] for label in schema.scores[:1]]
    return next((c for c in [*chosen, *axes[::-1], *columns] if c.values), None)


def _colors(color: Column | None) -> dict[str, str]:
    if color is None or color.type != "categorical" or len(color.values) > len(_COLORS):
        return {}
    return dict(zip(sorted(color.values), _COLORS, strict=False))


def _sort(columns: Sequence[Column], schema: Schema) -> list[tuple[str, str]]:
    """Order the table as the search would pick from it; epochs stay as they are."""
    if schema.level == "epoch":
        return []
    by = {"iter": "desc"} if schema.resources else {}
    by[schema.rank] = "asc"
    first = {column.label: column for column in reversed(columns) if column.values}
    return [(first[label].name, way) for label, way in by.items() if label in first]

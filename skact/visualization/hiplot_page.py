"""Plan what a page shows of a frame, as plain values; this needs no HiPlot."""

import colorsys
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

from skact.naming import Scalar, name_values
from skact.results.schema import CURVE_IDS, MODEL, Schema, is_name_of_best_flag
from skact.visualization.hiplot_columns import (
    Axis,
    Column,
    axis_of,
    is_result_or_place,
    make_column,
    safe_words_of,
)
from skact.visualization.hiplot_curves import (
    choose_curve_axes,
    parameter_that_separates_curves,
    parents_of,
    sort_by_what_they_tell,
)

_HIPLOT_COLUMNS = ("uid", "from_uid")  # columns that HiPlot adds
_MAX_CATEGORIES = 80  # words on one axis; HiPlot hides an axis with more words
_MAX_LETTERS_ON_LEFT = 15  # of words on the first axis
# where there are more, results that tell less have no axis; there is room for some
_MAX_AXES, _MIN_RESULTS = 12, 4
_ALWAYS = (Axis.FOLD, Axis.EPOCH, Axis.DEVIATION, Axis.RANK, Axis.SCORE)
_MIN_SPACING, _TICK_GAP = 80, 16  # pixels between axes, and between words and an axis
_WINDOW = 1200  # pixels that most windows have for axes
# the colour-blind can tell these apart (Okabe and Ito 2008); HiPlot draws hex in black
_CURVE_COLORS = (
    "rgb(0, 114, 178)",
    "rgb(213, 94, 0)",
    "rgb(0, 158, 115)",
    "rgb(204, 121, 167)",
    "rgb(230, 159, 0)",
    "rgb(86, 180, 233)",
    "rgb(0, 0, 0)",
    "rgb(148, 129, 43)",
)


class PageOptions:
    """Options of `to_hiplot`: names of columns, and how much a page shows at most."""

    def __init__(
        self,
        color: Any = None,
        order: Any = (),
        hide: Any = (),
        log: Any = (),
        max_rows: int | None = 20_000,
        max_columns: int | None = 100,
    ) -> None:
        self.color, self.order = _as_list(color), _as_list(order)
        self.hide, self.log = _as_list(hide), _as_list(log)
        self.max_rows, self.max_columns = max_rows, max_columns

    def check(self, labels: Sequence[str], schema: Schema) -> None:
        """Raise ValueError if a column does not exist or a number is invalid.

        Full names of parameters become the names of their columns.
        """
        for name in ("color", "order", "hide", "log"):
            setattr(self, name, [schema.column_of(x) for x in getattr(self, name)])
            for label in getattr(self, name):
                if label not in labels:
                    raise ValueError(
                        f"{name} must name some of {labels!r}; got {label!r}."
                    )
        for name in ("max_rows", "max_columns"):
            most = getattr(self, name)
            is_whole = isinstance(most, Integral) and not isinstance(most, bool)
            if most is not None and not (is_whole and most >= 1):
                raise ValueError(
                    f"{name} must be an int of at least 1, or None; got {most!r}."
                )


def _as_list(wanted: Any) -> list[Any]:
    if pd.api.types.is_list_like(wanted):
        return list(wanted)
    return [] if wanted is None else [wanted]


@dataclass(frozen=True)
class PagePlan:
    """What a page shows."""

    rows: list[dict[str, Scalar]]  # a missing value has no key
    uids: list[str]  # one for each row, all different
    types: dict[str, str]  # all columns in the table's order -> their hiplot.ValueType
    axes: list[str]  # the columns with an axis, from left to right
    hidden: list[str]  # the columns without an axis
    inverted: list[str]  # the axes with small values on top
    color: str  # the column that colours the lines
    colors: dict[str, str]  # words of that column -> rgb(); empty: HiPlot's colours
    sort: list[tuple[str, str]]  # the columns that sort the table, and "asc" or "desc"
    curves: tuple[str, str] | None = None  # x and y of a plot of curves
    parents: list[str | None] = field(default_factory=list)  # uids of points before
    notice: str = ""  # a sentence above the plots
    n_pixels: int = 0  # of the longest word on the leftmost axis
    spacing: int = _MIN_SPACING  # pixels between axes that their words need
    n_words: int = 0  # on the axis with the most words
    left_out: tuple[str, ...] = ()  # columns without an axis, because others tell more
    level: str = "candidate"  # what a row is


def scalars_of_frame(frame: pd.DataFrame) -> list[tuple[str, list[Any]]]:
    """Turn a frame into columns of scalars; None where a value is missing."""
    columns = []
    for i, label in enumerate(frame.columns):
        series, gaps = frame.iloc[:, i], frame.iloc[:, i].isna()
        named = iter(name_values(series[~gaps].tolist()))
        columns.append((str(label), [None if gap else next(named) for gap in gaps]))
    return columns


def plan_page(
    cells: Sequence[tuple[str, list[Any]]],
    index: Sequence[Any],
    options: PageOptions,
    schema: Schema,
) -> PagePlan:
    """Plan what a page shows of columns; `index` has the labels of the rows."""
    if not len(index):
        raise ValueError("obj must have at least one row; got an empty frame.")
    labels = [label for label, _ in cells]
    options.check(labels, schema)
    kept, notice = _choose_rows(dict(cells), len(index), options.max_rows, schema.level)
    if notice:
        cells = [(label, [column[i] for i in kept]) for label, column in cells]
        index = [index[i] for i in kept]
    cells, more = _choose_columns(cells, schema, options)
    labels = [label for label, _ in cells]
    names = safe_words_of(
        (" ".join(label.split()) for label in labels), reserved=_HIPLOT_COLUMNS
    )
    columns = [
        make_column(label, name, column, schema, label in options.log)
        for (label, column), name in zip(cells, names, strict=True)
    ]
    curves = choose_curve_axes(columns, schema, options.hide)
    axes, left_out = _choose_axes(columns, curves, schema, options)
    color = _choose_color(columns, axes, curves, schema, options)
    uids = [str(i) for i in index]
    if not isinstance(index, range):
        uids = safe_words_of(uids)
    return PagePlan(
        rows=_make_rows(columns),
        uids=uids,
        types={column.name: column.type for column in columns},
        axes=[axis.name for axis in axes],
        hidden=[*_HIPLOT_COLUMNS, *(c.name for c in columns if c not in axes)],
        inverted=[axis.name for axis in axes if schema.is_better_low(axis.label)],
        color=color.name if color is not None else "",
        colors=_assign_colors(color),
        sort=_choose_table_order(columns, schema),
        curves=None if curves is None else (curves[0].name, curves[1].name),
        parents=parents_of(columns, uids) if schema.level == "epoch" else [],
        notice=" ".join(
            filter(None, [notice, more, _describe_missing_scores(columns, schema)])
        ),
        n_pixels=axes[0].n_pixels if axes else 0,
        spacing=_spacing_of(axes),
        n_words=max((len(c.values) for c in axes if c.n_pixels), default=0),
        left_out=tuple(column.name for column in left_out),
        level=schema.level,
    )


def _describe_missing_scores(columns: Sequence[Column], schema: Schema) -> str:
    """Say what lines cannot show: scores that are missing, or all equal."""
    if schema.level == "epoch" or not schema.score:
        return ""
    score = next(column for column in columns if column.label == schema.score)
    n_rows, failed = len(score.cells), score.cells.count(None)
    said = []
    if failed:
        says_why = schema.has_models or any(c.label == "state" for c in columns)
        why = "" if says_why else ": a fit or its scoring failed"
        said.append(f"{failed:,} of {n_rows:,} rows have no {score.name}{why}.")
    if len(score.values) == 1 and n_rows - failed > 1:
        value = next(iter(score.values))
        said.append(f"{score.name} is {value} wherever there is one: it has no axis.")
    return " ".join(said)


def _make_rows(columns: Sequence[Column]) -> list[dict[str, Scalar]]:
    """Return a dict for each row; a missing value has no key."""
    names = [column.name for column in columns]
    cells = zip(*(column.cells for column in columns), strict=True)
    # twice as fast as a comprehension; a large page spends most of its time here
    rows = list(map(dict, map(zip, itertools.repeat(names), cells)))
    for column in columns:
        if None in column.values_and_gaps:
            for row, cell in zip(rows, column.cells, strict=True):
                if cell is None:
                    del row[column.name]
    return rows


def _choose_rows(
    cells: Mapping[str, list[Any]], n_rows: int, most: int | None, level: str
) -> tuple[np.ndarray, str]:
    """Choose the rows to show: more rows would be slow and hide each other."""
    if most is None or n_rows <= most:
        return np.arange(n_rows), ""
    chosen = _evenly_spaced(n_rows, most)
    what = "rows, evenly spread from the first to the last"
    keys = [cells[name] for name in CURVE_IDS if name in cells]
    if level == "epoch" and keys:  # whole curves, as many as fit
        numbers: dict[tuple, int] = {}
        places = zip(*keys, strict=True)
        chain = np.array([numbers.setdefault(key, len(numbers)) for key in places])
        room = int(most // np.bincount(chain).max())
        if room:
            chosen = np.flatnonzero(np.isin(chain, _evenly_spaced(len(numbers), room)))
            what = f"rows: {room:,} of {len(numbers):,} curves, evenly spread"
    return chosen, (
        f"This page shows {len(chosen):,} of {n_rows:,} {what}. "
        f"to_hiplot(..., max_rows=None) shows all."
    )


def _choose_columns(
    cells: Sequence[tuple[str, list[Any]]], schema: Schema, options: PageOptions
) -> tuple[Sequence[tuple[str, list[Any]]], str]:
    """Choose the columns to show: a browser takes minutes for thousands."""
    most = options.max_columns
    if most is None or len(cells) <= most:
        return cells, ""
    first = {*options.color, *options.order, *options.log, *schema.ids, schema.rank}
    first |= {schema.score, schema.beside_score("std"), *schema.resources}

    def place(label: str, column: list[Any]) -> int:
        if label in first:
            return 0
        does_not_vary = len(set(column)) <= 1
        return (
            1
            + 3 * does_not_vary
            + (
                0
                if label in schema.params
                else 1
                if label in schema.scores or schema.group_of_result(label)
                else 2
            )
        )

    places = [place(label, column) for label, column in cells]
    room = max(most, places.count(0))
    kept = sorted(sorted(range(len(cells)), key=places.__getitem__)[:room])
    if len(kept) == len(cells):
        return cells, ""
    return [cells[i] for i in kept], (
        f"This page shows {len(kept):,} of {len(cells):,} columns: the score, then "
        f"parameters and results that vary. to_hiplot(..., max_columns=None) shows all."
    )


def _evenly_spaced(n: int, most: int) -> np.ndarray:
    """Return up to `most` of n positions, the first and the last among them."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int))


def _choose_axes(
    columns: Sequence[Column],
    curves: tuple[Column, Column] | None,
    schema: Schema,
    options: PageOptions,
) -> tuple[list[Column], list[Column]]:
    """Choose the columns to draw, ordered from left to right, and those left out."""
    wanted, hidden = options.order, options.hide
    # a table without scores, such as the catalogue of activations, may hold long texts
    of_texts = schema.level == "candidate" and not schema.scores
    axes: list[tuple[Axis, Column]] = []
    for column in columns:
        place = axis_of(column, schema)
        if column.label in wanted:
            place = Axis.ASKED
        elif of_texts and column.n_letters > _MAX_LETTERS_ON_LEFT:
            place = None
        limit = _MAX_CATEGORIES if column.type == "categorical" else math.inf
        if place is None or column.label in hidden:
            continue
        if 1 < len(column.values) <= limit:
            axes.append((place, column))
    left_out = _results_without_room(axes, columns, curves, schema)
    axes = [axis for axis in axes if axis[1] not in left_out]
    ordered = [column for _, column in sorted(axes, key=lambda axis: axis[0])]
    if wanted:
        asked = [c for label in wanted for c in ordered if c.label == label]
        rest = [c for c in ordered if c.label not in wanted]
        return [*asked, *rest], left_out
    return _put_lead_first(ordered, schema), left_out


def _put_lead_first(ordered: list[Column], schema: Schema) -> list[Column]:
    """Move a parameter to the left edge: beside it, words need room of their own.

    Long words on the left take room from all axes, but elsewhere each axis needs as
    much: they are on the left only if the axes would not fit into a window.
    """
    parameters = [c for c in ordered if not is_result_or_place(c.label, schema)]
    lead = next((c for c in parameters if c.n_letters <= _MAX_LETTERS_ON_LEFT), None)
    widest = max(parameters, key=lambda c: c.n_pixels, default=None)
    is_wide = _spacing_of(ordered) * len(ordered) > _WINDOW
    if is_wide and widest is not None and not schema.has_models:
        lead = widest
    return [*([] if lead is None else [lead]), *(c for c in ordered if c is not lead)]


def _spacing_of(axes: Sequence[Column]) -> int:
    """Return how many pixels axes must lie apart for the words beside them."""
    words = [column.n_pixels for column in axes[1:] if column.n_pixels]
    return max([_MIN_SPACING, *(n + _TICK_GAP for n in words)])


def _results_without_room(
    axes: Sequence[tuple[Axis, Column]],
    columns: Sequence[Column],
    curves: tuple[Column, Column] | None,
    schema: Schema,
) -> list[Column]:
    """Return the results that tell least, if there are too many axes to read.

    Parameters, and what the user asked for, keep their axes.
    """
    results = [
        (place, column)
        for place, column in axes
        if place > Axis.EPOCH and place not in _ALWAYS
    ]
    room = max(_MAX_AXES - (len(axes) - len(results)), _MIN_RESULTS)
    if curves is not None:
        found = [column for _, column in results]
        best_first = sort_by_what_they_tell(found, columns, curves[1])
    else:
        # the time, then test scores, then train scores; those of the first metric first
        places = [Axis.TIME, Axis.RESULT, Axis.TRAIN]
        results.sort(key=lambda result: places.index(result[0]))
        best_first = [column for _, column in results]
    if schema.level == "epoch":  # losses belong together
        best_first.sort(key=lambda column: column.label not in schema.scores)
    return best_first[room:]


def _choose_color(
    columns: Sequence[Column],
    axes: list[Column],
    curves: tuple[Column, Column] | None,
    schema: Schema,
    options: PageOptions,
) -> Column | None:
    """Choose the column that colours the lines: the first choice that has values."""
    by_label = {column.label: column for column in columns}
    chosen = [c for c in columns if c.label in options.color]
    if schema.level == "epoch":
        names = [x for x in schema.columns_called("activation") if x in schema.params]
        chosen += [c for c in columns if c.label in names and _varies(c, by_label)]
    if curves is not None:
        parameters = [
            axis for axis in axes if not is_result_or_place(axis.label, schema)
        ]
        best = parameter_that_separates_curves(parameters, columns, curves[1])
        chosen += [] if best is None else [best]
    if schema.level == "epoch":  # words that tell curves apart
        chosen += [
            axis
            for axis in sorted(
                axes, key=lambda axis: axis.label in ("fold", "candidate")
            )
            if axis.type == "categorical" and not is_name_of_best_flag(axis.label)
        ]
    chosen += [by_label[label] for label in schema.scores[:1]]
    return next((c for c in [*chosen, *axes[::-1], *columns] if c.values), None)


def _varies(column: Column, by_label: Mapping[str, Column]) -> bool:
    """Whether a column has several values, in one of several models at least."""
    models = by_label[MODEL].cells if MODEL in by_label else [None] * len(column.cells)
    pairs = {(m, x) for m, x in zip(models, column.cells, strict=True) if x is not None}
    return len(pairs) > len({model for model, _ in pairs})


def _assign_colors(color: Column | None) -> dict[str, str]:
    if color is None or color.type != "categorical":
        return {}
    words = sorted(color.values)
    colors = list(_CURVE_COLORS)
    if len(words) > len(colors):  # around the circle of hues, dark and light in turn
        tones = [(i / len(words), (0.3, 0.45, 0.6)[i % 3]) for i in range(len(words))]
        parts = [colorsys.hls_to_rgb(hue, light, 0.8) for hue, light in tones]
        rounded = [[round(255 * part) for part in tone] for tone in parts]
        colors = [f"rgb({r}, {g}, {b})" for r, g, b in rounded]
    return dict(zip(words, colors, strict=False))


def _choose_table_order(
    columns: Sequence[Column], schema: Schema
) -> list[tuple[str, str]]:
    """Sort the table from the best candidate to the worst; do not sort epochs."""
    if schema.level == "epoch":
        return []
    by = {schema.rounds: "desc"} if schema.rounds else {}
    by[schema.rank] = "asc"
    first = {column.label: column for column in reversed(columns) if column.values}
    return [(first[label].name, way) for label, way in by.items() if label in first]

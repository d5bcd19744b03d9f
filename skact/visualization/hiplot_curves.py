"""Training curves of a page: their axes, their colours, the links between points."""

import itertools
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from scipy.stats import rankdata

from skact.results.schema import CURVE_IDS, MODEL, Schema
from skact.visualization.hiplot_columns import Column

_MAX_GROUPS = (
    5  # of numbers; if there are more different numbers, they form four groups
)
_MIN_CURVES = 4  # fewer ends have no ranks worth a correlation
_MEASURED = re.compile("(train|valid|fold)_")  # losses and scores
_LAYER = re.compile(r"_(\d+|out)$")
_NEVER_HEIGHTS = ("epoch", "dur", "candidate", "fold")  # not on the vertical axis


def choose_curve_axes(
    columns: Sequence[Column], schema: Schema, hidden: Iterable[str]
) -> tuple[Column, Column] | None:
    """Choose the columns of both axes: the epoch, and what most curves have."""
    if schema.level != "epoch":
        return None
    known = {c.label: c for c in columns if c.values and c.type != "categorical"}
    heights = [
        *schema.scores,
        *(label for label in known if label not in _NEVER_HEIGHTS),
    ]
    heights = [x for x in heights if x in known and x not in hidden]
    chains = [column.cells for column in columns if column.label in CURVE_IDS]

    def count_curves(cells: Sequence[Any]) -> int:
        places = zip(cells, *chains, strict=True)
        return len({tuple(place) for cell, *place in places if cell is not None})

    if "epoch" not in known or not heights:
        return None
    most = max(heights, key=lambda label: count_curves(known[label].cells))
    return known["epoch"], known[most]


def parameter_that_separates_curves(
    parameters: Sequence[Column], columns: Sequence[Column], height: Column
) -> Column | None:
    """Return the parameter that separates high curves from low curves best, or None.

    A candidate has the mean of the last heights of its curves, and these means have
    ranks. A parameter groups candidates by its values. The best parameter has the
    largest share of the ranks' variance between its groups, adjusted for the number of
    groups. A parameter with a group for each candidate has no share.
    """
    by_label = {column.label: column.cells for column in columns}
    keys = [by_label[name] for name in (MODEL, "candidate") if name in by_label]
    ends: dict[tuple, list[int]] = {}  # candidate -> the last rows of its curves
    for i in _last_rows(columns, height):
        ends.setdefault(tuple(cells[i] for cells in keys), []).append(i)
    heights = [np.mean([height.cells[i] for i in rows]) for rows in ends.values()]
    ranks, firsts = rankdata(heights), [rows[0] for rows in ends.values()]
    shares = [
        _share_of_variance(ranks, [p.cells[i] for i in firsts], p.type)
        for p in parameters
    ]
    best = max(shares, default=0)
    return parameters[shares.index(best)] if best > 0 else None


def _last_rows(columns: Sequence[Column], height: Column) -> list[int]:
    """Return the row of the last height of each curve."""
    by_label = {column.label: column.cells for column in columns}
    last: dict[tuple, tuple[Any, int]] = {}  # curve -> its last epoch and row
    places = [by_label[name] for name in CURVE_IDS if name in by_label]
    for i, epoch in enumerate(by_label["epoch"]):
        curve = tuple(cells[i] for cells in places)
        if None not in (epoch, height.cells[i]):
            last[curve] = max(last.get(curve, (-math.inf, i)), (epoch, i))
    return [i for _, i in last.values()]


def sort_by_what_they_tell(
    recorded: Sequence[Column], columns: Sequence[Column], height: Column
) -> list[Column]:
    """Sort recorded columns: first those that tell most of where the curves end.

    What tells is the rank correlation with the last heights; with few curves, with all
    heights. Losses and scores come first, then one column of each kind: of ``dead_1``
    and ``dead_2`` the one that tells more.
    """
    rows = _last_rows(columns, height)
    if len(rows) < _MIN_CURVES:
        rows = [i for i, cell in enumerate(height.cells) if cell is not None]
    strength = {
        column.label: _rank_correlation(column, height, rows) for column in recorded
    }
    measured = [column for column in recorded if _MEASURED.match(column.label)]
    others = [column for column in recorded if column not in measured]
    others.sort(key=lambda column: -strength[column.label])
    first: dict[str, Column] = {}  # kind -> the column that tells most
    for column in others:
        first.setdefault(_LAYER.sub("", column.label), column)
    best = list(first.values())
    return [*measured, *best, *(column for column in others if column not in best)]


def _rank_correlation(column: Column, height: Column, rows: Sequence[int]) -> float:
    """Return the absolute rank correlation of two columns on some rows, or 0."""
    pairs = [(column.cells[i], height.cells[i]) for i in rows]
    pairs = [pair for pair in pairs if pair[0] is not None]
    if column.type == "categorical" or len(pairs) < 3:
        return 0.0
    x, y = (rankdata(values) for values in zip(*pairs, strict=True))
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    return abs(float(np.corrcoef(x, y)[0, 1]))


def _share_of_variance(ranks: np.ndarray, values: Sequence[Any], kind: str) -> float:
    """Return the adjusted share of the ranks' variance between groups of values."""
    groups: Any = values
    if kind != "categorical" and len(set(values)) > _MAX_GROUPS:
        present = np.array([np.nan if v is None else v for v in values], dtype=float)
        groups = np.digitize(present, np.nanquantile(present, [0.25, 0.5, 0.75]))
    _, numbers = np.unique([repr(group) for group in groups], return_inverse=True)
    n, k = len(ranks), numbers.max(initial=0) + 1
    total = ((ranks - ranks.mean()) ** 2).sum()
    if not (1 < k < n and total):
        return 0.0
    means = np.bincount(numbers, ranks) / np.bincount(numbers)
    within = ((ranks - means[numbers]) ** 2).sum() / total
    return float(1 - within * (n - 1) / (n - k))


def parents_of(columns: Sequence[Column], uids: Sequence[str]) -> list[str | None]:
    """Return for each point the uid of the point before it on its curve, or None."""
    by_label = {column.label: column.cells for column in columns}
    keys = [by_label[name] for name in CURVE_IDS if name in by_label]
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
            if epochs[before] < epochs[point]:  # otherwise another curve begins
                parents[point] = uids[before]
    return parents

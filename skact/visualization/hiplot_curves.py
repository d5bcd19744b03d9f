"""Training curves on a page: what is drawn, in which colour, what joins the points."""

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from scipy.stats import rankdata

from skact.results.schema import MODEL, Schema
from skact.visualization.hiplot_columns import Column

CHAIN = (MODEL, "candidate", "fold")  # what tells one training curve from another
_MOST_VALUES = 5  # of a number, each of which is a group; more fall into four
_NO_HEIGHTS = ("epoch", "dur", "candidate", "fold")  # of a curve


def curves_of(
    columns: Sequence[Column], schema: Schema, hidden: Iterable[str]
) -> tuple[Column, Column] | None:
    """Choose what a plot of curves has along and up: what each of them has."""
    if schema.level != "epoch":
        return None
    known = {c.label: c for c in columns if c.values and c.type != "categorical"}
    heights = [*schema.scores, *(label for label in known if label not in _NO_HEIGHTS)]
    heights = [x for x in heights if x in known and x not in hidden]
    chains = [column.cells for column in columns if column.label in CHAIN]

    def curves(cells: Sequence[Any]) -> int:
        places = zip(cells, *chains, strict=True)
        return len({tuple(place) for cell, *place in places if cell is not None})

    if "epoch" not in known or not heights:
        return None
    most = max(heights, key=lambda label: curves(known[label].cells))
    return known["epoch"], known[most]


def telling_of(
    parameters: Sequence[Column], columns: Sequence[Column], height: Column
) -> Column | None:
    """Return the parameter that tells best how high curves end, if one does.

    It is the one between whose values the ranks of the candidates' mean ends vary most:
    by the share of the variance, adjusted for the number of values. None if there are
    as many values as candidates.
    """
    by_label = {column.label: column.cells for column in columns}
    keys = [by_label[name] for name in (MODEL, "candidate") if name in by_label]
    last: dict[tuple, tuple[Any, int]] = {}  # curve -> its last epoch, and the row
    places = [by_label[name] for name in CHAIN if name in by_label]
    for i, epoch in enumerate(by_label["epoch"]):
        curve = tuple(cells[i] for cells in places)
        if None not in (epoch, height.cells[i]):
            last[curve] = max(last.get(curve, (-math.inf, i)), (epoch, i))
    ends: dict[tuple, list[int]] = {}  # candidate -> the last rows of its curves
    for _, i in last.values():
        ends.setdefault(tuple(cells[i] for cells in keys), []).append(i)
    heights = [np.mean([height.cells[i] for i in rows]) for rows in ends.values()]
    ranks, firsts = rankdata(heights), [rows[0] for rows in ends.values()]
    shares = [_share(ranks, [p.cells[i] for i in firsts], p.type) for p in parameters]
    best = max(shares, default=0)
    return parameters[shares.index(best)] if best > 0 else None


def _share(ranks: np.ndarray, values: Sequence[Any], kind: str) -> float:
    """Return the adjusted share of the variance that lies between groups of values."""
    groups: Any = values
    if kind != "categorical" and len(set(values)) > _MOST_VALUES:
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
    """Chain the points of each curve in the order of their epochs."""
    by_label = {column.label: column.cells for column in columns}
    keys = [by_label[name] for name in CHAIN if name in by_label]
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

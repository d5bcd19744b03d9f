"""Scores of a search as points: which parameters they show, and the best of each."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from skact.results.schema import MODEL, Schema
from skact.visualization._matplotlib import are_numbers
from skact.visualization.display_groups import PREFERRED_GROUPS, describe_row

RATES = ("lr", "learning_rate_init", "learning_rate", "eta0")
_MAX_GROUPS = 30  # of a parameter that makes groups without being asked for
_SEED = "random_state"


def table_of_scores(
    frame: pd.DataFrame, schema: Schema, metric: str | None
) -> tuple[pd.DataFrame, str, int]:
    """Return candidates with mean and std; the metric; the number of folds."""
    if schema.level == "epoch" or not schema.scores:
        raise ValueError(
            "There are no scores of candidates to draw: a frame must have a row for "
            "each candidate or fold, as to_frame(search) has."
        )
    start = "test_" if schema.level == "fold" else "mean_test_"
    known = [name.removeprefix(start) for name in schema.scores]
    metric = known[0] if metric is None else metric
    if metric not in known:
        raise ValueError(f"metric must be one of {known!r}; got {metric!r}.")
    if schema.level == "fold":
        keys = [name for name in (MODEL, "candidate") if name in schema.ids]
        folds = frame.groupby(keys, sort=False, dropna=False)
        table, scores = folds.first().reset_index(), folds[f"test_{metric}"]
        table["mean"] = scores.mean().to_numpy()
        table["std"] = scores.std(ddof=0).to_numpy()
        # a fit that failed on a fold has no mean, as in the search
        table.loc[scores.apply(lambda fold: fold.isna().any()).to_numpy(), "mean"] = (
            None
        )
        n_folds = frame["fold"].nunique()
    else:
        std, end = f"std_test_{metric}", f"_test_{metric}"
        table = frame.reset_index(drop=True).assign(mean=frame[start + metric].tolist())
        table["std"] = frame[std].tolist() if std in frame else np.nan
        splits = [n for n in frame if n.startswith("split") and n.endswith(end)]
        n_folds = len(splits)
    table["mean"], table["std"] = (
        table["mean"].astype(float),
        table["std"].astype(float),
    )
    return table, metric, n_folds


def average_seeds(
    table: pd.DataFrame, params: list[str], kept: Sequence[str | None], schema: Schema
) -> tuple[pd.DataFrame, list[str]]:
    """Average candidates that differ in their seed alone; return the other parameters.

    The variance is that of the folds of a seed, plus that between seeds.
    """
    if _SEED not in params or _SEED in kept:
        return table, params
    rest = [name for name in params if name != _SEED]
    keys = [*rest, *([schema.rounds] if schema.rounds else [])]
    cells = [table[name] for name in keys] or [pd.Series(0, table.index)]
    groups = table.assign(square=table["std"] ** 2).groupby(
        cells, sort=False, dropna=False
    )
    mean = groups["mean"].transform(lambda seeds: seeds.mean(skipna=False))
    between = groups["mean"].transform(lambda seeds: seeds.var(ddof=0))
    spread = np.sqrt(groups["square"].transform("mean") + between)
    table = table.assign(mean=mean, std=spread).loc[groups.head(1).index]
    # ranks are those of single seeds
    return table.drop(columns=[n for n in table if n.startswith("rank_test_")]), rest


def rows_with_scores(
    table: pd.DataFrame, schema: Schema, metric: str
) -> tuple[pd.DataFrame, list[str]]:
    """Return the candidates that have a score, best first, and what to say of them."""
    found = table[np.isfinite(table["mean"])]
    if found.empty:
        raise ValueError(f"All scores by {metric!r} are missing: each fit failed.")
    failed, rounds, notes = len(table) - len(found), schema.rounds, []
    by = {rounds: False} if rounds else {}
    # a study may rank low values first; ranks of several searches count within each
    rank = f"rank_test_{metric}"
    by |= {rank: True} if rank in table and not schema.has_models else {"mean": False}
    if rounds and found[rounds].nunique() > 1:
        notes.append(f"each candidate at the last {rounds} that it reached")
    if failed:
        are = "candidate has" if failed == 1 else "candidates have"
        notes.append(f"{failed} {are} no score: a fit or its scoring failed")
    return found.sort_values(list(by), ascending=list(by.values())), notes


def rows_with_place(table: pd.DataFrame, x: str) -> tuple[pd.DataFrame, list[str]]:
    """Return the candidates that have a value of x, and how many have none."""
    found = table[table[x].notna()]
    n = len(table) - len(found)
    are = "candidate without" if n == 1 else "candidates without"
    return found, [f"{n} {are} {x} not drawn"] if n else []


def choose_x(table: pd.DataFrame, varying: list[str], groups: list[str]) -> str:
    """Choose the learning rate, numbers, or any parameter that varies."""
    free = [name for name in varying if name not in groups and name != _SEED]
    if not free:
        raise ValueError(
            "There is no parameter to draw scores against: no other parameter varies."
        )
    numbers = [name for name in free if are_numbers(table[name].dropna().tolist())]
    rates = [name for name in RATES if name in numbers]
    words = [name for name in free if name not in (MODEL, "activation")]
    return [*rates, *numbers, *words, *free][0]


def choose_hue(table: pd.DataFrame, varying: list[str], x: str) -> list[str]:
    """Choose the activation and the search, or another parameter with few values."""
    first = [name for name in (MODEL, "activation") if name in varying and name != x]
    few = [
        name
        for name in (*PREFERRED_GROUPS, *varying)
        if name in varying
        and name not in (x, _SEED)
        and table[name].nunique() <= _MAX_GROUPS
    ]
    return first or few[:1]


def best_points(
    table: pd.DataFrame,
    x: str,
    groups: list[str],
    others: list[str],
    varying: list[str],
) -> tuple[pd.DataFrame, bool]:
    """Return the best candidate of each group and value of x, and if they are a grid.

    Of a random search, neighbours differ in other parameters, too: a line between them
    would say nothing.
    """
    labels = [describe_row(row, groups) or "other" for _, row in table.iterrows()]
    values = table[groups[0]].tolist() if len(groups) == 1 else labels
    # a group that lacks the parameter has no number to colour it
    colors = [
        label if pd.isna(v) else v for v, label in zip(values, labels, strict=True)
    ]
    points = pd.DataFrame(
        {
            "x": table[x].tolist(),
            "hue": labels,
            "color": colors,
            "mean": table["mean"].tolist(),
            "std": table["std"].tolist(),
            "params": [describe_row(row, varying) for _, row in table.iterrows()],
        }
    )
    cells = points.groupby(["x", "hue"], sort=False)["params"].nunique()
    is_grid = not others or cells.median() > 1
    return points.drop_duplicates(["x", "hue"]).reset_index(drop=True), bool(is_grid)

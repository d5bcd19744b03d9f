"""The paired scores of the values of a hyperparameter, one for each fold."""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from skact.analysis.value_labels import join_with_and, labels_of_values, quote_name
from skact.results.schema import MODEL, Schema

_N_NAMED = 5  # of candidates that failed


def tried_columns(frame: pd.DataFrame, schema: Schema) -> list[str]:
    """Return the columns that tell candidates apart."""
    known = {*schema.params, *schema.resources, MODEL}
    return [name for name in frame.columns if name in known]


def are_of_several_searches(frame: pd.DataFrame, schema: Schema) -> bool:
    """Whether rows are of several searches, also without a column of models.

    A user who puts frames together may tell them apart by any column.
    """
    found = frame[[x for x in schema.ids if x != MODEL]]
    return schema.has_models or ("candidate" in found and found.duplicated().any())


def check_rows_differ(frame: pd.DataFrame, schema: Schema) -> None:
    """Raise ValueError if rows of one fold of a candidate are told apart by nothing."""
    columns = list(dict.fromkeys([*schema.ids, *tried_columns(frame, schema)]))
    if "candidate" in columns and frame.duplicated(columns).any():
        raise ValueError(
            "The frame has rows of the same candidate and fold that no parameter tells "
            "apart, as frames of several searches put together have: give compare a "
            "list or dict of the searches, or the frame a first column 'model'."
        )


def _columns_to_average(average: Any, tried: list[str], schema: Schema) -> list[str]:
    if not isinstance(average, str) and not (
        isinstance(average, Iterable) and all(isinstance(x, str) for x in average)
    ):
        raise TypeError(
            f"average must be a column or a list of columns, got {average!r}."
        )
    names = [average] if isinstance(average, str) else list(average)
    repeats = [x for name in names for x in schema.columns_called(name)]
    unknown = [x for x in repeats if x not in tried and x != "random_state"]
    if unknown:
        raise ValueError(
            f"average={average!r}: {unknown[0]!r} is no column that tells candidates "
            f"apart; these are {tried}."
        )
    return repeats


def scores_of_candidates(
    frame: pd.DataFrame,
    schema: Schema,
    names: Sequence[str],
    score: str,
    average: str | Iterable[str],
    notes: list[str],
) -> pd.DataFrame:
    """Return scores: a row for each value and cell, a column for each fold."""
    if schema.resources:
        frame = _rows_of_last_iterations(frame, schema, notes)
    has_value = frame[list(names)].notna().any(axis=1)
    if not has_value.all():
        notes.append(
            f"Candidates without a value of {' or '.join(names)} are left out."
        )
        frame = frame[has_value]
    tried = tried_columns(frame, schema)
    repeats = _columns_to_average(average, tried, schema)
    if frame.duplicated([*tried, "fold"]).any():
        notes.append("Candidates with equal parameters are averaged.")
    cell = [x for x in tried if x not in names and x not in repeats]
    seeds = [x for x in repeats if x in tried and x not in names]
    labels = labels_of_values(frame, names)
    keyed = frame[[*cell, *seeds, "fold", score]].assign(value=labels)
    is_infinite = np.isinf(keyed[score].to_numpy(float, na_value=np.nan))
    if is_infinite.any():
        notes.append("An infinite score counts as that of a failed fit.")
        keyed[score] = keyed[score].mask(is_infinite)
    failed = keyed[keyed[score].isna()]
    bad = failed.groupby(["value", *cell], sort=False, dropna=False).ngroups
    if bad:
        told = [x for x in (*cell, *seeds) if keyed[x].nunique(dropna=False) > 1]
        notes.append(_note_on_failed(failed, told, bool(seeds)))
    # numbers of cells, because a table of all combinations of values could be enormous
    keyed["cell"] = keyed.groupby(["value", *cell], sort=False, dropna=False).ngroup()
    places = keyed.groupby(["value", "cell", "fold"], sort=False)[score]
    whole = places.count() == places.size()  # a mean must not skip what failed
    wide = places.mean().where(whole).unstack("fold")
    complete = wide.dropna(axis=0, how="any")
    absent = len(wide) - len(complete) - bad
    if absent > 0:
        lacks = "candidate lacks the row of some fold and is"
        lack = "candidates lack the row of some fold and are"
        notes.append(f"{absent} {lacks if absent == 1 else lack} left out.")
    kept = set(complete.index.get_level_values("value"))
    lost = [quote_name(x) for x in dict.fromkeys(labels) if x not in kept]
    if lost:
        is_one = len(lost) == 1
        named = join_with_and(lost)
        notes.append(
            f"No candidate of {named} has scores on all folds, so {named} "
            f"{'is' if is_one else 'are'} not compared."
        )
    return complete


def _note_on_failed(failed: pd.DataFrame, told: Sequence[str], have_seeds: bool) -> str:
    """Name the candidates that failed, by what tells them apart, and their folds."""
    groups = failed.groupby(["value", *told], sort=False, dropna=False)
    said = []
    for (value, *cells), rows in itertools.islice(groups, _N_NAMED):
        params = zip(told, cells, strict=True)
        others = [f"{name}={_short(one)}" for name, one in params if not pd.isna(one)]
        with_others = f" with {join_with_and(others)}" if others else ""
        folds = [str(x) for x in dict.fromkeys(rows["fold"])]
        s = "s" * (len(folds) > 1)
        said.append(
            f"{quote_name(value)}{with_others} on fold{s} {join_with_and(folds)}"
        )
    n = groups.ngroups
    if n > _N_NAMED:
        said.append(f"{n - _N_NAMED} more")
    candidates = "1 candidate" if n == 1 else f"{n} candidates"
    with_seeds = ", with what is averaged with them" if have_seeds else ""
    are = "is" if n == 1 else "are"
    if n == 1:
        with_seeds = with_seeds.replace("them", "it")
    return f"{candidates} failed and {are} left out{with_seeds}: {'; '.join(said)}."


def _short(value: Any) -> Any:
    """Return a float as 1e+12, and not with all its zeros."""
    is_short = isinstance(value, float) and float(f"{value:g}") == value
    return f"{value:g}" if is_short else value


def _rows_of_last_iterations(
    frame: pd.DataFrame, schema: Schema, notes: list[str]
) -> pd.DataFrame:
    """Return the rows of each search's last iteration; all, of one without halving.

    A frame may have lost one of the two columns of halving.
    """
    models = frame[MODEL].to_numpy() if schema.has_models else np.zeros(len(frame))
    round_ = frame[next(x for x in ("iter", "n_resources") if x in frame)]
    last = round_.groupby(models).transform("max")
    is_last = (round_ == last).to_numpy(bool, na_value=False)
    kept = is_last | round_.isna().to_numpy()
    if not kept.all():
        notes.append(
            "Of successive halving only the last iteration is compared: earlier "
            "candidates had fewer resources."
        )
    if "n_resources" not in frame:
        return frame[kept]
    resources = frame["n_resources"][kept].groupby(models[kept], sort=False).first()
    if resources.nunique(dropna=False) > 1:
        given = {
            model: None if pd.isna(n) else int(n) for model, n in resources.items()
        }
        notes.append(
            f"The searches gave their candidates different resources, n_resources="
            f"{given} (None: no halving), and differences may come from there."
        )
    return frame[kept]


def select_scores(table: pd.DataFrame, select: str, barred: Any) -> pd.DataFrame:
    """Choose one score for each value of `by` on each fold: (folds, values).

    By the nested choice, a fold has no say in those rows of `barred` that have a 1 in
    its column, and candidates that are equally good on the other folds are averaged.
    """
    chosen = {}
    for value, cells in table.groupby(level="value", sort=False):
        scores = cells.to_numpy()  # (cells, folds)
        if select == "mean":
            chosen[value] = scores.mean(axis=0)
        elif select == "best":
            chosen[value] = scores[scores.mean(axis=1).argmax()]
        else:
            others = scores.sum(axis=1, keepdims=True) - (barred @ scores.T).T
            # rounded, because sums of equal scores may differ in their last bits
            others = others.round(12)
            # their order may be that of the ranks, which the fold itself has made
            is_best = others == others.max(axis=0)
            chosen[value] = (scores * is_best).sum(axis=0) / is_best.sum(axis=0)
    return pd.DataFrame(chosen, index=table.columns)


def notes_on_equal_folds(table: pd.DataFrame, are_known: bool) -> list[str]:
    """Return a note if folds have the scores of an earlier one, for each candidate.

    Folds of a splitter that is known are no copies: equal scores are chance.
    """
    columns = table.T
    repeated = columns.index[columns.duplicated() & (columns.nunique(axis=1) > 2)]
    if repeated.empty or are_known:
        return []
    folds = join_with_and([str(fold) for fold in repeated])
    has = f"Fold {folds} has" if len(repeated) == 1 else f"Folds {folds} have"
    return [
        f"{has} the scores of an earlier fold, for each candidate: if these are the "
        f"same rows, they count twice, and differences look surer than they are."
    ]

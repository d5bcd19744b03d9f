"""Read the ``cv_results_`` of one or several searches into columns of one length."""

import itertools
import math
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.exceptions import NotFittedError

from skact.naming import name_values, short_name
from skact.results.cv_results_frames import (
    columns_of_dict,
    columns_of_frame,
    is_cv_results_frame,
)
from skact.results.optuna_trials import STATE, columns_of_study, study_of
from skact.results.rank_order import ranks_in_place_of
from skact.results.result_names import MISSING, RESULT_NAME

TIME_KEYS = ("mean_fit_time", "std_fit_time", "mean_score_time", "std_score_time")
_ROUNDS_KEYS = ("iter", "n_resources")
_SPLIT_KEY = re.compile(r"split(\d+)_(test|train)_(.*)", re.DOTALL)
_SCORE_KEY = re.compile(r"(?:mean|std|split\d+)_(?:test|train)_(.*)", re.DOTALL)


@dataclass(frozen=True)
class Results:
    """Columns of one or several searches; rows in the order of ``cv_results_``."""

    columns: dict[str, list[Any]]  # key of cv_results_ -> a cell for each row
    metrics: list[str]  # those with ranks; the metric that ranks comes first
    search_of_row: list[int]  # the position of the row's search
    candidate_of_row: list[int]  # the row's position in cv_results_ of its search

    @property
    def param_names(self) -> list[str]:
        """Names of the parameters: keys without ``param_``."""
        keys = [key for key in self.columns if key.startswith("param_")]
        return [key.removeprefix("param_") for key in keys]

    @property
    def other_keys(self) -> list[str]:
        """Keys that are neither parameters nor scores nor times, such as ``iter``."""
        known = {"params", *(f"param_{name}" for name in self.param_names)}
        keys = [key for key in self.columns if key not in known]
        return [key for key in keys if not RESULT_NAME.fullmatch(key)]

    @property
    def scored_metrics(self) -> list[str]:
        """All metrics: those with ranks, then those that only have scores."""
        found = map(_SCORE_KEY.fullmatch, self.columns)
        others = [match[1] for match in found if match is not None]
        return list(dict.fromkeys([*self.metrics, *others]))

    @property
    def rank_key(self) -> str:
        """Key of the rank by the first metric."""
        return f"rank_test_{self.metrics[0]}"

    @property
    def rounds_key(self) -> str:
        """Key of the iterations of successive halving; empty if there are none."""
        found = [key for key in _ROUNDS_KEYS if key in self.columns]
        return found[0] if found else ""

    def numbers_of(self, key: str) -> list[Any]:
        """Return a column of scores or times as numbers; None where a fit failed.

        Ranks are integers, unless the user's own are means or shares.
        """
        is_rank = key.startswith("rank_")
        cells = self.columns[key]
        if set(map(type, cells)) == {int if is_rank else float}:
            return [None if value != value else value for value in cells]
        numbers = [None if x is MISSING else _number_of(x, key) for x in cells]
        if is_rank and all(x is None or x.is_integer() for x in numbers):
            return [None if x is None else int(x) for x in numbers]
        return numbers

    def values_of(self, key: str) -> list[Any]:
        """Return the values of a parameter as scalars; None where they are missing."""
        cells = self.columns[key]
        named = iter(name_values(cell for cell in cells if cell is not MISSING))
        return [None if cell is MISSING else next(named) for cell in cells]

    def rows_best_first(self) -> list[int]:
        """Return the rows of each search from its best candidate to its worst."""
        ranks = [np.inf] * len(self.search_of_row)
        # the first metric that a search has decides, so it comes last here
        for metric in reversed(self.metrics):
            for i, rank in enumerate(self.numbers_of(f"rank_test_{metric}")):
                ranks[i] = ranks[i] if rank is None else rank
        key = self.rounds_key
        rounds = self.numbers_of(key) if key else [None] * len(ranks)
        latest = [0 if round_ is None else -round_ for round_ in rounds]
        keys: list[Any] = [ranks, latest, self.search_of_row]
        return np.lexsort(keys).tolist()

    def short_param_names(self, taken: Iterable[str]) -> dict[str, str]:
        """Give each parameter the shortest name that no other column has."""
        # Each parameter has three possible names, the shortest one last. The longest
        # name is its key in cv_results_, which no other column can have. Parameters
        # whose last names clash drop these names, until no names clash.
        params, taken = self.param_names, list(taken)
        choices = [[f"param_{x}", x, x.rpartition("__")[2] or x] for x in params]
        while True:
            uses = Counter([choice[-1] for choice in choices] + taken)
            clashing = [
                choice
                for choice in choices
                if len(choice) > 1
                and (uses[choice[-1]] > 1 or RESULT_NAME.fullmatch(choice[-1]))
            ]
            if not clashing:
                return dict(zip(params, [c[-1] for c in choices], strict=True))
            for choice in clashing:
                choice.pop()

    def score_keys(self) -> list[str]:
        """Return keys of scores: the rank, the summary of each metric, the splits."""
        keys = [self.rank_key]
        for metric in self.scored_metrics:
            keys += [f"{stat}_test_{metric}" for stat in ("mean", "std", "rank")]
            keys += [f"{stat}_train_{metric}" for stat in ("mean", "std")]
        keys += [key for *_, key in self.split_scores()]
        return [key for key in dict.fromkeys(keys) if key in self.columns]

    def split_scores(self) -> list[tuple[str, str, int, str]]:
        """Return metric, "test" or "train", number and key of each split's scores."""
        found = [(_SPLIT_KEY.fullmatch(key), key) for key in self.columns]
        of_metric = {
            (match[3], match[2], int(match[1])): key
            for match, key in found
            if match is not None
        }
        return [
            (metric, part, number, key)
            for metric, part in itertools.product(
                self.scored_metrics, ("test", "train")
            )
            for (a, b, number), key in sorted(of_metric.items())
            if (a, b) == (metric, part)
        ]


def results_of(searches: Sequence[Any]) -> Results:
    """Read searches, or dicts that are like ``cv_results_``."""
    parts = [_find_cv_results(search) for search in searches]
    for i, search in enumerate(searches):
        if isinstance(search, Mapping | pd.DataFrame):  # a search knows its ranks
            parts[i] = _with_ranks_that_hold(parts[i])
    metrics: dict[str, None] = {}
    for search, part in zip(searches, parts, strict=True):
        refit, own = getattr(search, "refit", None), ranked_metrics(part)
        if isinstance(refit, str):
            own.sort(key=lambda metric: metric != refit)
        metrics |= dict.fromkeys(own)
    lengths = [len(next(iter(part.values()))) for part in parts]
    keys = dict.fromkeys(str(key) for part in parts for key in part)
    columns: dict[str, list[Any]] = {key: [] for key in keys}
    for part, length in zip(parts, lengths, strict=True):
        for key, cells in columns.items():
            cells += _list_cells(part[key]) if key in part else [MISSING] * length
    for key in set(_ROUNDS_KEYS) & set(columns):
        if any(isinstance(cell, str) for cell in columns[key]):
            columns[key] = _integers_of_texts(columns[key], key)
    return Results(
        columns,
        list(metrics),
        [i for i, length in enumerate(lengths) for _ in range(length)],
        [i for length in lengths for i in range(length)],
    )


_HOLDERS = ("regressor_", "search_")  # attributes that hold a fitted search


def is_search(value: Any) -> bool:
    """Whether a value has the parameters of a search; their base class is private."""
    if isinstance(value, type) or not hasattr(value, "get_params"):
        return False
    return {"estimator", "refit", "cv"} <= set(value.get_params(deep=False))


def search_inside(value: Any) -> Any:
    """Return the search at the end of an estimator; other values come back unchanged.

    A pipeline keeps it as its last step, ``TransformedTargetRegressor`` as
    ``regressor_``, and the result of :func:`skact.search` as ``search_``.
    """
    if isinstance(value, pd.DataFrame):
        return value  # its columns would look like attributes
    steps = getattr(value, "steps", None)
    last = steps[-1][1] if isinstance(steps, list) and steps else None
    for inner in (last, *(getattr(value, name, None) for name in _HOLDERS)):
        if is_search(inner):
            return inner
    return value


def is_search_or_results(value: Any) -> bool:
    """Whether a value is a search, fitted or not, or the results of a search."""
    has_columns = hasattr(value, "cv_results_") or isinstance(value, Mapping)
    is_table = is_cv_results_frame(value) or study_of(value) is not None
    return has_columns or is_table or is_search(value)


def ranked_metrics(labels: Iterable[Any]) -> list[str]:
    """Return the metrics that have a column of ranks."""
    keys = [key for key in labels if str(key).startswith("rank_test_")]
    return [key.removeprefix("rank_test_") for key in keys]


def _find_cv_results(search: Any) -> Mapping[str, Any]:
    """Return the checked dict of columns; raise an error that names valid inputs."""
    kept = getattr(search, "cv_results_", None)
    results = search if isinstance(search, Mapping) else kept
    if is_cv_results_frame(search):
        results = columns_of_frame(search)
    elif (study := study_of(search)) is not None:
        results = columns_of_study(study, of_search=study is not search)
        if not results["params"]:
            raise NotFittedError("This study has no trials yet: call its 'optimize'.")
    if not isinstance(results, Mapping):
        name = type(search).__name__
        if is_search(search):
            raise NotFittedError(
                f"This {name} is not fitted yet: call its 'fit' before looking at it."
            )
        raise TypeError(
            "obj must be a fitted scikit-learn search (GridSearchCV, "
            "RandomizedSearchCV, HalvingGridSearchCV, HalvingRandomSearchCV, ...), its "
            "cv_results_ (a dict or frame), a study of Optuna, what load_results gave, "
            f"or a list or dict of several; got {short_name(search)!r} of type {name}."
            + " Give to_frame the search or study itself."
            * isinstance(search, pd.DataFrame)
        )
    if {"fit_time", "score_time"} <= set(results):
        raise ValueError(
            "obj is what cross_validate returns, which has no candidates: for the "
            "epochs of nets, pass return_estimator=True to cross_validate and "
            "result['estimator'] to to_frame."
        )
    metrics = ranked_metrics(results)
    if not metrics or any(f"mean_test_{metric}" not in results for metric in metrics):
        raise ValueError(
            "obj must have columns 'rank_test_<metric>' and 'mean_test_<metric>' as "
            f"cv_results_ has; got {_name_of_table(search)} {list(results)!r}."
        )
    single = [key for key, values in results.items() if not hasattr(values, "__len__")]
    if single:
        raise ValueError(
            f"obj must have columns, with a value for each candidate; {single[0]!r} is "
            f"{results[single[0]]!r}. Give to_frame the whole cv_results_."
        )
    lengths = {key: len(values) for key, values in results.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(
            f"obj must have columns of one length; got a dict with {lengths!r}."
        )
    return columns_of_dict(results) if isinstance(search, Mapping) else results


def _with_ranks_that_hold(results: Mapping[str, Any]) -> Mapping[str, Any]:
    """Rank the candidates of a table anew where its ranks contradict its mean scores.

    The table of a study stays: its direction is not known, and decides.
    """
    if STATE in results:
        return results
    n_rows = len(next(iter(results.values())))
    rounds: list[Any] = [None] * n_rows
    for key in _ROUNDS_KEYS[::-1]:
        rounds = _numbers_in(results, key) if key in results else rounds
    new: dict[str, list[Any]] = {}
    for metric in ranked_metrics(results):
        ranks = _numbers_in(results, f"rank_test_{metric}")
        means = _numbers_in(results, f"mean_test_{metric}")
        found = ranks_in_place_of(ranks, means, rounds)
        if found is not None:
            new[f"rank_test_{metric}"] = [MISSING if x is None else x for x in found]
    if new:
        warnings.warn(
            f"The columns {[*new]} contradict the mean scores beside them, as in "
            f"tables of several searches put together; give a dict of them to tell "
            f"them apart. The candidates are ranked anew by the mean scores, the "
            f"greatest first.",
            stacklevel=2,
        )
    return {**results, **new}


def _numbers_in(results: Mapping[str, Any], key: str) -> list[float | None]:
    """Return the cells of a column as numbers; None where they are missing."""
    cells = _list_cells(results[key])
    return [None if x is MISSING else _number_of(x, key) for x in cells]


def _name_of_table(search: Any) -> str:
    if isinstance(search, pd.DataFrame):
        return "a frame with the columns"
    if isinstance(search, Mapping):
        return "a dict with the keys"
    return f"{short_name(type(search))}, whose cv_results_ has the keys"


def _number_of(cell: Any, key: str) -> float | None:
    """Return a cell as a number, also of a text of one; None where it is missing."""
    if pd.api.types.is_scalar(cell) and pd.isna(cell):
        return None
    try:
        number = float(cell)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(
            f"obj must have numbers in the column {key!r}; got {cell!r} of type "
            f"{type(cell).__name__}."
        ) from None
    return None if math.isnan(number) else number


def _integers_of_texts(cells: Sequence[Any], key: str) -> list[Any]:
    """Return iterations, or their resources, of a file that was read as texts."""
    numbers = [None if x is MISSING else _number_of(x, key) for x in cells]
    return [MISSING if x is None else int(x) if x.is_integer() else x for x in numbers]


def _list_cells(values: Any) -> list[Any]:
    """Return the cells of a column; masked cells are MISSING."""
    # Read data and mask separately: a masked array gives numpy's own constant for a
    # masked cell, and its iteration looks into objects that are sequences.
    data = values.data if np.ma.isMaskedArray(values) else values
    # numbers and strings of numpy become Python's own; other objects stay as they are
    is_plain = isinstance(data, np.ndarray) and data.dtype.kind in "biufU"
    cells = data.tolist() if is_plain else list(data)
    for i in np.flatnonzero(np.ma.getmaskarray(values)) if data is not values else ():
        cells[i] = MISSING
    return cells

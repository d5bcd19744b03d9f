"""``cv_results_`` of any search: found, checked, put one under the other."""

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.exceptions import NotFittedError

from skact.naming import name_values, short_name

# What scikit-learn calls scores and times: such names never stand for a parameter.
RESULT_NAME = re.compile(
    r"(?:mean|std|rank|split\d+)_(?:test|train)_.*|(?:mean|std)_(?:fit|score)_time"
)
TIMES = ("mean_fit_time", "std_fit_time", "mean_score_time", "std_score_time")
SPLIT = re.compile(r"split(\d+)_(test|train)_(.*)", re.DOTALL)
MISSING = object()


@dataclass(frozen=True)
class Results:
    """Results of one or several searches; rows in the searches' own order."""

    columns: dict[str, list[Any]]  # as in cv_results_; MISSING where a search has none
    metrics: list[str]  # the one that ranks first
    searches: list[int]  # of each row: which search
    candidates: list[int]  # of each row: its place in its search

    @property
    def params(self) -> list[str]:
        """Keys of the parameters, without ``param_``."""
        keys = [key for key in self.columns if key.startswith("param_")]
        return [key.removeprefix("param_") for key in keys]

    @property
    def others(self) -> list[str]:
        """Keys that are neither parameters nor scores nor times, such as ``iter``."""
        known = {"params", *(f"param_{name}" for name in self.params)}
        keys = [key for key in self.columns if key not in known]
        return [key for key in keys if not RESULT_NAME.fullmatch(key)]

    @property
    def rank(self) -> str:
        """Key of the rank."""
        return f"rank_test_{self.metrics[0]}"

    def numbers(self, key: str) -> list[Any]:
        """Convert a column of scores or times; the score of a failed fit is missing."""
        kind = int if key.startswith("rank_") else float
        cells = self.columns[key]
        if set(map(type, cells)) == {kind}:
            return [None if value != value else value for value in cells]
        return [
            None if value is MISSING or pd.isna(value) else kind(value)
            for value in cells
        ]

    def values(self, key: str) -> list[Any]:
        """Convert the values of a parameter to scalars."""
        cells = self.columns[key]
        named = iter(name_values(cell for cell in cells if cell is not MISSING))
        return [None if cell is MISSING else next(named) for cell in cells]

    def best_first(self) -> list[int]:
        """Order the rows as each search itself would pick from its candidates."""
        ranks = [np.inf] * len(self.searches)
        for metric in reversed(self.metrics):  # the first that a search has
            for i, rank in enumerate(self.numbers(f"rank_test_{metric}")):
                ranks[i] = ranks[i] if rank is None else rank
        halving = {"iter", "n_resources"} <= set(self.columns)
        rounds = self.columns["iter"] if halving else []
        latest = [0 if round_ is MISSING else -round_ for round_ in rounds]
        keys: list[Any] = [ranks, *([latest] if halving else []), self.searches]
        return np.lexsort(keys).tolist()

    def short_names(self, taken: Iterable[str]) -> dict[str, str]:
        """Shorten the parameters' names as far as all columns' names stay apart."""
        # From the column's name in cv_results_, which nothing else can have, to the one
        # the user thinks of. All parameters whose last choices clash drop them, until
        # none do.
        params, taken = self.params, list(taken)
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
        """Order the scores: the rank, each metric's summary, then its splits."""
        keys = [self.rank]
        for metric in self.metrics:
            keys += [f"{stat}_test_{metric}" for stat in ("mean", "std", "rank")]
            keys += [f"{stat}_train_{metric}" for stat in ("mean", "std")]
        keys += [key for *_, key in self.splits()]
        return [key for key in dict.fromkeys(keys) if key in self.columns]

    def splits(self) -> list[tuple[str, str, int, str]]:
        """List metric, "test" or "train", number and key of the splits' scores."""
        found = [(SPLIT.fullmatch(key), key) for key in self.columns]
        of_metric = {
            (match[3], match[2], int(match[1])): key
            for match, key in found
            if match is not None
        }
        return [
            (metric, part, number, key)
            for metric, part in itertools.product(self.metrics, ("test", "train"))
            for (a, b, number), key in sorted(of_metric.items())
            if (a, b) == (metric, part)
        ]


def results_of(searches: Sequence[Any]) -> Results:
    """Read the results of searches, or of dicts as their ``cv_results_``."""
    parts = [_checked(search) for search in searches]
    metrics: dict[str, None] = {}
    for search, part in zip(searches, parts, strict=True):
        refit, own = getattr(search, "refit", None), _metrics(part)
        if isinstance(refit, str):
            own.sort(key=lambda metric: metric != refit)
        metrics |= dict.fromkeys(own)
    lengths = [len(next(iter(part.values()))) for part in parts]
    keys = dict.fromkeys(str(key) for part in parts for key in part)
    columns: dict[str, list[Any]] = {key: [] for key in keys}
    for part, length in zip(parts, lengths, strict=True):
        for key, cells in columns.items():
            cells += _cells(part[key]) if key in part else [MISSING] * length
    return Results(
        columns,
        list(metrics),
        [i for i, length in enumerate(lengths) for _ in range(length)],
        [i for length in lengths for i in range(length)],
    )


def is_search(value: Any) -> bool:
    """Tell a search by its parameters: scikit-learn's base class of them is private."""
    if isinstance(value, type) or not hasattr(value, "get_params"):
        return False
    return {"estimator", "refit", "cv"} <= set(value.get_params(deep=False))


def has_results(value: Any) -> bool:
    """Whether something is a search, fitted or not, or results of one."""
    kept = hasattr(value, "cv_results_") or isinstance(value, Mapping)
    return kept or is_search(value)


def _metrics(results: Mapping[str, Any]) -> list[str]:
    keys = [key for key in results if str(key).startswith("rank_test_")]
    return [key.removeprefix("rank_test_") for key in keys]


def _checked(search: Any) -> Mapping[str, Any]:
    """Find and check the dict of columns, or say what would have been accepted."""
    kept = getattr(search, "cv_results_", None)
    results = search if isinstance(search, Mapping) else kept
    if not isinstance(results, Mapping):
        name = type(search).__name__
        if is_search(search):
            raise NotFittedError(
                f"This {name} is not fitted yet: call its 'fit' before looking at it."
            )
        raise TypeError(
            "obj must be a fitted scikit-learn search (GridSearchCV, "
            "RandomizedSearchCV, HalvingGridSearchCV, HalvingRandomSearchCV, ...), its "
            "cv_results_ dict, what load_results gave, or a list or dict of several; "
            f"got {short_name(search)!r} of type {name}."
        )
    metrics = _metrics(results)
    if not metrics or any(f"mean_test_{metric}" not in results for metric in metrics):
        raise ValueError(
            "obj must have columns 'rank_test_<metric>' and 'mean_test_<metric>' as "
            f"cv_results_ has; got a dict with the keys {list(results)!r}."
        )
    lengths = {key: len(values) for key, values in results.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(
            f"obj must have columns of one length; got a dict with {lengths!r}."
        )
    return results


def _cells(values: Any) -> list[Any]:
    """List the cells of a column; masked ones are missing."""
    # Mask and data apart, for a masked array's items are numpy's own constant where
    # masked, and the iteration looks into objects that are sequences.
    data = values.data if np.ma.isMaskedArray(values) else values
    # plain numbers and strings become Python's own; the rest stays what it is
    plain = isinstance(data, np.ndarray) and data.dtype.kind in "biufU"
    cells = data.tolist() if plain else list(data)
    for i in np.flatnonzero(np.ma.getmaskarray(values)) if data is not values else ():
        cells[i] = MISSING
    return cells

"""Search results as plain rows, and as a tidy pandas frame.

Between training and looking lies plain data. This module turns ``cv_results_`` of any
scikit-learn search into rows of Python scalars, ranked and named as the user thinks of
them. It knows neither torch nor HiPlot: every value is described from outside.
"""

import itertools
import pickle
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.exceptions import NotFittedError

Scalar = bool | int | float | str

# What scikit-learn calls scores and times: such names never stand for a parameter.
RESULT_NAME = re.compile(
    r"(?:mean|std|rank|split\d+)_(?:test|train)_.+|(?:mean|std)_(?:fit|score)_time"
)
_TIMES = ("mean_fit_time", "std_fit_time", "mean_score_time", "std_score_time")
_MAX_NAME = 60

# Python's words for an object -> ours, without modules and memory addresses.
_SHORTER = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\s+", " "),
        (r"<class '(?:[^']*\.)?([^'.]+)'>", r"\1"),
        (r"<(?:[\w-]+ )?(?:function|method) (?:\S*\.)?<?(\w+)>?[^>]*>+", r"\1"),
        (r"<(?:\S*\.)?(\w+) object at 0x[0-9a-fA-F]+>", r"\1()"),
        (r"<lambda>", "lambda"),
        (r" at 0x[0-9a-fA-F]+", ""),
        (r"\bnp\.(True|False)_", r"\1"),
        (r"\bnp\.\w+\(([^()]*)\)", r"\1"),
        (r"\bfunctools\.partial\(", "partial("),
    )
)


def to_frame(search: Any) -> pd.DataFrame:
    """Give the results of a search as a tidy frame: one row a candidate, best first.

    Rows are ranked as the search ranks them. With several metrics that is by the metric
    which ``refit`` names, else by the first one. After successive halving the last
    iteration comes first, for that is where the search looks for its best candidate.

    Parameters
    ----------
    search : fitted search or dict
        Any search of scikit-learn, such as ``GridSearchCV``, ``RandomizedSearchCV`` or
        ``HalvingGridSearchCV``, or the ``cv_results_`` dict of one.

    Returns
    -------
    DataFrame of shape (n_candidates, n_columns)
        Columns, in this order: the rank; the parameters (with successive halving also
        ``iter`` and ``n_resources``); mean and standard deviation of the test scores,
        then of the train scores if there are any; the scores of each split; the times.

        Scores and times have scikit-learn's names. A parameter has the last part of its
        name (``activation`` for ``actmlp__activation``), or its full name where that
        would be some other column's name too. Numbers, booleans and strings stay what
        they are; other values become short names: a class its ``__name__``, ``None``
        the string ``"None"``, anything else a line of at most 60 characters. Different
        values of the same short name are numbered (``"lambda #1"``).

        Missing values (a parameter that is not in the candidate's grid, the score of a
        failed fit) are those for which :meth:`pandas.DataFrame.isna` is true. Integer
        and boolean columns that have some are of dtype ``Int64`` and ``boolean``.

    Raises
    ------
    NotFittedError, TypeError, ValueError
        If the search is not fitted, is no search, or is not a ``cv_results_`` dict.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn.svm import SVC
    >>> grid = {"svc__C": [0.01, 1.0], "svc__kernel": ["linear"]}
    >>> search = GridSearchCV(make_pipeline(StandardScaler(), SVC()), grid, cv=3)
    >>> frame = to_frame(search.fit(*load_iris(return_X_y=True)))
    >>> frame[["rank_test_score", "C", "kernel", "mean_test_score"]].round(2)
       rank_test_score     C  kernel  mean_test_score
    0                1  1.00  linear             0.98
    1                2  0.01  linear             0.87
    """
    columns, rows = candidate_rows(search)
    return pd.DataFrame(
        {key: _series([row.get(key) for row in rows]) for key in columns}
    )


def candidate_rows(search: Any) -> tuple[list[str], list[dict[str, Scalar]]]:
    """Give the names of the columns and a dict a candidate, without what is missing."""
    results = _results_of(search)
    metrics = _metrics(results)
    refit = getattr(search, "refit", None)
    if isinstance(refit, str) and refit in metrics:
        metrics.sort(key=lambda metric: metric != refit)
    columns = _columns(results, metrics)
    rows = [
        {key: cells[i] for key, cells in columns.items() if cells[i] is not None}
        for i in _best_first(columns, f"rank_test_{metrics[0]}")
    ]
    return list(columns), rows


def _metrics(results: Mapping[str, Any]) -> list[str]:
    keys = [key for key in results if str(key).startswith("rank_test_")]
    return [key.removeprefix("rank_test_") for key in keys]


def _results_of(search: Any) -> Mapping[str, Any]:
    """Find and check the dict of columns, or say what would have been accepted."""
    kept = getattr(search, "cv_results_", None)
    results = search if isinstance(search, Mapping) else kept
    if not isinstance(results, Mapping):
        name = type(search).__name__
        if _is_search(search):
            raise NotFittedError(
                f"This {name} is not fitted yet: call its 'fit' before looking at it."
            )
        raise TypeError(
            "search must be a fitted scikit-learn search (GridSearchCV, "
            "RandomizedSearchCV, HalvingGridSearchCV, HalvingRandomSearchCV, ...) or "
            f"its cv_results_ dict; got {_name(search)!r} of type {name}."
        )
    metrics = _metrics(results)
    if not metrics or any(f"mean_test_{metric}" not in results for metric in metrics):
        raise ValueError(
            "search must have columns 'rank_test_<metric>' and 'mean_test_<metric>' "
            f"as cv_results_ has; got a dict with the keys {list(results)!r}."
        )
    lengths = {key: len(values) for key, values in results.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(
            f"search must have columns of one length; got a dict with {lengths!r}."
        )
    return results


def _is_search(value: Any) -> bool:
    """Tell a search by its parameters: scikit-learn's base class of them is private."""
    if isinstance(value, type) or not hasattr(value, "get_params"):
        return False
    return {"estimator", "refit", "cv"} <= set(value.get_params(deep=False))


def _columns(
    results: Mapping[str, Any], metrics: Sequence[str]
) -> dict[str, list[Any]]:
    """Name, order and convert the columns; rows stay in the search's own order."""
    params = [key for key in results if key.startswith("param_")]
    known = {"params", *params}
    others = [k for k in results if k not in known and not RESULT_NAME.fullmatch(k)]
    short = _short_names([key.removeprefix("param_") for key in params], others)
    rank, *scores = _score_keys(results, metrics)
    columns = {rank: _numbers(results, rank)}
    columns |= {n: _values(results[k]) for n, k in zip(short, params, strict=True)}
    columns |= {key: _values(results[key]) for key in others}
    columns |= {key: _numbers(results, key) for key in scores}
    return columns | {key: _numbers(results, key) for key in _TIMES if key in results}


def _score_keys(results: Mapping[str, Any], metrics: Sequence[str]) -> list[str]:
    """Order the columns of scores: the rank, each metric's summary, then its splits."""
    keys = [f"rank_test_{metrics[0]}"]
    for metric in metrics:
        keys += [f"{stat}_test_{metric}" for stat in ("mean", "std", "rank")]
        keys += [f"{stat}_train_{metric}" for stat in ("mean", "std")]
    for metric, part in itertools.product(metrics, ("test", "train")):
        pattern = re.compile(rf"split(\d+)_{part}_{re.escape(metric)}")
        splits = [key for key in results if pattern.fullmatch(key)]
        keys += sorted(splits, key=lambda key: int(re.findall(r"\d+", key)[0]))
    return [key for key in dict.fromkeys(keys) if key in results]


def _short_names(params: Sequence[str], taken: Iterable[str]) -> list[str]:
    """Shorten the parameters' names as far as all columns' names stay apart."""
    # From the column's name in cv_results_, which nothing else can have, to the one the
    # user thinks of. All parameters whose last choices clash drop them, until none do.
    choices = [[f"param_{x}", x, x.rpartition("__")[2] or x] for x in params]
    while True:
        uses = Counter([choice[-1] for choice in choices] + list(taken))
        clashing = [
            choice
            for choice in choices
            if len(choice) > 1
            and (uses[choice[-1]] > 1 or RESULT_NAME.fullmatch(choice[-1]))
        ]
        if not clashing:
            return [choice[-1] for choice in choices]
        for choice in clashing:
            choice.pop()


def _best_first(columns: Mapping[str, Sequence[Any]], rank: str) -> list[int]:
    """Order the candidates as the search itself would pick from them."""
    halving = {"iter", "n_resources"} <= set(columns)
    rounds = columns["iter"] if halving else [0] * len(columns[rank])
    return sorted(range(len(rounds)), key=lambda i: (-rounds[i], columns[rank][i]))


def _numbers(results: Mapping[str, Any], key: str) -> list[Any]:
    """Convert a column of scores or times; the score of a failed fit is missing."""
    kind = int if key.startswith("rank_") else float
    return [None if pd.isna(value) else kind(value) for value in results[key]]


def _values(values: Any) -> list[Any]:
    """Convert the values of a parameter; masked ones are missing."""
    # Mask and data apart, for a masked array's items are numpy's own constant where
    # masked, and the iteration looks into objects that are sequences.
    masked = np.ma.isMaskedArray(values)
    mask = np.ma.getmaskarray(values) if masked else np.zeros(len(values), dtype=bool)
    data = zip(values.data if masked else values, mask, strict=True)
    named = iter(name_values(value for value, missing in data if not missing))
    return [None if missing else next(named) for missing in mask]


def name_values(values: Iterable[Any]) -> list[Scalar]:
    """Show a column's values as scalars, numbering different values of one name."""
    objects = list(values)
    scalars = [_scalar(value) for value in objects]
    different: dict[str, list[Any]] = {}  # name -> the different values it stands for
    place: dict[int, int] = {}  # id of a value -> its place among those
    for value, name in zip(objects, scalars, strict=True):
        if isinstance(name, str) and id(value) not in place:
            others = different.setdefault(name, [])
            same = (i for i, other in enumerate(others) if _same(value, other))
            place[id(value)] = next(same, len(others))
            others += [value] * (place[id(value)] == len(others))
    labels = {name: [name] for name in different}
    for name, others in different.items():
        if len(others) > 1:
            numbered = (f"{name} #{number}" for number in itertools.count(1))
            free = (label for label in numbered if label not in different)
            labels[name] = list(itertools.islice(free, len(others)))
    return [
        labels[name][place[id(value)]] if isinstance(name, str) else name
        for value, name in zip(objects, scalars, strict=True)
    ]


def _scalar(value: Any) -> Scalar:
    """Keep a number, boolean or string as Python's own; name anything else."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and np.isnan(value):
        return "nan"  # somebody put it into the grid: it must not look missing
    kinds = (kind for kind in (bool, int, float, str) if isinstance(value, kind))
    return next(kinds, _name)(value)


def _name(value: Any) -> str:
    """Describe an object in one short line."""
    name = getattr(value, "__name__", None)  # of a class or function
    text = name if isinstance(name, str) else repr(value)
    for pattern, replacement in _SHORTER:
        text = pattern.sub(replacement, text)
    text = text.strip()
    return text if len(text) <= _MAX_NAME else f"{text[: _MAX_NAME - 1]}…"


def _same(value: Any, other: Any) -> bool:
    """Tell whether two values of one name are copies of each other."""
    # Neither ==, which few such objects define, nor repr, which may leave out what
    # differs. Equal pickles are sure; what cannot be pickled counts as different.
    try:
        both_str = isinstance(value, str) and isinstance(other, str)
        return both_str or pickle.dumps(value) == pickle.dumps(other)
    except Exception:  # pickle raises whatever the object's own methods raise
        return False


def _series(cells: Sequence[Any]) -> pd.Series:
    """Give a column the narrowest dtype that holds it and its missing values."""
    present = [cell for cell in cells if cell is not None]
    gaps = len(present) < len(cells)
    kinds = {type(cell) for cell in present}
    if kinds == {str}:
        return pd.Series(cells)  # as pandas holds strings: str, or object before 3.0
    dtype = "object"
    if kinds == {bool}:
        dtype = "boolean" if gaps else "bool"
    elif kinds == {int} and max(map(abs, present)) < 2**63:
        dtype = "Int64" if gaps else "int64"
    elif not kinds or (float in kinds and kinds <= {int, float}):
        dtype = "float64"
    return pd.Series(cells, dtype=dtype)

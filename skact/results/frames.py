"""Results as plain rows, and as a tidy pandas frame: a row a candidate, fold or epoch.

Between training and looking lies plain data. This module turns what searches and nets
keep into rows of Python scalars, ranked and named as the user thinks of them. It knows
neither torch nor HiPlot.
"""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from skact.naming import Scalar, short_name
from skact.results.cv_results import MISSING, TIMES, Results, has_results, results_of
from skact.results.epochs import epochs_of_search
from skact.results.histories import epochs_of, is_net
from skact.results.schema import MODEL, Schema, check_level, recorded_order, schema_of


@dataclass(frozen=True)
class Table:
    """Plain columns of one length."""

    columns: dict[str, list[Scalar | None]]  # None: missing
    level: str

    @property
    def schema(self) -> Schema:
        """What the columns are."""
        return schema_of(self.columns, self.level)

    @property
    def rows(self) -> list[dict[str, Scalar]]:
        """The same as a dict a row, in which what is missing has no key."""
        cells = zip(*self.columns.values(), strict=True)
        return [
            {k: v for k, v in zip(self.columns, row, strict=True) if v is not None}
            for row in cells
        ]


def to_frame(obj: Any, level: str | None = None) -> pd.DataFrame:
    """Give results as a tidy frame: one row a candidate, a fold or an epoch.

    Candidates are ranked as the search ranks them. With several metrics that is by the
    metric which ``refit`` names, else by the first one. After successive halving the
    last iteration comes first, for that is where the search looks for its best
    candidate.

    Parameters
    ----------
    obj : fitted search, dict, fitted net or pipeline, or several of them
        Any search of scikit-learn, such as ``GridSearchCV``, ``RandomizedSearchCV`` or
        ``HalvingGridSearchCV``, the ``cv_results_`` dict of one, or what
        :func:`~skact.load_results` gave; or a fitted net of skact or skorch, or a
        pipeline that ends in one. A list or dict of several gives one frame, in which
        the column ``model`` has the names.
    level : {"candidate", "fold", "epoch"}, default=None
        What a row is. None is "candidate" for searches and "epoch" for nets, which have
        no other level. A search has epochs if a :class:`~skact.TrainingLog` was set on
        its net.

    Returns
    -------
    DataFrame of shape (n_rows, n_columns)
        Columns of a candidate, in this order: the rank; the parameters (with successive
        halving also ``iter`` and ``n_resources``); mean and standard deviation of the
        test scores, then of the train scores if there are any; the scores of each
        split; the times.

        Columns of a fold: the rank of its candidate; ``candidate``, the place of that
        in ``cv_results_``; the parameters; ``fold``, both counted from 0; the scores on
        the fold, named as ``cross_validate`` names them (``test_score``); the mean
        times of the candidate.

        Columns of an epoch: of a search first ``candidate``, the parameters and
        ``fold``; ``epoch``, counted from 1; what the callbacks recorded
        (``train_loss``, ``valid_acc``, ...); ``dur``, in seconds.

        Scores and times have scikit-learn's names. A parameter has the last part of its
        name (``activation`` for ``actmlp__activation``), or its full name where that
        would be some other column's name too. Numbers, booleans and strings stay what
        they are; other values become short names: a class its ``__name__``, ``None``
        the string ``"None"``, anything else a line of at most 60 characters. Different
        values of the same short name are numbered (``"lambda #1"``).

        Missing values (a parameter that is not in the candidate's grid, the score of a
        failed fit, a loss that is no number) are those for which
        :meth:`pandas.DataFrame.isna` is true. Integer and boolean columns that have
        some are of dtype ``Int64`` and ``boolean``.

    Raises
    ------
    NotFittedError, TypeError, ValueError
        If something is not fitted, is neither a search nor a net, is not a
        ``cv_results_`` dict, or has no such level.

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
    columns = table_of(obj, level).columns
    return pd.DataFrame({key: _series(cells) for key, cells in columns.items()})


def table_of(obj: Any, level: str | None = None) -> Table:
    """Give the columns of a frame, as `to_frame` does."""
    check_level(level)
    several = _several(obj)
    names, sources = (None, [obj]) if several is None else several
    if level is None:
        level = "epoch" if any(map(is_net, sources)) else "candidate"
    if level == "epoch":
        return _epochs(sources, names)
    results = results_of(sources)
    models = None if names is None else [names[search] for search in results.searches]
    return {"candidate": _candidates, "fold": _folds}[level](results, models)


def _several(obj: Any) -> tuple[list[str], list[Any]] | None:
    """Return names and searches or nets, or None if there is but one."""
    if isinstance(obj, Mapping):
        sources = list(obj.values())
        if not sources or not all(map(_may_be_source, sources)):
            return None  # such as a cv_results_
        names = [str(name) for name in obj]
    elif isinstance(obj, list | tuple) and obj:
        sources = list(obj)
        names = [_kind(source) for source in sources]
    else:
        return None
    counts, taken = Counter(names), set(names)
    for i, name in enumerate(names):
        if counts[name] > 1:
            tries = (f"{name} #{n}" for n in itertools.count(1))
            names[i] = next(label for label in tries if label not in taken)
            taken.add(names[i])
    return names, sources


def _may_be_source(value: Any) -> bool:
    return isinstance(value, Mapping) or any(
        hasattr(value, name) for name in ("cv_results_", "get_params")
    )


def _kind(source: Any) -> str:
    """Name a search by what it searched, a net by what it is."""
    source = getattr(source, "estimator", source)
    steps = getattr(source, "steps", None)
    source = steps[-1][1] if isinstance(steps, list) and steps else source
    return "results" if isinstance(source, Mapping) else short_name(type(source))


def _candidates(results: Results, models: list[str] | None) -> Table:
    rank, *scores = results.score_keys()
    first = {} if models is None else {MODEL: list(models)}
    short = results.short_names([*results.others, *first])
    columns = first | {rank: results.numbers(rank)}
    columns |= {name: results.values(f"param_{key}") for key, name in short.items()}
    columns |= {key: results.values(key) for key in results.others}
    columns |= {key: results.numbers(key) for key in scores}
    times = [key for key in TIMES if key in results.columns]
    columns |= {key: results.numbers(key) for key in times}
    order = results.best_first()
    best_first = {key: [cells[i] for i in order] for key, cells in columns.items()}
    return Table(best_first, "candidate")


def _folds(results: Results, models: list[str] | None) -> Table:
    scores = {
        (f"{part}_{metric}", fold): key for metric, part, fold, key in results.splits()
    }
    if not scores:
        raise ValueError(
            "level='fold' needs the score of each split, such as 'split0_test_score'; "
            "these results have none."
        )
    names = list(dict.fromkeys(name for name, _ in scores))
    first = {} if models is None else {MODEL: list(models)}
    taken = [*results.others, *first, "candidate", "fold", *names]
    short = results.short_names(taken)
    shared: dict[str, list[Any]] = {
        **first,
        results.rank: results.numbers(results.rank),
    }
    shared["candidate"] = results.candidates
    shared |= {name: results.values(f"param_{key}") for key, name in short.items()}
    shared |= {key: results.values(key) for key in results.others}
    times = [k for k in ("mean_fit_time", "mean_score_time") if k in results.columns]
    ends = {key: results.numbers(key) for key in times}
    cells = {place: results.numbers(key) for place, key in scores.items()}
    # a search of fewer splits than another has no row for those that it lacks
    has = {
        (search, fold)
        for (_, fold), key in scores.items()
        for search, cell in zip(results.searches, results.columns[key], strict=True)
        if cell is not MISSING
    }
    folds = sorted({fold for _, fold in scores})
    places = [
        (i, fold)
        for i in results.best_first()
        for fold in folds
        if (results.searches[i], fold) in has
    ]
    columns = {key: [of_all[i] for i, _ in places] for key, of_all in shared.items()}
    columns["fold"] = [fold for _, fold in places]
    nothing = [None] * len(results.searches)
    for name in names:
        columns[name] = [cells.get((name, fold), nothing)[i] for i, fold in places]
    columns |= {key: [of_all[i] for i, _ in places] for key, of_all in ends.items()}
    return Table(columns, "fold")


def _epochs(sources: Sequence[Any], names: Sequence[str] | None) -> Table:
    tables = [
        epochs_of_search(source) if has_results(source) else epochs_of(source)
        for source in sources
    ]
    lengths = [len(table["epoch"]) for table in tables]
    columns: dict[str, list[Any]] = {}
    if names is not None:
        pairs = zip(names, lengths, strict=True)
        columns[MODEL] = [name for name, length in pairs for _ in range(length)]
    for key in _in_order(tables):
        columns[key] = []
        for table, length in zip(tables, lengths, strict=True):
            columns[key] += table.get(key, [None] * length)
    return Table(columns, "epoch")


def _in_order(tables: Sequence[Mapping[str, Any]]) -> list[str]:
    """Order the columns of tables of epochs: what was recorded stands behind."""
    front: dict[str, None] = {}
    for table in tables:
        labels = list(table)
        front |= dict.fromkeys(labels[: labels.index("epoch")])
    recorded = dict.fromkeys(
        key for table in tables for key in table if key not in front
    )
    return [*sorted(front, key=lambda key: key == "fold"), *recorded_order(recorded)]


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

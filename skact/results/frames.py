"""Results as a table and a pandas frame: a row for each candidate, fold or epoch.

This module turns results of searches and histories of nets into columns of Python
scalars: rows are ranked, and parameters have short names. It imports neither torch nor
HiPlot.
"""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from skact.naming import Scalar, short_name
from skact.results.cv_results import (
    MISSING,
    TIME_KEYS,
    Results,
    is_search_or_results,
    results_of,
    search_inside,
)
from skact.results.cv_results_frames import refuse_dict_of_dicts
from skact.results.epochs import epochs_of_search
from skact.results.histories import epochs_of_net, is_net, params_that_differ
from skact.results.logged_fit import FitLog
from skact.results.schema import (
    MODEL,
    Schema,
    check_level,
    keep_schema,
    labels_before,
    schema_of,
    sort_recorded,
)
from skact.results.splitter_facts import facts_of_all


@dataclass(frozen=True)
class Table:
    """Columns of one length."""

    columns: dict[str, list[Scalar | None]]  # None: missing
    level: str
    full_names: Sequence[str] | None = None  # of the parameters; None: not known
    splitter: Mapping[str, Any] | None = None  # facts of the folds; None: not known

    @property
    def schema(self) -> Schema:
        """The role of each column."""
        names = None if self.full_names is None else tuple(self.full_names)
        schema = schema_of(self.columns, self.level)
        return replace(schema, full_names=names, splitter=self.splitter)

    @property
    def rows(self) -> list[dict[str, Scalar]]:
        """A dict for each row; it has no key where the value is missing."""
        cells = zip(*self.columns.values(), strict=True)
        return [
            {k: v for k, v in zip(self.columns, row, strict=True) if v is not None}
            for row in cells
        ]


def to_frame(obj: Any, level: str | None = None) -> pd.DataFrame:
    """Return results as a tidy frame: a row for each candidate, fold or epoch.

    Candidates are ranked as the search ranks them. Of several metrics, the metric that
    ``refit`` names ranks; otherwise the first metric ranks. After successive halving
    the last iteration comes first: the search takes its best candidate from there. If
    the ranks of a dict, frame or file contradict its mean scores, as those of several
    searches in one table do, a warning says so, and the mean scores rank. A study
    ranks its complete trials by their values; if it has constraints, it ranks
    those trials that satisfy them.

    Parameters
    ----------
    obj : fitted search, study, dict, fitted net or pipeline, or several of them
        Any search with the parameters of scikit-learn's, such as ``GridSearchCV``,
        ``HalvingGridSearchCV``, ``BayesSearchCV`` or ``OptunaSearchCV``, the
        ``cv_results_`` of one (a dict or frame), or what :func:`~skact.load_results`
        gave; a study of Optuna, whose candidates are its trials; or a fitted net of
        skact or skorch, or a pipeline that ends in a net or a search. A list or dict of
        several gives one frame, in which the column ``model`` has the names, and
        further columns have those parameters that differ between nets. Also a
        :class:`~skact.TrainingLog`, such as that of a search which Ctrl-C has ended.
    level : {"candidate", "fold", "epoch"}, default=None
        What a row is. None means "candidate" for searches and "epoch" for nets. Nets
        have no other level. A search has epochs if its net had a
        :class:`~skact.TrainingLog`.

    Returns
    -------
    DataFrame of shape (n_rows, n_columns)
        Columns of a candidate, in this order: the rank; the parameters (with successive
        halving also ``iter`` and ``n_resources``); mean and standard deviation of the
        test scores, then of the train scores if there are any, also of a metric that
        has no rank; the scores of each split; the times. A study has ``state`` and, if
        it has constraints, ``feasible`` after the parameters; attributes of trials
        that are named like scores are columns, too, and do not rank.

        Columns of a fold: the rank of its candidate; ``candidate``, the position of the
        candidate in ``cv_results_``; the parameters; ``fold``; the scores on the fold,
        named as in ``cross_validate`` (``test_score``); the candidate's mean times.
        ``candidate`` and ``fold`` count from 0.

        Columns of an epoch: first, for a search, ``candidate``, the parameters and
        ``fold``; then ``epoch``, which counts from 1; the values that callbacks
        recorded (``train_loss``, ``valid_acc``, ...); ``dur``, in seconds.

        Scores and times have scikit-learn's names. A parameter has the last part of its
        name (``activation`` for ``actmlp__activation``), or its full name if another
        column has that short name. Numbers, booleans and strings do not change. Other
        values become short names: a class becomes its ``__name__``, ``None`` the string
        ``"None"``, any other object a line of at most 60 characters. Different values
        of the same short name are numbered (``"lambda #1"``).

        Some values are missing: a parameter that is not in the candidate's grid, the
        score of a failed fit, a loss that is NaN. :meth:`pandas.DataFrame.isna` is true
        for them. Integer and boolean columns with missing values have the dtypes
        ``Int64`` and ``boolean``.

    Notes
    -----
    The frame keeps the role of each column in its ``attrs``, and with ``level="fold"``
    the settings of a splitter of scikit-learn. So :func:`~skact.compare`,
    :func:`~skact.diagnose`, the displays and :func:`~skact.to_hiplot` also take the
    frame with fewer rows, with columns in another order, or with new columns. A new
    column counts as a parameter if it has one value for all epochs of a fit, or for all
    folds of a candidate. After a detour through a file the names and the order of the
    columns decide; ``pandas.read_csv(file, keep_default_na=False, na_values=[""])``
    reads ``"None"`` and ``"nan"`` as the values that they are, while pandas alone takes
    them for missing.

    A ``cv_results_`` that is a frame, a dict of one or a CSV file has a gap where the
    value is None or NaN, and where the candidate lacks the parameter. Its column
    ``params`` tells these apart, so keep it: without ``params`` a gap of a frame means
    that the candidate lacks the parameter, unless the cell is None itself.

    Raises
    ------
    NotFittedError, TypeError, ValueError
        If `obj` is not fitted, is neither a search nor a net nor a ``cv_results_``
        dict, or has no such level.

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
    if isinstance(obj, FitLog):
        if level not in (None, "epoch"):
            raise ValueError(
                f"level={level!r}, but a log of fits has a row for each epoch only: "
                f"give to_frame the search."
            )
        return obj.to_frame()
    table = table_of(obj, level)
    columns = {key: _series_of(cells) for key, cells in table.columns.items()}
    return keep_schema(pd.DataFrame(columns), table.schema)


def table_of(obj: Any, level: str | None = None) -> Table:
    """Return the columns of the frame that `to_frame` returns."""
    check_level(level)
    refuse_dict_of_dicts(obj)
    several = _names_and_sources(obj)
    names, sources = (None, [obj]) if several is None else several
    sources = [search_inside(source) for source in sources]
    if level is None:
        level = "epoch" if any(map(is_net, sources)) else "candidate"
    if level == "epoch":
        return _table_of_epochs(sources, names)
    results = results_of(sources)
    models = (
        None if names is None else [names[search] for search in results.search_of_row]
    )
    if level == "candidate":
        return _table_of_candidates(results, models)
    table = _table_of_folds(results, models)
    return replace(table, splitter=facts_of_all(sources))


def _names_and_sources(obj: Any) -> tuple[list[str], list[Any]] | None:
    """Return the names and the searches or nets of a list or dict; else None."""
    if isinstance(obj, Mapping):
        sources = list(obj.values())
        if not sources or not all(map(_is_possible_source, sources)):
            return None  # a cv_results_ dict, for example
        names = [str(name) for name in obj]
    elif isinstance(obj, list | tuple) and obj:
        sources = list(obj)
        names = [_model_name_of(source) for source in sources]
    else:
        return None
    counts, taken = Counter(names), set(names)
    for i, name in enumerate(names):
        if counts[name] > 1:
            tries = (f"{name} #{n}" for n in itertools.count(1))
            names[i] = next(label for label in tries if label not in taken)
            taken.add(names[i])
    return names, sources


def _is_possible_source(value: Any) -> bool:
    return is_search_or_results(value) or hasattr(value, "get_params")


def _model_name_of(source: Any) -> str:
    """Return the class of a net, or of the estimator that a search searched."""
    if isinstance(source, Mapping | pd.DataFrame):
        return "results"
    source = getattr(source, "estimator", source)
    steps = getattr(source, "steps", None)
    source = steps[-1][1] if isinstance(steps, list) and steps else source
    return short_name(type(source))


def _table_of_candidates(results: Results, models: list[str] | None) -> Table:
    rank, *scores = results.score_keys()
    first = {} if models is None else {MODEL: list(models)}
    short = results.short_param_names([*results.other_keys, *first])
    columns = first | {rank: results.numbers_of(rank)}
    columns |= {name: results.values_of(f"param_{key}") for key, name in short.items()}
    columns |= {key: results.values_of(key) for key in results.other_keys}
    columns |= {key: results.numbers_of(key) for key in scores}
    times = [key for key in TIME_KEYS if key in results.columns]
    columns |= {key: results.numbers_of(key) for key in times}
    order = results.rows_best_first()
    best_first = {key: [cells[i] for i in order] for key, cells in columns.items()}
    return Table(best_first, "candidate", results.param_names)


def _table_of_folds(results: Results, models: list[str] | None) -> Table:
    scores = {
        (f"{part}_{metric}", fold): key
        for metric, part, fold, key in results.split_scores()
    }
    if not scores:
        raise ValueError(
            "level='fold' needs the score of each split, such as 'split0_test_score'; "
            "these results have none."
        )
    names = list(dict.fromkeys(name for name, _ in scores))
    first = {} if models is None else {MODEL: list(models)}
    taken = [*results.other_keys, *first, "candidate", "fold", *names]
    short = results.short_param_names(taken)
    shared: dict[str, list[Any]] = {
        **first,
        results.rank_key: results.numbers_of(results.rank_key),
    }
    shared["candidate"] = results.candidate_of_row
    shared |= {name: results.values_of(f"param_{key}") for key, name in short.items()}
    shared |= {key: results.values_of(key) for key in results.other_keys}
    times = [k for k in ("mean_fit_time", "mean_score_time") if k in results.columns]
    mean_times = {key: results.numbers_of(key) for key in times}
    cells = {place: results.numbers_of(key) for place, key in scores.items()}
    # a search with fewer splits than another search has no rows for missing splits
    existing = {
        (search, fold)
        for (_, fold), key in scores.items()
        for search, cell in zip(
            results.search_of_row, results.columns[key], strict=True
        )
        if cell is not MISSING
    }
    folds = sorted({fold for _, fold in scores})
    places = [
        (i, fold)
        for i in results.rows_best_first()
        for fold in folds
        if (results.search_of_row[i], fold) in existing
    ]
    columns = {key: [of_all[i] for i, _ in places] for key, of_all in shared.items()}
    columns["fold"] = [fold for _, fold in places]
    nothing = [None] * len(results.search_of_row)
    for name in names:
        columns[name] = [cells.get((name, fold), nothing)[i] for i, fold in places]
    columns |= {
        key: [of_all[i] for i, _ in places] for key, of_all in mean_times.items()
    }
    return Table(columns, "fold", results.param_names)


def _table_of_epochs(sources: Sequence[Any], names: Sequence[str] | None) -> Table:
    read = [results_of([x]) if is_search_or_results(x) else None for x in sources]
    tables = [
        epochs_of_net(source) if results is None else epochs_of_search(source, results)
        for source, results in zip(sources, read, strict=True)
    ]
    lengths = [len(table["epoch"]) for table in tables]
    columns: dict[str, list[Any]] = {}
    if names is not None:
        pairs = zip(names, lengths, strict=True)
        columns[MODEL] = [name for name, length in pairs for _ in range(length)]
        tables = _with_params_of_nets(tables, sources)
    for key in _order_epoch_columns(tables):
        columns[key] = []
        for table, length in zip(tables, lengths, strict=True):
            columns[key] += table.get(key, [None] * length)
    full_names = [name for one in read if one is not None for name in one.param_names]
    return Table(columns, "epoch", None if None in read else full_names)


def _with_params_of_nets(
    tables: Sequence[dict[str, list[Any]]], sources: Sequence[Any]
) -> list[dict[str, list[Any]]]:
    """Put the parameters that differ between nets before the epochs of each net."""
    places = [i for i, source in enumerate(sources) if not is_search_or_results(source)]
    taken = {MODEL, *(key for table in tables for key in table)}
    params = params_that_differ([sources[i] for i in places])
    found = list(tables)
    for n, i in enumerate(places):
        length = len(tables[i]["epoch"])
        own = {k: [v[n]] * length for k, v in params.items() if k not in taken}
        found[i] = own | tables[i]
    return found


def _order_epoch_columns(tables: Sequence[Mapping[str, Any]]) -> list[str]:
    """Order the columns of several tables: ids and parameters first, then results."""
    front: dict[str, None] = {}
    for table in tables:
        front |= dict.fromkeys(labels_before("epoch", table))
    recorded = dict.fromkeys(
        key for table in tables for key in table if key not in front
    )
    return [*sorted(front, key=lambda key: key == "fold"), *sort_recorded(recorded)]


def _series_of(cells: Sequence[Any]) -> pd.Series:
    """Return a column with the narrowest dtype for its cells and missing values."""
    present = [cell for cell in cells if cell is not None]
    gaps = len(present) < len(cells)
    kinds = {type(cell) for cell in present}
    if kinds == {str}:
        return pd.Series(cells)  # pandas chooses: str, or object before version 3.0
    dtype = "object"
    if kinds == {bool}:
        dtype = "boolean" if gaps else "bool"
    elif kinds == {int} and max(map(abs, present)) < 2**63:
        dtype = "Int64" if gaps else "int64"
    elif not kinds or (float in kinds and kinds <= {int, float}):
        dtype = "float64"
    return pd.Series(cells, dtype=dtype)

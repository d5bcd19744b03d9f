"""The schema of a table: which columns are ids, parameters, results, scores, ranks.

All modules that make or read a table of results use this module: the frames, the
comparison, the diagnosis, the displays and the pages.
"""

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from skact.results.cv_results import ranked_metrics
from skact.results.result_names import ATTRS_KEY, INDEX_OF_CSV, RESULT_NAME

LEVELS = ("candidate", "fold", "epoch")
MODEL = "model"  # the column that tells several searches or nets apart
# columns that tell training curves apart; run and fit are those of a log
CURVE_IDS = (MODEL, "candidate", "run", "fit", "fold")
# columns that tell rows apart, the largest unit first; only a log has run, fit, refit
_IDS = (MODEL, "candidate", "run", "fit", "refit", "fold", "epoch")
_HALVING_COLUMNS = ("iter", "n_resources")
_ROLES = ("ids", "resources", "params", "results")
# the groups of results that pages draw; other results are details
_GROUPS = {
    "candidate": {
        "time": "mean_fit_time",
        "train": "mean_train_.+",
        "test": "mean_test_.+",
    },
    "fold": {"time": "mean_fit_time", "train": "train_.+", "test": "test_.+"},
    # the same in all epochs of a fit: what `diagnose` reads, and nobody looks at
    "epoch": {
        "recorded": "(?!(dur|input_max|input_median|loss_constant)$).*(?<!_best)"
    },
}
_DETAIL = "split|std_fit_|mean_score_time|std_score_time"
_LOSSES = ("fold_loss", "valid_loss", "train_loss")  # the most informative first


@dataclass(frozen=True)
class Schema:
    """The role of each column of a table.

    Each column is in exactly one of `ids`, `resources`, `params` and `results`, except
    an index that pandas has read from a file as ``Unnamed: 0``.

    Parameters
    ----------
    level : {"candidate", "fold", "epoch"}
        What a row is.
    ids : tuple of str
        Columns that tell rows apart, such as ``candidate`` and ``fold``.
    resources : tuple of str
        ``iter`` and ``n_resources`` of successive halving.
    params : tuple of str
        Hyperparameters that the search tried.
    results : tuple of str
        Ranks, scores, times, and values that callbacks recorded.
    scores : tuple of str
        The results that judge a row; the most important score comes first.
    ranks : tuple of str
        The ranks; the rank by the metric that ranks the search comes first.
    full_names : tuple of str or None, default=None
        The names that the parameters have in the searches, such as ``svc__C``; None if
        they are not known, as of a frame that was read from a file.
    splitter : dict or None, default=None
        What is known of the folds (`skact.results.splitter_facts`).
    """

    level: str
    ids: tuple[str, ...]
    resources: tuple[str, ...]
    params: tuple[str, ...]
    results: tuple[str, ...]
    scores: tuple[str, ...]
    ranks: tuple[str, ...]
    # tables of the same columns have the same roles, however parameters were called
    full_names: tuple[str, ...] | None = field(default=None, compare=False)
    splitter: Mapping[str, Any] | None = field(default=None, compare=False)

    def column_of(self, name: Any) -> Any:
        """Return the column that a name means; a name that means none does not change.

        A name is that of a column, or the name that a parameter has in a search. If
        these names are not known, the last part of a name counts.
        """
        if name in (*self.ids, *self.resources, *self.params, *self.results):
            return name
        is_known = self.full_names is None or name in self.full_names
        return name.rpartition("__")[2] if is_known and isinstance(name, str) else name

    def columns_called(self, name: str) -> list[str]:
        """Return the columns that a name means in any step: ``C`` also ``svc__C``.

        A name that means none is what `column_of` returns.
        """
        full = {self.column_of(one): one for one in self.full_names or ()}
        found = [
            column
            for column in self.params
            if f"__{full.get(column, column)}".endswith(f"__{name}")
        ]
        return found or [self.column_of(name)]

    @property
    def has_models(self) -> bool:
        """Whether the table is of several searches or nets."""
        return MODEL in self.ids

    @property
    def rank(self) -> str:
        """The first rank; empty if the table has no ranks."""
        return self.ranks[0] if self.ranks else ""

    @property
    def rounds(self) -> str:
        """The column whose greatest value comes first, before the rank; or empty."""
        for name in _HALVING_COLUMNS:
            # one without the other is a parameter, unless no parameter has its name
            known = self.full_names or ((name,) if self.full_names is None else ())
            is_param = any(full.rpartition("__")[2] == name for full in known)
            if name in self.resources or (name in self.params and not is_param):
                return name
        return ""

    @property
    def score(self) -> str:
        """The first score; empty if the table has no scores."""
        return self.scores[0] if self.scores else ""

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics of a search; the metric that ranks comes first."""
        return tuple(ranked_metrics(self.ranks))

    def is_loss(self, label: str) -> bool:
        """Whether a column is a loss that callbacks recorded."""
        return self.level == "epoch" and is_name_of_loss(label)

    def is_better_low(self, label: str) -> bool:
        """Whether a small value in a column is better than a large value."""
        return label in self.ranks or self.is_loss(label)

    def beside_score(self, statistic: str) -> str:
        """Return the name of the "std" or "rank" of the first mean score."""
        if self.level != "candidate":
            return ""
        return self.score.replace("mean", statistic, 1)

    def group_of_result(self, label: str) -> str:
        """Return "time", "train", "test" or "recorded"; "" if a result is a detail."""
        for group, pattern in _GROUPS[self.level].items():
            if re.fullmatch(pattern, label):
                return group
        return ""

    @property
    def details(self) -> tuple[str, ...]:
        """Results of candidates that are details: scores of splits, and minor times."""
        return tuple(name for name in self.results if re.match(_DETAIL, name))


def schema_of(labels: Iterable[Any], level: str | None = None) -> Schema:
    """Find the role of each column by the names that `to_frame` gives.

    Parameters
    ----------
    labels : iterable of str
        Names of all columns. The order counts in two places: ``model`` tells several
        searches apart only if it stands before the ids and ranks; columns behind
        ``fold`` or ``epoch`` are results.
    level : {"candidate", "fold", "epoch"}, default=None
        What a row is; None: the names decide.

    Returns
    -------
    Schema
        A column that has no other role is a parameter.

    Examples
    --------
    >>> schema = schema_of(["candidate", "lr", "fold", "epoch", "train_loss"])
    >>> schema.level, schema.params, schema.score
    ('epoch', ('lr',), 'train_loss')
    """
    names = [name for name in map(str, labels) if not INDEX_OF_CSV.fullmatch(name)]
    level = level_of(names) if level is None else level
    ids = _ids_of(names, level)
    ranks = tuple(name for name in names if name.startswith("rank_test_"))
    measured = set(_result_names(names, level, ranks))
    results = tuple(name for name in names if name in measured and name not in ids)
    # a parameter may have the name of one of these columns, and of no halving
    halving = _HALVING_COLUMNS if set(_HALVING_COLUMNS) <= set(names) else ()
    known = {*ids, *results, *halving}
    return Schema(
        level=level,
        ids=ids,
        resources=tuple(name for name in names if name in halving),
        params=tuple(name for name in names if name not in known),
        results=results,
        scores=_scores_of(names, results, level, ranks),
        ranks=ranks,
    )


def keep_schema(frame: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """Write a schema into the ``attrs`` of a frame, which pandas hands on to copies."""
    frame.attrs[ATTRS_KEY] = {
        "level": schema.level,
        "full_names": None if schema.full_names is None else list(schema.full_names),
        "splitter": schema.splitter,
        **{role: list(getattr(schema, role)) for role in _ROLES},
    }
    return frame


def schema_of_frame(frame: pd.DataFrame, level: str | None = None) -> Schema:
    """Find the role of each column of a frame, wherever the columns stand.

    Parameters
    ----------
    frame : DataFrame
        A frame that `to_frame` made, perhaps with fewer rows and columns, columns in
        another order, or columns of the user.
    level : {"candidate", "fold", "epoch"}, default=None
        What a row is; None: the frame decides.

    Returns
    -------
    Schema
        A column of the user is a parameter if it stands before ``fold`` or ``epoch``,
        or if it has one value for all epochs of a fit, or for all folds of a candidate;
        otherwise it is a result. Without
        ``attrs`` (of a frame that was read from a file) see `schema_of`.
    """
    names = [str(label) for label in frame.columns]
    kept = frame.attrs.get(ATTRS_KEY)
    if not (_describes(kept, names) and level in (None, kept["level"])):
        return schema_of(names, level)
    level, full_names = kept["level"], kept.get("full_names")
    roles = {role: [x for x in kept[role] if x in names] for role in _ROLES}
    known = {name for of_role in roles.values() for name in of_role}
    if MODEL in names and MODEL not in known:  # frames that the user put together
        roles["ids"].insert(0, MODEL)
        known.add(MODEL)
    before = () if level == "candidate" else labels_before(level, names)
    units = [name for name in roles["ids"] if name != level and name != "refit"]
    for name, label in zip(names, frame.columns, strict=True):
        if name not in known and not INDEX_OF_CSV.fullmatch(name):
            is_param = level == "candidate" or name in before
            is_param = is_param or _is_constant(frame, label, units)
            roles["params" if is_param else "results"].append(name)
    ranks = tuple(name for name in roles["results"] if name.startswith("rank_test_"))
    return Schema(
        level=level,
        **{role: tuple(of_role) for role, of_role in roles.items()},
        scores=_scores_of(roles["results"], roles["results"], level, ranks),
        ranks=ranks,
        full_names=None if full_names is None else tuple(full_names),
        splitter=splitter_of_frame(frame),
    )


def splitter_of_frame(frame: pd.DataFrame) -> Mapping[str, Any] | None:
    """Return what a frame keeps of the folds of its searches; None: nothing."""
    kept = frame.attrs.get(ATTRS_KEY)
    facts = kept.get("splitter") if isinstance(kept, Mapping) else None
    return facts if isinstance(facts, Mapping) else None


def _describes(kept: Any, names: Sequence[str]) -> bool:
    """Whether kept roles are those of columns with these names."""
    if not isinstance(kept, Mapping) or not {"level", *_ROLES} <= kept.keys():
        return False  # none, or of something else
    if len(set(names)) < len(names):
        return False
    if kept["level"] == "candidate":
        return any(name.startswith("mean_test_") for name in names)
    return kept["level"] in names


def _is_constant(frame: pd.DataFrame, label: Any, units: Sequence[str]) -> bool:
    """Whether a column has one value in each unit: each fit, or each candidate."""
    column = frame[label]
    try:
        if units:
            groups = frame.groupby(list(units), dropna=False, sort=False)[label]
            return bool((groups.nunique(dropna=False) <= 1).all())
        return column.nunique(dropna=False) <= 1
    except TypeError:  # a cell that has no hash
        return False


def level_of(labels: Iterable[Any]) -> str:
    """Find out what a row of a table is, by the names of the columns."""
    names = {str(label) for label in labels}
    if any(name.startswith("mean_test_") for name in names):
        return "candidate"
    if {"candidate", "fold"} <= names and "epoch" not in names:
        return "fold"
    return "epoch" if "epoch" in names else "candidate"


def check_level(level: Any) -> None:
    """Raise ValueError if there is no such level."""
    if level not in (None, *LEVELS):
        raise ValueError(
            f"level must be 'candidate', 'fold', 'epoch' or None; got {level!r}."
        )


def sort_recorded(labels: Iterable[str]) -> list[str]:
    """Sort the columns of a history: the epoch first, its duration last."""
    return sorted(labels, key=lambda label: (label != "epoch") + (label == "dur"))


def labels_before(id_column: str, labels: Iterable[str]) -> list[str]:
    """Return the columns before ``fold`` or ``epoch``; those behind it are results."""
    names = list(labels)
    return names[: names.index(id_column)]


def is_name_of_loss(label: str) -> bool:
    """Whether a recorded column is a loss."""
    return label.endswith("_loss")


def is_name_of_time_or_loss(label: str) -> bool:
    """Whether a column holds times or losses; their deviations are neither."""
    return label.endswith(("_time", "_loss")) and not label.startswith("std_")


def is_name_of_best_flag(label: str) -> bool:
    """Whether a recorded column says if an epoch was the best so far."""
    return label.endswith("_best")


def metric_of_score(label: str) -> str:
    """Return the metric of a column of test scores of folds."""
    return label.removeprefix("test_")


def score_of_metric(metric: str) -> str:
    """Return the column of test scores of folds by a metric."""
    return f"test_{metric}"


def losses_among(labels: Iterable[str]) -> list[str]:
    """Return the losses among columns: on the fold, on validation rows, of training."""
    known = set(labels)
    return [name for name in _LOSSES if name in known]


def _ids_of(names: Sequence[str], level: str) -> tuple[str, ...]:
    if level == "candidate":
        possible: tuple[str, ...] = ()
    elif level == "fold":
        possible = ("candidate", "fold")
    else:
        possible = tuple(name for name in _IDS if name != MODEL)
    found = tuple(name for name in possible if name in names)
    return (MODEL, *found) if _has_model_id(names) else found


def _has_model_id(names: Sequence[str]) -> bool:
    """Whether a column "model" is an id: parameters stand behind ids and ranks."""
    for name in names:
        if name == MODEL or name in _IDS or name.startswith("rank_test_"):
            return name == MODEL
    return False


def _result_names(
    names: Sequence[str], level: str, ranks: Sequence[str]
) -> Iterable[str]:
    """Yield the names of results."""
    yield from (name for name in names if RESULT_NAME.fullmatch(name))
    if level == "fold":
        parts = itertools.product(("test", "train"), ranked_metrics(ranks) or ["score"])
        yield from (f"{part}_{metric}" for part, metric in parts)
    if level != "candidate" and level in names:
        yield from names[len(labels_before(level, names)) + 1 :]


def _scores_of(
    names: Sequence[str], results: Sequence[str], level: str, ranks: Sequence[str]
) -> tuple[str, ...]:
    if level == "epoch":
        return tuple(losses_among(names))
    start = "test_" if level == "fold" else "mean_test_"
    first = [f"{start}{metric}" for metric in ranked_metrics(ranks)[:1]]
    found = [name for name in names if name.startswith(start) and name in results]
    return tuple(sorted(found, key=lambda name: name not in first))

"""Which column of a table is what: a parameter, an id, a score, a result, a rank.

Whoever makes or reads a table of results asks here: the frames, the comparison, the
diagnosis, the displays and the pages.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from skact.results.cv_results import RESULT_NAME

LEVELS = ("candidate", "fold", "epoch")
MODEL = "model"  # the column that tells several searches or nets apart
# what tells rows apart, from the whole to its parts; run, fit and refit are a log's
_IDS = (MODEL, "candidate", "run", "fit", "refit", "fold", "epoch")
_HALVING = ("iter", "n_resources")
_LOSSES = ("fold_loss", "valid_loss", "train_loss")  # the most telling first


@dataclass(frozen=True)
class Schema:
    """What the columns of a table are; every column is one of the first four.

    Parameters
    ----------
    level : {"candidate", "fold", "epoch"}
        What a row is.
    ids : tuple of str
        Columns that tell rows apart, such as ``candidate`` and ``fold``.
    resources : tuple of str
        ``iter`` and ``n_resources``, of successive halving.
    params : tuple of str
        What was tried.
    results : tuple of str
        What came of it: ranks, scores, times, and what callbacks recorded.
    scores : tuple of str
        The results to judge by, the one that counts first.
    ranks : tuple of str
        The ranks, that of the metric that counts first.
    """

    level: str
    ids: tuple[str, ...]
    resources: tuple[str, ...]
    params: tuple[str, ...]
    results: tuple[str, ...]
    scores: tuple[str, ...]
    ranks: tuple[str, ...]

    @property
    def several(self) -> bool:
        """Whether the table is of several searches or nets."""
        return MODEL in self.ids

    @property
    def rank(self) -> str:
        """The rank that counts; empty if there is none."""
        return self.ranks[0] if self.ranks else ""

    @property
    def score(self) -> str:
        """The score that counts; empty if there is none."""
        return self.scores[0] if self.scores else ""

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics of a search, the one that ranks first."""
        return _metrics_of(self.ranks)

    def is_loss(self, label: str) -> bool:
        """Whether callbacks recorded a loss under this name."""
        return self.level == "epoch" and label.endswith("_loss")

    def is_better_low(self, label: str) -> bool:
        """Whether small values of a column are the good ones."""
        return label in self.ranks or self.is_loss(label)


def schema_of(labels: Iterable[Any], level: str | None = None) -> Schema:
    """Tell what the columns of a table are, by the names that frames give them.

    Parameters
    ----------
    labels : iterable of str
        Names of all columns. Their order counts in two places: ``model`` before all
        that one search has tells several apart, and what stands behind ``fold`` or
        ``epoch`` was found there.
    level : {"candidate", "fold", "epoch"}, default=None
        What a row is; None tells it by the names.

    Returns
    -------
    Schema
        What is not known otherwise is a parameter.

    Examples
    --------
    >>> schema = schema_of(["candidate", "lr", "fold", "epoch", "train_loss"])
    >>> schema.level, schema.params, schema.score
    ('epoch', ('lr',), 'train_loss')
    """
    names = [str(label) for label in labels]
    level = level_of(names) if level is None else level
    ids = _ids_of(names, level)
    ranks = tuple(name for name in names if name.startswith("rank_test_"))
    measured = set(_measured(names, level, ranks))
    results = tuple(name for name in names if name in measured and name not in ids)
    halving = _HALVING if set(_HALVING) <= set(names) else ()
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


def level_of(labels: Iterable[Any]) -> str:
    """Tell what the rows of a table are, by the names of its columns."""
    names = {str(label) for label in labels}
    if any(name.startswith("mean_test_") for name in names):
        return "candidate"
    if {"candidate", "fold"} <= names and "epoch" not in names:
        return "fold"
    return "epoch" if "epoch" in names else "candidate"


def check_level(level: Any) -> None:
    """Raise ValueError unless there is such a level."""
    if level not in (None, *LEVELS):
        raise ValueError(
            f"level must be 'candidate', 'fold', 'epoch' or None; got {level!r}."
        )


def recorded_order(labels: Iterable[str]) -> list[str]:
    """Sort what was recorded: the epoch first, and last its time, seldom looked at."""
    return sorted(labels, key=lambda label: (label != "epoch") + (label == "dur"))


def best_losses(labels: Iterable[str]) -> list[str]:
    """Return the losses among some columns: on the fold, held out, of training."""
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
    return (MODEL, *found) if _tells_apart(names) else found


def _tells_apart(names: Sequence[str]) -> bool:
    """Whether a column "model" is no parameter: those stand behind ranks and ids."""
    for name in names:
        if name == MODEL or name in _IDS or name.startswith("rank_test_"):
            return name == MODEL
    return False


def _measured(names: Sequence[str], level: str, ranks: Sequence[str]) -> Iterable[str]:
    """Yield the names of what came of a row."""
    yield from (name for name in names if RESULT_NAME.fullmatch(name))
    if level == "fold":
        parts = itertools.product(("test", "train"), _metrics_of(ranks) or ("score",))
        yield from (f"{part}_{metric}" for part, metric in parts)
    if level != "candidate" and level in names:
        yield from names[list(names).index(level) + 1 :]


def _metrics_of(ranks: Iterable[str]) -> tuple[str, ...]:
    return tuple(rank.removeprefix("rank_test_") for rank in ranks)


def _scores_of(
    names: Sequence[str], results: Sequence[str], level: str, ranks: Sequence[str]
) -> tuple[str, ...]:
    if level == "epoch":
        return tuple(best_losses(names))
    start = "test_" if level == "fold" else "mean_test_"
    first = [f"{start}{metric}" for metric in _metrics_of(ranks)[:1]]
    found = [name for name in names if name.startswith(start) and name in results]
    return tuple(sorted(found, key=lambda name: name not in first))

"""One fit as a training log keeps it, and the interface of the log for its readers."""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from skact._sklearn import callbacks_of
from skact.naming import Scalar
from skact.results.histories import net_of


@dataclass(frozen=True)
class SearchPlace:
    """The place of a fit in a search."""

    search: Any  # identifies the fit of the search
    kind: str  # name of the class of the search
    iteration: int = 0  # of successive halving
    number: int | None = None  # counts candidates and folds; None: the refit


@dataclass(frozen=True)
class LoggedFit:
    """One fit as a log keeps it."""

    run: Any  # identifies the outermost fit around this fit
    searches: tuple[SearchPlace, ...]  # around the fit, the outermost search first
    params: dict[str, Any]  # of the net
    history: dict[str, list[Scalar | None]]  # columns with a cell for each epoch
    began: float = 0.0  # when the outermost fit around it began

    @property
    def is_refit(self) -> bool:
        """Whether this fit is the refit of every search around it; none scores it."""
        return bool(self.searches) and all(
            place.number is None for place in self.searches
        )

    def place_in(self, kind: str) -> SearchPlace | None:
        """Return the place in the innermost search of this class, or None."""
        found = [place for place in self.searches if place.kind == kind]
        return found[-1] if found else None


class FitLog(ABC):
    """A training log as its readers see it."""

    @property
    @abstractmethod
    def fits(self) -> list[LoggedFit]:
        """All logged fits; fits of one run stand together, sorted by their places."""

    @abstractmethod
    def to_frame(self) -> pd.DataFrame:
        """Return a row for each epoch of each fit."""


def log_of(estimator: Any) -> FitLog | None:
    """Return the log that was set on a net inside an estimator, or None."""
    return next(logs_of(estimator), None)


def logs_of(estimator: Any) -> Iterator[FitLog]:
    """Yield the log of each net inside an estimator: of several, the first."""
    for inner in estimators_inside(estimator):
        logs = (one for one in callbacks_of(inner) if isinstance(one, FitLog))
        yield from itertools.islice(logs, 1)


def estimators_inside(estimator: Any) -> Iterator[Any]:
    """Yield an estimator and the estimators among its parameters."""
    yield estimator
    yield net_of(estimator)
    if hasattr(estimator, "get_params") and not isinstance(estimator, type):
        for value in estimator.get_params(deep=True).values():
            if hasattr(value, "get_params") and not isinstance(value, type):
                yield value

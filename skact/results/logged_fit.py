"""One fit, as a training log keeps it, and the log itself as those see it who read."""

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
    """Where in a search a fit stands."""

    search: Any  # identifies the fit of the search
    kind: str  # class of the search
    iteration: int = 0  # of successive halving
    number: int | None = None  # of candidate and fold; None: the refit


@dataclass(frozen=True)
class LoggedFit:
    """One fit, as its log has it."""

    run: Any  # identifies the outermost fit that it belongs to
    searches: tuple[SearchPlace, ...]  # around the fit, the outermost first
    params: dict[str, Any]  # of the net
    history: dict[str, list[Scalar | None]]  # columns, a cell an epoch

    @property
    def is_refit(self) -> bool:
        """Whether searches fitted their best candidate by this, and none scores it."""
        return bool(self.searches) and all(
            place.number is None for place in self.searches
        )

    def place_in(self, kind: str) -> SearchPlace | None:
        """Return the place in the innermost search of this class, if there is one."""
        found = [place for place in self.searches if place.kind == kind]
        return found[-1] if found else None


class FitLog(ABC):
    """What knows the fits of searches: a training log, for those who read it."""

    @property
    @abstractmethod
    def fits(self) -> list[LoggedFit]:
        """All fits there were, those of one run together, sorted by their places."""

    @abstractmethod
    def to_frame(self) -> pd.DataFrame:
        """Return a row for each epoch of each fit."""


def log_of(estimator: Any) -> FitLog | None:
    """Return the log that was set on a net, wherever in an estimator the net is."""
    for part in parts_of(estimator):
        for callback in callbacks_of(part):
            if isinstance(callback, FitLog):
                return callback
    return None


def parts_of(estimator: Any) -> Iterator[Any]:
    """Yield an estimator, and those inside it, as its parameters tell."""
    yield estimator
    yield net_of(estimator)
    if hasattr(estimator, "get_params") and not isinstance(estimator, type):
        for value in estimator.get_params(deep=True).values():
            if hasattr(value, "get_params") and not isinstance(value, type):
                yield value

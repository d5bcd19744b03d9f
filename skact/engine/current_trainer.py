"""Who trains: the engine at once, or a session that collects fits and fuses them."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from skact.engine.jobs import FitJob, Outcome


class Trainer(Protocol):
    """What a fit hands its job to."""

    def fit(self, job: FitJob, outcome: Outcome) -> None:
        """Train the job; what becomes of it, a failure too, goes into the outcome."""
        ...

    def not_served(self, reason: str) -> None:
        """Hear that a fit trains by itself, or by skorch's own loop, and why."""
        ...


# None: nobody collects fits, so each trains at once
_CURRENT: ContextVar[Trainer | None] = ContextVar("skact_trainer", default=None)


def current_trainer() -> Trainer | None:
    """Return the trainer of this context, or None if each fit trains alone."""
    return _CURRENT.get()


@contextmanager
def trained_by(trainer: Trainer | None) -> Iterator[None]:
    """Hand the fits of the block to a trainer."""
    token = _CURRENT.set(trainer)
    try:
        yield
    finally:
        _CURRENT.reset(token)

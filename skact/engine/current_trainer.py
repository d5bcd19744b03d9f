"""The trainer of a context: a session that collects fits, or nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from skact.engine.jobs import FitJob, Outcome


class Trainer(Protocol):
    """An object that trains the jobs of fits."""

    def fit(self, job: FitJob, outcome: Outcome) -> None:
        """Train the job and fill the outcome; an error goes into the outcome too."""
        ...

    def note_not_fused(self, reason: str) -> None:
        """Note that a fit is not fused, and why."""
        ...

    def note_failed(self, error: Exception, *, in_training: bool) -> None:
        """Note that a fit has failed."""
        ...


# None: no session collects fits, so each fit trains at once
_CURRENT: ContextVar[Trainer | None] = ContextVar("skact_trainer", default=None)


def current_trainer() -> Trainer | None:
    """Return the trainer of this context, or None if each fit trains by itself."""
    return _CURRENT.get()


@contextmanager
def hand_fits_to(trainer: Trainer | None) -> Iterator[None]:
    """Hand the fits of the block to a trainer."""
    token = _CURRENT.set(trainer)
    try:
        yield
    finally:
        try:
            _CURRENT.reset(token)
        except ValueError as error:
            raise RuntimeError(
                "The block was left in another context than entered (see contextvars), "
                "such as another task of asyncio."
            ) from error


@contextmanager
def note_failure(*, in_training: bool) -> Iterator[None]:
    """Tell the trainer of this context if the fit in the block fails."""
    try:
        yield
    except Exception as error:
        trainer = current_trainer()
        if trainer is not None:
            trainer.note_failed(error, in_training=in_training)
        raise

"""Tasks of joblib that run in greenlets: what each is, and whose state is in force."""

import itertools
import time
from collections.abc import Callable
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import greenlet

from skact._sklearn import FIT_AND_SCORE
from skact.engine.jobs import EpochRecord, Hooks


@dataclass(eq=False)
class Call:
    """One call of ``joblib.Parallel``: if one of its tasks fails, it gives up."""

    context: Context = field(default_factory=copy_context)


@dataclass(eq=False)
class Group:
    """Tasks that somebody waits for together."""

    open: set["Task"] = field(default_factory=set)  # not ended yet
    # Tasks that wait for the others. Usually there is none (the hub waits), or one that
    # is not in the group; but generators that joblib returns can be read anywhere.
    waiters: set["Task"] = field(default_factory=set)
    cost: float = 0.0  # what the tasks that ended have cost since somebody looked
    fitted: bool = False  # whether a net was fitted in one of them

    def over(self) -> bool:
        """Whether all have ended but those that wait."""
        return not self.open - self.waiters

    def over_for(self, waiter: "Task") -> bool:
        """Whether a waiter may go on; if not, it will be woken when it may."""
        self.waiters.add(waiter)
        return self.over()


@dataclass(frozen=True)
class Pause:
    """A time in which a task did not run."""

    begin: float
    end: float
    cost: float  # what was done for this task meanwhile, in seconds

    @property
    def excess(self) -> float:
        """Seconds that went by and were spent on others."""
        return self.end - self.begin - self.cost


@dataclass(eq=False)
class Task:
    """One task of joblib, which runs in a greenlet."""

    func: Callable[[], Any]
    group: Group
    call: Call
    callback: Callable[["Task"], Any] = lambda task: None  # hears of its end
    level: int = 0  # how deeply its Parallel is nested in others
    result: Any = None
    error: Exception | None = None
    place: greenlet.greenlet | None = None  # where it runs; None: not yet, or no more
    pauses: list[Pause] = field(default_factory=list)
    cost: float = 0.0  # its own running time, and its share of training
    fitted: bool = False  # whether a net was fitted in it
    in_hook: bool = False  # whether training waits for it
    cancelled: bool = False

    def run(self) -> None:
        """Do the work; Ctrl-C and its like surface in the greenlet of the loop."""
        begin = time.perf_counter()
        try:
            self.result = self.func()
        except Exception as error:
            self.error = error
        excess = sum(pause.excess for pause in self.pauses)
        self.cost = time.perf_counter() - begin - excess
        if self.pauses:
            correct_times(self.result, self.pauses, begin)

    def give_up(self) -> None:
        """Be cancelled: whoever still waits for the result gets an error."""
        self.cancelled = True
        self.error = RuntimeError(
            "This task of joblib was cancelled, because another one failed or the "
            "results are no longer wanted."
        )


def correct_times(result: Any, pauses: list[Pause], begin: float) -> None:
    """Take the waiting for others out of what scikit-learn measured around ``fit``.

    scikit-learn has no hook for it, but its result passes through here. Whatever does
    not look like it is left alone.
    """
    if not (isinstance(result, list) and len(result) == 1):
        return
    (measured,) = result
    if not isinstance(measured, dict) or not (measured.keys() >= FIT_AND_SCORE):
        return
    keys = ["fit_time", "score_time"]
    edges = itertools.accumulate([begin, *(measured[key] for key in keys)])
    for key, (start, end) in zip(keys, itertools.pairwise(edges), strict=True):
        # fitting began a little later than the task: the middle of a pause is safe
        excess = sum(p.excess for p in pauses if start < (p.begin + p.end) / 2 < end)
        measured[key] = max(measured[key] - excess, 0.0)


@dataclass(frozen=True)
class Reply:
    """What came of a hook."""

    value: Any = None
    error: BaseException | None = None

    @classmethod
    def of(cls, hook: Callable[[], Any]) -> "Reply":
        """Run the hook."""
        try:
            return cls(value=hook())
        except BaseException as error:  # Ctrl-C, too, is for who called `train`
            return cls(error=error)


class HooksOfTask:
    """Hooks of a parked fit, called by the engine, but run where the fit is parked.

    So they find the configuration, filters and context variables of their own fit.
    """

    def __init__(self, hooks: Hooks, resume: Callable[[Any], Reply]) -> None:
        self.hooks, self.resume = hooks, resume
        self.changes, self.evaluation = hooks.changes, hooks.evaluation

    def epoch_begin(self) -> None:
        """Run before an epoch."""
        self._run(self.hooks.epoch_begin)

    def epoch_end(self, record: EpochRecord) -> bool:
        """Run after an epoch; whether this fit shall stop."""
        return self._run(partial(self.hooks.epoch_end, record))

    def _run(self, hook: Callable[[], Any]) -> Any:
        reply = self.resume(hook)
        if reply.error is not None:
            raise reply.error
        return reply.value

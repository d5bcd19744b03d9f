"""Tasks of joblib that run in greenlets, and the hooks of fits that wait in them."""

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

Surroundings = tuple[Any, Any, str | None]  # stdout, stderr, working directory


@dataclass(eq=False)
class ParallelCall:
    """One call of ``joblib.Parallel``; the call ends when one of its tasks fails."""

    context: Context = field(default_factory=copy_context)


@dataclass(eq=False)
class Group:
    """Tasks that one caller waits for together."""

    # A dict keeps the order of the tasks, and a set does not.
    unfinished: dict["Task", None] = field(default_factory=dict)
    # Tasks that wait for the group. Usually the hub waits, or a task outside the group.
    # But a task of the group may wait, too: it may read a generator of joblib.
    waiters: set["Task"] = field(default_factory=set)
    cost: float = 0.0  # costs of the tasks that ended since the last waiter began
    has_fitted: bool = False  # whether a task of the group has fitted a net

    def is_over(self) -> bool:
        """Whether no task is unfinished but those that wait for the group."""
        return not self.unfinished.keys() - self.waiters


@dataclass(frozen=True)
class Pause:
    """A time in which a task did not run."""

    begin: float
    end: float
    cost: float  # seconds of the pause in which work for this task was done

    @property
    def excess(self) -> float:
        """Seconds of the pause in which work for other tasks was done."""
        return self.end - self.begin - self.cost


@dataclass(eq=False)
class Task:
    """One task of joblib, which runs in a greenlet."""

    func: Callable[[], Any]
    group: Group
    parallel_call: ParallelCall
    callback: Callable[["Task"], Any] = lambda task: None  # called when the task ends
    level: int = 0  # how deeply the Parallel of the task is nested in others
    result: Any = None
    error: Exception | None = None
    own_greenlet: greenlet.greenlet | None = (
        None  # None before the start and at the end
    )
    pauses: list[Pause] = field(default_factory=list)
    cost: float = 0.0  # own running time, and the task's share of training
    has_fitted: bool = False  # whether the task has fitted a net
    surroundings: Surroundings | None = None  # if it has set its own
    is_in_hook: bool = False  # whether training waits for a hook in this task
    is_cancelled: bool = False

    def run(self) -> None:
        """Run the function; Ctrl-C and SystemExit go on to the hub."""
        begin = time.perf_counter()
        try:
            self.result = self.func()
        except Exception as error:
            self.error = error
        excess = sum(pause.excess for pause in self.pauses)
        self.cost = time.perf_counter() - begin - excess
        if self.pauses:
            correct_times(self.result, self.pauses, begin)

    def mark_cancelled(self) -> None:
        """Make an error the result of this task."""
        self.is_cancelled = True
        self.error = RuntimeError(
            "This task of joblib was cancelled, because another task failed or nobody "
            "wants the results any more."
        )


def correct_times(result: Any, pauses: list[Pause], begin: float) -> None:
    """Subtract the work for other tasks from the times that scikit-learn measured.

    scikit-learn has no hook for this, but a task returns the result of
    ``_fit_and_score``. A result of another kind stays as it is.
    """
    if not (isinstance(result, list) and len(result) == 1):
        return
    (measured,) = result
    if not isinstance(measured, dict) or not (measured.keys() >= FIT_AND_SCORE):
        return
    keys = ["fit_time", "score_time"]
    edges = itertools.accumulate([begin, *(measured[key] for key in keys)])
    for key, (start, end) in zip(keys, itertools.pairwise(edges), strict=True):
        # scikit-learn's clock starts a little after `begin`, so the ends of a pause may
        # lie on the wrong side of an edge: the middle of the pause decides
        excess = sum(p.excess for p in pauses if start < (p.begin + p.end) / 2 < end)
        measured[key] = max(measured[key] - excess, 0.0)


@dataclass(frozen=True)
class Reply:
    """What a hook returned or raised."""

    value: Any = None
    error: BaseException | None = None

    @classmethod
    def from_hook(cls, hook: Callable[[], Any]) -> "Reply":
        """Run the hook."""
        try:
            return cls(value=hook())
        except BaseException as error:  # Ctrl-C, too: the caller of `train` gets it
            return cls(error=error)


class HooksOfTask:
    """Hooks of a parked fit: the engine calls them, and they run in the fit's task.

    There the hooks find the configuration, the filters of warnings and the context
    variables of their own fit.
    """

    def __init__(self, hooks: Hooks, run_in_task: Callable[[Any], Reply]) -> None:
        self.hooks, self.run_in_task = hooks, run_in_task
        self.needs_live_network = hooks.needs_live_network
        self.wants_gradients = hooks.wants_gradients

    def epoch_begin(self) -> bool:
        """Run the fit's hook before an epoch; return whether the fit shall stop."""
        return self._run_hook(self.hooks.epoch_begin)

    def epoch_end(self, record: EpochRecord) -> bool:
        """Run the fit's hook after an epoch; return whether the fit shall stop."""
        return self._run_hook(partial(self.hooks.epoch_end, record))

    def _run_hook(self, hook: Callable[[], Any]) -> Any:
        reply = self.run_in_task(hook)
        if reply.error is not None:
            raise reply.error
        return reply.value

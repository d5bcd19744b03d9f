"""Fits that wait for each other: each runs in a greenlet, and all train together.

A task of joblib becomes a greenlet. When it reaches ``fit`` it parks: it hands its job
to the session and switches away. When every task is parked, the session trains all jobs
in one call of the engine and lets the tasks go on. One greenlet, the hub, runs the
loop: it is whoever called the outermost ``joblib.Parallel``.
"""

import heapq
import itertools
import os
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import greenlet

from skact.backend.progress import ProgressBar
from skact.backend.report import Report
from skact.backend.tasks import Group, HooksOfTask, Pause, Reply, Task
from skact.backend.thread_state import own_state
from skact.engine.current_trainer import trained_by
from skact.engine.jobs import FitJob, Outcome, Progress, Training
from skact.exceptions import copied

# A parked task keeps its rows of X; a transformer before the net keeps them once more.
# How many transformers there are, a fit cannot know.
_COPIES_OF_X = 2


class Train(Protocol):
    """The engine's `train`."""

    def __call__(
        self,
        jobs: Sequence[FitJob],
        *,
        outcomes: Sequence[Outcome] | None = None,
        n_threads: int | None = None,
        progress: Progress | None = None,
    ) -> Training:
        """Train all jobs."""
        ...


def default_memory() -> int:
    """Return a quarter of the memory of this machine, or of this container."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError):  # Windows
        total = 4 * 2**30
    with suppress(OSError, ValueError):  # no container, or no limit: "max"
        total = min(total, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return total // 4


class Session:
    """Runs tasks, collects their fits, and trains them together.

    A fit outside any task, or in another thread, trains at once.

    Parameters
    ----------
    train : callable
        Trains a list of jobs: the engine's `train`.
    memory : int, default=None
        Bytes that tasks may keep while they wait; None: a quarter of what there is.
    n_threads : int, default=None
        For `train`.
    progress : ProgressBar, default=None
        Counts the epochs.

    Attributes
    ----------
    report : Report
        What has been done so far.
    """

    def __init__(
        self,
        train: Train,
        memory: int | None = None,
        n_threads: int | None = None,
        progress: ProgressBar | None = None,
    ) -> None:
        self.train, self.n_threads = train, n_threads
        self.memory = default_memory() if memory is None else memory
        self.progress = progress
        self.report = Report()
        self.thread = threading.get_ident()
        self._hub: greenlet.greenlet | None = None
        # deepest first: who waits for a nested Parallel holds memory, too
        self._unstarted: list[tuple[int, int, Task]] = []
        self._awake: deque[tuple[Task, Any]] = deque()  # and what each goes on with
        self._parked: list[tuple[Task, FitJob, Outcome]] = []
        self._started: set[Task] = set()  # and not ended
        self._largest = 0  # bytes of the largest job since the loop began
        self._order = itertools.count()

    # ---------------------------------------------------------------- for fits

    def fit(self, job: FitJob, outcome: Outcome) -> None:
        """Train a job together with those of other tasks, or at once outside a task."""
        task = self._current_task()
        if task is None:
            self._fit_alone(job, outcome)
            return
        task.fitted = True
        self._largest = max(self._largest, job.nbytes)
        self._parked.append((task, job, outcome))
        begin = time.perf_counter()
        message = self._leave(task)
        while message is not outcome:  # a hook
            task.in_hook = True
            reply = Reply.of(message)
            task.in_hook = False
            message = self._leave(task, reply)
        task.pauses.append(Pause(begin, time.perf_counter(), outcome.seconds))

    def not_served(self, reason: str) -> None:
        """Note that a fit is not fused, and why."""
        task = self._current_task()
        if task is not None:
            task.fitted = True
        self.report += Report(not_fused=Counter([reason]))

    def _fit_alone(self, job: FitJob, outcome: Outcome) -> None:
        self._train([job], [outcome])
        self.report += Report(
            alone_seconds=(outcome.seconds,), failed=_kinds([outcome])
        )

    # ---------------------------------------------------------------- for backends

    def submit(self, task: Task) -> None:
        """Queue a task; it starts when somebody waits for its group."""
        task.group.open.add(task)
        heapq.heappush(self._unstarted, (-task.level, next(self._order), task))

    def wait(self, group: Group) -> None:
        """Return when all tasks of a group have ended."""
        task = self._current_task()
        if task is None:
            self._loop(group)
            return
        begin, group.cost = time.perf_counter(), 0.0
        try:
            while not group.over_for(task):
                self._leave(task)
        finally:
            group.waiters.discard(task)
        task.pauses.append(Pause(begin, time.perf_counter(), group.cost))
        task.fitted |= group.fitted

    def cancel(self, tasks: Iterable[Task]) -> None:
        """End tasks where they are; whoever waits for them hears of it."""
        if self._at_work_elsewhere():
            return  # only that thread can reach them
        doomed = set(tasks)
        self._parked = [entry for entry in self._parked if entry[0] not in doomed]
        self._awake = deque(entry for entry in self._awake if entry[0] not in doomed)
        self._unstarted = [entry for entry in self._unstarted if entry[2] not in doomed]
        heapq.heapify(self._unstarted)
        for task in doomed:
            task.give_up()
            here, place = greenlet.getcurrent(), task.place
            if place is not None and not place.dead and place is not here:
                place.parent = here
                with own_state():
                    place.throw(greenlet.GreenletExit)
            self._end(task)

    # ---------------------------------------------------------------- the loop

    def _current_task(self) -> Task | None:
        """Return the task that may wait here; None in the hub and in a hook.

        A hook cannot wait for the training that waits for it.
        """
        session: Session | None
        task: Task | None
        here = greenlet.getcurrent()
        session, task = getattr(here, "session_and_task", (None, None))
        if session is not self or task is None or task.in_hook:
            return None
        if task.cancelled:  # it was told to end, and went on
            raise greenlet.GreenletExit
        return task

    def _at_work_elsewhere(self) -> bool:
        return self._hub is not None and self.thread != threading.get_ident()

    def _loop(self, group: Group) -> None:
        if self._at_work_elsewhere():
            raise RuntimeError(
                "This session of skact.fused() is at work in another thread: open one "
                "in each thread."
            )
        if self._hub is None:
            self._largest = 0
        self.thread = threading.get_ident()
        outer, self._hub = self._hub, greenlet.getcurrent()
        try:
            while group.open:
                self._step()
        finally:
            self._hub = outer

    def _step(self) -> None:
        if self._awake:  # first those that may end and free memory
            self._run(*self._awake.popleft())
        elif self._unstarted and (self._has_room() or not self._parked):
            _, _, task = heapq.heappop(self._unstarted)
            self._start(task)
        else:
            assert self._parked, "tasks of joblib wait, but nothing can run"
            self._train_parked()

    def _has_room(self) -> bool:
        needed = (len(self._started) + 1) * self._largest * _COPIES_OF_X
        return needed <= self.memory

    def _start(self, task: Task) -> None:
        def run(_: None) -> None:
            with trained_by(self):
                task.run()

        place: Any = greenlet.greenlet(run)
        place.gr_context = task.call.context.copy()
        place.session_and_task = self, task
        task.place = place
        self._started.add(task)
        self._run(task)

    def _run(self, task: Task, message: Outcome | None = None) -> None:
        """Let a task run until it waits or ends."""
        self._resume(task, message)
        if task.place is not None and task.place.dead:
            self._end(task)

    def _resume(self, task: Task, message: Any) -> Any:
        assert task.place is not None
        # it comes back here, also when it ends or dies of Ctrl-C
        task.place.parent = greenlet.getcurrent()
        with own_state():
            return task.place.switch(message)

    def _leave(self, task: Task, message: Any = None) -> Any:
        """Switch from a task back to whoever resumed it, until it is resumed again."""
        assert task.place is not None
        assert task.place.parent is not None
        with own_state():
            return task.place.parent.switch(message)

    def _end(self, task: Task) -> None:
        group = task.group
        task.place = None  # they refer to each other
        self._started.discard(task)
        group.open.discard(task)
        group.cost += task.cost
        group.fitted |= task.fitted
        if not task.cancelled:
            self.report += Report(tasks=1, tasks_without_fit=int(not task.fitted))
        task.callback(task)  # joblib submits the next ones now, or gives up
        if task.error is not None and not task.cancelled:
            self.cancel([other for other in group.open if other.call is task.call])
        if group.waiters and group.over():
            self._awake.extend((waiter, None) for waiter in group.waiters)
            group.waiters.clear()

    # ---------------------------------------------------------------- training

    def _train_parked(self) -> None:
        parked, self._parked = self._parked, []
        tasks, jobs, outcomes = zip(*parked, strict=True)
        begin, stacks = time.perf_counter(), []
        try:
            hooked = list(map(self._with_own_hooks, tasks, jobs))
            stacks = self._train(hooked, outcomes).stacks
        except Exception as error:  # of the engine itself: then it is one of each fit
            for outcome in outcomes:
                outcome.error = copied(error)
        self.report += Report(
            stacks=tuple(stacks),
            fit_seconds=tuple(outcome.seconds for outcome in outcomes),
            waves=1,
            early_waves=int(bool(self._unstarted)),
            seconds=time.perf_counter() - begin,
            failed=_kinds(outcomes),
        )
        self._awake.extend(zip(tasks, outcomes, strict=True))

    def _train(self, jobs: Sequence[FitJob], outcomes: Sequence[Outcome]) -> Training:
        options: dict[str, Any] = {"outcomes": outcomes, "n_threads": self.n_threads}
        if self.progress is None:
            return self.train(jobs, **options)
        with self.progress.work(sum(job.n_epochs for job in jobs)) as advance:
            return self.train(jobs, **options, progress=advance)

    def _with_own_hooks(self, task: Task, job: FitJob) -> FitJob:
        if job.hooks is None:
            return job
        return replace(job, hooks=HooksOfTask(job.hooks, partial(self._resume, task)))


def _kinds(outcomes: Sequence[Outcome]) -> Counter[str]:
    """Count errors by kind."""
    kinds = Counter(type(o.error).__name__ for o in outcomes if o.error is not None)
    kinds["DivergedError"] += sum(o.diverged is not None for o in outcomes)
    return +kinds  # none counts nothing

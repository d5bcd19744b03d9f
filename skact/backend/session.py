"""A session: it collects the fits of many tasks and trains all of them together.

Each task of joblib runs in a greenlet. When the task reaches ``fit``, the task parks:
it gives its job to the session and switches to the hub. When all tasks are parked, the
session trains all jobs in one wave, with one call of the engine. Then the tasks go on.
The hub is the greenlet that runs the loop: the one in which the outermost
``joblib.Parallel`` was called.
"""

import heapq
import itertools
import os
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import greenlet

from skact.backend.progress import ProgressBar
from skact.backend.report import Report
from skact.backend.tasks import Group, Pause, Reply, Task
from skact.backend.thread_state import preserve_thread_state, switch_surroundings
from skact.backend.waiting_memory import WaitingMemory
from skact.backend.wave import Wave
from skact.engine.current_trainer import hand_fits_to
from skact.engine.jobs import FitJob, Outcome, StackReport, Training
from skact.exceptions import copy_error
from skact.threads import use_one_thread

# `engine.train.train`, or `TrainWithWorkers`, which takes `n_processes`, too
Train = Callable[..., Training]


def default_memory() -> int:
    """Return a quarter of the memory of this machine, or of this container."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError):  # Windows
        total = 4 * 2**30
    with suppress(OSError, ValueError):  # no container, or "max": no limit
        total = min(total, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return total // 4


class Session:
    """Runs tasks, collects their fits, and trains the fits together.

    A fit outside any task, or in another thread, trains at once.

    Parameters
    ----------
    train : callable
        Trains a list of jobs: the engine's `train`.
    memory : int, default=None
        Bytes that tasks may keep while they wait; None: a quarter of the memory.
    n_threads : int, default=None
        Threads that `train` may use; None: as many as torch uses.
    progress : ProgressBar, default=None
        Counts the epochs.
    n_processes : int, default=1
        Most processes that train, this one included. If there are more than one,
        `train` is a `TrainWithWorkers`.

    Attributes
    ----------
    asked_n_processes : int or None
        What the search in the block asks for; None: as many as `n_processes`.
    report : Report
        What the session has done so far.
    """

    def __init__(
        self,
        train: Train,
        memory: int | None = None,
        n_threads: int | None = None,
        progress: ProgressBar | None = None,
        n_processes: int = 1,
    ) -> None:
        self.train, self.n_threads = train, n_threads
        self.n_processes = n_processes
        # workers may begin with a fit before its wave
        self._ahead: Any = train if n_processes > 1 else None
        self.asked_n_processes: int | None = None
        self.memory = default_memory() if memory is None else memory
        self.progress = progress
        self.report = Report()
        self._report_lock = threading.Lock()  # fits of other threads add to it, too
        self.thread_id = threading.get_ident()
        self._hub: greenlet.greenlet | None = None  # None: the loop does not run
        # a heap, deepest level first: a task that waits for a nested Parallel holds
        # memory, too
        self._unstarted: list[tuple[int, int, Task]] = []
        # tasks that can go on, and the message that each gets from its switch
        self._resumable: deque[tuple[Task, Any]] = deque()
        self._parked: list[tuple[Task, FitJob, Outcome]] = []
        self._running: dict[Task, None] = {}  # started, and not ended, in order
        self._held = WaitingMemory()  # since the outermost loop began
        self._submission_numbers = itertools.count()

    # ---------------------------------------------------------------- for fits

    def fit(self, job: FitJob, outcome: Outcome) -> None:
        """Train a job together with jobs of other tasks; outside a task, at once."""
        task = self._current_task()
        if task is None:
            self._fit_alone(job, outcome)
            return
        task.has_fitted = True
        self._held.hold(task, job)
        self._parked.append((task, job, outcome))
        if self._unstarted and self._ahead is not None:
            self._ahead.begin(job, outcome, self._count_processes())
        begin = time.perf_counter()
        with use_one_thread():  # as hooks have it when a fit trains by itself
            message = self._switch_to_hub(task)
            while message is not outcome:  # then the message is a hook
                task.is_in_hook = True
                reply = Reply.from_hook(message)
                task.is_in_hook = False
                message = self._switch_to_hub(task, reply)
        task.pauses.append(Pause(begin, time.perf_counter(), outcome.seconds))

    def note_not_fused(self, reason: str) -> None:
        """Report that a fit is not fused, and the reason."""
        task = self._current_task()
        if task is not None:
            task.has_fitted = True
        self.add_report(Report(not_fused=Counter([reason])))

    def note_failed(self, error: Exception, *, in_training: bool) -> None:
        """Report that a fit has failed, and the error."""
        task = self._current_task()
        if task is not None:
            task.has_fitted = True
        name = type(error).__name__
        if in_training:
            self.add_report(Report(failed=Counter([name])))
        else:
            self.add_report(Report(failed_early=Counter([f"{name}: {error}"])))

    def add_report(self, report: Report) -> None:
        """Add to the report what was done."""
        with self._report_lock:
            self.report += report

    def _fit_alone(self, job: FitJob, outcome: Outcome) -> None:
        try:
            self._call_engine([job], [outcome], [])
        except BaseException:  # Ctrl-C, too
            self.add_report(Report(interrupted=(len(outcome.records),)))
            raise
        self.add_report(
            Report(alone_seconds=(outcome.seconds,), alone=Counter([self._why_alone()]))
        )

    def _why_alone(self) -> str:
        if self.thread_id != threading.get_ident():
            return "in another thread than the block"
        if hasattr(greenlet.getcurrent(), "session_and_task"):
            return "in a callback of another fit"
        return "outside joblib.Parallel, such as a refit"

    # ---------------------------------------------------------------- for backends

    def submit(self, task: Task) -> None:
        """Queue a task; the task starts when a caller waits for its group."""
        task.group.unfinished[task] = None
        number = next(self._submission_numbers)
        heapq.heappush(self._unstarted, (-task.level, number, task))

    def wait(self, group: Group) -> None:
        """Return when all tasks of a group have ended."""
        task = self._current_task()
        if task is None:
            self._run_until_over(group)
            return
        begin, group.cost = time.perf_counter(), 0.0
        try:
            group.waiters.add(task)
            while not group.is_over():
                self._switch_to_hub(task)
                group.waiters.add(task)  # `_end_task` has removed all waiters
        finally:
            group.waiters.discard(task)
        task.pauses.append(Pause(begin, time.perf_counter(), group.cost))
        task.has_fitted |= group.has_fitted

    def cancel(self, tasks: Iterable[Task]) -> None:
        """End tasks where they stand; an error becomes the result of each."""
        if self._is_running_in_another_thread():
            return
        if self.thread_id != threading.get_ident():
            # greenlets cannot be reached from outside their thread: they go on there
            tasks = [task for task in tasks if task.own_greenlet is None]
        ended = dict.fromkeys(tasks)  # each once, in the order of the tasks
        for task, _, outcome in self._parked:
            if task in ended and self._ahead is not None:
                self._ahead.forget(outcome)
        self._parked = [entry for entry in self._parked if entry[0] not in ended]
        self._resumable = deque(
            entry for entry in self._resumable if entry[0] not in ended
        )
        self._unstarted = [entry for entry in self._unstarted if entry[2] not in ended]
        heapq.heapify(self._unstarted)
        interrupt: BaseException | None = None
        for task in [*ended, *ended]:  # again, where Ctrl-C came once more
            if task.is_cancelled and task.own_greenlet is None:
                continue
            try:
                task.mark_cancelled()
                self._throw_into(task)
                self._end_task(task)
            except BaseException as error:  # all tasks end nevertheless
                interrupt = error
        if interrupt is not None:
            raise interrupt

    def end_running_tasks(self) -> None:
        """End all tasks that have begun, also if joblib did not come to cancel them."""
        if not self._is_running_in_another_thread():
            self.cancel(list(self._running))

    def _throw_into(self, task: Task) -> None:
        """End the greenlet of a task."""
        here, other = greenlet.getcurrent(), task.own_greenlet
        if other is None or other.dead or other is here:
            return
        other.parent = here
        with preserve_thread_state(), switch_surroundings(task):
            other.throw(greenlet.GreenletExit)

    # ---------------------------------------------------------------- the loop

    def _current_task(self) -> Task | None:
        """Return the task that may wait here; None in the hub and in a hook.

        A hook cannot wait for training, because training waits for the hook.
        """
        session: Session | None
        task: Task | None
        here = greenlet.getcurrent()
        session, task = getattr(here, "session_and_task", (None, None))
        if session is not self or task is None or task.is_in_hook:
            return None
        if task.is_cancelled:  # the task caught GreenletExit and went on
            raise greenlet.GreenletExit
        return task

    def _is_running_in_another_thread(self) -> bool:
        return self._hub is not None and self.thread_id != threading.get_ident()

    def _run_until_over(self, group: Group) -> None:
        """Be the hub until all tasks of a group have ended."""
        if self._is_running_in_another_thread():
            raise RuntimeError(
                "This session of skact.fused() is at work in another thread: open one "
                "in each thread."
            )
        if self._hub is None:
            self._held = WaitingMemory()
        self.thread_id = threading.get_ident()
        outer_hub, self._hub = self._hub, greenlet.getcurrent()
        try:
            while group.unfinished:
                self._run_next()
        except (
            BaseException
        ):  # Ctrl-C, which may be pressed again before joblib cancels
            if outer_hub is None:
                self.end_running_tasks()
            raise
        finally:
            self._hub = outer_hub
            if outer_hub is None and self._ahead is not None:
                self._ahead.close()

    def _run_next(self) -> None:
        """Resume a task, start a task, or train a wave: the first that is possible."""
        if self._resumable:  # these first: they may end and free memory
            self._run_task(*self._resumable.popleft())
        elif self._unstarted and (self._has_room_for_a_task() or not self._parked):
            _, _, task = heapq.heappop(self._unstarted)
            self._start_task(task)
        else:
            assert self._parked, "tasks of joblib wait, but nothing can run"
            self._train_parked()

    def _has_room_for_a_task(self) -> bool:
        return self._held.has_room_for_a_task(len(self._running), self.memory)

    def _start_task(self, task: Task) -> None:
        def run(_: None) -> None:
            with hand_fits_to(self):
                task.run()

        started: Any = greenlet.greenlet(run)
        started.gr_context = task.parallel_call.context.copy()
        started.session_and_task = self, task
        task.own_greenlet = started
        self._running[task] = None
        self._run_task(task)

    def _run_task(self, task: Task, message: Outcome | None = None) -> None:
        """Let a task run until the task waits or ends."""
        self._switch_to_task(task, message)
        if task.own_greenlet is not None and task.own_greenlet.dead:
            self._end_task(task)

    def _switch_to_task(self, task: Task, message: Any) -> Any:
        """Give a message to a task; return the message that the task gives back."""
        assert task.own_greenlet is not None
        # a greenlet that ends, or dies of Ctrl-C, switches to its parent
        task.own_greenlet.parent = greenlet.getcurrent()
        with preserve_thread_state(), switch_surroundings(task):
            return task.own_greenlet.switch(message)

    def _switch_to_hub(self, task: Task, message: Any = None) -> Any:
        """Give a message to the hub; return the message that the hub gives back."""
        assert task.own_greenlet is not None
        assert task.own_greenlet.parent is not None
        with preserve_thread_state():
            return task.own_greenlet.parent.switch(message)

    def _end_task(self, task: Task) -> None:
        group = task.group
        task.own_greenlet = None  # the greenlet refers to the task, too
        self._running.pop(task, None)
        self._held.release(task)
        group.unfinished.pop(task, None)
        group.cost += task.cost
        group.has_fitted |= task.has_fitted
        if task.is_cancelled:
            self.add_report(Report(cancelled=1))
        else:
            without_fit = int(not task.has_fitted)
            self.add_report(Report(tasks=1, tasks_without_fit=without_fit))
        task.callback(task)  # joblib submits its next tasks now, or cancels all
        if task.error is not None and not task.is_cancelled:
            call = task.parallel_call
            self.cancel([one for one in group.unfinished if one.parallel_call is call])
        if group.waiters and group.is_over():
            self._resumable.extend((waiter, None) for waiter in group.waiters)
            group.waiters.clear()

    # ---------------------------------------------------------------- training

    def _train_parked(self) -> None:
        wave = Wave(self._parked, self._switch_to_task, self._end_task)
        self._parked = []
        jobs, outcomes = wave.jobs, wave.outcomes
        begin, is_whole = time.perf_counter(), False
        is_early = bool(self._unstarted)
        stacks: list[StackReport] = []
        training = Training([], stacks)
        try:
            training = self._call_engine(jobs, outcomes, stacks, wave.let_ended_go_on)
            is_whole = True
        except Exception as error:  # of the engine itself: each fit gets a copy
            for outcome in outcomes:
                outcome.error = copy_error(error)
            is_whole = True
        finally:  # also after Ctrl-C
            ended = [o for o in outcomes if is_whole or o.is_over]
            cut_off = [o for o in outcomes if not (is_whole or o.is_over) and o.records]
            self.add_report(
                Report(
                    stacks=tuple(stacks),
                    fit_seconds=tuple(outcome.seconds for outcome in ended),
                    waves=1,
                    early_waves=int(is_early),
                    seconds=time.perf_counter() - begin - wave.seconds_of_tasks,
                    interrupted=tuple(len(outcome.records) for outcome in cut_off),
                    on_workers=training.n_elsewhere,
                    lost=training.n_lost,
                )
            )
        self._resumable.extend(wave.end())

    def _count_processes(self) -> int:
        return min(self.asked_n_processes or self.n_processes, self.n_processes)

    def _call_engine(
        self,
        jobs: Sequence[FitJob],
        outcomes: Sequence[Outcome],
        stacks: list[StackReport],
        when_over: Callable[[], None] | None = None,
    ) -> Training:
        options: dict[str, Any] = {
            "outcomes": outcomes,
            "stacks": stacks,
            "n_threads": self.n_threads,
        }
        if self.n_processes > 1:
            options["n_processes"] = self._count_processes()
            options["when_over"] = when_over
        if self.progress is None:
            return self.train(jobs, **options)
        with self.progress.count_work(sum(job.n_epochs for job in jobs)) as advance:
            return self.train(jobs, **options, progress=advance)

"""A session: it collects the fits of many tasks and trains all of them together.

Each task of joblib runs in a greenlet. When the task reaches ``fit``, the task parks:
it gives its job to the session and switches to the hub. When all tasks are parked, the
session trains all jobs in one wave, with one call of the engine. Then the tasks go on.
The hub is the greenlet that runs the loop: the one in which the outermost
``joblib.Parallel`` was called.
"""

import heapq
import itertools
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import greenlet

from skact.backend.progress import ProgressBar, Work
from skact.backend.report import Report
from skact.backend.tasks import Group, Pause, Reply, Task
from skact.backend.thread_state import (
    preserve_thread_state,
    read_settings,
    switch_surroundings,
    write_settings,
)
from skact.backend.waiting_memory import WaitingMemory, default_memory
from skact.backend.wave import Parked, Wave
from skact.engine.current_trainer import hand_fits_to
from skact.engine.jobs import FitJob, Outcome, StackReport, Training
from skact.engine.train import is_large
from skact.exceptions import copy_error
from skact.threads import use_one_thread

# `engine.train.train`, or `TrainWithWorkers`, which takes `n_processes`, too
Train = Callable[..., Training]

# a worker has a large network in training and one to go on with
_LARGE_FITS_OF_PROCESS = 2


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
        self._parked: list[Parked] = []
        self._running: dict[Task, None] = {}  # started, and not ended, in order
        self._held = WaitingMemory()  # since the outermost loop began
        self._submission_numbers = itertools.count()
        self._wave: Wave | None = None  # None: the engine trains no fits of tasks
        self._work: Work | None = None  # what the bar counts of the wave
        self._settings = read_settings()  # with which tasks begin

    # ---------------------------------------------------------------- for fits

    def fit(self, job: FitJob, outcome: Outcome) -> None:
        """Train a job together with jobs of other tasks; outside a task, at once."""
        task = self._current_task()
        if task is None:
            self._fit_alone(job, outcome)
            return
        task.has_fitted = True
        self._held.hold(task, job)
        large = self._ahead is not None and is_large(job.module)
        self._parked.append(Parked(task, job, outcome, large))
        if self._unstarted and self._ahead is not None and self._wave is None:
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
        report = Report.of_outcomes([outcome])
        if not outcome.is_restored:
            reasons = Counter([self._why_alone()])
            report += Report(alone_seconds=(outcome.seconds,), alone=reasons)
        self.add_report(report)

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
        for one in self._parked:
            if one.task in ended and self._ahead is not None:
                self._ahead.forget(one.outcome)
        self._parked = [one for one in self._parked if one.task not in ended]
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
        if self._wave is None:
            self._settings = read_settings()
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
        elif self._unstarted and (not self._parked or self._may_start_a_task(0)):
            task = self._begin_task()
            self._run_task(task)
        else:
            assert self._parked, "tasks of joblib wait, but nothing can run"
            self._train_parked()

    def _may_start_a_task(self, n_in_training: int) -> bool:
        """Whether there is room for a task, and use for another large network."""
        n_large = n_in_training + sum(one.is_large for one in self._parked)
        is_enough = n_large >= _LARGE_FITS_OF_PROCESS * self._count_processes()
        has_room = self._held.has_room_for_a_task(len(self._running), self.memory)
        return has_room and not (n_large and is_enough)

    def _begin_task(self) -> Task:
        """Take the next task, and give it a greenlet; its first switch starts it."""
        _, _, task = heapq.heappop(self._unstarted)
        settings = self._settings

        def run(_: None) -> None:
            write_settings(settings)  # those in the engine are others
            with hand_fits_to(self):
                task.run()

        started: Any = greenlet.greenlet(run)
        started.gr_context = task.parallel_call.context.copy()
        started.session_and_task = self, task
        task.own_greenlet = started
        self._running[task] = None
        return task

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
        parked, self._parked = self._parked, []
        is_open = any(one.is_large for one in parked) and bool(self._unstarted)
        if is_open:  # small networks wait for others of their kind
            self._parked = [one for one in parked if not one.is_large]
            parked = [one for one in parked if one.is_large]
        wave = Wave(
            parked,
            self._switch_to_task,
            self._end_task,
            self._start_more if is_open else None,
            lambda: len(self._unstarted),
        )
        is_whole, is_early = False, bool(self._unstarted)
        self._held.begin_wave()
        stacks: list[StackReport] = []
        training = Training([], stacks)
        self._wave = wave
        try:
            training = self._call_engine(wave.jobs, wave.outcomes, stacks, wave)
            is_whole = True
            is_early = bool(self._unstarted) if is_open else is_early
        except Exception as error:  # of the engine itself: each fit gets a copy
            for outcome in wave.outcomes:
                outcome.error = copy_error(error)
            is_whole = True
        finally:  # also after Ctrl-C
            self._wave = None
            self.add_report(wave.report(training, is_whole=is_whole, is_early=is_early))
        self._resumable.extend(wave.end())

    def _start_more(
        self, n_in_training: int, end_if_over: Callable[[Task], bool]
    ) -> list[Parked]:
        """Start tasks in a wave of large networks; return those that join it."""
        while True:
            if self._resumable:
                task, message = self._resumable.popleft()
            elif (
                self._unstarted
                and self._may_start_a_task(n_in_training)
                and self._held.has_room_in_wave(self.memory)
            ):
                task, message = self._begin_task(), None
            else:
                break
            self._switch_to_task(task, message)
            if not end_if_over(task):
                break
        joining = [one for one in self._parked if one.is_large]
        self._parked = [one for one in self._parked if not one.is_large]
        if self._work is not None:
            self._work.expect(sum(one.job.n_epochs for one in joining))
        return joining

    def _count_processes(self) -> int:
        return min(self.asked_n_processes or self.n_processes, self.n_processes)

    def _call_engine(
        self,
        jobs: Sequence[FitJob],
        outcomes: Sequence[Outcome],
        stacks: list[StackReport],
        supply: Wave | None = None,
    ) -> Training:
        options: dict[str, Any] = {
            "outcomes": outcomes,
            "stacks": stacks,
            "n_threads": self.n_threads,
        }
        if self.n_processes > 1:
            options["n_processes"] = self._count_processes()
            options["supply"] = supply
        if self.progress is None:
            return self.train(jobs, **options)
        outer = self._work
        with self.progress.count_work(sum(job.n_epochs for job in jobs)) as work:
            self._work = work if supply is not None else outer
            try:
                return self.train(jobs, **options, progress=work)
            finally:
                self._work = outer

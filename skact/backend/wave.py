"""A wave: the fits of tasks that wait, which train together.

A task goes on when its fit is over, while other fits are still in training: so the
process of a search scores networks while its workers train. Large networks gain nothing
from training together. In a wave of them, tasks that end make room for others, whose
fits join the wave.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from skact.backend.report import Report
from skact.backend.tasks import HooksOfTask, Task
from skact.engine.jobs import FitJob, Outcome, Training


class Parked(NamedTuple):
    """A task that waits for its fit."""

    task: Task
    job: FitJob
    outcome: Outcome
    is_large: bool = False  # whether its network trains alone: see `train.is_large`


class Wave:
    """The fits of one call of the engine: see `engine.train.Supply`.

    Parameters
    ----------
    parked : sequence of Parked
        Tasks that wait for their fits.
    switch_to_task : callable
        Gives a task a message, lets it run until it waits, and returns its answer.
    end_task : callable
        Called with a task that has ended.
    start_more : callable or None, default=None
        Called with the number of fits that are not over, and a function to call with
        each task that was started; returns those that wait now. None: none may join.
    count_unstarted : callable
        Returns the number of tasks that have not started.

    Attributes
    ----------
    jobs : list of FitJob
        For the engine, at the beginning; hooks run in their tasks.
    outcomes : list of Outcome
        Of these, and of those that have joined.
    seconds_of_tasks : float
        Seconds in which tasks ran during the wave.
    """

    def __init__(
        self,
        parked: Sequence[Parked],
        switch_to_task: Callable[[Task, Any], Any],
        end_task: Callable[[Task], None],
        start_more: Callable[[int, Callable[[Task], bool]], list[Parked]] | None = None,
        count_unstarted: Callable[[], int] = int,
    ) -> None:
        self._switch_to_task, self._end_task = switch_to_task, end_task
        self._start_more, self._count_unstarted = start_more, count_unstarted
        self.outcomes: list[Outcome] = []
        self.seconds_of_tasks = 0.0
        self._waiting: dict[Task, Outcome] = {}
        # what would end other tasks waits until their fits are not in training any more
        self._failed: list[Task] = []
        self._error: Exception | None = None
        self._began = time.perf_counter()
        self.jobs = [job for job, _ in self._add(parked)]

    @property
    def n_to_come(self) -> int:
        """Number of fits that may join the wave."""
        return 0 if self._start_more is None else self._count_unstarted()

    def more(self) -> list[tuple[FitJob, Outcome]]:
        """Let tasks go on whose fits are over; return the fits that have joined."""
        begin = time.perf_counter()
        self._let_ended_go_on()
        joining: list[Parked] = []
        if self._start_more is not None and not self._is_broken:
            joining = self._start_more(len(self._waiting), self.end_if_over)
        self.seconds_of_tasks += time.perf_counter() - begin
        return self._add(joining)

    @property
    def _is_broken(self) -> bool:
        return bool(self._failed) or self._error is not None

    def _let_ended_go_on(self) -> None:
        over = [task for task, outcome in self._waiting.items() if outcome.is_over]
        for task in over:
            if self._is_broken:
                return
            outcome = self._waiting.pop(task)
            if task.own_greenlet is None:  # joblib has cancelled it
                continue
            self._switch_to_task(task, outcome)
            self.end_if_over(task)

    def end_if_over(self, task: Task) -> bool:
        """End a task that has run to its end; return whether others may go on."""
        if task.own_greenlet is None or not task.own_greenlet.dead:
            return True
        if task.error is not None:
            self._failed.append(task)
            return False
        try:
            self._end_task(task)
        except Exception as error:  # of joblib, which asks for the next tasks
            self._error = error
        return self._error is None

    def end(self) -> list[tuple[Task, Outcome]]:
        """Return the tasks that still wait, after all fits have been trained."""
        if self._error is not None:
            raise self._error
        for task in self._failed:
            self._end_task(task)
        return [
            (task, outcome)
            for task, outcome in self._waiting.items()
            if task.own_greenlet is not None
        ]

    def report(self, training: Training, *, is_whole: bool, is_early: bool) -> Report:
        """Say what was trained since the wave began, also after Ctrl-C.

        Parameters
        ----------
        training : Training
        is_whole : bool
            Whether no fit was cut off.
        is_early : bool
            Whether memory was full before all tasks had started or joined.

        Returns
        -------
        Report
        """
        trained = [one for one in self.outcomes if not one.is_restored]
        ended = [one for one in trained if is_whole or one.is_over]
        rest = [one for one in trained if not (is_whole or one.is_over)]
        return Report.of_outcomes(self.outcomes) + Report(
            stacks=tuple(training.stacks),
            fit_seconds=tuple(outcome.seconds for outcome in ended),
            waves=1,
            early_waves=int(is_early),
            seconds=time.perf_counter() - self._began - self.seconds_of_tasks,
            interrupted=tuple(len(one.records) for one in rest if one.records),
            on_workers=training.n_elsewhere,
            lost=training.n_lost,
        )

    def _add(self, parked: Sequence[Parked]) -> list[tuple[FitJob, Outcome]]:
        self.outcomes += [one.outcome for one in parked]
        self._waiting |= {one.task: one.outcome for one in parked}
        return [
            (self._with_hooks_in_task(one.task, one.job), one.outcome) for one in parked
        ]

    def _with_hooks_in_task(self, task: Task, job: FitJob) -> FitJob:
        if job.hooks is None:
            return job
        run_in_task = partial(self._switch_to_task, task)
        return replace(job, hooks=HooksOfTask(job.hooks, run_in_task))

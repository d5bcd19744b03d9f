"""A wave: the fits of tasks that wait, which train together.

A task goes on when its fit is over, while other fits are still in training: so the
process of a search scores networks while its workers train.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from skact.backend.tasks import HooksOfTask, Task
from skact.engine.jobs import FitJob, Outcome


class Wave:
    """The fits of one call of the engine.

    Parameters
    ----------
    parked : sequence of (Task, FitJob, Outcome)
        Tasks that wait for their fits.
    switch_to_task : callable
        Gives a task a message, lets it run until it waits, and returns its answer.
    end_task : callable
        Called with a task that has ended.

    Attributes
    ----------
    jobs, outcomes : list
        For the engine; hooks run in their tasks.
    seconds_of_tasks : float
        Seconds in which tasks went on during the wave.
    """

    def __init__(
        self,
        parked: Sequence[tuple[Task, FitJob, Outcome]],
        switch_to_task: Callable[[Task, Any], Any],
        end_task: Callable[[Task], None],
    ) -> None:
        self._switch_to_task, self._end_task = switch_to_task, end_task
        self.jobs = [self._with_hooks_in_task(task, job) for task, job, _ in parked]
        self.outcomes = [outcome for *_, outcome in parked]
        self.seconds_of_tasks = 0.0
        self._waiting = {task: outcome for task, _, outcome in parked}
        # what would end other tasks waits until their fits are not in training any more
        self._failed: list[Task] = []
        self._error: Exception | None = None

    def let_ended_go_on(self) -> None:
        """Let tasks go on whose fits are over; they may end."""
        if self._failed or self._error is not None:
            return
        over = [task for task, outcome in self._waiting.items() if outcome.is_over]
        begin = time.perf_counter()
        for task in over:
            outcome = self._waiting.pop(task)
            if task.own_greenlet is None:  # joblib has cancelled it
                continue
            self._switch_to_task(task, outcome)
            if not task.own_greenlet.dead:
                continue
            if task.error is not None:
                self._failed.append(task)
                break
            try:
                self._end_task(task)
            except Exception as error:  # of joblib, which asks for the next tasks
                self._error = error
                break
        self.seconds_of_tasks += time.perf_counter() - begin

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

    def _with_hooks_in_task(self, task: Task, job: FitJob) -> FitJob:
        if job.hooks is None:
            return job
        run_in_task = partial(self._switch_to_task, task)
        return replace(job, hooks=HooksOfTask(job.hooks, run_in_task))

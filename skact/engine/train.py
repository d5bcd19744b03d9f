"""Train a list of jobs: plan the stacks, run them side by side, let lanes leave.

Every stack computes on one thread, and several stacks run at the same time: a product
of matrices rounds differently on one thread and on two, and a network must not depend
on how many there are.
"""

import math
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

import torch

from skact.engine.activations import activation_key
from skact.engine.batches import Tables
from skact.engine.optimizers import stacked_form
from skact.engine.plan import (
    BatchShape,
    FitJob,
    Lane,
    Outcome,
    Progress,
    StackReport,
    Training,
    plan_stacks,
)
from skact.engine.stack import Stack
from skact.threads import one_thread


def train(
    jobs: Sequence[FitJob],
    *,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> Training:
    """Train all jobs, fused where their shapes allow.

    A lane comes out bit for bit as it does alone, on a CPU.

    Parameters
    ----------
    jobs : sequence of FitJob
        Each with its initialised module and optimizer, which hold the result.
    n_threads : int or None, default=None
        Stacks to run at the same time; None takes torch's number of threads.
    progress : callable or None, default=None
        Called with the lane-epochs that were done since its last call.

    Returns
    -------
    Training
        The outcome of each job, in order, and what was fused.
    """
    workers = n_threads or torch.get_num_threads()
    lanes = [lane_of(job) for job in jobs]
    tables = Tables()
    runs = [
        _Run(tuple(stack), [jobs[i] for i in stack], tables)
        for stack in plan_stacks(lanes, n_workers=workers)
    ]
    with one_thread():
        if workers == 1 or len(runs) == 1:
            for run in runs:
                _run_alone(run, progress)
        else:
            _run_together(runs, min(workers, len(runs)), progress)
    return Training(
        outcomes=[job.outcome for job in jobs],
        stacks=[
            StackReport(run.positions, run.seconds, describe(run.jobs)) for run in runs
        ],
    )


def lane_of(job: FitJob) -> Lane:
    """Say what planning has to know about a job."""
    module, weight = job.module, job.module.output.weight
    hidden = [layer.linear.out_features for layer in module.hidden]
    shape = BatchShape.of(job.X.shape[0], job.batch_size)
    norms = {type(layer.norm).__name__ for layer in module.hidden}
    drops = {type(layer.dropout).__name__ for layer in module.hidden}
    kind = stacked_form(job.optimizer)
    nesterov = kind == "sgd" and job.optimizer.param_groups[0]["nesterov"]
    group = (
        (job.X.shape[1], *hidden, weight.shape[0]),
        *(tuple(sorted(names)) for names in (norms, drops)),
        (kind, nesterov, job.loss, str(weight.dtype), str(weight.device)),
        shape,
    )
    activations = [layer.activation for layer in module.hidden]
    order = [activation_key(a) for a in (*activations, module.output_activation)]
    return Lane(group, tuple(order), float(weight.numel()))


def describe(jobs: Sequence[FitJob]) -> str:
    """Say in words what the lanes of a stack share."""
    widths, _, _, (kind, _, loss, dtype, device), shape = lane_of(jobs[0]).group  # type: ignore[misc]
    net = "-".join(map(str, widths))
    return (
        f"{net}, {loss}, {kind}, batches of {shape.batch_size}, "
        f"{dtype.removeprefix('torch.')} on {device}"
    )


class _Run:
    """The life of one stack: epochs, lanes that leave, what comes of each."""

    def __init__(
        self, positions: tuple[int, ...], jobs: list[FitJob], tables: Tables
    ) -> None:
        self.positions, self.jobs, self.tables = positions, jobs, tables
        self.outcomes = [job.outcome for job in jobs]
        self.seconds = 0.0
        self.active = list(range(len(jobs)))
        self.stack: Stack | None = None

    def begin_epoch(self) -> None:
        """Let hooks run, and let finished lanes leave the stack."""
        self._fit_stack()
        for i in list(self.active):
            self._call_hook(i, "epoch_begin")
        self._fit_stack()

    def _fit_stack(self) -> None:
        """Build the stack of the lanes that are left."""
        if self.stack is None or len(self.stack.jobs) != len(self.active):
            self.release()
            if self.active:
                self.stack = Stack([self.jobs[i] for i in self.active], self.tables)

    def compute(self) -> list[Any]:
        """Train one epoch; may run in a thread of its own."""
        began = time.perf_counter()
        stack = self.stack
        epochs = [
            self.jobs[i].first_epoch + len(self.outcomes[i].records)
            for i in self.active
        ]
        assert stack is not None
        records = stack.run_epoch(epochs)
        self.seconds += time.perf_counter() - began
        return records

    def end_epoch(self, records: Sequence[Any]) -> int:
        """Keep the records, let hooks run, and see who leaves; return lane-epochs."""
        done = len(self.active)
        lanes = list(zip(self.active, records, strict=True))
        for i, record in lanes:
            outcome = self.outcomes[i]
            outcome.records.append(record)
            outcome.seconds += record.seconds
            if not record.finite:
                outcome.diverged = next(
                    loss for loss in record.batch_losses if not math.isfinite(loss)
                )
                self.active.remove(i)
            elif self._call_hook(i, "epoch_end", record):
                self.active.remove(i)
            elif i in self.active and len(outcome.records) == self.jobs[i].n_epochs:
                self.active.remove(i)
        return done

    def _call_hook(self, i: int, name: str, *arguments: Any) -> bool:
        hooks = self.jobs[i].hooks
        if hooks is None or self.outcomes[i].error is not None:
            return False
        try:
            return bool(getattr(hooks, name)(*arguments))
        except Exception as error:  # this fit alone failed
            self.outcomes[i].error = error
            self.active.remove(i)
            return False

    def release(self) -> None:
        """Give the networks of the present stack their own storage."""
        if self.stack is not None:
            self.stack.release()
            self.stack = None


def _run_alone(run: _Run, progress: Progress | None) -> None:
    try:
        run.begin_epoch()
        while run.active:
            done = run.end_epoch(run.compute())
            if progress is not None:
                progress(done)
            run.begin_epoch()
    finally:
        run.release()


def _run_together(
    runs: Sequence[_Run], workers: int, progress: Progress | None
) -> None:
    """Compute epochs of several stacks in threads; hooks stay in this one."""
    waiting = list(reversed(runs))
    computing: dict[Future, _Run] = {}
    with ThreadPoolExecutor(
        workers, initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        try:
            while waiting or computing:
                while waiting and len(computing) < workers:
                    run = waiting.pop()
                    run.begin_epoch()
                    if run.active:
                        computing[pool.submit(run.compute)] = run
                finished, _ = wait(computing, return_when=FIRST_COMPLETED)
                for future in finished:
                    run = computing.pop(future)
                    done = run.end_epoch(future.result())
                    if progress is not None:
                        progress(done)
                    waiting.append(run) if run.active else run.release()
        finally:
            wait(computing)
            for run in runs:
                run.release()

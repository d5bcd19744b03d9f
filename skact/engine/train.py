"""Train a list of jobs: plan the stacks, run one after another, let lanes leave."""

import math
import time
from collections.abc import Sequence
from typing import Any

import torch

from skact.engine.activation_layers import activation_key
from skact.engine.batches import Tables
from skact.engine.jobs import (
    Evaluation,
    FitJob,
    Outcome,
    Progress,
    StackReport,
    Training,
)
from skact.engine.optimizers import coefficients_of, stacked_form
from skact.engine.plan import BatchShape, Lane, plan_stacks
from skact.engine.stack import Stack
from skact.engine.weights import weights_of
from skact.exceptions import copied
from skact.threads import LITTLE_WORK, one_thread, side_by_side


def train(
    jobs: Sequence[FitJob],
    *,
    outcomes: Sequence[Outcome] | None = None,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> Training:
    """Train all jobs, fused where their shapes allow.

    A lane comes out bit for bit as it does alone, on a CPU.

    Parameters
    ----------
    jobs : sequence of FitJob
        Each with its initialised module and optimizer, which hold the result.
    outcomes : sequence of Outcome or None, default=None
        One for each job, filled in as the epochs go by, so that who interrupts the
        training has those that there were. None makes new ones.
    n_threads : int or None, default=None
        Most threads to compute with; None takes torch's own number.
    progress : callable or None, default=None
        Called with the lane-epochs that were done since its last call.

    Returns
    -------
    Training
        The outcome of each job, in order, and what was fused.
    """
    available = n_threads or torch.get_num_threads()
    outcomes = [Outcome() for _ in jobs] if outcomes is None else list(outcomes)
    tables = Tables()
    runs = [
        _Run(
            stack,
            [jobs[i] for i in stack],
            [outcomes[i] for i in stack],
            tables,
            available,
        )
        for stack in plan_stacks([lane_of(job) for job in jobs])
    ]
    with one_thread():  # a stack knows how many are safe for it
        for run in runs:
            run.train(progress)
    stacks = [
        StackReport(len(run.jobs), run.seconds, describe(run.jobs[0])) for run in runs
    ]
    return Training(outcomes, stacks)


def lane_of(job: FitJob) -> Lane:
    """Say what planning has to know about a job."""
    module, weight = job.module, job.module.output.weight
    hidden = [layer.linear.out_features for layer in module.hidden]
    shape = BatchShape.of(job.X.shape[0], job.batch_size)
    norms = {type(layer.norm).__name__ for layer in module.hidden}
    drops = {type(layer.dropout).__name__ for layer in module.hidden}
    kind = stacked_form(job.optimizer)
    group = (
        (job.X.shape[1], *hidden, weight.shape[0]),
        *(tuple(sorted(names)) for names in (norms, drops)),
        (kind, job.loss, str(weight.dtype), str(weight.device)),
        shape,
    )
    activations = [layer.activation for layer in module.hidden]
    order = [activation_key(a) for a in (*activations, module.output_activation)]
    columns = job.X.shape[1] + 4 * (sum(hidden) + weight.shape[0])
    # parameters, gradients, the optimizer's two states; four tensors a layer
    values = 4 * sum(p.numel() for p in module.parameters()) + columns * shape.padded
    nbytes = values * weight.element_size()
    return Lane(group, (*order, coefficients_of(job.optimizer)), nbytes)


def describe(job: FitJob) -> str:
    """Say in words what a job shares with the lanes of its stack."""
    module, weight = job.module, job.module.output.weight
    widths = [job.X.shape[1], *(layer.linear.out_features for layer in module.hidden)]
    first = module.hidden[0] if len(module.hidden) else None
    extras = []
    if first is not None and hasattr(first.norm, "eps"):
        batch = hasattr(first.norm, "running_mean")
        extras.append("batch norm" if batch else "layer norm")
    if first is not None and hasattr(first.dropout, "generator"):
        extras.append("dropout")
    shape = BatchShape.of(job.X.shape[0], job.batch_size)
    batches = f"full batches of up to {shape.padded}"
    if shape.n_steps > 1:
        batches = f"{shape.n_steps} batches of {shape.batch_size}"
        if shape.last < shape.padded:
            batches += f", the last of up to {shape.last}"
    parts = [
        "-".join(map(str, [*widths, weight.shape[0]])),
        *extras,
        job.loss,
        stacked_form(job.optimizer),
        batches,
        f"{str(weight.dtype).removeprefix('torch.')} on {weight.device}",
    ]
    return ", ".join(map(str, parts))


class _Run:
    """The life of one stack: epochs, lanes that leave, what comes of each."""

    def __init__(
        self,
        positions: tuple[int, ...],
        jobs: list[FitJob],
        outcomes: list[Outcome],
        tables: Tables,
        n_threads: int,
    ) -> None:
        self.positions, self.jobs, self.outcomes = positions, jobs, outcomes
        self.tables, self.n_threads = tables, n_threads
        self.seconds = 0.0
        self.active = list(range(len(jobs)))
        self.stack: Stack | None = None

    def train(self, progress: Progress | None) -> None:
        """Train until no lane is left; release the networks whatever happens."""
        try:
            self._train(progress)
        except Exception as error:  # these lanes failed, and other stacks train on
            for i in self.active:
                self.outcomes[i].error = copied(error) if len(self.jobs) > 1 else error
        finally:
            self.release()

    def _train(self, progress: Progress | None) -> None:
        self.begin_epoch()
        while self.active:
            done = self.end_epoch(self.compute())
            if progress is not None:
                progress(done)
            self.begin_epoch()

    def begin_epoch(self) -> None:
        """Let hooks run, and let finished lanes leave the stack."""
        for i in list(self.active):
            self._call_hook(i, "epoch_begin")
        if self.stack is not None and len(self.stack.jobs) == len(self.active):
            self.stack.take_back()
            return
        self.release()
        if self.active:
            jobs = [self.jobs[i] for i in self.active]
            self.stack = Stack(jobs, self.tables, self.n_threads)

    def compute(self) -> list[Any]:
        """Train one epoch."""
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
        assert self.stack is not None
        for lane, i in enumerate(self.active):
            hooks = self.jobs[i].hooks
            if hooks is None:
                continue
            if hooks.changes:
                self.stack.lend(lane)
            else:
                self.stack.show(lane)
        failed = self.stack.batches.failed
        lanes = list(enumerate(zip(self.active, records, strict=True)))
        self._evaluate([i for _, (i, record) in lanes if record.finite])
        for lane, (i, record) in lanes:
            outcome = self.outcomes[i]
            outcome.seconds += record.seconds
            if lane in failed:
                outcome.error = failed[lane]
                self.active.remove(i)
                continue
            outcome.records.append(record)
            if not record.finite:
                outcome.diverged = next(
                    loss for loss in record.batch_losses if not math.isfinite(loss)
                )
                self.active.remove(i)
                continue
            if outcome.error is not None:
                self.active.remove(i)
                continue
            if self.jobs[i].keeps_weights:
                outcome.weights.append(weights_of(self.jobs[i].module))
            stops = self._call_hook(i, "epoch_end", record)
            stops |= len(outcome.records) == self.jobs[i].n_epochs
            if stops and i in self.active:
                self.active.remove(i)
        return done

    def _evaluate(self, lanes: Sequence[int]) -> None:
        """Look at networks side by side, for hooks that want it."""
        chosen = [(i, self.jobs[i].hooks) for i in lanes]
        wanted = {
            i: hooks.evaluation
            for i, hooks in chosen
            if hooks is not None and hooks.evaluation is not None
        }
        errors = evaluate(list(wanted.values()), self.n_threads)
        for i, error in zip(wanted, errors, strict=True):
            if error is not None:
                self.outcomes[i].error = error

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


def evaluate(
    evaluations: Sequence[Evaluation], n_threads: int
) -> list[Exception | None]:
    """Run all of them; return what each raised.

    Each computes on one thread, so no bit depends on how many run at a time.
    """
    small = sum(evaluation.work for evaluation in evaluations) < LITTLE_WORK
    n_workers = 1 if small else min(n_threads, len(evaluations))
    return list(side_by_side(_attempt, evaluations, n_workers))


def _attempt(evaluation: Evaluation) -> Exception | None:
    try:
        evaluation()
    except Exception as error:
        return error
    return None

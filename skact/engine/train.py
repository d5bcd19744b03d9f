"""Train a list of jobs: plan stacks, train them in turn, remove finished lanes."""

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
from skact.engine.optimizers import shared_coefficients_of, stacked_form
from skact.engine.plan import BatchShape, Lane, plan_stacks
from skact.engine.stack import Stack
from skact.engine.weights import weights_of
from skact.exceptions import copy_error
from skact.threads import LITTLE_WORK, map_in_threads, use_one_thread


def train(
    jobs: Sequence[FitJob],
    *,
    outcomes: Sequence[Outcome] | None = None,
    stacks: list[StackReport] | None = None,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> Training:
    """Train all jobs; jobs of one shape train as one stack.

    On a CPU a job gives the same network, bit for bit, in a stack and alone.

    Parameters
    ----------
    jobs : sequence of FitJob
        Each has an initialised module and an optimizer, which get the result.
    outcomes : sequence of Outcome or None, default=None
        One for each job, filled in after each epoch, so that they hold all finished
        epochs if the training is interrupted. None creates new ones.
    stacks : list of StackReport or None, default=None
        Gets the report on each stack when it ends, also if it is interrupted.
    n_threads : int or None, default=None
        Most threads to use; None takes the number of torch.
    progress : callable or None, default=None
        Called with the lane-epochs since its last call.

    Returns
    -------
    Training
        The outcome of each job, in order, and a report on each stack.
    """
    available = n_threads or torch.get_num_threads()
    outcomes = [Outcome() for _ in jobs] if outcomes is None else list(outcomes)
    stacks = [] if stacks is None else stacks
    tables = Tables()
    runs = [
        _StackRun(
            stack,
            [jobs[i] for i in stack],
            [outcomes[i] for i in stack],
            tables,
            available,
        )
        for stack in plan_stacks([lane_of(job) for job in jobs])
    ]
    no_autocast = torch.autocast("cpu", enabled=False)  # a job has its dtype
    with use_one_thread(), no_autocast:  # a stack chooses its own number of threads
        for run in runs:
            try:
                run.train(progress)
            finally:
                traits = traits_of_stack(run.jobs[0])
                stacks.append(StackReport(len(run.jobs), run.seconds, traits))
    return Training(outcomes, stacks)


def lane_of(job: FitJob) -> Lane:
    """Return the facts about a job that planning needs."""
    module, weight = job.module, job.module.output.weight
    hidden = [layer.linear.out_features for layer in module.hidden]
    shape = BatchShape.from_rows(job.X.shape[0], job.batch_size)
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
    # parameters, gradients, directions and two states of the optimizer; four tensors of
    # each layer
    values = 5 * sum(p.numel() for p in module.parameters()) + columns * shape.padded
    nbytes = values * weight.element_size()
    return Lane(group, (*order, shared_coefficients_of(job.optimizer)), nbytes)


def traits_of_stack(job: FitJob) -> dict[str, str]:
    """Say in words what all lanes of the job's stack share."""
    module, weight = job.module, job.module.output.weight
    first = module.hidden[0] if len(module.hidden) else None
    norm = dropout = ""
    if first is not None and hasattr(first.norm, "eps"):
        norm = "batch" if hasattr(first.norm, "running_mean") else "layer"
    if first is not None and hasattr(first.dropout, "generator"):
        dropout = "dropout"
    shape = BatchShape.from_rows(job.X.shape[0], job.batch_size)
    batches = f"full batches of up to {shape.padded}"
    if shape.n_steps > 1:
        batches = f"{shape.n_steps} batches of {shape.batch_size}"
        if shape.last < shape.padded:
            batches += f", the last of up to {shape.last}"
    return {
        "columns": str(job.X.shape[1]),
        "widths": "-".join(str(layer.linear.out_features) for layer in module.hidden),
        "outputs": str(weight.shape[0]),
        "norms": norm and f"{norm} norm",
        "dropout": dropout,
        "losses": job.loss,
        "optimizers": str(stacked_form(job.optimizer)),
        "batches": batches,
        "dtypes": f"{str(weight.dtype).removeprefix('torch.')} on {weight.device}",
    }


class _StackRun:
    """The training of one stack, from which lanes are removed when they finish."""

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
        """Train until no lane is left; release the networks also after an error."""
        try:
            self._train_epochs(progress)
        except Exception as error:  # the lanes of this stack failed, no others
            for i in self.active:
                self.outcomes[i].error = (
                    copy_error(error) if len(self.jobs) > 1 else error
                )
        finally:
            for i in set(range(len(self.jobs))).difference(self.active):
                self.outcomes[i].is_over = True
            self.release_stack()

    def _train_epochs(self, progress: Progress | None) -> None:
        self.begin_epoch()
        while self.active:
            done = self.end_epoch(self.train_epoch())
            if progress is not None:
                progress(done)
            self.begin_epoch()

    def begin_epoch(self) -> None:
        """Run hooks; build a new stack if lanes have finished."""
        for i in list(self.active):
            if self._call_hook(i, "epoch_begin"):
                self.active.remove(i)
        if self.stack is not None and len(self.stack.jobs) == len(self.active):
            self.stack.reattach_networks()
            return
        self.release_stack()
        if self.active:
            jobs = [self.jobs[i] for i in self.active]
            self.stack = Stack(jobs, self.tables, self.n_threads)

    def train_epoch(self) -> list[Any]:
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
        """Keep records, run hooks, remove finished lanes; return the lane-epochs."""
        done = len(self.active)
        assert self.stack is not None
        self._show_networks(self.stack)
        failed = self.stack.batches.failed
        lanes = list(enumerate(zip(self.active, records, strict=True)))
        self._run_evaluations([i for _, (i, record) in lanes if record.is_finite])
        for lane, (i, record) in lanes:
            outcome = self.outcomes[i]
            outcome.seconds += record.seconds
            if lane in failed:
                outcome.error = failed[lane]
                self.active.remove(i)
                continue
            outcome.records.append(record)
            if not record.is_finite:
                outcome.diverged_loss = next(
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

    def _show_networks(self, stack: Stack) -> None:
        """Give hooks the networks that they want to see."""
        for lane, i in enumerate(self.active):
            hooks = self.jobs[i].hooks
            if hooks is None:
                continue
            if hooks.needs_live_network:
                stack.detach_network(lane)
            else:
                stack.copy_weights(lane)
            if hooks.wants_gradients:
                stack.copy_gradients(lane)

    def _run_evaluations(self, lanes: Sequence[int]) -> None:
        """Run the evaluations of hooks, several at a time."""
        chosen = [(i, self.jobs[i].hooks) for i in lanes]
        wanted = {
            i: hooks.evaluation
            for i, hooks in chosen
            if hooks is not None and hooks.evaluation is not None
        }
        errors = run_evaluations(list(wanted.values()), self.n_threads)
        for i, error in zip(wanted, errors, strict=True):
            if error is not None:
                self.outcomes[i].error = error

    def _call_hook(self, i: int, name: str, *arguments: Any) -> bool:
        hooks = self.jobs[i].hooks
        if hooks is None or self.outcomes[i].error is not None:
            return False
        try:
            return bool(getattr(hooks, name)(*arguments))
        except Exception as error:  # only this fit failed
            self.outcomes[i].error = error
            self.active.remove(i)
            return False

    def release_stack(self) -> None:
        """Give the networks of the stack their own storage."""
        if self.stack is not None:
            self.stack.detach_networks()
            self.stack = None


def run_evaluations(
    evaluations: Sequence[Evaluation], n_threads: int
) -> list[Exception | None]:
    """Run all evaluations; return the error of each, or None.

    Each evaluation uses one thread, so no result depends on how many run at a time.
    """
    small = sum(evaluation.work for evaluation in evaluations) < LITTLE_WORK
    n_workers = 1 if small else min(n_threads, len(evaluations))
    return list(map_in_threads(_run_evaluation, evaluations, n_workers))


def _run_evaluation(evaluation: Evaluation) -> Exception | None:
    try:
        evaluation()
    except Exception as error:
        return error
    return None

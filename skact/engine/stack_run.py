"""The training of one stack, epoch by epoch, with the hooks between the epochs."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from skact.engine.activation_layers import is_custom
from skact.engine.batches import Tables
from skact.engine.early_stopping import asks_to_stop, begin_rule, note_epoch
from skact.engine.jobs import (
    FitJob,
    Outcome,
    Progress,
    StackReport,
    StoppingState,
)
from skact.engine.optimizers import stacked_form
from skact.engine.plan import BatchShape
from skact.engine.stack import Stack
from skact.engine.validation import shape_of_held_out
from skact.engine.weights import weights_of
from skact.exceptions import copy_error
from skact.interrupts import hold_interrupts

# What a step costs beside its multiplications, in multiplications: calls for each
# lane, and calls for the stack. Only the proportion of costs matters.
_COST_OF_LANE = 1e5
_COST_OF_STACK = 3e5
# Ctrl-C waits for the end of an epoch that takes no longer
_MOST_SECONDS_TO_HOLD = 5.0


class StackRun:
    """The training of one stack, from which lanes are removed when they finish.

    Parameters
    ----------
    jobs : list of FitJob
        Of one group (`train.lane_of`).
    outcomes : list of Outcome
        One for each job. Jobs that have records already go on after them.
    tables : Tables
        Arrays shared with other stacks.
    n_threads : int
        Threads that torch may use.
    """

    def __init__(
        self,
        jobs: list[FitJob],
        outcomes: list[Outcome],
        tables: Tables,
        n_threads: int,
    ) -> None:
        self.jobs, self.outcomes = jobs, outcomes
        self.tables, self.n_threads = tables, n_threads
        self.seconds = 0.0
        self.cost_done = 0.0  # in the unit of `cost_left`
        self.active = list(range(len(jobs)))
        self.given: set[int] = set()  # lanes that go on elsewhere
        self.stack: Stack | None = None
        self._seconds_of_epoch = 0.0  # of the last one
        self._is_settled = True  # whether all networks stand where their records end
        for job, outcome in zip(jobs, outcomes, strict=True):
            if outcome.stopping is None:
                outcome.stopping = begin_rule(job.stopping)
        shape = BatchShape.from_rows(jobs[0].X.shape[0], jobs[0].batch_size)
        weights = sum(p.numel() for p in jobs[0].module.parameters())
        self._cost_of_lane = shape.n_steps * (weights * shape.padded + _COST_OF_LANE)
        self._cost_of_stack = shape.n_steps * _COST_OF_STACK

    @property
    def report(self) -> StackReport:
        """What to say of the stack at its end."""
        lanes = len(self.jobs) - (0 if self.cost_done else len(self.given))
        return StackReport(lanes, self.seconds, traits_of_stack(self.jobs[0]))

    @property
    def epochs_left(self) -> int:
        """Lane-epochs that are left, if no lane stops early."""
        return sum(map(self._epochs_left_of, self.active))

    def _epochs_left_of(self, i: int) -> int:
        return self.jobs[i].n_epochs - len(self.outcomes[i].records)

    @property
    def cost_left(self) -> float:
        """About how much work is left; only ratios mean something."""
        longest = max(map(self._epochs_left_of, self.active), default=0)
        return self.epochs_left * self._cost_of_lane + longest * self._cost_of_stack

    def split(self, cost: float) -> "StackRun | None":
        """Part with lanes of about this cost, between two epochs.

        Returns
        -------
        StackRun or None
            The training of these lanes, which goes on where this one stands. None if no
            lane can be given away, or none could stay.
        """
        portable = [i for i in self.active if is_portable(self.jobs[i])]
        number = round(cost / max(self.cost_left, 1.0) * len(self.active))
        number = min(number, len(self.active) - 1)
        given = portable[-number:] if number > 0 else []
        if not given:
            return None
        self.release_stack()
        self.active = [i for i in self.active if i not in given]
        self.given.update(given)
        for i in given:
            self.outcomes[i].is_torn = False
        return self._run_of(given)

    def rest(self) -> "StackRun | None":
        """Return the training of the lanes that are not over; None if all are."""
        left = [i for i in self.active if not self.outcomes[i].is_over]
        return self._run_of(left) if left else None

    def _run_of(self, lanes: Sequence[int]) -> "StackRun":
        jobs, outcomes = (
            [self.jobs[i] for i in lanes],
            [self.outcomes[i] for i in lanes],
        )
        return StackRun(jobs, outcomes, self.tables, self.n_threads)

    def train(
        self,
        progress: Progress | None,
        after_epoch: "Callable[[StackRun], None] | None" = None,
    ) -> None:
        """Train until no lane is left; release the networks also after an error.

        `after_epoch` is called after an epoch, if there is another.
        """
        for outcome in self.outcomes:
            outcome.is_torn = True
        try:
            self._train_epochs(progress, after_epoch)
        except Exception as error:  # the lanes of this stack failed, no others
            for i in self.active:
                self.outcomes[i].error = (
                    copy_error(error) if len(self.jobs) > 1 else error
                )
        finally:
            for i in set(range(len(self.jobs))).difference(self.active, self.given):
                self.outcomes[i].is_over = True
            self.release_stack()
            if self._is_settled:
                for i in set(range(len(self.jobs))).difference(self.given):
                    self.outcomes[i].is_torn = False

    def _train_epochs(
        self,
        progress: Progress | None,
        after_epoch: "Callable[[StackRun], None] | None",
    ) -> None:
        self.begin_epoch()
        while self.active:
            with self._hold_interrupts():
                done = self.end_epoch(self.train_epoch())
            if progress is not None:
                progress(done)
            if self.active and after_epoch is not None:
                after_epoch(self)
            self.begin_epoch()

    def _hold_interrupts(self) -> AbstractContextManager[None]:
        """Let Ctrl-C wait for the end of an epoch, or the epochs so far were lost.

        Hooks may run long, and fits with hooks are not kept.
        """
        is_long = self._seconds_of_epoch > _MOST_SECONDS_TO_HOLD
        if is_long or any(job.hooks is not None for job in self.jobs):
            return nullcontext()
        return hold_interrupts()

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
            self._is_settled = False
            jobs = [self.jobs[i] for i in self.active]
            self.stack = Stack(jobs, self.tables, self.n_threads)
            self._is_settled = True

    def train_epoch(self) -> list[Any]:
        """Train one epoch."""
        began, self._is_settled = time.perf_counter(), False
        stack = self.stack
        epochs = [
            self.jobs[i].first_epoch + len(self.outcomes[i].records)
            for i in self.active
        ]
        assert stack is not None
        records = stack.run_epoch(epochs)
        self._seconds_of_epoch = time.perf_counter() - began
        self.seconds += self._seconds_of_epoch
        self.cost_done += len(self.active) * self._cost_of_lane + self._cost_of_stack
        return records

    def end_epoch(self, records: Sequence[Any]) -> int:
        """Keep records, run hooks, remove finished lanes; return the lane-epochs."""
        done = len(self.active)
        assert self.stack is not None
        self._show_networks(self.stack)
        failed = self.stack.batches.failed
        lanes = list(enumerate(zip(self.active, records, strict=True)))
        improved: dict[int, StoppingState] = {}
        for lane, (i, record) in lanes:
            outcome = self.outcomes[i]
            outcome.seconds += record.seconds
            if lane in failed:
                outcome.error = failed[lane]
                self.active.remove(i)
                continue
            outcome.records.append(record)
            outcome.diverged_loss = record.diverged_loss
            if outcome.error is not None or outcome.diverged_loss is not None:
                self.active.remove(i)
                continue
            if self.jobs[i].keeps_weights:
                outcome.weights.append(weights_of(self.jobs[i].module))
            stops = self._call_hook(i, "epoch_end", record)
            stops |= len(outcome.records) >= self.jobs[i].n_epochs
            state = outcome.stopping
            if state is not None:
                epoch = self.jobs[i].first_epoch + len(outcome.records)
                if note_epoch(state, record, epoch) and state.rule.load_best:
                    improved[lane] = state
                stops |= asks_to_stop(state)
            if stops and i in self.active:
                self.active.remove(i)
        if improved:
            self.stack.keep_best(improved)
        self._is_settled = True
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
            was_settled, self._is_settled = self._is_settled, False
            self.stack.detach_networks()
            self.stack, self._is_settled = None, was_settled


def is_portable(job: FitJob) -> bool:
    """Whether a job can be trained in another process.

    Hooks belong to this process, and so may the state of a custom activation.
    """
    module = job.module
    activations = [layer.activation for layer in module.hidden]
    return (
        job.hooks is None
        and module.output.weight.device.type == "cpu"
        and not any(map(is_custom, (*activations, module.output_activation)))
    )


def traits_of_stack(job: FitJob) -> dict[str, str]:
    """Say in words what all lanes of the job's stack share."""
    module, weight = job.module, job.module.output.weight
    first = module.hidden[0] if len(module.hidden) else None
    norm = dropout = ""
    if first is not None and hasattr(first.norm, "eps"):
        norm = "batch" if hasattr(first.norm, "running_mean") else "layer"
    if first is not None and hasattr(first.dropout, "noise"):
        dropout = "dropout"
    shape = BatchShape.from_rows(job.X.shape[0], job.batch_size)
    held_out = sum(shape_of_held_out(job.held_out)[0])
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
        "clipping": "" if job.clipping is None else "clipped gradients",
        "batches": batches,
        "validation": f"up to {held_out} held-out rows" if held_out else "",
        "dtypes": f"{str(weight.dtype).removeprefix('torch.')} on {weight.device}",
    }

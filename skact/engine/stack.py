"""A stack: many networks of one shape, trained step by step as one tensor program."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skact.engine.batches import Batches, Tables
from skact.engine.early_stopping import BestWeights
from skact.engine.gradient_clipping import StackedClipping
from skact.engine.jobs import EpochRecord, FitJob, HeldOutScores, StoppingState
from skact.engine.layers import Parameter
from skact.engine.memory_layout import Layout, Segment, batch_norms_of
from skact.engine.optimizers import STACKED, stacked_form
from skact.engine.plan import WORTH_THREADS, BatchShape
from skact.engine.step_program import StepProgram
from skact.engine.validation import Validation
from skact.noise import noisy_modules_of
from skact.thread_choice import ThreadChoice
from skact.threads import use_one_thread

# most steps whose batches are prepared, and whose losses are computed, at once; and the
# most values that are kept for these steps
_STEPS_AT_ONCE = 64
_MAX_KEPT_VALUES = 2**22
# running statistics of a batch norm
_STATISTICS = ("running_mean", "running_var")


class Stack:
    """Networks of one shape while they train.

    While an epoch runs, the parameters of the modules and the state of the optimizers
    are views of the stack's buffers. `detach_network` gives one network its own storage
    until `reattach_networks`, so that callbacks may read, replace and pickle the
    network. For callbacks that only read, `copy_weights` copies the weights.
    `detach_networks` gives all networks their own storage at the end.

    Parameters
    ----------
    jobs : sequence of FitJob
        One for each lane, of one group (`train.lane_of`).
    tables : Tables
        Arrays shared with other stacks.
    n_threads : int, default=1
        Threads that torch may use; only a stack of one network uses a second one.
    """

    def __init__(
        self, jobs: Sequence[FitJob], tables: Tables, n_threads: int = 1
    ) -> None:
        self.jobs = list(jobs)
        self.modules = [job.module for job in jobs]
        first = self.modules[0].output.weight
        self.dtype, self.device = first.dtype, first.device
        self.layout = Layout(self.modules)
        self.values = [
            torch.zeros(len(jobs), size, dtype=self.dtype, device=self.device)
            for size in self.layout.sizes
        ]
        self.grads = [torch.zeros_like(block) for block in self.values]
        self.optimizer = STACKED[stacked_form(jobs[0].optimizer)](  # type: ignore[index]
            [job.optimizer for job in jobs], self.values, self.grads
        )
        self.running = self._make_running()
        rules = [job.clipping for job in jobs if job.clipping is not None]
        self.clipping = (
            StackedClipping(rules, self.layout, self.grads) if rules else None
        )
        self.is_noisy = []
        self.detached_lanes: set[int] = set()
        self.copied_lanes: set[int] = set()
        for lane, module in enumerate(self.modules):
            self._attach_network(lane)
            module.train()
            self.is_noisy.append(bool(noisy_modules_of(module)))
        shape = BatchShape.from_rows(jobs[0].X.shape[0], jobs[0].batch_size)
        self.batches = Batches(jobs, shape, tables, self.dtype, self.device)
        self.thread_choice = ThreadChoice(self._count_threads(shape, n_threads))
        self._scratch_buffers: dict[str, Tensor] = {}
        self._programs: dict[bool, StepProgram] = {}
        validates = jobs[0].held_out is not None
        self.validation = Validation(self, tables) if validates else None
        self.best: BestWeights | None = None

    def _count_threads(self, shape: BatchShape, available: int) -> int:
        """Return 2 for a large network by itself: see `layers.HalvedLinear`.

        A stack has one thread: its operations are so short that threads, which wait for
        each other after each of them, gain little. Other cores train other stacks.
        """
        if self.device.type != "cpu" or len(self.jobs) > 1:
            return 1
        largest = max(int(np.prod(weight.shape)) for weight, _ in self.layout.linear)
        return min(2, available) if largest * shape.padded >= WORTH_THREADS else 1

    # ------------------------------------------------------------ parameters

    def parameter_at(self, segment: Segment) -> Parameter:
        """View a parameter of all lanes and its gradient."""
        return Parameter(segment.view_in(self.values), segment.view_in(self.grads))

    def _attach_network(self, lane: int) -> None:
        """Copy a network into the stack; make its parameters views of the stack."""
        job = self.jobs[lane]
        state = job.optimizer.state
        own = self.optimizer.state_of(lane)
        for parameter, block, part in self.layout.parameters_of(job.module):
            values = self.values[block][lane, part]
            values.copy_(parameter.detach().flatten())
            parameter.data = values.view_as(parameter)
            known = state.get(parameter, {})
            for name, blocks in own.items():
                flat = blocks[block]
                if known.get(name) is None:
                    flat[part] = 0
                else:
                    flat[part] = known[name].flatten()
                if known:
                    known[name] = flat[part].view_as(parameter)
            self.optimizer.set_steps(lane, int(known.get("step", 0)))
        for stacked, norm in zip(self.running, batch_norms_of(job.module), strict=True):
            for both, name in zip(stacked, _STATISTICS, strict=True):
                both[lane, :, 0] = getattr(norm, name)
                setattr(norm, name, both[lane, :, 0])

    def _make_running(self) -> list[Tensor]:
        """Allocate the statistics of batch norms: (2, L, H, 1) for each layer."""
        norms = list(batch_norms_of(self.modules[0]))
        lanes = len(self.modules)
        return [self.values[0].new_empty(2, lanes, n.num_features, 1) for n in norms]

    def detach_networks(self) -> None:
        """Give each network its own storage; hand over the best weights."""
        if self.best is not None:
            self.best.hand_over()
        for lane in range(len(self.jobs)):
            if lane not in self.detached_lanes:
                self.detach_network(lane)
        # step programs and stack refer to each other; without this, large tables would
        # stay in memory until Python's garbage collector runs
        self._programs.clear()

    def copy_weights(self, lane: int) -> None:
        """Copy a network's weights into its module, for callbacks that only read."""
        module, new = self.jobs[lane].module, lane not in self.copied_lanes
        for parameter, block, part in self.layout.parameters_of(module):
            values = self.values[block][lane, part].view_as(parameter)
            if new:
                parameter.data = values.clone()
            else:
                parameter.data.copy_(values)
        self._copy_statistics(lane)
        self.copied_lanes.add(lane)

    def detach_network(self, lane: int) -> None:
        """Give a network its own storage until `reattach_networks`."""
        job = self.jobs[lane]
        own, steps = self.optimizer.state_of(lane), self.optimizer.steps_of(lane)
        for parameter, block, part in self.layout.parameters_of(job.module):
            values = self.values[block][lane, part]
            parameter.data = values.view_as(parameter).clone()
            state = {
                name: blocks[block][part].view_as(parameter).clone()
                for name, blocks in own.items()
            }
            if steps is not None:
                state["step"] = torch.tensor(float(steps))
            if state:
                job.optimizer.state[parameter] = state
        self._copy_statistics(lane)
        self.detached_lanes.add(lane)

    def copy_gradients(self, lane: int) -> None:
        """Copy the gradients of the last batch into a network, for callbacks."""
        for parameter, block, part in self.layout.parameters_of(self.jobs[lane].module):
            gradient = self.grads[block][lane, part]
            parameter.grad = gradient.view_as(parameter).clone()

    def _copy_statistics(self, lane: int) -> None:
        norms = batch_norms_of(self.jobs[lane].module)
        for stacked, norm in zip(self.running, norms, strict=True):
            for both, name in zip(stacked, _STATISTICS, strict=True):
                setattr(norm, name, both[lane, :, 0].clone())

    def keep_best(self, improved: Mapping[int, StoppingState]) -> None:
        """Keep the present weights of lanes as their best, for their states."""
        if self.best is None:
            parts = self.modules, self.layout, self.values, self.running
            self.best = BestWeights(*parts)
        self.best.keep(improved)

    def reattach_networks(self) -> None:
        """Copy the detached networks back into the stack."""
        with torch.no_grad():
            for lane in self.detached_lanes:
                self._attach_network(lane)
        self.detached_lanes.clear()

    # ------------------------------------------------------------ training

    def scratch_buffer(self, name: str, *shape: int) -> Tensor:
        """Return a buffer with this name, which batches of all sizes share."""
        size = int(np.prod(shape))
        if (
            name not in self._scratch_buffers
            or self._scratch_buffers[name].numel() < size
        ):
            self._scratch_buffers[name] = self.values[0].new_zeros(size)
        return self._scratch_buffers[name][:size].view(shape)

    def run_epoch(self, epochs: Sequence[int]) -> list[EpochRecord]:
        """Train every lane for one epoch; `epochs` are their numbers, from 0."""
        began = time.perf_counter()
        with torch.inference_mode(), use_one_thread():
            for job, noisy, epoch in zip(self.jobs, self.is_noisy, epochs, strict=True):
                if job.hooks is not None:  # hooks may have set evaluation mode
                    job.module.train()
                if noisy:
                    job.module.seed_noise(job.seeds.of_epoch(job.seeds.noise, epoch))
            self._begin_epoch_of_optimizer(epochs)
            losses = self._train_steps(epochs)
            if self.running:
                self._count_batches()
            weights = self.batches.batch_weights.cpu().double().numpy()
            held_out: Sequence[HeldOutScores | None] = [None] * len(self.jobs)
            if self.validation is not None:
                held_out = self.validation.scores()
        seconds = (time.perf_counter() - began) / len(self.jobs)
        rates = [float(job.optimizer.param_groups[0]["lr"]) for job in self.jobs]
        rows = self.batches.rows
        return _make_records(losses, weights, rows, seconds, held_out, rates)

    def _begin_epoch_of_optimizer(self, epochs: Sequence[int]) -> None:
        """Hand the optimizer the learning rates of the lanes that have a schedule."""
        n_steps = self.batches.shape.n_steps
        schedules = {
            lane: job.lr_schedule.rates_of_epoch(epoch, n_steps)
            for lane, (job, epoch) in enumerate(zip(self.jobs, epochs, strict=True))
            if job.lr_schedule is not None
        }
        self.optimizer.begin_epoch(n_steps, schedules)

    def _count_batches(self) -> None:
        """Add the batches to the counts of batch norms, but none with one row."""
        for job, rows in zip(self.jobs, self.batches.rows, strict=True):
            for norm in batch_norms_of(job.module):
                norm.num_batches_tracked += sum(n > 1 for n in rows)

    def _train_steps(self, epochs: Sequence[int]) -> np.ndarray:
        """Take all steps of an epoch; return the loss of each batch, (steps, L)."""
        found = [
            self._program_for(is_last=steps.is_last).take_steps(steps)
            for steps in self.batches.steps_of_epoch(epochs, self._steps_at_once())
        ]
        return torch.cat(found).cpu().double().numpy()

    def _steps_at_once(self) -> int:
        outputs = len(self.jobs) * self.modules[0].output.out_features
        values = outputs * self.batches.shape.padded
        return max(1, min(_STEPS_AT_ONCE, _MAX_KEPT_VALUES // values))

    def _program_for(self, *, is_last: bool) -> StepProgram:
        if is_last not in self._programs:
            at_once = min(self._steps_at_once(), self.batches.shape.n_steps)
            self._programs[is_last] = StepProgram(
                self, is_last, 1 if is_last else at_once
            )
        return self._programs[is_last]


def _make_records(
    losses: np.ndarray,
    weights: np.ndarray,
    rows: Sequence[Any],
    seconds: float,
    held_out: Sequence[HeldOutScores | None],
    rates: Sequence[float],
) -> list[EpochRecord]:
    """Build the record of each lane; losses and weights are (steps, L)."""
    # the sum of a contiguous row does not depend on the number of rows
    losses, weights = np.ascontiguousarray(losses.T), np.ascontiguousarray(weights.T)
    with np.errstate(all="ignore"):  # losses of a lane may be infinite
        total = weights.sum(1)
        mean = (losses * weights).sum(1) / np.where(total > 0, total, 1)
        mean = np.where(total > 0, mean, losses.mean(1))
    return [
        EpochRecord(mean_loss, of_batches, weight, sizes, seconds, scores, rate)
        for mean_loss, of_batches, weight, sizes, scores, rate in zip(
            mean.tolist(),
            losses.tolist(),
            weights.tolist(),
            rows,
            held_out,
            rates,
            strict=True,
        )
    ]

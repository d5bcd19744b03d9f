"""A stack: many networks of one shape, trained step by step as one tensor program."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from skact.engine.activations import Activation
from skact.engine.batches import Batches, Step, Tables
from skact.engine.layers import BatchNorm, Dropout, Layer, LayerNorm, Linear
from skact.engine.losses import LOSSES
from skact.engine.optimizers import STACKED, stacked_form
from skact.engine.plan import BatchShape, EpochRecord, FitJob

# parameters of a lane begin at multiples of this many values: see plan.padded_rows
_ALIGNED = 32


@dataclass
class Segment:
    """Where a parameter of each lane lies in the flat buffer."""

    start: int
    shape: tuple[int, ...]

    @property
    def stop(self) -> int:
        """The end, exclusive."""
        return self.start + int(np.prod(self.shape))

    def of(self, flat: Tensor) -> Tensor:
        """View the parameter of all lanes, (L, *shape), in a buffer (L, N)."""
        return flat[:, self.start : self.stop].view(len(flat), *self.shape)


class Layout:
    """Names the segments of a lane: torch's parameters, then what activations learn."""

    def __init__(self, modules: Sequence[Any]) -> None:
        self.size = 0
        first = modules[0]
        blocks = [*first.hidden, first]
        self.linear, self.norm, self.learned = [], [], []
        for i, block in enumerate(blocks):
            linear = block.output if block is first else block.linear
            self.linear.append(
                (self._add(linear.weight.shape), self._add_column(linear))
            )
            norm = None if block is first else getattr(block.norm, "weight", None)
            if norm is not None:
                columns = (len(norm), 1)
                self.norm.append((self._add(columns), self._add(columns)))
            learns = [_count(_activation(module, i)) for module in modules]
            self.learned.append(self._add((max(learns),)))

    def _add(self, shape: Sequence[int]) -> Segment:
        segment = Segment(self.size, tuple(shape))
        self.size = -(-segment.stop // _ALIGNED) * _ALIGNED
        return segment

    def _add_column(self, linear: nn.Linear) -> Segment:
        return self._add((linear.out_features, 1))

    def parameters_of(self, module: Any) -> Iterator[tuple[nn.Parameter, int]]:
        """Yield a network's parameters with their places in its lane."""
        for i, (weight, bias) in enumerate(self.linear):
            last = i == len(self.linear) - 1
            linear = module.output if last else module.hidden[i].linear
            yield linear.weight, weight.start
            yield linear.bias, bias.start
            if not last and self.norm:
                norm = module.hidden[i].norm
                yield norm.weight, self.norm[i][0].start
                yield norm.bias, self.norm[i][1].start
            start = self.learned[i].start
            for parameter in _learnable(_activation(module, i)):
                yield parameter, start
                start += parameter.numel()


def _activation(module: Any, i: int) -> nn.Module:
    """Return the i-th hidden activation; after the last, that of the output."""
    hidden = module.hidden
    return hidden[i].activation if i < len(hidden) else module.output_activation


def _learnable(module: nn.Module) -> list[nn.Parameter]:
    return [p for p in module.parameters() if p.requires_grad]


def _count(module: nn.Module) -> int:
    return sum(p.numel() for p in _learnable(module))


class Stack:
    """Networks of one shape while they train.

    While the stack lives, the parameters of the modules and the state of the optimizers
    are views of its buffers: callbacks may read and write them. `release` gives each
    its own storage again.

    Parameters
    ----------
    jobs : sequence of FitJob
        One for each lane, of one group (`train.lane_of`).
    tables : Tables
        Arrays shared with other stacks.
    """

    def __init__(self, jobs: Sequence[FitJob], tables: Tables) -> None:
        self.jobs = list(jobs)
        self.modules = [job.module for job in jobs]
        first = self.modules[0].output.weight
        self.dtype, self.device = first.dtype, first.device
        self.layout = Layout(self.modules)
        self.values = torch.zeros(
            len(jobs), self.layout.size, dtype=self.dtype, device=self.device
        )
        self.grads = torch.zeros_like(self.values)
        self.optimizer = STACKED[stacked_form(jobs[0].optimizer)](  # type: ignore[index]
            [job.optimizer for job in jobs], self.values, self.grads
        )
        self.running = self._load_running()
        for lane in range(len(jobs)):
            self._attach(lane)
        shape = BatchShape.of(jobs[0].X.shape[0], jobs[0].batch_size)
        self.batches = Batches(jobs, shape, tables, self.dtype, self.device)
        self.loss = LOSSES[jobs[0].loss]
        self._scratch: dict[str, Tensor] = {}
        self._passes: dict[int, _Pass] = {}

    # ------------------------------------------------------------ parameters

    def _attach(self, lane: int) -> None:
        """Copy a network into the stack and make its parameters views of it."""
        job, values = self.jobs[lane], self.values[lane]
        state = job.optimizer.state
        own = self.optimizer.state_of(lane)
        for parameter, start in self.layout.parameters_of(job.module):
            part = slice(start, start + parameter.numel())
            values[part] = parameter.detach().flatten()
            parameter.data = values[part].view_as(parameter)
            known = state.get(parameter, {})
            for name, flat in own.items():
                if known.get(name) is not None:
                    flat[part] = known[name].flatten()
                if known:
                    known[name] = flat[part].view_as(parameter)
            if self.optimizer.steps_of(lane) is not None and known:
                self.optimizer.steps[lane] = int(known["step"])  # type: ignore[attr-defined]

    def _expose_state(self, lane: int) -> None:
        """Write the optimizer's state where torch keeps it."""
        job = self.jobs[lane]
        own, steps = self.optimizer.state_of(lane), self.optimizer.steps_of(lane)
        for parameter, start in self.layout.parameters_of(job.module):
            part = slice(start, start + parameter.numel())
            state = {name: flat[part].view_as(parameter) for name, flat in own.items()}
            if steps is not None:
                state["step"] = torch.tensor(float(steps))
            if state:
                job.optimizer.state[parameter] = state

    def _load_running(self) -> list[Tensor]:
        """Stack the running statistics of batch norms: (2, L, H, 1) for each layer."""
        stacked = []
        for i, layer in enumerate(self.modules[0].hidden):
            if isinstance(layer.norm, nn.BatchNorm1d):
                norms = [module.hidden[i].norm for module in self.modules]
                both = [
                    torch.stack([getattr(norm, name) for norm in norms])
                    for name in ("running_mean", "running_var")
                ]
                stacked.append(torch.stack(both).unsqueeze(3))
                for lane, norm in enumerate(norms):
                    norm.running_mean = stacked[-1][0, lane, :, 0]
                    norm.running_var = stacked[-1][1, lane, :, 0]
        return stacked

    def release(self) -> None:
        """Give each network storage of its own, with what it has learned."""
        for lane, job in enumerate(self.jobs):
            self._expose_state(lane)
            for parameter, _ in self.layout.parameters_of(job.module):
                parameter.data = parameter.data.clone()
                for name, value in job.optimizer.state.get(parameter, {}).items():
                    job.optimizer.state[parameter][name] = value.clone()
            for layer in job.module.hidden:
                if isinstance(layer.norm, nn.BatchNorm1d):
                    layer.norm.running_mean = layer.norm.running_mean.clone()
                    layer.norm.running_var = layer.norm.running_var.clone()

    def finite(self) -> list[bool]:
        """Whether each lane's parameters are finite."""
        return self.values.isfinite().all(1).tolist()

    # ------------------------------------------------------------ training

    def scratch(self, name: str, *shape: int) -> Tensor:
        """Return a buffer that batches of all sizes share."""
        size = int(np.prod(shape))
        if name not in self._scratch or self._scratch[name].numel() < size:
            self._scratch[name] = self.values.new_zeros(size)
        return self._scratch[name][:size].view(shape)

    def run_epoch(self, epochs: Sequence[int]) -> list[EpochRecord]:
        """Train every lane for one epoch; `epochs` counts each lane's from 0."""
        began = time.perf_counter()
        with torch.no_grad():
            for module, job, epoch in zip(self.modules, self.jobs, epochs, strict=True):
                module.train()
                module.seed_noise(job.seeds.of_epoch(job.seeds.noise, epoch))
            self.optimizer.begin_epoch(self.batches.shape.n_steps)
            losses = [
                self._pass(step.size).train(step) for step in self.batches.epoch(epochs)
            ]
            for lane, job in enumerate(self.jobs):
                if job.hooks is not None:
                    self._expose_state(lane)
                for layer in job.module.hidden:
                    if isinstance(layer.norm, nn.BatchNorm1d):
                        layer.norm.num_batches_tracked += len(losses)
            losses = torch.stack(losses).cpu().double().numpy()  # (steps, L)
            weights = self.batches.batch_weights.cpu().double().numpy()
        seconds = (time.perf_counter() - began) / len(self.jobs)
        return [
            _record(losses[:, i], weights[:, i], self.batches.rows[i], seconds)
            for i in range(len(self.jobs))
        ]

    def _pass(self, size: int) -> "_Pass":
        if size not in self._passes:
            self._passes[size] = _Pass(self, size)
        return self._passes[size]


def _record(
    losses: np.ndarray, weights: np.ndarray, sizes: Sequence[int], seconds: float
) -> EpochRecord:
    mean = np.average(losses, weights=weights) if weights.any() else losses.mean()
    return EpochRecord(
        train_loss=float(mean),
        batch_losses=losses.tolist(),
        batch_weights=weights.tolist(),
        batch_sizes=sizes,
        seconds=seconds,
    )


class _Pass:
    """Forward and backward for batches of one size: layers bound to buffers."""

    def __init__(self, stack: Stack, size: int) -> None:
        self.stack = stack
        n_lanes = len(stack.jobs)
        self.x = stack.scratch("x", n_lanes, size, stack.batches.n_features)
        self.layers: list[Layer] = []
        source, grad_source = self.x.mT, None
        for i, (weight, _) in enumerate(stack.layout.linear):
            shape = (n_lanes, weight.shape[0], size)
            grad = stack.scratch(f"grad{i}", *shape)
            z = stack.scratch(f"z{i}", *shape)
            self._add_linear(i, source, z, grad, grad_source)
            source, grad_source = self._add_rest(i, z, grad), grad
        self.outputs, self.grad = source, grad

    def _add_linear(
        self, i: int, source: Tensor, z: Tensor, grad: Tensor, grad_source: Any
    ) -> None:
        stack = self.stack
        weight, bias = stack.layout.linear[i]
        self.layers.append(
            Linear(
                weight.of(stack.values),
                bias.of(stack.values),
                weight.of(stack.grads),
                bias.of(stack.grads),
                source,
                z,
                grad,
                grad_source,
            )
        )

    def _add_rest(self, i: int, z: Tensor, grad: Tensor) -> Tensor:
        """Add norm, activation and dropout after a linear layer; return the output."""
        stack, layout = self.stack, self.stack.layout
        last = i == len(layout.linear) - 1
        if layout.norm and not last:
            norm = stack.modules[0].hidden[i].norm
            parts = [
                segment.of(flat)
                for flat in (stack.values, stack.grads)
                for segment in layout.norm[i]
            ]
            normed = stack.scratch(f"normed{i}", *z.shape)
            if isinstance(norm, nn.BatchNorm1d):
                self.layers.append(
                    BatchNorm(
                        norm.eps,
                        norm.momentum,
                        stack.running[i],
                        *parts,
                        z,
                        normed,
                        grad,
                    )
                )
            else:
                self.layers.append(LayerNorm(norm.eps, *parts, z, normed, grad))
            z = normed
        activations = [_activation(module, i) for module in stack.modules]
        if not all(type(module) is nn.Identity for module in activations):
            out = stack.scratch(f"out{i}", *z.shape)
            learned = layout.learned[i]
            self.layers.append(
                Activation(
                    activations,
                    z,
                    out,
                    grad,
                    learned.of(stack.values),
                    learned.of(stack.grads),
                )
            )
            z = out
        if not last and not isinstance(stack.modules[0].hidden[i].dropout, nn.Identity):
            dropped = stack.scratch(f"dropped{i}", *z.shape)
            modules = [module.hidden[i].dropout for module in stack.modules]
            self.layers.append(Dropout(modules, z, dropped, grad))
            z = dropped
        return z

    def train(self, step: Step) -> Tensor:
        """Take one step; return the loss of each lane's batch, (L,)."""
        stack = self.stack
        stack.batches.fetch(step, self.x)
        for layer in self.layers:
            layer.forward(step.batch)
        losses = stack.loss(self.outputs, step.targets, step.weight, self.grad)
        for layer in reversed(self.layers):
            layer.backward(step.batch)
        stack.optimizer.step()
        return (losses * step.weight).sum(2)[:, 0]

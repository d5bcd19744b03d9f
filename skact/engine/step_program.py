"""The calls of a training step, forward and backward, bound to their buffers."""

import itertools
import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from skact.engine.activation_layers import ActivationLayer
from skact.engine.batches import Steps
from skact.engine.layers import (
    Batch,
    BoundCall,
    HalvedLinear,
    Layer,
    StackedBatchNorm,
    StackedDropout,
    StackedLayerNorm,
    StackedLinear,
)
from skact.engine.losses import LOSSES, Loss
from skact.engine.memory_layout import activation_of


class StepProgram:
    """The calls of a step for batches of one size.

    Parameters
    ----------
    stack : Stack
        The stack that is trained.
    is_last : bool
        Whether it is for the last batch of an epoch, or for all others.
    n_steps : int
        Most steps at once.
    """

    def __init__(self, stack: Any, is_last: bool, n_steps: int) -> None:
        self.stack = stack
        size, batch = stack.batches.describe_batch(is_last=is_last)
        self.batch = batch
        n_lanes = len(stack.jobs)
        self.rows = stack.scratch_buffer(
            "rows", n_lanes * size, stack.batches.n_features
        )
        self.layers: list[Layer] = []
        source: Tensor = self.rows.view(n_lanes, size, -1).mT
        grad_source = None
        for i, (weight, _) in enumerate(stack.layout.linear):
            shape = (n_lanes, weight.shape[0], size)
            grad = stack.scratch_buffer(f"grad{i}", *shape)
            z = stack.scratch_buffer(f"z{i}", *shape)
            self._add_linear(i, source, z, grad, grad_source)
            source, grad_source = self._add_after_linear(i, z, grad), grad
        self.loss: Loss = LOSSES[stack.jobs[0].loss](source, grad, n_steps)
        self.is_filling = batch.valid == 0
        self.index = torch.zeros(
            n_steps, n_lanes, size, dtype=torch.int64, device=stack.device
        )
        self.bind_calls(batch)

    def bind_calls(self, batch: Batch) -> None:
        """List the calls of each step: one that fetches rows, and those after it."""
        all_forward, all_backward = [], []
        clipping = self.stack.clipping
        for layer in self.layers:
            forward, backward = layer.calls(batch)
            all_forward += forward
            all_backward.append(backward)
        self.steps: list[tuple[BoundCall, list[BoundCall]]] = [
            (
                self.stack.batches.bind_fetch(index, self.rows),
                [
                    *all_forward,
                    *self.loss.calls(step),
                    *itertools.chain(*reversed(all_backward)),
                    *([] if clipping is None else clipping.calls()),
                ],
            )
            for step, index in enumerate(self.index)
        ]

    def _add_linear(
        self, i: int, source: Tensor, z: Tensor, grad: Tensor, grad_source: Any
    ) -> None:
        weight, bias = map(self.stack.parameter_at, self.stack.layout.linear[i])
        parts = weight, bias, source, z, grad, grad_source
        if self.stack.thread_choice.max_threads > 1 and HalvedLinear.is_worth_threads(
            z, source
        ):
            self.layers.append(
                HalvedLinear(*parts, thread_choice=self.stack.thread_choice)
            )
        else:
            self.layers.append(StackedLinear(*parts))

    def _add_after_linear(self, i: int, z: Tensor, grad: Tensor) -> Tensor:
        """Add norm, activation and dropout after a linear layer; return the output."""
        stack = self.stack
        last = i == len(stack.layout.linear) - 1
        if stack.layout.norm and not last:
            z = self._add_norm(i, z, grad)
        activations = [activation_of(module, i) for module in stack.modules]
        if not all(type(module) is nn.Identity for module in activations):
            out = stack.scratch_buffer(f"out{i}", *z.shape)
            learned = stack.parameter_at(stack.layout.learned[i])
            self.layers.append(ActivationLayer(activations, z, out, grad, learned))
            z = out
        if not last and not isinstance(stack.modules[0].hidden[i].dropout, nn.Identity):
            dropped = stack.scratch_buffer(f"dropped{i}", *z.shape)
            modules = [module.hidden[i].dropout for module in stack.modules]
            self.layers.append(StackedDropout(modules, z, dropped, grad))
            z = dropped
        return z

    def _add_norm(self, i: int, z: Tensor, grad: Tensor) -> Tensor:
        stack, norm = self.stack, self.stack.modules[0].hidden[i].norm
        weight, bias = map(stack.parameter_at, stack.layout.norm[i])
        normed = stack.scratch_buffer(f"normed{i}", *z.shape)
        if isinstance(norm, nn.BatchNorm1d):
            layer: Any = StackedBatchNorm(weight, bias, z, normed, grad, norm.eps)
            layer.running, layer.momentum = stack.running[i], norm.momentum
        else:
            layer = StackedLayerNorm(weight, bias, z, normed, grad, norm.eps)
        self.layers.append(layer)
        return normed

    def take_steps(self, steps: Steps) -> Tensor:
        """Take steps; return the loss of each batch, (n, L)."""
        self.load_steps(steps)
        has_threads = self.stack.thread_choice.max_threads > 1
        take_optimizer_step = self.stack.optimizer.step
        for fetch, calls in self.steps[: len(steps.index)]:
            if has_threads:
                self._take_timed_step(fetch, calls)
                continue
            fetch()
            for call in calls:
                call()
            take_optimizer_step()
        return self.losses_of_batches(steps)

    def load_steps(self, steps: Steps) -> None:
        """Copy rows, targets and weights of the next steps, and prepare the layers."""
        self.index[: len(steps.index)] = steps.index
        self.loss.load_targets(steps.targets, steps.weight)
        for layer in self.layers:
            layer.begin_steps(self.batch, len(steps.index))

    def losses_of_batches(self, steps: Steps) -> Tensor:
        """Return the loss of each batch in the steps that were taken, (n, L)."""
        losses = self.loss.losses_of_rows(steps.targets).mul_(steps.weight)
        losses.masked_fill_(self.is_filling, 0)  # their losses may be infinite
        return losses.sum(3)[..., 0]

    def _take_timed_step(self, fetch: BoundCall, calls: Sequence[BoundCall]) -> None:
        """Take a step of a lone network on one thread or two, and note its time."""
        thread_choice, began = self.stack.thread_choice, time.perf_counter()
        torch.set_num_threads(thread_choice.n_threads)
        fetch()
        torch.set_num_threads(1)  # layers.HalvedLinear takes the second thread
        for call in calls:
            call()
        torch.set_num_threads(thread_choice.n_threads)
        self.stack.optimizer.step()
        torch.set_num_threads(1)
        thread_choice.note_step(time.perf_counter() - began)

"""The calls of a training step, bound to their buffers: forward and backward."""

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
    BatchNorm,
    Call,
    Dropout,
    Layer,
    LayerNorm,
    Linear,
    LoneLinear,
)
from skact.engine.losses import LOSSES, Loss
from skact.engine.memory_layout import activation_of


class StepProgram:
    """Forward and backward for batches of one kind: calls bound to buffers.

    Parameters
    ----------
    stack : Stack
        Whose lanes it computes.
    is_last : bool
        Whether for the last batch of an epoch, or for all others.
    n_steps : int
        Steps at once, at most.
    """

    def __init__(self, stack: Any, is_last: bool, n_steps: int) -> None:
        self.stack = stack
        size, batch = stack.batches.kind(is_last=is_last)
        n_lanes = len(stack.jobs)
        self.rows = stack.scratch("rows", n_lanes * size, stack.batches.n_features)
        self.layers: list[Layer] = []
        source: Tensor = self.rows.view(n_lanes, size, -1).mT
        grad_source = None
        for i, (weight, _) in enumerate(stack.layout.linear):
            shape = (n_lanes, weight.shape[0], size)
            grad = stack.scratch(f"grad{i}", *shape)
            z = stack.scratch(f"z{i}", *shape)
            self._add_linear(i, source, z, grad, grad_source)
            source, grad_source = self._add_rest(i, z, grad), grad
        self.loss: Loss = LOSSES[stack.jobs[0].loss](source, grad, n_steps)
        self.filling = batch.valid == 0
        self.index = torch.zeros(
            n_steps, n_lanes, size, dtype=torch.int64, device=stack.device
        )
        self.bind(batch)

    def bind(self, batch: Batch) -> None:
        """List the calls of each step: fetching rows, and all until the gradients."""
        there, back = [], []
        for layer in self.layers:
            forward, backward = layer.calls(batch)
            there += forward
            back.append(backward)
        self.steps: list[tuple[Call, list[Call]]] = [
            (
                self.stack.batches.fetching(index, self.rows),
                [*there, *self.loss.calls(step), *itertools.chain(*reversed(back))],
            )
            for step, index in enumerate(self.index)
        ]

    def _add_linear(
        self, i: int, source: Tensor, z: Tensor, grad: Tensor, grad_source: Any
    ) -> None:
        weight, bias = map(self.stack.parameter, self.stack.layout.linear[i])
        parts = weight, bias, source, z, grad, grad_source
        if self.stack.pace.most > 1 and LoneLinear.pays(z, source):
            self.layers.append(LoneLinear(*parts, pace=self.stack.pace))
        else:
            self.layers.append(Linear(*parts))

    def _add_rest(self, i: int, z: Tensor, grad: Tensor) -> Tensor:
        """Add norm, activation and dropout after a linear layer; return the output."""
        stack = self.stack
        last = i == len(stack.layout.linear) - 1
        if stack.layout.norm and not last:
            z = self._add_norm(i, z, grad)
        activations = [activation_of(module, i) for module in stack.modules]
        if not all(type(module) is nn.Identity for module in activations):
            out = stack.scratch(f"out{i}", *z.shape)
            learned = stack.parameter(stack.layout.learned[i])
            self.layers.append(ActivationLayer(activations, z, out, grad, learned))
            z = out
        if not last and not isinstance(stack.modules[0].hidden[i].dropout, nn.Identity):
            dropped = stack.scratch(f"dropped{i}", *z.shape)
            modules = [module.hidden[i].dropout for module in stack.modules]
            self.layers.append(Dropout(modules, z, dropped, grad))
            z = dropped
        return z

    def _add_norm(self, i: int, z: Tensor, grad: Tensor) -> Tensor:
        stack, norm = self.stack, self.stack.modules[0].hidden[i].norm
        weight, bias = map(stack.parameter, stack.layout.norm[i])
        normed = stack.scratch(f"normed{i}", *z.shape)
        if isinstance(norm, nn.BatchNorm1d):
            layer: Any = BatchNorm(weight, bias, z, normed, grad, norm.eps)
            layer.running, layer.momentum = stack.running[i], norm.momentum
        else:
            layer = LayerNorm(weight, bias, z, normed, grad, norm.eps)
        self.layers.append(layer)
        return normed

    def train(self, steps: Steps) -> Tensor:
        """Take steps; return the loss of each batch, (n, L)."""
        self.load(steps)
        several = self.stack.pace.most > 1
        for fetch, calls in self.steps[: len(steps.index)]:
            if several:
                self._step_at_pace(fetch, calls)
                continue
            fetch()
            for call in calls:
                call()
            self.stack.optimizer.step()
        return self.losses(steps)

    def load(self, steps: Steps) -> None:
        """Make ready for some steps."""
        self.index[: len(steps.index)] = steps.index
        self.loss.load(steps.targets, steps.weight)

    def losses(self, steps: Steps) -> Tensor:
        """Return the loss of each batch in the steps that were taken, (n, L)."""
        losses = self.loss.of_rows(steps.targets).mul_(steps.weight)
        losses.masked_fill_(self.filling, 0)  # theirs may be infinite
        return losses.sum(3)[..., 0]

    def _step_at_pace(self, fetch: Call, calls: Sequence[Call]) -> None:
        """Take a step on one thread or on many."""
        pace, began = self.stack.pace, time.perf_counter()
        torch.set_num_threads(pace.threads)
        fetch()
        if len(self.stack.jobs) == 1:  # see layers.LoneLinear
            torch.set_num_threads(1)
        for call in calls:
            call()
        torch.set_num_threads(pace.threads)
        self.stack.optimizer.step()
        torch.set_num_threads(1)
        pace.took(time.perf_counter() - began)

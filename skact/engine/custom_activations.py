"""Custom activations, differentiated by autograd.

A function is elementwise if each value and each slope depends on one input only. An
elementwise function is applied to all lanes at once. Other functions, and all modules,
are applied to one lane after another, without the rows that only fill the batch up.
"""

import copy
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from skact._torch import load_gradients
from skact.activations.modules import FunctionActivation
from skact.engine.layers import Batch, Layer
from skact.global_rng import seed_generators_temporarily


def make_custom_run(
    lanes: slice, modules: Sequence[nn.Module], *tensors: Tensor
) -> Any:
    """Return an object that computes a run of equal custom activations."""
    load_gradients()
    first = modules[0]

    def make_joint_run(start: int, stop: int) -> Any:
        place = slice(lanes.start + start, lanes.start + stop)
        return _ElementwiseRun(place, first, *(t[start:stop] for t in tensors[:3]))

    def make_lane_run(i: int) -> Any:
        if can_join:
            return make_joint_run(i, i + 1)
        return _LaneRun(lanes.start + i, modules[i], *(t[i : i + 1] for t in tensors))

    can_join = type(first) is FunctionActivation and is_elementwise(
        first, tensors[0].dtype
    )
    joins_lanes = can_join and len(modules) > 1
    whole = make_joint_run(0, len(modules)) if joins_lanes else None
    return _CustomRun(lanes, tensors[1], tensors[2], make_lane_run, whole)


@contextmanager
def record_gradients() -> Iterator[None]:
    """Let autograd record: the rest of the engine runs in inference mode."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


class _ElementwiseRun:
    """A custom elementwise function on all lanes of the run at once.

    The function may have no value or slope at 0. Rows that only fill a batch up may be
    0, so their outputs and gradients are set to zero.
    """

    def __init__(
        self, lanes: slice, module: nn.Module, z: Tensor, out: Tensor, grad: Tensor
    ) -> None:
        self.lanes, self.module = lanes, module
        self.z, self.out, self.grad = z, out, grad

    def forward(self, batch: Batch) -> None:
        with record_gradients():
            self.x = self.z.flatten(0, 1).clone().requires_grad_()
            self.y = self.module(self.x * 1)  # an in-place function must not get a leaf
        self.out.copy_(self.y.detach().view_as(self.out))
        self.is_filling = batch.valid[self.lanes] == 0
        self.out.masked_fill_(self.is_filling, 0)

    def backward(self, batch: Batch) -> None:
        found = None
        if self.y.requires_grad:
            with record_gradients():
                grad = self.grad.flatten(0, 1).clone()
                (found,) = torch.autograd.grad(self.y, self.x, grad, allow_unused=True)
        if found is None:
            self.grad.zero_()
        else:
            self.grad.copy_(found.view_as(self.grad)).masked_fill_(self.is_filling, 0)
        del self.x, self.y


class _LaneRun:
    """A custom module or function on the true rows of one lane."""

    def __init__(self, lane: int, module: nn.Module, *tensors: Tensor) -> None:
        self.lane, self.module = lane, module
        self.z, self.out, self.grad, self.weight, self.grad_weight = tensors

    def forward(self, batch: Batch) -> None:
        rows = batch.rows[self.lane]
        with record_gradients():
            x = self.z[0, :, :rows].T.clone(memory_format=torch.contiguous_format)
            self.x = x.requires_grad_()
            self.y = self.module(self.x * 1)
        if not isinstance(self.y, Tensor):
            raise TypeError(
                f"The activation or output_activation {self.module!r} must return a "
                f"tensor, got {type(self.y).__name__}."
            )
        self.out[0, :, :rows] = self.y.detach().T
        self.out[0, :, rows:] = 0

    def backward(self, batch: Batch) -> None:
        rows, learned = batch.rows[self.lane], list(self.module.parameters())
        found: Sequence[Tensor | None] = [None] * (1 + len(learned))
        if self.y.requires_grad:
            wanted = [self.x, *learned]
            with record_gradients():
                grad = self.grad[0, :, :rows].T.clone()
                found = torch.autograd.grad(self.y, wanted, grad, allow_unused=True)
        self.grad.zero_()
        if found[0] is not None:
            self.grad[0, :, :rows] = found[0].T
        start = 0
        for parameter, g in zip(learned, found[1:], strict=True):
            stop = start + parameter.numel()
            self.grad_weight[0, start:stop] = 0 if g is None else g.flatten()
            start = stop
        del self.x, self.y


class _CustomRun(Layer):
    """A custom activation in a run of lanes. If it raises in a lane, that lane fails.

    Parameters
    ----------
    lanes : slice
        Place of the run in the stack.
    out, grad : Tensor of shape (l, H, B)
    make_lane_run : callable
        Returns the object that computes the i-th lane of the run.
    whole : optional
        Object that computes all lanes of the run at once.
    """

    def __init__(
        self,
        lanes: slice,
        out: Tensor,
        grad: Tensor,
        make_lane_run: Callable[[int], Any],
        whole: Any = None,
    ) -> None:
        self.lanes, self.out, self.grad, self.whole = lanes, out, grad, whole
        self.singles = [make_lane_run(i) for i in range(len(out))]

    def forward(self, batch: Batch) -> None:
        self.is_split = self.whole is None
        if self.whole is not None:
            try:
                return self.whole.forward(batch)
            except Exception:
                self.is_split = True
        self._run_each_lane("forward", batch)

    def backward(self, batch: Batch) -> None:
        if not self.is_split:
            try:
                return self.whole.backward(batch)
            except Exception:
                self._run_each_lane("forward", batch)
        self._run_each_lane("backward", batch)

    def _run_each_lane(self, name: str, batch: Batch) -> None:
        for i, single in enumerate(self.singles):
            lane = self.lanes.start + i
            if lane not in batch.failed:
                try:
                    getattr(single, name)(batch)
                    continue
                except Exception as error:
                    if len(batch.rows) == 1:
                        raise
                    batch.failed[lane] = error
            self.out[i] = 0
            self.grad[i] = 0


def is_elementwise(module: nn.Module, dtype: torch.dtype) -> bool:
    """Whether a custom function may be applied to the values of many networks at once.

    The function is applied to a matrix of small and large values, to its halves and to
    its transpose: equal values and slopes do not depend on their neighbours.
    """
    order = torch.randperm(64 * 48, generator=torch.Generator())
    x = torch.linspace(-4, 4, 64 * 48, dtype=dtype)[order].view(64, 48)
    x[:16] *= 100  # some functions change where the largest value is large
    try:
        whole = _values_and_slopes(module, x)
        parts = [_values_and_slopes(module, part) for part in (x[:32], x[32:])]
        turned = _values_and_slopes(module, x.T.contiguous())
    except Exception:
        return False
    return (
        whole.shape[1:] == x.shape
        and torch.equal(whole, torch.cat(parts, 1))
        and torch.equal(whole, turned.mT)
    )


def _values_and_slopes(module: nn.Module, x: Tensor) -> Tensor:
    with record_gradients():
        x = x.clone().requires_grad_()
        y = module(x * 1)
        # the gradients differ, but depend on x alone
        found = torch.autograd.grad(y, x, x.detach().sin()) if y.requires_grad else (y,)
    return torch.stack([y.detach(), found[0].detach()]).nan_to_num(nan=7.0)


def fault_of_activation(activation: nn.Module, x: Tensor) -> str | None:
    """Return why a custom activation cannot train in a stack, or None if it can."""
    try:
        activation = copy.deepcopy(activation).train()  # the call may change its state
    except Exception as error:
        return f"cannot be copied ({error!r})"
    learned = list(activation.parameters())
    with seed_generators_temporarily(0, torch.device("cpu")), torch.enable_grad():
        before = _global_generator_states()
        try:
            y = activation(x.requires_grad_() * 1)
            if _global_generator_states() != before:
                return "draws from a global generator"
            found: Sequence[Any] = [None]
            if y.requires_grad:
                found = torch.autograd.grad(y.sum(), [x, *learned], allow_unused=True)
        except Exception:
            return None  # training raises the error again, with its cause
    # torch's optimizers skip a parameter without a gradient, a stack does not
    if any(gradient is None for gradient in found):
        return "gives no gradient to its input or to a parameter"
    return None


def _global_generator_states() -> tuple:
    of_numpy: Any = np.random.get_state()  # noqa: NPY002
    return (
        torch.get_rng_state().numpy().tobytes(),
        of_numpy[1].tobytes(),
        of_numpy[2],
        random.getstate(),
    )

"""Activations that users brought: on the engine, differentiated by autograd.

A function whose values and slopes depend on nothing but their own input is applied to
all lanes at once; any other, and every module, to the true rows of one lane after
another.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from skact.activations.modules import FunctionActivation
from skact.engine.layers import Batch, Layer


def guarded(lanes: slice, modules: Sequence[nn.Module], *tensors: Tensor) -> Any:
    """Return what computes a run of equal activations that users brought."""
    first = modules[0]

    def part(start: int, stop: int) -> Any:
        place = slice(lanes.start + start, lanes.start + stop)
        return _Elementwise(place, first, *(t[start:stop] for t in tensors[:3]))

    def one(i: int) -> Any:
        if elementwise:
            return part(i, i + 1)
        return _OneLane(lanes.start + i, modules[i], *(t[i : i + 1] for t in tensors))

    elementwise = type(first) is FunctionActivation and is_elementwise(
        first, tensors[0].dtype
    )
    together = elementwise and len(modules) > 1
    whole = part(0, len(modules)) if together else None
    return _Guarded(lanes, tensors[1], tensors[2], one, whole)


@contextmanager
def recorded() -> Iterator[None]:
    """Let autograd record: the engine computes in inference mode, which is faster."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


class _Elementwise:
    """A user's function on all lanes of the run at once, differentiated by autograd.

    Rows that only fill a batch up may lie where it has no value or slope, such as 0.
    """

    def __init__(
        self, lanes: slice, module: nn.Module, z: Tensor, out: Tensor, grad: Tensor
    ) -> None:
        self.lanes, self.module = lanes, module
        self.z, self.out, self.grad = z, out, grad

    def forward(self, batch: Batch) -> None:
        with recorded():
            self.x = self.z.flatten(0, 1).clone().requires_grad_()
            self.y = self.module(self.x * 1)  # in-place functions want no leaf
        self.out.copy_(self.y.detach().view_as(self.out))
        self.filling = batch.valid[self.lanes] == 0
        self.out.masked_fill_(self.filling, 0)

    def backward(self, batch: Batch) -> None:
        found = None
        if self.y.requires_grad:
            with recorded():
                grad = self.grad.flatten(0, 1).clone()
                (found,) = torch.autograd.grad(self.y, self.x, grad, allow_unused=True)
        if found is None:
            self.grad.zero_()
        else:
            self.grad.copy_(found.view_as(self.grad)).masked_fill_(self.filling, 0)
        del self.x, self.y


class _OneLane:
    """A user's module on the true rows of one lane."""

    def __init__(self, lane: int, module: nn.Module, *tensors: Tensor) -> None:
        self.lane, self.module = lane, module
        self.z, self.out, self.grad, self.weight, self.grad_weight = tensors

    def forward(self, batch: Batch) -> None:
        rows = batch.rows[self.lane]
        with recorded():
            x = self.z[0, :, :rows].T.clone(memory_format=torch.contiguous_format)
            self.x = x.requires_grad_()
            self.y = self.module(self.x * 1)
        self.out[0, :, :rows] = self.y.detach().T
        self.out[0, :, rows:] = 0

    def backward(self, batch: Batch) -> None:
        rows, learned = batch.rows[self.lane], list(self.module.parameters())
        found: Sequence[Tensor | None] = [None] * (1 + len(learned))
        if self.y.requires_grad:
            wanted = [self.x, *learned]
            with recorded():
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


class _Guarded(Layer):
    """What users brought, in a run of lanes: where it raises, that lane alone fails.

    Parameters
    ----------
    lanes : slice
        The run's place in the stack.
    out, grad : Tensor of shape (l, H, B)
    one : callable
        Gives what computes the i-th lane of the run.
    whole : optional
        What computes all of them at once.
    """

    def __init__(
        self,
        lanes: slice,
        out: Tensor,
        grad: Tensor,
        one: Callable[[int], Any],
        whole: Any = None,
    ) -> None:
        self.lanes, self.out, self.grad, self.whole = lanes, out, grad, whole
        self.singles = [one(i) for i in range(len(out))]

    def forward(self, batch: Batch) -> None:
        self.apart = self.whole is None
        if self.whole is not None:
            try:
                return self.whole.forward(batch)
            except Exception:
                self.apart = True
        self._each("forward", batch)

    def backward(self, batch: Batch) -> None:
        if not self.apart:
            try:
                return self.whole.backward(batch)
            except Exception:
                self._each("forward", batch)
        self._each("backward", batch)

    def _each(self, name: str, batch: Batch) -> None:
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
    """Whether a user's function may see many networks' values as one matrix.

    Tried on a matrix and on its parts, small values and large: neither values nor
    slopes must depend on their neighbours.
    """
    order = torch.randperm(64 * 48, generator=torch.Generator())
    x = torch.linspace(-4, 4, 64 * 48, dtype=dtype)[order].view(64, 48)
    x[:16] *= 100  # a function may look at the largest
    try:
        whole = _value_and_slope(module, x)
        parts = [_value_and_slope(module, part) for part in (x[:32], x[32:])]
        turned = _value_and_slope(module, x.T.contiguous())
    except Exception:
        return False
    return (
        whole.shape[1:] == x.shape
        and torch.equal(whole, torch.cat(parts, 1))
        and torch.equal(whole, turned.mT)
    )


def _value_and_slope(module: nn.Module, x: Tensor) -> Tensor:
    with recorded():
        x = x.clone().requires_grad_()
        y = module(x * 1)
        # no two gradients alike, and the same ones wherever x lies
        found = torch.autograd.grad(y, x, x.detach().sin()) if y.requires_grad else (y,)
    return torch.stack([y.detach(), found[0].detach()]).nan_to_num(nan=7.0)

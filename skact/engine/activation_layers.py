"""Activations on a stack. A run is a slice of neighbouring lanes that share one."""

from collections.abc import Hashable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from skact.activations.modules import FunctionActivation, RReLU, SwishBeta
from skact.engine.custom_activations import make_custom_run
from skact.engine.kernels import Kernel, kernel_of
from skact.engine.layers import Batch, BoundCall, Layer, Parameter
from skact.engine.plan import runs_of
from skact.threads import use_threads


def activation_key(module: nn.Module) -> Hashable:
    """Return a key; activations with equal keys are computed in one run."""
    kernel = kernel_of(module)
    if kernel is not None:
        return kernel.key
    if type(module) is FunctionActivation:
        # identity, because a callable object may have no hash
        return ("function", id(module.function), tuple(module.arguments.items()))
    if type(module) is nn.PReLU:
        return ("prelu", module.num_parameters)
    if type(module) is SwishBeta:
        return "swish_beta"
    if type(module) is RReLU:
        return ("rrelu", module.lower, module.upper)
    return ("module", id(module))


def has_closed_form(module: nn.Module) -> bool:
    """Whether a stack computes an activation without autograd, and so without noise."""
    key = activation_key(module)
    return not (isinstance(key, tuple) and key[0] in ("function", "module"))


class ActivationLayer(Layer):
    """Apply the activations of one layer to a stack, one run after another.

    Parameters
    ----------
    modules : sequence of nn.Module
        One for each lane; neighbours with equal `activation_key` form a run.
    z, out, grad : Tensor of shape (L, H, B)
        Input, output, and the gradient of the loss: with respect to `out` before
        `backward`, with respect to `z` after it.
    learned : Parameter of shape (L, E)
        Parameters of the activations.
    """

    def __init__(
        self,
        modules: Sequence[nn.Module],
        z: Tensor,
        out: Tensor,
        grad: Tensor,
        learned: Parameter,
    ) -> None:
        self.runs = [
            _make_run(
                lanes,
                modules[lanes],
                z[lanes],
                out[lanes],
                grad[lanes],
                learned.value[lanes],
                learned.grad[lanes],
            )
            for lanes in runs_of([activation_key(module) for module in modules])
        ]

    def calls(self, batch: Batch) -> tuple[list[BoundCall], list[BoundCall]]:
        """Return the calls of each run."""
        forward: list[BoundCall] = []
        backward: list[BoundCall] = []
        for run in self.runs:
            run_forward, run_backward = run.calls(batch)
            forward += run_forward
            backward += run_backward
        return forward, backward


def _make_run(lanes: slice, modules: Sequence[nn.Module], *tensors: Tensor) -> Any:
    """Choose how to compute a run of equal activations."""
    first = modules[0]
    kernel = kernel_of(first)
    if kernel is not None:
        return _KernelRun(kernel, *tensors[:3])
    if type(first) is nn.PReLU:
        return _PReLURun(first.num_parameters, *tensors)
    if type(first) is SwishBeta:
        return _SwishBetaRun(*tensors)
    if type(first) is RReLU:
        return _RReLURun(lanes, modules, *tensors[:3])
    return make_custom_run(lanes, modules, *tensors)


class _KernelRun(Layer):
    def __init__(self, kernel: Kernel, z: Tensor, out: Tensor, grad: Tensor) -> None:
        self.kernel, self.z, self.out, self.grad = kernel, z, out, grad

    def calls(self, batch: Batch) -> tuple[list[BoundCall], list[BoundCall]]:
        forward = partial(self.kernel.forward, self.z, self.out)
        return [forward], [partial(self.kernel.backward, self.grad, self.z, self.out)]


def sum_to_shape(values: Tensor, like: Tensor) -> Tensor:
    """Sum (l, H, B) over rows, and over features if all share one parameter."""
    # torch divides a sum with fewer results than threads, and would round otherwise
    with use_threads(min(torch.get_num_threads(), len(values))):
        sums = values.sum(2)
        return sums if like.shape[1] > 1 else sums.sum(1, keepdim=True)


class _LearnableRun(Layer):
    def __init__(
        self,
        z: Tensor,
        out: Tensor,
        grad: Tensor,
        weight: Tensor,
        grad_weight: Tensor,
    ) -> None:
        self.z, self.out, self.grad = z, out, grad
        self.weight, self.grad_weight = weight, grad_weight


class _PReLURun(_LearnableRun):
    def __init__(self, columns: int, *tensors: Tensor) -> None:
        super().__init__(*tensors)
        # one slope for all features, or one for each
        self.weight = self.weight[:, :columns]
        self.grad_weight = self.grad_weight[:, :columns]

    def forward(self, batch: Batch) -> None:
        slope = self.weight.unsqueeze(2)
        torch.where(self.z > 0, self.z, self.z * slope, out=self.out)

    def backward(self, batch: Batch) -> None:
        slope, positive = self.weight.unsqueeze(2), self.z > 0
        below_zero = (self.grad * self.z).masked_fill_(positive, 0)
        self.grad_weight.copy_(sum_to_shape(below_zero, self.weight))
        torch.where(positive, self.grad, self.grad * slope, out=self.grad)


class _SwishBetaRun(_LearnableRun):
    def forward(self, batch: Batch) -> None:
        self.gate = (self.z * self.weight[:, :1, None]).sigmoid_()
        torch.mul(self.z, self.gate, out=self.out)

    def backward(self, batch: Batch) -> None:
        beta, gate = self.weight[:, :1, None], self.gate
        slope = self.out * (1 - gate)  # z s (1 - s)
        by_beta = (self.grad * self.z).mul_(slope)
        self.grad_weight[:, :1] = sum_to_shape(by_beta, self.weight[:, :1])
        self.grad.mul_(slope.mul_(beta).add_(gate))


class _RReLURun(Layer):
    """Draw the slopes of each lane from its own generator."""

    def __init__(
        self,
        lanes: slice,
        modules: Sequence[Any],
        z: Tensor,
        out: Tensor,
        grad: Tensor,
    ) -> None:
        self.lanes, self.modules = lanes, modules
        self.z, self.out, self.grad = z, out, grad
        self.slopes = torch.ones_like(z)

    def forward(self, batch: Batch) -> None:
        for module, slopes, rows in zip(
            self.modules, self.slopes, batch.rows[self.lanes], strict=True
        ):
            drawn = slopes.new_empty(rows, slopes.shape[0])
            drawn.uniform_(module.lower, module.upper, generator=module.generator)
            slopes[:, :rows] = drawn.T
        torch.where(self.z >= 0, self.z, self.z * self.slopes, out=self.out)

    def backward(self, batch: Batch) -> None:
        torch.where(self.z >= 0, self.grad, self.grad * self.slopes, out=self.grad)

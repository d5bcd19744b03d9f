"""Activations on a stack: forward, and the backward pass in closed form.

A kernel works on a slice ``(l, H, B)`` of neighbouring lanes that share an activation:
``forward(z, out)`` fills `out`, ``backward(grad, z, a)`` turns the gradient with
respect to the output `a` into that with respect to the input `z`, in place; nobody
needs `z` after that.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from skact.activations.modules import FunctionActivation, RReLU, SwishBeta
from skact.engine.custom_activations import guarded
from skact.engine.layers import Batch, Call, Layer, Parameter
from skact.engine.plan import runs_of

aten: Any = torch.ops.aten

Forward = Callable[[Tensor, Tensor], Any]
Backward = Callable[[Tensor, Tensor, Tensor], Any]

# Klambauer et al. 2017, arXiv:1706.02515, as torch rounds them
_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


@dataclass(frozen=True)
class Kernel:
    """A parameter-free elementwise (or column-wise) activation."""

    key: Hashable  # lanes with equal keys share one call
    forward: Forward
    backward: Backward


def _elu(name: str, alpha: float, scale: float, input_scale: float) -> Kernel:
    return Kernel(
        (name, alpha),
        lambda z, out: aten.elu.out(z, alpha, scale, input_scale, out=out),
        lambda g, z, a: aten.elu_backward.grad_input(
            g, alpha, scale, input_scale, False, z, grad_input=g
        ),
    )


def _hardtanh(low: float, high: float) -> Kernel:
    return Kernel(
        ("hardtanh", low, high),
        lambda z, out: aten.hardtanh.out(z, low, high, out=out),
        lambda g, z, a: aten.hardtanh_backward.grad_input(
            g, z, low, high, grad_input=g
        ),
    )


def _leaky_relu(m: nn.LeakyReLU) -> Kernel:
    slope = m.negative_slope
    return Kernel(
        ("leaky_relu", slope),
        lambda z, out: aten.leaky_relu.out(z, slope, out=out),
        lambda g, z, a: aten.leaky_relu_backward.grad_input(
            g, z, slope, False, grad_input=g
        ),
    )


def _threshold(m: nn.Threshold) -> Kernel:
    limit, value = m.threshold, m.value
    return Kernel(
        ("threshold", limit, value),
        lambda z, out: aten.threshold.out(z, limit, value, out=out),
        lambda g, z, a: aten.threshold_backward.grad_input(g, z, limit, grad_input=g),
    )


def _gelu(m: nn.GELU) -> Kernel:
    kind = m.approximate
    return Kernel(
        ("gelu", kind),
        lambda z, out: aten.gelu.out(z, approximate=kind, out=out),
        lambda g, z, a: aten.gelu_backward.grad_input(
            g, z, approximate=kind, grad_input=g
        ),
    )


def _softplus(m: nn.Softplus) -> Kernel:
    beta, limit = m.beta, m.threshold
    return Kernel(
        ("softplus", beta, limit),
        lambda z, out: aten.softplus.out(z, beta, limit, out=out),
        lambda g, z, a: aten.softplus_backward.grad_input(
            g, z, beta, limit, grad_input=g
        ),
    )


def _shrink(name: str, lambd: float) -> Kernel:
    forward, backward = getattr(aten, name), getattr(aten, f"{name}_backward")
    return Kernel(
        (name, lambd),
        lambda z, out: forward.out(z, lambd, out=out),
        lambda g, z, a: backward.grad_input(g, z, lambd, grad_input=g),
    )


def _softmax(m: nn.Softmax) -> Kernel | None:
    if m.dim not in (-1, 1):
        return None
    return Kernel(
        "softmax",
        lambda z, out: torch.softmax(z, 1, out=out),
        lambda g, z, a: g.copy_(aten._softmax_backward_data(g, a, 1, a.dtype)),
    )


def _log_softmax(m: nn.LogSoftmax) -> Kernel | None:
    if m.dim not in (-1, 1):
        return None
    return Kernel(
        "log_softmax",
        lambda z, out: torch.log_softmax(z, 1, out=out),
        lambda g, z, a: g.copy_(aten._log_softmax_backward_data(g, a, 1, a.dtype)),
    )


_KERNELS: dict[type, Callable[[Any], Kernel | None]] = {
    nn.Identity: lambda m: Kernel(
        "identity", lambda z, out: out.copy_(z), lambda g, z, a: None
    ),
    nn.ReLU: lambda m: Kernel(
        "relu",
        lambda z, out: torch.clamp_min(z, 0, out=out),
        # the input is not needed any more: its memory serves for the slopes, 0 and 1
        lambda g, z, a: g.mul_(torch.sign(a, out=z)),
    ),
    nn.Tanh: lambda m: Kernel(
        "tanh",
        lambda z, out: torch.tanh(z, out=out),
        lambda g, z, a: aten.tanh_backward.grad_input(g, a, grad_input=g),
    ),
    nn.Sigmoid: lambda m: Kernel(
        "sigmoid",
        lambda z, out: torch.sigmoid(z, out=out),
        lambda g, z, a: aten.sigmoid_backward.grad_input(g, a, grad_input=g),
    ),
    nn.SiLU: lambda m: Kernel(
        "silu",
        lambda z, out: aten.silu.out(z, out=out),
        lambda g, z, a: aten.silu_backward.grad_input(g, z, grad_input=g),
    ),
    nn.Mish: lambda m: Kernel(
        "mish",
        lambda z, out: aten.mish.out(z, out=out),
        lambda g, z, a: g.copy_(aten.mish_backward(g, z)),
    ),
    nn.Hardswish: lambda m: Kernel(
        "hardswish",
        lambda z, out: aten.hardswish.out(z, out=out),
        lambda g, z, a: g.copy_(aten.hardswish_backward(g, z)),
    ),
    nn.Hardsigmoid: lambda m: Kernel(
        "hardsigmoid",
        lambda z, out: aten.hardsigmoid.out(z, out=out),
        lambda g, z, a: aten.hardsigmoid_backward.grad_input(g, z, grad_input=g),
    ),
    nn.LogSigmoid: lambda m: Kernel(
        "logsigmoid",
        lambda z, out: aten.log_sigmoid.out(z, out=out),
        lambda g, z, a: g.mul_(torch.sigmoid(-z)),
    ),
    nn.Softsign: lambda m: Kernel(
        "softsign",
        lambda z, out: torch.div(z, z.abs().add_(1), out=out),
        lambda g, z, a: g.div_(z.abs().add_(1).square_()),
    ),
    nn.Tanhshrink: lambda m: Kernel(
        "tanhshrink",
        lambda z, out: torch.sub(z, torch.tanh(z), out=out),
        lambda g, z, a: g.mul_(torch.tanh(z).square_()),
    ),
    nn.ELU: lambda m: _elu("elu", m.alpha, 1.0, 1.0),
    nn.CELU: lambda m: _elu("celu", m.alpha, 1.0, 1 / m.alpha),
    nn.SELU: lambda m: _elu("selu", _SELU_ALPHA, _SELU_SCALE, 1.0),
    nn.Hardtanh: lambda m: _hardtanh(m.min_val, m.max_val),
    nn.ReLU6: lambda m: _hardtanh(0.0, 6.0),
    nn.LeakyReLU: _leaky_relu,
    nn.Threshold: _threshold,
    nn.GELU: _gelu,
    nn.Softplus: _softplus,
    nn.Hardshrink: lambda m: _shrink("hardshrink", m.lambd),
    nn.Softshrink: lambda m: _shrink("softshrink", m.lambd),
    nn.Softmax: _softmax,
    nn.LogSoftmax: _log_softmax,
}


def kernel_of(module: nn.Module) -> Kernel | None:
    """Return the closed form of a module of torch, or None if there is none."""
    build = _KERNELS.get(type(module))
    hooked = module._forward_hooks or module._forward_pre_hooks
    return None if build is None or hooked else build(module)


def activation_key(module: nn.Module) -> Hashable:
    """Return what two activations must share to be neighbours in a stack."""
    kernel = kernel_of(module)
    if kernel is not None:
        return kernel.key
    if type(module) is FunctionActivation:
        # by identity: a callable object need not have a hash
        return ("function", id(module.function), tuple(module.arguments.items()))
    if type(module) is nn.PReLU:
        return ("prelu", module.num_parameters)
    if type(module) is SwishBeta:
        return "swish_beta"
    if type(module) is RReLU:
        return ("rrelu", module.lower, module.upper)
    return ("module", id(module))


class ActivationLayer(Layer):
    """Apply the activations of one layer to a stack, run by run of equal lanes.

    Parameters
    ----------
    modules : sequence of nn.Module
        One for each lane, neighbours with equal `activation_key` in one run.
    z, out, grad : Tensor of shape (L, H, B)
        Input, output, and the gradient: with respect to `out` before `backward`, to `z`
        after it.
    learned : Parameter of shape (L, E)
        What the activations learn.
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
            _bind(
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

    def calls(self, batch: Batch) -> tuple[list[Call], list[Call]]:
        """Return the calls of each run."""
        forward: list[Call] = []
        backward: list[Call] = []
        for run in self.runs:
            there, back = run.calls(batch)
            forward += there
            backward += back
        return forward, backward


def _bind(lanes: slice, modules: Sequence[nn.Module], *tensors: Tensor) -> Any:
    """Choose how a run of equal activations is computed."""
    first = modules[0]
    kernel = kernel_of(first)
    if kernel is not None:
        return _Closed(kernel, *tensors[:3])
    if type(first) is nn.PReLU:
        return _PReLU(first.num_parameters, *tensors)
    if type(first) is SwishBeta:
        return _SwishBeta(*tensors)
    if type(first) is RReLU:
        return _RReLU(lanes, modules, *tensors[:3])
    return guarded(lanes, modules, *tensors)


class _Closed(Layer):
    def __init__(self, kernel: Kernel, z: Tensor, out: Tensor, grad: Tensor) -> None:
        self.kernel, self.z, self.out, self.grad = kernel, z, out, grad

    def calls(self, batch: Batch) -> tuple[list[Call], list[Call]]:
        forward = partial(self.kernel.forward, self.z, self.out)
        return [forward], [partial(self.kernel.backward, self.grad, self.z, self.out)]


def _sum_like(values: Tensor, like: Tensor) -> Tensor:
    """Sum (l, H, B) over rows, and over columns if they share one parameter."""
    sums = values.sum(2)
    return sums if like.shape[1] > 1 else sums.sum(1, keepdim=True)


class _Learnable(Layer):
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


class _PReLU(_Learnable):
    def __init__(self, columns: int, *tensors: Tensor) -> None:
        super().__init__(*tensors)
        # one slope for all columns, or one for each
        self.weight = self.weight[:, :columns]
        self.grad_weight = self.grad_weight[:, :columns]

    def forward(self, batch: Batch) -> None:
        slope = self.weight.unsqueeze(2)
        torch.where(self.z > 0, self.z, self.z * slope, out=self.out)

    def backward(self, batch: Batch) -> None:
        slope, positive = self.weight.unsqueeze(2), self.z > 0
        below = (self.grad * self.z).masked_fill_(positive, 0)
        self.grad_weight.copy_(_sum_like(below, self.weight))
        torch.where(positive, self.grad, self.grad * slope, out=self.grad)


class _SwishBeta(_Learnable):
    def forward(self, batch: Batch) -> None:
        self.gate = (self.z * self.weight[:, :1, None]).sigmoid_()
        torch.mul(self.z, self.gate, out=self.out)

    def backward(self, batch: Batch) -> None:
        beta, gate = self.weight[:, :1, None], self.gate
        slope = self.out * (1 - gate)  # z s (1 - s)
        by_beta = (self.grad * self.z).mul_(slope)
        self.grad_weight[:, :1] = _sum_like(by_beta, self.weight[:, :1])
        self.grad.mul_(slope.mul_(beta).add_(gate))


class _RReLU(Layer):
    """Slopes drawn from each lane's own generator."""

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

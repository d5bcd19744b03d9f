"""Activations without parameters to learn, in closed form: torch's, or skact's own.

A kernel works on a slice ``(l, H, B)`` of neighbouring lanes that share an activation.
``forward(z, out)`` fills `out`. ``backward(grad, z, a)`` changes `grad`, in place, from
the gradient with respect to the output `a` to the gradient with respect to the input
`z`. `backward` may overwrite `z`, which is not read again.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from skact._torch import find_operation, has_hooks

Forward = Callable[[Tensor, Tensor], Any]
Backward = Callable[[Tensor, Tensor, Tensor], Any]

# constants of Klambauer et al. 2017, arXiv:1706.02515, with the digits of torch
_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


@dataclass(frozen=True)
class Kernel:
    """An activation without parameters, elementwise or over the features."""

    key: Hashable  # lanes with equal keys share one call
    forward: Forward
    backward: Backward


def _elu_kernel(name: str, alpha: float, scale: float, input_scale: float) -> Kernel:
    forward, backward = (
        find_operation("elu.out"),
        find_operation("elu_backward.grad_input"),
    )
    return Kernel(
        (name, alpha),
        lambda z, out: forward(z, alpha, scale, input_scale, out=out),
        lambda g, z, a: backward(g, alpha, scale, input_scale, False, z, grad_input=g),
    )


def _hardtanh_kernel(low: float, high: float) -> Kernel:
    forward = find_operation("hardtanh.out")
    backward = find_operation("hardtanh_backward.grad_input")
    return Kernel(
        ("hardtanh", low, high),
        lambda z, out: forward(z, low, high, out=out),
        lambda g, z, a: backward(g, z, low, high, grad_input=g),
    )


def _leaky_relu_kernel(m: nn.LeakyReLU) -> Kernel:
    slope = m.negative_slope
    forward = find_operation("leaky_relu.out")
    backward = find_operation("leaky_relu_backward.grad_input")
    return Kernel(
        ("leaky_relu", slope),
        lambda z, out: forward(z, slope, out=out),
        lambda g, z, a: backward(g, z, slope, False, grad_input=g),
    )


def _threshold_kernel(m: nn.Threshold) -> Kernel:
    limit, value = m.threshold, m.value
    forward = find_operation("threshold.out")
    backward = find_operation("threshold_backward.grad_input")
    return Kernel(
        ("threshold", limit, value),
        lambda z, out: forward(z, limit, value, out=out),
        lambda g, z, a: backward(g, z, limit, grad_input=g),
    )


def _gelu_kernel(m: nn.GELU) -> Kernel:
    kind = m.approximate
    forward, backward = (
        find_operation("gelu.out"),
        find_operation("gelu_backward.grad_input"),
    )
    return Kernel(
        ("gelu", kind),
        lambda z, out: forward(z, approximate=kind, out=out),
        lambda g, z, a: backward(g, z, approximate=kind, grad_input=g),
    )


def _softplus_kernel(m: nn.Softplus) -> Kernel:
    beta, limit = m.beta, m.threshold
    forward = find_operation("softplus.out")
    backward = find_operation("softplus_backward.grad_input")
    return Kernel(
        ("softplus", beta, limit),
        lambda z, out: forward(z, beta, limit, out=out),
        lambda g, z, a: backward(g, z, beta, limit, grad_input=g),
    )


def _shrink_kernel(name: str, lambd: float) -> Kernel:
    forward = find_operation(f"{name}.out")
    backward = find_operation(f"{name}_backward.grad_input")
    return Kernel(
        (name, lambd),
        lambda z, out: forward(z, lambd, out=out),
        lambda g, z, a: backward(g, z, lambd, grad_input=g),
    )


def _kernel_from_input(name: str) -> Kernel:
    """Build a kernel; torch computes the derivative from the input, in place."""
    forward, backward = (
        find_operation(f"{name}.out"),
        find_operation(f"{name}_backward.grad_input"),
    )
    return Kernel(
        name,
        lambda z, out: forward(z, out=out),
        lambda g, z, a: backward(g, z, grad_input=g),
    )


def _kernel_from_output(name: str, forward: Callable[..., Any]) -> Kernel:
    """Build a kernel; torch computes the derivative from the output, in place."""
    backward = find_operation(f"{name}_backward.grad_input")
    return Kernel(
        name,
        lambda z, out: forward(z, out=out),
        lambda g, z, a: backward(g, a, grad_input=g),
    )


def _kernel_with_copy(name: str) -> Kernel:
    """Build a kernel; torch cannot write its derivative into a given tensor."""
    forward, backward = (
        find_operation(f"{name}.out"),
        find_operation(f"{name}_backward.default"),
    )
    return Kernel(
        name,
        lambda z, out: forward(z, out=out),
        lambda g, z, a: g.copy_(backward(g, z)),
    )


def _logsigmoid_kernel(m: nn.LogSigmoid) -> Kernel:
    forward = find_operation("log_sigmoid.out")
    return Kernel(
        "logsigmoid",
        lambda z, out: forward(z, out=out),
        lambda g, z, a: g.mul_(torch.sigmoid(-z)),
    )


def _softmax_kernel(m: nn.Softmax) -> Kernel | None:
    if m.dim not in (-1, 1):
        return None
    backward = find_operation("_softmax_backward_data.default")
    return Kernel(
        "softmax",
        lambda z, out: torch.softmax(z, 1, out=out),
        lambda g, z, a: g.copy_(backward(g, a, 1, a.dtype)),
    )


def _log_softmax_kernel(m: nn.LogSoftmax) -> Kernel | None:
    if m.dim not in (-1, 1):
        return None
    backward = find_operation("_log_softmax_backward_data.default")
    return Kernel(
        "log_softmax",
        lambda z, out: torch.log_softmax(z, 1, out=out),
        lambda g, z, a: g.copy_(backward(g, a, 1, a.dtype)),
    )


_KERNELS: dict[type, Callable[[Any], Kernel | None]] = {
    nn.Identity: lambda m: Kernel(
        "identity", lambda z, out: out.copy_(z), lambda g, z, a: None
    ),
    nn.ReLU: lambda m: Kernel(
        "relu",
        lambda z, out: torch.clamp_min(z, 0, out=out),
        # z is not read again, so its memory can hold the slopes, 0 and 1
        lambda g, z, a: g.mul_(torch.sign(a, out=z)),
    ),
    nn.Tanh: lambda m: _kernel_from_output("tanh", torch.tanh),
    nn.Sigmoid: lambda m: _kernel_from_output("sigmoid", torch.sigmoid),
    nn.SiLU: lambda m: _kernel_from_input("silu"),
    nn.Mish: lambda m: _kernel_with_copy("mish"),
    nn.Hardswish: lambda m: _kernel_with_copy("hardswish"),
    nn.Hardsigmoid: lambda m: _kernel_from_input("hardsigmoid"),
    nn.LogSigmoid: _logsigmoid_kernel,
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
    nn.ELU: lambda m: _elu_kernel("elu", m.alpha, 1.0, 1.0),
    nn.CELU: lambda m: _elu_kernel("celu", m.alpha, 1.0, 1 / m.alpha),
    nn.SELU: lambda m: _elu_kernel("selu", _SELU_ALPHA, _SELU_SCALE, 1.0),
    nn.Hardtanh: lambda m: _hardtanh_kernel(m.min_val, m.max_val),
    nn.ReLU6: lambda m: _hardtanh_kernel(0.0, 6.0),
    nn.LeakyReLU: _leaky_relu_kernel,
    nn.Threshold: _threshold_kernel,
    nn.GELU: _gelu_kernel,
    nn.Softplus: _softplus_kernel,
    nn.Hardshrink: lambda m: _shrink_kernel("hardshrink", m.lambd),
    nn.Softshrink: lambda m: _shrink_kernel("softshrink", m.lambd),
    nn.Softmax: _softmax_kernel,
    nn.LogSoftmax: _log_softmax_kernel,
}


def kernel_of(module: nn.Module) -> Kernel | None:
    """Return the kernel of a module of torch, or None if there is none."""
    build = _KERNELS.get(type(module))
    return None if build is None or has_hooks(module) else build(module)

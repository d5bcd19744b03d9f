"""Activations of torch without parameters to learn, in closed form.

A kernel works on a slice ``(l, H, B)`` of neighbouring lanes that share an activation:
``forward(z, out)`` fills `out`, ``backward(grad, z, a)`` turns the gradient with
respect to the output `a` into that with respect to the input `z`, in place; nobody
needs `z` after that.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from skact.engine._torch import has_hooks, operation

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
    forward, backward = operation("elu.out"), operation("elu_backward.grad_input")
    return Kernel(
        (name, alpha),
        lambda z, out: forward(z, alpha, scale, input_scale, out=out),
        lambda g, z, a: backward(g, alpha, scale, input_scale, False, z, grad_input=g),
    )


def _hardtanh(low: float, high: float) -> Kernel:
    forward = operation("hardtanh.out")
    backward = operation("hardtanh_backward.grad_input")
    return Kernel(
        ("hardtanh", low, high),
        lambda z, out: forward(z, low, high, out=out),
        lambda g, z, a: backward(g, z, low, high, grad_input=g),
    )


def _leaky_relu(m: nn.LeakyReLU) -> Kernel:
    slope = m.negative_slope
    forward = operation("leaky_relu.out")
    backward = operation("leaky_relu_backward.grad_input")
    return Kernel(
        ("leaky_relu", slope),
        lambda z, out: forward(z, slope, out=out),
        lambda g, z, a: backward(g, z, slope, False, grad_input=g),
    )


def _threshold(m: nn.Threshold) -> Kernel:
    limit, value = m.threshold, m.value
    forward = operation("threshold.out")
    backward = operation("threshold_backward.grad_input")
    return Kernel(
        ("threshold", limit, value),
        lambda z, out: forward(z, limit, value, out=out),
        lambda g, z, a: backward(g, z, limit, grad_input=g),
    )


def _gelu(m: nn.GELU) -> Kernel:
    kind = m.approximate
    forward, backward = operation("gelu.out"), operation("gelu_backward.grad_input")
    return Kernel(
        ("gelu", kind),
        lambda z, out: forward(z, approximate=kind, out=out),
        lambda g, z, a: backward(g, z, approximate=kind, grad_input=g),
    )


def _softplus(m: nn.Softplus) -> Kernel:
    beta, limit = m.beta, m.threshold
    forward = operation("softplus.out")
    backward = operation("softplus_backward.grad_input")
    return Kernel(
        ("softplus", beta, limit),
        lambda z, out: forward(z, beta, limit, out=out),
        lambda g, z, a: backward(g, z, beta, limit, grad_input=g),
    )


def _shrink(name: str, lambd: float) -> Kernel:
    forward = operation(f"{name}.out")
    backward = operation(f"{name}_backward.grad_input")
    return Kernel(
        (name, lambd),
        lambda z, out: forward(z, lambd, out=out),
        lambda g, z, a: backward(g, z, lambd, grad_input=g),
    )


def _of_input(name: str) -> Kernel:
    """Build a kernel whose derivative torch computes from the input, in place."""
    there, back = operation(f"{name}.out"), operation(f"{name}_backward.grad_input")
    return Kernel(
        name,
        lambda z, out: there(z, out=out),
        lambda g, z, a: back(g, z, grad_input=g),
    )


def _of_output(name: str, forward: Callable[..., Any]) -> Kernel:
    """Build a kernel whose derivative torch computes from the output, in place."""
    back = operation(f"{name}_backward.grad_input")
    return Kernel(
        name,
        lambda z, out: forward(z, out=out),
        lambda g, z, a: back(g, a, grad_input=g),
    )


def _copied(name: str) -> Kernel:
    """Build a kernel whose derivative torch cannot write into a given tensor."""
    there, back = operation(f"{name}.out"), operation(f"{name}_backward.default")
    return Kernel(
        name,
        lambda z, out: there(z, out=out),
        lambda g, z, a: g.copy_(back(g, z)),
    )


def _logsigmoid(m: nn.LogSigmoid) -> Kernel:
    forward = operation("log_sigmoid.out")
    return Kernel(
        "logsigmoid",
        lambda z, out: forward(z, out=out),
        lambda g, z, a: g.mul_(torch.sigmoid(-z)),
    )


def _softmax(m: nn.Softmax) -> Kernel | None:
    if m.dim not in (-1, 1):
        return None
    back = operation("_softmax_backward_data.default")
    return Kernel(
        "softmax",
        lambda z, out: torch.softmax(z, 1, out=out),
        lambda g, z, a: g.copy_(back(g, a, 1, a.dtype)),
    )


def _log_softmax(m: nn.LogSoftmax) -> Kernel | None:
    if m.dim not in (-1, 1):
        return None
    back = operation("_log_softmax_backward_data.default")
    return Kernel(
        "log_softmax",
        lambda z, out: torch.log_softmax(z, 1, out=out),
        lambda g, z, a: g.copy_(back(g, a, 1, a.dtype)),
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
    nn.Tanh: lambda m: _of_output("tanh", torch.tanh),
    nn.Sigmoid: lambda m: _of_output("sigmoid", torch.sigmoid),
    nn.SiLU: lambda m: _of_input("silu"),
    nn.Mish: lambda m: _copied("mish"),
    nn.Hardswish: lambda m: _copied("hardswish"),
    nn.Hardsigmoid: lambda m: _of_input("hardsigmoid"),
    nn.LogSigmoid: _logsigmoid,
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
    return None if build is None or has_hooks(module) else build(module)

"""Activations as nodes of ONNX: one small function for each class of module."""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import nn
from torch.nn import functional as F

from skact.activations.modules import (
    FunctionActivation,
    RReLU,
    SwishBeta,
    activation_name,
)
from skact.deploying.onnx_nodes import Nodes, UnconvertibleError

# adds the nodes of a module to the output x, and returns the name of what comes out
_AddNodes: TypeAlias = Callable[[Nodes, str, Any], str]


def _as_operator(name: str, **attributes: Any) -> _AddNodes:
    """Return the function for a module that is one operator of ONNX."""
    return lambda nodes, x, _: nodes.add(name, x, **attributes)


def _add_steps(nodes: Nodes, x: str, module: Any) -> str:
    for step in module:
        x = add_activation(nodes, x, step)
    return x


def _clip(nodes: Nodes, x: str, module: Any) -> str:
    return nodes.add("Clip", x, float(module.min_val), float(module.max_val))


def _leak(nodes: Nodes, x: str, slope: Any) -> str:
    """Multiply what is negative: a constant slope keeps the digits of float64."""
    return nodes.add("PRelu", x, slope)


def _prelu(nodes: Nodes, x: str, module: Any) -> str:
    return _leak(nodes, x, module.weight.detach().cpu().numpy())


def _rrelu(nodes: Nodes, x: str, module: Any) -> str:
    return _leak(nodes, x, (module.lower + module.upper) / 2)


def _exponential(nodes: Nodes, x: str, alpha: float) -> str:
    """Return max(0, x) + alpha * (exp(min(0, x)) - 1)."""
    negative = nodes.add("Elu", nodes.add("Min", x, 0.0))
    scaled = nodes.add("Mul", negative, float(alpha))
    return nodes.add("Add", nodes.add("Max", x, 0.0), scaled)


def _elu(nodes: Nodes, x: str, module: Any) -> str:
    return _exponential(nodes, x, module.alpha)


def _celu(nodes: Nodes, x: str, module: Any) -> str:
    alpha = float(module.alpha)
    return nodes.add("Mul", nodes.add("Elu", nodes.add("Div", x, alpha)), alpha)


def _selu(nodes: Nodes, x: str, _: Any) -> str:
    return nodes.add(
        "Mul", _exponential(nodes, x, 1.6732632423543772), 1.0507009873554805
    )


def _gelu(nodes: Nodes, x: str, module: Any) -> str:
    if module.approximate == "tanh":
        cube = nodes.add("Mul", nodes.add("Mul", x, x), x)
        bent = nodes.add("Add", x, nodes.add("Mul", cube, 0.044715))
        gate = nodes.add("Tanh", nodes.add("Mul", bent, math.sqrt(2 / math.pi)))
    else:
        # onnxruntime has Erf for float32 only; the last digits of float64 get lost
        scaled = nodes.cast(nodes.add("Mul", x, math.sqrt(0.5)), "float32")
        gate = nodes.cast(nodes.add("Erf", scaled))
    return nodes.add("Mul", x, nodes.add("Mul", nodes.add("Add", gate, 1.0), 0.5))


def _gate(nodes: Nodes, x: str, sharp: str) -> str:
    """Return x * sigmoid(sharp), as x / (1 + exp(-sharp)).

    ONNX Runtime 1.22 makes one operator of x * sigmoid(x), and has none for float64.
    """
    falling = nodes.add("Exp", nodes.add("Neg", sharp))
    return nodes.add("Div", x, nodes.add("Add", falling, 1.0))


def _silu(nodes: Nodes, x: str, _: Any) -> str:
    return _gate(nodes, x, x)


def _swish_beta(nodes: Nodes, x: str, module: Any) -> str:
    return _gate(nodes, x, nodes.add("Mul", x, module.beta.item()))


def _mish(nodes: Nodes, x: str, _: Any) -> str:
    return nodes.add("Mul", x, nodes.add("Tanh", nodes.add("Softplus", x)))


def _hardsigmoid(nodes: Nodes, x: str, _: Any) -> str:
    return nodes.add("Div", nodes.add("Clip", nodes.add("Add", x, 3.0), 0.0, 6.0), 6.0)


def _hardswish(nodes: Nodes, x: str, module: Any) -> str:
    return nodes.add("Mul", x, _hardsigmoid(nodes, x, module))


def _logsigmoid(nodes: Nodes, x: str, _: Any) -> str:
    return nodes.add("Neg", nodes.add("Softplus", nodes.add("Neg", x)))


def _softplus(nodes: Nodes, x: str, module: Any) -> str:
    """Return x beyond the threshold, as torch does."""
    sharp = nodes.add("Mul", x, float(module.beta))
    curve = nodes.add("Div", nodes.add("Softplus", sharp), float(module.beta))
    is_beyond = nodes.add("Greater", sharp, float(module.threshold))
    return nodes.add("Where", is_beyond, x, curve)


def _tanhshrink(nodes: Nodes, x: str, _: Any) -> str:
    return nodes.add("Sub", x, nodes.add("Tanh", x))


def _softshrink(nodes: Nodes, x: str, module: Any) -> str:
    bound = float(module.lambd)
    return nodes.add("Sub", x, nodes.add("Clip", x, -bound, bound))


def _hardshrink(nodes: Nodes, x: str, module: Any) -> str:
    is_large = nodes.add("Greater", nodes.add("Abs", x), float(module.lambd))
    return nodes.add("Where", is_large, x, 0.0)


def _threshold(nodes: Nodes, x: str, module: Any) -> str:
    is_above = nodes.add("Greater", x, float(module.threshold))
    return nodes.add("Where", is_above, x, float(module.value))


_OF_CLASS: dict[type[nn.Module], _AddNodes] = {
    nn.Sequential: _add_steps,
    nn.Identity: lambda nodes, x, module: x,
    nn.Dropout: lambda nodes, x, module: x,
    nn.ReLU: _as_operator("Relu"),
    nn.ReLU6: _clip,
    nn.Hardtanh: _clip,
    nn.LeakyReLU: lambda nodes, x, module: _leak(nodes, x, module.negative_slope),
    nn.PReLU: _prelu,
    nn.RReLU: _rrelu,
    RReLU: _rrelu,
    nn.ELU: _elu,
    nn.CELU: _celu,
    nn.SELU: _selu,
    nn.GELU: _gelu,
    nn.SiLU: _silu,
    SwishBeta: _swish_beta,
    nn.Mish: _mish,
    nn.Hardswish: _hardswish,
    nn.Hardsigmoid: _hardsigmoid,
    nn.Sigmoid: _as_operator("Sigmoid"),
    nn.LogSigmoid: _logsigmoid,
    nn.Tanh: _as_operator("Tanh"),
    nn.Softsign: _as_operator("Softsign"),
    nn.Softplus: _softplus,
    nn.Tanhshrink: _tanhshrink,
    nn.Softshrink: _softshrink,
    nn.Hardshrink: _hardshrink,
    nn.Threshold: _threshold,
    nn.Softmax: _as_operator("Softmax", axis=-1),
    nn.LogSoftmax: _as_operator("LogSoftmax", axis=-1),
}
# functions of one tensor that are one operator of ONNX
_OF_FUNCTION: dict[Any, str] = {
    **{torch.relu: "Relu", F.relu: "Relu"},
    **{torch.sigmoid: "Sigmoid", F.sigmoid: "Sigmoid"},
    **{torch.tanh: "Tanh", F.tanh: "Tanh"},
    **{torch.sin: "Sin", torch.cos: "Cos", torch.exp: "Exp", torch.abs: "Abs"},
}


def check_activation(module: nn.Module) -> None:
    """Raise UnconvertibleError, which says why, if an activation has no nodes."""
    kind = type(module)
    if isinstance(module, FunctionActivation):
        _find_function(module.function)
        if module.arguments:
            raise UnconvertibleError(
                f"{module!r} calls a function with parameters; a module of torch.nn "
                f"that does the same can be converted"
            )
        return
    if kind not in _OF_CLASS:
        raise UnconvertibleError(
            f"{activation_name(module)} is of a class, {kind.__module__}."
            f"{kind.__qualname__}, whose operators skact does not know; those of the "
            f"catalogue (skact.list_activations()) can be converted"
        )
    if isinstance(module, nn.Sequential):
        for step in module:
            check_activation(step)
    # a table has two axes, and None means the last one of them
    if isinstance(module, nn.Softmax | nn.LogSoftmax) and module.dim not in (
        -1,
        1,
        None,
    ):
        raise UnconvertibleError(f"{module!r} mixes rows; dim=-1 can be converted")


def add_activation(nodes: Nodes, x: str, module: Any) -> str:
    """Add an activation to the output x, and return the name of its own output."""
    if isinstance(module, FunctionActivation):
        return nodes.add(_find_function(module.function), x)
    return _OF_CLASS[type(module)](nodes, x, module)


def _find_function(function: Any) -> str:
    for known, operator in _OF_FUNCTION.items():
        if function is known:
            return operator
    raise UnconvertibleError(
        f"{activation_name(function)} is a function whose operators skact does not "
        f"know; the catalogue (skact.list_activations()) can be converted"
    )

"""Activations as nodes of ONNX, in the form that they have in predictions."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from torch import nn

from skact.activations.modules import RReLU, SwishBeta

Writer = Callable[[Any, str, Any], str]


class Nodes:
    """Writes nodes into a graph of skl2onnx; each node has one output.

    Parameters
    ----------
    scope, container : skl2onnx's
        As a converter gets them.
    """

    def __init__(self, scope: Any, container: Any) -> None:
        self._scope, self._container = scope, container

    def add(
        self, kind: str, *inputs: str, output: str | None = None, **options: Any
    ) -> str:
        """Add a node; return the name of its output."""
        name_of_output = output or self._scope.get_unique_variable_name(kind.lower())
        name = self._scope.get_unique_operator_name(kind)
        self._container.add_node(kind, [*inputs], name_of_output, name=name, **options)
        return name_of_output

    def constant(self, values: Any) -> str:
        """Return the name of a constant: numbers as float32, unless they are whole."""
        from onnx import numpy_helper

        array = np.asarray(values)
        array = array.astype(np.float32) if array.dtype.kind == "f" else array
        name = self._scope.get_unique_variable_name("constant")
        self._container.initializers.append(numpy_helper.from_array(array, name))
        return name


def add_activation(nodes: Nodes, x: str, module: nn.Module) -> str:
    """Add the nodes of an activation; return the name of the output.

    Raises
    ------
    ValueError
        If the class has no form in ONNX here.
    """
    writer = WRITERS.get(type(module))
    if writer is None:
        kind = type(module)
        raise ValueError(
            f"to_onnx cannot write the activation {kind.__module__}.{kind.__qualname__}"
            f": it is code of your own, or not in list_activations()."
        )
    return writer(nodes, x, module)


def _plain(kind: str, **names: str) -> Writer:
    """Return a writer of one node, whose options are attributes of the module."""

    def write(nodes: Nodes, x: str, module: Any) -> str:
        options = {option: getattr(module, name) for option, name in names.items()}
        return nodes.add(kind, x, **options)

    return write


def _clip(nodes: Nodes, x: str, module: Any) -> str:
    low, high = float(module.min_val), float(module.max_val)
    return nodes.add("Clip", x, nodes.constant(low), nodes.constant(high))


def _gelu(nodes: Nodes, x: str, module: Any) -> str:
    if module.approximate == "tanh":
        cube = nodes.add("Mul", x, nodes.add("Mul", x, x))
        inner = nodes.add("Add", x, nodes.add("Mul", cube, nodes.constant(0.044715)))
        scaled = nodes.add("Mul", inner, nodes.constant(math.sqrt(2 / math.pi)))
        share = nodes.add("Tanh", scaled)
    else:
        share = nodes.add("Erf", nodes.add("Mul", x, nodes.constant(math.sqrt(0.5))))
    half = nodes.add("Mul", x, nodes.constant(0.5))
    return nodes.add("Mul", half, nodes.add("Add", share, nodes.constant(1.0)))


def _log_sigmoid(nodes: Nodes, x: str, module: Any) -> str:
    return nodes.add("Neg", nodes.add("Softplus", nodes.add("Neg", x)))


def _prelu(nodes: Nodes, x: str, module: Any) -> str:
    return nodes.add("PRelu", x, nodes.constant(_numbers(module.weight)))


def _rrelu(nodes: Nodes, x: str, module: Any) -> str:
    return nodes.add("LeakyRelu", x, alpha=(module.lower + module.upper) / 2)


def _softplus(nodes: Nodes, x: str, module: Any) -> str:
    beta = nodes.constant(float(module.beta))
    return nodes.add("Div", nodes.add("Softplus", nodes.add("Mul", x, beta)), beta)


def _softshrink(nodes: Nodes, x: str, module: Any) -> str:
    return nodes.add("Shrink", x, lambd=module.lambd, bias=module.lambd)


def _swish(nodes: Nodes, x: str, module: Any) -> str:
    inner = x
    if isinstance(module, SwishBeta):
        inner = nodes.add("Mul", x, nodes.constant(_numbers(module.beta)))
    return nodes.add("Mul", x, nodes.add("Sigmoid", inner))


def _tanhshrink(nodes: Nodes, x: str, module: Any) -> str:
    return nodes.add("Sub", x, nodes.add("Tanh", x))


def _threshold(nodes: Nodes, x: str, module: Any) -> str:
    is_above = nodes.add("Greater", x, nodes.constant(float(module.threshold)))
    return nodes.add("Where", is_above, x, nodes.constant(float(module.value)))


def _numbers(parameter: Any) -> np.ndarray:
    return parameter.detach().cpu().numpy()


WRITERS: dict[type, Writer] = {
    nn.CELU: _plain("Celu", alpha="alpha"),
    nn.ELU: _plain("Elu", alpha="alpha"),
    nn.GELU: _gelu,
    nn.Hardshrink: _plain("Shrink", lambd="lambd"),
    nn.Hardsigmoid: lambda nodes, x, _: nodes.add("HardSigmoid", x, alpha=1 / 6),
    nn.Hardswish: _plain("HardSwish"),
    nn.Hardtanh: _clip,
    nn.Identity: lambda nodes, x, _: x,
    nn.LeakyReLU: _plain("LeakyRelu", alpha="negative_slope"),
    nn.LogSigmoid: _log_sigmoid,
    nn.LogSoftmax: _plain("LogSoftmax", axis="dim"),
    nn.Mish: _plain("Mish"),
    nn.PReLU: _prelu,
    nn.ReLU: _plain("Relu"),
    nn.ReLU6: _clip,
    nn.RReLU: _rrelu,
    RReLU: _rrelu,
    nn.SELU: _plain("Selu"),
    nn.SiLU: _swish,
    nn.Sigmoid: _plain("Sigmoid"),
    nn.Softmax: _plain("Softmax", axis="dim"),
    nn.Softplus: _softplus,
    nn.Softshrink: _softshrink,
    nn.Softsign: _plain("Softsign"),
    SwishBeta: _swish,
    nn.Tanh: _plain("Tanh"),
    nn.Tanhshrink: _tanhshrink,
    nn.Threshold: _threshold,
}

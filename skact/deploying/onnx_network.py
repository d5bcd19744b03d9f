"""The layers of a network as nodes of ONNX."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from torch import nn

from skact._torch import has_hooks
from skact.deploying.onnx_activations import add_activation, check_activation
from skact.deploying.onnx_nodes import Nodes, UnconvertibleError
from skact.network.mlp import MLP, Hidden, Linear


def check_network(module: Any) -> None:
    """Raise UnconvertibleError, which says why, if a network cannot be converted."""
    if type(module) is not MLP:
        kind = type(module)
        raise UnconvertibleError(
            f"its network is a {kind.__module__}.{kind.__qualname__}, whose operators "
            f"skact does not know; a skact.MLP can be converted"
        )
    for name, part in module.named_modules():
        if has_hooks(part) or "forward" in vars(part):
            raise UnconvertibleError(
                f"its layer {name!r} has hooks or a forward of yours, which ONNX "
                f"cannot call"
            )
    for place, activation in _activations_of(module):
        try:
            check_activation(activation)
        except UnconvertibleError as error:
            raise UnconvertibleError(f"the {place}: {error}") from None


def _activations_of(module: Any) -> Iterator[tuple[str, Any]]:
    for number, layer in enumerate(module.hidden, 1):
        yield f"activation of hidden layer {number}", layer.activation
    yield "output_activation", module.output_activation


def add_network(nodes: Nodes, x: str, module: Any) -> str:
    """Add a network in evaluation mode to the input x, and return its output's name."""
    for layer in module.hidden:
        x = _add_hidden(nodes, x, layer)
    x = _add_linear(nodes, x, *_weights_of(module.output))
    return add_activation(nodes, x, module.output_activation)


def _add_hidden(nodes: Nodes, x: str, layer: Hidden) -> str:
    """Add linear layer, norm and activation; nothing is dropped in evaluation."""
    weight, bias = _weights_of(layer.linear)
    norm: Any = layer.norm
    if isinstance(norm, nn.BatchNorm1d):  # its running statistics join the weights
        scale = _array(norm.weight) / np.sqrt(_array(norm.running_var) + norm.eps)
        weight = weight * scale[:, None]
        bias = (bias - _array(norm.running_mean)) * scale + _array(norm.bias)
    is_layer_norm = isinstance(norm, nn.LayerNorm)
    if is_layer_norm and len(bias) == 1:  # which ONNX Runtime 1.22 refuses
        weight, bias, is_layer_norm = 0 * weight, _array(norm.bias), False
    x = _add_linear(nodes, x, weight, bias)
    if is_layer_norm:
        x = nodes.add(
            *("LayerNormalization", x, _array(norm.weight), _array(norm.bias)),
            axis=-1,
            epsilon=norm.eps,
        )
    return add_activation(nodes, x, layer.activation)


def _add_linear(nodes: Nodes, x: str, weight: np.ndarray, bias: np.ndarray) -> str:
    return nodes.add("Gemm", x, weight, bias, transB=1)


def _weights_of(linear: Linear) -> tuple[np.ndarray, np.ndarray]:
    return _array(linear.weight), _array(linear.bias)


def _array(tensor: Any) -> np.ndarray:
    """Return float64, so that what is computed here is rounded once."""
    return tensor.detach().cpu().double().numpy()

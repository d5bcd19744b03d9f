"""Fitted nets as nodes of ONNX: from columns to labels, probabilities or numbers."""

from typing import Any

import numpy as np
from skl2onnx.common.data_types import (
    DoubleTensorType,
    FloatTensorType,
    Int64TensorType,
    StringTensorType,
)
from sklearn.base import is_classifier
from torch import nn

from skact._skorch import (
    PREDICTION_METHODS,
    name_of_nonlinearity,
    nonlinearity_of,
    overridden_method,
)
from skact._torch import uncompiled
from skact.activations.modules import FunctionActivation
from skact.deploying.onnx_activations import add_activation, check_activation
from skact.deploying.onnx_network import add_network, check_network
from skact.deploying.onnx_nodes import Nodes, UnconvertibleError
from skact.nets.not_fitted import check_is_fitted

_METHODS = PREDICTION_METHODS | {"predict", "predict_proba", "forward_iter"}


def check_net(net: Any) -> None:
    """Raise UnconvertibleError, which says why, if a net cannot be converted.

    Raises
    ------
    NotInitializedError
        If it is not fitted.
    """
    check_is_fitted(net)
    method = overridden_method(net, _METHODS)
    if method is not None:
        raise UnconvertibleError(
            f"its method {method} is your own code, which ONNX cannot call"
        )
    check_network(uncompiled(net.module_))
    _check_nonlinearity(net)
    if is_classifier(net):
        _labels_of(net)


def convert_net(scope: Any, operator: Any, container: Any) -> None:
    """Add a net to a graph of skl2onnx."""
    net = operator.raw_operator
    check_net(net)
    nodes = Nodes(scope, container, dtype_of(operator.outputs[-1]))
    x = join_inputs(nodes, operator)
    outputs = _add_nonlinearity(
        nodes, add_network(nodes, x, uncompiled(net.module_)), net
    )
    nodes.write(operator.outputs[-1].full_name, "Identity", outputs)
    if is_classifier(net):
        labels = nodes.constant(*_labels_of(net))
        best = nodes.add("ArgMax", outputs, axis=1, keepdims=0)
        nodes.write(operator.outputs[0].full_name, "Gather", labels, best)


def set_shapes(operator: Any) -> None:
    """Tell skl2onnx the types and shapes of what a net, or a pipeline of it, gives."""
    net = operator.raw_operator
    n_rows = operator.inputs[0].get_first_dimension()
    n_columns = len(net.classes_) if is_classifier(net) else net.n_outputs_
    set_type_of_numbers(operator, [n_rows, n_columns])
    if is_classifier(net):
        is_words = _labels_of(net)[0].dtype.kind == "U"
        kind = StringTensorType if is_words else Int64TensorType
        operator.outputs[0].set_type(kind([n_rows]))


def set_type_of_numbers(operator: Any, shape: list) -> None:
    """Give the last output numbers of float64 if the first input has them."""
    operator.outputs[-1].set_type(type_of_numbers(operator.inputs)(shape))


def type_of_numbers(inputs: list) -> Any:
    """Return the type of what is computed from these inputs."""
    is_double = isinstance(inputs[0].type, DoubleTensorType)
    return DoubleTensorType if is_double else FloatTensorType


def dtype_of(variable: Any) -> type[np.floating]:
    """Return the dtype in which a converter computes this output."""
    is_double = isinstance(variable.type, DoubleTensorType)
    return np.float64 if is_double else np.float32


def join_inputs(nodes: Nodes, operator: Any) -> str:
    """Return the inputs of an operator as one table of the dtype of the nodes."""
    columns = [nodes.cast(variable.full_name) for variable in operator.inputs]
    return columns[0] if len(columns) == 1 else nodes.add("Concat", *columns, axis=1)


def _labels_of(net: Any) -> tuple[np.ndarray, Any]:
    """Return the labels as words, or as whole numbers, and the dtype of a constant."""
    labels = net.classes_
    if labels.dtype.kind in "biuf":
        whole = labels.astype(np.int64)
        if (whole == labels).all():
            return whole, np.int64
    elif all(isinstance(label, str) for label in labels):
        return labels.astype(str), None
    raise UnconvertibleError(
        f"its labels must be words, or whole numbers of 64 bits, got "
        f"{labels.tolist()[:3]} of dtype {labels.dtype}"
    )


def _check_nonlinearity(net: Any) -> None:
    function = nonlinearity_of(net)
    if name_of_nonlinearity(function) is None:
        try:
            check_activation(_as_module(function))
        except UnconvertibleError as error:
            raise UnconvertibleError(f"the predict_nonlinearity: {error}") from None


def _add_nonlinearity(nodes: Nodes, x: str, net: Any) -> str:
    """Add what turns outputs into predictions, as `predict_proba` has it."""
    function = nonlinearity_of(net)
    name = name_of_nonlinearity(function)
    if name is None:
        return add_activation(nodes, x, _as_module(function))
    if name == "softmax":
        return nodes.add("Softmax", x, axis=-1)
    if name == "identity":
        return x
    p = nodes.add("Sigmoid", x) if name == "sigmoid" else x
    if len(net.classes_) == 1:  # `predict_proba` has one column, of ones
        return nodes.add("Add", nodes.add("Mul", p, 0.0), 1.0)
    return nodes.add("Concat", nodes.add("Sub", 1.0, p), p, axis=1)


def _as_module(function: Any) -> nn.Module:
    is_module = isinstance(function, nn.Module)
    return function if is_module else FunctionActivation(function)

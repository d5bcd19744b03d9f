"""Converters of nets, and of models around them, that skl2onnx calls.

A net becomes matrix products and activations in float32. Its batch norms are part of
the products; dropout is nothing in predictions.
"""

from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.compose import TransformedTargetRegressor
from sklearn.preprocessing import StandardScaler
from torch import nn

from skact.deploying.onnx_activations import Nodes, add_activation
from skact.nets.estimators import ActMLP, ActMLPBinary, ActMLPRegressor
from skact.network.mlp import MLP


def register() -> None:
    """Teach skl2onnx the nets of skact, and scaled targets: its own converters, too."""
    from skl2onnx import update_registered_converter

    options = {"zipmap": [True, False, "columns"], "nocl": [True, False]}
    for kind in (ActMLP, ActMLPBinary):
        update_registered_converter(
            kind, f"Skact{kind.__name__}", set_shapes, convert_net, options=options
        )
    update_registered_converter(
        ActMLPRegressor, "SkactActMLPRegressor", set_shapes, convert_net
    )
    update_registered_converter(
        TransformedTargetRegressor,
        "SkactScaledTarget",
        set_shapes_of_target,
        convert_target,
        parser=parse_target,
    )


# ---------------------------------------------------------------------- nets


def set_shapes(operator: Any) -> None:
    """Tell skl2onnx the types and shapes of the outputs of a net."""
    from skl2onnx.common.data_types import FloatTensorType

    net = operator.raw_operator
    n = operator.inputs[0].get_first_dimension()
    if is_classifier(net):
        operator.outputs[0].type = type_of_labels(net.classes_)([n])
        operator.outputs[1].type = FloatTensorType([n, len(net.classes_)])
    else:
        operator.outputs[0].type = FloatTensorType([n, net.n_outputs_])


def convert_net(scope: Any, operator: Any, container: Any) -> None:
    """Write a net: its layers, its probabilities, its labels."""
    net = operator.raw_operator
    check_can_be_written(net)
    nodes = Nodes(scope, container)
    x = nodes.add("Cast", operator.inputs[0].full_name, to=_float32())
    names = [output.full_name for output in operator.outputs]
    x = add_network(nodes, x, net.module_)
    if not is_classifier(net):
        nodes.add("Identity", x, output=names[0])
        return
    label, proba = names
    nonlinearity = _nonlinearity(net)
    if nonlinearity:
        options: dict[str, Any] = {"axis": 1} if nonlinearity == "Softmax" else {}
        x = nodes.add(nonlinearity, x, **options)
    if isinstance(net, ActMLPBinary):
        x = _both_columns(nodes, x, net)
    nodes.add("Identity", x, output=proba)
    add_labels(nodes, x, net.classes_, label)


def add_labels(nodes: Nodes, proba: str, classes: np.ndarray, output: str) -> None:
    """Write the most probable label of each row."""
    best = nodes.add("ArgMax", proba, axis=1, keepdims=0)
    nodes.add("Gather", nodes.constant(labels_of(classes)), best, output=output)


def check_can_be_written(net: Any) -> None:
    """Refuse nets with code of the user's."""
    if type(net.module_) is not MLP:
        raise ValueError(
            f"to_onnx cannot write the module {type(net.module_).__name__} of "
            f"{type(net).__name__}: it is code of your own."
        )
    if net.predict_nonlinearity not in ("auto", None):
        raise ValueError(
            f"to_onnx cannot write predict_nonlinearity={net.predict_nonlinearity!r} "
            f"of {type(net).__name__}: it is code of your own. It writes 'auto' and "
            f"None."
        )


def add_network(nodes: Nodes, x: str, module: MLP) -> str:
    """Write the layers of a network."""
    layers: Any = module.hidden  # torch does not say what a ModuleList holds
    for layer in layers:
        norm = layer.norm
        x = _add_linear(nodes, x, layer.linear, norm)
        if isinstance(norm, nn.LayerNorm):
            weights = [_numbers(one) for one in (norm.weight, norm.bias)]
            scale, shift = map(nodes.constant, weights)
            x = nodes.add(
                "LayerNormalization", x, scale, shift, axis=-1, epsilon=norm.eps
            )
        x = add_activation(nodes, x, layer.activation)
    x = _add_linear(nodes, x, module.output, None)
    return add_activation(nodes, x, module.output_activation)


def _add_linear(nodes: Nodes, x: str, linear: Any, norm: Any) -> str:
    """Write a product and a bias; a batch norm behind it becomes a part of both."""
    weight, bias = _numbers(linear.weight), _numbers(linear.bias)
    if isinstance(norm, nn.BatchNorm1d):
        factor = _numbers(norm.weight) / np.sqrt(_numbers(norm.running_var) + norm.eps)
        bias = (bias - _numbers(norm.running_mean)) * factor + _numbers(norm.bias)
        weight = weight * factor[:, None]
    return nodes.add("Gemm", x, nodes.constant(weight.T), nodes.constant(bias))


def _numbers(parameter: Any) -> np.ndarray:
    return parameter.detach().cpu().double().numpy()


def _nonlinearity(net: Any) -> str:
    """Return the node of what ``predict_nonlinearity`` stands for, or ""."""
    if net.predict_nonlinearity is None:
        return ""
    kinds = {nn.CrossEntropyLoss: "Softmax", nn.BCEWithLogitsLoss: "Sigmoid"}
    return kinds.get(type(net.criterion_), "")


def _both_columns(nodes: Nodes, x: str, net: Any) -> str:
    if len(net.classes_) == 1:  # its probability is 1
        zero = nodes.add("Mul", x, nodes.constant(0.0))
        return nodes.add("Add", zero, nodes.constant(1.0))
    return nodes.add("Concat", nodes.add("Sub", nodes.constant(1.0), x), x, axis=1)


def labels_of(classes: np.ndarray) -> np.ndarray:
    """Return labels as ONNX has them: whole numbers, bools, floats, else words."""
    if classes.dtype.kind in "iu":
        return classes.astype(np.int64)
    if classes.dtype.kind in "fb":
        return classes
    return np.array([str(one) for one in classes], dtype=object)


def type_of_labels(classes: np.ndarray) -> Any:
    """Return the type that labels have in skl2onnx."""
    from skl2onnx.common import data_types

    kinds = {"i": "Int64", "f": "Float", "b": "Boolean", "O": "String"}
    return getattr(data_types, f"{kinds[labels_of(classes).dtype.kind]}TensorType")


def _float32() -> int:
    from onnx import TensorProto

    return int(TensorProto.FLOAT)


# ---------------------------------------------------------------------- scaled targets


def parse_target(
    scope: Any, model: Any, inputs: Any, custom_parsers: Any = None
) -> Any:
    """Let skl2onnx parse the regressor; behind it stands what scales predictions."""
    from skl2onnx._parse import parse_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    check_scaler(model.transformer_, type(model).__name__)
    inner = parse_sklearn(
        scope, model.regressor_, inputs, custom_parsers=custom_parsers
    )
    outputs = {"variable": FloatTensorType()}
    return add_operator(scope, "SkactScaledTarget", model, inner, outputs)


def add_operator(
    scope: Any, alias: str, model: Any, inputs: Any, outputs: dict[str, Any]
) -> Any:
    """Declare an operator behind variables; return its outputs, of these types."""
    operator = scope.declare_local_operator(alias, model)
    for one in inputs:
        operator.inputs.append(one)
        one.init_status(is_leaf=False)  # it is no output of the model any more
    for name, kind in outputs.items():
        operator.outputs.append(scope.declare_local_variable(name, kind))
    return operator.outputs


def check_scaler(scaler: Any, where: str) -> None:
    """Refuse transformers of y but StandardScaler and none."""
    if type(scaler) is StandardScaler:
        return
    is_identity = getattr(scaler, "inverse_func", scaler) is None
    if not is_identity:
        raise ValueError(
            f"to_onnx cannot write the transformer {scaler!r} of {where}: it writes "
            f"StandardScaler()."
        )


def set_shapes_of_target(operator: Any) -> None:
    """Give the predictions the shape that they had."""
    from skl2onnx.common.data_types import FloatTensorType

    n = operator.inputs[0].get_first_dimension()
    operator.outputs[0].type = FloatTensorType([n, None])


def convert_target(scope: Any, operator: Any, container: Any) -> None:
    """Scale predictions back."""
    model = operator.raw_operator
    scaler = getattr(model, "transformer_", None) or model.scaler_
    nodes, x = Nodes(scope, container), operator.inputs[0].full_name
    if type(scaler) is StandardScaler:
        if scaler.with_std:
            x = nodes.add("Mul", x, nodes.constant(scaler.scale_))
        if scaler.with_mean:
            x = nodes.add("Add", x, nodes.constant(scaler.mean_))
    nodes.add("Identity", x, output=operator.outputs[0].full_name)

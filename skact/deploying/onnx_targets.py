"""Regressors that learn a scaled y, as nodes of ONNX that turn it back."""

from typing import Any

from skl2onnx import get_model_alias
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skact.deploying.onnx_nets import dtype_of, set_type_of_numbers
from skact.deploying.onnx_nodes import Nodes, UnconvertibleError
from skact.naming import short_name
from skact.quick_search.pipelines import StandardisedPipeline


def check_target(model: Any) -> None:
    """Raise UnconvertibleError if y was changed by anything but a StandardScaler."""
    scaler = _parts_of(model)[1]
    if type(scaler) is not StandardScaler:
        changed = short_name(scaler)
        if model.transformer is None:
            changed = f"func={short_name(model.func)}"
        raise UnconvertibleError(
            f"it changes y by {changed}; StandardScaler() can be converted"
        )


def convert_target(scope: Any, operator: Any, container: Any) -> None:
    """Add a regressor, and what brings its output to the units of y."""
    check_target(operator.raw_operator)
    regressor, scaler = _parts_of(operator.raw_operator)
    inner = scope.declare_local_operator(get_model_alias(type(regressor)), regressor)
    inner.inputs = operator.inputs
    kind = type(operator.outputs[0].type)
    inner.outputs.append(scope.declare_local_variable("scaled", kind()))
    nodes = Nodes(scope, container, dtype_of(operator.outputs[0]))
    y = inner.outputs[0].full_name
    if scaler.with_std:
        y = nodes.add("Mul", y, scaler.scale_)
    if scaler.with_mean:
        y = nodes.add("Add", y, scaler.mean_)
    nodes.write(operator.outputs[0].full_name, "Identity", y)


def set_shapes(operator: Any) -> None:
    """Tell skl2onnx the type and shape of y."""
    scaler = _parts_of(operator.raw_operator)[1]
    n_rows = operator.inputs[0].get_first_dimension()
    set_type_of_numbers(operator, [n_rows, getattr(scaler, "n_features_in_", 1)])


def _parts_of(model: Any) -> tuple[Any, Any]:
    """Return the regressor, and the scaler of its y."""
    if isinstance(model, StandardisedPipeline):
        return Pipeline(model.steps), model.scaler_
    return model.regressor_, model.transformer_

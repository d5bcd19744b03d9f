"""What skl2onnx 1.20 does otherwise than scikit-learn: mended here, or refused."""

import copy
from typing import Any

import numpy as np
from skl2onnx.common.data_types import Int64TensorType, StringTensorType
from skl2onnx.operator_converters.imputer_op import convert_sklearn_imputer
from skl2onnx.operator_converters.voting_classifier import convert_voting_classifier
from skl2onnx.operator_converters.voting_regressor import convert_voting_regressor
from sklearn.base import is_classifier

from skact.deploying.onnx_nets import dtype_of, join_inputs
from skact.deploying.onnx_nodes import Nodes, UnconvertibleError


def check_columns(transformer: Any) -> None:
    """Refuse masks, which skl2onnx takes for positions, and slices of names."""
    for name, _, columns in transformer.transformers_:
        ends = (columns.start, columns.stop) if isinstance(columns, slice) else columns
        listed = [ends] if np.ndim(ends) == 0 else list(ends)
        is_of_names = isinstance(columns, slice) and any(
            isinstance(end, str) for end in listed
        )
        if is_of_names or any(isinstance(one, bool | np.bool_) for one in listed):
            raise UnconvertibleError(
                f"the columns of {name!r} must be names or positions, got {columns!r}"
            )


def check_imputer(imputer: Any) -> None:
    """Refuse what skl2onnx leaves out, and gaps in words, which ONNX does not have."""
    if imputer.add_indicator:
        raise UnconvertibleError("add_indicator=True, which skl2onnx leaves out")
    is_of_words = imputer.statistics_.dtype.kind == "O"
    if is_of_words and not isinstance(imputer.missing_values, str):
        raise UnconvertibleError(
            f"words of ONNX have no gaps such as missing_values="
            f"{imputer.missing_values}; without the imputer, OneHotEncoder makes a "
            f"category of the gaps"
        )


def convert_imputer(scope: Any, operator: Any, container: Any) -> None:
    """Fill gaps of float64, too, for which ONNX Runtime has no operator."""
    imputer = operator.raw_operator
    missing, kind = imputer.missing_values, operator.outputs[0].type
    is_nan = isinstance(missing, float) and np.isnan(missing)
    if isinstance(kind, StringTensorType) or not is_nan:
        convert_sklearn_imputer(scope, operator, container)
        return
    nodes = Nodes(scope, container, dtype_of(operator.outputs[0]))
    if isinstance(kind, Int64TensorType):  # whole numbers have no gaps
        columns = [variable.full_name for variable in operator.inputs]
        nodes.write(operator.outputs[0].full_name, "Concat", *columns, axis=1)
        return
    x = join_inputs(nodes, operator)
    filled = nodes.add("Where", nodes.add("IsNaN", x), imputer.statistics_, x)
    nodes.write(operator.outputs[0].full_name, "Identity", filled)


def convert_average(scope: Any, operator: Any, container: Any) -> None:
    """Hand skl2onnx an average as it takes it: with weights of those that were fitted.

    `flatten_transform`, which it refuses, is about `transform` only.
    """
    average = copy.copy(operator.raw_operator)
    if average.weights is not None:
        pairs = zip(average.estimators, average.weights, strict=True)
        average.weights = np.array([w for (_, one), w in pairs if one != "drop"], float)
    average.flatten_transform = False
    operator.raw_operator = average
    is_of_labels = is_classifier(average)
    convert = convert_voting_classifier if is_of_labels else convert_voting_regressor
    convert(scope, operator, container)

"""What skl2onnx 1.20 does otherwise than scikit-learn: mended here, or refused."""

import copy
from typing import Any

import numpy as np
from skl2onnx.common.data_types import Int64TensorType, StringTensorType
from skl2onnx.operator_converters.imputer_op import convert_sklearn_imputer
from skl2onnx.operator_converters.voting_classifier import convert_voting_classifier
from skl2onnx.operator_converters.voting_regressor import convert_voting_regressor
from sklearn.base import is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import BaggingClassifier, BaggingRegressor
from sklearn.feature_selection import SelectorMixin
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import OrdinalEncoder

from skact.deploying.onnx_nets import dtype_of, join_inputs
from skact.deploying.onnx_nodes import Nodes, UnconvertibleError

# what holds a net in its parameter `estimator`, and predicts as scikit-learn does after
# skl2onnx has converted it: others lose a threshold, or the digits of small numbers
_TRIED = (
    *(BaggingClassifier, BaggingRegressor, CalibratedClassifierCV),
    *(GridSearchCV, MultiOutputRegressor),
)


def check_of_scikit_learn(part: Any) -> None:
    """Raise UnconvertibleError where skl2onnx would give something else."""
    if isinstance(part, Pipeline):
        _check_transformers(part.steps[:-1])
    elif isinstance(part, FeatureUnion):
        _check_transformers(part.transformer_list)
    elif isinstance(part, ColumnTransformer):
        _check_transformers([(name, one) for name, one, _ in part.transformers_])
        _check_columns(part)
    elif isinstance(part, OrdinalEncoder):
        _check_categories(part)
    elif isinstance(part, SimpleImputer):
        _check_imputer(part)
    elif hasattr(part, "estimator") and not isinstance(part, (*_TRIED, SelectorMixin)):
        raise UnconvertibleError(
            "what skl2onnx makes of this class predicts otherwise, or nobody has tried"
        )


def _check_transformers(steps: Any) -> None:
    """Refuse transformers that predict, too: skl2onnx would pass on predictions."""
    for name, step in steps:
        if hasattr(step, "predict") and not isinstance(step, SelectorMixin):
            raise UnconvertibleError(
                f"skl2onnx would pass on what {name!r} ({type(step).__name__}) "
                f"predicts, not what it transforms"
            )


def _check_categories(encoder: Any) -> None:
    for categories in encoder.categories_:
        if categories.dtype.kind == "f" and not np.array_equal(
            categories, np.round(categories)
        ):
            raise UnconvertibleError(
                f"categories must be words or whole numbers, got "
                f"{categories.tolist()[:3]}"
            )


def _check_columns(transformer: Any) -> None:
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


def _check_imputer(imputer: Any) -> None:
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

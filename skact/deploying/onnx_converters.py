"""Which classes skact converts, and the same classes as skl2onnx knows them."""

from collections.abc import Callable
from typing import Any, NamedTuple

from skl2onnx import get_model_alias, update_registered_converter
from skl2onnx.common.data_types import Int64TensorType
from skl2onnx.operator_converters.pipelines import convert_pipeline
from skl2onnx.shape_calculators.imputer import calculate_sklearn_imputer_output_shapes
from skl2onnx.shape_calculators.voting_classifier import (
    voting_classifier_shape_calculator,
)
from skl2onnx.shape_calculators.voting_regressor import (
    voting_regressor_shape_calculator,
)
from sklearn.base import is_classifier
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import VotingClassifier, VotingRegressor
from sklearn.impute import SimpleImputer

from skact.deploying import onnx_nets, onnx_scikit_learn, onnx_tables, onnx_targets
from skact.deploying.onnx_nodes import UnconvertibleError
from skact.nets.base import BaseNet
from skact.nets.estimators import ActMLP, ActMLPBinary, ActMLPRegressor
from skact.quick_search.numbers import NumberEncoder
from skact.quick_search.pipelines import SearchPipeline, StandardisedPipeline
from skact.quick_search.tables import TableEncoder


class _Converter(NamedTuple):
    """How one class is checked and converted."""

    check: Callable[[Any], None]
    set_shapes: Callable[[Any], None]
    convert: Callable[[Any, Any, Any], None]
    parse: Callable[..., Any] | None = None


def _check_nothing(part: Any) -> None:
    """Find no fault with an estimator made of parts: each part is checked by itself."""


def _parse_model(
    scope: Any, model: Any, inputs: list, custom_parsers: Any = None
) -> list:
    """Declare what a model gives that is, or may be, a subclass of Pipeline.

    skl2onnx would look no further, and convert it as a Pipeline.
    """
    operator = scope.declare_local_operator(get_model_alias(type(model)), model)
    operator.inputs = inputs
    numbers = onnx_nets.type_of_numbers(inputs)()
    outputs = {"variable": numbers}
    if is_classifier(model):
        outputs = {"label": Int64TensorType(), "probabilities": numbers}
    for name, kind in outputs.items():
        operator.outputs.append(scope.declare_local_variable(name, kind))
    return operator.outputs


_TARGET = _Converter(
    onnx_targets.check_target,
    onnx_targets.set_shapes,
    onnx_targets.convert_target,
    _parse_model,
)
_ENCODER = _Converter(
    onnx_tables.check_encoder, onnx_tables.set_shapes, onnx_tables.convert_encoder
)
# the first class that a part is an instance of
_CONVERTERS: dict[type, _Converter] = {
    BaseNet: _Converter(
        onnx_nets.check_net, onnx_nets.set_shapes, onnx_nets.convert_net
    ),
    TransformedTargetRegressor: _TARGET,
    StandardisedPipeline: _TARGET,
    SearchPipeline: _Converter(
        _check_nothing, onnx_nets.set_shapes, convert_pipeline, _parse_model
    ),
    NumberEncoder: _ENCODER,
    TableEncoder: _ENCODER,
    SimpleImputer: _Converter(
        onnx_scikit_learn.check_of_scikit_learn,
        calculate_sklearn_imputer_output_shapes,
        onnx_scikit_learn.convert_imputer,
    ),
    VotingClassifier: _Converter(
        _check_nothing,
        voting_classifier_shape_calculator,
        onnx_scikit_learn.convert_average,
    ),
    VotingRegressor: _Converter(
        _check_nothing,
        voting_regressor_shape_calculator,
        onnx_scikit_learn.convert_average,
    ),
}
# what skl2onnx asks a converter of a classifier to allow
_OPTIONS = {
    "zipmap": [True, False, "columns"],
    "output_class_labels": [False, True],
    "nocl": [False],
}


def check_part(part: Any) -> None:
    """Raise UnconvertibleError if a part cannot be converted; else prepare skl2onnx."""
    for kind, converter in _CONVERTERS.items():
        if isinstance(part, kind):
            converter.check(part)
            _register(type(part), converter, is_classifier(part))
            return
    onnx_scikit_learn.check_of_scikit_learn(part)
    try:
        get_model_alias(type(part))
    except RuntimeError:
        raise UnconvertibleError("skl2onnx has no converter for this class") from None


def _register(kind: type, converter: _Converter, is_classification: bool) -> None:
    update_registered_converter(
        kind,
        f"Skact{kind.__qualname__}{id(kind)}",  # two classes may have one name
        converter.set_shapes,
        converter.convert,
        options=_OPTIONS if is_classification else None,
        parser=converter.parse,
    )


# known also where no check looks, as inside of a CalibratedClassifierCV; a user's
# subclass becomes known when it is checked
for _net in (ActMLP(), ActMLPBinary(), ActMLPRegressor()):
    _register(type(_net), _CONVERTERS[BaseNet], is_classifier(_net))

"""Which classes skact converts, and the same classes as skl2onnx knows them."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from skl2onnx import get_model_alias, update_registered_converter
from skl2onnx.operator_converters.pipelines import convert_pipeline
from sklearn.base import is_classifier
from sklearn.compose import TransformedTargetRegressor

from skact.deploying import onnx_nets, onnx_tables, onnx_targets
from skact.deploying.onnx_nodes import UnconvertibleError
from skact.nets.base import BaseNet
from skact.quick_search.numbers import NumberEncoder
from skact.quick_search.pipelines import SearchPipeline, StandardisedPipeline
from skact.quick_search.tables import TableEncoder


class _Converter(NamedTuple):
    """How one class is checked and converted."""

    check: Callable[[Any], None]
    set_shapes: Callable[[Any], None]
    convert: Callable[[Any, Any, Any], None]


_TARGET = _Converter(
    onnx_targets.check_target, onnx_targets.set_shapes, onnx_targets.convert_target
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
    # its steps are checked one by one, and skl2onnx knows their shapes
    SearchPipeline: _Converter(lambda _: None, lambda _: None, convert_pipeline),
    NumberEncoder: _ENCODER,
    TableEncoder: _ENCODER,
}
# what skl2onnx asks a converter of a classifier to allow
_OPTIONS = {
    "zipmap": [True, False, "columns"],
    "output_class_labels": [False, True],
    "nocl": [False],
    "raw_scores": [False],
}


def check_part(part: Any) -> None:
    """Raise UnconvertibleError if a part cannot be converted; else prepare skl2onnx."""
    for kind, converter in _CONVERTERS.items():
        if isinstance(part, kind):
            converter.check(part)
            _register(type(part), converter, is_classifier(part))
            return
    try:
        get_model_alias(type(part))
    except RuntimeError:
        raise UnconvertibleError("skl2onnx has no converter for this class") from None


@functools.cache
def _register(kind: type, converter: _Converter, is_classifier: bool) -> None:
    """Register a class, or a user's subclass of it, once."""
    update_registered_converter(
        kind,
        f"Skact{kind.__qualname__}{id(kind)}",  # users may call two classes the same
        converter.set_shapes,
        converter.convert,
        options=_OPTIONS if is_classifier else None,
    )

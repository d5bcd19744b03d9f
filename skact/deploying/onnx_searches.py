"""Converters of what `skact.search` puts around a net."""

from typing import Any

import numpy as np
from sklearn.ensemble import VotingClassifier, VotingRegressor
from sklearn.pipeline import Pipeline

from skact.deploying.onnx_activations import Nodes
from skact.deploying.onnx_nets import (
    add_labels,
    add_operator,
    convert_target,
    set_shapes_of_target,
    type_of_labels,
)
from skact.quick_search.numbers import NumberEncoder
from skact.quick_search.pipelines import SearchPipeline, StandardisedPipeline
from skact.quick_search.tables import TableEncoder

AVERAGES = (VotingClassifier, VotingRegressor)
_AVERAGE = "SkactAverage"
_CLIP, _HUGE = 3.0, 1e18  # of NumberEncoder; the square of _HUGE is finite in float32


def register() -> None:
    """Teach skl2onnx the parts of a search."""
    from skl2onnx import update_registered_converter
    from skl2onnx.common._registration import (
        register_converter,
        register_shape_calculator,
    )

    # only `to_onnx` parses averages so: skl2onnx's own way knows no pipelines in them
    register_converter(_AVERAGE, convert_average, overwrite=True)
    register_shape_calculator(_AVERAGE, set_shapes_of_average, overwrite=True)
    update_registered_converter(
        NumberEncoder, "SkactNumberEncoder", set_shapes, convert_numbers
    )
    update_registered_converter(
        TableEncoder,
        "SkactTableEncoder",
        set_shapes,
        convert_table,
        parser=parse_table,
    )
    update_registered_converter(
        StandardisedPipeline,
        "SkactStandardisedPipeline",
        set_shapes_of_target,
        convert_target,
        parser=parse_standardised,
    )


def parse_standardised(
    scope: Any, model: Any, inputs: Any, custom_parsers: Any = None
) -> Any:
    """Parse the steps; the scale of y stands behind them."""
    from skl2onnx._parse import parse_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    steps = Pipeline(model.steps)
    inner = parse_sklearn(scope, steps, inputs, custom_parsers=custom_parsers)
    outputs = {"variable": FloatTensorType()}
    return add_operator(scope, "SkactStandardisedPipeline", model, inner, outputs)


def parse_table(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> Any:
    """Give the encoder its columns, each an input or all in one."""
    from skl2onnx.common.data_types import FloatTensorType

    others = sorted({*model.kinds_} - {"number", "id", "constant"})
    if others:
        named = [
            repr(name)
            for name, kind in zip(model.columns_, model.kinds_, strict=True)
            if kind in others
        ]
        raise ValueError(
            f"to_onnx cannot write the columns {', '.join(named[:5])} of TableEncoder: "
            f"they are of kind {', '.join(others)}, and it writes numbers only. Encode "
            f"them by a ColumnTransformer of scikit-learn."
        )
    outputs = {"variable": FloatTensorType()}
    return add_operator(scope, "SkactTableEncoder", model, inputs, outputs)


def set_shapes(operator: Any) -> None:
    """Tell skl2onnx how many columns come out."""
    from skl2onnx.common.data_types import FloatTensorType

    encoder = _numbers_of(operator.raw_operator)
    n = operator.inputs[0].get_first_dimension()
    operator.outputs[0].type = FloatTensorType([n, int(encoder.n_outputs_.sum())])


def _numbers_of(model: Any) -> Any:
    return model.number_encoder_ if isinstance(model, TableEncoder) else model


def convert_table(scope: Any, operator: Any, container: Any) -> None:
    """Join the columns of numbers, and encode them."""
    model, nodes = operator.raw_operator, Nodes(scope, container)
    inputs = [one.full_name for one in operator.inputs]
    places = [i for i, kind in enumerate(model.kinds_) if kind == "number"]
    if len(inputs) == 1 and len(model.kinds_) > 1:
        kept = nodes.constant(np.array(places, dtype=np.int64))
        x = nodes.add("Gather", inputs[0], kept, axis=1)
    else:
        x = nodes.add("Concat", *(inputs[i] for i in places), axis=1)
    add_numbers(nodes, x, model.number_encoder_, operator.outputs[0].full_name)


def convert_numbers(scope: Any, operator: Any, container: Any) -> None:
    """Encode columns of numbers."""
    x, name = operator.inputs[0].full_name, operator.outputs[0].full_name
    add_numbers(Nodes(scope, container), x, operator.raw_operator, name)


def add_numbers(nodes: Nodes, x: str, encoder: NumberEncoder, name: str) -> None:
    """Write what `NumberEncoder.transform` computes."""
    many = len(getattr(encoder, "many_", ()))
    if encoder.numbers == "quantile" and many:
        raise ValueError(
            "to_onnx cannot write numbers='quantile' of NumberEncoder: ONNX has no "
            "quantiles of a normal distribution. Search numbers=['clip', 'piecewise']."
        )
    center, scale = _places_of(encoder)
    is_gap = nodes.add("IsNaN", x)
    filled = nodes.add("Where", is_gap, nodes.constant(center), x)
    near = nodes.add("Sub", filled, nodes.constant(center))
    near = nodes.add("Div", near, nodes.constant(scale))
    if encoder.numbers == "standard":
        nodes.add("Identity", near, output=name)
        return
    near = nodes.add("Clip", near, nodes.constant(-_HUGE), nodes.constant(_HUGE))
    third = nodes.add("Div", near, nodes.constant(_CLIP))
    square = nodes.add("Mul", third, third)
    root = nodes.add("Sqrt", nodes.add("Add", square, nodes.constant(1.0)))
    parts = [nodes.add("Div", near, root)]
    if encoder.numbers == "piecewise":
        parts += [
            _add_bins(nodes, filled, int(column), edges)
            for column, edges in zip(encoder.many_, encoder.edges_.T, strict=True)
        ]
    nodes.add("Concat", *parts, axis=1, output=name)


def _places_of(encoder: NumberEncoder) -> tuple[np.ndarray, np.ndarray]:
    if encoder.numbers == "standard":
        return encoder.scaler_.mean_, encoder.scaler_.scale_
    return encoder.center_, encoder.scale_


def _add_bins(nodes: Nodes, x: str, column: int, edges: np.ndarray) -> str:
    """Write the position of a column in each of its bins."""
    place = nodes.constant(np.array([column], dtype=np.int64))
    one = nodes.add("Gather", x, place, axis=1)
    widths = np.diff(edges)
    above = nodes.add("Sub", one, nodes.constant(edges[:-1]))
    factor = np.where(widths > 0, 1 / np.where(widths > 0, widths, 1), 0)
    share = nodes.add("Mul", above, nodes.constant(factor))
    return nodes.add("Clip", share, nodes.constant(0.0), nodes.constant(1.0))


# ---------------------------------------------------------------------- averages


def parse_average(
    scope: Any, model: Any, inputs: Any, custom_parsers: Any = None
) -> Any:
    """Parse each member, which may be a pipeline; their mean stands behind them."""
    from skl2onnx._parse import parse_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    if model.weights is not None or getattr(model, "voting", "soft") != "soft":
        raise ValueError(
            f"to_onnx cannot write {type(model).__name__} with weights, or with "
            f"voting='hard': it writes the plain mean."
        )
    found = []
    for one in model.estimators_:
        # skl2onnx's parser of pipelines would make a list of dicts of probabilities
        is_plain = type(one) in (Pipeline, SearchPipeline)
        outputs = inputs
        for step in [step for _, step in one.steps] if is_plain else [one]:
            outputs = parse_sklearn(scope, step, outputs, custom_parsers=custom_parsers)
            for variable in outputs:
                variable.init_status(is_leaf=False)
        found.append(outputs[-1])
    outputs = {"variable": FloatTensorType()}
    if isinstance(model, VotingClassifier):
        kind = type_of_labels(model.classes_)
        outputs = {"label": kind(), "probabilities": FloatTensorType()}
    return add_operator(scope, _AVERAGE, model, found, outputs)


def set_shapes_of_average(operator: Any) -> None:
    """Give the outputs the shapes of a member's."""
    from skl2onnx.common.data_types import FloatTensorType

    model, n = operator.raw_operator, operator.inputs[0].get_first_dimension()
    if len(operator.outputs) == 1:
        operator.outputs[0].type = FloatTensorType([n, None])
        return
    operator.outputs[0].type = type_of_labels(model.classes_)([n])
    operator.outputs[1].type = FloatTensorType([n, len(model.classes_)])


def convert_average(scope: Any, operator: Any, container: Any) -> None:
    """Write the mean, and the labels of a classifier."""
    nodes = Nodes(scope, container)
    names = [one.full_name for one in operator.outputs]
    mean = nodes.add("Mean", *(one.full_name for one in operator.inputs))
    nodes.add("Identity", mean, output=names[-1])
    if len(names) > 1:
        add_labels(nodes, mean, operator.raw_operator.classes_, names[0])

"""The graph of a whole estimator, which skl2onnx builds of the nodes of its parts."""

import traceback
from collections.abc import Mapping
from typing import Any

import skl2onnx
from onnx import helper
from skl2onnx.common.data_types import (
    DoubleTensorType,
    FloatTensorType,
    Int64TensorType,
    StringTensorType,
    guess_proto_type,
)
from sklearn.base import is_classifier
from sklearn.compose import ColumnTransformer

from skact.deploying.onnx_inputs import NUMBERS, WHOLE, WORDS, Inputs
from skact.deploying.onnx_nodes import UnconvertibleError
from skact.deploying.onnx_parts import heads_of, name_of

_TABLE = "skact_columns"  # the columns of a frame, side by side


def build_model(estimator: Any, inputs: Inputs, *, dtype: str, opset: int) -> Any:
    """Return the model of an estimator whose parts can be converted.

    Raises
    ------
    UnconvertibleError
        If skl2onnx cannot convert a part for another reason than its class.
    """
    _check_names(inputs, is_classifier(estimator))
    numbers = DoubleTensorType if dtype == "float64" else FloatTensorType
    types = {WORDS: StringTensorType, WHOLE: Int64TensorType, NUMBERS: numbers}
    columns = [
        (name, types[kind]([None, inputs.width or 1]))
        for name, kind in inputs.kinds.items()
    ]
    is_joined = inputs.width is None and _reads_one_table(estimator, inputs)
    given = columns
    if is_joined:
        are_words = WORDS in inputs.kinds.values()
        kind = StringTensorType if are_words else numbers
        given = [(_TABLE, kind([None, len(columns)]))]
    model = _convert(estimator, given, opset)
    if is_joined:
        _split_input(model.graph, columns)
    else:
        _name_inputs(model.graph, columns)
    _drop_unread(model.graph)
    return model


def _convert(estimator: Any, given: list, opset: int) -> Any:
    options = {id(estimator): {"zipmap": False}} if is_classifier(estimator) else None
    try:
        return skl2onnx.to_onnx(
            estimator, initial_types=given, target_opset=opset, options=options
        )
    except Exception as error:  # skl2onnx raises errors of all kinds
        part = _part_at_work(error) or estimator
        who = "to_onnx" if isinstance(error, UnconvertibleError) else "skl2onnx"
        raise UnconvertibleError(
            f"{who} cannot convert {name_of(estimator, part)}: {error}"
        ) from error


def _part_at_work(error: Exception) -> Any:
    """Return the part whose converter raised an error, which does not name it."""
    part = None
    for frame, _ in traceback.walk_tb(error.__traceback__):
        part = getattr(frame.f_locals.get("operator"), "raw_operator", part)
    return part


def _reads_one_table(estimator: Any, inputs: Inputs) -> bool:
    """Whether the first parts want all columns in one input, as most do."""
    kinds = set(inputs.kinds.values())
    are_alike = kinds == {WORDS} or WORDS not in kinds
    return are_alike and not any(
        isinstance(head, ColumnTransformer) for head in heads_of(estimator)
    )


def _split_input(graph: Any, columns: list) -> None:
    """Give the graph an input for each column in place of one table."""
    _rename(graph, {name: f"{_TABLE}_{name}" for name, _ in columns})
    (table,) = graph.input
    kind = table.type.tensor_type.elem_type
    nodes: list[Any] = []
    names: list[str] = []
    for name, column in columns:
        if isinstance(column, Int64TensorType):
            cast = f"{_TABLE}_{len(names)}"
            nodes.append(helper.make_node("Cast", [name], [cast], to=kind))
            names.append(cast)
        else:
            names.append(name)
    nodes.append(helper.make_node("Concat", names, [_TABLE], axis=1))
    for node in reversed(nodes):
        graph.node.insert(0, node)
    del graph.input[:]
    for name, column in columns:
        kind = guess_proto_type(column)
        graph.input.append(helper.make_tensor_value_info(name, kind, [None, 1]))


def _name_inputs(graph: Any, columns: list) -> None:
    """Give inputs the names of their columns, of which skl2onnx changes some signs."""
    names = [name for name, _ in columns]
    _rename(graph, dict(zip([one.name for one in graph.input], names, strict=True)))
    for one, name in zip(graph.input, names, strict=True):
        one.name = name


def _rename(graph: Any, names: Mapping[str, str]) -> None:
    """Rename what nodes and constants are called inside a graph."""
    for node in graph.node:
        for listed in (node.input, node.output):
            listed[:] = [names.get(name, name) for name in listed]
    for constant in graph.initializer:
        constant.name = names.get(constant.name, constant.name)


def _drop_unread(graph: Any) -> None:
    """Drop what no node reads: inputs would have to be fed, and constants warn."""
    read = {name for node in graph.node for name in node.input}
    for listed in (graph.input, graph.initializer):
        for one in [one for one in listed if one.name not in read]:
            listed.remove(one)


def _check_names(inputs: Inputs, is_classification: bool) -> None:
    """Refuse columns with the names of outputs, which a graph has only once."""
    outputs = ("label", "probabilities") if is_classification else ("variable",)
    taken = [name for name in inputs.kinds if name in outputs]
    if taken:
        raise UnconvertibleError(
            f"a column of X has the name of an output of the model, {taken[0]!r}: "
            f"rename it"
        )

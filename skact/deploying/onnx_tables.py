"""The encoders of `skact.search` as nodes of ONNX, where all columns are numbers."""

from typing import Any

import numpy as np

from skact.deploying.onnx_nets import dtype_of, join_inputs, set_type_of_numbers
from skact.deploying.onnx_nodes import Nodes, UnconvertibleError
from skact.deploying.onnx_quantiles import add_quantiles
from skact.quick_search.numbers import CLIP, NumberEncoder
from skact.quick_search.tables import TableEncoder

_NOT_READ = ("constant", "id")
_HUGE = 1e18  # its square is finite in float32


def check_encoder(encoder: Any) -> None:
    """Raise UnconvertibleError, which says why, if an encoder cannot be converted."""
    if isinstance(encoder, TableEncoder):
        columns = zip(encoder.columns_, encoder.kinds_, strict=True)
        others = [
            f"{name!r} ({kind})"
            for name, kind in columns
            if kind not in ("number", *_NOT_READ)
        ]
        if others:
            raise UnconvertibleError(
                f"only columns of numbers can be converted, and it has "
                f"{', '.join(others)}"
            )


def convert_encoder(scope: Any, operator: Any, container: Any) -> None:
    """Add an encoder; its inputs are the columns of numbers, in the order of `fit`."""
    check_encoder(operator.raw_operator)
    nodes = Nodes(scope, container, dtype_of(operator.outputs[0]))
    x = join_inputs(nodes, operator)
    encoded = _add_numbers(nodes, x, _numbers_of(operator.raw_operator))
    nodes.write(operator.outputs[0].full_name, "Identity", encoded)


def set_shapes(operator: Any) -> None:
    """Tell skl2onnx the type and the number of columns."""
    n_columns = int(_numbers_of(operator.raw_operator).n_outputs_.sum())
    set_type_of_numbers(operator, [operator.inputs[0].get_first_dimension(), n_columns])


def names_of_numbers(encoder: TableEncoder) -> list[str]:
    """Return the names of the columns that the converted encoder reads."""
    columns = zip(encoder.columns_, encoder.kinds_, strict=True)
    return [str(name) for name, kind in columns if kind == "number"]


def _numbers_of(encoder: Any) -> Any:
    """Return the encoder of the numbers; `check_encoder` lets no other column pass."""
    return encoder.number_encoder_ if isinstance(encoder, TableEncoder) else encoder


def _add_numbers(nodes: Nodes, x: str, encoder: NumberEncoder) -> str:
    is_missing = nodes.add("IsNaN", x)
    if encoder.numbers == "standard":
        scaler = encoder.scaler_
        scaled = nodes.add("Div", nodes.add("Sub", x, scaler.mean_), scaler.scale_)
        return nodes.add("Where", is_missing, 0.0, scaled)
    filled = nodes.add("Where", is_missing, encoder.center_, x)
    near = nodes.add("Div", nodes.add("Sub", filled, encoder.center_), encoder.scale_)
    near = nodes.add("Clip", near, -_HUGE, _HUGE)
    part = nodes.add("Div", near, CLIP)
    length = nodes.add("Sqrt", nodes.add("Add", nodes.add("Mul", part, part), 1.0))
    clipped = nodes.add("Div", near, length)
    if encoder.numbers == "clip" or not len(encoder.many_):
        return clipped
    if encoder.numbers == "piecewise":
        return nodes.add("Concat", clipped, _add_bins(nodes, filled, encoder), axis=1)
    many = nodes.add("Gather", filled, nodes.constant(encoder.many_, np.int64), axis=1)
    ranked = add_quantiles(nodes, many, encoder.quantiles_)
    places = np.arange(len(encoder.center_))
    places[encoder.many_] = len(places) + np.arange(len(encoder.many_))
    both = nodes.add("Concat", clipped, ranked, axis=1)
    return nodes.add("Gather", both, nodes.constant(places, np.int64), axis=1)


def _add_bins(nodes: Nodes, x: str, encoder: NumberEncoder) -> str:
    """Add the position in each bin; each column stands once for each of its bins."""
    edges = encoder.edges_.T  # (columns, bins + 1)
    n_bins = edges.shape[1] - 1
    repeated = nodes.constant(np.repeat(encoder.many_, n_bins), np.int64)
    columns = nodes.add("Gather", x, repeated, axis=1)
    widths = np.diff(edges).ravel()
    has_width = widths > 0
    steps = np.where(has_width, 1 / np.where(has_width, widths, 1), 0)
    shifted = nodes.add("Sub", columns, edges[:, :-1].ravel())
    return nodes.add("Clip", nodes.add("Mul", shifted, steps), 0.0, 1.0)

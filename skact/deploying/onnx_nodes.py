"""Nodes and constants of an ONNX graph, added one by one under names of their own."""

from typing import Any

import numpy as np
from onnx import TensorProto
from onnx.helper import np_dtype_to_tensor_dtype


class UnconvertibleError(ValueError):
    """Why a part of an estimator cannot become nodes of ONNX."""


class Nodes:
    """The place in a graph where the converter of one estimator adds its nodes.

    Parameters
    ----------
    scope, container
        As skl2onnx gives them to a converter.
    dtype : numpy dtype
        Of the numbers: float32 or float64.
    """

    def __init__(self, scope: Any, container: Any, dtype: Any) -> None:
        self._scope, self._container = scope, container
        self.dtype = np.dtype(dtype)

    def add(self, operator: str, *inputs: Any, **attributes: Any) -> str:
        """Add a node, and return the name of its output.

        Inputs are names of outputs, or numbers, which become constants.
        """
        output: str = self._scope.get_unique_variable_name(operator.lower())
        self.write(output, operator, *inputs, **attributes)
        return output

    def write(
        self, output: str, operator: str, *inputs: Any, **attributes: Any
    ) -> None:
        """Add a node whose output has a name that is known already."""
        names = [one if isinstance(one, str) else self.constant(one) for one in inputs]
        name = self._scope.get_unique_operator_name(operator)
        self._container.add_node(operator, names, [output], name=name, **attributes)

    def cast(self, x: str, dtype: Any = None) -> str:
        """Return x as numbers of a dtype, by default that of the nodes."""
        return self.add("Cast", x, to=_type_of(dtype or self.dtype))

    def constant(self, values: Any, dtype: Any = None) -> str:
        """Add a constant, and return its name: numbers of `dtype`, or words."""
        name: str = self._scope.get_unique_variable_name("constant")
        array = np.asarray(values)
        if array.dtype.kind in "OU":
            words = [str(word).encode() for word in array.ravel()]
            content, kind = np.array(words, dtype=object), int(TensorProto.STRING)
        else:
            content = array.astype(dtype or self.dtype).ravel()
            kind = _type_of(content.dtype)
        self._container.add_initializer(name, kind, list(array.shape), content)
        return name


def _type_of(dtype: Any) -> int:
    return int(np_dtype_to_tensor_dtype(np.dtype(dtype)))

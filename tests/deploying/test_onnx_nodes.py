import numpy as np
import onnxruntime
import pytest
import skl2onnx
from onnx import TensorProto
from skl2onnx.common.data_types import FloatTensorType
from sklearn.base import BaseEstimator, TransformerMixin

from skact.deploying.onnx_nodes import Nodes


class Recipe(TransformerMixin, BaseEstimator):
    """A transformer that is whatever nodes a test adds."""

    def fit(self, X, y=None):
        return self


@pytest.fixture
def run():
    """Return a function that runs the nodes which `add(nodes, x)` adds to x."""

    def run(add, dtype="float32"):
        def convert(scope, operator, container):
            nodes = Nodes(scope, container, dtype)
            x = nodes.cast(operator.inputs[0].full_name)
            found = add(nodes, x)
            nodes.write(operator.outputs[0].full_name, "Cast", found, to=1)

        def set_shapes(operator):
            operator.outputs[0].set_type(FloatTensorType([None, 2]))

        model = skl2onnx.convert_sklearn(
            Recipe(),
            initial_types=[("X", FloatTensorType([None, 2]))],
            custom_conversion_functions={Recipe: convert},
            custom_shape_calculators={Recipe: set_shapes},
            target_opset=18,
        )
        session = onnxruntime.InferenceSession(model.SerializeToString())
        X = np.array([[1, 2], [3, 4]], dtype=np.float32)
        return model, session.run(None, {"X": X})[0]

    return run


def test_numbers_become_constants_of_the_dtype(run):
    model, found = run(lambda nodes, x: nodes.add("Mul", x, [1.5, 2.5]), "float64")
    assert found.tolist() == [[1.5, 5.0], [4.5, 10.0]]
    assert {one.data_type for one in model.graph.initializer} == {TensorProto.DOUBLE}


def test_names_are_never_used_twice(run):
    model, found = run(lambda nodes, x: nodes.add("Add", nodes.add("Add", x, x), x))
    assert found.tolist() == [[3, 6], [9, 12]]
    outputs = [name for node in model.graph.node for name in node.output]
    assert len(outputs) == len(set(outputs)) == len(model.graph.node)


def test_constants_can_be_words_and_whole_numbers(run):
    def add(nodes, x):
        words = nodes.constant(np.array(["2.5", "-1"], dtype=object))
        places = nodes.constant([1, 0], np.int64)
        chosen = nodes.add("Gather", words, places, axis=0)
        return nodes.add("Mul", nodes.cast(nodes.cast(chosen)), x)

    assert run(add)[1].tolist() == [[-1, 5], [-3, 10]]

"""Each activation of the catalogue computes in ONNX what it computes in torch."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

from skact import list_activations, make_activation
from skact.deploying.onnx_activations import WRITERS, Nodes, add_activation
from skact.deploying.onnx_export import OPSET

Z = np.concatenate([np.linspace(-30, 30, 601), [-1e4, -88, 0, 88, 1e4]])
Z = np.stack([Z, Z[::-1]]).astype(np.float32).T.copy()


class Recorder:
    """Stands for the scope and the container of skl2onnx."""

    def __init__(self):
        self.nodes, self.initializers, self.n = [], [], 0

    def get_unique_variable_name(self, name):
        self.n += 1
        return f"{name}{self.n}"

    get_unique_operator_name = get_unique_variable_name

    def add_node(self, kind, inputs, output, name, **options):
        self.nodes.append(helper.make_node(kind, inputs, [output], name, **options))


def computed(module):
    """The values of an activation in onnxruntime."""
    graph = Recorder()
    nodes = Nodes(graph, graph)
    nodes.add("Identity", add_activation(nodes, "x", module), output="y")
    x, y = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 2])
        for name in "xy"
    )
    whole = helper.make_graph(graph.nodes, "g", [x], [y], graph.initializers)
    model = helper.make_model(
        whole, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9
    )
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {"x": Z})[0]


SPECS = [
    *list_activations(),
    *(
        "elu(alpha=0.5)",
        "celu(alpha=2)",
        "gelu(approximate='tanh')",
        "softplus(beta=3)",
    ),
    *("leaky_relu(0.3)", "hardtanh(min_val=-2, max_val=0.5)", "threshold(0.5, -1)"),
    *("rrelu(0.1, 0.5)", "softshrink(0.7)", "hardshrink(0.2)", "swish_beta(2.5)"),
]


@pytest.mark.parametrize("spec", SPECS)
def test_values_are_those_of_torch(spec):
    module = make_activation(spec).eval()
    with torch.no_grad():
        expected = module(torch.from_numpy(Z)).numpy()
    np.testing.assert_allclose(computed(module), expected, rtol=2e-6, atol=2e-6)


def test_a_slope_for_each_unit_is_written():
    module = nn.PReLU(2)
    with torch.no_grad():
        module.weight[:] = torch.tensor([0.1, -0.7])
        expected = module(torch.from_numpy(Z)).numpy()
    np.testing.assert_allclose(computed(module), expected, rtol=1e-6)


class Mine(nn.Tanh):
    pass


def test_code_of_ones_own_is_named():
    assert Mine not in WRITERS
    with pytest.raises(
        ValueError, match=r"cannot write the activation .*\.Mine: it is"
    ):
        computed(Mine())

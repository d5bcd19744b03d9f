import numpy as np
import pytest
import torch
from torch import nn

from skact import ActMLP, to_onnx


def fitted(iris, **params):
    settings = {"width": 6, "max_epochs": 2, "random_state": 0, **params}
    return ActMLP(**settings).fit(*iris)


@pytest.mark.parametrize(
    "params",
    [
        {"hidden": (7, 3), "activation": ("gelu", "prelu")},
        {"depth": 0},
        {"depth": 3, "norm": "batch", "dropout": 0.5},
        {"norm": "layer", "output_activation": "tanh"},
        {"norm": "batch", "max_epochs": 20, "activation": "softmax"},
    ],
)
def test_layers_norms_and_activations_are_those_of_the_network(
    params, iris, assert_same
):
    net = fitted(iris, **params)
    assert_same(to_onnx(net), net, iris[0])


def test_the_statistics_of_batch_norm_join_the_weights(iris):
    """The graph is as small as that of a net without norm."""
    plain, normed = (to_onnx(fitted(iris, norm=norm)) for norm in (None, "batch"))
    operators = [[node.op_type for node in m.graph.node] for m in (plain, normed)]
    assert operators[0] == operators[1]


def test_dropout_leaves_no_node(iris):
    with_dropout, without = (fitted(iris, dropout=rate) for rate in (0.5, 0.0))
    counts = [len(to_onnx(net).graph.node) for net in (with_dropout, without)]
    assert counts[0] == counts[1]


def test_a_network_of_a_users_own_is_refused(iris):
    net = fitted(iris)
    net.module_ = nn.Linear(4, 3)
    with pytest.raises(
        ValueError, match=r"its network is a torch\.nn.*\.Linear, whose"
    ):
        to_onnx(net)


def test_hooks_and_forwards_of_users_are_refused(iris):
    net = fitted(iris)
    net.module_.output.register_forward_hook(lambda *_: None)
    with pytest.raises(ValueError, match="its layer 'output' has hooks or a forward"):
        to_onnx(net)
    net = fitted(iris)
    net.module_.hidden[0].forward = torch.sin
    with pytest.raises(
        ValueError, match=r"its layer 'hidden\.0' has hooks or a forward"
    ):
        to_onnx(net)


# torch's compiler imports what warns of itself
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_a_compiled_network_is_the_network(iris, assert_same):
    net = fitted(iris)
    plain = net.module_
    net.module_ = torch.compile(plain, backend="eager")
    model = to_onnx(net)
    net.module_ = plain
    assert_same(model, net, iris[0])


def test_the_weights_are_those_at_the_call(iris, run_onnx):
    net = fitted(iris)
    model = to_onnx(net)
    before = run_onnx(model, iris[0])["probabilities"]
    net.partial_fit(*iris)
    assert not np.allclose(net.predict_proba(iris[0]), before)
    assert np.array_equal(run_onnx(model, iris[0])["probabilities"], before)

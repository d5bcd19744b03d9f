import re

import numpy as np
import pytest
import torch
from torch import nn

from skact import ActMLPRegressor, list_activations, to_onnx
from skact.activations.modules import FunctionActivation
from skact.deploying.onnx_activations import check_activation
from skact.deploying.onnx_nodes import UnconvertibleError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 3)) * 3  # far enough for both ends of each curve
Y = RNG.normal(size=(200, 4))
# with parameters that are not the defaults
SPECS = (
    *("elu(0.5)", "celu(2.0)", "leaky_relu(0.3)", "prelu(0.4)", "rrelu(0.1, 0.4)"),
    *("hardtanh(-2, 3)", "hardshrink(0.2)", "softshrink(0.3)", "swish_beta(2.0)"),
    *("softplus(2.0, 1.0)", "threshold(0.3, -0.5)", "gelu(approximate='tanh')"),
)
MODULES = (
    *(nn.PReLU(4), nn.RReLU(), nn.Dropout(0.5), nn.Softmax(dim=1)),
    nn.Sequential(nn.Tanh(), nn.Softshrink(0.1)),
)
FUNCTIONS = (torch.sin, torch.relu, nn.functional.tanh, torch.abs)


class Doubled(nn.Module):
    def forward(self, x):
        return 2 * x


class Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.sign()

    @staticmethod
    def backward(ctx, gradient):
        return gradient


def fitted(activation, dtype="float32", depth=0, **params):
    """A net that gives its activation of a line, or of a hidden layer."""
    net = ActMLPRegressor(
        activation,
        *(4,),
        depth=depth,
        output_activation=activation,
        dtype=dtype,
        max_epochs=1,
        random_state=0,
        **params,
    )
    return net.fit(X, Y)


@pytest.mark.filterwarnings("ignore::skact.UnscaledInputWarning")  # X is wide
@pytest.mark.parametrize("spec", [*list_activations(), *SPECS])
def test_each_activation_is_that_of_torch(spec, assert_same):
    net = fitted(spec)
    assert_same(to_onnx(net), net, X, tolerance=2e-6)


@pytest.mark.filterwarnings("ignore::skact.UnscaledInputWarning")
@pytest.mark.parametrize("spec", [*list_activations(), *SPECS])
def test_float64_keeps_its_digits(spec, assert_same):
    """But for the exact GELU: ONNX Runtime has Erf for float32 only."""
    net = fitted(spec, "float64")
    tolerance = 1e-6 if spec == "gelu" else 1e-14
    assert_same(to_onnx(net, dtype="float64"), net, X, tolerance=tolerance)


@pytest.mark.parametrize("norm", [None, "batch", "layer"])
@pytest.mark.parametrize("spec", list_activations())
def test_each_activation_follows_each_norm(spec, norm, assert_same, iris):
    X, y = iris
    net = ActMLPRegressor(spec, 5, depth=2, norm=norm, max_epochs=2, random_state=0)
    net.fit(X, y.astype(float))
    assert_same(to_onnx(net), net, X)


@pytest.mark.filterwarnings("ignore::skact.UnscaledInputWarning")
@pytest.mark.parametrize(
    "activation", [*MODULES, *FUNCTIONS], ids=lambda x: repr(x).partition(" at 0x")[0]
)
def test_modules_and_functions_of_torch_are_known_too(activation, assert_same):
    net = fitted(activation, depth=1)
    assert_same(to_onnx(net), net, X)


@pytest.mark.filterwarnings("ignore::skact.UnscaledInputWarning")
@pytest.mark.parametrize("spec", list_activations())
def test_outputs_far_from_zero_are_finite_where_those_of_torch_are(spec, run_onnx):
    net = fitted(spec)
    far = np.full((2, 3), [[-1e4], [1e4]])
    expected = net.predict(far)
    found = run_onnx(to_onnx(net), far)["variable"]
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_learned_parameters_are_those_after_training(assert_same, iris):
    X, y = iris
    net = ActMLPRegressor("swish_beta", 5, lr=0.1, max_epochs=5, random_state=0)
    net.fit(X, y.astype(float))
    assert abs(net.module_.hidden[0].activation.beta.item() - 1) > 0.05
    assert_same(to_onnx(net), net, X)


@pytest.mark.parametrize(
    ("module", "why"),
    [
        (Doubled(), "Doubled() is of a class, "),
        (nn.Sequential(nn.ReLU(), Doubled()), "Doubled() is of a class, "),
        (
            FunctionActivation(torch.relu, inplace=False),
            "FunctionActivation(relu, inplace=False) calls a function with parameters",
        ),
        (nn.Softmax(dim=0), "Softmax(dim=0) mixes rows; dim=-1 can be converted"),
        (nn.Bilinear(2, 2, 2), "torch.nn.modules.linear.Bilinear, whose operators"),
    ],
)
def test_a_module_with_unknown_operators_is_refused(module, why):
    with pytest.raises(UnconvertibleError, match=re.escape(why)):
        check_activation(module)


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (lambda x: x * 2, "lambda is a function whose operators skact does not know"),
        (Sign, "Sign is a function whose operators skact does not know"),
    ],
)
def test_a_function_with_unknown_operators_is_refused(function, why, iris):
    X, y = iris
    net = ActMLPRegressor(function, 4, max_epochs=1).fit(X, y.astype(float))
    match = re.escape(f"the activation of hidden layer 1: {why}")
    with pytest.raises(ValueError, match=match):
        to_onnx(net)

"""An entry of the catalogue: its range, and the properties that follow from it."""

import math
import re
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch

from skact.activations.build import make_activation
from skact.activations.catalogue import get_activation, list_activations
from skact.activations.entry import Activation, Range

ENTRIES = [get_activation(name) for name in list_activations()]


def by_entry(entries: list[Activation]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("entry", entries, ids=lambda entry: entry.name)


@pytest.mark.parametrize(
    ("given_range", "text", "inside", "outside"),
    [
        (Range(-math.inf, math.inf), "(-inf, inf)", [-1e300, 0.0], [math.nan]),
        (Range(0.0, math.inf, closed_low=True), "[0, inf)", [0.0, 2.0], [-1e-9]),
        (Range(0.0, 1.0), "(0, 1)", [0.5], [0.0, 1.0]),
        (Range(-1.0, 1.0, closed_high=True), "(-1, 1]", [1.0], [-1.0, 1.1]),
        (Range(-0.2784645427610738, 1.0, True, True), "[-0.278465, 1]", [0], [2]),
    ],
)
def test_range_reads_as_an_interval_and_knows_its_ends(
    given_range: Range, text: str, inside: list[float], outside: list[float]
) -> None:
    assert str(given_range) == text
    assert all(value in given_range for value in inside)
    assert not any(value in given_range for value in outside)


@by_entry(ENTRIES)
def test_derivative_keeps_shape_and_dtype_and_knows_the_defaults(
    entry: Activation,
) -> None:
    x = torch.linspace(-4, 4, 12).reshape(2, 2, 3)
    assert entry.derivative is not None
    derivative = entry.derivative(x)
    assert derivative.shape == x.shape
    assert derivative.dtype == torch.float32
    torch.testing.assert_close(derivative, entry.derivative(x, **entry.parameters))


@by_entry(ENTRIES)
def test_smooth_is_continuously_differentiable(entry: Activation) -> None:
    kinky = {
        *("relu", "relu6", "leaky_relu", "prelu", "rrelu", "selu", "hardswish"),
        *("hardsigmoid", "hardtanh", "hardshrink", "softshrink", "threshold"),
    }
    assert entry.smooth == (entry.name not in kinky)


@by_entry(ENTRIES)
def test_monotonic_never_decreases(claims: SimpleNamespace, entry: Activation) -> None:
    wavy = {"gelu", "silu", "swish_beta", "mish", "hardswish"}
    assert entry.monotonic == (entry.name not in wavy)
    slopes = claims.derivatives(entry, dict(entry.parameters), claims.grid)
    assert entry.monotonic == bool((slopes >= 0).all())


@by_entry(ENTRIES)
def test_zero_centred_is_mean_zero_for_standard_normal_input(
    claims: SimpleNamespace,
    entry: Activation,
) -> None:
    centred = {
        *("identity", "selu", "tanh", "hardtanh", "softsign"),
        *("hardshrink", "softshrink", "tanhshrink"),
    }
    assert entry.zero_centred == (entry.name in centred)
    if entry.elementwise:
        mean = claims.gaussian_moment(entry, dict(entry.parameters), 1)
        assert entry.zero_centred == (abs(mean) < 1e-7)


@by_entry(ENTRIES)
def test_bounded_has_two_finite_ends(
    claims: SimpleNamespace, entry: Activation
) -> None:
    bounded = {
        *("relu6", "sigmoid", "hardsigmoid", "tanh", "hardtanh", "softsign"),
        "softmax",
    }
    assert entry.bounded == (entry.name in bounded)
    largest = (
        claims.values(
            entry, dict(entry.parameters), torch.cat([-claims.far, claims.far])
        )
        .abs()
        .max()
    )
    assert entry.bounded == bool(largest < 10)


@by_entry(ENTRIES)
def test_learnable_names_the_parameters_that_get_a_gradient(entry: Activation) -> None:
    module = make_activation(entry.name)
    assert entry.learnable == tuple(dict(module.named_parameters()))
    x = torch.linspace(-2, 2, 9)
    if entry.learnable:
        module(x).square().sum().backward()
    for parameter in module.parameters():
        assert parameter.requires_grad
        assert parameter.grad is not None
        assert parameter.grad.abs().sum() > 0


@by_entry(ENTRIES)
def test_elementwise_output_depends_on_its_own_input_only(entry: Activation) -> None:
    module = make_activation(entry.name).eval()
    x = torch.tensor([[0.3, -0.2, 0.7]])
    other = torch.tensor([[0.3, 5.0, -5.0]])
    same = bool((module(x)[0, 0] == module(other)[0, 0]).item())
    assert entry.elementwise == same


def test_gain_of_what_mixes_units_is_one() -> None:
    assert {e.name: e.gain for e in ENTRIES if not e.elementwise} == {
        "softmax": 1.0,
        "log_softmax": 1.0,
    }


@by_entry(ENTRIES)
def test_stochastic_draws_in_training_and_never_in_evaluation(
    entry: Activation, global_state: Callable[[], bool]
) -> None:
    module = make_activation(entry.name)
    x = torch.linspace(-2, 2, 9)
    same = torch.equal(module(x), module(x))
    assert entry.stochastic == (not same) == (not global_state())
    module.eval()
    assert torch.equal(module(x), module(x))


@by_entry(ENTRIES)
def test_every_entry_is_complete(entry: Activation) -> None:
    for sentence in (entry.good, entry.bad):
        assert sentence.endswith(".")
    assert re.search(r"\(\d{4}\), \S", entry.paper)
    assert entry.latex.count("{") == entry.latex.count("}")
    assert all(text == text.strip() and text for text in (entry.latex, entry.formula))
    assert entry.name.isidentifier()
    assert entry.name == entry.name.lower()


def test_entries_cannot_be_altered() -> None:
    entry = get_activation("elu")
    with pytest.raises(TypeError):
        entry.parameters["alpha"] = 2.0  # type: ignore[index]
    with pytest.raises(AttributeError):
        entry.name = "other"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        Range(0.0, 1.0).low = -1.0  # type: ignore[misc]


def test_an_entry_shows_its_name_and_formula() -> None:
    assert repr(get_activation("relu")) == "<Activation relu(x) = max(0, x)>"

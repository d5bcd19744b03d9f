"""The gain keeps the second moment of the signal from layer to layer."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from skact.activations import build, init_gain
from skact.activations.build import activation_gain, make_activation
from skact.activations.catalogue import get_activation, list_activations
from skact.activations.entry import Activation
from skact.activations.modules import activation_name

ENTRIES = [get_activation(name) for name in list_activations()]


def by_entry(entries: list[Activation]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("entry", entries, ids=lambda entry: entry.name)


ELEMENTWISE = [entry for entry in ENTRIES if entry.elementwise]


# The gain is rounded to six significant digits, whatever its first one.
HALF_A_SIXTH_DIGIT = 5.1e-6


@by_entry(ELEMENTWISE)
def test_gain_keeps_the_second_moment_of_a_standard_normal(
    claims: SimpleNamespace, entry: Activation
) -> None:
    second_moment = claims.gaussian_moment(entry, dict(entry.parameters), 2)
    assert entry.gain == activation_gain(entry.name)
    assert entry.gain == pytest.approx(second_moment**-0.5, rel=HALF_A_SIXTH_DIGIT)


@pytest.mark.parametrize(
    ("spec", "gain"),
    [
        ("identity", 1.0),
        ("relu", math.sqrt(2)),
        ("leaky_relu", math.sqrt(2 / (1 + 0.01**2))),
        ("leaky_relu(0.2)", math.sqrt(2 / (1 + 0.2**2))),
        ("prelu(0.5)", math.sqrt(2 / (1 + 0.5**2))),
        ("rrelu(0.1, 0.3)", math.sqrt(2 / (1 + 0.2**2))),
        ("selu", 1.0),
        # E[z**2 1(|z| > 1)] = 2 * (phi(1) + 1 - Phi(1)): the jump costs no digits.
        ("hardshrink(1)", (2 * (stats.norm.pdf(1) + stats.norm.sf(1))) ** -0.5),
        # E[gelu(z)**2] = 1/3 + 1/(2 pi sqrt(3)).
        ("gelu", (1 / 3 + 1 / (2 * math.pi * math.sqrt(3))) ** -0.5),
        (nn.ReLU, math.sqrt(2)),
        (nn.LeakyReLU(0.2), math.sqrt(2 / (1 + 0.2**2))),
        (torch.relu, math.sqrt(2)),
        (torch.sin, (2 / (1 - math.exp(-2))) ** 0.5),
    ],
)
def test_gain_equals_the_closed_form(spec: Any, gain: float) -> None:
    assert activation_gain(spec) == pytest.approx(gain, rel=HALF_A_SIXTH_DIGIT)


def test_gain_keeps_a_deep_signal_at_its_size() -> None:
    generator = torch.Generator().manual_seed(0)
    width, gain, module = 512, activation_gain("gelu"), make_activation("gelu")
    signal = torch.randn(256, width, generator=generator)
    for _ in range(10):
        weight = torch.randn(width, width, generator=generator) / math.sqrt(width)
        signal = module(signal) @ (gain * weight)
    assert signal.square().mean().item() == pytest.approx(1, rel=0.3)


@pytest.mark.parametrize("spec", ["gelu", "mish", "softplus(2)", "rrelu"])
def test_gain_has_six_digits_and_is_the_same_on_any_number_of_threads(
    spec: str,
) -> None:
    threads = torch.get_num_threads()
    found = []
    try:
        for n_threads in (1, 2, 5):
            torch.set_num_threads(n_threads)
            build._gain_of_entry.cache_clear()
            found.append(activation_gain(spec))
    finally:
        torch.set_num_threads(threads)
    assert len(set(found)) == 1
    assert found[0] == float(f"{found[0]:.6g}")
    assert len(init_gain.make_grid()) < 30_000


class Raises(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise RuntimeError("not on this input")


@pytest.mark.parametrize(
    "spec",
    [
        "softmax",
        "log_softmax",
        "threshold(30)",
        Raises,
        nn.GLU(),
        nn.Conv2d(1, 1, 3),
        nn.Linear(1, 3),
        nn.LSTM(1, 1),
        torch.zeros_like,
        lambda x: x / 0,
        lambda x: torch.exp(x**4),
        lambda x: x.sum(),
        lambda x: x > 0,
        lambda x: x.tolist(),
    ],
    ids=activation_name,
)
def test_gain_is_one_where_the_integral_says_nothing(spec: Any) -> None:
    assert activation_gain(spec) == 1.0


def test_gain_leaves_the_callers_module_alone() -> None:
    module = nn.PReLU().train()
    activation_gain(module)
    assert module.weight.dtype == torch.float32
    assert module.training
    assert module.weight.grad is None


def test_the_mean_over_the_grid_has_the_moments_of_a_standard_normal() -> None:
    z = init_gain.make_grid()
    moments = [init_gain.gaussian_mean(z**power) for power in range(5)]
    assert moments == pytest.approx([1, 0, 1, 0, 3], abs=1e-9)


def test_a_jump_at_a_round_number_adds_no_error_to_the_mean() -> None:
    z = init_gain.make_grid()
    assert init_gain.gaussian_mean(z > 0) == pytest.approx(0.5, abs=1e-9)
    above_one = init_gain.gaussian_mean(z > 1)
    assert above_one == pytest.approx(stats.norm.sf(1), abs=1e-7)


def test_values_are_the_first_output_where_further_inputs_are_zero() -> None:
    z = init_gain.make_grid()
    one = init_gain.values_on_grid(nn.Tanh)
    assert one == pytest.approx(torch.from_numpy(z).tanh().numpy(), abs=1e-12)
    two = init_gain.values_on_grid(lambda: nn.Softmax(dim=-1), n_inputs=2)
    assert two == pytest.approx(torch.from_numpy(z).sigmoid().numpy(), abs=1e-12)


def test_no_values_and_moments_that_are_not_finite_give_a_gain_of_one() -> None:
    assert init_gain.gain_of_values(None) == 1.0
    huge = np.full(len(init_gain.make_grid()), 1e200)
    for values in (huge, 0 * huge, np.nan * huge):
        assert init_gain.gain_of_values(values) == 1.0

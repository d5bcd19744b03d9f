"""Each activation has a learning rate to start with, relative to the one of relu."""

import re
from typing import Any

import pytest
import torch
from torch import nn

from skact.activations.catalogue import list_activations
from skact.activations.learning_rates import recommended_lr
from skact.activations.rate_table import RATE_FACTORS, RELU_RATES


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("name", list_activations())
def test_the_rate_is_the_rate_of_relu_times_the_measured_factor(
    name: str, optimizer: str
) -> None:
    factor = RATE_FACTORS[optimizer].get(name, 1)
    expected = pytest.approx(RELU_RATES[optimizer] * factor)
    assert recommended_lr(name, optimizer) == expected


def test_adamw_has_the_rates_of_adam() -> None:
    assert recommended_lr("tanh", "adamw") == recommended_lr("tanh", "adam")


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("tanh", "tanh"),
        (" Tanh ", "tanh"),
        ("leaky_relu(0.2)", "leaky_relu"),
        (nn.Tanh, "tanh"),
        (nn.ELU(0.5), "elu"),
        (torch.sin, "relu"),  # not measured
    ],
    ids=["name", "spaces", "parameter", "class", "instance", "function"],
)
def test_a_spec_has_the_rate_of_its_name(spec: Any, name: str) -> None:
    assert recommended_lr(spec) == recommended_lr(name)


def test_another_optimizer_is_refused() -> None:
    message = "optimizer must be 'adam', 'adamw' or 'sgd', got 'lion'."
    with pytest.raises(ValueError, match=re.escape(message)):
        recommended_lr("relu", "lion")

"""The one table of learning rates that suit."""

import pytest

from skact.activations.catalogue import get_activation
from skact.activations.param_grids import DEFAULT_ACTIVATIONS
from skact.activations.rate_table import RATE_FACTORS, RELU_RATES, rate_of_name


def test_the_measured_rates_are_of_activations_that_there_are() -> None:
    for table in RATE_FACTORS.values():
        assert table["relu"] == 1
        assert all(get_activation(name).name == name for name in table)
        assert all(0.05 <= factor <= 50 for factor in table.values())
        assert set(DEFAULT_ACTIVATIONS) <= set(table)


@pytest.mark.parametrize("name", ["relu", "leaky_relu(0.2)", " Sigmoid ", "unheard of"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_name_has_the_factor_of_what_stands_before_its_parameters(
    name: str, optimizer: str
) -> None:
    bare = name.partition("(")[0].strip().lower()
    factor = RATE_FACTORS[optimizer].get(bare, 1.0)
    assert rate_of_name(name, optimizer) == RELU_RATES[optimizer] * factor

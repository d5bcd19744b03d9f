"""Every claim of the table of straight activations holds for the module."""

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from skact.activations.build import make_activation
from skact.activations.entry import Activation
from skact.activations.straight_table import STRAIGHT

# Parameter values to check beside the defaults, at both sides of every special case.
MORE_PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "leaky_relu": [{"negative_slope": v} for v in (0.2, 0.0, -0.3, 1.0, 2.0)],
    # Exact in float32, in which the parameter is born.
    "prelu": [{"init": v} for v in (0.125, 0.0, -0.375, 1.0)],
    "rrelu": [
        {"lower": lower, "upper": upper}
        for lower, upper in ((0.1, 0.1), (-0.5, 0.3), (-0.3, 0.5), (0.5, 1.5))
    ],
    "hardtanh": [{"min_val": -2.0, "max_val": 0.5}, {"min_val": 1.0, "max_val": 2.0}],
    "hardshrink": [{"lambd": v} for v in (0.0, 2.0)],
    "softshrink": [{"lambd": v} for v in (0.0, 2.0)],
    "threshold": [
        {"threshold": t, "value": v} for t, v in ((0.5, 20.0), (0.5, -2.0), (-1, 0.2))
    ],
}


def cases(entries: Iterable[Activation]) -> list[Any]:
    return [
        pytest.param(entry, {**entry.parameters, **more}, id=f"{entry.name}-{more}")
        for entry in entries
        for more in ({}, *MORE_PARAMETERS.get(entry.name, []))
    ]


@pytest.mark.parametrize(("entry", "parameters"), cases(STRAIGHT))
def test_derivative_equals_autograd_away_from_kinks(
    claims: SimpleNamespace, entry: Activation, parameters: dict[str, Any]
) -> None:
    claims.check_derivative(entry, parameters)


@pytest.mark.parametrize("sign", [-1, 1], ids=["low", "high"])
@pytest.mark.parametrize(("entry", "parameters"), cases(STRAIGHT))
def test_range_holds_every_value_and_is_tight(
    claims: SimpleNamespace, entry: Activation, parameters: dict[str, Any], sign: int
) -> None:
    claims.check_range(entry, parameters, sign)


@pytest.mark.parametrize(("entry", "parameters"), cases(STRAIGHT))
def test_derivative_jumps_at_the_kinks_and_nowhere_else(
    claims: SimpleNamespace, entry: Activation, parameters: dict[str, Any]
) -> None:
    claims.check_kinks(entry, parameters)


@pytest.mark.parametrize(("entry", "parameters"), cases(STRAIGHT))
def test_formulas_as_written_give_what_the_functions_give(
    claims: SimpleNamespace, entry: Activation, parameters: dict[str, Any]
) -> None:
    claims.check_formulas(entry, parameters)


@pytest.mark.parametrize(
    "entry", [e for e in STRAIGHT if e.name != "threshold"], ids=lambda e: e.name
)
def test_defaults_and_order_of_parameters_are_those_of_the_class(
    claims: SimpleNamespace, entry: Activation
) -> None:
    claims.check_parameters(entry)


def test_threshold_without_parameters_is_relu(claims: SimpleNamespace) -> None:
    torch.testing.assert_close(
        make_activation("threshold")(claims.grid), claims.grid.relu()
    )

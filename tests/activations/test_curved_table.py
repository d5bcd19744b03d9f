"""Every claim of the table of curved activations holds for the module."""

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from skact.activations.build import make_activation
from skact.activations.catalogue import get_activation
from skact.activations.curved_table import CURVED
from skact.activations.entry import Activation

# Parameter values to check beside the defaults, at both sides of every special case.
MORE_PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "elu": [{"alpha": v} for v in (0.5, 2.0, 0.0, -0.7)],
    "celu": [{"alpha": v} for v in (0.5, 2.0)],
    "gelu": [{"approximate": "tanh"}],
    "swish_beta": [{"beta": v} for v in (0.0, 0.5, 3.0, -1.5)],
    "softplus": [
        {"beta": beta, "threshold": threshold}
        for beta, threshold in ((2.0, 20.0), (0.5, 2.0), (1.0, 0.0), (2.0, -1.0))
    ],
}
ELEMENTWISE = [entry for entry in CURVED if entry.elementwise]


def cases(entries: Iterable[Activation]) -> list[Any]:
    return [
        pytest.param(entry, {**entry.parameters, **more}, id=f"{entry.name}-{more}")
        for entry in entries
        for more in ({}, *MORE_PARAMETERS.get(entry.name, []))
    ]


@pytest.mark.parametrize(("entry", "parameters"), cases(ELEMENTWISE))
def test_derivative_equals_autograd_away_from_kinks(
    claims: SimpleNamespace, entry: Activation, parameters: dict[str, Any]
) -> None:
    claims.check_derivative(entry, parameters)


@pytest.mark.parametrize("sign", [-1, 1], ids=["low", "high"])
@pytest.mark.parametrize(("entry", "parameters"), cases(CURVED))
def test_range_holds_every_value_and_is_tight(
    claims: SimpleNamespace, entry: Activation, parameters: dict[str, Any], sign: int
) -> None:
    claims.check_range(entry, parameters, sign)


@pytest.mark.parametrize(("entry", "parameters"), cases(CURVED))
def test_derivative_jumps_at_the_kinks_and_nowhere_else(
    claims: SimpleNamespace, entry: Activation, parameters: dict[str, Any]
) -> None:
    claims.check_kinks(entry, parameters)


@pytest.mark.parametrize(("entry", "parameters"), cases(CURVED))
def test_formulas_as_written_give_what_the_functions_give(
    claims: SimpleNamespace, entry: Activation, parameters: dict[str, Any]
) -> None:
    claims.check_formulas(entry, parameters)


@pytest.mark.parametrize("entry", CURVED, ids=lambda e: e.name)
def test_defaults_and_order_of_parameters_are_those_of_the_class(
    claims: SimpleNamespace, entry: Activation
) -> None:
    claims.check_parameters(entry)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_derivative_is_the_diagonal_of_the_jacobian_over_the_last_axis(
    name: str,
) -> None:
    entry, module = get_activation(name), make_activation(name)
    x = torch.randn(4, 5, dtype=torch.float64, generator=torch.Generator())
    assert entry.derivative is not None
    for row, derivative in zip(x, entry.derivative(x), strict=True):
        jacobian: Any = torch.autograd.functional.jacobian(module, row)
        torch.testing.assert_close(derivative, jacobian.diagonal())


def test_softplus_counts_as_smooth_only_while_float32_cannot_see_the_jump(
    claims: SimpleNamespace,
) -> None:
    entry = get_activation("softplus")
    assert claims.kinks(entry, {"beta": 2.0, "threshold": 16.0}) == ()
    assert claims.kinks(entry, {"beta": 2.0, "threshold": 15.0}) == (7.5,)
    x = torch.tensor([20.0, 20.00001])
    assert nn.Softplus()(x).tolist() == x.tolist()


def test_softmax_works_on_the_last_axis() -> None:
    x = torch.linspace(0, 1, 12).reshape(2, 2, 3)
    torch.testing.assert_close(make_activation("softmax")(x).sum(-1), torch.ones(2, 2))
    torch.testing.assert_close(
        make_activation("log_softmax")(x).exp(), make_activation("softmax")(x)
    )

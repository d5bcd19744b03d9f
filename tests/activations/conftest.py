"""Functions of the catalogue's entries, and checks of what an entry claims."""

import inspect
import itertools
import math
import re
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from scipy import integrate, stats
from torch import Tensor

from skact.activations.build import make_activation
from skact.activations.catalogue import list_activations, unregister_activation
from skact.activations.entry import Activation, Range

GRID = torch.linspace(-8, 8, 4001, dtype=torch.float64)
FAR = torch.logspace(1, 6, 200, dtype=torch.float64)
STEP = float(GRID[1] - GRID[0])
BOUNDS = ("lower", "upper")


@pytest.fixture
def registry() -> Iterator[None]:
    """Remove what a test registers."""
    before = list_activations()
    yield
    for name in set(list_activations()) - set(before):
        unregister_activation(name)


@pytest.fixture
def global_state() -> Iterator[Callable[[], bool]]:
    """Say whether torch's global generator is where it was."""
    before = torch.get_rng_state()
    yield lambda: torch.equal(before, torch.get_rng_state())
    torch.set_rng_state(before)


def values(entry: Activation, parameters: dict[str, Any], x: Tensor) -> Tensor:
    """Output in evaluation mode; a non-elementwise entry gets the rows (x, 0)."""
    module = entry.factory(**parameters).double().eval()
    with torch.no_grad():
        if entry.elementwise:
            return module(x.clone())
        return module(torch.stack([x, torch.zeros_like(x)], dim=-1))[..., 0]


def derivatives(entry: Activation, parameters: dict[str, Any], x: Tensor) -> Tensor:
    assert entry.derivative is not None
    if entry.elementwise:
        return entry.derivative(x, **parameters)
    rows = torch.stack([x, torch.zeros_like(x)], dim=-1)
    return entry.derivative(rows, **parameters)[..., 0]


def kinks(entry: Activation, parameters: dict[str, Any]) -> tuple[float, ...]:
    assert entry.kinks is not None
    return entry.kinks(**parameters)


def range_of(entry: Activation, parameters: dict[str, Any]) -> Range:
    assert entry.range is not None
    return entry.range(**parameters)


def evaluate(formula: str, x: float, parameters: dict[str, Any]) -> float:
    """Read a formula of the table: an expression, then the terms it uses."""
    if parameters.get("approximate") == "tanh":
        cubic = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
        slope = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x**2)
        cdf = (1 + math.tanh(cubic)) / 2
        density = (1 - math.tanh(cubic) ** 2) / 2 * slope
    else:
        cdf, density = stats.norm.cdf(x), stats.norm.pdf(x)
    terms: dict[str, Any] = {name: getattr(math, name) for name in ("log", "tanh")}
    terms |= {
        # Rows (x, 0) for softmax, whose sum runs over both.
        "exp": math.exp,
        "sum": lambda first: first + 1,
        "softmax": lambda x: math.exp(x) / (math.exp(x) + 1),
        "sign": lambda x: math.copysign(1, x),
        "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
        "softplus": lambda x: math.log1p(math.exp(x)),
        "Phi": lambda _: cdf,
        "phi": lambda _: density,
        "a": parameters.get("init", sum(parameters.get(k, 0) for k in BOUNDS) / 2),
        "x": x,
        **parameters,
    }
    expression, *definitions = formula.split("; ")
    for definition in definitions:
        if assignment := re.fullmatch(r"(\w+) = (.*)", definition):
            terms[assignment[1]] = eval(assignment[2], terms)
    return eval(expression, terms)


def gaussian_moment(entry: Activation, parameters: dict[str, Any], power: int) -> float:
    """E[f(z)**power] by quadrature of the formula as written, for z ~ N(0, 1)."""
    edges = [-10.0, *sorted(kinks(entry, parameters)), 10.0]

    def integrand(z: float) -> float:
        density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
        return evaluate(entry.formula, z, parameters) ** power * density

    pieces = itertools.pairwise(edges)
    return sum(integrate.quad(integrand, a, b, epsabs=1e-9)[0] for a, b in pieces)


def extreme(
    entry: Activation, parameters: dict[str, Any], sign: int, x: Tensor
) -> float:
    """Largest value of sign * f over x, refined between the best point's neighbours."""
    best = x[(sign * values(entry, parameters, x)).argmax()].item()
    fine = torch.linspace(best - STEP, best + STEP, 4001, dtype=torch.float64)
    # Both, because the refined points need not hold the old one.
    everywhere = torch.cat([x, fine])
    return (sign * values(entry, parameters, everywhere)).max().item()


def check_derivative(entry: Activation, parameters: dict[str, Any]) -> None:
    near_kink = torch.zeros_like(GRID, dtype=torch.bool)
    for kink in kinks(entry, parameters):
        near_kink |= (GRID - kink).abs() < 1e-9
    x = GRID[~near_kink].requires_grad_()
    module = entry.factory(**parameters).double().eval()
    (gradient,) = torch.autograd.grad(module(x).sum(), x)
    assert entry.derivative is not None
    derivative = entry.derivative(x.detach(), **parameters)
    assert derivative.dtype == x.dtype
    # torch's own backward of hardsigmoid has 1/6 in float32, whatever the dtype.
    rtol = 1e-7 if entry.name == "hardsigmoid" else 1e-10
    torch.testing.assert_close(derivative, gradient, rtol=rtol, atol=1e-12)


def check_range(entry: Activation, parameters: dict[str, Any], sign: int) -> None:
    claimed = range_of(entry, parameters)
    bound, closed = (
        (claimed.high, claimed.closed_high)
        if sign == 1
        else (-claimed.low, claimed.closed_low)
    )
    near = extreme(entry, parameters, sign, GRID)
    far = extreme(entry, parameters, sign, torch.cat([-FAR, FAR, GRID]))
    if math.isinf(bound):
        assert bound > 0
        assert not closed
        # The least steep is ReLU's leak, 0.01 * 1e6, unless it is a logarithm.
        assert far > 1e3
        return
    assert far <= bound + 1e-12
    assert far == pytest.approx(bound, abs=1e-5)
    if closed:
        assert near == pytest.approx(bound, abs=1e-11)
    else:
        # On the near grid nothing saturates: an open end stays out of reach, if only
        # by the rounding of a point beside a jump.
        assert near < bound - (0 if kinks(entry, parameters) else 1e-9)


def check_kinks(entry: Activation, parameters: dict[str, Any]) -> None:
    points = kinks(entry, parameters)
    for kink in points:
        sides = torch.tensor([kink - 1e-9, kink + 1e-9], dtype=torch.float64)
        left, right = derivatives(entry, parameters, sides).tolist()
        assert abs(right - left) > 1e-7
    steps = derivatives(entry, parameters, GRID).diff().abs()
    for kink in points:
        steps[(GRID[:-1] <= kink + 1e-9) & (kink - 1e-9 <= GRID[1:])] = 0
    # No second derivative here exceeds 3 (ELU with alpha = 2: 2).
    assert steps.max() < 3 * STEP


def check_formulas(entry: Activation, parameters: dict[str, Any]) -> None:
    x = torch.tensor([-4.3, -2.2, -0.4, 0.3, 0.9, 2.6, 7.1], dtype=torch.float64)
    for formula, expected in (
        (entry.formula, values(entry, parameters, x)),
        (entry.derivative_formula, derivatives(entry, parameters, x)),
    ):
        written = [evaluate(formula, point, dict(parameters)) for point in x.tolist()]
        torch.testing.assert_close(torch.tensor(written).double(), expected)


def check_parameters(
    entry: Activation,
) -> None:
    signature = inspect.signature(type(make_activation(entry.name)).__init__)
    expected = {
        name: parameter.default
        for name, parameter in signature.parameters.items()
        if name in entry.parameters
    }
    assert list(entry.parameters.items()) == list(expected.items())
    assert dict(entry.parameters) == expected


@pytest.fixture(scope="session")
def claims() -> SimpleNamespace:
    """Functions of an entry, and checks of its claims, for several test files."""
    return SimpleNamespace(
        grid=GRID,
        far=FAR,
        values=values,
        derivatives=derivatives,
        kinks=kinks,
        gaussian_moment=gaussian_moment,
        check_derivative=check_derivative,
        check_range=check_range,
        check_kinks=check_kinks,
        check_formulas=check_formulas,
        check_parameters=check_parameters,
    )

"""Every claim of the catalogue is checked against the module it describes."""

import copy
import functools
import inspect
import itertools
import math
import pickle
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import integrate, stats
from torch import Tensor, nn

from skact.activations import build, init_gain
from skact.activations.build import activation_gain, make_activation
from skact.activations.catalogue import (
    get_activation,
    list_activations,
    register_activation,
    unregister_activation,
)
from skact.activations.entry import Activation, Range
from skact.activations.modules import (
    FunctionActivation,
    RReLU,
    SwishBeta,
    activation_name,
)

# Parameter values to check beside the defaults, at both sides of every special case.
MORE_PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "leaky_relu": [{"negative_slope": v} for v in (0.2, 0.0, -0.3, 1.0, 2.0)],
    # Exact in float32, in which the parameter is born.
    "prelu": [{"init": v} for v in (0.125, 0.0, -0.375, 1.0)],
    "rrelu": [
        {"lower": lower, "upper": upper}
        for lower, upper in ((0.1, 0.1), (-0.5, 0.3), (-0.3, 0.5), (0.5, 1.5))
    ],
    "elu": [{"alpha": v} for v in (0.5, 2.0, 0.0, -0.7)],
    "celu": [{"alpha": v} for v in (0.5, 2.0)],
    "gelu": [{"approximate": "tanh"}],
    "swish_beta": [{"beta": v} for v in (0.0, 0.5, 3.0, -1.5)],
    "hardtanh": [{"min_val": -2.0, "max_val": 0.5}, {"min_val": 1.0, "max_val": 2.0}],
    "softplus": [
        {"beta": beta, "threshold": threshold}
        for beta, threshold in ((2.0, 20.0), (0.5, 2.0), (1.0, 0.0), (2.0, -1.0))
    ],
    "hardshrink": [{"lambd": v} for v in (0.0, 2.0)],
    "softshrink": [{"lambd": v} for v in (0.0, 2.0)],
    "threshold": [
        {"threshold": t, "value": v} for t, v in ((0.5, 20.0), (0.5, -2.0), (-1, 0.2))
    ],
}
ENTRIES = [get_activation(name) for name in list_activations()]
ELEMENTWISE = [entry for entry in ENTRIES if entry.elementwise]


def cases(entries: list[Activation]) -> list[Any]:
    return [
        pytest.param(entry, {**entry.parameters, **more}, id=f"{entry.name}-{more}")
        for entry in entries
        for more in ({}, *MORE_PARAMETERS.get(entry.name, []))
    ]


CASES = cases(ENTRIES)
ELEMENTWISE_CASES = cases(ELEMENTWISE)

GRID = torch.linspace(-8, 8, 4001, dtype=torch.float64)
FAR = torch.logspace(1, 6, 200, dtype=torch.float64)
STEP = float(GRID[1] - GRID[0])


def by_entry(entries: list[Activation]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("entry", entries, ids=lambda entry: entry.name)


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


# The claims of the table ---------------------------------------------------------


@pytest.mark.parametrize(("entry", "parameters"), ELEMENTWISE_CASES)
def test_derivative_equals_autograd_away_from_kinks(
    entry: Activation, parameters: dict[str, Any]
) -> None:
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


def extreme(
    entry: Activation, parameters: dict[str, Any], sign: int, x: Tensor
) -> float:
    """Largest value of sign * f over x, refined between the best point's neighbours."""
    best = x[(sign * values(entry, parameters, x)).argmax()].item()
    fine = torch.linspace(best - STEP, best + STEP, 4001, dtype=torch.float64)
    # Both, because the refined points need not hold the old one.
    everywhere = torch.cat([x, fine])
    return (sign * values(entry, parameters, everywhere)).max().item()


@pytest.mark.parametrize("sign", [-1, 1], ids=["low", "high"])
@pytest.mark.parametrize(("entry", "parameters"), CASES)
def test_range_holds_every_value_and_is_tight(
    entry: Activation, parameters: dict[str, Any], sign: int
) -> None:
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


@pytest.mark.parametrize(("entry", "parameters"), CASES)
def test_derivative_jumps_at_the_kinks_and_nowhere_else(
    entry: Activation, parameters: dict[str, Any]
) -> None:
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


@by_entry(ENTRIES)
def test_smooth_is_continuously_differentiable(entry: Activation) -> None:
    kinky = {
        *("relu", "relu6", "leaky_relu", "prelu", "rrelu", "selu", "hardswish"),
        *("hardsigmoid", "hardtanh", "hardshrink", "softshrink", "threshold"),
    }
    assert entry.smooth == (entry.name not in kinky)


def test_softplus_counts_as_smooth_only_while_float32_cannot_see_the_jump() -> None:
    entry = get_activation("softplus")
    assert kinks(entry, {"beta": 2.0, "threshold": 16.0}) == ()
    assert kinks(entry, {"beta": 2.0, "threshold": 15.0}) == (7.5,)
    x = torch.tensor([20.0, 20.00001])
    assert nn.Softplus()(x).tolist() == x.tolist()


@by_entry(ENTRIES)
def test_monotonic_never_decreases(entry: Activation) -> None:
    wavy = {"gelu", "silu", "swish_beta", "mish", "hardswish"}
    assert entry.monotonic == (entry.name not in wavy)
    slopes = derivatives(entry, dict(entry.parameters), GRID)
    assert entry.monotonic == bool((slopes >= 0).all())


@by_entry(ENTRIES)
def test_zero_centred_is_mean_zero_for_standard_normal_input(
    entry: Activation,
) -> None:
    centred = {
        *("identity", "selu", "tanh", "hardtanh", "softsign"),
        *("hardshrink", "softshrink", "tanhshrink"),
    }
    assert entry.zero_centred == (entry.name in centred)
    if entry.elementwise:
        mean = gaussian_moment(entry, dict(entry.parameters), 1)
        assert entry.zero_centred == (abs(mean) < 1e-7)


@by_entry(ENTRIES)
def test_bounded_has_two_finite_ends(entry: Activation) -> None:
    bounded = {
        *("relu6", "sigmoid", "hardsigmoid", "tanh", "hardtanh", "softsign"),
        "softmax",
    }
    assert entry.bounded == (entry.name in bounded)
    largest = values(entry, dict(entry.parameters), torch.cat([-FAR, FAR])).abs().max()
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


def test_softmax_works_on_the_last_axis() -> None:
    x = torch.linspace(0, 1, 12).reshape(2, 2, 3)
    torch.testing.assert_close(make_activation("softmax")(x).sum(-1), torch.ones(2, 2))
    torch.testing.assert_close(
        make_activation("log_softmax")(x).exp(), make_activation("softmax")(x)
    )


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


BOUNDS = ("lower", "upper")


@pytest.mark.parametrize(("entry", "parameters"), CASES)
def test_formulas_as_written_give_what_the_functions_give(
    entry: Activation, parameters: dict[str, Any]
) -> None:
    x = torch.tensor([-4.3, -2.2, -0.4, 0.3, 0.9, 2.6, 7.1], dtype=torch.float64)
    for formula, expected in (
        (entry.formula, values(entry, parameters, x)),
        (entry.derivative_formula, derivatives(entry, parameters, x)),
    ):
        written = [evaluate(formula, point, dict(parameters)) for point in x.tolist()]
        torch.testing.assert_close(torch.tensor(written).double(), expected)


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


@by_entry(ENTRIES)
def test_entries_are_copied_and_pickled_as_themselves(entry: Activation) -> None:
    assert copy.deepcopy(entry) is entry
    assert pickle.loads(pickle.dumps(entry)) is entry


# The gain ------------------------------------------------------------------------


# The gain is rounded to six significant digits, whatever its first one.
HALF_A_SIXTH_DIGIT = 5.1e-6


def gaussian_moment(entry: Activation, parameters: dict[str, Any], power: int) -> float:
    """E[f(z)**power] by quadrature of the formula as written, for z ~ N(0, 1)."""
    edges = [-10.0, *sorted(kinks(entry, parameters)), 10.0]

    def integrand(z: float) -> float:
        density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
        return evaluate(entry.formula, z, parameters) ** power * density

    pieces = itertools.pairwise(edges)
    return sum(integrate.quad(integrand, a, b, epsabs=1e-9)[0] for a, b in pieces)


@by_entry(ELEMENTWISE)
def test_gain_keeps_the_second_moment_of_a_standard_normal(entry: Activation) -> None:
    second_moment = gaussian_moment(entry, dict(entry.parameters), 2)
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
    assert len(init_gain.grid()) < 30_000


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


# Every kind of spec --------------------------------------------------------------


class Sine(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, frequency: float = 1.0) -> Tensor:
        ctx.save_for_backward(x)
        ctx.frequency = frequency
        return torch.sin(frequency * x)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (x,) = ctx.saved_tensors
        cosine = torch.cos(ctx.frequency * x)
        return gradients[0] * ctx.frequency * cosine, None


class Affine(nn.Module):
    """A module with parameters, a buffer and random initial values."""

    def __init__(self, bias: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(1))
        self.register_buffer("bias", torch.full((1,), bias))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x + self.get_buffer("bias")


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("relu", "ReLU()"),
        ("  relu ", "ReLU()"),
        ("relu()", "ReLU()"),
        ("ReLU", "ReLU()"),
        ("swish", "SiLU()"),
        ("Logistic", "Sigmoid()"),
        ("linear", "Identity()"),
        ("Leaky ReLU", "LeakyReLU(negative_slope=0.01)"),
        ("leaky-relu(.2)", "LeakyReLU(negative_slope=0.2)"),
        ("LeakyReLU ( negative_slope = 2e-1, )", "LeakyReLU(negative_slope=0.2)"),
        ("leaky_relu(-1)", "LeakyReLU(negative_slope=-1.0)"),
        ("elu(alpha=0.5)", "ELU(alpha=0.5)"),
        ("gelu(approximate='tanh')", "GELU(approximate='tanh')"),
        ('gelu("tanh")', "GELU(approximate='tanh')"),
        ("threshold(0.1, 20)", "Threshold(threshold=0.1, value=20.0)"),
        ("threshold(0.1, value=-1e-3)", "Threshold(threshold=0.1, value=-0.001)"),
        ("hardtanh(-2, 2)", "Hardtanh(min_val=-2.0, max_val=2.0)"),
        ("softplus(2)", "Softplus(beta=2.0, threshold=20.0)"),
        ("rrelu(0.1, 0.3)", "RReLU(lower=0.1, upper=0.3)"),
        ("prelu(0.1)", "PReLU(num_parameters=1)"),
        ("swish_beta(2)", "SwishBeta(init=2.0)"),
        ("softmax", "Softmax(dim=-1)"),
        (np.str_("relu"), "ReLU()"),
        (nn.ReLU, "ReLU()"),
        (nn.LeakyReLU(0.3), "LeakyReLU(negative_slope=0.3)"),
        (torch.tanh, "FunctionActivation(tanh)"),
        (Sine, "FunctionActivation(Sine)"),
        (lambda x: x, "FunctionActivation(lambda)"),
        (
            functools.partial(nn.functional.elu, alpha=2),
            "FunctionActivation(elu(alpha=2))",
        ),
    ],
    ids=activation_name,
)
def test_every_kind_of_spec_gives_its_module(spec: Any, text: str) -> None:
    module = make_activation(spec)
    assert repr(module) == text
    assert module(torch.linspace(-1, 1, 4)).shape == (4,)


def test_spec_parameters_reach_the_function() -> None:
    x = torch.tensor([-2.0, 3.0])
    assert make_activation("prelu(0.1)")(x).tolist() == pytest.approx([-0.2, 3.0])
    assert make_activation("threshold(1, 20)")(x).tolist() == [20.0, 3.0]
    halved = make_activation("swish_beta(0)")(x)
    assert halved.tolist() == [-1.0, 1.5]


def test_autograd_function_uses_its_own_backward() -> None:
    x = torch.linspace(-1, 1, 5, requires_grad=True)
    module = make_activation(Sine)
    module(x).sum().backward()
    torch.testing.assert_close(x.grad, x.detach().cos())
    torch.testing.assert_close(
        FunctionActivation(Sine, frequency=3.0)(x), (3 * x).sin()
    )


@pytest.mark.parametrize(
    "spec",
    [
        "prelu",
        "swish_beta",
        "rrelu",
        nn.PReLU,
        nn.PReLU(),
        Affine(),
        Affine,
        nn.RReLU(),
    ],
    ids=activation_name,
)
def test_modules_are_never_shared(spec: Any) -> None:
    first, second = make_activation(spec), make_activation(spec)
    assert first is not second
    assert first is not spec
    made = [first, second, *([spec] if isinstance(spec, nn.Module) else [])]
    tensors = [
        tensor.data_ptr()
        for module in made
        for tensor in (*module.parameters(), *module.buffers())
    ]
    assert len(set(tensors)) == len(tensors)


def test_training_the_copy_leaves_the_instance_as_it_was() -> None:
    instance = nn.PReLU(init=0.3)
    copied = make_activation(instance)
    optimizer = torch.optim.SGD(copied.parameters(), lr=1.0)
    copied(torch.tensor([-1.0])).sum().backward()
    optimizer.step()
    assert copied.get_parameter("weight").item() != pytest.approx(0.3)
    assert instance.weight.item() == pytest.approx(0.3)
    assert instance.weight.grad is None


@pytest.mark.parametrize("spec", [nn.RReLU, nn.RReLU(0.2, 0.4), "rrelu(0.2, 0.4)"])
def test_torch_rrelu_becomes_ours_with_the_same_bounds(spec: Any) -> None:
    module = make_activation(spec)
    expected = nn.RReLU() if spec is nn.RReLU else nn.RReLU(0.2, 0.4)
    assert type(module) is RReLU
    assert (module.lower, module.upper) == (expected.lower, expected.upper)
    x = torch.linspace(-2, 2, 9)
    assert torch.equal(module.eval()(x), expected.eval()(x))


def test_torch_rrelu_keeps_its_mode() -> None:
    assert not make_activation(nn.RReLU().eval()).training
    assert make_activation(nn.RReLU()).training


def test_rrelu_draws_uniform_slopes_from_its_own_generator(
    global_state: Callable[[], bool],
) -> None:
    x = torch.cat([-torch.ones(20_000), torch.linspace(0, 2, 10)])
    draws = [
        RReLU(0.1, 0.3, generator=torch.Generator().manual_seed(seed))(x)
        for seed in (0, 0, 1)
    ]
    assert global_state()
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    slopes = -draws[0][:20_000].double().numpy()
    assert stats.kstest(slopes, stats.uniform(0.1, 0.2).cdf).pvalue > 1e-3
    assert torch.equal(draws[0][20_000:], x[20_000:])


def test_rrelu_gradient_is_the_slope_that_was_drawn() -> None:
    x = torch.linspace(-2, 2, 8, requires_grad=True)
    y = RReLU(generator=torch.Generator().manual_seed(0))(x)
    y.sum().backward()
    torch.testing.assert_close(x.grad, (y / x).detach())


def dropped(x: Tensor) -> Tensor:
    return nn.functional.dropout(x, 0.5, training=True)


@pytest.mark.parametrize(
    "spec", [*list_activations(), nn.PReLU, dropped], ids=activation_name
)
def test_building_and_measuring_leave_the_global_generator_alone(
    spec: Any, global_state: Callable[[], bool]
) -> None:
    build._gain_of_entry.cache_clear()
    make_activation(spec)
    activation_gain(spec)
    assert global_state()


def test_measuring_a_module_that_is_random_from_birth_leaves_the_generator_alone(
    global_state: Callable[[], bool],
) -> None:
    activation_gain(Affine)
    assert global_state()


@pytest.mark.parametrize(
    "spec",
    [*list_activations(), Affine, Affine(1.0), torch.tanh, Sine, nn.Hardtanh(-2, 2)],
    ids=activation_name,
)
@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))]
)
def test_made_modules_survive_copying_and_pickling(
    spec: Any, duplicate: Callable[[nn.Module], nn.Module]
) -> None:
    module = make_activation(spec).eval()
    x = torch.linspace(-2, 2, 9)
    twin = duplicate(module)
    assert repr(twin) == repr(module)
    assert torch.equal(twin(x), module(x))


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))]
)
def test_copied_rrelu_continues_its_generator_independently(
    duplicate: Callable[[nn.Module], nn.Module],
) -> None:
    module = RReLU(generator=torch.Generator().manual_seed(3))
    x = -torch.ones(50)
    module(x)
    twin = duplicate(module)
    assert torch.equal(twin(x), module(x))
    module(x)
    assert not torch.equal(twin(x), module(x))


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("relu", "relu"),
        ("  elu(  alpha=0.5 )\n", "elu( alpha=0.5 )"),
        (nn.ReLU, "ReLU"),
        (Sine, "Sine"),
        (nn.LeakyReLU(0.2), "LeakyReLU(negative_slope=0.2)"),
        (nn.Sequential(nn.ReLU(), nn.Tanh()), "Sequential( (0): ReLU() (1): Tanh() )"),
        (torch.tanh, "tanh"),
        (lambda x: x, "lambda"),
        (functools.partial(torch.clamp, min=0), "clamp(min=0)"),
        (functools.partial(torch.add, 1), "add(1)"),
        (torch.jit.ScriptModule, "ScriptModule"),
    ],
    ids=activation_name,
)
def test_name_is_short_and_on_one_line(spec: Any, name: str) -> None:
    assert activation_name(spec) == name


# The catalogue against torch -------------------------------------------------------

NOT_ELEMENTWISE = {"GLU", "MultiheadAttention", "Softmin", "Softmax2d"}


def torch_activation_classes() -> list[type[nn.Module]]:
    module = torch.nn.modules.activation
    classes = inspect.getmembers(module, inspect.isclass)
    return [
        cls
        for name, cls in classes
        if cls.__module__ == module.__name__
        and issubclass(cls, nn.Module)
        and name not in NOT_ELEMENTWISE
    ]


def test_every_elementwise_activation_of_torch_is_in_the_catalogue() -> None:
    made = {type(make_activation(name)) for name in list_activations()}
    made = {nn.RReLU if cls is RReLU else cls for cls in made}
    found = torch_activation_classes()
    assert len(found) >= 25
    assert set(found) - made == set()
    assert made - set(found) == {nn.Identity, SwishBeta}


@pytest.mark.parametrize("cls", torch_activation_classes())
def test_torch_class_names_are_names_of_the_catalogue(cls: type[nn.Module]) -> None:
    entry = get_activation(cls.__name__)
    assert isinstance(entry.factory(**entry.parameters), cls)


@by_entry([entry for entry in ENTRIES if entry.name != "threshold"])
def test_defaults_and_order_of_parameters_are_those_of_the_class(
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


def test_threshold_without_parameters_is_relu() -> None:
    torch.testing.assert_close(make_activation("threshold")(GRID), GRID.relu())


# Refusals ------------------------------------------------------------------------

FORM = (
    " must be a name with literal parameters, such as 'relu', 'leaky_relu(0.2)' or "
    "\"gelu(approximate='tanh')\""
)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "rellu",
            "activation='rellu' is unknown; did you mean 'relu', 'rrelu', 'relu6'? "
            "list_activations() names all",
        ),
        (
            "rellu(0.2)",
            "activation='rellu(0.2)' is unknown; did you mean 'relu', 'rrelu', "
            "'relu6'? list_activations() names all",
        ),
        ("swich", "did you mean 'swish'? list_activations() names all"),
        ("qqq", "activation='qqq' is unknown; list_activations() names all"),
        (
            "leaky_relu(slope=1)",
            "activation='leaky_relu(slope=1)': leaky_relu has no parameter 'slope'; "
            "it takes negative_slope (default 0.01)",
        ),
        (
            "relu(1)",
            "activation='relu(1)': relu was given 1 parameters; it takes no parameters",
        ),
        (
            "softplus(1, 2, 3)",
            "activation='softplus(1, 2, 3)': softplus was given 3 parameters; it takes "
            "beta (default 1.0), threshold (default 20.0)",
        ),
        (
            "elu(1, alpha=2)",
            "activation='elu(1, alpha=2)': elu was given 'alpha' twice; it takes alpha "
            "(default 1.0)",
        ),
        (
            "elu(alpha=1, alpha=2)",
            "activation='elu(alpha=1, alpha=2)': elu was given 'alpha' twice",
        ),
        (
            "swish('a')",
            "activation=\"swish('a')\": silu was given 1 parameters",
        ),
        (
            "elu('a')",
            "activation=\"elu('a')\": elu needs alpha to be a finite number, got 'a'",
        ),
        ("elu(True)", "elu needs alpha to be a finite number, got True"),
        ("elu(1e999)", "elu needs alpha to be a finite number, got inf"),
        ("elu(-1e999)", "elu needs alpha to be a finite number, got -inf"),
        (f"elu({'9' * 400})", "elu needs alpha to be a finite number, got 999"),
        ("gelu(1)", "gelu needs approximate to be a string, got 1"),
        (
            "gelu('erf')",
            "activation=\"gelu('erf')\": gelu needs approximate 'none' or 'tanh', "
            "got approximate='erf'",
        ),
        (
            "softplus(0)",
            "activation='softplus(0)': softplus needs beta > 0, got beta=0.0, "
            "threshold=20.0",
        ),
        ("rrelu(0.5)", "rrelu needs lower <= upper, got lower=0.5, upper=0.333"),
        ("celu(0)", "celu needs alpha > 0, got alpha=0.0"),
        ("celu(-1)", "celu needs alpha > 0, got alpha=-1.0"),
        ("hardtanh(1, 1)", "hardtanh needs min_val < max_val, got min_val=1.0, max"),
        ("hardshrink(-0.5)", "hardshrink needs lambd >= 0, got lambd=-0.5"),
        ("softshrink(-0.5)", "softshrink needs lambd >= 0, got lambd=-0.5"),
    ],
)
def test_refused_strings_say_what_is_wrong_and_what_is_allowed(
    spec: str, message: str
) -> None:
    for use in (make_activation, activation_gain):
        with pytest.raises(ValueError, match=re.escape(message)):
            use(spec)


HOSTILE = [
    "",
    " ",
    "_",
    "()",
    "(relu)",
    "relu(",
    "relu)",
    "relu(1",
    "relu()()",
    "relu().__class__",
    "relu.__class__",
    "relu() or relu()",
    "relu(), relu()",
    "relu(1) + relu(1)",
    "relu;tanh",
    "lambda: relu",
    "[relu]",
    "6",
    "'relu'",
    "relu\x00",
    "relu(\x00)",
    "relu(\ud800)",
    "elu(nan)",
    "elu(inf)",
    "elu(alpha)",
    "elu(1+1)",
    "elu(--1)",
    "elu(-True)",
    "elu(-'a')",
    "elu(1j)",
    "elu(b'1')",
    "elu(None)",
    "elu(...)",
    "elu([1])",
    "elu((1,))",
    "elu({[1]: 2})",
    "elu(*[1])",
    "elu(**{'alpha': 1})",
    "elu(alpha := 1)",
    "elu(x for x in [1])",
    "elu(lambda: 1)",
    "elu(f'{1}')",
    "elu(elu(1))",
    "elu(set())",
    "elu(alpha=print('hi'))",
    "elu(__import__('os'))",
    "elu(setattr(__import__('builtins'), 'skact_was_here', 1))",
    "elu(" + "(" * 900,
    "elu(" + "-" * 900 + "1)",
    "elu(" + "[" * 90 + "]" * 90 + ")",
    "elu(" + "9" * 5000 + ")",
    "relu" + "(" * 1_000_000,
    "elu(0." + "1" * 1_000_000 + ")",
]


@pytest.mark.parametrize("spec", HOSTILE, ids=lambda spec: ascii(spec[:30]))
def test_anything_but_a_call_with_literals_is_refused_unevaluated(spec: str) -> None:
    import builtins

    shown = repr(spec if len(spec) <= 80 else spec[:77] + "...")
    kind = "must be a name with literal|needs alpha to be a finite number"
    with pytest.raises(ValueError, match=kind) as caught:
        make_activation(spec)
    assert str(caught.value).startswith(f"activation={shown}")
    assert len(str(caught.value)) < 400
    assert not hasattr(builtins, "skact_was_here")


def test_the_form_is_shown() -> None:
    with pytest.raises(ValueError, match=re.escape("activation='relu()()'" + FORM)):
        make_activation("relu()()")


def test_importing_by_name_is_only_an_unknown_activation() -> None:
    message = "activation=\"__import__('os')\" is unknown; list_activations() names all"
    with pytest.raises(ValueError, match=f"^{re.escape(message)} that this process"):
        make_activation("__import__('os')")


NAMES = st.sampled_from([*list_activations(), "swish", "rellu", ""])
FRAGMENTS = st.sampled_from(
    [*"(),=.-+*[]{}:'\"\\#@~\n\x00 ", "1", "0.5", "1e9", "alpha", "beta", "'tanh'", "f"]
)


@given(
    st.one_of(
        st.text(),
        st.builds("{}({}".format, NAMES, st.text()),
        st.builds(
            lambda name, parts: f"{name}({''.join(parts)})", NAMES, st.lists(FRAGMENTS)
        ),
    )
)
@example("elu('\\d')")
@example("elu(1if 2else 3)")
def test_any_text_is_an_activation_or_a_value_error(text: str) -> None:
    try:
        made: nn.Module | str = make_activation(text)
    except ValueError as error:
        made = str(error)
    assert isinstance(made, nn.Module) or made.startswith("activation=")


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(FINITE)
def test_numbers_survive_the_round_trip_through_a_string(number: float) -> None:
    positional: Any = make_activation(f"leaky_relu({number!r})")
    by_name: Any = make_activation(f"leaky_relu(negative_slope={number!r})")
    assert positional.negative_slope == by_name.negative_slope == number


@given(st.integers(-(10**300), 10**300))
def test_integers_become_the_floats_they_stand_for(number: int) -> None:
    module: Any = make_activation(f"threshold({number}, 1)")
    assert module.threshold == float(number)
    assert type(module.threshold) is float


ALLOWED = (
    "must be a name such as 'relu' (list_activations() names all), an nn.Module class "
    "or instance, a torch.autograd.Function subclass or a function of a tensor"
)


@pytest.mark.parametrize("use", [make_activation, activation_gain])
@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (None, f"activation=None {ALLOWED}"),
        (3, f"activation=3 {ALLOWED}"),
        (int, f"activation=<class 'int'> {ALLOWED}"),
        (b"relu", f"activation=b'relu' {ALLOWED}"),
        (torch.zeros(1), f"activation=tensor([0.]) {ALLOWED}"),
        (
            ("relu", "tanh"),
            "activation=('relu', 'tanh') must be a single activation here; one per "
            "hidden layer is for the estimator's parameter activation",
        ),
        (["relu"], "activation=['relu'] must be a single activation here"),
        (nn.Threshold, "activation=Threshold cannot be built without arguments ("),
        (nn.Threshold, "'threshold' and 'value'); give an instance, which is copied"),
    ],
)
def test_other_types_are_refused_by_name(
    use: Callable[[Any], Any], spec: Any, message: str
) -> None:
    with pytest.raises(TypeError, match=re.escape(message)):
        use(spec)


# Registering ---------------------------------------------------------------------


@pytest.mark.usefixtures("registry")
def test_registered_module_class_takes_its_parameters() -> None:
    entry = register_activation(
        "affine", Affine, aliases=["Affine_2"], parameters={"bias": 0.5}
    )
    assert get_activation("affine2") is entry
    assert "affine" in list_activations()
    assert make_activation("affine").get_buffer("bias").item() == 0.5
    assert make_activation("affine(2)").get_buffer("bias").item() == 2.0


@pytest.mark.usefixtures("registry")
def test_registered_function_takes_its_parameters_by_keyword() -> None:
    register_activation("clip", torch.clamp, parameters={"max": 1.0, "min": -1})
    module = make_activation("clip(0.5)")
    assert module(torch.tensor([-3.0, 3.0])).tolist() == [-1.0, 0.5]
    assert repr(module) == "FunctionActivation(clamp, max=0.5, min=-1)"
    with pytest.raises(ValueError, match=re.escape("needs min to be an integer")):
        make_activation("clip(min=0.5)")


@pytest.mark.usefixtures("registry")
def test_registered_autograd_function_takes_its_parameters_in_order() -> None:
    register_activation("sine", Sine, parameters={"frequency": 2.0})
    x = torch.linspace(-1, 1, 5)
    torch.testing.assert_close(make_activation("sine(3)")(x), (3 * x).sin())
    torch.testing.assert_close(make_activation("sine")(x), (2 * x).sin())


@pytest.mark.usefixtures("registry")
def test_registered_torch_rrelu_becomes_ours() -> None:
    register_activation("noisy", nn.RReLU, stochastic=True)
    assert type(make_activation("noisy")) is RReLU


@pytest.mark.usefixtures("registry")
def test_registered_entry_says_what_it_was_told_and_works_out_the_rest() -> None:
    entry = register_activation(
        "sine",
        torch.sin,
        parameters={},
        formula="sin(x)",
        range=Range(-1.0, 1.0, True, True),
        kinks=(),
        derivative=torch.cos,
    )
    assert entry.bounded
    assert entry.smooth
    assert entry.zero_centred
    assert entry.monotonic is False
    assert entry.gain == 1.52087
    assert entry.derivative is not None
    assert entry.derivative(torch.zeros(1)).item() == 1.0


@pytest.mark.usefixtures("registry")
def test_registered_entry_does_not_claim_what_nobody_knows() -> None:
    entry = register_activation("glu", nn.GLU)
    assert entry.range is None
    assert entry.kinks is None
    assert entry.derivative is None
    assert entry.bounded is None
    assert entry.smooth is None
    assert entry.monotonic is None
    assert entry.zero_centred is None
    assert entry.gain == 1.0


@pytest.mark.usefixtures("registry")
def test_registering_anew_renews_the_cached_gain() -> None:
    register_activation("twice", lambda x: 2 * x)
    assert activation_gain("twice") == 0.5
    register_activation("twice", lambda x: 4 * x, overwrite=True)
    assert activation_gain("twice") == 0.25
    unregister_activation("twice")
    with pytest.raises(ValueError, match="unknown"):
        activation_gain("twice")


@pytest.mark.usefixtures("registry")
def test_overwriting_removes_the_old_aliases_too() -> None:
    register_activation("sine", torch.sin, aliases=("wave",))
    with pytest.raises(
        ValueError,
        match=re.escape(
            "'wave' is already registered (as sine); give overwrite=True to replace it"
        ),
    ):
        register_activation("wave", torch.cos)
    assert make_activation("wave")(torch.zeros(1)).item() == 0.0
    register_activation("wave", torch.cos, overwrite=True)
    assert make_activation("wave")(torch.zeros(1)).item() == 1.0
    assert "sine" not in list_activations()


@pytest.mark.parametrize("name", ["relu", "Re_LU", "swish"])
@pytest.mark.parametrize("overwrite", [True, False])
def test_built_in_names_always_mean_what_they_mean(name: str, overwrite: bool) -> None:
    built_in = get_activation(name)
    message = f"{name!r} is the built-in {built_in.name}: choose another"
    with pytest.raises(ValueError, match=re.escape(message)):
        register_activation(name, torch.sin, overwrite=overwrite)
    with pytest.raises(ValueError, match=re.escape(message)):
        register_activation(
            "sine", torch.sin, aliases=("wave", name), overwrite=overwrite
        )
    message = f"{name!r} is the built-in {built_in.name}: it cannot be removed"
    with pytest.raises(ValueError, match=re.escape(message)):
        unregister_activation(name)
    assert get_activation(name) is built_in
    assert "sine" not in list_activations()


def test_unregistering_removes_every_name() -> None:
    before = list_activations()
    register_activation("sine", torch.sin, aliases=("wave",))
    unregister_activation("wave")
    assert list_activations() == before
    for name in ("sine", "wave"):
        with pytest.raises(ValueError, match=f"activation='{name}' is unknown"):
            get_activation(name)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("my act", torch.sin), ValueError, "name='my act' must be an identifier"),
        (("_", torch.sin), ValueError, "name='_' must be an identifier"),
        ((3, torch.sin), ValueError, "name=3 must be an identifier, such as 'my_relu'"),
        (("a1", nn.ReLU()), TypeError, "factory=ReLU() must be an nn.Module class, a "),
        (("a1", int), TypeError, "factory=<class 'int'> must be"),
        (("a1", "relu"), TypeError, "factory='relu' must be"),
    ],
)
def test_what_cannot_be_registered_is_refused(
    arguments: Any, error: type[Exception], message: str
) -> None:
    before = list_activations()
    with pytest.raises(error, match=re.escape(message)):
        register_activation(*arguments)
    assert list_activations() == before


def test_registering_refuses_unusable_aliases_and_defaults() -> None:
    with pytest.raises(
        TypeError, match=re.escape("aliases='wave' must be a tuple of names")
    ):
        register_activation("sine", torch.sin, aliases="wave")
    for default in (None, math.nan, math.inf, [1]):
        message = (
            "sine: the default of 'a' must be a finite number, a string or a bool, "
            f"got {default!r}"
        )
        with pytest.raises(ValueError, match=re.escape(message)):
            register_activation("sine", torch.sin, parameters={"a": default})  # type: ignore[dict-item]
    assert "sine" not in list_activations()


@pytest.mark.usefixtures("registry")
def test_a_factory_that_fails_is_told_in_terms_of_the_spec() -> None:
    register_activation("affine", Affine, parameters={"size": 1.0})
    message = "activation='affine(2)': affine could not be built: "
    with pytest.raises(ValueError, match=re.escape(message)):
        make_activation("affine(2)")


def test_an_entry_shows_its_name_and_formula() -> None:
    assert repr(get_activation("relu")) == "<Activation relu(x) = max(0, x)>"


def test_looking_up_needs_a_string() -> None:
    with pytest.raises(TypeError, match=re.escape("name=3 must be a string")):
        get_activation(3)  # type: ignore[arg-type]

"""Modules that torch lacks: RReLU, SwishBeta, functions; and names of activations."""

import copy
import functools
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from skact.activations.build import make_activation
from skact.activations.modules import (
    FunctionActivation,
    RReLU,
    SwishBeta,
    activation_name,
)
from skact.noise import Noise


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


def test_autograd_function_uses_its_own_backward() -> None:
    x = torch.linspace(-1, 1, 5, requires_grad=True)
    module = make_activation(Sine)
    module(x).sum().backward()
    torch.testing.assert_close(x.grad, x.detach().cos())
    torch.testing.assert_close(
        FunctionActivation(Sine, frequency=3.0)(x), (3 * x).sin()
    )


def rrelu_with_noise(seed: int, *bounds: float) -> RReLU:
    module = RReLU(*bounds)
    module.noise = Noise(seed, layer=0)
    return module


def test_rrelu_draws_uniform_slopes_from_its_own_noise(
    global_state: Callable[[], bool],
) -> None:
    x = torch.cat([-torch.ones(20_000), torch.linspace(0, 2, 10)])
    draws = [rrelu_with_noise(seed, 0.1, 0.3)(x) for seed in (0, 0, 1)]
    assert global_state()
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    slopes = -draws[0][:20_000].double().numpy()
    assert stats.kstest(slopes, stats.uniform(0.1, 0.2).cdf).pvalue > 1e-3
    assert torch.equal(draws[0][20_000:], x[20_000:])


def test_rrelu_gradient_is_the_slope_that_was_drawn() -> None:
    x = torch.linspace(-2, 2, 8, requires_grad=True)
    y = rrelu_with_noise(0)(x)
    y.sum().backward()
    torch.testing.assert_close(x.grad, (y / x).detach())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_slopes_stay_between_the_bounds_in_every_dtype(dtype: torch.dtype) -> None:
    levels = torch.arange(-(2**15), 2**15).to(torch.int16)
    slopes = RReLU(0.25, 0.5).fill_factors(levels, torch.empty(2**16, dtype=dtype))
    slopes = slopes.double()
    assert slopes.min().item() == pytest.approx(0.25, rel=1e-4)
    assert slopes.max().item() == pytest.approx(0.5, rel=1e-4)
    assert slopes.mean().item() == pytest.approx(0.375, abs=2e-4)


def test_rrelu_without_noise_is_torchs() -> None:
    x = -torch.ones(50)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ours = RReLU(0.1, 0.3)(x)
        torch.manual_seed(0)
        assert torch.equal(ours, nn.RReLU(0.1, 0.3)(x))


@pytest.mark.parametrize(
    "duplicate",
    [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))],
    ids=["deepcopy", "pickle"],
)
def test_copied_rrelu_continues_its_noise_independently(
    duplicate: Callable[[nn.Module], nn.Module],
) -> None:
    module = rrelu_with_noise(3)
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


def test_swish_learns_its_beta_from_the_value_given() -> None:
    x = torch.linspace(-2, 2, 9)
    module = SwishBeta(1.5)
    torch.testing.assert_close(module(x), x * torch.sigmoid(1.5 * x))
    module(x).sum().backward()
    slope = torch.sigmoid(1.5 * x) * torch.sigmoid(-1.5 * x)
    torch.testing.assert_close(module.beta.grad, (x**2 * slope).sum())
    module.beta.data.fill_(3.0)
    assert repr(module) == "SwishBeta(init=1.5)"


def test_rrelu_in_evaluation_has_the_mean_slope_under_vmap_too() -> None:
    module, x = RReLU(0.1, 0.3).eval(), torch.linspace(-2, 2, 8).view(2, 4)
    expected = torch.where(x >= 0, x, 0.2 * x)
    torch.testing.assert_close(module(x), expected)
    torch.testing.assert_close(torch.vmap(module)(x), expected)


def test_a_function_gets_its_arguments_by_keyword() -> None:
    module = FunctionActivation(torch.clamp, max=0.5, min=-1)
    assert module(torch.tensor([-3.0, 3.0])).tolist() == [-1.0, 0.5]

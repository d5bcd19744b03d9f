"""Custom activations are differentiated by autograd; one that raises fails alone."""

import pytest
import torch
from torch import nn

from skact.activations.modules import FunctionActivation
from skact.engine.custom_activations import (
    is_elementwise,
    make_custom_run,
    record_gradients,
)

SIZE = 8


class OwnSlope(torch.autograd.Function):
    """Elementwise values, but slopes that depend on neighbours."""

    @staticmethod
    def forward(ctx, x):
        return x.tanh()

    @staticmethod
    def backward(ctx, grad):
        return grad - grad.mean()


def log_size(x):
    return torch.log(x.abs())


@pytest.mark.parametrize(
    "function",
    [torch.sin, log_size, lambda x: x.mul_(2).tanh_(), lambda x: (x > 0).to(x.dtype)],
)
def test_functions_of_each_value_alone_are_elementwise(function):
    assert is_elementwise(FunctionActivation(function), torch.float32)
    assert is_elementwise(FunctionActivation(function), torch.float64)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x - x.mean(0),
        lambda x: torch.softmax(x, -1),
        lambda x: x.tanh() if x.abs().max() < 6 else 0.5 * x,
        lambda x: x * torch.arange(x.shape[1], dtype=x.dtype),
        lambda x: x.sum(),
        OwnSlope,
        torch.randn_like,
        lambda x: x @ torch.zeros(6, 6),  # raises for another width
    ],
)
def test_functions_that_look_at_neighbours_are_not_elementwise(function):
    state = torch.get_rng_state()
    assert not is_elementwise(FunctionActivation(function), torch.float64)
    torch.set_rng_state(state)


def test_gradients_are_recorded_within_inference_mode():
    x = torch.ones(3)
    with torch.inference_mode():
        with record_gradients():
            y = x.clone().requires_grad_()
            (found,) = torch.autograd.grad(y.square().sum(), y)
        assert torch.is_inference_mode_enabled()
    assert found.tolist() == [2.0, 2.0, 2.0]


def make_run(modules, z, start=0):
    """Return a run of lanes from `start` on, with its output and gradient."""
    out, grad = torch.zeros_like(z), torch.ones_like(z)
    learned = torch.zeros(len(modules), 4, dtype=z.dtype)
    lanes = slice(start, start + len(modules))
    run = make_custom_run(lanes, modules, z, out, grad, learned, learned.clone())
    return run, out, grad


@pytest.mark.parametrize(
    "function", [log_size, lambda x: torch.log(x.square().sum(1, True)) + 0 * x]
)
def test_rows_that_fill_a_batch_up_give_zeros_where_the_function_is_infinite(
    function, draw, make_batch
):
    z = draw(2, 6, SIZE)
    z[0, :, 5:] = 0
    run, out, grad = make_run([FunctionActivation(function)] * 2, z)
    batch = make_batch([5, SIZE], SIZE)
    run.forward(batch)
    run.backward(batch)
    for values in (out, grad):
        assert torch.isfinite(values).all()
        assert not values[0, :, 5:].any()
        assert values[0, :, :5].all()


def strict(x):
    if x.max() > 50:
        raise ValueError("too large")
    return x.tanh()


class StrictSlope(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.tanh()

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        if x.max() > 5e3:
            raise ValueError("too steep")
        return grad / torch.cosh(x) ** 2


@pytest.mark.parametrize("function", [strict, StrictSlope, nn.Sequential(nn.Tanh())])
def test_where_it_raises_that_lane_fails_and_others_are_as_without_it(
    function, draw, make_batch
):
    def build():
        if isinstance(function, nn.Module):
            return [nn.Sequential(nn.Tanh(), Limit()) for _ in range(3)]
        return [FunctionActivation(function)] * 3

    z = draw(3, 6, SIZE)
    good, out, grad = make_run(build(), z)
    batch = make_batch([SIZE] * 3, SIZE)
    good.forward(batch)
    good.backward(batch)
    expected = out.clone(), grad.clone()
    assert not batch.failed
    bad = z.clone()
    bad[1] = 1e4
    run, out, grad = make_run(build(), bad)
    batch = make_batch([SIZE] * 3, SIZE)
    for _ in range(2):  # a lane that failed is left out in further steps
        grad.fill_(1)
        run.forward(batch)
        run.backward(batch)
    assert list(batch.failed) == [1]
    assert isinstance(batch.failed[1], ValueError)
    for found, values in zip((out, grad), expected, strict=True):
        assert torch.equal(found[[0, 2]], values[[0, 2]])
        assert not found[1].any()


class Limit(nn.Module):
    def forward(self, x):
        if (x == 1).all():
            raise ValueError("saturated")
        return x


def test_the_number_of_a_failed_lane_is_its_place_in_the_stack(draw, make_batch):
    z = draw(2, 6, SIZE)
    z[1] = 1e4
    run, *_ = make_run([FunctionActivation(strict)] * 2, z, start=3)
    batch = make_batch([SIZE] * 5, SIZE)
    run.forward(batch)
    assert list(batch.failed) == [4]


def test_the_only_lane_of_a_stack_raises_its_error_at_once(draw, make_batch):
    run, *_ = make_run([FunctionActivation(strict)], 1e4 + draw(1, 6, SIZE))
    with pytest.raises(ValueError, match="too large"):
        run.forward(make_batch([SIZE], SIZE))

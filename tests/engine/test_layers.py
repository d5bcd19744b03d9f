"""Layers of a stack compute what torch's modules compute, forward and backward."""

import pytest
import torch
from torch import nn

from skact.engine.layers import (
    HalvedLinear,
    Parameter,
    StackedBatchNorm,
    StackedDropout,
    StackedLayerNorm,
    StackedLinear,
)
from skact.engine.plan import WORTH_THREADS
from skact.network import mlp
from skact.noise import Noise
from skact.thread_choice import ThreadChoice

LANES, WIDTH, SIZE = 3, 6, 32


def parameter(values):
    return Parameter(values.clone(), torch.zeros_like(values))


def run(layer, batch):
    """Run a layer forward and backward, as a step does."""
    forward, backward = layer.calls(batch)
    for call in (*forward, *backward):
        call()


def linear_tensors(draw, columns, lanes=LANES, width=WIDTH, size=SIZE):
    weight, bias = draw(lanes, width, columns), draw(lanes, width, 1, seed=1)
    source, grad = draw(lanes, columns, size, seed=2), draw(lanes, width, size, seed=3)
    return weight, bias, source, grad


@pytest.mark.parametrize("columns", [1, 4])
def test_a_linear_layer_and_its_gradients_are_those_of_autograd(
    columns, draw, make_batch
):
    tensors = linear_tensors(draw, columns)
    weight, bias, source, grad = tensors
    ours, ours_bias = parameter(weight), parameter(bias)
    out, grad_source = torch.empty_like(grad), torch.empty_like(source)
    layer = StackedLinear(ours, ours_bias, source, out, grad, grad_source)
    run(layer, make_batch([SIZE] * LANES, SIZE))
    wanted = [tensor.clone().requires_grad_() for tensor in (weight, bias, source)]
    expected = wanted[0] @ wanted[2] + wanted[1]
    slopes = torch.autograd.grad(expected, wanted, grad)
    torch.testing.assert_close(out, expected.detach())
    found = ours.grad, ours_bias.grad, grad_source
    for one, other in zip(found, slopes, strict=True):
        torch.testing.assert_close(one, other)


def test_the_first_layer_gives_no_gradient_of_the_input(draw, make_batch):
    weight, bias, source, grad = linear_tensors(draw, 4)
    layer = StackedLinear(
        parameter(weight), parameter(bias), source, grad.clone(), grad, None
    )
    _, backward = layer.calls(make_batch([SIZE] * LANES, SIZE))
    assert len(backward) == 2  # of the weight and of the bias


@pytest.mark.parametrize("columns", [1, 4])
def test_a_lane_of_a_linear_layer_is_the_lane_alone(columns, draw, make_batch):
    tensors = linear_tensors(draw, columns, 8, 16, 128)

    def results(lanes):
        weight, bias, source, grad = (tensor[lanes].clone() for tensor in tensors)
        ours, out = parameter(weight), torch.empty_like(grad)
        layer = StackedLinear(ours, parameter(bias), source, out, grad, None)
        run(layer, make_batch([128] * len(out), 128))
        return out, ours.grad

    together = results(slice(None))
    for lane in range(8):
        alone = results(slice(lane, lane + 1))
        for whole, one in zip(together, alone, strict=True):
            assert torch.equal(whole[lane], one[0])


def test_a_layer_in_halves_is_the_whole_layer_bit_for_bit(draw, make_batch):
    weight, bias, source, grad = linear_tensors(draw, 40, 1, 64, 96)
    choice = ThreadChoice(2)
    found = []
    for n_threads in (1, 2):
        choice.n_threads = n_threads
        ours, ours_bias = parameter(weight), parameter(bias)
        out, grad_source = torch.empty_like(grad), torch.empty_like(source)
        parts = ours, ours_bias, source, out, grad, grad_source
        run(HalvedLinear(*parts, thread_choice=choice), make_batch([96], 96))
        found.append((out, ours.grad, ours_bias.grad, grad_source))
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)
        assert one.any()


def test_only_large_layers_of_one_network_that_can_be_halved_are_worth_threads():
    size = WORTH_THREADS // (64 * 128)

    def is_worth(lanes, width, columns, rows):
        out, source = torch.empty(lanes, width, rows), torch.empty(lanes, columns, rows)
        return HalvedLinear.is_worth_threads(out, source)

    assert is_worth(1, 64, 128, size)
    assert not is_worth(1, 64, 128, size - 1)
    assert not is_worth(2, 64, 128, size)
    assert not is_worth(1, 65, 128, size)


# ------------------------------------------------------------------ norms


def norm_results(kind, module, source, grad, batch, running=None):
    """Run a norm with the gain and bias of torch's modules, one for each lane."""
    gain = parameter(torch.stack([m.weight.detach() for m in module]).unsqueeze(2))
    shift = parameter(torch.stack([m.bias.detach() for m in module]).unsqueeze(2))
    grad, out = grad.clone(), torch.empty_like(source)
    layer = kind(gain, shift, source, out, grad, module[0].eps)
    if running is not None:
        layer.running, layer.momentum = running, module[0].momentum
    run(layer, batch)
    return out, grad, gain.grad[..., 0], shift.grad[..., 0]


def drawn_norms(build, draw):
    modules = [build(WIDTH).double() for _ in range(LANES)]
    for i, module in enumerate(modules):
        module.weight.data = 1 + 0.1 * draw(WIDTH, seed=10 + i)
        module.bias.data = draw(WIDTH, seed=20 + i)
    return modules


@pytest.mark.parametrize("rows", [[SIZE] * LANES, [32, 31, 20], [32, 1, 7]], ids=str)
@pytest.mark.parametrize(
    ("kind", "build"),
    [(StackedLayerNorm, nn.LayerNorm), (StackedBatchNorm, mlp.BatchNorm)],
)
def test_a_norm_is_torchs_norm_of_the_true_rows(kind, build, rows, draw, make_batch):
    modules = drawn_norms(build, draw)
    batch = make_batch(rows, SIZE)
    source = 3 + draw(LANES, WIDTH, SIZE)
    grad = draw(LANES, WIDTH, SIZE, seed=1) * batch.valid
    running = None
    if kind is StackedBatchNorm:
        running = torch.zeros(2, LANES, WIDTH, 1, dtype=torch.float64)
        running[1] = 1
    found = norm_results(kind, modules, source, grad, batch, running)
    for lane, (module, n) in enumerate(zip(modules, rows, strict=True)):
        x = source[lane, :, :n].T.clone().requires_grad_()
        expected = module(x)
        wanted = [x, module.weight, module.bias]
        slopes = torch.autograd.grad(expected, wanted, grad[lane, :, :n].T)
        torch.testing.assert_close(found[0][lane, :, :n].T, expected.detach())
        torch.testing.assert_close(found[1][lane, :, :n].T, slopes[0])
        torch.testing.assert_close(found[2][lane], slopes[1])
        torch.testing.assert_close(found[3][lane], slopes[2])
        if running is not None:
            torch.testing.assert_close(running[0, lane, :, 0], module.running_mean)
            torch.testing.assert_close(running[1, lane, :, 0], module.running_var)


def test_rows_that_fill_a_batch_up_get_no_gradient_from_a_batch_norm(draw, make_batch):
    modules, batch = drawn_norms(mlp.BatchNorm, draw), make_batch([32, 31, 1], SIZE)
    source, grad = draw(LANES, WIDTH, SIZE), draw(LANES, WIDTH, SIZE, seed=1)
    running = torch.ones(2, LANES, WIDTH, 1, dtype=torch.float64)
    _, found, *_ = norm_results(
        StackedBatchNorm, modules, source, grad * batch.valid, batch, running
    )
    assert not (found * (1 - batch.valid)).any()


# ------------------------------------------------------------------ dropout


def test_masks_come_from_each_lanes_noise_and_apply_to_the_gradient(draw, make_batch):
    def seeded(lane):
        dropout = mlp.Dropout(0.1 + 0.3 * lane)
        dropout.noise = Noise(lane, layer=0)
        return dropout

    rows = [SIZE, 20, 1]
    source, grad = draw(LANES, WIDTH, SIZE), draw(LANES, WIDTH, SIZE, seed=1)
    given, out = grad.clone(), torch.empty_like(source)
    layer = StackedDropout([seeded(i) for i in range(LANES)], source, out, grad)
    batch = make_batch(rows, SIZE)
    layer.begin_steps(batch, 1)
    run(layer, batch)
    for lane, n in enumerate(rows):
        mask = seeded(lane)(torch.ones(n, WIDTH, dtype=torch.float64)).T
        assert torch.equal(out[lane, :, :n], source[lane, :, :n] * mask)
        assert torch.equal(grad[lane, :, :n], given[lane, :, :n] * mask)
    zeros = (out == 0).double().mean((1, 2))
    assert zeros[0] < zeros[1]

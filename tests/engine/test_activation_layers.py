"""A layer of activations computes each lane as the lane's own module does."""

import copy

import pytest
import torch
from torch import nn

from skact.activations.modules import FunctionActivation, RReLU, SwishBeta
from skact.engine.activation_layers import (
    ActivationLayer,
    activation_key,
)
from skact.engine.layers import Parameter
from skact.noise import Noise

SIZE = 8


def test_activations_with_equal_keys_compute_the_same():
    pairs = [
        (nn.ReLU, nn.ReLU),
        (lambda: nn.LeakyReLU(0.2), lambda: nn.LeakyReLU(0.2)),
        (nn.PReLU, lambda: nn.PReLU(init=0.7)),  # slopes are values of the lane
        (SwishBeta, lambda: SwishBeta(3.0)),
        (lambda: FunctionActivation(torch.sin), lambda: FunctionActivation(torch.sin)),
        (lambda: RReLU(0.1, 0.2), lambda: RReLU(0.1, 0.2)),
    ]
    for one, other in pairs:
        assert activation_key(one()) == activation_key(other())


def test_activations_that_differ_have_different_keys():
    custom = nn.Sequential(nn.ReLU())
    modules = [
        *(nn.ReLU(), nn.LeakyReLU(0.2), nn.LeakyReLU(0.3), nn.PReLU(), nn.PReLU(6)),
        *(SwishBeta(), RReLU(0.1, 0.2), RReLU(0.1, 0.3), custom, copy.copy(custom)),
        *(FunctionActivation(torch.sin), FunctionActivation(torch.cos)),
        *(FunctionActivation(torch.clamp, min=m) for m in (0, 1)),
    ]
    assert len({activation_key(module) for module in modules}) == len(modules)


def learned_by(modules):
    """Return the parameters of activations as a stack holds them: (L, E)."""
    flat = [
        torch.cat([torch.zeros(0), *(p.detach().flatten() for p in m.parameters())])
        for m in modules
    ]
    most = max(map(len, flat))
    values = torch.stack(
        [nn.functional.pad(f.double(), (0, most - len(f))) for f in flat]
    )
    return Parameter(values, torch.zeros_like(values))


def assert_is_autograd(modules, rows, z, grad, make_batch):
    z, grad = z.clone(), grad.clone()
    out, learned = torch.empty_like(z), learned_by(modules)
    batch = make_batch(rows, SIZE)
    grad.mul_(batch.valid)
    given = z.clone(), grad.clone()
    layer = ActivationLayer(modules, z, out, grad, learned)
    forward, backward = layer.calls(batch)
    with torch.inference_mode():
        for call in forward:
            call()
        answer = out.clone()
        for call in backward:
            call()
    for lane, module in enumerate(modules):
        n = rows[lane]
        x = given[0][lane, :, :n].T.clone().requires_grad_()
        expected = module(x * 1)
        wanted = [x, *module.parameters()]
        found = torch.autograd.grad(expected, wanted, given[1][lane, :, :n].T)
        torch.testing.assert_close(answer[lane, :, :n].T, expected.detach())
        torch.testing.assert_close(grad[lane, :, :n].T, found[0])
        slopes = torch.cat([torch.zeros(0), *(g.flatten() for g in found[1:])])
        torch.testing.assert_close(learned.grad[lane, : len(slopes)], slopes.double())


MIXES = {
    "kernels": [nn.ReLU(), nn.ReLU(), nn.Tanh(), nn.GELU()],
    "one slope": [nn.PReLU(init=v) for v in (0.1, 0.2, -0.3)],
    "a slope for each column": [nn.PReLU(6, init=v) for v in (0.1, 0.2)],
    "swish": [SwishBeta(v) for v in (0.5, 1.0, 2.0)],
    "a function": [FunctionActivation(torch.sin)] * 3,
    "a module": [nn.Sequential(nn.Linear(6, 6), nn.Tanh())],
    "all": [nn.ReLU(), nn.PReLU(6), nn.PReLU(), SwishBeta(), nn.Tanh(), nn.ReLU()],
}


@pytest.mark.parametrize("name", MIXES)
def test_each_lane_is_its_module_differentiated_by_autograd(name, draw, make_batch):
    modules = [module.double() for module in MIXES[name]]
    rows = [SIZE - i % 3 for i in range(len(modules))]
    z, grad = draw(len(modules), 6, SIZE), draw(len(modules), 6, SIZE, seed=1)
    assert_is_autograd(modules, rows, z, grad, make_batch)


def test_neighbours_with_equal_activations_form_one_run(draw):
    modules = [nn.ReLU(), nn.ReLU(), nn.Tanh(), nn.ReLU()]
    z = draw(4, 6, SIZE)
    layer = ActivationLayer(modules, z, z.clone(), z.clone(), learned_by(modules))
    assert len(layer.runs) == 3


def test_slopes_of_rrelu_come_from_the_lane_s_noise(draw, make_batch):
    def seeded(seed):
        module = RReLU(0.1, 0.9)
        module.noise = Noise(seed, layer=0)
        return module

    modules, rows = [seeded(1), seeded(2)], [SIZE, SIZE - 3]
    z, out = draw(2, 6, SIZE), torch.empty(2, 6, SIZE, dtype=torch.float64)
    grad, batch = torch.ones_like(z), make_batch(rows, SIZE)
    layer = ActivationLayer(modules, z, out, grad, learned_by(modules))
    layer.begin_steps(batch, 1)
    forward, backward = layer.calls(batch)
    for call in (*forward, *backward):
        call()
    for lane, n in enumerate(rows):
        x = z[lane, :, :n].T.contiguous()
        expected = seeded(lane + 1)(x)
        torch.testing.assert_close(out[lane, :, :n].T, expected)
        torch.testing.assert_close(grad[lane, :, :n].T, expected / x)

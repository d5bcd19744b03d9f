"""A kernel computes what the module of torch computes, forward and backward."""

import pytest
import torch
from torch import nn

from skact.activations.catalogue import get_activation, list_activations
from skact.engine.kernels import kernel_of

MODULES = [
    *(nn.Identity(), nn.ReLU(), nn.Tanh(), nn.Sigmoid(), nn.SiLU(), nn.Mish()),
    *(nn.Hardswish(), nn.Hardsigmoid(), nn.LogSigmoid(), nn.Softsign()),
    *(nn.Tanhshrink(), nn.ELU(), nn.ELU(0.3), nn.CELU(), nn.CELU(2.0), nn.SELU()),
    *(nn.Hardtanh(), nn.Hardtanh(-0.2, 0.7), nn.ReLU6(), nn.LeakyReLU()),
    *(nn.LeakyReLU(0.3), nn.LeakyReLU(-0.3), nn.Threshold(0.1, 2.0)),
    *(nn.GELU(), nn.GELU("tanh"), nn.Softplus(), nn.Softplus(2.0, 1.0)),
    *(nn.Hardshrink(), nn.Hardshrink(0.9), nn.Softshrink(), nn.Softshrink(0.9)),
    *(nn.Softmax(-1), nn.Softmax(1), nn.LogSoftmax(-1), nn.LogSoftmax(1)),
]


def run(kernel, z, grad):
    """Return the output of a kernel, and the gradient with respect to its input."""
    z, grad, out = z.clone(), grad.clone(), torch.empty_like(z)
    kernel.forward(z, out)
    answer = out.clone()
    kernel.backward(grad, z, out)
    return answer, grad


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_values_and_gradients_are_those_of_the_module(module, draw):
    z, grad = 3 * draw(4, 6, 8), draw(4, 6, 8, seed=1)
    answer, found = run(kernel_of(module), z, grad)
    x = z.mT.clone().requires_grad_()  # (lanes, rows, features), as the module has it
    expected = torch.stack([module(lane) for lane in x])
    (slope,) = torch.autograd.grad(expected, x, grad.mT)
    torch.testing.assert_close(answer.mT, expected.detach())
    torch.testing.assert_close(found.mT, slope)


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_lane_does_not_depend_on_its_place_in_the_run(module, draw):
    kernel, z, grad = kernel_of(module), draw(5, 6, 32), draw(5, 6, 32, seed=1)
    together = run(kernel, z, grad)
    for lane in range(5):
        alone = run(kernel, z[lane : lane + 1], grad[lane : lane + 1])
        for whole, one in zip(together, alone, strict=True):
            assert torch.equal(whole[lane : lane + 1], one)


def test_kernels_share_a_key_only_if_they_compute_the_same(draw):
    z = 3 * draw(1, 6, 8)
    by_key: dict = {}
    for module in MODULES:
        kernel = kernel_of(module)
        by_key.setdefault(kernel.key, []).append(run(kernel, z, torch.ones_like(z))[0])
    for first, *others in by_key.values():
        assert all(torch.equal(first, other) for other in others)
    assert len(by_key) == len(MODULES) - 2  # softmax and log-softmax are there twice


def test_every_activation_of_the_catalogue_without_parameters_to_learn_has_a_kernel():
    for name in list_activations():
        entry = get_activation(name)
        kernel = kernel_of(entry.factory(**entry.parameters))
        assert (kernel is None) == (bool(entry.learnable) or entry.stochastic)


class OwnReLU(nn.ReLU):
    def forward(self, x):
        return 2 * super().forward(x)


def test_modules_that_may_compute_something_else_have_no_kernel():
    hooked = nn.ReLU()
    hooked.register_forward_hook(lambda module, inputs, output: 0.5 * output)
    for module in (OwnReLU(), hooked, nn.Linear(2, 2), nn.Softmax(0), nn.LogSoftmax(2)):
        assert kernel_of(module) is None

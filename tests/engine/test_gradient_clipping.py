"""The gradients of a lane are clipped to its own norm, as torch clips a network's."""

import math

import numpy as np
import pytest
import torch

from skact.engine.gradient_clipping import StackedClipping
from skact.engine.jobs import GradientClipping
from skact.engine.memory_layout import Layout
from skact.engine.train import lane_of
from skact.network.mlp import MLP

MAX_NORMS = [0.5, 3.0, 1e6]


def clipped(modules, max_norms, norm_type, gradients):
    """Return the gradients of each network after the calls of a step."""
    layout = Layout(modules)
    grads = [torch.zeros(len(modules), size) for size in layout.sizes]
    for lane, module in enumerate(modules):
        pairs = zip(layout.parameters_of(module), gradients[lane], strict=True)
        for (_, block, part), gradient in pairs:
            grads[block][lane, part] = gradient.flatten()
    rules = [GradientClipping(max_norm, norm_type) for max_norm in max_norms]
    for call in StackedClipping(rules, layout, grads).calls():
        call()
    return [
        [grads[block][lane, part] for _, block, part in layout.parameters_of(module)]
        for lane, module in enumerate(modules)
    ]


def random_gradients(module, rng):
    return [torch.from_numpy(rng.normal(size=p.shape)).float() for p in ordered(module)]


def ordered(module):
    return [parameter for parameter, *_ in Layout([module]).parameters_of(module)]


@pytest.mark.parametrize("norm_type", [2.0, math.inf])
@pytest.mark.parametrize("hidden", [(6,), (64, 64), ()])
def test_each_lane_is_clipped_as_torch_does_and_as_it_would_be_alone(hidden, norm_type):
    rng = np.random.default_rng(0)
    kwargs = {"hidden": hidden, "activation": "prelu", "norm": "layer"}
    modules = [MLP(5, 3, seed=i, dtype=torch.float32, **kwargs) for i in range(3)]
    gradients = [random_gradients(module, rng) for module in modules]
    together = clipped(modules, MAX_NORMS, norm_type, gradients)
    for i, module in enumerate(modules):
        (alone,) = clipped([module], [MAX_NORMS[i]], norm_type, [gradients[i]])
        parameters = ordered(module)
        for parameter, gradient in zip(parameters, gradients[i], strict=True):
            parameter.grad = gradient.clone()
        torch.nn.utils.clip_grad_norm_(parameters, MAX_NORMS[i], norm_type)
        for ours, lone, parameter in zip(together[i], alone, parameters, strict=True):
            assert torch.equal(ours, lone)
            expected = parameter.grad.flatten()
            torch.testing.assert_close(ours, expected, rtol=1e-6, atol=1e-7)
    assert torch.equal(together[2][0], gradients[2][0].flatten())  # a norm below


@pytest.mark.parametrize("norm_type", [2.0, math.inf])
def test_a_gradient_that_is_nan_makes_all_of_its_lane_nan_and_no_other(norm_type):
    rng = np.random.default_rng(0)
    modules = [MLP(5, 3, hidden=(6,), seed=i, dtype=torch.float32) for i in range(2)]
    gradients = [random_gradients(module, rng) for module in modules]
    gradients[0][-1][0] = math.nan
    bad, good = clipped(modules, [1.0, 1.0], norm_type, gradients)
    assert all(part.isnan().all() for part in bad)
    assert all(part.isfinite().all() for part in good)


def test_lanes_share_a_stack_if_they_clip_by_one_kind_of_norm(make_job):
    rules = [None, (1.0, 2.0), (3.0, 2.0), (1.0, math.inf)]
    jobs = [make_job(clipping=rule and GradientClipping(*rule)) for rule in rules]
    groups = [lane_of(job).group for job in jobs]
    assert groups[1] == groups[2]
    assert len({*groups}) == 3

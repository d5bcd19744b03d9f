"""Parameters of a stack have places that do not overlap and are aligned."""

import numpy as np
import pytest
import torch
from torch import nn

from skact.activations.build import make_activation
from skact.engine.memory_layout import Layout, Segment, activation_of, batch_norms_of

NETWORKS = {
    "small": {"hidden": (5, 6)},
    "large": {"hidden": (128, 64)},
    "batch norm": {"hidden": (64, 7), "norm": "batch"},
    "layer norm": {"hidden": (64, 7), "norm": "layer"},
    "linear": {"hidden": ()},
    "learnable": {"hidden": (64, 7), "activation": ("prelu", "swish_beta")},
}


@pytest.fixture(params=NETWORKS)
def modules(request, make_job):
    rows = np.zeros((4, 40))
    return [make_job(X=rows, seed=i, **NETWORKS[request.param]).module for i in (0, 1)]


def places(layout, module):
    return [(block, part) for _, block, part in layout.parameters_of(module)]


@pytest.mark.parametrize("n_lanes", [1, 2])
def test_every_parameter_has_columns_of_its_own(modules, n_lanes):
    layout = Layout(modules[:n_lanes])
    used = [np.zeros(size, int) for size in layout.sizes]
    found = list(layout.parameters_of(modules[0]))
    for parameter, block, part in found:
        assert part.stop - part.start == parameter.numel()
        used[block][part] += 1
    assert max(columns.max() for columns in used) == 1
    ids = {id(parameter) for parameter, *_ in found}
    assert ids == {id(parameter) for parameter in modules[0].parameters()}


@pytest.mark.parametrize("n_lanes", [1, 2])
def test_parameters_and_blocks_are_aligned(modules, n_lanes):
    layout = Layout(modules[:n_lanes])
    assert all(size % 64 == 0 for size in layout.sizes)
    segments = [*sum(layout.linear, ()), *sum(layout.norm, ()), *layout.learned]
    assert all(segment.start % 64 == 0 for segment in segments)


def test_networks_of_one_shape_have_the_same_places(modules):
    layout = Layout(modules)
    assert places(layout, modules[0]) == places(layout, modules[1])


def test_only_large_weights_of_several_lanes_have_blocks_of_their_own(make_job):
    def build(n_lanes):
        rows = np.zeros((4, 40))
        jobs = [make_job(X=rows, hidden=(128, 64), seed=i) for i in range(n_lanes)]
        return Layout([job.module for job in jobs])

    layout = build(2)
    weights = [weight for weight, _ in layout.linear]
    assert [weight.block for weight in weights] == [1, 2, 0]
    assert layout.sizes[1:] == [128 * 40, 64 * 128]
    assert {bias.block for _, bias in layout.linear} == {0}
    assert len(build(1).sizes) == 1  # one row is contiguous in any case


def test_a_segment_is_a_view_of_all_lanes():
    blocks = [torch.zeros(3, 64), torch.arange(3 * 128.0).view(3, 128)]
    segment = Segment(1, 64, (2, 5))
    assert segment.stop == 74
    view = segment.view_in(blocks)
    assert view.shape == (3, 2, 5)
    assert torch.equal(view[1].flatten(), blocks[1][1, 64:74])
    view.fill_(-1)
    assert int((blocks[1] == -1).sum()) == 30


def test_there_is_room_for_the_activation_that_learns_most(make_job):
    jobs = [make_job(nn.PReLU(6)), make_job("relu"), make_job("prelu")]
    layout = Layout([job.module for job in jobs])
    assert [segment.shape for segment in layout.learned] == [(6,), (0,)]


def test_activations_and_norms_are_found_in_their_order(make_job):
    activation = ("relu", "tanh")
    module = make_job(
        activation, hidden=(3, 4), norm="batch", output_activation="sigmoid"
    ).module
    found = [type(activation_of(module, i)) for i in range(3)]
    assert found == [nn.ReLU, nn.Tanh, type(make_activation("sigmoid"))]
    assert [norm.num_features for norm in batch_norms_of(module)] == [3, 4]
    assert list(batch_norms_of(make_job(norm="layer").module)) == []

"""The stack draws for each lane what the lane's own module would draw."""

import gc
import weakref

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skact.activations.modules import RReLU
from skact.engine import stacked_noise
from skact.engine.stacked_noise import StackedNoise
from skact.engine.train import train
from skact.network.mlp import Dropout
from skact.noise import Noise

kinds = st.sampled_from([Dropout, RReLU])
lanes = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from([0.1, 0.5, 1.0]), st.integers(0, 9)),
    min_size=1,
    max_size=8,
)


def build(kind, lane):
    seed, option, block = lane
    module = kind(option) if kind is Dropout else kind(0.01, option)
    module.noise = Noise(seed, layer=1, block=block)
    return module


def own_factors(module, n_rows, width):
    return module.draw_factors(torch.empty(n_rows, width, dtype=torch.float64))


@given(
    kind=kinds,
    lanes=lanes,
    rows=st.integers(1, 9),
    width=st.integers(1, 20),
    n_steps=st.integers(1, 9),
    at_once=st.integers(1, 9),
)
def test_shared_factors_are_each_lanes_own(kind, lanes, rows, width, n_steps, at_once):
    size = 16
    modules, alone = ([build(kind, lane) for lane in lanes] for _ in range(2))
    like = torch.empty(len(lanes), width, size, dtype=torch.float64)
    noise, before = StackedNoise(modules, like), stacked_noise._MAX_VALUES
    try:
        stacked_noise._MAX_VALUES = at_once * width * size
        for _ in range(2):  # a second part of an epoch goes on behind the first
            noise.begin_steps([rows] * len(lanes), n_steps)
            for _ in range(n_steps):
                factors = noise.next_factors().expand_as(like)
                for module, found in zip(alone, factors, strict=True):
                    expected = own_factors(module, rows, width).T
                    assert torch.equal(found[:, :rows], expected)
                    assert found.isfinite().all()
    finally:
        stacked_noise._MAX_VALUES = before
    assert [m.noise for m in modules] == [m.noise for m in alone]


@given(kind=kinds, lanes=lanes, data=st.data())
def test_lanes_with_fewer_rows_have_the_noise_of_these_rows(kind, lanes, data):
    rows = [data.draw(st.integers(1, 32)) for _ in lanes]
    modules, alone = ([build(kind, lane) for lane in lanes] for _ in range(2))
    noise = StackedNoise(modules, torch.empty(len(lanes), 5, 32, dtype=torch.float64))
    noise.begin_steps(rows, 1)
    factors = noise.next_factors().expand(len(lanes), -1, -1)
    for module, found, n in zip(alone, factors, rows, strict=True):
        assert torch.equal(found[:, :n], own_factors(module, n, 5).T)
    assert [m.noise for m in modules] == [m.noise for m in alone]


def test_equal_lanes_share_one_draw(monkeypatch):
    def count(stream, n_rows, width):
        drawn.append(n_rows)
        return draw(stream, n_rows, width)

    drawn: list[int] = []
    draw = stacked_noise.draw_numbers
    monkeypatch.setattr(stacked_noise, "draw_numbers", count)
    modules = [build(Dropout, (0, 0.2, 0)) for _ in range(60)]
    noise = StackedNoise(modules, torch.empty(60, 64, 32))
    noise.begin_steps([32] * 60, 40)
    assert [len(noise.next_factors()) for _ in range(40)] == [1] * 40
    assert drawn == [40 * 32]


def test_the_factors_that_are_kept_are_bounded():
    modules = [build(Dropout, (seed, 0.2, 0)) for seed in range(50)]
    noise = StackedNoise(modules, torch.empty(50, 64, 64))
    noise.begin_steps([64] * 50, 60)
    noise.next_factors()
    assert noise.block.numel() <= stacked_noise._MAX_VALUES


def test_noise_that_is_not_drawn_to_its_end_leaves_no_memory_behind():
    noise = StackedNoise([build(Dropout, (0, 0.2, 0))], torch.empty(1, 4, 8))
    noise.begin_steps([8], 3)
    noise.next_factors()
    left = weakref.ref(noise)
    gc.disable()
    try:
        del noise
        assert left() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("activation", ["relu", "rrelu"])
def test_parts_of_a_training_have_the_noise_of_the_whole(make_job, activation):
    keywords = {"dropout": 0.3, "activation": activation}
    whole = make_job(n_epochs=4, **keywords)
    train([whole])
    parts = make_job(n_epochs=1, **keywords)
    train([parts, make_job(seed=1, n_epochs=2, **keywords)])
    fields = {name: getattr(parts, name) for name in parts.__dataclass_fields__}
    rest = type(parts)(**{**fields, "first_epoch": 1, "n_epochs": 3})
    train([make_job(n_epochs=5, **keywords), rest])
    for ours, theirs in zip(
        whole.module.parameters(), rest.module.parameters(), strict=True
    ):
        assert torch.equal(ours, theirs)

"""Noise: a function of seed, layer, row and feature alone, and independent in each."""

import copy
import itertools
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch import nn

from skact.noise import LEVELS, Noise, NoisyModule, draw_numbers

seeds = st.integers(0, 2**64 - 1)
widths = st.integers(1, 70)


def numbers(noise, n_rows, width):
    return draw_numbers(noise.stream(), n_rows, width)


class Adder(NoisyModule, nn.Module):
    def fill_factors(self, numbers, out):
        return out.copy_(numbers)


@given(seed=seeds, width=widths, few=st.integers(0, 9), many=st.integers(0, 9))
def test_the_first_rows_do_not_depend_on_how_many_are_drawn(seed, width, few, many):
    noise = Noise(seed, 1)
    together = numbers(noise, few + many, width)
    assert np.array_equal(together[:few], numbers(noise, few, width))
    rest = numbers(noise.after(few, width), many, width)
    assert np.array_equal(together[few:], rest)


@given(seed=seeds, width=widths, parts=st.lists(st.integers(0, 9), max_size=5))
def test_a_stream_gives_in_parts_what_it_gives_at_once(seed, width, parts):
    stream = Noise(seed, 1).stream()
    drawn = [draw_numbers(stream, n_rows, width) for n_rows in parts]
    together = numbers(Noise(seed, 1), sum(parts), width)
    assert np.array_equal(np.concatenate([together[:0], *drawn]), together)


def test_neighbouring_seeds_differ_also_if_they_are_large():
    drawn = {numbers(Noise(2**64 - i, 0), 1, 16).tobytes() for i in range(1, 9)}
    assert len(drawn) == 8


def test_all_16_bits_are_uniform():
    drawn = numbers(Noise(0, 0), 4_000, 100).ravel()
    assert drawn.dtype == np.int16
    unsigned = drawn.astype(np.int64) + LEVELS // 2
    for counted in (unsigned >> 8, unsigned & 255):
        counts = np.bincount(counted, minlength=256)
        assert stats.chisquare(counts).pvalue > 1e-3
    assert unsigned.min() < 10
    assert unsigned.max() > LEVELS - 10


def test_seeds_layers_rows_and_features_are_independent():
    """No two of many rows, and no two of many columns, are correlated."""
    n, rows = 4_096, []
    for seed, layer in itertools.product((0, 1, 2, 2**63), range(4)):
        rows.extend(numbers(Noise(seed, layer), 3, n))
    correlation = np.corrcoef(rows)
    between = correlation[np.triu_indices(len(rows), k=1)]
    assert np.abs(between).max() < 5 / np.sqrt(n)
    assert np.sqrt((between**2).mean()) == pytest.approx(1 / np.sqrt(n), rel=0.1)
    columns = np.corrcoef(numbers(Noise(0, 0), n, 48).T)
    between = columns[np.triu_indices(48, k=1)]
    assert np.abs(between).max() < 5 / np.sqrt(n)
    assert np.sqrt((between**2).mean()) == pytest.approx(1 / np.sqrt(n), rel=0.1)


@pytest.mark.parametrize("shape", [(6, 5), (2, 3, 5), (5,), (0, 5), (3, 0), (4, 16)])
def test_a_module_draws_a_factor_for_each_value_and_goes_on_behind_it(shape):
    module = Adder()
    module.noise = Noise(3, 4)
    n_rows = int(np.prod(shape[:-1]))
    expected = numbers(module.noise, n_rows, shape[-1]).reshape(shape)
    drawn = module.draw_factors(torch.zeros(shape, dtype=torch.float64))
    assert np.array_equal(drawn.numpy(), expected)
    assert module.noise == Noise(3, 4).after(n_rows, shape[-1])


@pytest.mark.parametrize(
    "duplicate",
    [copy.copy, copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_a_copy_continues_the_noise_independently(duplicate):
    module, x = Adder(), torch.ones(5, 7)
    module.noise = Noise(3, 4)
    module.draw_factors(x)
    twin = duplicate(module)
    assert torch.equal(twin.draw_factors(x), module.draw_factors(x))
    module.draw_factors(x)
    assert not torch.equal(twin.draw_factors(x), module.draw_factors(x))

"""Candidates are spread evenly over activations and rates, and drawn else."""

from collections import Counter

import numpy as np
import pytest

from skact.quick_search.space import OTHERS, draw_candidates, sizes_to_try

SIZES = [(1, 8), (2, 8), (2, 16)]


def draw(n, activations=("relu", "tanh"), n_lr=3, seed=0, **changed):
    options = {"n_steps": 500, "optimizer": "adamw", "sizes": SIZES, "others": OTHERS}
    return draw_candidates(
        n, activations, n_lr=n_lr, random_state=seed, **options | changed
    )


def test_each_activation_gets_as_many_and_each_rate_too():
    found = draw(12)
    counts = Counter((one["activation"][0], one["lr"][0]) for one in found)
    assert set(counts.values()) == {2}
    assert len(counts) == 6


def test_no_candidate_is_drawn_twice():
    found = [repr(one) for one in draw(100)]
    assert len(set(found)) == len(found) == 100


def test_all_are_tried_if_there_are_not_more():
    n_all = 2 * 3 * len(SIZES) * 3 * 2
    found = draw(10**6)
    assert len(found) == n_all
    assert len({repr(one) for one in found}) == n_all


def test_the_middle_rate_is_the_first_one():
    (alone,) = draw(1, ["relu"])
    assert alone["lr"] == sorted({one["lr"][0] for one in draw(99, ["relu"])})[1:2]


def test_a_seed_decides():
    assert draw(20) == draw(20)
    assert draw(20) != draw(20, seed=1)


def test_long_trainings_have_lower_rates_and_those_of_sgd_their_own():
    short, long = draw(1, ["relu"], n_lr=1), draw(1, ["relu"], n_lr=1, n_steps=5_000)
    assert long[0]["lr"][0] == pytest.approx(short[0]["lr"][0] * 0.75)
    sgd = draw(1, ["relu"], n_lr=1, n_steps=5_000, optimizer="sgd")
    assert sgd[0]["lr"][0] == 0.03


def test_sizes_come_from_the_user_or_from_the_number_of_rows():
    assert sizes_to_try([1, 2], [4, 8], 10) == [(1, 4), (1, 8), (2, 4), (2, 8)]
    small, large = (sizes_to_try(None, None, n) for n in (200, 5_000))
    assert max(w for _, w in small) < max(w for _, w in large) == 512
    assert {d for d, _ in small} == {d for d, _ in large} == {1, 2, 3}
    assert sizes_to_try(None, [7], 200) == [(1, 7), (2, 7), (3, 7)]
    assert sizes_to_try([5], None, 5_000) == [(5, 128), (5, 256)]
    weights = [(depth - 1) * width**2 for depth, width in large]
    assert max(weights) < 150_000  # what costs more gains little


def test_every_value_of_every_parameter_can_be_drawn():
    found = draw(60)
    for name, values in OTHERS.items():
        assert {one[name][0] for one in found} == set(values)
    assert {(one["depth"][0], one["width"][0]) for one in found} == set(SIZES)
    assert np.isfinite([one["lr"][0] for one in found]).all()

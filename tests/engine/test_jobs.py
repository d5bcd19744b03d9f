"""Jobs and their outcomes: seeds, the size of the data, what an epoch records."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skact.engine.jobs import EpochRecord, Outcome, Seeds


@given(st.integers(0, 2**32 - 1))
def test_an_int_gives_the_same_seeds_every_time(random_state):
    assert Seeds.from_random_state(random_state) == Seeds.from_random_state(
        random_state
    )


@given(st.integers(0, 2**32 - 1))
def test_the_kinds_of_chance_have_different_seeds(random_state):
    seeds = Seeds.from_random_state(random_state)
    assert len({seeds.weights, seeds.order, seeds.noise, seeds.split}) == 4


@given(st.integers(0, 2**63 - 1), st.integers(0, 10**6))
def test_each_epoch_has_a_seed_of_its_own_that_torch_accepts(seed, epoch):
    here, there = Seeds.of_epoch(seed, epoch), Seeds.of_epoch(seed, epoch + 1)
    assert here != there
    assert 0 <= here < 2**63


def test_a_numpy_int_is_an_int():
    assert Seeds.from_random_state(np.int64(7)) == Seeds.from_random_state(7)


def test_none_gives_new_seeds_and_leaves_numpys_global_generator_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    assert Seeds.from_random_state(None) != Seeds.from_random_state(None)
    after = np.random.get_state()[1]  # noqa: NPY002
    np.testing.assert_array_equal(before, after)


def test_a_random_state_instance_moves_on_as_scikit_learn_s_estimators_move_it():
    shared = np.random.RandomState(3)
    first, second = Seeds.from_random_state(shared), Seeds.from_random_state(shared)
    assert first != second
    assert first == Seeds.from_random_state(np.random.RandomState(3))


def test_seeds_cannot_be_changed():
    with pytest.raises(AttributeError):
        Seeds.from_random_state(0).order = 1


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_an_epoch_is_finite_if_all_its_losses_are(loss):
    def record(losses):
        return EpochRecord(0.0, losses, [1.0] * len(losses), [1] * len(losses), 0.0)

    assert record([1.0, 2.0]).is_finite
    assert not record([1.0, loss]).is_finite


def test_outcomes_share_no_lists():
    one, other = Outcome(), Outcome()
    one.records.append(None)
    one.weights.append(None)
    assert other.records == other.weights == []

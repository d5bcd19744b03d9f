"""Planning: the seeds, how rows fall into batches, who shares a stack."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skact.engine.jobs import Seeds
from skact.engine.plan import BatchShape, Lane, padded_rows, plan_stacks, safe_threads


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


# ------------------------------------------------------------------ batches

rows = st.integers(1, 3000)
sizes = st.one_of(st.just(-1), st.integers(1, 600))


@given(rows, sizes)
def test_every_row_is_in_one_batch_and_batches_are_as_asked(n, size):
    shape = BatchShape.of(n, size)
    counts = shape.rows_of_step(n)
    assert len(counts) == shape.n_steps
    assert sum(counts) == n
    wanted = n if size == -1 else min(size, n)
    assert counts[:-1] == [wanted] * (shape.n_steps - 1)
    assert 1 <= counts[-1] <= wanted


@given(rows, sizes)
def test_a_batch_has_room_for_its_rows_in_whole_vectors(n, size):
    shape = BatchShape.of(n, size)
    for step, count in enumerate(shape.rows_of_step(n)):
        room = shape.size_of_step(step)
        assert room >= count
        assert room % 32 == 0


@given(rows, st.integers(1, 600))
def test_filling_up_costs_at_most_a_quarter_of_large_batches(n, size):
    shape = BatchShape.of(n, size)
    room = sum(shape.size_of_step(step) for step in range(shape.n_steps))
    assert room <= n * 1.25 + 32 * (shape.n_steps + 4)


def test_folds_that_differ_by_a_row_share_a_stack():
    assert BatchShape.of(1437, 32) == BatchShape.of(1438, 32)
    assert BatchShape.of(99, 128) == BatchShape.of(100, 128)
    assert BatchShape.of(120, -1) == BatchShape.of(121, -1)


def test_rows_are_padded_to_whole_vectors():
    assert [padded_rows(n) for n in (1, 32, 33, 100)] == [32, 32, 64, 128]


# ------------------------------------------------------------------ stacks

lane_lists = st.lists(
    st.builds(
        Lane,
        group=st.sampled_from("abc"),
        order=st.tuples(st.sampled_from(["relu", "tanh", "gelu"])),
    ),
    max_size=60,
)


@given(lane_lists, st.integers(1, 20))
def test_every_lane_is_in_one_stack_of_its_group(lanes, most):
    stacks = plan_stacks(lanes, max_lanes=most)
    assert sorted(i for stack in stacks for i in stack) == list(range(len(lanes)))
    for stack in stacks:
        assert len({lanes[i].group for i in stack}) == 1
        assert len(stack) <= most


def test_a_stack_of_large_networks_is_low_but_not_of_one():
    large = [Lane("a", (), nbytes=2**26)] * 20
    assert [len(stack) for stack in plan_stacks(large)] == [4] * 5
    small = [Lane("a", (), nbytes=2**20)] * 20
    assert [len(stack) for stack in plan_stacks(small)] == [20]


@given(lane_lists)
def test_equal_activations_lie_next_to_each_other(lanes):
    for stack in plan_stacks(lanes, max_lanes=1000):
        orders = [lanes[i].order for i in stack]
        runs = 1 + sum(a != b for a, b in itertools.pairwise(orders))
        assert runs == len(set(orders))


@given(
    st.integers(1, 64), st.integers(1, 500), st.lists(st.integers(1, 10**7), max_size=6)
)
def test_threads_never_cut_a_vector_or_a_product(available, n_lanes, sizes):
    threads = safe_threads(available, n_lanes, sizes)
    assert 1 <= threads <= available
    assert threads <= n_lanes
    for size in sizes:
        parts = min(threads, -(-size // 32768))  # as torch cuts elementwise work
        assert parts <= 1 or size % (32 * parts) == 0

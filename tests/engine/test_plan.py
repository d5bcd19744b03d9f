"""Planning: how rows are cut into batches, and which lanes share a stack."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from skact.engine.plan import (
    BatchShape,
    Lane,
    padded_rows,
    plan_stacks,
)

# ------------------------------------------------------------------ batches

rows = st.integers(1, 3000)
sizes = st.one_of(st.just(-1), st.integers(1, 600))


@given(rows, sizes)
def test_every_row_is_in_one_batch_and_batches_are_as_asked(n, size):
    shape = BatchShape.from_rows(n, size)
    counts = shape.true_rows_of_steps(n)
    assert len(counts) == shape.n_steps
    assert sum(counts) == n
    wanted = n if size == -1 else min(size, n)
    assert counts[:-1] == [wanted] * (shape.n_steps - 1)
    assert 1 <= counts[-1] <= wanted


@given(rows, sizes)
def test_a_batch_has_room_for_its_rows_in_whole_vectors(n, size):
    shape = BatchShape.from_rows(n, size)
    for step, count in enumerate(shape.true_rows_of_steps(n)):
        room = shape.size_of_step(step)
        assert room >= count
        assert room % 32 == 0


@given(rows, st.integers(1, 600))
def test_filling_up_costs_at_most_a_quarter_of_large_batches(n, size):
    shape = BatchShape.from_rows(n, size)
    room = sum(shape.size_of_step(step) for step in range(shape.n_steps))
    assert room <= n * 1.25 + 32 * (shape.n_steps + 4)


def test_folds_that_differ_by_a_row_share_a_stack():
    assert BatchShape.from_rows(1437, 32) == BatchShape.from_rows(1438, 32)
    assert BatchShape.from_rows(99, 128) == BatchShape.from_rows(100, 128)
    assert BatchShape.from_rows(120, -1) == BatchShape.from_rows(121, -1)


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


def test_a_stack_holds_what_a_cache_holds_and_a_large_network_trains_alone():
    for nbytes, sizes in [(2**26, [1] * 20), (2**22, [4] * 5), (2**19, [20])]:
        lanes = [Lane("a", (), nbytes=nbytes)] * 20
        assert [len(stack) for stack in plan_stacks(lanes)] == sizes


@given(lane_lists)
def test_equal_activations_lie_next_to_each_other(lanes):
    for stack in plan_stacks(lanes, max_lanes=1000):
        orders = [lanes[i].order for i in stack]
        runs = 1 + sum(a != b for a, b in itertools.pairwise(orders))
        assert runs == len(set(orders))


def test_where_the_activation_changes_neighbours_share_the_coefficients():
    pairs = list(itertools.product(("relu", "tanh", "gelu"), (0.1, 0.01)))
    (stack,) = plan_stacks([Lane("a", pair) for pair in pairs])
    rates = [pairs[i][1] for i in stack]
    changes = sum(a != b for a, b in itertools.pairwise(rates))
    assert changes == 3  # within each activation, but not from one to the next


def test_large_networks_train_one_by_one():
    """So that each is scored when it is ready; a stack would not be faster."""
    lanes = [Lane("large", (), 1, is_large=True)] * 3 + [Lane("small", (), 1)] * 2
    assert plan_stacks(lanes) == [(0,), (1,), (2,), (3, 4)]

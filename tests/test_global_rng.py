"""The global generators: seeded within a block, and untouched after it."""

import random
import threading

import numpy as np
import pytest
import torch

from skact.global_rng import seed_generators, seed_generators_temporarily

CPU = torch.device("cpu")


def draw():
    """Draw from all three generators."""
    numbers = np.random.random(3).tolist()  # noqa: NPY002
    return torch.rand(3).tolist(), numbers, [random.random() for _ in range(3)]


def states():
    _, numpy_state, *numpy_rest = np.random.get_state()  # noqa: NPY002
    torch_state = torch.get_rng_state().tolist()
    return torch_state, numpy_state.tolist(), numpy_rest, random.getstate()


@pytest.fixture(autouse=True)
def own_generators():
    """Leave the generators of the test run as they are."""
    of_numpy, of_python = np.random.get_state(), random.getstate()  # noqa: NPY002
    with torch.random.fork_rng(devices=[]):
        yield
    np.random.set_state(of_numpy)  # noqa: NPY002
    random.setstate(of_python)


def test_a_block_draws_the_same_for_the_same_seed_and_other_numbers_for_another():
    drawn = []
    for seed in (1, 1, 2):
        with seed_generators_temporarily(seed, CPU):
            drawn.append(draw())
    assert drawn[0] == drawn[1]
    for first, other in zip(drawn[0], drawn[2], strict=True):
        assert first != other


@pytest.mark.parametrize("fails", [False, True])
def test_after_a_block_the_generators_are_where_they_were(fails):
    def work():
        with seed_generators_temporarily(3, CPU):
            draw()
            if fails:
                raise ZeroDivisionError

    before = states()
    if fails:
        with pytest.raises(ZeroDivisionError):
            work()
    else:
        work()
    assert states() == before


def test_blocks_can_be_nested():
    with seed_generators_temporarily(1, CPU):
        whole = draw(), draw()
    with seed_generators_temporarily(1, CPU):
        first = draw()
        with seed_generators_temporarily(2, CPU):
            draw()
        assert (first, draw()) == whole


def test_a_second_thread_waits_until_the_block_of_the_first_has_ended():
    events, entered = [], threading.Event()

    def second():
        entered.wait(timeout=30)
        with seed_generators_temporarily(2, CPU):
            events.append("second")

    before = states()
    thread = threading.Thread(target=second, daemon=True)
    thread.start()
    with seed_generators_temporarily(1, CPU):
        entered.set()
        thread.join(timeout=0.05)
        events.append("first")
    thread.join(timeout=30)
    assert events == ["first", "second"]
    assert states() == before


def test_seeds_above_32_bits_are_accepted_and_numpy_takes_their_last_bits():
    drawn = []
    for seed in (5, 2**40 + 5):
        seed_generators(seed, CPU)
        drawn.append(draw())
    assert drawn[0][1] == drawn[1][1]
    assert drawn[0][2] != drawn[1][2]

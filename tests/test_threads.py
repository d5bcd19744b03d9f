"""Threads: each computes on one core, in order, and nothing is left behind."""

import threading
import time

import pytest
import torch

from skact.threads import (
    count_free_threads,
    map_in_threads,
    note_busy_processes,
    use_one_thread,
    use_threads,
)


@pytest.fixture(autouse=True)
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def where(item):
    return item, threading.get_ident(), torch.get_num_threads()


@pytest.mark.parametrize("number", [1, 2, 3])
def test_results_come_in_order_and_each_is_computed_on_one_thread(number):
    def late(item):
        time.sleep(0.01 * (item % 2 == 0))
        return where(item)

    items, places, counts = zip(*map_in_threads(late, range(12), number), strict=True)
    assert items == tuple(range(12))
    assert set(counts) == {1}
    assert len(set(places)) <= number
    assert (threading.get_ident() in places) == (number == 1)


@pytest.mark.parametrize("number", [1, 2])
def test_neither_this_thread_nor_those_to_come_have_fewer_afterwards(number):
    results = map_in_threads(where, range(12), number)
    seen = []
    for when in range(3):
        next(results)
        seen.append(torch.get_num_threads())
        if when == 2:
            results.close()
        newcomer = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
        newcomer.start()
        newcomer.join()
    assert seen == [3] * 6


def test_an_error_reaches_the_caller_and_ends_the_rest():
    begun = []

    def fail_at_three(item):
        begun.append(item)
        if item == 3:
            raise ValueError("three")
        return item

    results = map_in_threads(fail_at_three, range(1000), 2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)
    assert len(begun) < 20
    assert torch.get_num_threads() == 3


def test_only_a_few_items_are_read_ahead():
    read = []
    items = (read.append(item) or item for item in range(1000))
    results = map_in_threads(abs, items, 2)
    for _ in range(5):
        next(results)
    results.close()
    assert len(read) < 20


def test_threads_end_with_the_work():
    before = threading.active_count()
    list(map_in_threads(abs, range(10), 3))
    results = map_in_threads(abs, range(10), 3)
    next(results)
    results.close()
    assert threading.active_count() == before


@pytest.mark.parametrize("allowed", [0, 1])
def test_where_no_thread_can_be_had_the_caller_does_the_work(allowed, monkeypatch):
    start, begun = threading.Thread.start, []

    def refuse(thread):
        if len(begun) == allowed:
            raise RuntimeError("can't start new thread")
        begun.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    _, places, counts = zip(*map_in_threads(where, range(5), 2), strict=True)
    assert set(places) == {threading.get_ident()}
    assert set(counts) == {1}
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize(
    ("block", "number"), [(use_one_thread, 1), (lambda: use_threads(2), 2)]
)
def test_a_block_has_its_threads_and_leaves_the_number_as_it_was(block, number):
    def fail():
        with block():
            seen.append(torch.get_num_threads())
            raise ZeroDivisionError

    seen: list[int] = []
    with pytest.raises(ZeroDivisionError):
        fail()
    assert seen == [number]
    assert torch.get_num_threads() == 3


@pytest.fixture
def busy_processes():
    yield note_busy_processes
    note_busy_processes(0)


def test_no_thread_is_counted_on_where_a_worker_trains(busy_processes):
    assert (count_free_threads(), count_free_threads(8)) == (3, 8)
    busy_processes(2)
    assert (count_free_threads(), count_free_threads(8)) == (1, 6)
    busy_processes(9)
    assert (count_free_threads(), count_free_threads(8)) == (1, 1)

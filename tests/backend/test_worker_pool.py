"""The pool of worker processes: started late, kept, and started again after a death."""

import os
import signal
import time

import pytest
import torch

from skact.backend import worker_pool
from skact.backend.worker_pool import WorkerPool
from skact.threads import count_free_threads

pytestmark = pytest.mark.once


def wait_until(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.01)


@pytest.fixture
def pool():
    one = WorkerPool()
    yield one
    one.stop()


def test_a_pool_starts_works_stops_and_starts_again(pool):
    for _ in range(2):
        assert pool.n_ready == pool.n_workers == 0
        pool.start(1)
        wait_until(lambda: pool.n_ready == 1)
        assert pool.submit(abs, -3).result() == 3
        assert pool.submit(torch.get_num_threads).result() == 1
        pool.start(1)  # it has as many already
        assert pool.n_ready == 1
        pool.stop()


def test_workers_do_not_hear_ctrl_c(pool):
    pool.start(1)
    worker = pool.submit(os.getpid).result()
    os.kill(worker, signal.SIGINT)
    assert pool.submit(os.getpid).result() == worker


def test_workers_that_have_waited_long_are_forgotten_but_none_that_works(
    pool, monkeypatch
):
    pool.start(1)
    wait_until(lambda: pool.n_ready == 1)
    monkeypatch.setattr(worker_pool, "SECONDS_OF_PATIENCE", 0)
    monkeypatch.setattr(pool, "_last_use", -1000.0)
    work = pool.submit(time.sleep, 0.5)
    assert pool.n_workers == pool.n_ready == 1
    work.result()
    wait_until(lambda: pool.n_workers == 0)
    assert pool.n_ready == 0


def test_more_workers_start_when_none_works(pool):
    pool.start(1)
    wait_until(lambda: pool.n_ready == 1)
    work = pool.submit(time.sleep, 0.5)
    pool.start(2)
    assert pool.n_workers == 1
    work.result()
    wait_until(lambda: pool._n_running == 0)
    pool.start(2)
    assert pool.n_workers == 2
    pool.start(1)
    assert pool.n_workers == 2
    # loky prints an error where it is stopped in the moment in which it starts
    wait_until(lambda: pool.n_ready == 2)


def test_the_cores_of_workers_that_work_are_not_free(pool):
    pool.start(1)
    wait_until(lambda: pool.n_ready == 1)
    assert count_free_threads(3) == 3
    work = pool.submit(time.sleep, 0.5)
    assert count_free_threads(3) == 2
    work.result()
    wait_until(lambda: count_free_threads(3) == 3)

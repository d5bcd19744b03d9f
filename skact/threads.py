"""Rules for threads: a network must not depend on the number of threads."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch

# with fewer multiplications (some milliseconds), threads cost more than they save
LITTLE_WORK = 2**27

# processes of ours that train at this moment; a list, because modules share it
_busy_processes = [0]


def note_busy_processes(number: int) -> None:
    """Note how many other processes of ours train at this moment."""
    _busy_processes[0] = number


def count_free_threads(allowed: int | None = None) -> int:
    """Return how many of the allowed threads have a core beside our busy processes.

    A thread that waits for a core on which a worker trains holds up all the others.

    Parameters
    ----------
    allowed : int or None, default=None
        None: as many as torch uses.

    Returns
    -------
    int
        At least 1.
    """
    allowed = torch.get_num_threads() if allowed is None else allowed
    return max(1, allowed - _busy_processes[0])


@contextmanager
def use_threads(number: int) -> Iterator[None]:
    """Let torch compute on `number` threads within the block, in this thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def use_one_thread() -> AbstractContextManager[None]:
    """Let torch compute on one thread within the block.

    MKL cuts a float32 matrix product differently for one thread and for two, so the
    rounding differs. A worker process of joblib has fewer threads than a notebook.
    Without this rule, the same `random_state` would give another network with another
    `n_jobs`. Small networks are also faster on one thread.
    """
    return use_threads(1)


def map_in_threads(
    work: Callable[[Any], Any], items: Iterable[Any], number: int
) -> Iterator[Any]:
    """Work on several items at a time; no result depends on the number of threads.

    Parameters
    ----------
    work : callable
        Function of one item. The function is called in threads in which torch computes
        on one thread.
    items : iterable
        The items, read step by step in the caller's thread.
    number : int
        Largest number of threads. If it is 1, or if no thread can start, all work runs
        in the caller's thread.

    Yields
    ------
    object
        The result of `work` for each item, in the order of `items`. An error of `work`
        is raised.

    Examples
    --------
    >>> list(map_in_threads(abs, [-1, 2, -3], 2))
    [1, 2, 3]
    """
    pool = _start_single_threads(number) if number > 1 else None
    if pool is None:
        for item in items:
            with use_one_thread():
                result = work(item)
            yield result
        return
    waiting: deque[Future] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > 2 * number:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:  # also if the caller stops early
        pool.shutdown(cancel_futures=True)


def _start_single_threads(number: int) -> ThreadPoolExecutor | None:
    """Start threads in which torch computes on one thread; None if that fails.

    torch keeps one number for each thread, and one number for threads that start later.
    Each new thread sets both, so the second number is restored when all have started.
    """
    before = torch.get_num_threads()
    all_started = threading.Barrier(number)
    pool = ThreadPoolExecutor(number, thread_name_prefix="skact")

    def set_up_thread() -> None:
        torch.get_num_threads()  # the first call in a thread sets the common number
        torch.set_num_threads(1)
        all_started.wait()  # without this, one thread could run the set-up of two

    try:
        for start in [pool.submit(set_up_thread) for _ in range(number)]:
            start.result()
    except RuntimeError:  # too many threads, or Python is shutting down
        all_started.abort()
        pool.shutdown()
        return None
    except BaseException:  # Ctrl-C
        all_started.abort()
        raise
    finally:
        torch.set_num_threads(before)
    return pool

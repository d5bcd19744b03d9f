"""One rule for threads, so that a network does not depend on how many there are."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch

# multiplications below which threads are not worth the start: some milliseconds
LITTLE_WORK = 2**27


@contextmanager
def threads(number: int) -> Iterator[None]:
    """Compute on so many threads within the block; torch counts them by thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def one_thread() -> AbstractContextManager[None]:
    """Compute on one thread within the block.

    A matrix product in float32 rounds differently on one thread and on two (MKL cuts it
    differently), and a worker process of joblib has fewer than a notebook: without this
    rule the same `random_state` would give another network with another `n_jobs`. Small
    networks are faster so, too.
    """
    return threads(1)


def side_by_side(
    work: Callable[[Any], Any], items: Iterable[Any], number: int
) -> Iterator[Any]:
    """Work on several items at a time, each on one thread: no result knows how many.

    Parameters
    ----------
    work : callable
        Called with each item, in threads of its own, in which torch has one thread.
    items : iterable
        Read little by little, in the caller's thread.
    number : int
        Threads, at most; with one, and where no thread can be had, all is done in the
        caller's thread.

    Yields
    ------
    object
        What `work` returned, in the order of `items`; what it raised is raised.

    Examples
    --------
    >>> list(side_by_side(abs, [-1, 2, -3], 2))
    [1, 2, 3]
    """
    pool = _threads_of_one(number) if number > 1 else None
    if pool is None:
        for item in items:
            with one_thread():
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
    finally:  # the caller may want no more of them
        pool.shutdown(cancel_futures=True)


def _threads_of_one(number: int) -> ThreadPoolExecutor | None:
    """Start threads in each of which torch computes on one; None if there are none.

    torch keeps the number for each thread, and once more for those to come: that is put
    back when all have begun.
    """
    before = torch.get_num_threads()
    begun = threading.Barrier(number)
    pool = ThreadPoolExecutor(number, thread_name_prefix="skact")

    def begin() -> None:
        torch.get_num_threads()  # the first call in a thread sets the common number
        torch.set_num_threads(1)
        begun.wait()  # or the first would do the part of the second, too

    try:
        for start in [pool.submit(begin) for _ in range(number)]:
            start.result()
    except RuntimeError:  # too many threads, or Python is shutting down
        begun.abort()
        pool.shutdown()
        return None
    except BaseException:  # Ctrl-C
        begun.abort()
        raise
    finally:
        torch.set_num_threads(before)
    return pool

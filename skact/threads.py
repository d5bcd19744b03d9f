"""One rule for threads, so that a network does not depend on how many there are."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch


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

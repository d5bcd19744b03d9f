"""One rule for threads, so that a network does not depend on how many there are."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread within the block.

    A matrix product in float32 rounds differently on one thread and on two (MKL cuts it
    differently), and a worker process of joblib has fewer than a notebook: without this
    rule the same `random_state` would give another network with another `n_jobs`. Small
    networks are faster so, too. torch keeps the number for each thread apart.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)

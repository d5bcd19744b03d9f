"""The global random generators: seeded for custom parts, and then restored."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

# Without a lock, a thread could save the state that another thread has seeded, and
# restore that state last.
_GENERATORS_LOCK = threading.RLock()


@contextmanager
def seed_generators_temporarily(seed: int, device: torch.device) -> Iterator[None]:
    """Seed the generators of torch, numpy and Python for the block; then restore them.

    No code of skact draws from these generators. A custom module, loss or split may.
    """
    devices = [device] if device.type == "cuda" else []
    with _GENERATORS_LOCK, torch.random.fork_rng(devices=devices):
        of_numpy, of_python = np.random.get_state(), random.getstate()  # noqa: NPY002
        try:
            seed_generators(seed, device)
            yield
        finally:
            np.random.set_state(of_numpy)  # noqa: NPY002
            random.setstate(of_python)


def seed_generators(seed: int, device: torch.device) -> None:
    """Seed the global generators of torch, numpy and Python, and of one GPU."""
    torch.default_generator.manual_seed(seed)  # torch.manual_seed seeds every GPU
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    random.seed(seed)

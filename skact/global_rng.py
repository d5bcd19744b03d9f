"""The global generators: borrowed for parts that draw from them, and given back."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

# two threads that saved and restored in turn would leave a state that was never there
_BORROWING = threading.RLock()


@contextmanager
def borrowed_generators(seed: int, device: torch.device) -> Iterator[None]:
    """Seed the generators of torch, numpy and Python for the block; then restore them.

    Nothing of skact's draws from them; a module, loss or split that users bring may.
    """
    devices = [device] if device.type == "cuda" else []
    with _BORROWING, torch.random.fork_rng(devices=devices):
        of_numpy, of_python = np.random.get_state(), random.getstate()  # noqa: NPY002
        try:
            seed_generators(seed, device)
            yield
        finally:
            np.random.set_state(of_numpy)  # noqa: NPY002
            random.setstate(of_python)


def seed_generators(seed: int, device: torch.device) -> None:
    """Seed the global generators, those of other GPUs left out."""
    torch.default_generator.manual_seed(seed)  # torch.manual_seed seeds every GPU
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    random.seed(seed)

"""Torch's global generator: borrowed for parts that draw from it, and given back."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def borrowed_generator(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's global generators for the block, and restore them after it.

    Nothing of skact's draws from them; a module or loss that users bring may. Saving
    and restoring is not safe among threads, so borrow only where it is needed.
    """
    on_gpu = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if on_gpu else []):
        # not torch.manual_seed, which would seed every GPU
        torch.default_generator.manual_seed(seed)
        if on_gpu:
            torch.cuda.default_generators[device.index].manual_seed(seed)
        yield

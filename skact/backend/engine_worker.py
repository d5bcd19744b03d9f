"""What a worker process of the engine does, and the form of its messages.

The process of the search writes jobs into a file, and the worker their results. Orders
and counts of epochs stand in a file that both have mapped.
"""

import os
import signal
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch

from skact.backend.shared_arrays import dump, load
from skact.engine.jobs import StackReport
from skact.engine.train import train
from skact.resuming.fit_state import state_of_network

STOP = 0  # place of the order to stop, before the places of pieces, in the file
MOST_PIECES = 4096  # behind their places stand the orders to give a piece back


def message_file(folder: Path, place: int) -> Path:
    """Return the file in which a worker finds its jobs, and leaves their results."""
    return folder / f"piece-{place}"


def train_piece(folder_name: str, place: int) -> None:
    """Train jobs in a worker.

    The file of the place holds a pair of job and outcome for each, the settings, and
    who keeps checkpoints;
    afterwards an outcome and the state of the network for each, the reports on stacks,
    and the number of lane-epochs.
    """
    folder = Path(folder_name)
    counters, file = open_counters(folder), message_file(folder, place)
    pairs, settings, keeper = load(file.read_bytes(), folder)
    jobs, outcomes = [job for job, _ in pairs], [outcome for _, outcome in pairs]
    stacks: list[StackReport] = []
    parent = os.getppid()

    def count(n_epochs: int) -> None:
        counters[place] += n_epochs
        if os.getppid() != parent:  # the process of the search was killed
            signal.raise_signal(signal.SIGTERM)
        if counters[STOP] or counters[MOST_PIECES + place]:
            raise KeyboardInterrupt

    _apply(settings)
    with suppress(KeyboardInterrupt):  # the epochs so far go back
        train(
            jobs,
            outcomes=outcomes,
            stacks=stacks,
            n_threads=1,
            progress=count,
            keeper=keeper,
        )
    results = [
        (outcome, state_of_network(job))
        for job, outcome in zip(jobs, outcomes, strict=True)
    ]
    file.write_bytes(dump((results, stacks, int(counters[place]))))


def settings_of_process() -> tuple[str, bool]:
    """Return what decides, in a whole process, how torch computes."""
    return torch.get_float32_matmul_precision(), bool(torch.backends.mkldnn.enabled)


def _apply(settings: tuple[str, bool]) -> None:
    precision, uses_mkldnn = settings
    torch.set_float32_matmul_precision(precision)
    torch.backends.mkldnn.set_flags(uses_mkldnn)


def open_counters(folder: Path, *, create: bool = False) -> np.memmap:
    """Map the file in which workers count their epochs."""
    file = folder / "counters"
    if create:
        # written, because touching a mapped page ends the process if the disk is full
        file.write_bytes(bytes(8 * 2 * MOST_PIECES))
    return np.memmap(file, np.int64, "r+", shape=2 * MOST_PIECES)

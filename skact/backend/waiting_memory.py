"""The memory that started tasks hold, and whether another task has room beside them."""

import os
from collections.abc import Hashable
from contextlib import suppress
from pathlib import Path

from skact.backend.job_memory import bytes_of_arrays, bytes_of_training
from skact.engine.jobs import FitJob

_LIMIT_OF_CONTAINER = Path("/sys/fs/cgroup/memory.max")


def default_memory() -> int:
    """Return a quarter of the memory of this machine, or of this container."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError):  # Windows
        total = 4 * 2**30
    with suppress(OSError, ValueError):  # no container, or "max": no limit
        total = min(total, int(_LIMIT_OF_CONTAINER.read_text("ascii")))
    return total // 4


class WaitingMemory:
    """Counts the bytes of the jobs of tasks, until each task ends.

    A task that has been trained still holds its network and its rows, until scored. An
    array that several jobs share counts once.

    Attributes
    ----------
    total : int
        Bytes of all jobs that are held.
    largest : int
        Most bytes that one job has added: what the next task may need.
    """

    def __init__(self) -> None:
        self.total = self.largest = 0
        self._of_wave = 0  # bytes of all fits of the wave, also of those that are over
        self._jobs: dict[Hashable, tuple[int, dict[int, int]]] = {}
        self._users: dict[int, int] = {}  # of each array, by its identity

    def hold(self, task: Hashable, job: FitJob) -> None:
        """Count the job of a task, in place of an earlier one of the task."""
        self.release(task)
        own, arrays = bytes_of_training(job), bytes_of_arrays(job)
        added = own
        for key, size in arrays.items():
            self._users[key] = self._users.get(key, 0) + 1
            added += size if self._users[key] == 1 else 0
        self._jobs[task] = own, arrays
        self.total += added
        self._of_wave += added
        self.largest = max(self.largest, added)

    def release(self, task: Hashable) -> None:
        """Forget the job of a task that has ended, if it had one."""
        own, arrays = self._jobs.pop(task, (0, {}))
        self.total -= own
        for key, size in arrays.items():
            self._users[key] -= 1
            if self._users[key] == 0:
                del self._users[key]
                self.total -= size

    def begin_wave(self) -> None:
        """Note that the fits that wait begin to train."""
        self._of_wave = self.total

    def has_room_in_wave(self, limit: int) -> bool:
        """Whether a fit may join the wave, which shares its arrays until its end."""
        return self._of_wave + self.largest <= limit

    def has_room_for_a_task(self, n_started: int, limit: int) -> bool:
        """Whether another task may start beside `n_started`, some without a job yet."""
        unknown = n_started - len(self._jobs) + 1
        return self.total + unknown * self.largest <= limit

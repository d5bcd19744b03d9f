"""The worker processes of the engine: started late, and kept for the next search."""

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import torch
from joblib.externals.loky import ProcessPoolExecutor

# workers that wait longer for work end themselves, as those of joblib
_SECONDS_OF_PATIENCE = 300


class WorkerPool:
    """Processes that train, one thread each. All searches of a process share them.

    Attributes
    ----------
    n_workers : int
        Workers that were started; 0 before the start and after a breakdown.
    pace : float or None
        Seconds that this process took for a unit of cost; None before it is known.
    """

    def __init__(self) -> None:
        self.n_workers = 0
        self.pace: float | None = None
        self._executor: Any = None
        self._first_words: list[Future] = []
        self._lock = threading.RLock()  # searches of several threads use the pool

    def start(self, n_workers: int) -> None:
        """Begin to start workers, and do not wait for them."""
        with self._lock:
            if self.n_workers >= n_workers:
                return
            self.stop()
            self._executor = ProcessPoolExecutor(
                n_workers,
                timeout=_SECONDS_OF_PATIENCE,
                initializer=_set_up_worker,
                env={"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
            )
            self.n_workers = n_workers
            self._first_words = [
                self._executor.submit(os.getpid) for _ in range(n_workers)
            ]

    @property
    def n_ready(self) -> int:
        """Number of workers that have started, as far as is known."""
        with self._lock:
            words = [word for word in self._first_words if word.done()]
            if any(word.exception() is not None for word in words):
                self.stop()
                return 0
            return len(words)

    def submit(self, work: Callable[..., Any], *arguments: Any) -> Future:
        """Have a worker call a function; the pool must have been started."""
        with self._lock:
            return self._executor.submit(work, *arguments)

    def stop(self) -> None:
        """End all workers at once, also those that work."""
        with self._lock:
            executor, self._executor = self._executor, None
            self.n_workers, self._first_words = 0, []
        if executor is not None:
            executor.shutdown(wait=False, kill_workers=True)


def _set_up_worker() -> None:
    # Ctrl-C reaches all processes of a terminal: the process of the search decides
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)


pool = WorkerPool()

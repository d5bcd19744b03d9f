"""The worker processes of the engine: started late, and kept for the next search."""

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import torch
from joblib.externals.loky import ProcessPoolExecutor

from skact.threads import note_busy_processes

# workers that wait longer for work end themselves, as those of joblib
SECONDS_OF_PATIENCE = 300
# workers are forgotten some seconds before, because one that ends would get no work
_MARGIN = 30


class WorkerPool:
    """Processes that train, one thread each. All searches of a process share them.

    Attributes
    ----------
    pace : float or None
        Seconds that this process took for a unit of cost; None before it is known.
    seconds_without : float
        Seconds of training since there were too few workers.
    """

    def __init__(self) -> None:
        self._n_workers = 0
        self._n_running = 0  # calls that have not ended
        self._last_use = 0.0
        self.pace: float | None = None
        self.seconds_without = 0.0
        self._executor: Any = None
        self._first_words: list[Future] = []
        self._lock = threading.RLock()  # searches of several threads use the pool

    def start(self, n_workers: int) -> None:
        """Begin to start workers, and do not wait for them.

        Fewer workers that are there end first, but not those that work.
        """
        with self._lock:
            if self.n_workers >= n_workers or self._n_running:
                return
            self.stop()
            self._last_use, self.seconds_without = time.monotonic(), 0.0
            self._executor = ProcessPoolExecutor(
                n_workers,
                timeout=SECONDS_OF_PATIENCE + _MARGIN,
                initializer=_set_up_worker,
                env={"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
            )
            self._n_workers = n_workers
            self._first_words = [
                self._executor.submit(os.getpid) for _ in range(n_workers)
            ]

    @property
    def n_workers(self) -> int:
        """Workers that were started; 0 before, after a breakdown, and after a pause."""
        with self._lock:
            idle = time.monotonic() - self._last_use
            if self._n_workers and not self._n_running and idle > SECONDS_OF_PATIENCE:
                self.stop()
            return self._n_workers

    @property
    def n_ready(self) -> int:
        """Number of workers that have started, as far as is known."""
        with self._lock:
            if not self.n_workers:
                return 0
            words = [word for word in self._first_words if word.done()]
            if any(word.exception() is not None for word in words):
                self.stop()
                return 0
            return len(words)

    def submit(self, work: Callable[..., Any], *arguments: Any) -> Future:
        """Have a worker call a function; the pool must have been started."""
        with self._lock:
            future = self._executor.submit(work, *arguments)
            self._n_running += 1
            note_busy_processes(self._n_running)
        future.add_done_callback(self._note_end)
        return future

    def _note_end(self, _: Future) -> None:
        with self._lock:
            self._n_running -= 1
            note_busy_processes(self._n_running)
            self._last_use = time.monotonic()

    def stop(self) -> None:
        """End all workers at once, also those that work."""
        with self._lock:
            executor, self._executor = self._executor, None
            self._n_workers, self._first_words = 0, []
        if executor is not None:
            executor.shutdown(wait=False, kill_workers=True)


def _set_up_worker() -> None:
    # Ctrl-C reaches all processes of a terminal: the process of the search decides
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)


pool = WorkerPool()

"""Sharing a wave with worker processes: who trains what, and what comes back.

The process of the search trains, too. It hands stacks that wait, or lanes of the stack
in training, to workers that have nothing to do. A lane is handed over between two
epochs, with all that decides how it goes on, so that the result does not depend on who
trains which epoch.
"""

import pickle
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from skact.backend.shared_arrays import SharedArrays, dump, load
from skact.backend.worker_pool import WorkerPool, pool
from skact.engine.jobs import FitJob, Progress, StackReport, Training
from skact.engine.stack_run import StackRun, is_portable
from skact.engine.train import train
from skact.noise import noisy_modules_of

# what is left, and what was trained lately without workers, must take longer than this,
# or workers are not started: a worker needs some seconds until it can train. So one
# search of a second starts none, but who searches again and again gets them
SECONDS_WORTH_A_START = 4.0
# what is left must take longer than this to be shared with workers that wait
SECONDS_WORTH_A_MESSAGE = 0.1
# share of an equal part that a worker gets; the rest is shared out later, when it is
# known how fast everybody is
_CAUTION = 0.8
# after Ctrl-C, workers may finish the epoch that they train
_SECONDS_TO_STOP = 5.0
_SECONDS_BETWEEN_LOOKS = 0.05
# what a worker has left must take longer than this to be called back and shared anew
_SECONDS_WORTH_A_RECALL = 0.25
_STOP = 0  # place of the order to stop, before the places of pieces, in the file
_MOST_PIECES = 4096  # behind their places stand the orders to give a piece back


def train_with_workers(
    jobs: Sequence[FitJob], *, n_processes: int = 1, **options: Any
) -> Training:
    """Train all jobs as `engine.train.train`, with the help of worker processes.

    Parameters
    ----------
    jobs : sequence of FitJob
    n_processes : int, default=1
        Most processes that train, this one included.
    **options
        As of `engine.train.train`.

    Returns
    -------
    Training
    """
    if n_processes == 1 or len(jobs) == 1:
        return train(jobs, **options)
    given = options.pop("stacks", None)
    stacks: list[StackReport] = [] if given is None else given
    helpers = WorkerHelpers(n_processes - 1, stacks, options.get("progress"))
    try:
        training = train(jobs, stacks=stacks, helpers=helpers, **options)
    finally:
        helpers.close()
    n_elsewhere, n_lost = len(helpers.shared), helpers.n_lost
    return replace(training, n_elsewhere=n_elsewhere, n_lost=n_lost)


@dataclass(eq=False)
class _Piece:
    """Stacks that a worker trains."""

    runs: list[StackRun]
    place: int  # where the worker counts its epochs
    counted: int = 0  # lane-epochs that the progress bar knows
    is_recalled: bool = False

    def __post_init__(self) -> None:
        self.cost = sum(run.cost_left for run in self.runs)
        self.n_epochs = sum(run.epochs_left for run in self.runs)
        self.n_lanes = sum(len(run.active) for run in self.runs)

    @property
    def cost_left(self) -> float:
        """About how much work is left, as far as the worker has told."""
        return self.cost * (1 - self.counted / max(self.n_epochs, 1))


class WorkerHelpers:
    """Worker processes that train a part of one wave.

    Parameters
    ----------
    n_workers : int
        Most workers to use.
    stacks : list of StackReport
        Gets the reports on stacks that workers have trained.
    progress : callable or None
        Called with the lane-epochs since its last call.
    """

    def __init__(
        self,
        n_workers: int,
        stacks: list[StackReport],
        progress: Progress | None,
    ) -> None:
        self.n_workers, self.stacks, self.progress = n_workers, stacks, progress
        self.shared: set[int] = set()  # identities of outcomes that workers have had
        self.n_lost = 0
        self._pool: WorkerPool = pool
        self._pieces: dict[Future, _Piece] = {}
        self._n_pieces = 0
        self._returned: list[StackRun] = []
        self._files: SharedArrays | None = None
        self._counters: Any = None
        self._is_refused = False  # something cannot be sent, or no worker can start
        self._seconds = self._cost = 0.0  # of stacks that ended here
        self._known: StackRun | None = None

    # ---------------------------------------------------------------- sharing

    @property
    def is_busy(self) -> bool:
        """Whether stacks are in training elsewhere, or have come back untrained."""
        return bool(self._pieces or self._returned)

    def share(self, waiting: deque[StackRun], run: StackRun) -> None:
        """Give work to workers that have nothing to do; start workers if it pays."""
        self._note_pace(run)
        self._receive()
        waiting.extend(self._returned)
        self._returned.clear()
        if self._is_refused:
            return
        pace = self._pace_with(run)
        if pace is None:
            return
        left = pace * (run.cost_left + sum(one.cost_left for one in waiting))
        if left < SECONDS_WORTH_A_MESSAGE:
            return
        n_ready = min(self._pool.n_ready, self.n_workers)
        is_small = self._pool.n_workers < self.n_workers and not self._pieces
        if is_small and left + self._pool.seconds_without > SECONDS_WORTH_A_START:
            self._start_workers()
            return
        n_idle = n_ready - len(self._pieces)
        if n_idle <= 0:
            return
        cost = left / pace / (n_idle + 1) * _CAUTION
        for _ in range(n_idle):
            runs = _take(cost, waiting, run)
            if not runs:
                return
            self._send(runs)
            if self._is_refused:
                break
        waiting.extend(self._returned)
        self._returned.clear()

    def _start_workers(self) -> None:
        try:
            self._pool.start(self.n_workers)
        except Exception:  # no more processes, or no semaphores, on this machine
            self._is_refused = True

    def _pace_with(self, run: StackRun) -> float | None:
        """Return seconds for a unit of cost, at first those of the last wave."""
        cost = self._cost + run.cost_done
        if cost:
            self._pool.pace = (self._seconds + run.seconds) / cost
        return self._pool.pace

    def _note_pace(self, run: StackRun) -> None:
        """Add up what earlier stacks of this process took."""
        if self._known is not None and self._known is not run:
            self._seconds += self._known.seconds
            self._cost += self._known.cost_done
        self._known = run

    def _send(self, runs: list[StackRun]) -> None:
        place = 1 + self._n_pieces % (_MOST_PIECES - 1)
        self._n_pieces += 1
        pairs = [
            (run.jobs[i], replace(run.outcomes[i], weights=[]))
            for run in runs
            for i in run.active
        ]
        try:
            if self._files is None:
                self._files = SharedArrays()
                self._counters = _open_counters(self._files.folder, create=True)
            self._counters[place] = self._counters[_MOST_PIECES + place] = 0
            message = self._files.dump((pairs, _settings()))
            # in a file: loky hangs where a worker dies that has not read all of a pipe
            message_file(self._files.folder, place).write_bytes(message)
        except (pickle.PicklingError, TypeError, AttributeError, OSError):
            # something of the user's in a network, or a full disk
            self._is_refused = True
            self._returned += runs
            return
        try:
            future = self._pool.submit(train_piece, str(self._files.folder), place)
        except Exception:  # the pool broke
            self._pool.stop()
            self._returned += runs
            return
        self.shared.update(id(run.outcomes[i]) for run in runs for i in run.active)
        self._pieces[future] = _Piece(runs, place)

    # ---------------------------------------------------------------- receiving

    def collect(self) -> list[StackRun]:
        """Wait until a worker has ended; return what must be trained here after all.

        Workers that have much left give it back, and it is shared anew.
        """
        while self._pieces and not self._returned:
            self._recall()
            done, _ = wait(
                self._pieces, _SECONDS_BETWEEN_LOOKS, return_when=FIRST_COMPLETED
            )
            self._receive()
            if done:
                break
        returned, self._returned = self._returned, []
        return returned

    def _recall(self) -> None:
        """Ask the worker that has most left to give back what it has not finished."""
        piece = max(self._pieces.values(), key=lambda one: one.cost_left)
        seconds = (self._pool.pace or 0.0) * piece.cost_left
        if piece.n_lanes > 1 and seconds > _SECONDS_WORTH_A_RECALL:
            piece.is_recalled = True
            self._counters[_MOST_PIECES + piece.place] = 1

    def _receive(self) -> None:
        """Take what workers have finished, and tell the progress bar."""
        for future, piece in list(self._pieces.items()):
            if not future.done():
                self._count(piece, int(self._counters[piece.place]))
                continue
            del self._pieces[future]
            try:
                future.result()
                file = message_file(self._folder, piece.place)
                message = load(file.read_bytes(), self._folder)
                file.unlink()
            except Exception:
                # the worker died, or its disk was full: nothing has changed here
                self._count(piece, 0)
                self.n_lost += sum(len(run.active) for run in piece.runs)
                self._returned += piece.runs
                self._pool.stop()
            else:
                self._accept(piece, *message)
                if piece.is_recalled:
                    rests = (run.rest() for run in piece.runs)
                    self._returned += [rest for rest in rests if rest is not None]

    @property
    def _folder(self) -> Path:
        assert self._files is not None
        return self._files.folder

    def _count(self, piece: _Piece, n_done: int) -> None:
        more, piece.counted = n_done - piece.counted, n_done
        if self.progress is not None and more:
            self.progress(more)

    def _accept(
        self,
        piece: _Piece,
        results: Sequence[Any],
        stacks: Sequence[StackReport],
        n_done: int,
    ) -> None:
        """Fill networks, optimizers and outcomes with what a worker has trained."""
        self._count(piece, n_done)
        self.stacks += stacks
        lanes = [(run, i) for run in piece.runs for i in run.active]
        for (run, i), (outcome, state) in zip(lanes, results, strict=True):
            _set_state(run.jobs[i], state)
            own = run.outcomes[i]
            outcome.weights = [*own.weights, *outcome.weights]
            vars(own).update(vars(outcome))

    def close(self) -> None:
        """Stop workers that still train, keep what they did, and remove the files."""
        if self._pool.n_workers < self.n_workers:
            own = 0.0 if self._known is None else self._known.seconds
            self._pool.seconds_without += self._seconds + own
        try:
            if self._pieces:
                self._counters[_STOP] = 1
            end = time.monotonic() + _SECONDS_TO_STOP
            while self._pieces and time.monotonic() < end:
                wait(self._pieces, _SECONDS_BETWEEN_LOOKS)
                self._receive()
        finally:  # also if Ctrl-C is pressed again
            if self._pieces:
                self._pool.stop()
            if self._files is not None:
                self._counters = None
                self._files.remove()


def _take(cost: float, waiting: deque[StackRun], run: StackRun) -> list[StackRun]:
    """Take stacks of about this cost: first those that wait, then lanes of `run`."""
    taken: list[StackRun] = []
    for one in reversed(list(waiting)):
        if cost <= 0:
            return taken
        # a lone network cannot be split: better too much than nothing
        most = (2.0 if len(one.active) == 1 else 1.25) * cost
        if one.cost_left <= most and all(map(is_portable, one.jobs)):
            waiting.remove(one)
            taken.append(one)
            cost -= one.cost_left
    for one in (*reversed(waiting), run):
        part = one.split(cost) if cost > 0 else None
        if part is not None:
            return [*taken, part]
    return taken


# -------------------------------------------------------------------- in the worker


def message_file(folder: Path, place: int) -> Path:
    """Return the file in which a worker finds its jobs, and leaves their results."""
    return folder / f"piece-{place}"


def train_piece(folder_name: str, place: int) -> None:
    """Train jobs in a worker.

    The file of the place holds a pair of job and outcome for each, and the settings;
    afterwards an outcome and the state of the network for each, the reports on stacks,
    and the number of lane-epochs.
    """
    folder = Path(folder_name)
    counters, file = _open_counters(folder), message_file(folder, place)
    pairs, settings = load(file.read_bytes(), folder)
    jobs, outcomes = [job for job, _ in pairs], [outcome for _, outcome in pairs]
    stacks: list[StackReport] = []

    def count(n_epochs: int) -> None:
        counters[place] += n_epochs
        if counters[_STOP] or counters[_MOST_PIECES + place]:
            raise KeyboardInterrupt

    _apply(settings)
    with suppress(KeyboardInterrupt):  # the epochs so far go back
        train(jobs, outcomes=outcomes, stacks=stacks, n_threads=1, progress=count)
    results = [
        (outcome, _state_of(job)) for job, outcome in zip(jobs, outcomes, strict=True)
    ]
    file.write_bytes(dump((results, stacks, int(counters[place]))))


def _settings() -> tuple[str, bool]:
    """Return what decides, in a whole process, how torch computes."""
    return torch.get_float32_matmul_precision(), bool(torch.backends.mkldnn.enabled)


def _apply(settings: tuple[str, bool]) -> None:
    precision, uses_mkldnn = settings
    torch.set_float32_matmul_precision(precision)
    torch.backends.mkldnn.set_flags(uses_mkldnn)


def _open_counters(folder: Path, *, create: bool = False) -> np.memmap:
    """Map the file in which workers count their epochs."""
    file = folder / "counters"
    if create:
        # written, because touching a mapped page ends the process if the disk is full
        file.write_bytes(bytes(8 * 2 * _MOST_PIECES))
    return np.memmap(file, np.int64, "r+", shape=2 * _MOST_PIECES)


def _state_of(job: FitJob) -> tuple[list, ...]:
    """Return parameters, the optimizer's state of each, buffers, and noise."""
    parameters = list(job.module.parameters())
    states = [job.optimizer.state.get(parameter) for parameter in parameters]
    noise = [module.noise for module in noisy_modules_of(job.module)]
    values = [parameter.data for parameter in parameters]
    return values, states, list(job.module.buffers()), noise


def _set_state(job: FitJob, state: tuple[list, ...]) -> None:
    module = job.module.train()
    values, states, buffers, noise = state
    for parameter, data, known in zip(module.parameters(), values, states, strict=True):
        parameter.data = data
        if known is not None:
            job.optimizer.state[parameter] = known
    for buffer, data in zip(module.buffers(), buffers, strict=True):
        buffer.copy_(data)
    for noisy, of_rows in zip(noisy_modules_of(module), noise, strict=True):
        noisy.noise = of_rows

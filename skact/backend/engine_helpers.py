"""Sharing a wave with worker processes: who trains what, and what comes back.

The process of the search trains, too. It hands stacks that wait, or lanes of the stack
in training, to workers that have nothing to do. A lane is handed over between two
epochs, with all that decides how it goes on, so that the result does not depend on who
trains which epoch.
"""

import pickle
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from skact.backend.engine_worker import (
    MOST_PIECES,
    STOP,
    message_file,
    open_counters,
    settings_of_process,
    train_piece,
)
from skact.backend.shared_arrays import SharedArrays, load
from skact.backend.worker_pool import WorkerPool, pool
from skact.engine.batches import Tables
from skact.engine.jobs import FitJob, Outcome, Progress, StackReport, Training
from skact.engine.stack_run import StackRun, is_portable
from skact.engine.train import Keeper, Supply, is_large, train
from skact.resuming.fit_state import set_network

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
# a worker that ends with a large network finds the next one, without waiting for a look
_PIECES_OF_WORKER = 2


class TrainWithWorkers:
    """`engine.train.train`, with the help of worker processes; one for each session.

    A large network trains alone. So a worker that has nothing to do may begin with it
    while other tasks still come to their fits.
    """

    def __init__(self) -> None:
        self._ahead: WorkerHelpers | None = None

    def begin(
        self, job: FitJob, outcome: Outcome, n_processes: int, **options: Any
    ) -> None:
        """Give a large network of the next wave to a worker, if one waits.

        `n_processes` counts this process; the options are those of a wave.
        """
        if n_processes == 1 or not is_large(job.module):
            return
        if self._ahead is None:
            self._ahead = WorkerHelpers(n_processes - 1)
            self._ahead.take_options(options)
        self._ahead.begin(job, outcome)

    def __call__(
        self,
        jobs: Sequence[FitJob],
        *,
        outcomes: Sequence[Outcome],
        n_processes: int = 1,
        **options: Any,
    ) -> Training:
        """Train all jobs as `engine.train.train`, those that have begun, too.

        Parameters
        ----------
        jobs : sequence of FitJob
        outcomes : sequence of Outcome
            One for each job.
        n_processes : int, default=1
            Most processes that train, this one included.
        **options
            As of `engine.train.train`.

        Returns
        -------
        Training
        """
        helpers = self._take_ahead(outcomes)
        if helpers is None:
            if n_processes == 1 or len(jobs) == 1:
                return train(jobs, outcomes=outcomes, **options)
            helpers = WorkerHelpers(n_processes - 1)
        helpers.stacks = options.pop("stacks", helpers.stacks)
        helpers.take_options(options)
        pairs = zip(jobs, outcomes, strict=True)
        left = [pair for pair in pairs if id(pair[1]) not in helpers.shared]
        options |= {"outcomes": [outcome for _, outcome in left], "helpers": helpers}
        try:
            train([job for job, _ in left], stacks=helpers.stacks, **options)
        finally:
            helpers.close()
        n_elsewhere, n_lost = len(helpers.shared), helpers.n_lost
        return Training(list(outcomes), helpers.stacks, n_elsewhere, n_lost)

    def _take_ahead(self, outcomes: Sequence[Outcome]) -> "WorkerHelpers | None":
        """Return who has begun with some of these fits; a lone fit may be of nobody."""
        ahead = self._ahead
        if ahead is None or ahead.shared.isdisjoint(map(id, outcomes)):
            return None
        self._ahead = None
        return ahead

    def forget(self, outcome: Outcome) -> None:
        """Leave the network of a fit that was given up as it is."""
        if self._ahead is not None:
            self._ahead.forget(outcome)

    def close(self) -> None:
        """Stop what has begun for a wave that does not come."""
        if self._ahead is not None:
            self._ahead.close()
            self._ahead = None


@dataclass(eq=False)
class _Piece:
    """Stacks that a worker trains."""

    runs: list[StackRun]
    place: int  # where the worker counts its epochs
    counted: int = 0  # lane-epochs that the progress bar knows
    is_recalled: bool = False
    is_forgotten: bool = False  # nobody wants the results any more

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

    Attributes
    ----------
    stacks : list of StackReport
        The reports on stacks that workers have trained.
    progress : callable or None
        Called with the lane-epochs since its last call.
    supply : Supply or None
        Has more fits to train.
    keeper : Keeper or None
        Keeps where fits stand, in the workers, too.
    tables : Tables or None
        May know the arrays of the jobs.
    """

    progress: Progress | None
    supply: Supply | None
    keeper: Keeper | None
    tables: Tables | None

    def __init__(self, n_workers: int) -> None:
        self.n_workers = n_workers
        self.stacks: list[StackReport] = []
        self.take_options({})
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

    def take_options(self, options: Mapping[str, Any]) -> None:
        """Take from the options of `engine.train.train` what workers need, too."""
        self.progress, self.supply = options.get("progress"), options.get("supply")
        self.keeper, self.tables = options.get("keeper"), options.get("tables")

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
        here = run.cost_left + sum(one.cost_left for one in waiting)
        n_to_come = 0 if self.supply is None else self.supply.n_to_come
        left = pace * here * (1 + n_to_come / (1 + len(waiting)))
        if left < SECONDS_WORTH_A_MESSAGE:
            return
        n_ready = min(self._pool.n_ready, self.n_workers)
        is_small = self._pool.n_workers < self.n_workers and not self._pieces
        if is_small and left + self._pool.seconds_without > SECONDS_WORTH_A_START:
            self._start_workers()
            return
        self._line_up(waiting, n_ready)
        n_idle = n_ready - len(self._pieces)
        if n_idle <= 0:
            return
        cost = here / (n_idle + 1) * _CAUTION
        for _ in range(n_idle):
            runs = _take(cost, waiting, run)
            if not runs:
                return
            self._send(runs)
            if self._is_refused:
                break
        waiting.extend(self._returned)
        self._returned.clear()

    def _line_up(self, waiting: deque[StackRun], n_ready: int) -> None:
        """Give large networks to workers, one by one, while there are enough of them.

        So a worker need not wait, and the tasks of the networks go on one by one.
        """
        while len(waiting) > n_ready and not self._is_refused:
            run = waiting[-1]
            has_room = len(self._pieces) < _PIECES_OF_WORKER * n_ready
            if not (has_room and is_large(run.jobs[0].module)):
                return
            if not all(map(is_portable, run.jobs)):
                return
            self._send([waiting.pop()])

    def begin(self, job: FitJob, outcome: Outcome) -> None:
        """Give a job to a worker that waits, before the others are known."""
        run = StackRun([job], [outcome], Tables(), 1)
        seconds = (self._pool.pace or 0.0) * run.cost_left
        is_worth_it = seconds > SECONDS_WORTH_A_MESSAGE and is_portable(job)
        n_ready = min(self._pool.n_ready, self.n_workers)
        has_room = len(self._pieces) < _PIECES_OF_WORKER * n_ready
        if is_worth_it and has_room and not self._is_refused:
            self._send([run])
            self._returned.clear()  # refused: the wave has it, like all others

    def forget(self, outcome: Outcome) -> None:
        """Have a worker end with a fit that it began alone, and take nothing of it."""
        for piece in self._pieces.values():
            if any(outcome is one for run in piece.runs for one in run.outcomes):
                piece.is_forgotten = True
                self._counters[MOST_PIECES + piece.place] = 1
                self.shared.discard(id(outcome))

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
        place = 1 + self._n_pieces % (MOST_PIECES - 1)
        self._n_pieces += 1
        pairs = [
            (run.jobs[i], replace(run.outcomes[i], weights=[]))
            for run in runs
            for i in run.active
        ]
        try:
            if self._files is None:
                self._files = SharedArrays(self.tables)
                self._counters = open_counters(self._files.folder, create=True)
            self._counters[place] = self._counters[MOST_PIECES + place] = 0
            message = self._files.dump((pairs, settings_of_process(), self.keeper))
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
            self._counters[MOST_PIECES + piece.place] = 1

    def _receive(self) -> None:
        """Take what workers have finished, and tell the progress bar."""
        for future, piece in list(self._pieces.items()):
            if not future.done():
                if not piece.is_forgotten:
                    self._count(piece, int(self._counters[piece.place]))
                continue
            del self._pieces[future]
            if piece.is_forgotten:
                continue
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
            own = run.outcomes[i]
            own.is_torn = True  # until the outcome is that of the network, see below
            set_network(run.jobs[i], state)
            outcome.weights = [*own.weights, *outcome.weights]
            vars(own).update(vars(outcome))

    def close(self) -> None:
        """Stop workers that still train, keep what they did, and remove the files."""
        if self._pool.n_workers < self.n_workers:
            own = 0.0 if self._known is None else self._known.seconds
            self._pool.seconds_without += self._seconds + own
        try:
            if self._pieces:
                self._counters[STOP] = 1
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

"""Training in which no fit is trained twice: a layer around the engine."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from skact.engine.jobs import FitJob, Outcome, Progress, Training
from skact.engine.train import Supply
from skact.resuming.checkpoint_folder import CheckpointFolder
from skact.resuming.fit_name import FitNames, reason_without_name
from skact.resuming.fit_state import FitState
from skact.resuming.kept_fits import KeptFits

Pair = tuple[FitJob, Outcome]


class TrainOnce:
    """Lets each fit go on from where a fit of its name stood, and keeps where it ends.

    Parameters
    ----------
    train : callable
        `engine.train.train`, or a `TrainWithWorkers` around it.
    kept : KeptFits
        Fits that were trained before.
    folder : CheckpointFolder or None, default=None
        Keeps them for other processes, too.
    """

    def __init__(
        self,
        train: Callable[..., Training],
        kept: KeptFits,
        folder: CheckpointFolder | None = None,
    ) -> None:
        self.train, self.kept, self.folder = train, kept, folder
        self._names = FitNames()
        self._lock = threading.Lock()  # fits of several threads are named here

    def __reduce__(self) -> tuple:  # to a worker process
        return type(self), (self.train, self.kept, self.folder)

    def __call__(
        self,
        jobs: Sequence[FitJob],
        *,
        outcomes: Sequence[Outcome],
        supply: Supply | None = None,
        progress: Progress | None = None,
        **options: Any,
    ) -> Training:
        """Train jobs as `engine.train.train`, from where they stood.

        Returns
        -------
        Training
        """
        fits = _OpenFits(self, progress)
        todo = fits.open(list(zip(jobs, outcomes, strict=True)))
        if supply is not None:
            options["supply"] = _Resuming(supply, fits)
        if self.folder is not None:
            options["keeper"] = self.folder
        try:
            training = self.train(
                [job for job, _ in todo],
                outcomes=[outcome for _, outcome in todo],
                progress=progress,
                tables=self._names.tables,
                **options,
            )
        finally:  # also after Ctrl-C: what is under way goes on the next time
            fits.keep(also_parts=True)
            self._names = FitNames()
        return replace(training, outcomes=list(outcomes))

    def begin(self, job: FitJob, outcome: Outcome, n_processes: int) -> None:
        """Let a worker begin with a large network: see `TrainWithWorkers.begin`."""
        self.resume(job, outcome)
        if not outcome.is_over:
            begin = self.train.begin  # type: ignore[attr-defined]
            options = {"keeper": self.folder, "tables": self._names.tables}
            begin(job, outcome, n_processes, **options)

    def forget(self, outcome: Outcome) -> None:
        """See `TrainWithWorkers.forget`."""
        self.train.forget(outcome)  # type: ignore[attr-defined]

    def close(self) -> None:
        """See `TrainWithWorkers.close`."""
        self.train.close()  # type: ignore[attr-defined]

    def resume(self, job: FitJob, outcome: Outcome) -> None:
        """Give a fit its name, and the state of the last fit of this name."""
        if outcome.name is not None or outcome.why_unnamed is not None:
            return
        outcome.why_unnamed = reason_without_name(job)
        if outcome.why_unnamed is not None:
            return
        with self._lock:
            name = outcome.name = self._names.name_of(job)
        state = self.kept.find(name, job.n_epochs)
        # a folder is asked only for what may be better
        if self.folder is not None and not (state and _is_enough(state, job)):
            on_disk = self.folder.find(name, job)
            if on_disk and (state is None or on_disk.n_epochs > state.n_epochs):
                state = on_disk
                self.kept.keep(name, state)
        if state is not None:
            state.put_into(job, outcome)

    def keep(self, job: FitJob, outcome: Outcome) -> None:
        """Keep where a fit stands."""
        is_new = len(outcome.records) > outcome.restored_epochs
        if outcome.name is None or outcome.error is not None or not is_new:
            return
        if outcome.is_torn or not FitState.is_whole(job, outcome):
            return
        self.kept.keep(outcome.name, FitState.of(job, outcome))
        if self.folder is not None:  # a worker may have died before it wrote
            self.folder.write(job, outcome, is_part=not outcome.is_over)


def _is_enough(state: FitState, job: FitJob) -> bool:
    return state.is_over or state.n_epochs >= job.n_epochs


class _OpenFits:
    """The fits of one call that are not kept yet."""

    def __init__(self, owner: TrainOnce, progress: Progress | None) -> None:
        self._owner, self._progress = owner, progress
        self._pairs: list[Pair] = []

    def open(self, pairs: Sequence[Pair]) -> list[Pair]:
        """Let fits go on from where they stood; return those that need training."""
        for job, outcome in pairs:
            self._owner.resume(job, outcome)
            if self._progress is not None and outcome.restored_epochs:
                self._progress(
                    job.n_epochs if outcome.is_over else outcome.restored_epochs
                )
        todo = [pair for pair in pairs if not pair[1].is_over]
        self._pairs += todo
        return todo

    def keep(self, *, also_parts: bool = False) -> None:
        """Keep the fits that are over; at the end also those that are not."""
        for pair in self._pairs:
            if also_parts or pair[1].is_over:
                self._owner.keep(*pair)
        self._pairs = [pair for pair in self._pairs if not pair[1].is_over]


class _Resuming:
    """A supply whose fits go on from where they stood."""

    def __init__(self, supply: Supply, fits: _OpenFits) -> None:
        self._supply, self._fits = supply, fits

    @property
    def n_to_come(self) -> int:
        return self._supply.n_to_come

    def more(self) -> Sequence[Pair]:
        """Return the fits that have come and need training."""
        self._fits.keep()
        while pairs := self._supply.more():
            todo = self._fits.open(pairs)
            if todo:
                return todo
        return []

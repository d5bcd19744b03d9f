"""A folder of checkpoints: fits that go on in another process, or after a crash."""

import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

from skact.engine.jobs import FitJob, Outcome, StackReport
from skact.engine.stack_run import StackRun, traits_of_stack
from skact.resuming.checkpoint_files import (
    CheckpointFile,
    files_of,
    note_use,
    path_of,
    replace_file,
    set_aside,
)
from skact.resuming.fit_state import FitState
from skact.resuming.state_bytes import read_state, write_state


class CheckpointFolder:
    """Writes where fits stand, and finds them again.

    Several processes may use one folder. A fit that ended keeps its file; a fit under
    way has one that its next state replaces.

    Parameters
    ----------
    path : Path
    seconds : float
        From one writing of fits under way to the next.
    """

    def __init__(self, path: Path, seconds: float) -> None:
        self.path, self.seconds = path, seconds
        self._last = time.monotonic()
        self._is_broken = False  # nothing can be written

    def __reduce__(self) -> tuple:  # to worker processes, each with its own clock
        return type(self), (self.path, self.seconds)

    # ------------------------------------------------------------------ reading

    def find(self, name: str, job: FitJob) -> FitState | None:
        """Return where a fit stood last, with no more epochs than it is to train."""
        files = [
            one for one in files_of(self.path, name) if one.n_epochs <= job.n_epochs
        ]
        for file in sorted(files, key=lambda one: one.n_epochs, reverse=True):
            state = self._read(file, job)
            if state is not None:
                return state
        return None

    def _read(self, file: CheckpointFile, job: FitJob) -> FitState | None:
        try:
            state = read_state(file.path.read_bytes(), file.name)
            if state.n_epochs != file.n_epochs or not state.suits(job):
                raise ValueError("it is of another fit")
        except FileNotFoundError:  # another process has replaced it
            return None
        except OSError as error:  # it may be whole: leave it where it is
            warnings.warn(
                f"The checkpoint {str(file.path)!r} cannot be read ({error}). Its fit "
                f"is trained again.",
                stacklevel=2,
            )
            return None
        except ValueError as error:
            set_aside(file.path)
            warnings.warn(
                f"The checkpoint {str(file.path)!r} is damaged ({error}). It is left "
                f"aside, and its fit is trained again.",
                stacklevel=2,
            )
            return None
        note_use(file.path)
        return state

    # ------------------------------------------------------------------ writing

    def note(self, run: StackRun) -> None:
        """Write where the fits of a stack stand: at its end, and now and then."""
        if run.active:
            if time.monotonic() - self._last < self.seconds:
                return
            run.release_stack()  # the networks get their own storage, and a new stack
        for i, (job, outcome) in enumerate(zip(run.jobs, run.outcomes, strict=True)):
            if i not in run.given:
                self.write(job, outcome, is_part=i in run.active)
        self._last = time.monotonic()

    def write(self, job: FitJob, outcome: Outcome, *, is_part: bool) -> None:
        """Write where a fit stands, unless its file is there."""
        name, n_epochs = outcome.name, len(outcome.records)
        if self._is_broken or name is None or outcome.error is not None:
            return
        if n_epochs == 0 or not FitState.is_whole(job, outcome):
            return
        files = files_of(self.path, name)
        # another process, or the same fit in this search, may have come further
        is_known = any(
            (file.n_epochs == n_epochs and not file.is_part)
            or (is_part and file.n_epochs >= n_epochs)
            for file in files
        )
        if not is_known and not self._write(job, outcome, is_part=is_part):
            return
        for file in files:
            if file.is_part and file.n_epochs < n_epochs + (not is_part):
                with suppress(OSError):  # Windows keeps a file that somebody reads
                    file.path.unlink()

    def _write(self, job: FitJob, outcome: Outcome, *, is_part: bool) -> bool:
        """Write a file; return whether that was possible."""
        state = FitState.of(job, outcome, copy=False)
        assert outcome.name is not None
        path = path_of(self.path, outcome.name, state.n_epochs, is_part=is_part)
        try:
            about = {"fit": outcome.name, **_about(job, state)}
            replace_file(path, write_state(state, about))
        except OSError as error:
            self._is_broken = True
            warnings.warn(
                f"Checkpoints cannot be written to {str(self.path)!r} any more "
                f"({error}). The search goes on without; what is there is kept.",
                stacklevel=2,
            )
            return False
        return True


def _about(job: FitJob, state: FitState) -> dict[str, Any]:
    """Return what a list of checkpoints says of a fit."""
    return {
        "written": time.time(),
        "network": StackReport(1, 0.0, traits_of_stack(job)).description,
        "max_epochs": job.n_epochs,
        "train_loss": state.records[-1].train_loss,
        "seconds": sum(record.seconds for record in state.records),
    }

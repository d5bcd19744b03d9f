"""What a session did, in plain values: reports can be added and pickled."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from skact.engine.jobs import StackReport

# a larger share of the waves' time, spent outside stacks, gets a line of its own
_SHARE_TO_REPORT = 0.1


@dataclass(frozen=True)
class Report:
    """What was fused, what was not and why, and how long training took.

    Times are of training alone, without scikit-learn's own work. Reports can be added:
    a session adds one for each wave, and the reports of its worker processes.
    """

    stacks: tuple[StackReport, ...] = ()
    fit_seconds: tuple[float, ...] = ()  # each fused fit's share of its stack's time
    waves: int = 0  # trainings of all fits that waited
    early_waves: int = 0  # waves that came before all tasks had started: full memory
    seconds: float = 0.0  # of all waves, also of all workers
    alone_seconds: tuple[float, ...] = ()  # of fits outside any Parallel, as a refit
    not_fused: Mapping[str, int] = field(default_factory=Counter)  # reason -> fits
    failed: Mapping[str, int] = field(default_factory=Counter)  # error -> fits
    tasks: int = 0  # tasks of joblib that ended
    tasks_without_fit: int = 0  # tasks in which no net of skact was fitted
    pieces: int = 0  # batches of tasks that went to workers

    @property
    def n_fused(self) -> int:
        """Number of fits that were trained in waves."""
        return len(self.fit_seconds)

    @property
    def lanes(self) -> tuple[int, ...]:
        """Number of networks in each stack."""
        return tuple(stack.lanes for stack in self.stacks)

    def __add__(self, other: "Report") -> "Report":
        sums: dict[str, Any] = {
            f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)
        }
        return Report(**sums)

    def __str__(self) -> str:
        return "\n".join(self._summary_lines()) or "Nothing was trained."

    # a notebook shows the repr, and the fields of hundreds of fits would be too long
    __repr__ = __str__

    def _summary_lines(self) -> list[str]:
        lines = []
        if self.waves:
            share = self.seconds / max(self.n_fused, 1)
            fits, stacks = _counted(self.n_fused, "fit"), len(self.stacks)
            lines.append(
                f"{fits} fused into {_counted(stacks, 'stack')} in "
                f"{_counted(self.waves, 'wave')}: {self.seconds:.3g} s of training, "
                f"{share:.3g} s a fit"
            )
        lines += self._stack_lines()
        if self.early_waves:
            lines.append(
                f"{_counted(self.early_waves, 'wave')} early, because memory was full"
            )
        if self.alone_seconds:
            lines.append(
                f"{_counted(len(self.alone_seconds), 'fit')} alone, such as a refit: "
                f"{sum(self.alone_seconds):.3g} s"
            )
        lines += [
            f"{_counted(n, 'fit')} not fused: {' '.join(reason.split())}"
            for reason, n in self.not_fused.items()
        ]
        lines += [f"{_counted(n, 'fit')} failed: {e}" for e, n in self.failed.items()]
        if self.tasks_without_fit == self.tasks > 0:
            lines.append(
                f"{_counted(self.tasks, 'task')}, none with a network of skact"
            )
        if self.pieces:
            lines.append(f"{_counted(self.pieces, 'batch', 'es')} of tasks for workers")
        return lines

    def _stack_lines(self) -> list[str]:
        """Describe all stacks, equal ones in one line."""
        seconds_of: dict[tuple[int, str], list[float]] = {}
        for stack in self.stacks:
            key = stack.lanes, stack.description
            seconds_of.setdefault(key, []).append(stack.seconds)
        lines = []
        for (lanes, description), seconds in seconds_of.items():
            repeats = f"{len(seconds)} x " if len(seconds) > 1 else ""
            networks = _counted(lanes, "network")
            lines.append(f"  {repeats}{networks}, {sum(seconds):.3g} s: {description}")
        rest = self.seconds - sum(stack.seconds for stack in self.stacks)
        if rest > _SHARE_TO_REPORT * self.seconds:
            lines.append(f"  {rest:.3g} s: callbacks between epochs, and preparations")
        return lines


def _counted(n: int, noun: str, plural: str = "s") -> str:
    return f"{n} {noun}{'' if n == 1 else plural}"

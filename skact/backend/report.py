"""What a session did, in plain values that can be added up and sent home by pickle."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from skact.engine.jobs import StackReport

# the share of the time of waves that is told if it was not spent in stacks
_MUCH = 0.1


@dataclass(frozen=True)
class Report:
    """What was fused, what was not and why, and how long it took.

    Times are of training alone, without scikit-learn's own work. Reports can be added:
    a session adds one for each wave, and those of its worker processes.
    """

    stacks: tuple[StackReport, ...] = ()
    fit_seconds: tuple[float, ...] = ()  # each fused fit's share of its stack's time
    waves: int = 0  # how often all fits that waited were trained together
    early_waves: int = 0  # of these, how many because `memory` was full
    seconds: float = 0.0  # training in waves, workers added up
    alone_seconds: tuple[float, ...] = ()  # fits outside any Parallel, such as a refit
    not_fused: Mapping[str, int] = field(default_factory=Counter)  # reason -> fits
    failed: Mapping[str, int] = field(default_factory=Counter)  # error -> fits
    tasks: int = 0  # of joblib, that ended
    tasks_without_fit: int = 0  # of these, in how many no network of skact was fitted
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
        return "\n".join(self._lines()) or "Nothing was trained."

    # a notebook shows the repr: the fields of hundreds of fits would help nobody
    __repr__ = __str__

    def _lines(self) -> list[str]:
        lines = []
        if self.waves:
            share = self.seconds / max(self.n_fused, 1)
            lines.append(
                f"{_count(self.n_fused, 'fit')} fused into "
                f"{_count(len(self.stacks), 'stack')} in {_count(self.waves, 'wave')}: "
                f"{self.seconds:.3g} s of training, {share:.3g} s a fit"
            )
        lines += self._lines_of_stacks()
        if self.early_waves:
            lines.append(
                f"{_count(self.early_waves, 'wave')} early, because memory was full"
            )
        if self.alone_seconds:
            lines.append(
                f"{_count(len(self.alone_seconds), 'fit')} alone, such as a refit: "
                f"{sum(self.alone_seconds):.3g} s"
            )
        lines += [
            f"{_count(n, 'fit')} not fused: {' '.join(reason.split())}"
            for reason, n in self.not_fused.items()
        ]
        lines += [f"{_count(n, 'fit')} failed: {e}" for e, n in self.failed.items()]
        if self.tasks_without_fit == self.tasks > 0:
            lines.append(f"{_count(self.tasks, 'task')}, none with a network of skact")
        if self.pieces:
            lines.append(f"{_count(self.pieces, 'batch', 'es')} of tasks for workers")
        return lines

    def _lines_of_stacks(self) -> list[str]:
        alike: dict[tuple[int, str], list[float]] = {}
        for stack in self.stacks:
            key = stack.lanes, stack.description
            alike.setdefault(key, []).append(stack.seconds)
        lines = []
        for (lanes, description), seconds in alike.items():
            times = f"{len(seconds)} x " if len(seconds) > 1 else ""
            networks = _count(lanes, "network")
            lines.append(f"  {times}{networks}, {sum(seconds):.3g} s: {description}")
        rest = self.seconds - sum(stack.seconds for stack in self.stacks)
        if rest > _MUCH * self.seconds:
            lines.append(f"  {rest:.3g} s: callbacks between epochs, and preparations")
        return lines


def _count(n: int, noun: str, plural: str = "s") -> str:
    return f"{n} {noun}{'' if n == 1 else plural}"

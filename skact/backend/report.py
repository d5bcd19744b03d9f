"""What a session did, in plain values: reports can be added and pickled."""

import html
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from skact.engine.jobs import Outcome, StackReport

# a larger share of the waves' time, spent outside stacks, gets a line of its own
_SHARE_TO_REPORT = 0.1
_MOST_ROWS = 10  # of stacks that are not folded, in a notebook
_MOST_ERRORS = 5  # lines of errors before training
_MOST_VALUES = 4  # values of a trait by which stacks differ


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
    interrupted: tuple[int, ...] = ()  # epochs of each fit that Ctrl-C cut off
    alone_seconds: tuple[float, ...] = ()  # of fits that were trained by themselves
    alone: Mapping[str, int] = field(default_factory=Counter)  # reason -> these fits
    not_fused: Mapping[str, int] = field(default_factory=Counter)  # reason -> fits
    failed: Mapping[str, int] = field(default_factory=Counter)  # error -> fits
    failed_early: Mapping[str, int] = field(default_factory=Counter)  # before training
    tasks: int = 0  # tasks of joblib that ended
    tasks_without_fit: int = 0  # tasks in which no net of skact was fitted
    cancelled: int = 0  # tasks that had to end before they were done
    pieces: int = 0  # batches of tasks that went to workers
    on_workers: int = 0  # fits that worker processes have trained, at least in part
    restored: int = 0  # fits that had been trained before, and were only found again
    continued: int = 0  # fits that went on from where one of their name stood
    saved_epochs: int = 0  # of both, epochs that were not trained again
    unnamed: Mapping[str, int] = field(default_factory=Counter)  # reason -> fits
    folders: tuple[str, ...] = ()  # of checkpoints
    lost: int = 0  # fits that were trained again, because a worker process died

    @classmethod
    def of_outcomes(cls, outcomes: Sequence[Outcome]) -> "Report":
        """Count what was found again, and what could not be."""
        found = [one for one in outcomes if one.restored_epochs]
        restored = [one for one in found if one.is_restored]
        reasons = [one.why_unnamed for one in outcomes if one.why_unnamed is not None]
        return cls(
            restored=len(restored),
            continued=len(found) - len(restored),
            saved_epochs=sum(one.restored_epochs for one in found),
            unnamed=Counter(reasons),
        )

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

    def __repr__(self) -> str:
        """Return one line; ``print(report)`` says all."""
        first, *rest = self._summary_lines() or ["nothing was trained"]
        return f"<Report: {_one_line(first)}{'; print it for more' if rest else ''}>"

    def _repr_html_(self) -> str:
        """Return a heading, a table of the stacks, and a list of all else."""
        lines = [
            html.escape(line) for line in (self._headline(), *self._notes()) if line
        ]
        first, *notes = lines or [str(self)]
        parts = [f"<p><b>{first}</b></p>"]
        if self.stacks:
            parts.append(f"<p>{html.escape(self._say_what_fusing_saved())}</p>")
            parts.append(self._table_of_stacks())
        if notes:
            parts.append(f"<ul>{''.join(f'<li>{note}</li>' for note in notes)}</ul>")
        return f"<div>{''.join(parts)}</div>"

    def _table_of_stacks(self) -> str:
        """Return equal stacks as rows of HTML; the longest stand first, many fold."""
        stacks = sorted(self._equal_stacks(), key=lambda stack: -stack[2])
        rows = [
            f"<tr><td>{n}</td><td>{lanes}</td><td>{seconds:.3g}</td>"
            f'<td style="text-align: left">{html.escape(description)}</td></tr>'
            for n, lanes, seconds, description in stacks
        ]
        names = ("stacks", "networks in each", "seconds", "what they share")
        head = f"<tr>{''.join(f'<th>{name}</th>' for name in names)}</tr>"
        first, rest = rows[:_MOST_ROWS], rows[_MOST_ROWS:]
        table = f"<table>{head}{''.join(first)}</table>"
        if rest:
            more = f"<table>{head}{''.join(rest)}</table>"
            summary = f"{_counted(len(rest), 'more kind')} of stacks"
            table += f"<details><summary>{summary}</summary>{more}</details>"
        return table

    def _headline(self) -> str:
        """Say how many fits were fused; empty if there are none."""
        if not (self.stacks or self.fit_seconds):
            return ""
        fits, stacks = _counted(self.n_fused, "fit"), len(self.stacks)
        line = (
            f"{fits} fused into {_counted(stacks, 'stack')} in "
            f"{_counted(self.waves, 'wave')}: {self.seconds:.3g} s of training"
        )
        if not self.interrupted:  # they had their share, too
            line += f", {self.seconds / max(self.n_fused, 1):.3g} s a fit"
        return line

    def _summary_lines(self) -> list[str]:
        lines = [self._headline()] if self._headline() else []
        if self.stacks:
            lines += [f"  {self._say_what_fusing_saved()}", *self._stack_lines()]
        return lines + self._notes()

    def _notes(self) -> list[str]:
        """Say all but what was fused."""
        lines = [self._time_beside_stacks()] if self._time_beside_stacks() else []
        lines += self._lines_of_restored()
        if self.on_workers:
            lines.append(
                f"{_counted(self.on_workers, 'fit')} trained by worker processes, "
                f"at least in part"
            )
        if self.lost:
            lines.append(
                f"{_counted(self.lost, 'fit')} trained again, because a worker "
                f"process died"
            )
        if self.early_waves:
            lines.append(
                f"{_counted(self.early_waves, 'wave')} early, because memory was full"
            )
        if self.alone_seconds:
            reasons = [f"{n} {reason}" for reason, n in self.alone.items()]
            lines.append(
                f"{_counted(len(self.alone_seconds), 'fit')} alone: "
                f"{sum(self.alone_seconds):.3g} s ({'; '.join(reasons)})"
            )
        lines += [
            f"{_counted(n, 'fit')} not fused: {_one_line(reason)}"
            for reason, n in self.not_fused.items()
        ]
        lines += self._lines_of_ends()
        if self.pieces:
            lines.append(f"{_counted(self.pieces, 'batch', 'es')} of tasks for workers")
        return lines

    def _lines_of_restored(self) -> list[str]:
        """Say what was not trained again."""
        parts = [
            f"{_counted(n, 'fit')} {what}"
            for n, what in (
                (self.restored, "restored"),
                (self.continued, "continued from where the same fit stood"),
            )
            if n
        ]
        if not parts and not self.folders:
            return []
        epochs = _counted(self.saved_epochs, "epoch")
        lines = [f"{', '.join(parts)}: {epochs} not trained again"] if parts else []
        lines += [f"checkpoints in {folder!r}" for folder in self.folders]
        return lines + [
            f"  {_counted(n, 'fit')} could not be found again, because {reason}"
            for reason, n in self.unnamed.items()
        ]

    def _lines_of_ends(self) -> list[str]:
        """Say what failed, what was interrupted, and what had no network."""
        lines = [f"{_counted(n, 'fit')} failed: {e}" for e, n in self.failed.items()]
        early = list(self.failed_early.items())
        lines += [
            f"{_counted(n, 'fit')} failed before training: {_one_line(error)}"
            for error, n in early[:_MOST_ERRORS]
        ]
        rest = sum(n for _, n in early[_MOST_ERRORS:])
        if rest:
            lines.append(f"{_counted(rest, 'more fit')} failed before training")
        if self.interrupted:
            few, many = min(self.interrupted), max(self.interrupted)
            epochs = (
                f"{few} to {many} epochs" if few < many else _counted(many, "epoch")
            )
            lines.append(
                f"{_counted(len(self.interrupted), 'fit')} interrupted after {epochs}"
            )
        if self.cancelled:
            lines.append(f"{_counted(self.cancelled, 'task')} cancelled")
        if self.tasks_without_fit == self.tasks > 0:
            lines.append(
                f"{_counted(self.tasks, 'task')}, none with a network of skact"
            )
        return lines

    def _say_what_fusing_saved(self) -> str:
        """Say how many networks shared their steps, and why no more of them.

        How long they would have taken one by one is not known.
        """
        mean = sum(self.lanes) / len(self.stacks)
        if max(self.lanes) == 1:
            saved = "fusing saved nothing: each network has a stack of its own"
        else:
            saved = f"{mean:.3g} networks take each step together"
        if len(self.stacks) == 1:
            return saved
        if min(self.lanes) < max(self.lanes):
            saved = f"on average {saved}"
        kinds = dict.fromkeys(tuple(stack.traits.items()) for stack in self.stacks)
        causes = []
        if len(kinds) > 1:
            causes.append(_describe_differences(list(map(dict, kinds))))
        if len(self.stacks) > len(kinds):
            if self.waves > 1:
                causes.append(f"there were {self.waves} waves")
            are_more = len(self.stacks) > len(kinds) * self.waves
            if max(self.lanes) == 1 and are_more:
                causes.append("large networks, and what workers take, train one by one")
            elif self.on_workers:
                causes.append("parts of stacks went to worker processes")
            elif are_more:
                causes.append("a stack takes only so many networks")
        stacks = _counted(len(self.stacks), "stack")
        return f"{saved}; {stacks}, because {' and '.join(causes)}"

    def _equal_stacks(self) -> list[tuple[int, int, float, str]]:
        """Count equal stacks: how many, networks in each, seconds, description."""
        seconds_of: dict[tuple[int, str], list[float]] = {}
        for stack in self.stacks:
            key = stack.lanes, stack.description
            seconds_of.setdefault(key, []).append(stack.seconds)
        return [
            (len(seconds), lanes, sum(seconds), description)
            for (lanes, description), seconds in seconds_of.items()
        ]

    def _stack_lines(self) -> list[str]:
        """Describe all stacks, equal ones in one line."""
        return [
            f"  {f'{n} x ' if n > 1 else ''}{_counted(lanes, 'network')}, "
            f"{seconds:.3g} s: {description}"
            for n, lanes, seconds, description in self._equal_stacks()
        ]

    def _time_beside_stacks(self) -> str:
        """Say how long callbacks and preparations took, if that was long."""
        rest = self.seconds - sum(stack.seconds for stack in self.stacks)
        if not self.stacks or rest <= _SHARE_TO_REPORT * self.seconds:
            return ""
        return f"  {rest:.3g} s beside them: preparations, and callbacks, if any"


def _describe_differences(kinds: Sequence[Mapping[str, str]]) -> str:
    """Say which traits differ between kinds of stacks, such as "widths (8, 16)"."""
    differing = []
    for name in kinds[0]:
        values = list(dict.fromkeys(kind.get(name, "") or "none" for kind in kinds))
        if len(values) > 1:
            some = ", ".join(values[:_MOST_VALUES])
            more = ", ..." if len(values) > _MOST_VALUES else ""
            differing.append(f"{name} ({some}{more})")
    *first, last = differing
    return f"{', '.join(first)} and {last} differ" if first else f"{last} differ"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _counted(n: int, noun: str, plural: str = "s") -> str:
    return f"{n} {noun}{'' if n == 1 else plural}"

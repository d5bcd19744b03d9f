"""What every benchmark shares: clocks, tables, results on disk.

Imports neither torch nor numpy: `scaling.py` measures memory in child processes, and a
large parent would show there (Linux counts what a process was before `exec`).
"""

import argparse
import gc
import importlib.metadata
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("torch", "scikit-learn", "skorch", "joblib", "numpy", "pandas", "skact")


@dataclass
class Row:
    """One peer in one section."""

    peer: str
    seconds: list[float]  # raw repeats, in the order in which they were taken
    setting: str = ""  # such as "n_jobs=2", and what else was tried
    accuracy: float | None = None
    more: dict[str, Any] = field(default_factory=dict)  # the cold time, ...

    @property
    def median(self) -> float | None:
        return statistics.median(self.seconds) if self.seconds else None


@dataclass
class Section:
    """One table: peers that did the same work, side by side."""

    name: str
    title: str
    rows: list[Row] = field(default_factory=list)
    reference: str = ""  # the peer that the others are measured against
    accuracy_bound: float | None = None  # largest difference that may pass in silence
    notes: list[str] = field(default_factory=list)
    skipped: str = ""  # why there are no rows

    def row(self, peer: str) -> Row | None:
        return next((row for row in self.rows if row.peer == peer), None)

    def ratio(self, row: Row) -> float | None:
        """How many times the reference's median this row took."""
        reference = self.row(self.reference)
        if reference is None or not reference.median or row.median is None:
            return None
        return row.median / reference.median

    def disagreement(self) -> str:
        """Say so if accuracies differ by more than the bound: not the same work."""
        rows = [row for row in self.rows if row.accuracy is not None]
        known = {row.peer: row.accuracy for row in rows}
        if self.accuracy_bound is None or len(known) < 2:
            return ""
        low, high = min(known, key=known.__getitem__), max(known, key=known.__getitem__)
        gap = known[high] - known[low]
        if gap <= self.accuracy_bound:
            return ""
        return (
            f"ACCURACIES DISAGREE: {high} {known[high]:.4f}, {low} {known[low]:.4f}; "
            f"{gap:.4f} apart, more than {self.accuracy_bound}. Do not compare times."
        )


# ---------------------------------------------------------------------- clocks


def timed(work: Callable[[], Any]) -> float:
    """Return the seconds that work takes, the rubbish of earlier work swept away."""
    gc.collect()
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def alternate(
    clocks: dict[str, Callable[[], float]], repeats: int
) -> dict[str, list[float]]:
    """Read each clock in turn (A, B, C, A, B, C, ...): a slow minute hits them all."""
    seconds: dict[str, list[float]] = {name: [] for name in clocks}
    for _ in range(repeats):
        for name, clock in clocks.items():
            seconds[name].append(clock())
    return seconds


def fastest(clocks: dict[str, Callable[[], float]]) -> tuple[str, dict[str, float]]:
    """Read each clock once; return the name of the fastest, and all readings."""
    if len(clocks) == 1:
        return next(iter(clocks)), {}
    readings = {name: clock() for name, clock in clocks.items()}
    return min(readings, key=readings.__getitem__), readings


# ---------------------------------------------------------------------- the machine


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def machine() -> dict[str, Any]:
    torch = sys.modules.get("torch")  # not imported for this alone
    return {
        "cpu": _cpu_model(),
        "cores": cores(),
        "torch_threads": torch.get_num_threads() if torch else None,
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS"),
        "memory_gib": _memory_gib(),
        "system": platform.system(),
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.machine()


def _memory_gib() -> float | None:
    try:
        pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
    return round(pages * size / 2**30, 1)


def versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


# ---------------------------------------------------------------------- command line


def argument_parser(
    description: str, sections: Iterable[str]
) -> argparse.ArgumentParser:
    """Make a parser of the arguments that all benchmarks take."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="little work: does it run? Not a benchmark"
    )
    parser.add_argument("--repeats", type=int, help="timings of each peer")
    parser.add_argument(
        "--only", nargs="+", choices=list(sections), help="only these sections"
    )
    parser.add_argument(
        "--results", type=Path, default=RESULTS, help="folder for the JSON file"
    )
    return parser


# ---------------------------------------------------------------------- results


def show(section: Section) -> None:
    """Print one section as a table."""
    print(f"\n{section.title}")
    if section.skipped:
        print(f"  skipped: {section.skipped}")
        return
    lines = [["peer", "setting", "median s", "min..max", "ratio", "accuracy"]]
    lines += [_cells(section, row) for row in section.rows]
    _print_columns(lines)
    for note in [*section.notes, section.disagreement()]:
        if note:
            print(f"  {note}")
    sys.stdout.flush()


def _cells(section: Section, row: Row) -> list[str]:
    ratio = section.ratio(row)
    spread = f"{min(row.seconds):.3g}..{max(row.seconds):.3g}" if row.seconds else ""
    return [
        row.peer,
        row.setting,
        "" if row.median is None else f"{row.median:.4g}",
        spread,
        "" if ratio is None else f"{ratio:.2f}x",
        "" if row.accuracy is None else f"{row.accuracy:.4f}",
        *(f"{key} {_short(row.more[key])}" for key in row.more if key != "samples"),
    ]


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_short(item)}" for key, item in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _print_columns(lines: list[list[str]]) -> None:
    n_columns = len(lines[0])
    widths = [max(len(line[i]) for line in lines) for i in range(n_columns)]
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=False)]
        print("  " + "  ".join([*cells, *line[n_columns:]]).rstrip())


def as_dict(section: Section) -> dict[str, Any]:
    rows = [
        {**asdict(row), "median": row.median, "ratio": section.ratio(row)}
        for row in section.rows
    ]
    return {**asdict(section), "rows": rows, "disagreement": section.disagreement()}


def report(
    name: str,
    sections: Iterable[Section],
    args: argparse.Namespace,
    settings: Any = None,
) -> list[Section]:
    """Show and save each section as soon as it is measured."""
    done = []
    for section in sections:
        show(section)
        path = save(name, [section], args, settings)
        done.append(section)
    if done:
        print(f"\nwritten: {path}")
    return done


def save(
    name: str, sections: list[Section], args: argparse.Namespace, settings: Any = None
) -> Path:
    """Write what was measured; other sections in the file stay, with their date.

    A quick run never replaces a real one.
    """
    path = args.results / f"{name}{'.quick' if args.quick else ''}.json"
    now = datetime.now(UTC).isoformat(timespec="seconds")
    old = json.loads(path.read_text())["sections"] if path.exists() else []
    measured = {section["name"] for section in old if not section["skipped"]}
    new = {
        section.name: {"date": now, **as_dict(section)}
        for section in sections
        if not (section.skipped and section.name in measured)
    }
    content = {
        "benchmark": name,
        "quick": args.quick,
        "date": now,
        "machine": machine(),
        "versions": versions(),
        "settings": settings or {},
        "sections": [*(part for part in old if part["name"] not in new), *new.values()],
    }
    args.results.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, default=float) + "\n")
    return path

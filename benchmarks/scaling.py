"""What another candidate costs, and another row: seconds and memory.

    python benchmarks/scaling.py             # minutes; needs no data of yours
    python benchmarks/scaling.py --quick     # seconds, no benchmark

1 to 512 learning rates on digits (64-64-10, 3 folds), one fused search each: seconds a
candidate. 1,000 to 1,000,000 synthetic rows of 20 columns (20-64-2), one fit each:
seconds for a million rows and one epoch, and the accuracy on rows not seen. Each size
runs in a fresh process, which tells its peak memory; sizes alternate, so a slow minute
does not hit one alone.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from common import Row, Section, argument_parser, report

CHILD = Path(__file__).with_name("scaling_child.py")
SECTIONS = ("candidates", "rows")
CANDIDATES = tuple(2**power for power in range(10))
ROWS = (1_000, 10_000, 100_000, 1_000_000)
ROW_PEERS = ("ActMLP", "scikit-learn MLP")


def child(*arguments: Any) -> dict[str, float]:
    """Run one size in a fresh process."""
    command = [sys.executable, str(CHILD), *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def measured(
    sizes: dict[str, tuple], repeats: int, divisors: dict[str, float], unit: str
) -> list[Row]:
    """Run all sizes in turn; a row's seconds are divided, so that sizes compare."""
    runs: dict[str, list[dict]] = {name: [] for name in sizes}
    for _ in range(repeats):
        for name, arguments in sizes.items():
            runs[name].append(child(*arguments))
    rows = []
    for name, outcomes in runs.items():
        seconds = [outcome["seconds"] for outcome in outcomes]
        more = {
            "in all": median(seconds),
            "peak MiB": median(outcome["peak_mib"] for outcome in outcomes),
            "before MiB": median(outcome["before_mib"] for outcome in outcomes),
        }
        each = [value / divisors[name] for value in seconds]
        rows.append(Row(name, each, unit, outcomes[-1]["accuracy"], more))
    return rows


def candidates_section(sizes: tuple[int, ...], epochs: int, repeats: int) -> Section:
    names = {f"{size} candidates": size for size in sizes}
    work = {name: ("candidates", size, epochs) for name, size in names.items()}
    rows = measured(work, repeats, names, "s a candidate")
    title = f"candidates: digits, 64-64-10, 3 folds, {epochs} epochs, fused, float32"
    reference = "8 candidates" if "8 candidates" in names else rows[0].peer
    notes = [f"ratio: seconds a candidate, against {reference}"]
    return Section("candidates", title, rows, reference, notes=notes)


def rows_section(sizes: tuple[int, ...], epochs: int, repeats: int) -> Section:
    work, divisors = {}, {}
    for size in sizes:
        for peer in ROW_PEERS:
            name = f"{peer}, {size:,} rows"
            work[name] = ("rows", size, epochs, peer)
            divisors[name] = size * epochs / 1e6
    rows = measured(work, repeats, divisors, "s a million rows")
    title = f"rows: 20-64-2, batches of 128, {epochs} epochs, one fit, float32"
    return Section("rows", title, rows, f"ActMLP, {sizes[-1]:,} rows")


def sections(args) -> Iterator[Section]:
    repeats = args.repeats or (1 if args.quick else 3)
    makers = {
        "candidates": partial(candidates_section, CANDIDATES, 20),
        "rows": partial(rows_section, ROWS, 3),
    }
    if args.quick:
        makers = {
            "candidates": partial(candidates_section, (1, 4), 2),
            "rows": partial(rows_section, (1_000, 4_000), 1),
        }
    for name in args.only or SECTIONS:
        yield makers[name](repeats=repeats)


if __name__ == "__main__":
    arguments = argument_parser(__doc__, SECTIONS).parse_args()
    report("scaling", sections(arguments), arguments)

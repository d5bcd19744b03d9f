"""What it costs to keep fits, and what is won when a search goes on with them.

    python benchmarks/resume.py            # some minutes on 2 cores
    python benchmarks/resume.py --quick    # does it run? No benchmark

Checkpoints: whole `search.fit` without refit, fused, with a new folder of checkpoints
each time, beside the same without. Halving: 81 candidates over `max_epochs`, whose fits
go on from round to round, beside sessions that keep nothing. Rerun: a search that is
run again, from memory and from a folder. Scores are compared first.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from common import Row, Section, alternate, argument_parser, cores, report, timed
from peers import unconverged
from real_nets import CASES, data_of, warm_workers
from searches import scores
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV

import skact

NAMES = ["checkpoints", "halving", "rerun"]
WIDE_AND_NARROW = {"width 64": {"width": 64}, "256-256": {"hidden": (256, 256)}}
CHECKED = ("bare", "early stopping", "784-128-64-10")


class Folders:
    """Gives a new folder for each run, and removes all at the end."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="skact-benchmark-"))
        self.n = 0

    def new(self) -> Path:
        self.n += 1
        return self.root / str(self.n)

    def close(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)


def search_of(name: str, quick: bool, **params: Any) -> tuple[GridSearchCV, Any, Any]:
    (case,) = [case for case in CASES if case.name == name]
    net = skact.ActMLP(width=64, batch_size=32, max_epochs=20, random_state=0)
    net.set_params(**{**case.params, **params}, callbacks=case.callbacks())
    grid = {key: values[:2] if quick else values for key, values in case.grid.items()}
    if quick:
        net.set_params(max_epochs=2)
    return GridSearchCV(net, grid, cv=case.folds, refit=False), *data_of(case)


def fit(search: Any, X: Any, y: Any, keep: bool = True, **options: Any) -> Any:
    """Fit a search in a session, which keeps nothing if so wanted."""
    with skact.fused(**options) as session:
        if not keep:
            session.train.kept.limit = 0
        search.fit(X, y)
    return session


def clock(
    search: Any, X: Any, y: Any, kind: str, found: dict, options: Callable[[], dict]
) -> float:
    """Time a fused search; leave its scores and its session in `found`."""
    sessions = []
    seconds = timed(lambda: sessions.append(fit(search, X, y, **options())))
    found[kind] = scores(search), sessions[0]
    return seconds


def rows_of(
    search: Any, X: Any, y: Any, kinds: dict[str, Callable[[], dict]], repeats: int
) -> tuple[list[Row], dict]:
    found: dict[str, tuple] = {}
    clocks: dict[str, Callable[[], float]] = {
        kind: partial(clock, search, X, y, kind, found, options)
        for kind, options in kinds.items()
    }
    seconds = alternate(clocks, repeats)
    rows = [Row(k, seconds[k], accuracy=float(found[k][0].mean())) for k in kinds]
    return rows, found


def checkpoints(args: Any, folders: Folders) -> Iterator[Section]:
    kinds: dict[str, Callable[[], dict]] = {
        "nothing kept": lambda: {"keep": False},
        "in memory": dict,
        "in a folder": lambda: {"checkpoint": folders.new()},
        "each second": lambda: {"checkpoint": folders.new(), "checkpoint_seconds": 1},
    }
    for name in CHECKED:
        search, X, y = search_of(name, args.quick)
        fit(search, X, y)
        repeats = args.repeats or (1 if args.quick else 7)
        rows, _ = rows_of(search, X, y, kinds, repeats)
        size = sum(p.stat().st_size for p in folders.root.glob(f"{folders.n}/*/*"))
        notes = [f"a folder holds {size / 2**20:.1f} MB"]
        title = f"what it costs to keep fits: {name}"
        yield Section(f"checkpoints, {name}", title, rows, "nothing kept", 0.0, notes)


def halving(args: Any, folders: Folders) -> Iterator[Section]:
    for name, options in WIDE_AND_NARROW.items():
        yield halving_of(name, options, args)


def halving_of(name: str, options: dict[str, Any], args: Any) -> Section:
    _, X, y = search_of("bare", args.quick)
    n_lr, most = (4, 9) if args.quick else (27, 81)
    grid = {
        "activation": ["relu", "tanh", "sigmoid"],
        "lr": list(np.geomspace(1e-4, 0.1, n_lr)),
    }
    net = skact.ActMLP(batch_size=32, random_state=0, **options)
    search = HalvingGridSearchCV(
        net,
        grid,
        resource="max_epochs",
        min_resources=1,
        max_resources=most,
        factor=3,
        cv=5,
        refit=False,
        random_state=0,
    )
    kinds: dict[str, Callable[[], dict]] = {
        "goes on": dict,
        "begins anew": lambda: {"keep": False},
    }
    repeats = args.repeats or (1 if args.quick else 5)
    rows, found = rows_of(search, X, y, kinds, repeats)
    title = f"halving, {3 * n_lr} candidates, factor 3, up to {most} epochs, 5 folds, "
    title += name
    notes = str(found["goes on"][1].report).splitlines()
    return Section(f"halving, {name}", title, rows, "goes on", 0.0, notes)


def rerun(args: Any, folders: Folders) -> Iterator[Section]:
    cases = [("bare", 20), ("bare", 200), ("early stopping", 200)]
    for name, epochs in [*cases, ("784-128-64-10", 50)][: 2 if args.quick else None]:
        search, X, y = search_of(name, args.quick, max_epochs=epochs)
        folder = folders.new()
        kept = {"checkpoint": folder}
        first, _ = rows_of(search, X, y, {"first": partial(dict, kept)}, 1)
        repeats = args.repeats or (1 if args.quick else 3)
        again, _ = rows_of(
            search, X, y, {"from a folder": partial(dict, kept)}, repeats
        )
        with skact.fused():
            memory = [timed(partial(search.fit, X, y)) for _ in range(2)]
        rows = [*again, *first]
        rows += [Row("first, in memory", memory[:1]), Row("from memory", memory[1:])]
        title = f"a search that was finished, run again: {name}, {epochs} epochs"
        yield Section(f"rerun, {name}, {epochs}", title, rows, "from a folder", 0.0)


def sections(args: Any) -> Iterator[Section]:
    folders = Folders()
    parts = {"checkpoints": checkpoints, "halving": halving, "rerun": rerun}
    if cores() > 1 and not args.quick:
        warm_workers(cores() - 1)
    try:
        for name in args.only or NAMES:
            yield from parts[name](args, folders)
    finally:
        folders.close()


if __name__ == "__main__":
    parser = argument_parser(__doc__, NAMES)
    arguments = parser.parse_args()
    with unconverged():
        report("resume", sections(arguments), arguments)

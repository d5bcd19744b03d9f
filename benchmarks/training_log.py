"""What a TrainingLog costs, its scorer, which validates on the folds, and a monitor.

    SKACT_DATA=<folder> python benchmarks/training_log.py    # 6 minutes
    python benchmarks/training_log.py --quick                # seconds, no benchmark

Wall time of the whole `search.fit` of the grids of grid_search.py: without a log, with
one, with one whose scorer passes each fold through the weights of every epoch, and with
one and an ActivationMonitor on every net. The scores must be equal in all four.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from common import Row, Section, alternate, argument_parser, report
from grid_search import DIGITS12, MNIST, mnist_search, quick
from loaders import MissingData, digits, mnist
from searches import FUSED, Timed, pipeline_search, run, scores
from sklearn.model_selection import GridSearchCV

from skact import ActivationMonitor, TrainingLog, to_frame

SECTIONS = ("fused", "one_by_one", "mnist")
PLAIN, LOGGED, VALIDATED = "no log", "TrainingLog", "TrainingLog, log.scorer()"
MONITORED = "TrainingLog, ActivationMonitor"


def logged(
    build: Callable[[], GridSearchCV], validated: bool, monitored: bool = False
) -> GridSearchCV:
    """Set a log on the net of a search."""
    search, log = build(), TrainingLog()
    net = getattr(search.estimator, "steps", [("", search.estimator)])[-1][1]
    net.set_callbacks(log)
    if monitored:
        net.set_params(callbacks=[ActivationMonitor()])
    if validated:
        search.set_params(scoring=log.scorer())
    return search


def section(
    name: str,
    title: str,
    build: Callable[[], GridSearchCV],
    X: Any,
    y: Any,
    *,
    fused: bool,
    repeats: int,
) -> Section:
    builds = {
        PLAIN: build,
        LOGGED: partial(logged, build, False),
        VALIDATED: partial(logged, build, True),
        MONITORED: partial(logged, build, False, True),
    }
    last = {peer: Timed() for peer in builds}
    clocks = {
        peer: partial(run, builds[peer], X, y, fused, last[peer]) for peer in builds
    }
    for clock in clocks.values():  # warm
        clock()
    seconds = alternate(clocks, repeats)
    found = {peer: scores(timed.search) for peer, timed in last.items()}
    assert all((each == found[PLAIN]).all() for each in found.values())
    rows = [Row(peer, seconds[peer], "", found[peer].mean()) for peer in builds]
    result = Section(name, title, rows, PLAIN, accuracy_bound=0)
    epochs = len(to_frame(last[VALIDATED].search, level="epoch"))
    result.notes = [f"{epochs:,} rows; all scores equal"]
    return result


def sections(args: Any) -> Iterator[Section]:
    grid = quick(DIGITS12) if args.quick else DIGITS12
    repeats, only = args.repeats or (1 if args.quick else 9), args.only or SECTIONS
    data = digits(grid.task.dtype)
    build = partial(pipeline_search, FUSED, grid, None)
    for name, fused in (("fused", True), ("one_by_one", False)):
        if name in only:
            title = f"{name}: {grid}"
            yield section(name, title, build, *data, fused=fused, repeats=repeats)
    if "mnist" in only and not args.quick:
        task = replace(MNIST, epochs=4)
        title = f"mnist, 3 activations x 3 folds, fused: {task}"
        try:
            data = mnist("train", task.dtype)
        except MissingData as error:
            yield Section("mnist", title, skipped=str(error))
            return
        build = partial(mnist_search, task, None)
        yield section("mnist", title, build, *data, fused=True, repeats=3)


if __name__ == "__main__":
    arguments = argument_parser(__doc__, SECTIONS).parse_args()
    report("training_log", sections(arguments), arguments)

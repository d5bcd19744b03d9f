"""Grid searches of the same networks by each peer, and how to time them."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from common import cores, timed
from floor import Floor, fit_work
from joblib import parallel_config
from joblib.externals.loky import get_reusable_executor
from peers import PEERS, SKLEARN_ACTIVATIONS, Task
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

import skact

FUSED = "ActMLP, fused"
FLOOR = "GEMM floor"


@dataclass(frozen=True)
class Grid:
    """Candidates: every activation with every learning rate and hidden layer."""

    task: Task  # what all candidates share
    activations: tuple[str, ...]
    lrs: tuple[float, ...]
    widths: tuple[int, ...]
    folds: int = 5

    @property
    def candidates(self) -> int:
        return len(self.activations) * len(self.lrs) * len(self.widths)

    def __str__(self) -> str:
        task = self.task
        return (
            f"{self.candidates} candidates ({', '.join(self.activations)} x lr "
            f"{', '.join(map(str, self.lrs))} x width "
            f"{', '.join(map(str, self.widths))}) x {self.folds} folds, "
            f"{task.n_features}-width-{task.n_outputs}, {task.optimizer}, batches of "
            f"{task.batch_size}, {task.epochs} epochs, {task.dtype}"
        )

    def short(self, share: int | None = None) -> "Grid":
        """Return one that trains a share of the epochs; None: one, to warm up."""
        epochs = 1 if share is None else max(1, self.task.epochs // share)
        return replace(self, task=replace(self.task, epochs=epochs))

    def parameters(self, peer: str) -> dict[str, list]:
        """Name the candidates as the peer names its hyperparameters."""
        hidden = [(width,) for width in self.widths]
        lrs, activations = list(self.lrs), list(self.activations)
        if peer.startswith("ActMLP"):
            grid = {"activation": activations, "lr": lrs, "hidden": hidden}
        elif peer.startswith("skorch"):
            grid = {
                "module__activation": activations,
                "lr": lrs,
                "module__hidden": hidden,
            }
        else:
            grid = {
                "activation": [SKLEARN_ACTIVATIONS[name] for name in activations],
                "learning_rate_init": lrs,
                "hidden_layer_sizes": hidden,
            }
        return {f"net__{name}": values for name, values in grid.items()}


@dataclass
class Timed:
    """The last search that was timed, and under `fused()` its session."""

    seconds: float = 0.0
    search: Any = None
    session: Any = None
    engine: list[float] = field(default_factory=list)  # seconds in it, each run


def engine_seconds(session: Any) -> float:
    """Return the seconds that a session of `skact.fused()` spent in the engine."""
    return float(session.report.seconds)


def pipeline_search(peer: str, grid: Grid, n_jobs: int | None) -> GridSearchCV:
    """Build the search that a user would write: scaler and net, all rows, no refit."""
    builder = PEERS["ActMLP" if peer.startswith("ActMLP") else peer]
    pipe = Pipeline([("scale", StandardScaler()), ("net", builder(grid.task))])
    return GridSearchCV(
        pipe, grid.parameters(peer), cv=grid.folds, refit=False, n_jobs=n_jobs
    )


def run(
    build: Callable[[], GridSearchCV], X: Any, y: Any, fused: bool, last: Timed
) -> float:
    """Time one search by wall clock; what it gave is left in `last`."""
    last.search, last.session = build(), None

    def work() -> None:
        if fused:
            with skact.fused() as last.session:
                last.search.fit(X, y)
        else:
            with processes(last.search.n_jobs):
                last.search.fit(X, y)

    last.seconds = timed(work)
    if fused:
        last.engine.append(engine_seconds(last.session))
    return last.seconds


@contextlib.contextmanager
def processes(n_jobs: int | None) -> Iterator[None]:
    """Give each worker process one thread; there is a core for each."""
    if n_jobs in (None, 1):
        yield
        return
    with parallel_config("loky", inner_max_num_threads=1):
        yield


def end_processes() -> None:
    """End joblib's workers: the next search in processes is a cold one."""
    get_reusable_executor().shutdown(wait=True)


def scores(search: GridSearchCV) -> np.ndarray:
    """Return the accuracy of each candidate on each fold: (candidates, folds)."""
    results = search.cv_results_
    return np.array(
        [results[f"split{fold}_test_score"] for fold in range(search.n_splits_)]
    ).T


@dataclass
class Contender:
    """One peer in one section: its clock, and what is to be told of it."""

    peer: str
    clock: Callable[[], float]
    setting: str
    last: Timed
    more: dict[str, Any] = field(default_factory=dict)
    warm_up: Callable[[], Any] | None = None  # if its workers may have ended


def in_processes(
    peer: str, grid: Grid, X: Any, y: Any, job_numbers: tuple[int, ...]
) -> Contender:
    """Time a peer cold, then choose the number of processes that is fastest warm.

    It is chosen by a search of a quarter of the epochs.
    """
    last = Timed()

    def clock(grid: Grid, n_jobs: int) -> float:
        return run(partial(pipeline_search, peer, grid, n_jobs), X, y, False, last)

    more: dict[str, Any] = {}
    if max(job_numbers) > 1:
        end_processes()
        more["cold"] = clock(grid, max(job_numbers))
    tried = {}
    for n_jobs in sorted(job_numbers, reverse=True):
        clock(grid.short(), n_jobs)
        tried[f"n_jobs={n_jobs}"] = clock(grid.short(4), n_jobs)
    more["tried"] = tried
    best = min(tried, key=tried.__getitem__)
    n_jobs = int(best.removeprefix("n_jobs="))
    warm_up = partial(clock, grid.short(), n_jobs) if n_jobs > 1 else None
    return Contender(peer, partial(clock, grid, n_jobs), best, last, more, warm_up)


def fused(grid: Grid, X: Any, y: Any) -> Contender:
    """Time ActMLP under `skact.fused()`, which uses all cores in one process."""
    last = Timed()

    def clock(grid: Grid) -> float:
        return run(partial(pipeline_search, FUSED, grid, None), X, y, True, last)

    first = clock(grid)
    last.engine.clear()
    return Contender(FUSED, partial(clock, grid), "", last, {"first run": first})


def floor(grid: Grid, n_rows: int) -> Contender:
    """Measure the products of all lanes: one stack for each width."""
    task, lanes = grid.task, grid.candidates // len(grid.widths) * grid.folds
    n_train = -(-n_rows * (grid.folds - 1) // grid.folds)  # of the largest fold
    stacks = []
    for width in grid.widths:
        widths = (task.n_features, width, task.n_outputs)
        work = fit_work(widths, n_train, task.batch_size, task.epochs, lanes)
        stacks.append(Floor(work, task.dtype).choose())
    return floor_of(stacks, grid.widths)


def floor_of(stacks: list[Floor], names: tuple) -> Contender:
    """Join the floors of several stacks, computed one after the other."""
    setting = "; ".join(sorted({str(stack.setting) for stack in stacks}))
    samples = {
        str(name): stack.tried for name, stack in zip(names, stacks, strict=True)
    }

    def clock() -> float:
        return sum(stack.measure() for stack in stacks)

    return Contender(FLOOR, clock, setting, Timed(), {"samples": samples})


def job_numbers() -> tuple[int, ...]:
    return (1,) if cores() == 1 else (1, cores())

"""GridSearchCV of many networks: fused, and by skact's peers in processes.

    SKACT_DATA=<folder> python benchmarks/grid_search.py     # 20 minutes
    python benchmarks/grid_search.py --quick                 # seconds, no benchmark
    python benchmarks/grid_search.py --device cuda --only digits12 digits48

Wall time of the whole `search.fit` of a pipeline (StandardScaler, net), without refit.
Peers run with n_jobs=1 and with a process a core; the faster is taken. Workers are
warm (they ran the same search before) and have one thread each; the cold time, with
workers that have yet to start and import, stands beside. Three sections: 12 candidates
x 5 folds of digits; 48 x 5, where time inside the engine is set against the matrix
products alone; and the notebook's search on MNIST (needs SKACT_DATA).
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
from common import Row, Section, alternate, argument_parser, report
from floor import Floor, fit_work
from loaders import MissingData, digits, mnist
from peers import Task, act_mlp, unconverged
from searches import (
    FLOOR,
    FUSED,
    Contender,
    Grid,
    Timed,
    end_processes,
    floor,
    floor_of,
    fused,
    in_processes,
    job_numbers,
    processes,
    run,
    scores,
)
from sklearn.model_selection import GridSearchCV
from skorch.dataset import ValidSplit

SECTIONS = ("digits12", "digits48", "mnist")
PROCESS_PEERS = ("skorch, as shipped", "skorch, tuned", "scikit-learn MLP", "ActMLP")
DIGITS = Task(64, 10, (), epochs=20, batch_size=32, optimizer="adam")
# mean width 64; activations that scikit-learn has, too
DIGITS12 = Grid(DIGITS, ("relu", "tanh", "sigmoid"), (0.01, 0.003), (32, 96))
DIGITS48 = Grid(
    DIGITS,
    ("relu", "tanh", "sigmoid", "leaky_relu(0.2)"),
    (0.03, 0.01, 0.003),
    (32, 64, 96, 128),
)
MNIST = Task(
    784,
    10,
    (128, 64),
    epochs=25,
    batch_size=128,
    optimizer="sgd",
    lr=0.01,
    momentum=0.95,
)
NOTEBOOK = {"relu": 0.97453, "tanh": 0.97205, "leaky_relu": 0.97468}
MNIST_FOLDS = 3


def quick(grid: Grid) -> Grid:
    task = replace(grid.task, epochs=4)
    return replace(grid, task=task, lrs=grid.lrs[:1], widths=grid.widths[:2], folds=2)


def rows(contenders: list[Contender], repeats: int) -> list[Row]:
    """Time all in turn, and tell of each what it did."""
    seconds = alternate({one.peer: one.clock for one in contenders}, repeats)
    table = []
    for one in contenders:
        accuracy, more = None, dict(one.more)
        if one.last.search is not None:
            accuracy = float(scores(one.last.search).mean())
            more["best"] = float(scores(one.last.search).mean(axis=1).max())
        table.append(Row(one.peer, seconds[one.peer], one.setting, accuracy, more))
        if one.last.engine:
            inside = list(one.last.engine)
            table.append(Row(f"{one.peer}: engine", inside, "of the same searches"))
    return table


def same_scores(contenders: list[Contender]) -> str:
    """Compare all scores of ActMLP fused and not: they must be equal, bit for bit."""
    ours = [one.last.search for one in contenders if one.peer.startswith("ActMLP")]
    if len(ours) < 2 or any(search is None for search in ours):
        return ""
    difference = np.abs(scores(ours[0]) - scores(ours[1])).max()
    return f"largest difference of a score, fused and not fused: {difference:g}"


def digits_section(
    name: str, grid: Grid, peers: Iterable[str], repeats: int
) -> Section:
    """Time one grid by all peers, fused, and the floor."""
    on_cpu = grid.task.device == "cpu"
    title = f"{name}: {grid}" + ("" if on_cpu else f", on {grid.task.device}")
    section = Section(f"{name}_{grid.task.dtype}", title, [], FUSED, 0.03)
    X, y = digits(grid.task.dtype)
    # processes that share one accelerator only fight for it
    numbers = job_numbers() if on_cpu else (1,)
    contenders = [in_processes(peer, grid, X, y, numbers) for peer in peers]
    contenders.append(fused(grid, X, y))
    if on_cpu:
        contenders.append(floor(grid, len(X)))
    for one in contenders:  # the cold runs have ended each other's workers
        if one.warm_up is not None:
            one.warm_up()
    section.rows = rows(contenders, repeats)
    section.notes = [
        "accuracy: mean over all candidates and folds; best: of the best candidate",
        same_scores(contenders),
        against_floor(section),
        *session_notes(contenders),
    ]
    end_processes()
    return section


def session_notes(contenders: list[Contender]) -> list[str]:
    """Quote what the last session says of itself: what was fused, and what not."""
    sessions = [one.last.session for one in contenders]
    reports = [str(session.report) for session in sessions if session is not None]
    return [line for report in reports for line in report.splitlines()]


def against_floor(section: Section) -> str:
    below = section.row(FLOOR)
    texts = []
    for peer in (FUSED, f"{FUSED}: engine"):
        row = section.row(peer)
        if row and below and row.median and below.median:
            texts.append(f"{peer} {row.median / below.median:.2f}x")
    return f"against the floor: {'; '.join(texts)}" if texts else ""


def mnist_search(task: Task, n_jobs: int | None) -> GridSearchCV:
    """Build the notebook's search, as examples/mnist_activations.py does."""
    net = act_mlp(task).set_params(
        shuffle=False, train_split=ValidSplit(5, stratified=True)
    )
    grid = {"activation": list(NOTEBOOK)}
    return GridSearchCV(net, grid, cv=MNIST_FOLDS, refit=False, n_jobs=n_jobs)


def mnist_floor(task: Task, n_rows: int, lanes: int) -> Contender:
    """Measure its products; the fifth held out is passed forward once an epoch."""
    n_fold = n_rows * (MNIST_FOLDS - 1) // MNIST_FOLDS
    held_out = n_fold // 5
    work = fit_work(
        task.widths, n_fold - held_out, task.batch_size, task.epochs, lanes, held_out
    )
    return floor_of([Floor(work, task.dtype).choose()], (f"{lanes} lanes",))


def mnist_section(task: Task, repeats: int) -> Section:
    """Search 3 activations x 3 folds as the notebook did, against the floor."""
    title = f"mnist, 3 activations x 3 folds: {task}"
    section = Section(f"mnist_{task.dtype}", title, [], FUSED, 0.002)
    try:
        X, y = mnist("train", task.dtype)
    except MissingData as error:
        section.skipped = str(error)
        return section
    together, plain = Timed(), Timed()
    act_mlp(replace(task, epochs=1)).fit(X[:1000], y[:1000])  # warm
    below = mnist_floor(task, len(X), len(NOTEBOOK) * MNIST_FOLDS)
    clock = partial(run, partial(mnist_search, task, None), X, y, True, together)
    contenders = [Contender(FUSED, clock, "", together), below]
    n_jobs = max(job_numbers())
    with processes(n_jobs):
        mnist_search(replace(task, epochs=1), n_jobs).fit(X[:3000], y[:3000])  # warm
    once = run(partial(mnist_search, task, n_jobs), X, y, False, plain)

    section.rows = rows(contenders, repeats)
    mean = float(scores(plain.search).mean())
    section.rows.append(Row("ActMLP", [once], f"n_jobs={n_jobs}, timed once", mean))
    section.rows.append(Row("notebook", [], "", float(np.mean([*NOTEBOOK.values()]))))
    section.notes = [
        *beside_notebook(together.search),
        same_scores([*contenders, Contender("ActMLP", clock, "", plain)]),
        against_floor(section),
        *session_notes(contenders),
    ]
    end_processes()
    return section


def beside_notebook(search: GridSearchCV) -> list[str]:
    """Set each activation's accuracy beside the notebook's."""
    lines = []
    means = scores(search).mean(axis=1)
    for params, mean in zip(search.cv_results_["params"], means, strict=True):
        name = params["activation"]
        gap = mean - NOTEBOOK[name]
        text = f"{name}: {mean:.5f}, notebook {NOTEBOOK[name]:.5f}, {gap:+.5f}"
        lines.append(text + ("" if abs(gap) <= 0.002 else "  MORE THAN .002 APART"))
    return lines


def sections(args) -> Iterator[Section]:
    repeats = args.repeats or (1 if args.quick else 3)
    only = args.only or SECTIONS

    def sized(grid: Grid, dtype: str) -> Grid:
        task = replace(grid.task, dtype=dtype, device=args.device)
        grid = replace(grid, task=task)
        return quick(grid) if args.quick else grid

    on_cpu = args.device == "cpu"
    peers = PROCESS_PEERS if on_cpu else PROCESS_PEERS[:2]
    if args.quick:
        peers = peers[1:3]
    for dtype in ("float32", "float64") if on_cpu and not args.quick else ("float32",):
        if "digits12" in only:
            grid = sized(DIGITS12, dtype)
            yield digits_section("digits12", grid, peers, repeats)
        if "digits48" in only:
            yield digits_section("digits48", sized(DIGITS48, dtype), (), repeats)
    if "mnist" in only and on_cpu and not args.quick:
        yield mnist_section(MNIST, repeats)


if __name__ == "__main__":
    parser = argument_parser(__doc__, SECTIONS)
    parser.add_argument("--device", default="cpu", help="cuda: digits only")
    arguments = parser.parse_args()
    with unconverged():
        settings = {"device": arguments.device}
        report("grid_search", sections(arguments), arguments, settings)

"""Searches over what people really train, fused, and as they would be run instead.

    python benchmarks/real_nets.py                    # half an hour on 2 cores
    python benchmarks/real_nets.py --quick            # does it run? No benchmark
    python benchmarks/real_nets.py --before FOLDER    # plain, of another checkout, too

Wall time of the whole `search.fit`, without refit: early stopping, dropout, norms,
schedules, many rates, many widths, full batches, large networks. Each search runs
fused on all cores, fused in one process, plain with a process a core, and, where they
can do the same, as scikit-learn's MLPClassifier and as skorch, tuned, with a process a
core. Workers are warm and have one thread each; the first fused search, whose workers
have yet to start, stands beside. Scores are compared first: fused and plain are equal.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import Row, Section, alternate, argument_parser, cores, report
from peers import QuietNet, WholeBatches, as_is, unconverged
from searches import Timed, end_processes, processes, run, scores
from sklearn.datasets import load_digits, make_classification
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from skorch.callbacks import EarlyStopping, GradientNormClipping, LRScheduler
from skorch.dataset import ValidSplit
from torch import Tensor, nn

import skact

FUSED = "fused"
RATES = (0.001, 0.003, 0.01, 0.03)
COMMON = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}
SKLEARN = {"relu": "relu", "tanh": "tanh", "sigmoid": "logistic"}


@dataclass(frozen=True)
class Case:
    """One search, in the words of ActMLP."""

    name: str
    grid: Mapping[str, list]
    params: Mapping[str, Any] = field(default_factory=dict)
    data: str = "digits"
    folds: int = 5
    callbacks: Callable[[], list] = list  # of skorch
    peers: tuple[str, ...] = ()  # who can do the same


def cosine() -> list:
    policy = LRScheduler("CosineAnnealingLR", T_max=20)
    return [("schedule", policy)]


def clipping() -> list:
    return [("clipping", GradientNormClipping(1.0))]


_12 = {"activation": list(COMMON), "lr": list(RATES)}
CASES = [
    Case("bare", _12, peers=("scikit-learn", "skorch")),
    Case(
        "early stopping",
        _12,
        {"early_stopping": True},
        peers=("scikit-learn", "skorch"),
    ),
    Case("dropout", _12, {"dropout": 0.2}, peers=("skorch",)),
    Case("batch norm", _12, {"norm": "batch"}),
    Case("cosine schedule", _12, callbacks=cosine, peers=("skorch",)),
    Case("clipped gradients", _12, callbacks=clipping, peers=("skorch",)),
    Case("gelu, silu, mish", {**_12, "activation": ["gelu", "silu", "mish"]}),
    Case("48 rates x 3", {"lr": list(np.geomspace(1e-4, 0.1, 48))}, folds=3),
    Case("400 rates x 3", {"lr": list(np.geomspace(1e-4, 0.1, 400))}, folds=3),
    Case("8 rates x 3", {"lr": list(np.geomspace(1e-4, 0.1, 8))}, folds=3),
    Case(
        "12 widths",
        {"width": list(range(16, 105, 8))},
        peers=("scikit-learn",),
    ),
    Case(
        "48 x 5, four widths",
        {
            "activation": [*COMMON, "leaky_relu(0.2)"],
            "lr": [0.001, 0.003, 0.01],
            "width": [32, 64, 96, 128],
        },
    ),
    Case("full batch", _12, {"batch_size": -1, "max_epochs": 100}),
    Case(
        "512-512",
        {"lr": list(RATES)},
        {"hidden": (512, 512), "batch_size": 128},
        folds=3,
    ),
    Case(
        "784-128-64-10",
        {"activation": ["relu", "tanh", "leaky_relu"]},
        {"hidden": (128, 64), "batch_size": 128, "max_epochs": 5},
        data="784 columns",
        folds=3,
    ),
]
NAMES = [case.name for case in CASES]


def data_of(case: Case) -> tuple[np.ndarray, np.ndarray]:
    if case.data == "digits":
        X, y = load_digits(return_X_y=True)
        return (X / 16).astype(np.float32), y
    X, y = make_classification(
        12_000, 784, n_informative=60, n_classes=10, random_state=0
    )
    return X.astype(np.float32), y


# ---------------------------------------------------------------------- the nets


def act_mlp(case: Case, *, quick: bool) -> skact.ActMLP:
    settings = {"width": 64, "batch_size": 32, "max_epochs": 20, "random_state": 0}
    net = skact.ActMLP(**{**settings, **case.params}, callbacks=case.callbacks())
    return net.set_params(max_epochs=2) if quick else net


def sklearn_mlp(case: Case, net: skact.ActMLP) -> MLPClassifier:
    return MLPClassifier(
        (net.width,),
        alpha=0.0,
        batch_size=net.batch_size,
        max_iter=net.max_epochs,
        tol=0.0,
        early_stopping=net.early_stopping,
        n_iter_no_change=net.patience if net.early_stopping else 10**6,
        validation_fraction=0.1,
        random_state=0,
    )


class Network(nn.Module):
    """Built by skorch from its `module__` parameters."""

    def __init__(self, activation: str = "relu", dropout: float = 0.0) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(64, 64),
            COMMON[activation](),
            nn.Dropout(dropout),
            nn.Linear(64, 10),
        )

    def forward(self, X: Tensor) -> Tensor:
        return self.layers(X)


def skorch_net(case: Case, net: skact.ActMLP) -> QuietNet:
    """Do what skorch's maintainers advise: whole batches, no needless callbacks."""
    callbacks: Any = case.callbacks() or "disable"
    split = None
    if net.early_stopping:
        callbacks, split = [EarlyStopping(patience=net.patience, load_best=True)], None
        split = ValidSplit(0.1, stratified=True)
    return QuietNet(
        Network,
        module__dropout=net.dropout,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        max_epochs=net.max_epochs,
        batch_size=net.batch_size,
        callbacks=callbacks,
        verbose=0,
        train_split=split,
        dataset=WholeBatches,
        iterator_train__shuffle=True,
        iterator_train__collate_fn=as_is,
        iterator_valid__collate_fn=as_is,
        iterator_valid__batch_size=4096,
    )


def build(case: Case, peer: str, quick: bool, n_jobs: int | None) -> GridSearchCV:
    """Build the search as the peer's user writes it."""
    net: Any = act_mlp(case, quick=quick)
    grid = {name: values[:2] if quick else values for name, values in case.grid.items()}
    if peer == "scikit-learn":
        net = sklearn_mlp(case, net)
        names = {"lr": "learning_rate_init", "width": "hidden_layer_sizes"}
        grid = {names.get(name, name): values for name, values in grid.items()}
        if "activation" in grid:
            grid["activation"] = [SKLEARN[name] for name in grid["activation"]]
    elif peer == "skorch":
        net = skorch_net(case, net)
        grid = {
            "module__activation" if name == "activation" else name: values
            for name, values in grid.items()
        }
    return GridSearchCV(net, grid, cv=case.folds, refit=False, n_jobs=n_jobs)


# ---------------------------------------------------------------------- the clock


def run_fused(
    case: Case, quick: bool, n_jobs: int | None, X: Any, y: Any, last: Timed
) -> float:
    last.search = build(case, FUSED, quick, None)
    start = time.perf_counter()
    with skact.fused(n_jobs=n_jobs) as last.session:
        last.search.fit(X, y)
    last.seconds = time.perf_counter() - start
    last.engine.append(float(last.session.report.seconds))
    return last.seconds


def warm_workers(n: int) -> float:
    """Start the workers of the engine, and wait for them; return the seconds."""
    from skact.backend.worker_pool import pool

    start = time.perf_counter()
    pool.start(n)
    while pool.n_ready < n:
        time.sleep(0.01)
    return time.perf_counter() - start


def stop_workers() -> None:
    from skact.backend.worker_pool import pool

    pool.stop()


def measure(case: Case, args: Any) -> Section:
    """Time one search by all who can run it."""
    quick, n = args.quick, cores()
    X, y = data_of(case)
    lasts = {name: Timed() for name in (FUSED, "fused, one process", "plain")}
    first = None
    if n > 1:
        stop_workers()
        first = run_fused(case, quick, None, X, y, Timed())  # cold
        warm_workers(n - 1)

    def plain(peer: str, last: Timed) -> float:
        return run(partial(build, case, peer, quick, n), X, y, False, last)

    clocks: dict[str, Callable[[], float]] = {
        FUSED: partial(run_fused, case, quick, None, X, y, lasts[FUSED]),
        "fused, one process": partial(
            run_fused, case, quick, 1, X, y, lasts["fused, one process"]
        ),
        "plain": partial(plain, "plain", lasts["plain"]),
    }
    with processes(n):  # warm
        build(case, "plain", True, n).fit(X, y)
    seconds = alternate(clocks, args.repeats or (1 if quick else 3))
    for peer in case.peers if not args.no_peers else ():
        lasts[peer] = Timed()
        with processes(n):
            build(case, peer, True, n).fit(X, y)
        seconds[peer] = [plain(peer, lasts[peer])]
    rows = []
    for name, last in lasts.items():
        mean = float(scores(last.search).mean())
        setting = "" if name == FUSED else f"n_jobs={1 if 'one' in name else n}"
        more = {"first": first} if name == FUSED else {}
        rows.append(Row(name, seconds[name], setting, mean, more))
        if last.engine:
            rows.append(Row(f"{name}: engine", list(last.engine)))
    if args.before:
        rows.append(Row("plain, before", before(case, args), f"n_jobs={n}"))
    gaps = np.abs(scores(lasts[FUSED].search) - scores(lasts["plain"].search)).max()
    end_processes()
    notes = [f"largest difference of a score, fused and plain: {gaps:g}"]
    notes += str(lasts[FUSED].session.report).splitlines()
    return Section(case.name, case.name, rows, FUSED, 0.05, notes)


def before(case: Case, args: Any) -> list[float]:
    """Time the plain search by another checkout, in a process of its own."""
    command = [sys.executable, __file__, "--only", case.name, "--plain-only"]
    command += ["--repeats", str(args.repeats or 3), *(["--quick"] * args.quick)]
    env = {**os.environ, "PYTHONPATH": str(args.before)}
    found = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return json.loads(found.stdout.splitlines()[-1])


def time_plain(case: Case, args: Any) -> list[float]:
    """Time the plain search by the skact of this process, warm."""
    X, y = data_of(case)
    with processes(cores()):
        build(case, "plain", True, cores()).fit(X, y)
    search = partial(build, case, "plain", args.quick, cores())
    return [run(search, X, y, False, Timed()) for _ in range(args.repeats or 3)]


def sections(args: Any) -> Iterator[Section]:
    for case in CASES:
        if case.name in (args.only or NAMES):
            yield measure(case, args)


if __name__ == "__main__":
    parser = argument_parser(__doc__, NAMES)
    parser.add_argument("--before", type=Path, help="a checkout, for `plain` of it")
    parser.add_argument("--plain-only", action="store_true", help="print its seconds")
    parser.add_argument("--no-peers", action="store_true", help="skact alone")
    arguments = parser.parse_args()
    with unconverged():
        if arguments.plain_only:
            (chosen,) = [case for case in CASES if case.name in arguments.only]
            print(json.dumps(time_plain(chosen, arguments)))
        else:
            report("real_nets", sections(arguments), arguments)

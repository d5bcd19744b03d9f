"""One fit, one prediction, one import: skact beside its peers.

    SKACT_DATA=<folder> python benchmarks/single_fit.py      # minutes
    python benchmarks/single_fit.py --quick                  # seconds, no benchmark

Fits of digits (64-64-10) and MNIST (784-128-64-10), float32 and float64; labels of
60,000 x 784; `from skact import *` in a fresh process. Each peer first runs once, on
three quarters of digits or against MNIST's test images: this warms it, and its accuracy
shows that it does the same work. Where threads are the user's choice, one and all are
tried. Without SKACT_DATA what needs MNIST is skipped.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
from common import (
    Row,
    Section,
    alternate,
    argument_parser,
    cores,
    fastest,
    report,
    timed,
)
from floor import Floor, fit_work
from loaders import MissingData, digits, mnist
from peers import PEERS, Task, limited_threads, unconverged
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skact import ActMLP

DIGITS = Task(64, 10, (64,), epochs=20, batch_size=32, optimizer="adam", lr=0.01)
MNIST = Task(
    784,
    10,
    (128, 64),
    epochs=3,
    batch_size=128,
    optimizer="sgd",
    lr=0.01,
    momentum=0.95,
)
SECTIONS = ("digits", "mnist", "predict", "one_row", "import")
# as a user has them: skorch as shipped, and ActMLP, which has a thread rule of its own
AS_IT_IS = ("skorch, as shipped", "ActMLP")
SHIPPED = "skorch as shipped holds out a fifth of the rows, scores it, shuffles nothing"


def digits_data(task: Task) -> tuple:
    """Return all rows to time, and a split to compare accuracies on."""
    X, y = digits(task.dtype)
    X = StandardScaler().fit_transform(X)
    split = train_test_split(X, y, test_size=0.25, random_state=0, stratify=y)
    return X, y, split


def mnist_data(task: Task) -> tuple:
    X, y = mnist("train", task.dtype)
    X_test, y_test = mnist("t10k", task.dtype)
    return X, y, (X, X_test, y, y_test)


def settings_of(peer: str) -> dict[str, int | None]:
    """Return the numbers of threads to try: None leaves torch's and numpy's own."""
    if peer in AS_IT_IS or cores() == 1:
        return {"as it is": None}
    return {"1 thread": 1, f"{cores()} threads": cores()}


def held_out_accuracy(peer: str, task: Task, split: tuple) -> float:
    X, X_test, y, y_test = split
    net = PEERS[peer](task).fit(X, y)
    return float(np.mean(net.predict(X_test) == y_test))


def fit_clock(
    peer: str, task: Task, X: np.ndarray, y: np.ndarray, threads: int | None
) -> Callable[[], float]:
    """Make a clock of one fit; building the estimator is part of it."""

    def fit() -> None:
        with limited_threads(threads):
            PEERS[peer](task).fit(X, y)

    return partial(timed, fit)


def fit_section(name: str, task: Task, data: Callable, repeats: int) -> Section:
    """Time all peers and the floor on one task."""
    bound = 0.03 if name == "digits" else 0.01
    title = f"{name}, one fit: {task}"
    section = Section(f"{name}_{task.dtype}", title, [], "ActMLP", bound, [SHIPPED])
    try:
        X, y, split = data(task)
    except MissingData as error:
        section.skipped = str(error)
        return section

    clocks, settings, accuracies, more = {}, {}, {}, {}
    for peer in PEERS:
        accuracies[peer] = held_out_accuracy(peer, task, split)
        choice = {
            setting: fit_clock(peer, task, X, y, threads)
            for setting, threads in settings_of(peer).items()
        }
        settings[peer], tried = fastest(choice)
        more[peer] = {"tried": tried} if tried else {}
        clocks[peer] = choice[settings[peer]]
    work = fit_work(task.widths, len(X), task.batch_size, task.epochs)
    floor = Floor(work, task.dtype).choose()
    clocks["GEMM floor"], settings["GEMM floor"] = floor.measure, str(floor.setting)
    more["GEMM floor"] = {"samples": floor.tried}

    for peer, seconds in alternate(clocks, repeats).items():
        accuracy = accuracies.get(peer)
        section.rows.append(Row(peer, seconds, settings[peer], accuracy, more[peer]))
    return section


def predict_section(task: Task, rows: int, repeats: int) -> Section:
    """Time labels of many rows, by nets that were trained a little."""
    section = Section("predict", f"predict {rows:,} x 784, float32", [], "ActMLP")
    try:
        X, y = mnist("train")
    except MissingData:
        section.notes.append("random rows: without SKACT_DATA there is no MNIST")
        rng = np.random.default_rng(0)
        X, y = rng.standard_normal((rows, 784), np.float32), np.arange(rows) % 10
    X, y, few = X[:rows], y[:rows], min(rows, 2000)
    task = replace(task, epochs=1)
    clocks, settings, tried = {}, {}, {}
    for peer in PEERS:
        net = PEERS[peer](task).fit(X[:few], y[:few])
        choice = {
            setting: predict_clock(net, X, threads)
            for setting, threads in settings_of(peer).items()
        }
        net.predict(X)  # warm
        settings[peer], tried[peer] = fastest(choice)
        clocks[peer] = choice[settings[peer]]
    for peer, seconds in alternate(clocks, repeats).items():
        more = {"tried": tried[peer]} if tried[peer] else {}
        section.rows.append(Row(peer, seconds, settings[peer], more=more))
    return section


def predict_clock(net, X: np.ndarray, threads: int | None) -> Callable[[], float]:
    def predict() -> None:
        with limited_threads(threads):
            net.predict(X)

    return partial(timed, predict)


def one_row_section(repeats: int) -> Section:
    """Time one row at a time, as a service predicts, by a scaler and a net."""
    calls = 200
    title = f"{calls} calls of a fitted pipeline with one row of digits, float64"
    section = Section("one_row", title, [], "MLPClassifier")
    X, y = digits("float64")
    nets = {
        "MLPClassifier": MLPClassifier((64,), max_iter=20, random_state=0),
        "ActMLP": ActMLP(width=64, max_epochs=20, random_state=0),
    }
    pipes = {
        name: make_pipeline(StandardScaler(), net).fit(X, y)
        for name, net in nets.items()
    }
    for method in ("predict", "predict_proba"):
        clocks = {}
        for name, pipe in pipes.items():
            call = partial(getattr(pipe, method), X[:1])
            clocks[name] = partial(timed, partial(repeat_call, call, calls))
        alternate(clocks, 1)
        for name, seconds in alternate(clocks, 3 * repeats).items():
            section.rows.append(Row(name, seconds, method))
    return section


def repeat_call(call: Callable, times: int) -> None:
    for _ in range(times):
        call()


def import_section(statements: dict[str, str], repeats: int) -> Section:
    """Time imports, each in a fresh process, start of the interpreter included."""
    section = Section("import", "import, in a fresh process", [], "its dependencies")

    # bytecode is on disk after the first import, unless the environment forbids it
    forbids = "PYTHONDONTWRITEBYTECODE"
    environment = {key: v for key, v in os.environ.items() if key != forbids}

    def clock(statement: str) -> float:
        command = [sys.executable, "-c", statement]
        return timed(partial(subprocess.run, command, check=True, env=environment))

    clocks = {name: partial(clock, text) for name, text in statements.items()}
    alternate(clocks, 1)  # files into the system's cache, bytecode onto disk
    for name, seconds in alternate(clocks, repeats).items():
        section.rows.append(Row(name, seconds, statements[name]))
    first, *others = section.rows
    section.notes += [
        f"{row.peer}: {row.median - first.median:+.3f} s" for row in others
    ]
    return section


def sections(args) -> Iterator[Section]:
    repeats = args.repeats or (1 if args.quick else 7)
    only = args.only or SECTIONS
    short = replace(DIGITS, epochs=2) if args.quick else DIGITS
    long = replace(MNIST, epochs=1) if args.quick else MNIST
    if "digits" in only:
        for task in (short,) if args.quick else (short, short.as_float64()):
            yield fit_section("digits", task, digits_data, repeats)
    if "mnist" in only and not args.quick:
        for task in (long, long.as_float64()):
            yield fit_section("mnist", task, mnist_data, min(repeats, 5))
    if "predict" in only:
        yield predict_section(long, 2000 if args.quick else 60_000, repeats)
    if "one_row" in only:
        yield one_row_section(repeats)
    if "import" in only:
        imports = {
            "its dependencies": "import torch, sklearn, skorch, pandas",
            # a name loads its modules; `import skact` alone loads nearly nothing
            "skact": "import torch, sklearn, skorch, pandas; from skact import *",
        }
        yield import_section(imports, 1 if args.quick else max(repeats, 7))


if __name__ == "__main__":
    arguments = argument_parser(__doc__, SECTIONS).parse_args()
    tasks = {"digits": str(DIGITS), "mnist": str(MNIST)}
    with unconverged():
        report("single_fit", sections(arguments), arguments, tasks)

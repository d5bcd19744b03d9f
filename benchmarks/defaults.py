"""The figures behind the defaults: `init`, `lr`, `dtype`; X or y not scaled.

    SKACT_DATA=<folder> python benchmarks/defaults.py    # fourteen tables
    python benchmarks/defaults.py --quick                # bundled tables, little work

Splits are random: up to 3,000 rows to train on, up to 3,000 to test on. Numbers are
standardised, words one-hot, y of a regression standardised. All nets of a split train
in one `fused()` block. The score is the accuracy or R2, the loss the log-loss or the
squared error. An R2 below 0 counts as 0: one row far out can make it -9.
"""

import json
import warnings
from argparse import Namespace
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from common import argument_parser
from joblib import Parallel, delayed
from loaders import (
    HOW_TO_GET_TABLES,
    MissingData,
    Table,
    bundled_tables,
    data_folder,
    table,
)
from peers import unconverged
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.metrics import log_loss, mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skact import ActMLP, ActMLPRegressor, UnscaledInputWarning, fused
from skact.activations.rate_table import RATE_FACTORS

ROWS = 3_000
# of 0.5 to 1.5 times the rate of MLPClassifier, with as many or half its epochs
RATES = (0.001, 0.002, 0.003, 0.01)
EPOCHS = (50, 100)
OLD = {"init": "auto", "lr": 0.01}  # the defaults until 2026-11-27
ACTIVATIONS = ("relu", "leaky_relu", "tanh", "silu", "gelu", "selu", "sigmoid")
FACTORS = (0.001, 0.01, 0.1, 1, 10, 100, 1000)
FACTORS_OF_Y = (0.001, 0.01, 0.1, 1, 10, 100, 300, 1_000, 10_000)


class Split(NamedTuple):
    """Rows to train on and to test on, as a network needs them."""

    task: str
    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray


def split_rows(data: Table, seed: int, rows: int = ROWS) -> Split:
    """Draw rows, and prepare them by what the training rows tell."""
    n_test = min(rows, int(0.4 * len(data.X)))
    is_classes = data.task == "classes"
    train, test = train_test_split(
        np.arange(len(data.X)),
        train_size=min(rows, len(data.X) - n_test),
        test_size=n_test,
        random_state=seed,
        stratify=data.y if is_classes else None,
    )
    numeric = [i for i in range(data.X.shape[1]) if i not in data.categorical]
    prepare = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), numeric),
        (OneHotEncoder(sparse_output=False, handle_unknown="ignore"), data.categorical),
    )
    X = prepare.fit_transform(data.X[train])
    y, y_test = data.y[train], data.y[test]
    if not is_classes:
        mean, deviation = y.mean(), y.std()
        y, y_test = (y - mean) / deviation, (y_test - mean) / deviation
    return Split(data.task, X, y, prepare.transform(data.X[test]), y_test)


def score(split: Split, net: Any) -> dict[str, float]:
    """Return score and loss of a fitted net on the test rows."""
    if split.task == "numbers":
        r2 = max(0.0, net.score(split.X_test, split.y_test))
        squares = mean_squared_error(split.y_test, net.predict(split.X_test))
        return {"score": r2, "loss": min(squares, float(split.y_test.var()))}
    proba = net.predict_proba(split.X_test).astype(float)
    proba /= proba.sum(axis=1, keepdims=True)
    right = net.classes_[proba.argmax(axis=1)] == split.y_test
    loss = log_loss(split.y_test, proba, labels=net.classes_)
    return {"score": float(right.mean()), "loss": float(loss)}


def fit_and_score(split: Split, params: dict[str, Any], seed: int) -> dict[str, Any]:
    """Train one net; one that diverges scores as if it had learned nothing."""
    kind = ActMLP if split.task == "classes" else ActMLPRegressor
    try:
        net = kind(**params, random_state=seed).fit(split.X, split.y)
    except FloatingPointError:
        return {**params, "score": 0.0, "loss": np.nan}
    return {**params, **score(split, net)}


def train(
    tables: dict[str, Table], grid: list[dict], seeds: Iterable[int], rows: int
) -> pd.DataFrame:
    """Train each setting of a grid on splits of all tables: a row a net."""
    found: list[dict[str, Any]] = []
    for name, data in tables.items():
        for seed in seeds:
            split = split_rows(data, seed, rows)
            with fused():
                work = (delayed(fit_and_score)(split, one, seed) for one in grid)
                found += [
                    {"table": name, "seed": seed, **one} for one in Parallel()(work)
                ]
            print(".", end="", flush=True)
    print()
    return pd.DataFrame(found)


# ---------------------------------------------------------------------- sections


def compare_training(tables: dict[str, Table], quick: bool) -> Iterator[tuple]:
    """Rates and epochs beside scikit-learn's untuned MLP, on the same splits."""
    seeds, rows = (range(1), 300) if quick else (range(3), ROWS)
    grid = [OLD | {"max_epochs": 50}]
    grid += [
        {"init": init, "lr": lr, "max_epochs": epochs}
        for init in ("torch", "auto")
        for lr in RATES
        for epochs in EPOCHS
        if {"init": init, "lr": lr, "max_epochs": epochs} not in grid
    ]
    nets = train(tables, grid, seeds, rows)
    peers = []
    for name, data in tables.items():
        kind = MLPClassifier if data.task == "classes" else MLPRegressor
        for seed in seeds:
            split = split_rows(data, seed, rows)
            with unconverged():
                peer = kind(random_state=seed).fit(split.X, split.y)
            peers.append({"table": name, "seed": seed, **score(split, peer)})
    nets = nets.merge(pd.DataFrame(peers), on=["table", "seed"], suffixes=("", "_peer"))
    for value in ("score", "loss"):
        nets["minus"] = nets[value] - nets[f"{value}_peer"]
        mean = nets.pivot_table(
            index=["init", "lr", "max_epochs"], columns="table", values="minus"
        )
        mean.insert(0, "mean", mean.mean(axis=1))
        yield f"{value}, minus that of scikit-learn's untuned MLP", mean.T
        new = nets.query("init == 'torch' and lr == 0.002 and max_epochs == 50")
        by_table = new.groupby("table")[[value, f"{value}_peer", "minus"]].mean()
        by_table["error"] = new.groupby("table")["minus"].sem()
        yield f"{value} of ActMLP() as it is", by_table


def compare_inits(tables: dict[str, Table], quick: bool) -> Iterator[tuple]:
    """Initial weights, each activation at the better of two rates."""
    activations, depths = (ACTIVATIONS[:2], (1,)) if quick else (ACTIVATIONS, (1, 3))
    grid = [
        {"activation": name, "depth": depth, "init": init, "lr": lr * factor}
        for name in activations
        for depth in depths
        for init in ("auto", "torch")
        for factor in [RATE_FACTORS["adam"].get(name, 1.0)]
        for lr in (0.001, 0.003)
    ]
    nets = train(tables, grid, range(1), 300 if quick else 1_000)
    of = ["activation", "depth", "init", "table"]
    for value, best in (("score", "max"), ("loss", "min")):
        at_best = nets.groupby(of)[value].agg(best).unstack("init")
        minus = (at_best["torch"] - at_best["auto"]).unstack("table")
        shown = pd.DataFrame(
            {"mean": minus.mean(axis=1), "median": minus.median(axis=1)}
        )
        shown["better"] = (minus > 0 if value == "score" else minus < 0).sum(axis=1)
        shown["worse"] = (minus < 0 if value == "score" else minus > 0).sum(axis=1)
        yield f"{value} with init='torch' minus that with 'auto'", shown


def compare_dtypes(tables: dict[str, Table], quick: bool) -> Iterator[tuple]:
    """The same nets in float32 and float64."""
    grid = [{"dtype": "float32"}, {"dtype": "float64"}]
    nets = train(tables, grid, range(1 if quick else 3), 300 if quick else ROWS)
    for value in ("score", "loss"):
        by_dtype = nets.pivot_table(index="table", columns="dtype", values=value)
        by_dtype["minus"] = by_dtype["float32"] - by_dtype["float64"]
        yield f"{value} by dtype", by_dtype


def compare_scales(tables: dict[str, Table], quick: bool) -> Iterator[tuple]:
    """Columns that are not scaled: all of them, and the one whose scale costs most."""
    found = []
    for name, data in tables.items():
        split = split_rows(data, 0, 300 if quick else ROWS)
        n_columns = split.X.shape[1]
        jobs = []
        for factor in FACTORS:
            jobs.append(("all columns", factor, np.full(n_columns, float(factor))))
            for column in range(min(4, n_columns)):
                scales = np.ones(n_columns)
                scales[column] = factor
                jobs.append((f"column {column}", factor, scales))
        with warnings.catch_warnings(), fused():
            warnings.simplefilter("ignore", UnscaledInputWarning)
            scores = Parallel()(
                delayed(fit_and_score)(
                    split._replace(X=split.X * scales, X_test=split.X_test * scales),
                    {"dtype": "float32"},
                    0,
                )
                for *_, scales in jobs
            )
        for (what, factor, _), one in zip(jobs, scores, strict=True):
            found.append({"table": name, "what": what, "factor": factor, **one})
        print(".", end="", flush=True)
    print()
    frame = pd.DataFrame(found)
    is_all = frame["what"] == "all columns"
    for what, part in (("all", frame[is_all]), ("one", frame[~is_all])):
        scaled = part["factor"] == 1
        base = part[scaled].set_index(["table", "what"])["score"].rename("scaled")
        part = part.join(base, on=["table", "what"])
        part["lost"] = part["score"] - part["scaled"]
        lost = part.pivot_table(
            index="table", columns="factor", values="lost", aggfunc="min"
        )
        yield f"score lost when {what} of the columns is multiplied", lost


def compare_scales_of_y(tables: dict[str, Table], quick: bool) -> Iterator[tuple]:
    """Numbers to predict that are not scaled."""
    found = []
    for name, data in tables.items():
        if data.task != "numbers":
            continue
        split = split_rows(data, 0, 300 if quick else ROWS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnscaledInputWarning)
            for factor in FACTORS_OF_Y:
                times = split._replace(y=split.y * factor, y_test=split.y_test * factor)
                one = fit_and_score(times, {"dtype": "float32"}, 0)
                found.append({"table": name, "factor": factor, "R2": one["score"]})
    frame = pd.DataFrame(found)
    yield (
        "R2 when y is multiplied; below 0 counts as 0",
        frame.pivot_table(index="table", columns="factor", values="R2"),
    )


SECTIONS = {
    "training": compare_training,
    "init": compare_inits,
    "dtype": compare_dtypes,
    "scale": compare_scales,
    "scale_of_y": compare_scales_of_y,
}


def load_tables(quick: bool) -> dict[str, Table]:
    """The tables of SKACT_DATA, or those of scikit-learn where there are none."""
    try:
        if not quick:
            about = data_folder("tabular", HOW_TO_GET_TABLES) / "datasets.json"
            return {name: table(name) for name in json.loads(about.read_text())}
    except MissingData as error:
        print(f"{error} Bundled tables instead.")
    return bundled_tables()


def main(args: Namespace) -> None:
    tables = load_tables(args.quick)
    found: dict[str, dict[str, Any]] = {}
    for name in args.only or SECTIONS:
        found[name] = {}
        for title, frame in SECTIONS[name](tables, args.quick):
            print(f"\n{title}\n{frame.to_string(float_format='{:.3f}'.format)}")
            found[name][title] = json.loads(frame.to_json(orient="split"))
    path = args.results / f"defaults{'.quick' if args.quick else ''}.json"
    args.results.mkdir(parents=True, exist_ok=True)
    old = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(old | found, indent=1) + "\n")
    print(f"\nwritten: {path}")


if __name__ == "__main__":
    main(argument_parser(__doc__ or "", SECTIONS).parse_args())

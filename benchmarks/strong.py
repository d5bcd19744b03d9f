"""Is `skact.search` worth its minutes? Fourteen tables, beside what people would take.

    SKACT_DATA=<folder> python benchmarks/strong.py                   # all tables
    SKACT_DATA=<folder> python benchmarks/strong.py --only adult magic --repeats 2
    SKACT_DATA=<folder> python benchmarks/strong.py --ablation   # what each part gains

Each table: a random split of at most 5,000 training and 5,000 test rows (stratified, if
y has classes), accuracy or R2 on the test rows. Peers: an untuned MLPClassifier or
MLPRegressor, and ActMLP() as it is, on scaled and one-hot columns;
HistGradientBoosting, which reads categories itself; RealMLP_TD of pytabkit, if it is
installed (`pip install pytabkit`). A split that results/strong.json has is not run
again, unless with --again.

A normalised score is (score - trivial) / (best - trivial), where "trivial" always
predicts the majority or the mean, and "best" is the best of these models on the table.
"""

import importlib.util
import json
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from common import Row, Section, argument_parser, report
from loaders import HOW_TO_GET_TABLES, Frame, MissingData, bundled_frames, frame
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import skact

TABLES = (
    *("adult", "bank_marketing", "california_housing", "churn_modelling"),
    *("covtype_sub", "credit_g", "diamonds", "electricity", "higgs_tiny", "magic"),
    *("protein", "satimage", "spambase", "wine_quality"),
)
OURS, DEFAULT, UNTUNED = "skact.search", "ActMLP()", "MLP untuned"
TREES, PEER, TRIVIAL = "HistGradientBoosting", "RealMLP_TD", "trivial"
MOST_ROWS = 5_000
# each row of the ablation builds on the one before
ABLATION: dict[str, dict[str, Any]] = {
    "relu, 1 x 100": {
        **{"activations": ["relu"], "width": 100, "depth": 1, "numbers": "standard"},
        **{"dropout": 0.0, "weight_decay": 0.0, "average": 1},
    },
    "+ activations": {
        **{"width": 100, "depth": 1, "numbers": "standard"},
        **{"dropout": 0.0, "weight_decay": 0.0, "average": 1},
    },
    "+ widths, depths": {
        **{"numbers": "standard", "dropout": 0.0, "weight_decay": 0.0, "average": 1},
    },
    "+ dropout, decay": {"numbers": "standard", "average": 1},
    "+ ways of numbers": {"average": 1},
    "+ average (search)": {},
}


# ---------------------------------------------------------------------- peers


def columns(data: Frame) -> Any:
    """Scale numbers, and give each category a column."""
    numbers = [name for name in data.X if name not in data.categorical]
    return make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), numbers),
        (
            OneHotEncoder(
                handle_unknown="infrequent_if_exist",
                max_categories=50,
                sparse_output=False,
            ),
            data.categorical,
        ),
    )


def net_score(net: Any, data: Frame, split: tuple) -> float:
    X, y, X_test, y_test = split
    pipe = make_pipeline(columns(data), net)
    if data.task == "numbers":
        pipe = TransformedTargetRegressor(pipe, transformer=StandardScaler())
    return pipe.fit(X, y).score(X_test, y_test)


def untuned_score(data: Frame, split: tuple) -> float:
    kind = MLPRegressor if data.task == "numbers" else MLPClassifier
    return net_score(kind(random_state=0), data, split)


def default_score(data: Frame, split: tuple) -> float:
    kind = skact.ActMLPRegressor if data.task == "numbers" else skact.ActMLP
    return net_score(kind(random_state=0), data, split)


def with_categories(data: Frame, split: tuple) -> tuple:
    X, y, X_test, y_test = split
    X, X_test = X.copy(), X_test.copy()
    for name in data.categorical:
        words = X[name].astype("category")
        X[name], known = words, words.cat.categories
        X_test[name] = pd.Categorical(X_test[name], categories=known)
    return X, y, X_test, y_test


def trees_score(data: Frame, split: tuple) -> float:
    X, y, X_test, y_test = with_categories(data, split)
    is_numbers = data.task == "numbers"
    kind: Any = HistGradientBoostingClassifier
    if is_numbers:
        kind = HistGradientBoostingRegressor
    return kind(random_state=0).fit(X, y).score(X_test, y_test)


def peer_score(data: Frame, split: tuple) -> float:
    from pytabkit import RealMLP_TD_Classifier, RealMLP_TD_Regressor

    X, y, X_test, y_test = with_categories(data, split)
    kind = RealMLP_TD_Regressor if data.task == "numbers" else RealMLP_TD_Classifier
    model = kind(random_state=0, device="cpu", verbosity=0)
    model.fit(X, y, cat_col_names=data.categorical)
    return model.score(X_test, y_test)


def trivial_score(data: Frame, split: tuple) -> float:
    X, y, X_test, y_test = split
    kind = DummyRegressor if data.task == "numbers" else DummyClassifier
    return kind().fit(X, y).score(X_test, y_test)


def search_score(data: Frame, split: tuple, **options: Any) -> tuple[float, str]:
    X, y, X_test, y_test = split
    task = "regression" if data.task == "numbers" else "classification"
    found = skact.search(X, y, task=task, progress=False, **options)
    return found.score(X_test, y_test), repr(found)


def peers() -> dict[str, Callable[[Frame, tuple], Any]]:
    found: dict[str, Callable[[Frame, tuple], Any]] = {
        TRIVIAL: trivial_score,
        UNTUNED: untuned_score,
        DEFAULT: default_score,
        TREES: trees_score,
        OURS: search_score,
    }
    if importlib.util.find_spec("pytabkit"):
        found[PEER] = peer_score
    return found


# ---------------------------------------------------------------------- runs


def split_of(data: Frame, seed: int) -> tuple:
    n_train = min(MOST_ROWS, int(0.8 * len(data.y)))
    train, test = train_test_split(
        np.arange(len(data.y)),
        train_size=n_train,
        test_size=min(MOST_ROWS, len(data.y) - n_train),
        random_state=seed,
        stratify=data.y if data.task == "classes" else None,
    )
    X = [data.X.iloc[rows].reset_index(drop=True) for rows in (train, test)]
    return X[0], data.y[train], X[1], data.y[test]


def run(
    name: str, data: Frame, models: dict[str, Any], old: dict, args: Any
) -> Section:
    """Score each model on each split; what is known already is not run again."""
    n_splits = args.repeats or 1
    section = Section(name, f"{name}: {len(data.y):,} rows, {n_splits} splits")
    for peer, score in models.items():
        known = {} if args.again else old.get(peer, {})
        scores, seconds, notes = (
            dict(known.get("scores", {})),
            [],
            known.get("about", ""),
        )
        for seed in range(n_splits):
            if str(seed) in scores:
                continue
            began = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                result = score(data, split_of(data, seed))
            seconds.append(time.perf_counter() - began)
            value, notes = result if isinstance(result, tuple) else (result, notes)
            scores[str(seed)] = float(value)
            print(
                f"  {name} {seed} {peer}: {value:.4f}, {seconds[-1]:.1f} s", flush=True
            )
        seconds = seconds or known.get("seconds", [])
        more = {"scores": scores, "about": notes}
        section.rows.append(
            Row(peer, seconds, "", float(np.mean([*scores.values()])), more)
        )
    n_test = min(MOST_ROWS, len(data.y) - min(MOST_ROWS, int(0.8 * len(data.y))))
    section.notes = [f"{n_test:,} test rows, metric {metric(data)}"]
    return section


def metric(data: Frame) -> str:
    return "R2" if data.task == "numbers" else "accuracy"


def known_scores(args: Any, file: str) -> dict[str, dict[str, Any]]:
    """Read the scores of an earlier run: by table and peer."""
    path = args.results / f"{file}{'.quick' if args.quick else ''}.json"
    if not path.exists():
        return {}
    return {
        section["name"]: {
            row["peer"]: {**row["more"], "seconds": row["seconds"]}
            for row in section["rows"]
        }
        for section in json.loads(path.read_text())["sections"]
    }


def sections(args: Any, models: dict[str, Any], file: str) -> Iterator[Section]:
    old = known_scores(args, file)
    small = bundled_frames() if args.quick else {}
    for name in small or args.only or TABLES:
        try:
            data = small[name] if small else frame(name)
        except MissingData as error:
            yield Section(name, name, skipped=str(error))
            if str(error) == HOW_TO_GET_TABLES:
                return
        else:
            yield run(name, data, models, old.get(name, {}), args)


# ---------------------------------------------------------------------- the verdict


def overview(args: Any) -> str:
    """Return the table of all that was ever measured, the targets beside it."""
    found = known_scores(args, "strong")
    names = [TRIVIAL, UNTUNED, DEFAULT, TREES, PEER, OURS]
    lines = [f"| table | {' | '.join(names)} | s |", "|---" * (len(names) + 2) + "|"]
    normed: dict[str, list[float]] = {name: [] for name in names}
    beats_trees, below_untuned, slowest = 0, [], 0.0
    for table, rows in found.items():
        means = {
            peer: float(np.mean([*row["scores"].values()]))
            for peer, row in rows.items()
        }
        if OURS not in means:
            continue
        best, low = max(means.values()), means[TRIVIAL]
        for peer, value in means.items():
            normed[peer].append((value - low) / (best - low))
        slow = max(rows[OURS]["seconds"], default=0.0)
        slowest = max(slowest, slow)
        beats_trees += means[OURS] > means[TREES]
        if means[OURS] < means[UNTUNED]:
            below_untuned.append(f"{table} {means[OURS] - means[UNTUNED]:.4f}")
        cells = [f"{means[name]:.4f}" if name in means else "" for name in names]
        lines.append(f"| {table} | {' | '.join(cells)} | {slow:.0f} |")
    shown = [f"{np.mean(normed[name]):.4f}" if normed[name] else "" for name in names]
    lines.append(f"| **mean, normalised** | {' | '.join(shown)} | |")
    n = len(normed[OURS])
    lines += [
        "",
        f"Target: normalised score at {PEER}'s: {shown[-1]} beside {shown[-2]}.",
        f"Target: above {TREES} on half of the tables: on {beats_trees} of {n}.",
        f"Target: never below an untuned MLP by more than chance: below on "
        f"{len(below_untuned)} of {n} ({', '.join(below_untuned) or 'none'}).",
        f"Target: 300 s on 2 idle cores: at most {slowest:.0f} s in this file.",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argument_parser(__doc__, TABLES)
    parser.add_argument("--again", action="store_true", help="run known splits, too")
    parser.add_argument("--ablation", action="store_true", help="what each part gains")
    parser.add_argument("--models", nargs="+", help="only these models")
    args = parser.parse_args()
    models: dict[str, Any] = peers()
    file = "strong"
    if args.ablation:
        file = "strong_ablation"
        models = {
            name: lambda data, split, options=options: search_score(
                data, split, **options
            )
            for name, options in ABLATION.items()
        }
    if args.quick:
        models = {
            name: (
                (lambda d, s: search_score(d, s, n_candidates=4, max_epochs=8))
                if name == OURS
                else model
            )
            for name, model in models.items()
            if name != PEER and not args.ablation
        }
    if args.models:
        models = {name: models[name] for name in args.models}
    settings = {"most_rows": MOST_ROWS}
    report(file, _kept(sections(args, models, file), args, file), args, settings)
    if not args.ablation:
        print("\n" + overview(args))


def _kept(measured: Iterator[Section], args: Any, file: str) -> Iterator[Section]:
    """Keep the rows of models that this run left out."""
    old = known_scores(args, file)
    for section in measured:
        new = {row.peer for row in section.rows}
        for peer, row in old.get(section.name, {}).items():
            if peer not in new and not section.skipped:
                more = {"scores": row["scores"], "about": row["about"]}
                mean = float(np.mean([*row["scores"].values()]))
                section.rows.append(Row(peer, row["seconds"], "", mean, more))
        yield section


if __name__ == "__main__":
    main()

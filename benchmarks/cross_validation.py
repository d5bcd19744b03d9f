"""Which activation on which table? Accuracies by repeated cross-validation.

    SKACT_DATA=<folder> python benchmarks/cross_validation.py    # a quarter of an hour
    python benchmarks/cross_validation.py --quick                # bundled tables

6 activations x 3 learning rates, 64-64 hidden units, Adam, batches of 128, no penalty,
2 x 5 stratified folds; as many epochs as make 200,000 rows (5 to 50). Columns are
standardised or one-hot encoded inside the folds. Each activation has its best learning
rate by the same folds, as a user would choose it, which flatters all of them a little.
Beside: MLPClassifier, with the activations it has, in the same search, and published
figures, which stem from other splits and mostly from larger, tuned networks.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from common import Row, Section, argument_parser, cores, report, timed
from loaders import HOW_TO_GET_TABLES, MissingData, bundled_tables, table
from peers import SKLEARN_ACTIVATIONS, unconverged
from searches import end_processes, processes
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV, RepeatedStratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

import skact
from skact import ActMLP

ACTIVATIONS = ("relu", "tanh", "sigmoid", "leaky_relu", "gelu", "selu")
LRS = (0.01, 0.003, 0.001)
HIDDEN = (64, 64)
SELU_PAPER = "Klambauer et al. 2017, arXiv:1706.02515, table A11, tuned"
TABM_PAPER = "MLP of the TabM paper, arXiv:2410.24210, tuned, 15 seeds"
# table -> (what, accuracy, deviation if it is published, source)
PUBLISHED: dict[str, tuple[tuple, ...]] = {
    "adult": (
        ("relu, official test rows", 0.8540, 0.0018, TABM_PAPER),
        ("relu", 0.8487, None, SELU_PAPER),
        ("selu", 0.8476, None, SELU_PAPER),
    ),
    "bank_marketing": (
        ("relu, version of 4,521 rows", 0.8876, None, SELU_PAPER),
        ("selu, version of 4,521 rows", 0.8903, None, SELU_PAPER),
    ),
    "churn_modelling": (("relu", 0.8553, 0.0028, TABM_PAPER),),
    "credit_g": (
        ("relu", 0.7280, None, SELU_PAPER),
        ("selu", 0.7560, None, SELU_PAPER),
    ),
    "covtype_sub": (),
    "electricity": (),
    "higgs_tiny": (),
    "magic": (("relu", 0.8629, None, SELU_PAPER), ("selu", 0.8692, None, SELU_PAPER)),
    "satimage": (
        ("relu", 0.9075, None, SELU_PAPER),
        ("selu", 0.9100, None, SELU_PAPER),
    ),
    "spambase": (
        ("relu", 0.9461, None, SELU_PAPER),
        ("selu", 0.9409, None, SELU_PAPER),
    ),
}
TABLES = tuple(PUBLISHED)


@dataclass(frozen=True)
class Protocol:
    """How every table is cross-validated."""

    activations: tuple[str, ...] = ACTIVATIONS
    lrs: tuple[float, ...] = LRS
    folds: int = 5
    repeats: int = 2
    rows: int = 200_000  # that each fit shall see, over all its epochs

    def epochs(self, n_rows: int) -> int:
        return int(np.clip(self.rows // n_rows, 5, 50))

    def cv(self) -> RepeatedStratifiedKFold:
        return RepeatedStratifiedKFold(
            n_splits=self.folds, n_repeats=self.repeats, random_state=0
        )


QUICK = Protocol(("relu", "tanh"), (0.01,), folds=3, repeats=1, rows=1000)


def as_float32(X: np.ndarray) -> np.ndarray:
    return X.astype(np.float32)


def pipeline(net: Any, X: pd.DataFrame, categorical: list[str]) -> Pipeline:
    """Scale numbers, encode categories, train."""
    numeric = [column for column in X if column not in categorical]
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = make_column_transformer((numbers, numeric), (encoder, categorical))
    cast = FunctionTransformer(as_float32)
    return Pipeline([("columns", columns), ("cast", cast), ("net", net)])


def act_mlp_search(protocol: Protocol, data: tuple) -> GridSearchCV:
    n_rows = len(data[0])
    net = ActMLP(
        hidden=HIDDEN,
        batch_size=128,
        max_epochs=protocol.epochs(n_rows),
        random_state=0,
    )
    grid = {"net__activation": protocol.activations, "net__lr": protocol.lrs}
    return _search(net, grid, protocol, data, None)


def sklearn_search(protocol: Protocol, data: tuple) -> GridSearchCV:
    n_rows = len(data[0])
    net = MLPClassifier(
        HIDDEN,
        alpha=0.0,
        batch_size=128,
        max_iter=protocol.epochs(n_rows),
        tol=0.0,
        n_iter_no_change=10**6,
        random_state=0,
    )
    known = [name for name in protocol.activations if name in SKLEARN_ACTIVATIONS]
    grid = {
        "net__activation": [SKLEARN_ACTIVATIONS[name] for name in known],
        "net__learning_rate_init": protocol.lrs,
    }
    return _search(net, grid, protocol, data, cores())


def _search(
    net: Any, grid: dict, protocol: Protocol, data: tuple, n_jobs: int | None
) -> GridSearchCV:
    X, _, categorical = data
    pipe = pipeline(net, X, categorical)
    grid = {name: list(values) for name, values in grid.items()}
    return GridSearchCV(pipe, grid, cv=protocol.cv(), refit=False, n_jobs=n_jobs)


def best_rows(search: GridSearchCV, peer: str, lr_name: str) -> list[Row]:
    """Give one row an activation: mean and deviation over folds, at its best rate."""
    frame = pd.DataFrame(search.cv_results_)
    best = frame.sort_values("rank_test_score", kind="stable")
    best = best.groupby("param_net__activation", sort=False).first()
    rows = []
    for activation, one in best.iterrows():
        name = "sigmoid" if activation == "logistic" else activation
        more = {"std": one["std_test_score"], "lr": one[f"param_net__{lr_name}"]}
        rows.append(Row(f"{peer} {name}", [], "", one["mean_test_score"], more))
    return rows


def table_section(name: str, data: tuple, protocol: Protocol) -> Section:
    """Cross-validate one table by both, and set the published figures beside."""
    X, y, _ = data
    labels, counts = np.unique(y, return_counts=True)
    title = (
        f"{name}: {len(X):,} rows, {X.shape[1]} columns, {len(labels)} classes, "
        f"{protocol.epochs(len(X))} epochs, {protocol.repeats} x {protocol.folds} folds"
    )
    section = Section(name, title)
    ours, theirs = act_mlp_search(protocol, data), sklearn_search(protocol, data)

    with skact.fused() as session:
        seconds = timed(partial(ours.fit, X, y))
    with processes(theirs.n_jobs):
        their_seconds = timed(partial(theirs.fit, X, y))
    section.rows = best_rows(ours, "ActMLP", "lr")
    section.rows += best_rows(theirs, "MLPClassifier", "learning_rate_init")
    section.rows.append(Row("majority class", [], "", counts.max() / counts.sum()))
    for what, accuracy, deviation, source in PUBLISHED.get(name, ()):
        more = {"std": deviation} if deviation else {}
        section.rows.append(Row(f"published: {what}", [], source, accuracy, more))
    n_ours, n_theirs = (len(search.cv_results_["params"]) for search in (ours, theirs))
    section.rows.append(Row("ActMLP search, fused", [seconds], f"{n_ours} candidates"))
    text = f"{n_theirs} candidates, n_jobs={theirs.n_jobs}"
    section.rows.append(Row("MLPClassifier search", [their_seconds], text))
    section.notes = [agreement(section), *str(session.report).splitlines()]
    return section


def agreement(section: Section) -> str:
    """Compare the activations that both have: they should agree within the spread."""
    texts = []
    for name in SKLEARN_ACTIVATIONS:
        ours = section.row(f"ActMLP {name}")
        theirs = section.row(f"MLPClassifier {name}")
        if ours and theirs:
            gap = ours.accuracy - theirs.accuracy
            spread = max(ours.more["std"], theirs.more["std"])
            far = " (MORE THAN TWICE THE SPREAD)" if abs(gap) > 2 * spread else ""
            texts.append(f"{name} {gap:+.4f}{far}")
    return f"ActMLP minus MLPClassifier: {', '.join(texts)}"


def overview(sections: list[Section]) -> str:
    """Make the one table: a line each data set, a column each activation."""
    lines = {}
    for section in sections:
        cells = {}
        for row in section.rows:
            if row.accuracy is not None:
                std = row.more.get("std")
                spread = f" ±{std:.4f}" if std else ""
                cells[row.peer] = f"{row.accuracy:.4f}{spread}"
        lines[section.name] = {
            name.removeprefix("ActMLP "): text
            for name, text in cells.items()
            if name.startswith("ActMLP")
        }
        for what in ("MLPClassifier", "published"):
            found = [text for name, text in cells.items() if name.startswith(what)]
            lines[section.name][f"{what}, best"] = max(found, default="")
    frame = pd.DataFrame.from_dict(lines, orient="index").fillna("")
    order = [name for name in ACTIVATIONS if name in frame]
    order += [name for name in frame if name not in order]
    return frame[order].to_string()


def warm() -> None:
    """Run both searches once on little: torch's first optimizer, workers' imports."""
    data = bundled_tables()["breast_cancer"]
    X, y, _ = data
    with skact.fused():
        act_mlp_search(QUICK, data).fit(X, y)
    theirs = sklearn_search(QUICK, data)
    with processes(theirs.n_jobs):
        theirs.fit(X, y)


def sections(args) -> Iterator[Section]:
    protocol = QUICK if args.quick else Protocol(repeats=args.repeats or 2)
    small = bundled_tables() if args.quick else {}
    warm()
    for name in small or args.only or TABLES:
        try:
            data = small[name] if small else table(name)
        except MissingData as error:
            yield Section(name, name, skipped=str(error))
            if str(error) == HOW_TO_GET_TABLES:
                break  # none is there, and it has been said
        else:
            yield table_section(name, data, protocol)
    end_processes()


if __name__ == "__main__":
    arguments = argument_parser(__doc__, TABLES).parse_args()
    with unconverged():
        settings = {"protocol": str(Protocol())}
        measured = report("cross_validation", sections(arguments), arguments, settings)
    found = [section for section in measured if not section.skipped]
    if found:
        print(f"\naccuracy, ± deviation over folds\n{overview(found)}")

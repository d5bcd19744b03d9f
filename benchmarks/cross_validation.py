"""Which activation on which table? Scores by repeated cross-validation.

    SKACT_DATA=<folder> python benchmarks/cross_validation.py    # 12 minutes
    python benchmarks/cross_validation.py --quick                # bundled tables

6 activations x 3 learning rates, 64-64 hidden units, Adam, batches of 128, no penalty,
no early stopping, weights drawn as each peer draws them unless told otherwise,
2 x 3 shuffled folds, stratified for classes; all rows, as many epochs as make 300,000
rows (6 to 50; each title tells). Inside the folds, columns are standardised and far
outliers brought to 10 deviations, categories one-hot encoded, numbers to be predicted
standardised. Each activation has its best learning rate by the same folds, as a user
would choose it; a note tells how far this flatters. Beside: MLPClassifier and
MLPRegressor, with the activations they have, in the same search on the same folds, and
published figures. Differences are taken fold by fold (corrected t test).
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from common import Row, Section, argument_parser, report, timed
from loaders import HOW_TO_GET_TABLES, MissingData, Table, bundled_tables, table
from peers import unconverged
from published import PUBLISHED
from repeated_folds import (
    ACTIVATIONS,
    KINDS,
    Gap,
    Outcome,
    Protocol,
    gap,
    our_search,
    outcomes,
    their_search,
)
from searches import end_processes, processes

import skact

TABLES = tuple(PUBLISHED)
COLUMNS = (*ACTIVATIONS, "scikit-learn", "published")
QUICK = Protocol(
    ("relu", "tanh"), (0.01,), folds=3, repeats=1, rows=1000, epochs_between=(5, 20)
)
# What shuffled folds make of a table: to be known before its figures are compared.
CAVEATS = {
    "bank_marketing": "column 'duration' is known after the call only",
    "electricity": "in the order of time: shuffled folds flatter",
    "satimage": "neighbouring pixels: shuffled folds flatter",
    "spambase": "391 rows occur twice: shuffled folds flatter",
    "wine_quality": "1,177 rows occur twice: shuffled folds flatter",
    "protein": "1,711 rows occur twice: shuffled folds flatter",
    "covtype_sub": "an excerpt: published figures of covtype are of other rows",
    "higgs_tiny": "an excerpt: published figures of higgs are of other rows",
    "diamonds": "price in dollars",
}


# ---------------------------------------------------------------------- rows


def title(name: str, data: Table, protocol: Protocol) -> str:
    n_rows, n_columns = data.X.shape
    n_classes = len(np.unique(data.y))
    what = f"{n_classes} classes" if data.task == "classes" else "regression"
    caveat = f"; {CAVEATS[name]}" if name in CAVEATS else ""
    return (
        f"{name}: {n_rows:,} rows, {n_columns} columns, {what}, "
        f"{protocol.epochs(n_rows)} epochs, {protocol.repeats} x {protocol.folds} folds"
        f"{caveat}"
    )


def score_row(peer: str, scores: dict[str, Any], setting: str = "", **more: Any) -> Row:
    """Tell accuracies in their column, and other scores by their names."""
    rest = {name: value for name, value in scores.items() if name != "accuracy"}
    return Row(peer, [], setting, scores.get("accuracy"), {**rest, **more})


def outcome_row(peer: str, outcome: Outcome, **more: Any) -> Row:
    """Tell mean and deviation over folds at the best rate; all folds go to the file."""
    told: dict[str, Any] = {}
    for score in outcome.scores:
        values = outcome.at_best(score)
        told[score] = float(values.mean())
        told[f"{score} std"] = float(values.std())
    samples = {
        score: dict(zip(map(str, outcome.lrs), values.tolist(), strict=True))
        for score, values in outcome.scores.items()
    }
    name = f"{peer} {outcome.activation}"
    return score_row(name, told, lr=outcome.lr, **more, samples=samples)


def our_rows(peer: str, found: dict[str, Outcome], protocol: Protocol) -> list[Row]:
    """Tell of each activation, and how far it is from relu, fold by fold."""
    rows = []
    for name, outcome in found.items():
        more = {}
        if name != "relu" and "relu" in found:
            more["minus relu"] = str(difference(outcome, found["relu"], protocol))
        rows.append(outcome_row(peer, outcome, **more))
    return rows


def baseline_row(data: Table) -> Row:
    if data.task == "classes":
        counts = np.unique(data.y, return_counts=True)[1]
        return score_row("majority class", {"accuracy": counts.max() / counts.sum()})
    return score_row("mean of y", {"R2": 0.0, "RMSE": float(data.y.std())})


def published_rows(name: str, data: Table) -> list[Row]:
    score = "accuracy" if data.task == "classes" else "RMSE"
    rows = []
    for figure in PUBLISHED.get(name, ()):
        scores = {score: figure.value}
        if figure.std is not None:
            scores[f"{score} std"] = figure.std
        rows.append(score_row(f"published: {figure.what}", scores, figure.source))
    return rows


# ---------------------------------------------------------------------- notes


def difference(one: Outcome, other: Outcome, protocol: Protocol) -> Gap:
    return gap(one.deciding[one.best], other.deciding[other.best], protocol)


def notes(
    ours: dict[str, Outcome], theirs: dict[str, Outcome], protocol: Protocol
) -> list[str]:
    """Say where both peers disagree, what the choice of the rate gives, what failed."""
    gaps = [
        f"{name} {difference(ours[name], theirs[name], protocol)}"
        for name in ours
        if name in theirs
    ]
    flattery = max(one.flattery() for one in (*ours.values(), *theirs.values()))
    return [
        f"skact minus scikit-learn: {', '.join(gaps)}",
        "differences ± standard error; * more than chance (corrected t test, 95 %)",
        f"chosen on the very folds, a rate flatters by {flattery:.4f} at most",
        *failures(ours),
    ]


def failures(found: dict[str, Outcome]) -> list[str]:
    """Say which fits failed, and where a rate makes a fold half as good, or worse."""
    texts = []
    for name, outcome in found.items():
        for lr, values in zip(outcome.lrs, outcome.deciding, strict=True):
            failed = int(np.sum(~np.isfinite(values)))
            if failed:
                texts.append(f"{name}, lr {lr}: {failed} FITS FAILED")
            elif values.min() < outcome.deciding[outcome.best].mean() / 2:
                texts.append(f"{name}, lr {lr}: a fold of {values.min():.4f}")
    return texts


# ---------------------------------------------------------------------- sections


def table_section(name: str, data: Table, protocol: Protocol) -> Section:
    """Cross-validate one table by both, and set the published figures beside."""
    section = Section(name, title(name, data, protocol))
    kind = KINDS[data.task]
    ours, theirs = our_search(protocol, data), their_search(protocol, data)
    with skact.fused() as session:
        seconds = timed(partial(ours.fit, data.X, data.y))
    with processes(theirs.n_jobs):
        their_seconds = timed(partial(theirs.fit, data.X, data.y))

    found, peers = outcomes(ours, kind), outcomes(theirs, kind)
    name_ours, name_theirs = kind.ours.__name__, kind.theirs.__name__
    section.rows = our_rows(name_ours, found, protocol)
    section.rows += [outcome_row(name_theirs, one) for one in peers.values()]
    section.rows += [baseline_row(data), *published_rows(name, data)]
    section.rows += [
        search_row(name_ours, ours, seconds, "fused"),
        search_row(name_theirs, theirs, their_seconds, f"n_jobs={theirs.n_jobs}"),
    ]
    section.notes = notes(found, peers, protocol)
    section.notes += str(session.report).splitlines()
    return section


def search_row(peer: str, search: Any, seconds: float, how: str) -> Row:
    fits = len(search.cv_results_["params"]) * search.n_splits_
    return Row(f"{peer} search", [seconds], f"{fits} fits, {how}")


# ---------------------------------------------------------------------- overview


def value(row: Row, score: str) -> float | None:
    return row.accuracy if score == "accuracy" else row.more.get(score)


def cell(row: Row, score: str) -> str:
    """Tell mean and deviation; * where an activation differs from relu."""
    mean, std = value(row, score), row.more.get(f"{score} std")
    digits = 1 if mean > 100 else 4
    spread = f" ± {std:.{digits}f}" if std is not None else ""
    mark = "*" if row.more.get("minus relu", "").endswith("*") else ""
    return f"{mean:.{digits}f}{spread}{mark}"


def overview(sections: list[Section], score: str) -> str:
    """Make one Markdown table: a line each data set, a column each activation."""
    better = min if score == "RMSE" else max
    lines = []
    for section in sections:
        rows = [row for row in section.rows if value(row, score) is not None]
        if not rows:
            continue
        cells = {
            row.peer.split()[1]: cell(row, score)
            for row in rows
            if row.peer.startswith("ActMLP")
        }
        for column, start in (("scikit-learn", "MLP"), ("published", "published")):
            peers = [row for row in rows if row.peer.startswith(start)]
            if peers:
                best = better(peers, key=lambda row: value(row, score))
                what = best.peer.split(maxsplit=1)[1]
                cells[column] = f"{cell(best, score)} ({what})"
        lines.append([section.name, *(cells.get(name, "") for name in COLUMNS)])
    if not lines:
        return ""
    header = [f"{score} ± deviation over folds", *COLUMNS]
    table_lines = [header, ["---"] * len(header), *lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in table_lines)


def warm() -> None:
    """Run both searches once on little: torch's first optimizer, workers' imports."""
    data = bundled_tables()["breast_cancer"]
    with skact.fused():
        our_search(QUICK, data).fit(data.X, data.y)
    theirs = their_search(QUICK, data)
    with processes(theirs.n_jobs):
        theirs.fit(data.X, data.y)


def sections(args: Any, protocol: Protocol) -> Iterator[Section]:
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


def main() -> None:
    arguments = argument_parser(__doc__, TABLES).parse_args()
    protocol = QUICK if arguments.quick else Protocol()
    if arguments.repeats:
        protocol = replace(protocol, repeats=arguments.repeats)
    with unconverged():
        settings = {"protocol": str(protocol)}
        measured = sections(arguments, protocol)
        done = report("cross_validation", measured, arguments, settings)
    tables = [overview(done, score) for score in ("accuracy", "R2", "RMSE")]
    print("\n" + "\n\n".join(filter(None, tables)))


if __name__ == "__main__":
    main()

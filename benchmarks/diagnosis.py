"""How often `diagnose` is right, and whether its advice helps.

    SKACT_DATA=<folder> python benchmarks/diagnosis.py    # 10 minutes, held-out tables
    python benchmarks/diagnosis.py                        # bundled tables, other seeds
    python benchmarks/diagnosis.py --quick                # does it run?

The rules were written on nets of the tables that scikit-learn bundles and of half the
tables of SKACT_DATA (--development), and are measured on nets of the other half. A net
counts as healthy if its skill on test rows is near the best of its table; a fault
counts if it costs a healthy net skill. Skill is 1 - log-loss / entropy of the classes,
or R2, but at least -1. So what counts is decided by scores alone.

A finding is right if its cause is the planted fault; whatever is found of a healthy net
is wrong. The first advice of each net with a fault is followed, and the net trained
again.
"""

import argparse
import contextlib
import copy
import json
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from common import RESULTS, machine, versions
from joblib import Parallel, delayed
from loaders import MissingData, Table, bundled_tables, table
from planted_faults import Case, draw_healthy, plant_faults
from sklearn.datasets import load_iris, load_wine
from sklearn.metrics import log_loss, r2_score
from skorch.history import History

from skact import DivergedError, Finding, diagnose, fused

DEVELOPMENT = (
    *("adult", "churn_modelling", "credit_g", "electricity", "protein", "satimage"),
    "wine_quality",
)
HELD_OUT = (
    *("bank_marketing", "california_housing", "covtype_sub", "diamonds", "higgs_tiny"),
    *("magic", "spambase"),
)
# what `diagnose` gets to see -> precision and recall that it must reach
WAYS = {"monitor": (0.9, 0.8), "X and y": (None, None), "losses": (None, None)}
_LOSSES = ("epoch", "train_loss", "valid_loss", "dur")


@dataclass(frozen=True)
class Trained:
    """A case with its net, its skill, and that of the net without the fault."""

    case: Case
    net: Any
    skill: float
    healthy_skill: float

    @property
    def counts(self) -> bool:
        """Whether a fault does harm; a net without a fault is healthy anyway."""
        limit = self.healthy_skill - max(0.05, 0.15 * self.healthy_skill)
        return not self.case.fault or self.skill <= limit


def train(cases: Iterable[Case]) -> list[tuple[Case, Any, float]]:
    """Train all nets together; return each with its skill on test rows."""
    cases = list(cases)
    with fused():
        nets = Parallel()(delayed(fit)(case) for case in cases)
    return [
        (case, net, skill(case, net)) for case, net in zip(cases, nets, strict=True)
    ]


def fit(case: Case) -> Any:
    net = case.net()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a fault may well warn
        with contextlib.suppress(DivergedError):
            net.fit(*case.data[:2])
    return net


def skill(case: Case, net: Any) -> float:
    """Return R2, or what the log-loss leaves of the entropy; -1 is the least."""
    if not net.initialized_:
        return -1.0
    _, y_train, X, y = case.data
    with np.errstate(all="ignore"):
        found = net.predict_proba(X) if case.task == "classes" else net.predict(X)
    if not np.isfinite(found).all():
        return -1.0
    if case.task == "numbers":
        return max(-1.0, float(r2_score(y, found.astype(np.float64).ravel())))
    found = found.astype(np.float64).clip(1e-7, 1)
    found /= found.sum(axis=1, keepdims=True)
    shares = pd.Series(y_train).value_counts(normalize=True)
    entropy = -np.log(shares[y]).mean()
    return max(-1.0, float(1 - log_loss(y, found, labels=net.classes_) / entropy))


def measure(tables: dict[str, Table], seeds: range, n_faults: int) -> list[Trained]:
    """Train healthy nets, and copies with faults; return those that count."""
    drawn = [
        draw_healthy(name, table, seed)
        for name, table in tables.items()
        for seed in seeds
    ]
    tried = train(drawn)
    best = pd.Series([s for *_, s in tried]).groupby([c.table for c in drawn]).max()
    healthy = [
        Trained(case, net, own, own)
        for case, net, own in tried
        if own >= best[case.table] - max(0.03, 0.1 * best[case.table])
    ]
    bases = [one.case for one in healthy]
    own_skill = {one.case.name: one.skill for one in healthy}
    planted = [
        Trained(case, net, own, own_skill[case.name.partition(":")[0]])
        for case, net, own in train(plant_faults(bases, n_faults, seeds.start))
    ]
    print(
        f"{len(healthy)} of {len(drawn)} nets are healthy; of {len(planted)} faults "
        f"{sum(one.counts for one in planted)} do harm"
    )
    return [one for one in healthy + planted if one.counts]


def findings_of(one: Trained, way: str) -> list[Finding]:
    if way == "monitor":
        return [finding for _, finding in diagnose(one.net).findings]
    bare = copy.copy(one.net)
    bare.history_ = History(
        {k: v for k, v in row.items() if k in _LOSSES} for row in one.net.history_
    )
    data = one.case.data[:2] if way == "X and y" else ()
    return [finding for _, finding in diagnose(bare, *data).findings]


def judge(trained: list[Trained], way: str) -> pd.DataFrame:
    """Return a row for each net: what was planted, what was found."""
    rows = []
    for one in trained:
        found = findings_of(one, way)
        right = [finding.cause in one.case.causes for finding in found]
        rows.append(
            {
                "net": one.case.name,
                "fault": one.case.fault,
                "skill": one.skill,
                "healthy_skill": one.healthy_skill,
                "found": ", ".join(finding.cause for finding in found),
                "text": " / ".join(map(str, found)),
                "n_right": sum(right),
                "n_wrong": len(right) - sum(right),
            }
        )
    return pd.DataFrame(rows)


def follow(case: Case, finding: Finding) -> Case:
    """Return the case with the change that a finding advises."""
    change = dict(finding.change)
    if change.pop("X", None):
        middle, spread = case.data[0].mean(axis=0), case.data[0].std(axis=0)
        case = case.with_data(lambda X: (X - middle) / np.where(spread > 0, spread, 1))
    if change.pop("y", None):
        X_train, y_train, X_test, y_test = case.data
        middle, spread = y_train.mean(), y_train.std()
        y_train, y_test = (y_train - middle) / spread, (y_test - middle) / spread
        case = replace(case, data=(X_train, y_train, X_test, y_test))
    if finding.cause == "initial weights":
        case = replace(case, start=())
    return case.with_params(**change)


def follow_first_advice(trained: list[Trained]) -> pd.DataFrame:
    """Train nets with faults again, as the first finding says."""
    advised = [
        (one, found[0])
        for one in trained
        if one.case.fault and (found := findings_of(one, "monitor")) and found[0].change
    ]
    again = train(follow(one.case, finding) for one, finding in advised)
    return pd.DataFrame(
        {
            "net": one.case.name,
            "fault": one.case.fault,
            "cause": finding.cause,
            "before": one.skill,
            "after": after,
            "healthy_skill": one.healthy_skill,
        }
        for (one, finding), (*_, after) in zip(advised, again, strict=True)
    )


def summarise(judged: pd.DataFrame) -> dict[str, float]:
    planted, healthy = judged[judged["fault"] != ""], judged[judged["fault"] == ""]
    n_found = judged["n_right"].sum() + judged["n_wrong"].sum()
    return {
        "healthy": len(healthy),
        "healthy with a finding": int((healthy["n_wrong"] > 0).sum()),
        "planted": len(planted),
        "planted and found": int((planted["n_right"] > 0).sum()),
        "findings": int(n_found),
        "precision": float(judged["n_right"].sum() / max(n_found, 1)),
        "recall": float((planted["n_right"] > 0).mean()),
    }


def report(judged: dict[str, pd.DataFrame], followed: pd.DataFrame) -> None:
    planted = judged["monitor"][judged["monitor"]["fault"] != ""]
    by_fault = planted.groupby("fault").agg(
        nets=("net", "size"),
        found=("n_right", lambda n: int((n > 0).sum())),
        wrong=("n_wrong", "sum"),
    )
    by_fault["followed"] = followed.groupby("fault").size()
    is_better = followed["after"] > followed["before"]
    by_fault["better"] = is_better.groupby(followed["fault"]).sum()
    by_fault[["followed", "better"]] = by_fault[["followed", "better"]].astype("Int64")
    for name in ("before", "after", "healthy_skill"):
        by_fault[name] = followed.groupby("fault")[name].median()
    print(f"\n{by_fault.to_string(float_format='{:.2f}'.format, na_rep='')}\n")
    rows = {way: summarise(frame) for way, frame in judged.items()}
    for way, (precision, recall) in WAYS.items():
        rows[way] |= {"target precision": precision, "target recall": recall}
    print(pd.DataFrame(rows).T.to_string(float_format="{:.3g}".format, na_rep=""))
    print(
        f"\nadvice followed: {is_better.sum()} of {len(followed)} nets are better "
        f"(target: all)"
    )


def small_tables() -> dict[str, Table]:
    """Return the tables that scikit-learn bundles."""
    more = {"iris": load_iris, "wine": load_wine}
    return bundled_tables() | {
        name: Table(*load(return_X_y=True), [], "classes")
        for name, load in more.items()
    }


def choose_nets(args: argparse.Namespace) -> tuple[str, dict[str, Table], range]:
    """Return a name of the set, the tables, and the seeds of nets of each table."""
    if args.quick:
        return "quick", small_tables(), range(2)
    try:
        if args.development:
            tables = small_tables() | {name: table(name) for name in DEVELOPMENT}
            return "development", tables, range(100, 106)
        return "held-out", {name: table(name) for name in HELD_OUT}, range(1000, 1017)
    except MissingData as error:
        print(f"{error}\nSo these are nets of bundled tables, with other seeds.")
        return "bundled", small_tables(), range(500, 510)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two nets of small tables")
    parser.add_argument("--development", action="store_true", help="the other set")
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()
    kind, tables, seeds = choose_nets(args)
    trained = measure(tables, seeds, n_faults=2)
    judged = {way: judge(trained, way) for way in WAYS}
    followed = follow_first_advice(trained)
    report(judged, followed)
    args.results.mkdir(parents=True, exist_ok=True)
    path = args.results / f"diagnosis.{kind}.json"
    content = {
        "machine": machine(),
        "versions": versions(),
        "summary": {way: summarise(frame) for way, frame in judged.items()},
        "nets": judged["monitor"].to_dict("records"),
        "followed": followed.to_dict("records"),
    }
    path.write_text(json.dumps(content, indent=1, default=float) + "\n")
    print(f"\nwritten: {path}")


if __name__ == "__main__":
    main()

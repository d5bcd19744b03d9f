"""What many nets cost: bagging, voting, stacking, folds, in `fused()` and outside.

    SKACT_DATA=<folder> python benchmarks/many_nets.py    # adult, satimage, magic
    python benchmarks/many_nets.py --quick                # digits, little work

Each recipe is fitted outside and in the block, all in turn. Times are ratios to that of
one net outside the block; "of the time outside" is what the block leaves of a recipe's
own time. Predictions of both are compared first.
"""

from argparse import Namespace
from collections.abc import Callable
from typing import Any

import numpy as np
from common import Row, Section, alternate, argument_parser, report, timed
from defaults import Split, split_rows
from loaders import MissingData, bundled_tables, table
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_validate

from skact import ActMLP, fused

TABLES = ("adult", "satimage", "magic")
ACTIVATIONS = ("relu", "tanh", "silu")


def net(activation: str = "relu", seed: int = 0, **params: Any) -> ActMLP:
    return ActMLP(activation, dtype="float32", random_state=seed, **params)


class Folds:
    """`cross_validate` as if it were an estimator: five nets, each on four fifths."""

    def __init__(self, one: ActMLP) -> None:
        self.one = one

    def fit(self, X: np.ndarray, y: np.ndarray) -> "Folds":
        found = cross_validate(self.one, X, y, cv=5, return_estimator=True)
        self.nets_ = found["estimator"]
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        proba = np.mean([one.predict_proba(X) for one in self.nets_], axis=0)
        return self.nets_[0].classes_[proba.argmax(axis=1)]


def recipes(epochs: int) -> dict[str, Callable[[], Any]]:
    """Return what builds one net, and each way to have many."""
    params = {"max_epochs": epochs}
    seeds = [(f"net{seed}", net(seed=seed, **params)) for seed in range(5)]
    kinds = [(name, net(name, **params)) for name in ACTIVATIONS]
    return {
        "one net": lambda: net(**params),
        "BaggingClassifier, 10 nets": lambda: BaggingClassifier(
            net(**params), 10, random_state=0
        ),
        "VotingClassifier, 5 seeds": lambda: VotingClassifier(seeds, voting="soft"),
        "StackingClassifier, 3 activations": lambda: StackingClassifier(
            kinds, LogisticRegression(max_iter=1000), cv=5
        ),
        "cross_validate, 5 folds averaged": lambda: Folds(net(**params)),
    }


def fit(build: Callable[[], Any], split: Split, in_block: bool) -> Any:
    if not in_block:
        return build().fit(split.X, split.y)
    with fused():
        return build().fit(split.X, split.y)


def measure(name: str, split: Split, epochs: int, repeats: int) -> Section:
    """Compare predictions, then times, of all recipes on one table."""
    section = Section(name, f"{name}: {len(split.X)} rows", reference="one net")
    clocks, accuracies = {}, {}
    for recipe, build in recipes(epochs).items():
        predictions = []
        for in_block in (False, True):
            key = f"{recipe}, fused" if in_block else recipe
            model = fit(build, split, in_block)
            predictions.append(model.predict(split.X_test))
            accuracies[key] = float((predictions[-1] == split.y_test).mean())
            clocks[key] = lambda b=build, i=in_block: timed(lambda: fit(b, split, i))
        if not np.array_equal(*predictions):
            section.notes.append(f"{recipe}: PREDICTIONS DIFFER in the block.")
    for key, seconds in alternate(clocks, repeats).items():
        section.rows.append(Row(key, seconds, accuracy=accuracies[key]))
    for recipe in recipes(epochs):
        plain, block = section.row(recipe), section.row(f"{recipe}, fused")
        if plain is not None and block is not None and plain.median and block.median:
            block.more["of the time outside"] = block.median / plain.median
    return section


def main(args: Namespace) -> None:
    rows, epochs, repeats = (300, 5, 1) if args.quick else (3_000, 50, 3)
    data = {"digits": bundled_tables()["digits"]}
    if not args.quick:
        try:
            data = {name: table(name) for name in TABLES}
        except MissingData as error:
            print(f"{error} Bundled digits instead.")
    names = [name for name in data if not args.only or name in args.only]
    sections = (
        measure(name, split_rows(data[name], 0, rows), epochs, args.repeats or repeats)
        for name in names
    )
    report("many_nets", sections, args, {"rows": rows, "epochs": epochs})


if __name__ == "__main__":
    main(argument_parser(__doc__ or "", (*TABLES, "digits")).parse_args())

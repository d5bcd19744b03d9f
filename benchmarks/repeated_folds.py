"""Activations x learning rates on one table, by repeated folds: one way for all tables.

Classes and numbers differ in a `Kind`: which networks, which scores, which folds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from common import cores
from loaders import Table
from peers import SKLEARN_ACTIVATIONS
from scipy.stats import t as student
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV, RepeatedKFold, RepeatedStratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from skact import ActMLP, ActMLPRegressor

ACTIVATIONS = ("relu", "tanh", "sigmoid", "leaky_relu", "gelu", "selu")
LRS = (0.01, 0.002, 0.0004)  # wide: few rows want slow rates, few epochs fast ones
HIDDEN = (64, 64)
BATCH = 128
# Deviations from the mean. california_housing has districts at 119, where unbounded
# activations predict anything: left there, relu had an R^2 of .51 ± .44 over folds.
FARTHEST = 10.0


@dataclass(frozen=True)
class Kind:
    """What differs between tables of classes and tables of numbers."""

    ours: type
    theirs: type
    wrap: Callable[[Any], Any]  # what stands around the network in the pipeline
    prefix: str  # of the network's parameters there
    scorers: dict[str, str]  # score -> scikit-learn's name; the first decides
    folds: type


def standardised_y(net: Any) -> TransformedTargetRegressor:
    return TransformedTargetRegressor(net, transformer=StandardScaler())


KINDS = {
    "classes": Kind(
        ActMLP,
        MLPClassifier,
        lambda net: net,
        "net",
        {"accuracy": "accuracy"},
        RepeatedStratifiedKFold,
    ),
    "numbers": Kind(
        ActMLPRegressor,
        MLPRegressor,
        standardised_y,
        "net__regressor",
        {"R2": "r2", "RMSE": "neg_root_mean_squared_error"},
        RepeatedKFold,
    ),
}


@dataclass(frozen=True)
class Protocol:
    """How every table is cross-validated."""

    activations: tuple[str, ...] = ACTIVATIONS
    lrs: tuple[float, ...] = LRS
    folds: int = 3
    repeats: int = 2
    rows: int = 300_000  # that each fit shall see, over all its epochs
    epochs_between: tuple[int, int] = (6, 50)

    def epochs(self, n_rows: int) -> int:
        return int(np.clip(self.rows // n_rows, *self.epochs_between))

    def cv(self, kind: Kind) -> Any:
        return kind.folds(n_splits=self.folds, n_repeats=self.repeats, random_state=0)


# ---------------------------------------------------------------------- searches


def near(X: np.ndarray) -> np.ndarray:
    """Bring far outliers near, and save half the memory."""
    return np.clip(X, -FARTHEST, FARTHEST).astype(np.float32)


def pipeline(net: Any, table: Table, kind: Kind) -> Pipeline:
    """Scale numbers, encode categories, train."""
    numeric = [i for i in range(table.X.shape[1]) if i not in table.categorical]
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = make_column_transformer((numbers, numeric), (encoder, table.categorical))
    cast = FunctionTransformer(near)
    return Pipeline([("columns", columns), ("near", cast), ("net", kind.wrap(net))])


def our_search(protocol: Protocol, table: Table) -> GridSearchCV:
    kind = KINDS[table.task]
    net = kind.ours(
        hidden=HIDDEN,
        batch_size=BATCH,
        max_epochs=protocol.epochs(len(table.y)),
        random_state=0,
    )
    grid = {"activation": protocol.activations, "lr": protocol.lrs}
    return _search(net, grid, protocol, table, None)


def their_search(protocol: Protocol, table: Table) -> GridSearchCV:
    """Make scikit-learn's network train as ours: no penalty, all epochs."""
    kind = KINDS[table.task]
    net = kind.theirs(
        hidden_layer_sizes=HIDDEN,
        alpha=0.0,
        batch_size=BATCH,
        max_iter=protocol.epochs(len(table.y)),
        tol=0.0,
        n_iter_no_change=10**6,
        random_state=0,
    )
    known = [name for name in protocol.activations if name in SKLEARN_ACTIVATIONS]
    grid = {
        "activation": [SKLEARN_ACTIVATIONS[name] for name in known],
        "learning_rate_init": protocol.lrs,
    }
    return _search(net, grid, protocol, table, cores())


def _search(
    net: Any, grid: dict, protocol: Protocol, table: Table, n_jobs: int | None
) -> GridSearchCV:
    kind = KINDS[table.task]
    return GridSearchCV(
        pipeline(net, table, kind),
        {f"{kind.prefix}__{name}": list(values) for name, values in grid.items()},
        scoring=kind.scorers,
        cv=protocol.cv(kind),
        refit=False,
        n_jobs=n_jobs,
    )


# ---------------------------------------------------------------------- outcomes


@dataclass
class Outcome:
    """One activation of one peer: its scores on every fold, at every rate."""

    activation: str
    lrs: list[float]
    scores: dict[str, np.ndarray]  # score -> (rates, folds); lower RMSE is better

    @property
    def deciding(self) -> np.ndarray:
        return next(iter(self.scores.values()))

    @property
    def best(self) -> int:
        """Which rate has the best mean; one whose fits failed has none."""
        means = self.deciding.mean(axis=1)
        return int(np.argmax(np.where(np.isfinite(means), means, -np.inf)))

    @property
    def lr(self) -> float:
        return self.lrs[self.best]

    def at_best(self, score: str) -> np.ndarray:
        return self.scores[score][self.best]

    def flattery(self) -> float:
        """How much is gained by choosing the rate on the very folds that are told.

        Against the rate that was best on all other folds, fold by fold.
        """
        scores = self.deciding[np.isfinite(self.deciding).all(axis=1)]
        if not len(scores):
            return 0.0
        others = scores.sum(axis=1, keepdims=True) - scores
        chosen = scores[np.argmax(others, axis=0), np.arange(scores.shape[1])]
        return float(scores.mean(axis=1).max() - chosen.mean())


def outcomes(search: GridSearchCV, kind: Kind) -> dict[str, Outcome]:
    """Read a search: one outcome an activation."""
    results, found = search.cv_results_, {}
    ours = {theirs: name for name, theirs in SKLEARN_ACTIVATIONS.items()}
    name = f"param_{kind.prefix}__activation"
    lr = next(key for key in results if key.startswith("param_") and key != name)
    activations = np.asarray(results[name])
    for activation in dict.fromkeys(activations.tolist()):
        where = activations == activation
        scores = {
            score: np.stack(
                [
                    results[f"split{fold}_test_{score}"][where]
                    for fold in range(search.n_splits_)
                ],
                axis=1,
            )
            * (-1 if scorer.startswith("neg_") else 1)
            for score, scorer in kind.scorers.items()
        }
        one = ours.get(activation, activation)
        found[one] = Outcome(one, np.asarray(results[lr])[where].tolist(), scores)
    return found


# ---------------------------------------------------------------------- statistics


@dataclass(frozen=True)
class Gap:
    """A mean difference over the same folds, and whether chance may explain it."""

    mean: float
    error: float  # its standard error
    folds: int

    @property
    def certain(self) -> bool:
        """Two-sided t test, 95 %."""
        return abs(self.mean) > student.ppf(0.975, self.folds - 1) * self.error

    def __str__(self) -> str:
        return f"{self.mean:+.4f} ± {self.error:.4f}{'*' if self.certain else ''}"


def gap(ours: np.ndarray, theirs: np.ndarray, protocol: Protocol) -> Gap:
    """Compare fold by fold, which takes the folds' own difficulty out.

    Training sets overlap, so the folds' plain error would be too small: corrected as in
    Nadeau & Bengio 2003, by the rows of a test fold over those of its training folds.
    """
    differences = ours - theirs
    n = len(differences)
    variance = differences.var(ddof=1) * (1 / n + 1 / (protocol.folds - 1))
    return Gap(float(differences.mean()), float(np.sqrt(variance)), n)

"""Healthy nets on real tables, and the same nets with a fault that is planted.

A net is drawn: activation, width, depth, optimizer, a rate near the one that suits,
dropout, decay, norm, batches, epochs, what is held out. Then one fault is planted into
a copy. Whether a net is healthy, and whether a fault costs anything, is measured on
held-out rows, not assumed, and before any diagnosis.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from loaders import Table
from sklearn.model_selection import train_test_split
from skorch.callbacks import Initializer
from skorch.dataset import ValidSplit

from skact import ActivationMonitor, ActMLP, ActMLPRegressor
from skact.activations.learning_rates import recommended_lr

ROWS = 1_500  # of each table, a third of them to test


@dataclass(frozen=True)
class Case:
    """A net and its data."""

    name: str
    table: str
    task: str  # "classes" or "numbers"
    data: tuple[np.ndarray, ...]  # X and y to train, X and y to test
    params: dict[str, Any]
    fault: str = ""  # "": none was planted
    causes: tuple[str, ...] = ()  # what `diagnose` may call it
    start: tuple[Any, ...] = ()  # callbacks that set the initial weights
    figures: dict[str, Any] = field(default_factory=dict)  # that describe the fault

    def net(self) -> Any:
        kind = ActMLP if self.task == "classes" else ActMLPRegressor
        callbacks = [ActivationMonitor(), *self.start]
        return kind(**self.params, callbacks=callbacks, dtype="float32", random_state=0)

    def with_params(self, **params: Any) -> "Case":
        return replace(self, params={**self.params, **params})

    def with_data(self, X: Callable[[Any], Any]) -> "Case":
        """Return the case with inputs changed, those to test alike."""
        X_train, y_train, X_test, y_test = self.data
        changed = (X(X_train), y_train, X(X_test), y_test)
        return replace(
            self,
            data=tuple(
                np.asarray(a, np.float32) if i % 2 == 0 else a
                for i, a in enumerate(changed)
            ),
        )


# ---------------------------------------------------------------------- healthy nets


def split_table(table: Table, seed: int, *, is_standard: bool) -> tuple[Any, ...]:
    """Return rows to train and to test; categories have a column each.

    Inputs are standardised, or scaled to [0, 1].
    """
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(table.X))[:ROWS]
    X, y = _one_hot(table.X[rows], table.categorical), table.y[rows]
    if table.task == "classes":  # a class of a few rows cannot be split
        names, counts = np.unique(y, return_counts=True)
        kept = np.isin(y, names[counts >= 20])
        X, y = X[kept], y[kept]
    is_of_classes = table.task == "classes"
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=1 / 3, random_state=seed, stratify=y if is_of_classes else None
    )
    mean, scale = X_train.mean(axis=0), X_train.std(axis=0)
    varies = scale > 0
    if not is_standard:
        mean, scale = X_train.min(axis=0), np.ptp(X_train, axis=0)
    X_train, X_test = (
        ((part[:, varies] - mean[varies]) / scale[varies]).clip(-5, 5).astype("float32")
        for part in (X_train, X_test)
    )
    if not is_of_classes:
        middle, spread = y_train.mean(), y_train.std()
        y_train, y_test = (
            ((part - middle) / spread).astype("float32") for part in (y_train, y_test)
        )
    return X_train, y_train, X_test, y_test


def _one_hot(X: np.ndarray, categorical: list[int]) -> np.ndarray:
    columns = []
    for i, column in enumerate(X.T):
        if i in categorical:
            names, counts = np.unique(column, return_counts=True)
            common = names[np.argsort(-counts)][:12]
            columns += [column == name for name in common]
        else:
            known = np.nanmean(column)
            columns.append(np.where(np.isnan(column), known, column))
    return np.column_stack(columns).astype(np.float64)


def draw_healthy(name: str, table: Table, seed: int) -> Case:
    """Draw a net of usual hyperparameters for a table."""
    rng = np.random.default_rng([seed, *name.encode()])
    data = split_table(table, seed, is_standard=rng.random() < 0.7)
    activation = rng.choice(
        ["relu", "relu", "tanh", "silu", "leaky_relu", "gelu", "selu", "elu", "sigmoid"]
    ).item()
    optimizer = rng.choice(["adam", "adam", "adamw", "sgd"]).item()
    batch = int(rng.choice([32, 64, 128]))
    depth = int(rng.integers(1, 3 if activation == "sigmoid" else 4))
    norm = rng.choice([None, None, None, "batch", "layer"])
    if norm == "batch" and rng.random() < 0.5:
        depth += 3
    n_steps, n_batches = int(rng.integers(300, 900)), -(-len(data[0]) // batch)
    held_out: dict[str, Any] = rng.choice(
        [{}, {"train_split": ValidSplit(0.2, random_state=0)}, {"early_stopping": True}]
    )
    rate = recommended_lr(activation, optimizer) * float(np.exp(rng.uniform(-1.5, 1.5)))
    params = {
        "activation": activation,
        "width": int(rng.choice([16, 32, 64, 128])),
        "depth": depth,
        "optimizer": optimizer,
        "lr": float(f"{rate:.1g}"),
        "batch_size": batch,
        "max_epochs": min(max(n_steps // n_batches, 8), 60),
        "dropout": float(rng.choice([0.0, 0.0, 0.1, 0.3, 0.5])),
        "weight_decay": float(rng.choice([0.0, 0.0, 1e-4, 1e-3])),
        "norm": norm,
        "lr_schedule": rng.choice([None, None, "cosine"]),
        **held_out,
    }
    return Case(f"{name} {seed}", name, table.task, data, params)


# ---------------------------------------------------------------------- faults

Plant = Callable[[Case, np.random.Generator], Case | None]
FAULTS: dict[str, Plant] = {}


def fault(name: str, *causes: str) -> Callable[[Plant], Plant]:
    """Register a fault, and the causes that are right; None: it does not fit here."""

    def register(plant: Plant) -> Plant:
        def planted(case: Case, rng: np.random.Generator) -> Case | None:
            found = plant(case, rng)
            if found is None:
                return None
            return replace(
                found, name=f"{case.name}: {name}", fault=name, causes=causes
            )

        FAULTS[name] = planted
        return plant

    return register


@fault("one column x 1e6", "inputs")
def _one_column(case: Case, rng: np.random.Generator) -> Case:
    factors = np.ones(case.data[0].shape[1])
    factors[rng.integers(len(factors))] = 1e6
    return case.with_data(lambda X: X * factors)


@fault("inputs x 1e-4", "inputs")
def _tiny_inputs(case: Case, rng: np.random.Generator) -> Case:
    return case.with_data(lambda X: X * 1e-4)


@fault("inputs x 100", "inputs")
def _large_inputs(case: Case, rng: np.random.Generator) -> Case:
    return case.with_data(lambda X: X * 100)


@fault("inputs of all units", "inputs")
def _inputs_of_all_units(case: Case, rng: np.random.Generator) -> Case:
    n = case.data[0].shape[1]
    factors, middles = 10 ** rng.uniform(-2, 3, n), rng.uniform(0, 5, n)
    return case.with_data(lambda X: (X + middles) * factors)


@fault("y in its units", "y")
def _large_y(case: Case, rng: np.random.Generator) -> Case | None:
    if case.task == "classes":
        return None
    X_train, y_train, X_test, y_test = case.data
    size = 10 ** rng.uniform(2, 5)
    y_train, y_test = (
        ((part + 2) * size).astype("float32") for part in (y_train, y_test)
    )
    return replace(case, data=(X_train, y_train, X_test, y_test))


@fault("lr x 100", "high lr")
def _high_lr(case: Case, rng: np.random.Generator) -> Case:
    return case.with_params(lr=case.params["lr"] * 10 ** rng.uniform(1.5, 2.5))


@fault("lr / 100", "low lr")
def _low_lr(case: Case, rng: np.random.Generator) -> Case:
    return case.with_params(lr=case.params["lr"] / 10 ** rng.uniform(1.5, 2.5))


@fault("momentum", "momentum")
def _momentum(case: Case, rng: np.random.Generator) -> Case | None:
    if case.params["optimizer"] != "sgd":
        return None
    return case.with_params(momentum=float(rng.choice([0.995, 0.999])))


@fault("dropout", "dropout")
def _dropout(case: Case, rng: np.random.Generator) -> Case:
    return case.with_params(dropout=round(rng.uniform(0.7, 0.95), 2))


@fault("weight decay", "weight decay")
def _decay(case: Case, rng: np.random.Generator) -> Case:
    size = 10 ** rng.uniform(-1, 0.5)
    is_adamw = case.params["optimizer"] == "adamw"
    return case.with_params(weight_decay=size * (30 if is_adamw else 1))


@fault("one unit", "width")
def _one_unit(case: Case, rng: np.random.Generator) -> Case:
    return case.with_params(width=1)


@fault("deep, torch's weights", "depth")
def _deep(case: Case, rng: np.random.Generator) -> Case | None:
    if case.params["activation"] == "sigmoid":
        return None
    depth = int(rng.integers(10, 20))
    return case.with_params(depth=depth, width=32, init="torch", norm=None)


@fault("deep sigmoid", "depth", "activation")
def _deep_sigmoid(case: Case, rng: np.random.Generator) -> Case:
    return case.with_params(
        activation="sigmoid",
        lr=recommended_lr("sigmoid", case.params["optimizer"]),
        depth=int(rng.integers(5, 12)),
        norm=None,
    )


@fault("biases that kill", "initial weights")
def _dead(case: Case, rng: np.random.Generator) -> Case | None:
    if case.params["activation"] != "relu" or case.params["norm"] is not None:
        return None
    return replace(case, start=(Initializer("hidden.0.linear.bias", fn=_fill_low),))


@fault("weights of 0", "initial weights")
def _zeros(case: Case, rng: np.random.Generator) -> Case:
    return replace(case, start=(Initializer("*weight", fn=_fill_zero),))


@fault("weights x 30", "initial weights")
def _huge(case: Case, rng: np.random.Generator) -> Case | None:
    if case.params["norm"] is not None:
        return None
    return replace(case, start=(Initializer("*weight", fn=_enlarge),))


@fault("output activation", "output activation")
def _output(case: Case, rng: np.random.Generator) -> Case:
    names = ["softmax"] if case.task == "classes" else ["sigmoid", "relu", "tanh"]
    return case.with_params(output_activation=rng.choice(names).item())


@fault("noise learned by heart", "overfitting")
def _overfitted(case: Case, rng: np.random.Generator) -> Case:
    X_train, y_train, *test = case.data
    noisy = rng.random(len(y_train)) < 0.3
    y_train = np.where(noisy, rng.permutation(y_train), y_train)
    found = replace(case, data=(X_train, y_train, *test)).with_params(
        **{"activation": "relu", "optimizer": "adam", "lr": recommended_lr("relu")},
        **{"width": 256, "depth": 2, "norm": None, "dropout": 0.0, "weight_decay": 0.0},
        early_stopping=False,
        train_split=ValidSplit(0.2, random_state=0),
        lr_schedule=None,
    )
    return found.with_params(max_epochs=4 * case.params["max_epochs"])


@fault("few epochs", "epochs")
def _few_epochs(case: Case, rng: np.random.Generator) -> Case:
    return case.with_params(max_epochs=int(rng.integers(1, 4)))


@fault("one batch", "epochs")
def _one_batch(case: Case, rng: np.random.Generator) -> Case:
    return case.with_params(batch_size=-1, max_epochs=int(rng.integers(8, 20)))


@fault("y that X tells nothing of", "no signal")
def _no_signal(case: Case, rng: np.random.Generator) -> Case:
    X_train, y_train, *test = case.data
    found = replace(case, data=(X_train, rng.permutation(y_train), *test))
    return found.with_params(
        early_stopping=False, train_split=ValidSplit(0.2, random_state=0)
    )


def _fill_low(weight: Any) -> None:
    weight.data.fill_(-30.0)


def _fill_zero(weight: Any) -> None:
    weight.data.zero_()


def _enlarge(weight: Any) -> None:
    weight.data.mul_(30.0)


def plant_faults(bases: list[Case], n_faults: int, seed: int) -> Iterator[Case]:
    """Yield copies of nets with faults, all kinds of faults equally often."""
    rng = np.random.default_rng(seed)
    waiting: list[str] = []
    for base in bases:
        n_planted = 0
        while n_planted < n_faults:
            if not waiting:
                waiting = rng.permutation(list(FAULTS)).tolist()
            found = FAULTS[waiting.pop()](base, rng)
            if found is not None:
                n_planted += 1
                yield found

"""Which learning rate suits which activation: the figures behind `activation_grid`.

    SKACT_DATA=<folder> python benchmarks/learning_rates.py    # 8 minutes
    python benchmarks/learning_rates.py --quick                # seconds, bundled tables

Every activation with eight learning rates (optimizers "adam" and "sgd"), on several
tables, two hidden layers of 64 units, 30 epochs, 3 folds. The rate that suits is where
the held-out loss, interpolated over log(lr), is least; of all tables the median.
"""

import argparse
import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from common import RESULTS
from loaders import bundled_tables, table
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skact import ActMLP, fused, get_activation, list_activations, to_frame

TABLES = ("satimage", "magic", "spambase", "electricity", "churn_modelling")
RATES = {
    "adam": np.geomspace(1e-4, 1e-1, 8),
    "sgd": np.geomspace(1e-3, 1.0, 8),
}
ROWS = 3_000  # of each table: a search of tens of seconds


def losses(X: np.ndarray, y: np.ndarray, optimizer: str, epochs: int) -> pd.DataFrame:
    """Return the mean held-out log-loss: (activations, rates)."""
    names = [name for name in list_activations() if get_activation(name).elementwise]
    net = ActMLP(
        width=64,
        depth=2,
        optimizer=optimizer,
        max_epochs=epochs,
        dtype="float32",
        random_state=0,
    )
    grid = {"actmlp__activation": names, "actmlp__lr": RATES[optimizer].tolist()}
    search = GridSearchCV(
        make_pipeline(StandardScaler(), net),
        grid,
        scoring="neg_log_loss",
        cv=3,
        refit=False,
    )
    with warnings.catch_warnings(), fused():
        warnings.simplefilter("ignore", FitFailedWarning)  # some rates are too high
        warnings.filterwarnings("ignore", "One or more of the test scores")
        search.fit(X, y)
    frame = to_frame(search)
    frame["loss"] = -frame["mean_test_score"]
    return frame.pivot(index="activation", columns="lr", values="loss")


def suiting(curve: pd.Series) -> float:
    """Return where a parabola through the least loss and its neighbours is least."""
    logs, heights = np.log(curve.index.to_numpy(float)), curve.to_numpy(float)
    heights = np.where(np.isfinite(heights), heights, np.inf)
    at = int(heights.argmin())
    if at in (0, len(heights) - 1) or not np.isfinite(heights[at - 1 : at + 2]).all():
        return float(curve.index[at])
    a, b, c = np.log(heights[at - 1 : at + 2])
    shift = 0.5 * (a - c) / (a - 2 * b + c) if a - 2 * b + c > 0 else 0.0
    return float(np.exp(logs[at] + shift * (logs[1] - logs[0])))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="bundled tables, 3 epochs")
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()
    if args.quick:
        tables = {k: t for k, t in bundled_tables().items() if t.task == "classes"}
    else:
        tables = {name: table(name) for name in TABLES}
        tables |= {"digits": bundled_tables()["digits"]}
    found: dict[str, dict[str, dict[str, float]]] = {}
    for optimizer in RATES:
        of_tables = {}
        for name, (X, y, *_) in tables.items():
            rows = np.random.default_rng(0).permutation(len(X))[:ROWS]
            curves = losses(X[rows], y[rows], optimizer, 3 if args.quick else 30)
            of_tables[name] = curves.apply(suiting, axis=1)
        rates = pd.DataFrame(of_tables)
        rates["median"] = rates.median(axis=1)
        rates["of relu's"] = rates["median"] / rates.loc["relu", "median"]
        print(f"\n{optimizer}\n{rates.to_string(float_format='{:.2g}'.format)}")
        found[optimizer] = rates.to_dict()
    path = args.results / f"learning_rates{'.quick' if args.quick else ''}.json"
    args.results.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n")
    print(f"\nwritten: {path}")


if __name__ == "__main__":
    main()

"""Measures one size of `scaling.py`, in a process of its own: prints one line of JSON.

python benchmarks/scaling_child.py candidates 64 20
python benchmarks/scaling_child.py rows 1000000 3 ActMLP
"""

import json
import resource
import sys
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from common import timed
from loaders import digits
from peers import PEERS, Task, unconverged
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler

import skact

FOLDS = 3
N_FEATURES = 20


def peak_mib() -> float:
    """Return the most memory that this process has held, in MiB."""
    try:  # Linux counts in ru_maxrss what the process was before exec, too
        status = Path("/proc/self/status").read_text().splitlines()
        kib = next(line.split()[1] for line in status if line.startswith("VmHWM"))
        return int(kib) / 1024
    except (OSError, StopIteration):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (2**20 if sys.platform == "darwin" else 1024)


def fused_search(lrs: list[float], epochs: int, X: np.ndarray, y: np.ndarray) -> float:
    """Search learning rates, fused; return the mean accuracy."""
    task = Task(64, 10, (64,), epochs=epochs, batch_size=32, optimizer="adam")
    net = PEERS["ActMLP"](task)
    search = GridSearchCV(net, {"lr": lrs}, cv=FOLDS, refit=False)
    with skact.fused():
        search.fit(X, y)
    return float(search.cv_results_["mean_test_score"].mean())


def candidates(size: int, epochs: int) -> dict[str, float]:
    """Time one search over so many learning rates."""
    X, y = digits()
    X = StandardScaler().fit_transform(X)
    # the same spread of rates at each size: what is trained does not change with it
    lrs = np.geomspace(0.001, 0.03, size).tolist() if size > 1 else [0.005]
    fused_search([0.01, 0.02], 1, X, y)  # warm
    before, accuracy = peak_mib(), []
    seconds = timed(lambda: accuracy.append(fused_search(lrs, epochs, X, y)))
    return _outcome(seconds, before, accuracy[0])


def synthetic(n_rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw rows of two classes that a linear model cannot tell apart."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_rows, N_FEATURES), np.float32)
    return X, (X[:, 0] * X[:, 1] + X[:, 2] > 0).astype(np.int64)


def rows(size: int, epochs: int, peer: str) -> dict[str, float]:
    """Time a fit of so many rows: once, or the median of several short ones."""
    X, y = synthetic(size)
    unseen, labels = synthetic(10_000, seed=1)
    task = Task(N_FEATURES, 2, (64,), epochs=epochs, batch_size=128, lr=0.003)
    net = PEERS[peer](task)
    PEERS[peer](task).fit(X[:500], y[:500])  # warm
    before = peak_mib()
    fits = max(1, 20_000 // size)
    seconds = median(timed(partial(net.fit, X, y)) for _ in range(fits))
    accuracy = np.mean(net.predict(unseen) == labels)
    return _outcome(seconds, before, float(accuracy))


def _outcome(seconds: float, before: float, accuracy: float) -> dict[str, float]:
    return {
        "seconds": seconds,
        "accuracy": accuracy,
        "peak_mib": peak_mib(),
        "before_mib": before,
    }


if __name__ == "__main__":
    kind, size, epochs, *peer = sys.argv[1:]
    measure = {"candidates": candidates, "rows": rows}[kind]
    with unconverged():
        print(json.dumps(measure(int(size), int(epochs), *peer)))

"""Small real data and results of searches, the same for every test."""

import functools
import os
import sys
from typing import Any

import joblib
import matplotlib
import numpy as np
import pytest
from hypothesis import settings
from scipy import stats
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    make_moons,
)
from sklearn.model_selection import GridSearchCV, RepeatedStratifiedKFold
from sklearn.preprocessing import scale
from sklearn.svm import SVC

from skact.backend import engine_helpers
from skact.resuming import kept_fits

# No test depends on how fast the machine is. What lands must not depend on the luck of
# the draw either: CI takes the same examples each time, every other run new ones.
IN_CI = os.environ.get("CI") == "true"
settings.register_profile("skact", deadline=None, derandomize=IN_CI)
settings.load_profile("skact")

matplotlib.use("Agg")  # pictures need no screen

# joblib's workers end after five idle minutes, and work that comes in that very moment
# is never done: a search with n_jobs=2 waited forever once, with no worker left. The
# suite is longer than five minutes
_loky = functools.partial(joblib.parallel.BACKENDS["loky"], idle_worker_timeout=7200)
joblib.register_parallel_backend("loky", _loky)


def _shuffled(X, y, n, dtype=np.float64):
    rows = np.random.default_rng(0).permutation(len(X))[:n]
    return scale(X[rows]).astype(dtype), y[rows]


@pytest.fixture(autouse=True)
def _no_workers_by_themselves(monkeypatch):
    """A slow machine must not have workers in a test that counts stacks.

    Nor must those that another test of this process has left waiting take a part.
    """
    monkeypatch.setattr(engine_helpers, "SECONDS_WORTH_A_START", np.inf)
    monkeypatch.setattr(engine_helpers, "SECONDS_WORTH_A_MESSAGE", np.inf)


@pytest.fixture(autouse=True)
def _figures_closed():
    """Pictures of earlier tests must not add up to matplotlib's warning of 20."""
    yield
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close("all")


@pytest.fixture(autouse=True)
def _nothing_left_by_an_interrupt(monkeypatch):
    """A test that ends by Ctrl-C must not leave its fits to the next one."""
    monkeypatch.setattr(kept_fits, "_left", [])


@pytest.fixture(scope="session")
def iris():
    """Iris: 150 rows, 4 columns, 3 classes."""
    return _shuffled(*load_iris(return_X_y=True), 150)


@pytest.fixture(scope="session")
def digits():
    """300 digits, 64 columns, 10 classes, float32."""
    X, y = load_digits(return_X_y=True)
    return _shuffled(X, y, 300, np.float32)


@pytest.fixture(scope="session")
def cancer():
    """Breast cancer: 300 rows, 30 columns, 2 classes."""
    return _shuffled(*load_breast_cancer(return_X_y=True), 300)


@pytest.fixture(scope="session")
def diabetes():
    """Diabetes: 300 rows, 10 columns, y scaled."""
    X, y = _shuffled(*load_diabetes(return_X_y=True), 300)
    return X, scale(y)


@pytest.fixture(scope="module")
def client():
    """A cluster of Dask with two worker processes."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="session")
def moons() -> Any:
    """The search of scikit-learn's example 'Statistical comparison of models'."""
    data, target = make_moons(noise=0.352, random_state=1, n_samples=100)
    grid = [
        {"kernel": ["linear"]},
        {"kernel": ["poly"], "degree": [2, 3]},
        {"kernel": ["rbf"]},
    ]
    cv = RepeatedStratifiedKFold(n_splits=10, n_repeats=10, random_state=0)
    search = GridSearchCV(SVC(random_state=0), grid, scoring="roc_auc", cv=cv)
    return search.fit(data, target)


@pytest.fixture
def results() -> Any:
    """The cv_results_ of given scores."""
    return _results


def _results(scores: dict[Any, Any], **more: Any) -> dict[str, Any]:
    """Make the cv_results_ of candidates, by activation: (candidates, folds)."""
    rows = [(name, row) for name, of in scores.items() for row in np.atleast_2d(of)]
    table = np.array([row for _, row in rows], dtype=float)
    means = table.mean(axis=1)
    found = {
        "params": [{}] * len(rows),
        "param_activation": [name for name, _ in rows],
        "mean_test_score": means,
        "rank_test_score": stats.rankdata(-np.nan_to_num(means), "min").astype(int),
    }
    found |= {f"split{k}_test_score": table[:, k] for k in range(table.shape[1])}
    return found | {f"param_{name}": values for name, values in more.items()}

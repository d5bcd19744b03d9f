"""Small real data, the same for every test."""

import os

import numpy as np
import pytest
from hypothesis import settings
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris
from sklearn.preprocessing import scale

from skact.backend import engine_helpers

# No test depends on how fast the machine is. What lands must not depend on the luck of
# the draw either: CI takes the same examples each time, every other run new ones.
IN_CI = os.environ.get("CI") == "true"
settings.register_profile("skact", deadline=None, derandomize=IN_CI)
settings.load_profile("skact")


def _shuffled(X, y, n, dtype=np.float64):
    rows = np.random.default_rng(0).permutation(len(X))[:n]
    return scale(X[rows]).astype(dtype), y[rows]


@pytest.fixture(autouse=True)
def _no_workers_by_themselves(monkeypatch):
    """A slow machine must not have workers in a test that counts stacks."""
    monkeypatch.setattr(engine_helpers, "SECONDS_WORTH_A_START", np.inf)


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

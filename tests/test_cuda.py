"""The same code on a GPU; skipped where there is none."""

import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV

from skact import ActMLP, fused

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="torch finds no CUDA device here"
)


@pytest.mark.parametrize("norm", [None, "batch", "layer"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_a_network_trained_on_a_gpu_is_that_of_the_cpu(optimizer, norm, iris):
    params = {"optimizer": optimizer, "norm": norm, "max_epochs": 3, "random_state": 0}
    params["dtype"] = "float64"
    on_cpu = ActMLP("tanh", **params).fit(*iris)
    on_gpu = ActMLP("tanh", device="cuda", **params).fit(*iris)
    assert on_gpu.trained_by_ == "the engine"
    np.testing.assert_allclose(
        on_gpu.predict_proba(iris[0]), on_cpu.predict_proba(iris[0]), rtol=0, atol=1e-9
    )


def test_a_fused_search_on_a_gpu_is_the_search_alone(iris):
    grid = {"activation": ["relu", "tanh", "gelu"], "lr": [0.1, 0.01]}
    net = ActMLP(device="cuda", dtype="float64", max_epochs=3, random_state=0)
    alone = GridSearchCV(net, grid, cv=3).fit(*iris)
    with fused() as session:
        together = GridSearchCV(net, grid, cv=3).fit(*iris)
    assert session.report.n_fused == 18
    np.testing.assert_allclose(
        alone.best_estimator_.predict_proba(iris[0]),
        together.best_estimator_.predict_proba(iris[0]),
        rtol=0,
        atol=1e-9,
    )
    np.testing.assert_array_equal(
        alone.cv_results_["mean_test_score"], together.cv_results_["mean_test_score"]
    )

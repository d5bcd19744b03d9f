"""What trained is gone when the training is over, before Python looks for circles."""

import gc
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import LRScheduler

from skact import ActivationMonitor, ActMLP, TrainingLog, fused
from skact.engine.jobs import FitJob
from skact.engine.stack import Stack

pytestmark = pytest.mark.once

X, y = load_iris(return_X_y=True)
X = X.astype(np.float32)
NETS = {
    "plain": {},
    "validated": {"early_stopping": True},
    "callbacks": {"callbacks": [("rate", LRScheduler(policy="StepLR", step_size=1))]},
    "monitored": {"callbacks": [ActivationMonitor()]},
    "norm, dropout": {"norm": "batch", "dropout": 0.1, "activation": "prelu"},
    "a function of the user's": {"activation": torch.sin},
}


def alive() -> list[Any]:
    return [o for o in gc.get_objects() if type(o) in (FitJob, Stack)]


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("kind", NETS)
def test_no_job_and_no_stack_outlives_its_search(kind: str, together: bool) -> None:
    """They hold slices of the user's table: gigabytes, of a large one."""

    def work() -> Any:
        log = TrainingLog()
        net = ActMLP(max_epochs=2, random_state=0).set_params(**NETS[kind])
        net.set_callbacks(log)
        grid = {"lr": [0.1, 0.01]}
        search = GridSearchCV(net, grid, cv=2, scoring=log.scorer(), refit=False)
        if together:
            with fused():
                search.fit(X, y)
        else:
            search.fit(X, y)

    work()
    gc.collect()
    before = alive()  # what other tests keep
    gc.disable()
    try:
        work()
        assert len(alive()) == len(before)
    finally:
        gc.enable()

"""The history of a net becomes columns with a cell for each epoch."""

import json
import math
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import EpochScoring
from skorch.dataset import ValidSplit

from skact import ActMLP
from skact.results.frames import to_frame
from skact.visualization.hiplot_experiment import to_hiplot

X, y = load_iris(return_X_y=True)
X32 = X.astype(np.float32)


def fitted_net(**parameters: Any) -> ActMLP:
    split = ValidSplit(0.2, stratified=True, random_state=0)
    net = ActMLP(max_epochs=3, random_state=0, train_split=split)
    return net.set_params(**parameters).fit(X32, y)


def check_page(source: Any, level: str, n_rows: int) -> None:
    """A page shows each row of the frame, in plain JSON without markup."""
    experiment = to_hiplot(source, level).validate()
    assert len(experiment.datapoints) == n_rows
    assert "<" not in json.dumps(experiment._asdict(), allow_nan=False)


def test_what_a_callback_records_is_a_column() -> None:
    scoring = EpochScoring("f1_macro", name="f1", lower_is_better=False)
    net = fitted_net(callbacks=[scoring])
    frame = to_frame(net)
    assert frame["f1"].tolist() == net.history[:, "f1"]
    assert frame["f1_best"].dtype == bool


def test_a_loss_that_is_no_number_is_missing() -> None:
    net = fitted_net()
    net.history[1]["train_loss"] = math.nan
    net.history[2]["note"] = ["a", {"b": 1}]
    frame = to_frame(net)
    assert frame["train_loss"].isna().tolist() == [False, True, False]
    assert frame["note"].isna().tolist() == [True, True, False]
    check_page(net, "epoch", 3)


@pytest.mark.parametrize("net", [ActMLP(), make_pipeline(StandardScaler(), ActMLP())])
def test_a_net_without_a_history_says_so(net: Any) -> None:
    with pytest.raises(NotFittedError, match="This ActMLP has no training history yet"):
        to_frame(net)


def test_an_estimator_without_a_history_has_no_epochs() -> None:
    with pytest.raises(TypeError, match="must be a fitted net of skact or skorch"):
        to_frame(MLPClassifier(), "epoch")

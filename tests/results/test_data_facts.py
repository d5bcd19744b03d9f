"""The facts of data are those that numpy finds."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.datasets import load_iris
from sklearn.metrics import log_loss

from skact import ActivationMonitor, ActMLP, ActMLPBinary, ActMLPRegressor
from skact.results.data_facts import facts_of_data, largest_column

X, y = load_iris(return_X_y=True)


def test_the_scale_of_columns_is_that_of_numpy() -> None:
    data = np.column_stack([X, np.full(len(X), 7.0), X[:, 0] * 1e6])
    facts = facts_of_data(data, y, "")
    assert facts == {
        "input_max": pytest.approx(np.sqrt((data**2).mean(axis=0)).max()),
        # a constant column has no deviation to count
        "input_median": pytest.approx(np.median(np.delete(data, 4, 1).std(axis=0))),
    }
    assert largest_column(data) == 5
    assert facts_of_data(csr_array(data), y, "") == pytest.approx(facts)
    assert facts_of_data(np.ones((3, 2)), y, "")["input_median"] == 0


def test_the_loss_of_a_constant_is_that_of_the_best_one() -> None:
    labels = np.array(["a", "b", "b", "b"])
    facts = facts_of_data(X[:4], labels, "CrossEntropyLoss")
    assert facts["loss_constant"] == pytest.approx(
        log_loss(labels, [[0.25, 0.75]] * 4, labels=["a", "b"])
    )
    balanced = facts_of_data(X[:4], labels, "BCEWithLogitsLoss", is_balanced=True)
    assert balanced["loss_constant"] == pytest.approx(np.log(2))
    targets = X[:, :2]
    facts = facts_of_data(X, targets, "MSELoss")
    assert facts["loss_constant"] == pytest.approx(targets.var(axis=0).mean())
    assert "loss_constant" not in facts_of_data(X, targets, "L1Loss")


@pytest.mark.parametrize("kind", [ActMLP, ActMLPBinary, ActMLPRegressor])
def test_the_monitor_records_the_facts_of_the_training_rows(kind: type) -> None:
    rows = slice(0, 70)  # 50 and 20 of two classes
    net = kind(max_epochs=2, callbacks=[ActivationMonitor()]).fit(X[rows], y[rows])
    criterion = "MSELoss" if kind is ActMLPRegressor else "CrossEntropyLoss"
    expected = facts_of_data(X[rows], y[rows], criterion)
    for epoch in net.history:
        assert {k: epoch[k] for k in expected} == pytest.approx(expected)


def test_class_weights_change_the_loss_of_a_constant() -> None:
    net = ActMLP(max_epochs=1, callbacks=[ActivationMonitor()], class_weight="balanced")
    net.fit(X[:70], y[:70])
    assert net.history[-1, "loss_constant"] == pytest.approx(np.log(2))
    net.set_params(class_weight={0: 2.0}).fit(X[:70], y[:70])
    assert "loss_constant" not in net.history[-1]

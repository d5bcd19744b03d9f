"""The callbacks that every net has: what they record, and what they print."""

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score
from skorch import NeuralNet
from skorch.callbacks import Callback
from skorch.dataset import ValidSplit
from skorch.history import History
from torch import nn

from skact import ActMLP, ActMLPRegressor
from skact.nets.default_callbacks import (
    QuietLog,
    WeightedLoss,
    accuracy,
    replace_default_callbacks,
)


def test_the_loss_of_an_epoch_is_weighted_over_batches_too(iris):
    X, y = iris
    weight = np.where(np.arange(150) < 50, 1.0, 0.01)
    split = ValidSplit(5, stratified=True)
    options = {"max_epochs": 1, "lr": 1e-30, "shuffle": False, "random_state": 0}
    recorded = [
        ActMLP(train_split=split, batch_size=size, **options)
        .fit(X, y, sample_weight=weight)
        .history[-1, ("train_loss", "valid_loss")]
        for size in (10, 50, -1)
    ]
    np.testing.assert_allclose(recorded[0], recorded[2])
    np.testing.assert_allclose(recorded[1], recorded[2])
    logits = ActMLP(random_state=0).initialize(X, y).forward(X)
    losses = nn.functional.cross_entropy(logits, torch.from_numpy(y), reduction="none")
    train, valid = next(split.check_cv(y).split(X, y))
    expected = [
        np.average(losses[rows], weights=weight[rows]) for rows in (train, valid)
    ]
    np.testing.assert_allclose(recorded[2], expected)


@pytest.mark.parametrize("kind", [ActMLP, ActMLPRegressor])
def test_a_net_has_skorchs_default_callbacks_in_forms_of_skact(kind):
    skorchs = [name for name, _ in NeuralNet.get_default_callbacks(kind())]
    net = kind()
    assert [name for name, _ in net.get_default_callbacks()][: len(skorchs)] == skorchs
    forms = dict(net.get_default_callbacks())
    assert type(forms["train_loss"]) is type(forms["valid_loss"]) is WeightedLoss
    assert forms["train_loss"].on_train
    assert not forms["valid_loss"].on_train
    assert type(forms["print_log"]) is QuietLog


def test_a_callback_of_another_name_is_left_as_it_is():
    mine = Callback()
    assert dict(replace_default_callbacks([("mine", mine)]))["mine"] is mine


def test_early_stopping_loads_the_best_weights_and_prints_nothing(capsys):
    callback = dict(ActMLP(early_stopping=True, patience=7).get_default_callbacks())[
        "early_stopping"
    ]
    assert (callback.patience, callback.load_best) == (7, True)
    assert "early_stopping" not in dict(ActMLP().get_default_callbacks())
    X, y = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 2
    net = ActMLP(early_stopping=True, patience=1, lr=1.0, random_state=0).fit(X, y)
    assert len(net.history) < 50
    assert capsys.readouterr().out == ""


def test_weights_of_zero_leave_skorchs_mean():
    def batch(loss, size, weight):
        return {
            "train_loss": loss,
            "train_batch_size": size,
            "train_batch_weight": weight,
        }

    for weights, expected in (([3.0, 1.0], 1.25), ([0.0, 0.0], 1.5)):
        history = History()
        history.new_epoch()
        for loss, weight in zip([1.0, 2.0], weights, strict=True):
            history.new_batch()
            for key, value in batch(loss, 10, weight).items():
                history.record_batch(key, value)
        callback = WeightedLoss(name="train_loss", on_train=True)
        assert callback.get_avg_score(history) == expected


def test_accuracy_is_the_share_of_right_labels(iris):
    X, y = iris
    net = ActMLP(max_epochs=2, random_state=0).fit(X, y)
    assert accuracy(net, X, y) == accuracy_score(y, net.predict(X))


@pytest.mark.parametrize(
    ("verbose", "sink", "lines"), [(0, None, 0), (1, None, 4), (0, "mine", 4)]
)
def test_a_line_is_printed_for_each_epoch_if_somebody_reads_it(
    verbose, sink, lines, iris, capsys
):
    printed = []
    net = ActMLP(max_epochs=2, verbose=verbose, train_split=ValidSplit(3))
    if sink is not None:
        net.set_params(callbacks__print_log__sink=printed.append)
    net.fit(*iris)
    # a header of two lines, and a line an epoch
    assert len(capsys.readouterr().out.splitlines() + printed) == lines


def test_no_table_is_built_that_is_not_printed(iris, monkeypatch):
    def build(self, data):
        built.append(data["epoch"])
        return "header\nlines\nrow"

    built: list = []
    monkeypatch.setattr(QuietLog, "table", build)
    for verbose, epochs in ((0, []), (1, [1, 2])):
        ActMLP(max_epochs=2, verbose=verbose, train_split=ValidSplit(3)).fit(*iris)
        assert built == epochs

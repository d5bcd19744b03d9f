"""Loaders get what was given, and None is as nothing given."""

import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from skact import ActMLP
from skact.engine.batches import row_order
from skact.parameters.loader_options import (
    check_has_batches,
    check_loader,
    check_loader_class,
    given_loader_options,
    loader_options,
)
from skact.parameters.rows import Rows, TrainingData

X, Y = np.arange(20.0).reshape(10, 2), np.tile([0, 1], 5)


def built(**params):
    return ActMLP(**{"width": 3, "random_state": 0, **params}).initialize(X, Y)


class OwnLoader(DataLoader):
    """A loader to which None is another thing than nothing."""

    def __init__(self, dataset, own=3, **params):
        super().__init__(dataset, **params)
        self.own = own


def test_a_loader_of_training_rows_shuffles_by_seed_and_epoch_and_takes_all_rows():
    net, data = built(batch_size=4), TrainingData.of_rows(Rows(X, Y, Y))
    loaders = [
        DataLoader(data, **loader_options(net, data, training=training))
        for training in (True, False)
    ]
    order = row_order(10, net.seeds_.order, len(net.history_))
    for loader, expected in zip(loaders, (order, torch.arange(10)), strict=True):
        batches = [X for X, _ in loader]
        assert [len(batch) for batch in batches] == [4, 4, 2]
        np.testing.assert_array_equal(torch.cat(batches), X[expected.numpy()])


@pytest.mark.parametrize(
    ("params", "sizes"),
    [
        ({"batch_size": -1}, [10]),
        ({"batch_size": 4, "iterator_train__batch_size": 5}, [5, 5]),
        ({"batch_size": 4, "iterator_train__drop_last": True}, [4, 4]),
        ({"shuffle": False, "iterator_train__batch_sampler": [[3], [1, 2]]}, [1, 2]),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_parameters_of_the_loader_come_before_those_of_the_net(params, sizes):
    net = built(**params)
    data = TrainingData.of_rows(Rows(X, Y, Y))
    loader = DataLoader(data, **loader_options(net, data, training=True))
    assert [len(targets) for _, targets in loader] == sizes


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize(
    "name", ["sampler", "batch_sampler", "generator", "collate_fn", "worker_init_fn"]
)
@pytest.mark.parametrize("use", ["train", "valid"])
def test_none_for_a_loader_is_as_leaving_it_out(use, name, early_stopping):
    rows = np.random.default_rng(0).normal(size=(40, 3))
    labels, before = np.arange(40) % 2, torch.get_rng_state()
    params = {"max_epochs": 3, "early_stopping": early_stopping, "random_state": 0}
    nets = [
        ActMLP(**params, **given).fit(rows, labels)
        for given in ({f"iterator_{use}__{name}": None}, {})
    ]
    first, second = (net.predict_proba(rows) for net in nets)
    np.testing.assert_array_equal(first, second)
    assert nets[0].trained_by_ == "the engine"
    assert torch.equal(before, torch.get_rng_state())


def test_none_reaches_a_keyword_of_a_loader_of_ones_own():
    net = built(iterator_train=OwnLoader, iterator_train__own=None)
    assert given_loader_options(net, training=True) == {"own": None}
    data = TrainingData.of_rows(Rows(X, Y, Y))
    assert net.get_iterator(data, training=True).own is None


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"iterator_train__sampler": iter(range(10))},
            "ActMLP would train on no batch: iterator_train gives none in epoch 2",
        ),
        (
            {"iterator_valid__sampler": iter(range(2)), "early_stopping": True},
            "ActMLP would validate on no batch: iterator_valid gives none in epoch 2",
        ),
        (
            {"iterator_train": lambda dataset, **params: iter([])},
            "ActMLP would train on no batch: iterator_train gives none in epoch 1",
        ),
        (
            {"iterator_train": lambda dataset, **params: None},
            "ActMLP cannot use iterator_train=lambda: ValueError: a loader must give",
        ),
    ],
    ids=lambda value: str(value)[:22],
)
def test_an_epoch_without_a_batch_is_refused_when_it_comes(params, message):
    net = ActMLP(max_epochs=4, validation_fraction=0.2, random_state=0, **params)
    with pytest.raises(ValueError, match=re.escape(message)):
        net.fit(X, Y)


def test_what_gives_batches_is_a_loader():
    for loader in ([], iter([]), DataLoader(X)):
        assert check_loader(loader) is loader
    with pytest.raises(TypeError, match="a loader must give batches, got 3"):
        check_loader(3)
    check_has_batches(ActMLP(), 1, training=True)


@pytest.mark.parametrize("build", [float, int, dict, nn.ReLU, nn.ReLU(), len])
@pytest.mark.parametrize("use", ["train", "valid"])
def test_a_class_that_takes_no_dataset_is_refused_also_if_no_fit_uses_it(use, build):
    message = f"'iterator_{use}' parameter of ActMLP must take a dataset and the keyw"
    with pytest.raises(ValueError, match=message):
        ActMLP(max_epochs=1, **{f"iterator_{use}": build}).fit(X, Y)


@pytest.mark.parametrize(
    "build", [OwnLoader, lambda data, **params: [], lambda data, batch_size: []]
)
def test_a_class_that_takes_a_dataset_is_a_loaders(build):
    check_loader_class("Net", "iterator_train", build)

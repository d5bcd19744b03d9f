"""The forward pass: how rows are split, stacked and spread over threads."""

import copy
from contextlib import contextmanager

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch import nn

from skact import MLP, ActMLP
from skact.engine.weights import weights_of
from skact.network import forward
from skact.threads import use_threads

X = np.random.default_rng(0).normal(size=(60, 4))
y = np.arange(60) % 3


def test_large_input_is_predicted_in_several_passes_alike(iris, monkeypatch):
    X, y = iris
    net = ActMLP(max_epochs=2, random_state=0).fit(X, y)
    many = np.tile(X, (10, 1))
    whole = net.predict_proba(many)
    monkeypatch.setattr("skact.network.forward._MAX_LAYER_VALUES", 1)
    np.testing.assert_allclose(net.predict_proba(many), whole, rtol=1e-12)


def fitted(**params):
    params = {"max_epochs": 2, "random_state": 0, "width": 6, **params}
    return ActMLP(**params).fit(X, y)


@pytest.mark.parametrize("n_rows", [0, 1, 255, 256, 257, 1000])
def test_parts_are_all_rows_once_and_in_order(n_rows, monkeypatch):
    monkeypatch.setattr(forward, "_MAX_LAYER_VALUES", 1)
    parts = forward.parts_of(nn.Linear(3, 2), np.empty((n_rows, 3)))
    assert [i for part in parts for i in range(n_rows)[part]] == list(range(n_rows))
    assert all(part.stop - part.start <= 256 for part in parts)


def test_a_part_is_as_large_as_the_widest_layer_allows_and_never_tiny():
    assert forward.n_rows_at_once(nn.Linear(64, 1024)) == 2**20 // 1024
    assert forward.n_rows_at_once(nn.Linear(64, 10**6)) == 256
    assert forward.n_epochs_at_once(nn.Linear(64, 1024), 100) == 10
    assert forward.n_epochs_at_once(nn.Linear(64, 1024), 10**6) == 1  # one at least


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("in_threads", [False, True])
def test_outputs_come_in_the_order_of_the_parts(kind, in_threads, monkeypatch):
    monkeypatch.setattr(forward, "_MAX_LAYER_VALUES", 1)
    table = np.arange(3000.0).reshape(1000, 3)
    parts = forward.parts_of(nn.Linear(3, 2), table)
    numbers = []

    def keep(number, rows):
        numbers.append(number)
        return rows

    with use_threads(2):
        outputs = list(
            forward.outputs_in_parts(parts, kind(table), keep, in_threads=in_threads)
        )
    assert sorted(numbers) == [0, 1, 2, 3]
    np.testing.assert_array_equal(torch.cat(outputs), table)


@pytest.mark.parametrize("at_once", [1, 3, 7])
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
def test_the_outputs_of_epochs_are_those_of_each_network(kind, at_once, monkeypatch):
    monkeypatch.setattr(forward, "n_epochs_at_once", lambda *_: at_once)
    nets = [
        fitted(random_state=seed, norm="batch", activation="prelu") for seed in range(7)
    ]
    epochs = [weights_of(net.module_) for net in nets]
    module = copy.deepcopy(nets[0].module_)
    before = copy.deepcopy(module.state_dict())
    chunks = list(forward.outputs_of_epochs(module, epochs, kind(X), None))
    assert [len(chunk) for chunk in chunks][:-1] == [at_once] * (len(chunks) - 1)
    expected = [net.module_.eval()(torch.from_numpy(X)) for net in nets]
    torch.testing.assert_close(torch.cat(chunks), torch.stack(expected))
    for name, value in module.state_dict().items():  # as it was
        assert torch.equal(value, before[name])


def test_custom_parts_compute_each_epoch_alone_with_lent_generators():
    lent, sizes = [], []

    @contextmanager
    def lend():
        lent.append(None)
        yield

    def custom(x):
        sizes.append(tuple(x.shape))
        return x.relu()

    net = fitted(activation=custom)
    epochs = [weights_of(net.module_)] * 3
    sizes.clear()
    chunks = list(forward.outputs_of_epochs(net.module_, epochs, X, lend))
    assert [tuple(chunk.shape) for chunk in chunks] == [(1, 60, 3)] * 3
    assert sizes == [(60, 6)] * 3
    assert len(lent) == 3


def test_stacked_weights_have_the_epoch_as_their_first_axis():
    one, two = (fitted(random_state=seed).module_ for seed in (0, 1))
    stacked = forward.stack_weights([weights_of(one), weights_of(two)])
    assert stacked.keys() == weights_of(one).keys()
    for name, value in stacked.items():
        assert torch.equal(value[1], weights_of(two)[name])


class Custom(nn.ReLU):
    pass


@pytest.mark.parametrize(
    ("activation", "is_safe"),
    [("relu", True), ("rrelu", True), (nn.PReLU(), True), (Custom, False)],
)
def test_threads_may_call_a_network_without_custom_parts(activation, is_safe):
    params = {"hidden": (4, 3), "activation": activation, "seed": 0}
    assert forward.is_thread_safe(MLP(5, 2, dropout=0.1, norm="batch", **params)) == (
        is_safe
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda mlp: mlp.output.register_forward_hook(lambda *_: None),
        lambda mlp: vars(mlp.output).update(forward=lambda x: x),
        lambda mlp: setattr(mlp, "output", nn.Bilinear(2, 2, 2)),
    ],
    ids=["hook", "forward", "layer"],
)
def test_threads_may_not_call_a_network_that_was_changed(change):
    mlp = MLP(5, 2, seed=0)
    change(mlp)
    assert not forward.is_thread_safe(mlp)


def test_threads_have_work_if_there_are_several_large_parts(monkeypatch):
    one, several = [slice(0, 10**6)], [slice(0, 256), slice(256, 512)]
    monkeypatch.setattr(forward, "LITTLE_WORK", 256 * forward.n_weights(MLP(5, 2)) - 1)
    assert forward.has_work_for_threads(MLP(5, 2), several)
    assert not forward.has_work_for_threads(MLP(5, 1), several)
    assert not forward.has_work_for_threads(MLP(5, 2), one)
    assert not forward.has_work_for_threads(MLP(5, 2), [])

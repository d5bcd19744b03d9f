"""What several test files share: nets on both loops, and how two nets compare."""

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from skact import ActMLP

X = np.random.default_rng(0).normal(size=(83, 5))
y = np.array(["setosa", "versicolor", "virginica"])[np.arange(83) % 3]

NET_PARAMS = {
    "width": 9,
    "depth": 2,
    "batch_size": 20,
    "max_epochs": 4,
    "optimizer": "sgd",
    "lr": 0.05,
    "norm": "batch",
    "random_state": 3,
}


class OnSkorch(ActMLP):
    """The same net, made to train by skorch's loop."""

    def train_step(self, *args, **kwargs):
        return super().train_step(*args, **kwargs)


class At(Callback):
    """Do something with the net at each call of a hook."""

    def __init__(self, hook, action):
        self.hook, self.action = hook, action

    def on_train_begin(self, net, **kwargs):
        self._maybe("on_train_begin", net)

    def on_epoch_begin(self, net, **kwargs):
        self._maybe("on_epoch_begin", net)

    def on_epoch_end(self, net, **kwargs):
        self._maybe("on_epoch_end", net)

    def _maybe(self, hook, net):
        if hook == self.hook:
            self.action(net)


def _state_of(net):
    """Return everything that training changes: weights, buffers, optimizer state."""
    tensors = dict(net.module_.state_dict())
    for number, state in net.optimizer_.state_dict()["state"].items():
        for name, value in state.items():
            tensors[f"{number}.{name}"] = value
    return {name: value.clone() for name, value in tensors.items()}


def _assert_same(net, other, atol=0.0):
    ours, theirs = _state_of(net), _state_of(other)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert value.dtype == theirs[name].dtype
        torch.testing.assert_close(value, theirs[name], rtol=0, atol=atol, msg=name)
    ours, theirs = (n.optimizer_.state_dict()["param_groups"] for n in (net, other))
    assert str(ours) == str(theirs)


def _assert_same_history(net, other, leave_out=()):
    assert len(net.history) == len(other.history)
    for row, theirs in zip(net.history, other.history, strict=True):
        assert row.keys() == theirs.keys()
        for key in row.keys() - {"batches", "dur", *leave_out}:
            assert row[key] == pytest.approx(theirs[key], abs=1e-8), key
        for batch, their in zip(row["batches"], theirs["batches"], strict=True):
            assert batch == pytest.approx(their, abs=1e-8)


def _both_loops(callbacks=None, *, weight=None, **params):
    nets = []
    for kind in (ActMLP, OnSkorch):
        given = callbacks() if callable(callbacks) else callbacks
        nets.append(kind(callbacks=given, **{**NET_PARAMS, **params}).fit(X, y, weight))
    ours, theirs = nets
    assert ours.trained_by_ == "the engine"
    assert "OnSkorch overrides train_step" in theirs.trained_by_
    _assert_same(ours, theirs, atol=1e-8)
    _assert_same_history(ours, theirs)
    return ours


def _same(first, second):
    nets = [list(net.module_.parameters()) for net in (first, second)]
    return all(torch.equal(a, b) for a, b in zip(*nets, strict=True))


@pytest.fixture
def net_params():
    """Parameters of a small net with all that a network may have."""
    return dict(NET_PARAMS)


@pytest.fixture
def on_skorch():
    """A subclass of ActMLP that trains by skorch's loop."""
    return OnSkorch


@pytest.fixture
def at():
    """A callback at(hook, action) that calls action(net) at a hook."""
    return At


@pytest.fixture
def fit():
    """Fit a net with `net_params` to 83 rows of 3 classes."""
    return lambda callbacks=None, **params: ActMLP(
        callbacks=callbacks, **{**NET_PARAMS, **params}
    ).fit(X, y)


@pytest.fixture
def both_loops():
    """Fit a net on the engine and one on skorch's loop, and check that they agree."""
    return _both_loops


@pytest.fixture
def state_of():
    return _state_of


@pytest.fixture
def assert_same():
    """Assert that weights and optimizers of two nets are the same."""
    return _assert_same


@pytest.fixture
def assert_same_history():
    return _assert_same_history


@pytest.fixture
def same():
    """Whether two nets have the same weights."""
    return _same


def pytest_collection_modifyitems(items):
    """Mark those of skorch's own tests that fail or do not run, with the reason."""
    for item in items:
        reasons = getattr(item.module, "REASONS", {}) if hasattr(item, "module") else {}
        test = f"{item.parent.name.removeprefix('TestTheir')}::{item.name}"
        # how pytest names a case has changed: "[kwargs2-" is its beginning
        for name, reason in reasons.items():
            if name in (test.partition("[")[0], test) or (
                name.endswith("-") and test.startswith(name)
            ):
                item.add_marker(reason)

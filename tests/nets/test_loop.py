"""Both loops: tasks of epochs, and weights for callbacks."""

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from skact import ActMLP

X = np.random.default_rng(0).normal(size=(83, 5))
y = np.array(["setosa", "versicolor", "virginica"])[np.arange(83) % 3]


def test_scikit_learns_callbacks_see_each_epoch_with_its_weights(
    assert_same, fit, net_params
):
    class Watch:
        def setup(self, estimator, context):
            pass

        def teardown(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context):
            if context.task_name == "epoch":
                seen.append([len(estimator.history), None])

        def on_fit_task_end(self, estimator, context):
            if context.task_name == "epoch":
                seen[-1][1] = estimator.score(X, y), estimator.history[-1, "train_loss"]

    expected = [
        (net.score(X, y), net.history[-1, "train_loss"])
        for net in (fit(max_epochs=epochs) for epochs in (1, 2, 3))
    ]
    seen: list = []
    net = ActMLP(**{**net_params, "max_epochs": 3}).set_callbacks(Watch()).fit(X, y)
    assert net.trained_by_ == "the engine"
    assert [row[1] for row in seen] == expected
    assert_same(net, fit(max_epochs=3))


class Wanting(Callback):
    """Keeps the weights of all epochs, which a loop gives to those that want them."""

    wants_weights = True

    def __init__(self, ignores_epochs, error=None):
        self.ignores_epochs, self.error = ignores_epochs, error
        self.received = []

    def on_epoch_end(self, net, **kwargs):
        if self.error is not None and len(net.history) == 2:
            raise self.error

    def receive_weights(self, net, trajectory):
        self.received.append(trajectory)


LOOPS = pytest.mark.parametrize(
    "loading", [{}, {"iterator_train__num_workers": 0}], ids=["engine", "skorch"]
)


@LOOPS
@pytest.mark.parametrize("ignores_epochs", [True, False])
def test_callbacks_get_the_weights_of_each_epoch_of_a_fit(
    loading, ignores_epochs, fit, state_of
):
    keep = Wanting(ignores_epochs)
    net = fit([keep], **loading)
    assert net.trained_by_.startswith("skorch's loop") == bool(loading)
    net.partial_fit(X, y)
    first, second = keep.received
    assert (first.first_epoch, second.first_epoch) == (0, 4)
    assert len(first.epochs) == len(second.epochs) == 4
    # the same fits, each ended after an epoch
    for epochs, weights in ((0, first.initial), (1, first.epochs[0])):
        other = (
            ActMLP(**{**net.get_params(deep=False), "callbacks": None}).initialize(X, y)
            if epochs == 0
            else fit(max_epochs=epochs, **loading)
        )
        for name, value in weights.items():
            assert torch.equal(value, other.module_.state_dict()[name]), name
    for name, value in second.initial.items():
        assert torch.equal(value, first.epochs[-1][name])
    for name, value in second.epochs[-1].items():
        assert torch.equal(value, net.module_.state_dict()[name])
    np.testing.assert_array_equal(first.targets, np.arange(83) % 3)
    np.testing.assert_array_equal(first.X, X)


@LOOPS
def test_callbacks_get_the_weights_of_a_fit_that_failed(loading, fit):
    keep = Wanting(False, OSError("disk full"))
    with pytest.raises(OSError, match="disk full"):
        fit([keep], **loading)
    (trajectory,) = keep.received
    assert len(trajectory.epochs) == 1  # the second epoch did not end


@LOOPS
def test_a_callback_of_scikit_learn_stops_a_fit_after_an_epoch(loading, net_params):
    class Stop:
        def setup(self, estimator, context):
            pass

        def teardown(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context):
            pass

        def on_fit_task_end(self, estimator, context):
            return context.task_name == "epoch" and len(estimator.history) == 2

    net = ActMLP(**net_params, **loading).set_callbacks(Stop()).fit(X, y)
    assert len(net.history) == 2
    assert len(ActMLP(**net_params, **loading).fit(X, y).history) == 4

"""Both loops: tasks of epochs, weights for callbacks, errors of a fit that diverges."""

import re

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from skact import ActMLP, ActMLPRegressor, DivergedError
from skact.nets.loop import check_loss, check_weights

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


@pytest.mark.parametrize(("lr", "epochs"), [(1e3, 50), (1e200, 1)])
def test_a_fit_that_diverges_says_when_and_what_to_try(lr, epochs, diabetes):
    X, y = diabetes
    net = ActMLPRegressor(optimizer="sgd", lr=lr, max_epochs=epochs, random_state=0)
    with pytest.raises(DivergedError, match="Try a smaller lr, for example") as caught:
        net.fit(X, y)
    assert caught.value.epoch == len(net.history)
    assert f"in epoch {caught.value.epoch} (lr={lr}" in str(caught.value)


def test_a_loss_that_is_nan_from_the_start_does_not_blame_the_rate(iris):
    net = ActMLP(torch.log, max_epochs=2, init="torch", random_state=0)
    with pytest.raises(DivergedError, match="No step was taken yet") as caught:
        net.fit(*iris)
    assert caught.value.epoch == 1


def test_weights_that_overflow_in_the_very_last_step_are_found(diabetes):
    X, y = diabetes
    net = ActMLPRegressor(
        optimizer="sgd",
        lr=1e307,
        max_epochs=1,
        batch_size=-1,
        random_state=0,
        dropout=0.1,
    )
    with pytest.raises(
        DivergedError, match="the weights became NaN or infinite in epoch 1"
    ):
        net.fit(X * 1e3, y)


def test_diverged_errors_come_home_from_a_worker():
    import pickle

    error = pickle.loads(pickle.dumps(DivergedError("why", epoch=7)))
    assert (str(error), error.epoch) == ("why", 7)


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


def test_a_sum_that_overflows_is_no_divergence():
    net = ActMLP(width=3, random_state=0, dtype="float32").initialize(X, y)
    with torch.no_grad():
        net.module_.output.weight.fill_(3e38)
    check_weights(net)
    with torch.no_grad():
        net.module_.output.weight[0, 0] = torch.nan
    with pytest.raises(DivergedError, match="the weights became NaN or infinite"):
        check_weights(net)


@pytest.mark.parametrize("loss", [np.nan, np.inf, -np.inf])
def test_a_loss_that_is_not_finite_is_named_with_the_epoch_and_a_smaller_rate(loss):
    net = ActMLP(max_epochs=2, lr=0.5).fit(X, y)
    check_loss(net, torch.tensor(1e30))
    with pytest.raises(DivergedError, match=f"the loss became {loss} in epoch 2"):
        check_loss(net, torch.tensor(loss))
    with pytest.raises(DivergedError, match=re.escape("for example 0.05")):
        check_loss(net, torch.tensor(loss))


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

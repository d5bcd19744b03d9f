"""A fit that diverges says when and what to try."""

import re

import numpy as np
import pytest
import torch

from skact import ActMLP, ActMLPRegressor, DivergedError, UnscaledInputWarning
from skact.activations.rate_table import rate_of_name
from skact.nets.divergence import (
    check_loss,
    check_weights,
    describe_large_weights,
)
from skact.nets.prediction import describe_nan

X = np.random.default_rng(0).normal(size=(83, 5))
y = np.array(["setosa", "versicolor", "virginica"])[np.arange(83) % 3]


@pytest.mark.parametrize(("lr", "epochs"), [(1e3, 50), (1e200, 1)])
def test_a_fit_that_diverges_says_when_and_what_to_try(lr, epochs, diabetes):
    X, y = diabetes
    net = ActMLPRegressor(optimizer="sgd", lr=lr, max_epochs=epochs, random_state=0)
    with pytest.raises(DivergedError, match="Try a smaller lr, for example") as caught:
        net.fit(X, y)
    assert caught.value.epoch == len(net.history)
    assert f"in epoch {caught.value.epoch} (lr={lr}" in str(caught.value)


@pytest.mark.parametrize(
    ("params", "rate"),
    [
        ({"optimizer": "sgd"}, rate_of_name("relu", "sgd")),
        ({"optimizer": "sgd", "activation": ("tanh", "relu"), "depth": 2}, 0.039),
        ({"optimizer": torch.optim.Adam}, rate_of_name("relu")),
    ],
)
def test_the_advised_rate_is_the_one_that_suits(params, rate):
    net = ActMLP(lr=1e3, max_epochs=1, random_state=0, **params).fit(X, y)
    with torch.no_grad():
        net.module_.output.weight[:] = 1e9
    assert f"Try a smaller lr, for example {rate:g}," in describe_large_weights(net)


@pytest.mark.parametrize("name", ["weight_decay", "optimizer__weight_decay"])
def test_a_decay_that_no_rate_makes_up_for_is_blamed(name):
    net = ActMLP(dtype="float32", random_state=0, **{name: 1e300})
    with pytest.raises(DivergedError, match=r"Try a smaller weight_decay than 1e\+300"):
        net.fit(X, y)


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
    with (
        pytest.raises(
            DivergedError, match="the weights became NaN or infinite in epoch 1"
        ),
        pytest.warns(UnscaledInputWarning),
    ):
        net.fit(X * 1e3, y)


def test_diverged_errors_come_home_from_a_worker():
    import pickle

    error = pickle.loads(pickle.dumps(DivergedError("why", epoch=7)))
    assert (str(error), error.epoch) == ("why", 7)


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
    with pytest.raises(DivergedError, match=re.escape("for example 0.002")):
        check_loss(net, torch.tensor(loss))


@pytest.mark.parametrize("kind", [ActMLP, ActMLPRegressor])
def test_predictions_of_a_network_that_diverged_in_its_last_step_say_so(kind):
    net = kind(
        optimizer="sgd", lr=1e30, max_epochs=1, batch_size=-1, random_state=0
    ).set_params(dtype="float32", momentum=0.0)
    net.fit(X, np.arange(83) % 3)
    predict = net.predict if kind is ActMLPRegressor else net.predict_proba
    message = r"gives (NaN|infinity) for \d+ of 83 rows .* the network diverged in fit"
    with pytest.warns(RuntimeWarning, match=message + ".* Try a smaller lr"):
        assert not np.isfinite(predict(X)).all()
    if kind is ActMLP:
        with (
            pytest.warns(RuntimeWarning, match=message),
            pytest.raises(ValueError, match="the network diverged in fit"),
        ):
            net.predict(X)


def test_rows_that_are_too_large_for_a_sound_network_are_no_divergence():
    net = ActMLPRegressor(max_epochs=2, random_state=0, dtype="float32")
    net.fit(X, np.arange(83) % 3)
    assert describe_large_weights(net) == ""
    found = describe_nan(net, np.where(np.arange(83) == 7, np.nan, 1.0))
    assert "NaN for 1 of 83 rows (the first is row 7): their values are too" in found
    assert describe_nan(net, np.full(83, np.inf)) is None

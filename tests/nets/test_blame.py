"""Errors of parts name the parameters that the parts were built from."""

import re

import numpy as np
import pytest
import torch
from skorch.callbacks import (
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    GradientNormClipping,
    LRScheduler,
)
from skorch.dataset import ValidSplit
from skorch.exceptions import SkorchException
from torch import nn

from skact import ActMLP, DivergedError
from skact.nets.blame import CallbackError, blame, blaming

X, y = np.random.default_rng(0).normal(size=(24, 3)), np.arange(24) % 2


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"optimizer__betas": (0.9,)}, ValueError, "cannot use optimizer__betas="),
        ({"optimizer__lr": -1}, ValueError, "optimizer__lr=-1"),
        ({"optimizer__lr": 10**400}, ValueError, "'optimizer__lr' parameter of ActMLP"),
        ({"lr": 10**400}, ValueError, "'lr' parameter of ActMLP"),
        ({"width": 10**12}, ValueError, "width=1000000000000"),
        (
            {"depth": 10**12},
            ValueError,
            "'depth' parameter of ActMLP must be an int fr",
        ),
        ({"optimizer": torch.relu}, TypeError, "optimizer="),
        ({"criterion": nn.MSELoss}, ValueError, "criterion=MSELoss"),
        ({"callbacks": [int]}, ValueError, "callbacks="),
        ({"callbacks__print_log": 3}, ValueError, "callbacks__print_log=3"),
        ({"train_split": nn.ReLU()}, TypeError, "train_split="),
        (
            {"predict_nonlinearity": nn.Linear(9, 9)},
            ValueError,
            "predict_nonlinearity=",
        ),
        ({"iterator_train__batch_size": 0}, ValueError, "iterator_train__batch_size"),
        ({"iterator_train__num_workers": 10**12}, ValueError, "an int from 0 to 256"),
        ({"iterator_train__nosuch": 0}, TypeError, "nosuch"),
        ({"iterator_train__generator": 0}, ValueError, "or a torch.Generator, got 0"),
        ({"torch_load_kwargs": 3}, ValueError, "or a dict of arguments of torch.load"),
        (
            {"optimizer__param_groups": [("*weight", {"lrr": 0.1})]},
            TypeError,
            "optimizer__param_groups=[('*weight', {'lrr': 0.1})]",
        ),
        (
            {"optimizer__param_groups": [("*bias", {"lr": -0.1})]},
            ValueError,
            "optimizer__param_groups=[('*bias', {'lr': -0.1})]",
        ),
        (
            {"optimizer__param_groups": [("*", {"lr": "a"})]},
            TypeError,
            "optimizer__param_groups=[('*', {'lr': 'a'})]",
        ),
        ({"dataset__length": 99}, ValueError, "dataset__length"),
        ({"output_activation": len}, ValueError, "of the same shape, got int"),
        ({"optimizer__betas": (0.9, 0.99, 0.9)}, ValueError, "optimizer__betas"),
        (
            {"activation": "elu(alpha=1e39)", "dtype": "float32"},
            ValueError,
            "activation=elu(alpha=1e39)",
        ),
        (
            {"output_activation": lambda x: torch.cat([x, x], 1)},
            ValueError,
            "output_activation=lambda must turn a tensor",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_error_of_a_part_names_its_parameter(params, error, message):
    with pytest.raises(error, match=re.escape(message)):
        ActMLP(max_epochs=1, **params).fit(X, y).predict(X)


def test_the_error_of_the_part_is_the_cause():
    with pytest.raises(ValueError, match="tuple index out of range") as caught:
        ActMLP(optimizer__betas=(0.9,)).fit(X, y)
    assert isinstance(caught.value.__cause__, IndexError)


def test_an_error_that_names_the_parameter_or_tells_divergence_stays_as_it_is():
    net = ActMLP(lr=3)
    for error in (ValueError("lr is wrong"), DivergedError("nan", epoch=1)):
        with pytest.raises(type(error), match="^" + str(error)), blame(net, "lr"):
            raise error


def test_a_method_is_decorated_and_keeps_its_name():
    class Net(ActMLP):
        @blaming("width")
        def broken(self):
            """Break."""
            raise KeyError("x")

    assert Net.broken.__doc__ == "Break."
    with pytest.raises(ValueError, match="Net cannot use width=7: KeyError: 'x'"):
        Net(width=7).broken()


def scores_by_nothing(net, X, y):
    raise KeyError("of the user's")


SPLIT = {"train_split": ValidSplit(3)}


@pytest.mark.parametrize(
    ("params", "kind", "message"),
    [
        (
            {"callbacks": [EarlyStopping(monitor="val_loss")], **SPLIT},
            ValueError,
            "The callback 'EarlyStopping' of ActMLP, EarlyStopping(",
        ),
        (
            {"callbacks": [LRScheduler("StepLR", step_size=0)]},
            ValueError,
            "The callback 'LRScheduler' of ActMLP",
        ),
        (
            {"callbacks": [LRScheduler("ExponentialLR", gamma="x")]},
            ValueError,
            "The callback 'LRScheduler' of ActMLP",
        ),
        (
            {"callbacks": [GradientNormClipping("x")]},
            ValueError,
            "The callback 'GradientNormClipping' of ActMLP",
        ),
        (
            {"verbose": 1, "callbacks__print_log__sink": 3},
            TypeError,
            "The callback 'print_log' of ActMLP",
        ),
        (
            {"callbacks": [Checkpoint(monitor="acc_best", f_params=None)], **SPLIT},
            CallbackError,
            "The callback 'Checkpoint' of ActMLP",
        ),
        (
            {"callbacks": [EpochScoring(scores_by_nothing)], **SPLIT},
            KeyError,
            "of the user's",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_error_in_a_callback_of_skorch_names_it(params, kind, message):
    X, y = np.random.default_rng(0).normal(size=(30, 3)), np.arange(30) % 2
    with pytest.raises(kind, match=re.escape(message)):
        ActMLP(max_epochs=3, random_state=0, **params).fit(X, y)


def test_a_value_that_nobody_recorded_is_an_error_that_both_libraries_users_catch():
    net = ActMLP(max_epochs=1, callbacks=[Checkpoint(monitor="acc_best")], **SPLIT)
    for kind in (ValueError, SkorchException):
        with pytest.raises(kind, match="Key 'acc_best' was not found in history"):
            net.fit(X, y)

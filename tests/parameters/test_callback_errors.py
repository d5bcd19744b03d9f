"""Errors in callbacks of skorch name the callback; those of users stay as they are."""

import re
import statistics

import numpy as np
import pytest
from skorch.callbacks import (
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    LRScheduler,
)
from skorch.dataset import ValidSplit
from skorch.exceptions import SkorchException

from skact import ActMLP
from skact.parameters.callback_errors import CallbackError, NoHeldOutRowsError

X, y = np.random.default_rng(0).normal(size=(24, 3)), np.arange(24) % 2


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
            {"verbose": 1, "callbacks__print_log__sink": statistics.mean},
            TypeError,
            "The callback 'print_log' of ActMLP, QuietLog(sink=mean), raised TypeError",
        ),
        (
            {"callbacks": [EpochScoring(lambda net, X, y: np.zeros(2))], **SPLIT},
            ValueError,
            "The callback 'EpochScoring' of ActMLP, EpochScoring(scoring=lambda), rais",
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


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"train_split": lambda dataset, y=None: (dataset, None)},
            "There are no validation rows: train_split=lambda gives none to hold out.",
        ),
        ({"callbacks__valid_loss": None}, "is switched off by callbacks__valid_loss="),
    ],
    ids=["split", "callback"],
)
def test_early_stopping_without_a_loss_says_why_there_is_none(params, message):
    X, y = np.random.default_rng(0).normal(size=(30, 3)), np.arange(30) % 2
    net = ActMLP(max_epochs=3, early_stopping=True, **params)
    with pytest.raises(NoHeldOutRowsError, match=re.escape(message)):
        net.fit(X, y)


@pytest.mark.parametrize("is_fitted", [True, False])
def test_a_value_of_what_is_no_callback_is_named_by_set_params(is_fitted):
    X, y = np.random.default_rng(0).normal(size=(30, 3)), np.arange(30) % 2
    net = ActMLP(max_epochs=1)
    net = net.fit(X, y) if is_fitted else net
    message = "cannot use callbacks__valid_acc=True, callbacks__valid_acc__scoring=No"
    with pytest.raises(ValueError, match=message):
        net.set_params(callbacks__valid_acc=True, callbacks__valid_acc__scoring=None)


def test_a_value_that_nobody_recorded_is_an_error_that_both_libraries_users_catch():
    net = ActMLP(max_epochs=1, callbacks=[Checkpoint(monitor="acc_best")], **SPLIT)
    for kind in (ValueError, SkorchException):
        with pytest.raises(kind, match="Key 'acc_best' was not found in history"):
            net.fit(X, y)

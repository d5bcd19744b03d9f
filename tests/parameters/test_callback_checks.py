"""Wrong values of skorch's callbacks raise from fit; the allowed values train."""

import math
import re

import numpy as np
import pytest
from skorch.callbacks import (
    BatchScoring,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    LRScheduler,
    PassthroughScoring,
    ProgressBar,
)

from skact import ActMLP
from skact.parameters.callback_checks import check_callbacks

X, Y = np.arange(20.0).reshape(10, 2), np.tile([0, 1], 5)

WRONG = [
    (
        EarlyStopping("train_loss", patience="3"),
        "The 'patience' parameter of EarlyStopping, the callback 'EarlyStopping' of "
        "ActMLP, must be a number of epochs >= 0, got '3'.",
    ),
    (EarlyStopping("train_loss", patience=2.5), "a number of epochs >= 0, got 2.5."),
    (EarlyStopping("train_loss", patience=-1), "a number of epochs >= 0, got -1."),
    (EarlyStopping("train_loss", threshold="a"), "must be a finite number, got 'a'."),
    (
        EarlyStopping("train_loss", lower_is_better="no"),
        "'lower_is_better' parameter of EarlyStopping, the callback 'EarlyStopping' "
        "of ActMLP, must be True or False, got 'no'.",
    ),
    (EarlyStopping(3), "'monitor' parameter of EarlyStopping"),
    (
        LRScheduler("StepLR", step_size=2, step_every="bat"),
        "must be one of 'epoch', 'batch', got 'bat'.",
    ),
    (EpochScoring("accuracy", on_train=1), "'on_train' parameter of EpochScoring"),
    (BatchScoring("accuracy", lower_is_better="x"), "None, True or False, got 'x'."),
    (PassthroughScoring("a", on_train="x"), "must be True or False, got 'x'."),
    (Checkpoint(monitor=3), "None, the name of a recorded value or a callable, got 3."),
    (
        ProgressBar(batches_per_epoch="x"),
        "must be None, 'auto', 'count' or an int >= 1, got 'x'.",
    ),
]


@pytest.mark.parametrize(("callback", "message"), WRONG)
def test_fit_names_the_callback_its_parameter_and_what_is_allowed(callback, message):
    net = ActMLP(max_epochs=1, callbacks=[callback])
    with pytest.raises(ValueError, match=re.escape(message)):
        net.fit(X, Y)
    assert not net.__sklearn_is_fitted__()


def test_a_wrong_value_leaves_a_fitted_net_as_it_was():
    net = ActMLP(max_epochs=2, random_state=0).fit(X, Y)
    before = net.predict_proba(X)
    net.callbacks = [EarlyStopping("train_loss", patience="3")]
    with pytest.raises(ValueError, match="'patience'"):
        net.fit(X, Y)
    np.testing.assert_array_equal(net.predict_proba(X), before)


@pytest.mark.parametrize("patience", [1, np.int64(2), 3.0, math.inf])
def test_whole_numbers_of_every_kind_stop_a_fit_or_do_not(patience):
    stopping = EarlyStopping("train_loss", patience=patience, threshold=1e9)
    net = ActMLP(max_epochs=6, callbacks=[stopping], random_state=0).fit(X, Y)
    assert len(net.history) == min(patience + 1, 6)


def test_a_subclass_may_have_a_meaning_of_its_own():
    class Own(EarlyStopping):
        pass

    check_callbacks("ActMLP", [("own", Own("train_loss", patience="long"))])
    with pytest.raises(ValueError, match="'patience' parameter of EarlyStopping"):
        check_callbacks("ActMLP", [("own", EarlyStopping(patience="long"))])

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
    Freezer,
    GradientNormClipping,
    LoadInitState,
    LRScheduler,
    PassthroughScoring,
    PrintLog,
    ProgressBar,
)
from skorch.exceptions import SkorchWarning
from skorch.history import History

from skact import ActMLP
from skact.parameters.callback_checks import check_callbacks, check_recorded

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
        EarlyStopping("train_loss", threshold_mode="x"),
        "'threshold_mode' parameter of EarlyStopping, the callback 'EarlyStopping' of "
        "ActMLP, must be one of 'rel', 'abs', got 'x'.",
    ),
    (EpochScoring("acuracy"), "got 'acuracy'; did you mean 'accuracy'."),
    (EpochScoring("accuracy", name=[1]), "must be None or a name, got [1]."),
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
    (
        GradientNormClipping(-1.0),
        "The 'gradient_clip_value' parameter of GradientNormClipping, the callback "
        "'GradientNormClipping' of ActMLP, must be None or a number >= 0, got -1.0.",
    ),
    (GradientNormClipping(math.nan), "must be None or a number >= 0, got nan."),
    (GradientNormClipping("x"), "must be None or a number >= 0, got 'x'."),
    (GradientNormClipping(1, "x"), "must be a number or 'inf', got 'x'."),
    (LRScheduler("MultiStepLR", milestones=3), "must be a list of ints >= 0, got 3."),
    (LRScheduler("MultiStepLR", milestones=["a"]), "list of ints >= 0, got ['a']."),
    (EpochScoring("accuracy", use_caching="no"), "must be True or False, got 'no'."),
    (LoadInitState(3), "must be a Checkpoint or a TrainEndCheckpoint, got 3."),
    (PrintLog(floatfmt="zzz"), "must be a format of numbers such as '.4f', got 'zzz'."),
    (
        EpochScoring("accuracy", name="epoch"),
        "The callback 'EpochScoring' of ActMLP records 'epoch', which the history "
        "records, too: give it another name.",
    ),
    (
        EpochScoring("accuracy", name="train_loss"),
        "records 'train_loss', which the callback 'train_loss' records, too",
    ),
    (BatchScoring("accuracy", name="valid_loss_best"), "records 'valid_loss_best', wh"),
    (PassthroughScoring("train_loss"), "which the callback 'train_loss' records, too"),
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


@pytest.mark.parametrize("patience", [1, np.int64(2), 3.0, math.inf, 10**400])
def test_whole_numbers_of_every_kind_stop_a_fit_or_do_not(patience):
    stopping = EarlyStopping("train_loss", patience=patience, threshold=1e9)
    net = ActMLP(max_epochs=6, callbacks=[stopping], random_state=0).fit(X, Y)
    assert len(net.history) == min(patience + 1, 6)


def test_a_subclass_may_have_a_meaning_of_its_own():
    class Own(EarlyStopping):
        pass

    net = ActMLP().initialize(X, Y)
    net.callbacks_ = [("own", Own("train_loss", patience="long"))]
    check_callbacks(net)
    net.callbacks_ = [("own", EarlyStopping(patience="long"))]
    with pytest.raises(ValueError, match="'patience' parameter of EarlyStopping"):
        check_callbacks(net)


def test_the_parameters_of_skacts_own_callbacks_are_those_of_skorchs():
    message = "'floatfmt' parameter of PrintLog, the callback 'print_log' of ActMLP"
    with pytest.raises(ValueError, match=message):
        ActMLP(callbacks__print_log__floatfmt="zzz").fit(X, Y)


@pytest.mark.parametrize(
    "callbacks",
    [
        [GradientNormClipping(None), GradientNormClipping(math.inf, "inf")],
        [GradientNormClipping(np.float32(0.5), -math.inf)],
        [EpochScoring("f1", name="mine", lower_is_better=None, on_train=True)],
        [PassthroughScoring("train_batch_weight", on_train=True)],
        [PrintLog(floatfmt="+.1e")],
        [LRScheduler("MultiStepLR", milestones=(1, np.int64(2)))],
    ],
    ids=lambda callbacks: type(callbacks[0]).__name__,
)
def test_right_values_of_callbacks_are_taken(callbacks):
    net = ActMLP(max_epochs=2, callbacks=callbacks, random_state=0).fit(X, Y)
    assert np.isfinite(net.predict_proba(X)).all()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"callbacks__train_loss__name": [1]}, "must be the name of a recorded value"),
        ({"callbacks__valid_acc__scoring": 3}, "must be None, the name of a scorer or"),
        ({"callbacks__valid_acc__scoring": "x"}, "must be the name of a scorer of sci"),
    ],
    ids=str,
)
def test_default_callbacks_that_no_fit_calls_are_checked(params, message):
    with pytest.raises(ValueError, match=message):
        ActMLP(max_epochs=1, **params).fit(X, Y)


@pytest.mark.parametrize("value", [3, PrintLog, "x"])
def test_what_is_no_callback_is_refused_by_the_next_fit(value):
    net = ActMLP(max_epochs=1).fit(X, Y).set_params(callbacks__print_log=value)
    message = "'print_log' of ActMLP must be an instance of a callback of skorch"
    with pytest.raises(ValueError, match=message):
        net.partial_fit(X, Y)
    with pytest.raises((ValueError, TypeError), match="callbacks__print_log="):
        ActMLP(callbacks__print_log="x").fit(X, Y)


def test_a_callback_that_is_set_on_a_fitted_net_is_initialized():
    lines = []
    net = ActMLP(max_epochs=1).fit(X, Y)
    net.set_params(callbacks__print_log=PrintLog(sink=lines.append))
    net.partial_fit(X, Y)
    assert len(lines) == 3  # head, rule and epoch


def test_a_score_of_a_name_that_is_free_is_taken():
    net = ActMLP(callbacks=[EpochScoring("f1", name="train_loss", on_train=True)])
    net.set_params(callbacks__EpochScoring__name="train_f1", max_epochs=1)
    assert "train_f1" in net.fit(X, Y).history[-1]
    free = ActMLP(callbacks=[EpochScoring("f1", name="valid_acc", on_train=True)])
    free.set_params(callbacks__valid_acc=None, max_epochs=1)
    assert "valid_acc" in free.fit(X, Y).history[-1]


def test_set_params_stores_and_may_mend_what_fit_refuses():
    net = ActMLP(callbacks=[("es", EarlyStopping("train_loss", patience="3"))])
    net.set_params(max_epochs=1, callbacks__es__threshold=0.1)
    with pytest.raises(ValueError, match="'patience' parameter of EarlyStopping"):
        net.fit(X, Y)
    assert net.set_params(callbacks__es__patience=3).fit(X, Y).history


def test_a_value_that_is_passed_on_must_have_been_there():
    history = History()
    history.new_epoch()
    history.record("mine", 3)
    check_recorded("ActMLP", [("a", PassthroughScoring("mine"))], history[-1])
    other = PassthroughScoring("other", on_train=True)
    with pytest.raises(
        ValueError, match="'a' of ActMLP records nothing, because no ba"
    ):
        check_recorded("ActMLP", [("a", other)], history[-1])


def test_a_callback_that_passes_nothing_on_is_refused_by_fit():
    message = (
        r"records nothing, because no batch has a 'nosuch'; batches have '(tr|val)"
    )
    for held_out in (True, False):
        score = PassthroughScoring("nosuch", on_train=not held_out)
        net = ActMLP(callbacks=[score], early_stopping=held_out)
        with pytest.raises(ValueError, match=message):
            net.fit(X, Y)


def test_a_pattern_of_a_callback_that_matches_no_parameter_warns():
    net = ActMLP(max_epochs=1, callbacks=[Freezer(["output*", "nosuch*"])])
    message = r"'nosuch\*' of the callback 'Freezer' of ActMLP matches no .*: hidden\.0"
    with pytest.warns(SkorchWarning, match=message) as caught:
        net.fit(X, Y)
    assert len(caught) == 1
    ActMLP(max_epochs=1, callbacks=[Freezer(["output*", str.isupper])]).fit(X, Y)


def test_several_scores_of_one_name_are_as_in_skorch():
    scores = [
        EpochScoring("accuracy", name="valid_acc", lower_is_better=False),
        BatchScoring("accuracy", name="batch", on_train=True),
        PassthroughScoring("batch", on_train=True),
    ]
    callbacks = [(f"own {i}", score) for i, score in enumerate(scores)]
    net = ActMLP(max_epochs=2, early_stopping=True, callbacks=callbacks)
    assert {"valid_acc", "batch"} <= {*net.fit(X, Y).history[-1]}

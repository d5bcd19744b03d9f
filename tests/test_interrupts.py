"""Ctrl-C reaches the caller; the same error of a callback only ends its fit."""

import signal
import threading
from contextlib import nullcontext

import numpy as np
import pytest
from joblib import Parallel, delayed
from sklearn.callback import ProgressBar
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import BatchScoring, Callback, EpochScoring
from skorch.dataset import ValidSplit

from skact import ActMLP, fused
from skact.interrupts import StopFit, StopRequest, count_interrupts, hold_interrupts

X, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2


class Stopping(Callback):
    """Stops as skorch's EarlyStopping does."""

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 2:
            raise KeyboardInterrupt


class Pressing(Callback):
    """Somebody presses Ctrl-C while a callback works."""

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 2:
            signal.raise_signal(signal.SIGINT)


class PressingInCode(Callback):
    """Ctrl-C arrives deep in the code that a callback calls."""

    def on_epoch_end(self, net, **kwargs):
        sorted([2, 1], key=lambda _: signal.raise_signal(signal.SIGINT))


def a_net(*callbacks, **params):
    net = ActMLP(width=4, max_epochs=5, random_state=0, callbacks=list(callbacks))
    return net.set_params(**params)


@pytest.fixture(autouse=True)
def the_handler_is_as_before():
    before = signal.getsignal(signal.SIGINT)
    yield
    assert signal.getsignal(signal.SIGINT) is before


LOOPS = pytest.mark.parametrize(
    "params",
    [{}, {"iterator_train__num_workers": 0}],
    ids=["the engine", "skorch's loop"],
)


@LOOPS
def test_a_callback_that_raises_the_error_of_ctrl_c_stops_the_fit(params):
    net = a_net(Stopping(), **params).fit(X, y)
    assert len(net.history) == 2
    net.predict(X)


def stopping_in(hook, *, epoch=2, training=None):
    """A callback that stops the fit in one hook, in an epoch, or at once."""

    def stop(self, net, training=training, **kwargs):
        if len(net.history or []) == epoch and training == wanted:
            raise KeyboardInterrupt

    wanted = training
    if hook.startswith("on_train"):
        epoch = 0 if hook == "on_train_begin" else 5
    return type("Stopping", (Callback,), {hook: stop})()


def score_and_stop(net, X, y):
    if len(net.history) == 2:
        raise KeyboardInterrupt
    return 0.0


EVERYWHERE = {
    "on_train_begin": (lambda: stopping_in("on_train_begin"), 0),
    "on_epoch_begin": (lambda: stopping_in("on_epoch_begin"), 2),
    "on_batch_begin": (lambda: stopping_in("on_batch_begin", training=True), 2),
    "on_batch_end": (lambda: stopping_in("on_batch_end", training=True), 2),
    "held-out batch": (lambda: stopping_in("on_batch_end", training=False), 2),
    "held-out score": (lambda: BatchScoring(score_and_stop, name="s"), 2),
    "epoch score": (lambda: EpochScoring(score_and_stop, name="s"), 2),
    "on_grad_computed": (lambda: stopping_in("on_grad_computed", training=True), 2),
    "on_epoch_end": (lambda: stopping_in("on_epoch_end"), 2),
    "on_train_end": (lambda: stopping_in("on_train_end"), 5),
}


@LOOPS
@pytest.mark.parametrize("fuse", [nullcontext, fused])
@pytest.mark.parametrize("where", EVERYWHERE)
def test_a_callback_stops_a_fit_in_any_hook_and_the_net_predicts(where, fuse, params):
    make, n_epochs = EVERYWHERE[where]
    net = a_net(make(), train_split=ValidSplit(5), **params)
    with fuse():
        fitted, other = Parallel()(delayed(one.fit)(X, y) for one in (net, a_net()))
    assert len(fitted.history) == n_epochs
    assert len(other.history) == 5
    assert np.isfinite(fitted.predict_proba(X)).all()
    assert "_loop" not in vars(fitted)
    fitted.set_params(callbacks=None).fit(X, y)
    assert len(fitted.history) == 5


@pytest.mark.parametrize("where", [k for k in EVERYWHERE if "batch" not in k])
def test_both_loops_stop_at_the_same_place(where):
    make, _ = EVERYWHERE[where]
    nets = [
        a_net(make(), train_split=ValidSplit(5), **params).fit(X, y)
        for params in ({}, {"iterator_train__num_workers": 0})
    ]
    if where not in ("on_train_begin", "on_grad_computed"):
        assert nets[0].trained_by_ != nets[1].trained_by_
    lengths = [[len(epoch["batches"]) for epoch in net.history] for net in nets]
    assert lengths[0] == lengths[1]
    np.testing.assert_allclose(*(net.predict_proba(X) for net in nets), rtol=1e-5)


def test_a_train_step_of_a_subclass_stops_a_fit_as_in_skorch():
    class Stops(ActMLP):
        def train_step(self, batch, **params):
            if len(self.history) == 3:
                raise KeyboardInterrupt
            return super().train_step(batch, **params)

    net = Stops(width=4, max_epochs=5, random_state=0).fit(X, y)
    assert len(net.history) == 3


def test_who_notifies_by_hand_gets_the_error_that_skorch_raises():
    class Stops(Callback):
        def on_epoch_begin(self, net, **kwargs):
            raise KeyboardInterrupt

    net = a_net(Stops()).initialize(X, y)
    with pytest.raises(KeyboardInterrupt):
        net.notify("on_epoch_begin", dataset_train=None, dataset_valid=None)


def test_a_progress_bar_of_scikit_learn_survives_a_stop(capsys):
    net = a_net(stopping_in("on_epoch_begin")).set_callbacks(ProgressBar())
    assert len(net.fit(X, y).history) == 2


@LOOPS
@pytest.mark.parametrize("callback", [Pressing(), PressingInCode()])
def test_ctrl_c_in_a_callback_reaches_the_caller(params, callback):
    net = a_net(callback, **params)
    with pytest.raises(KeyboardInterrupt):
        net.fit(X, y)
    a_net(**params).fit(X, y)


@LOOPS
def test_a_handler_of_the_users_own_is_called_and_decides(params):
    calls = []
    before = signal.signal(signal.SIGINT, lambda *_: calls.append(1))
    try:
        net = a_net(Pressing(), **params).fit(X, y)
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(net.history) == 5  # it raised nothing, so nothing ends
    assert calls == [1]


def test_ctrl_c_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert len(a_net(Pressing()).fit(X, y).history) == 5
        assert len(a_net(Stopping()).fit(X, y).history) == 2
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_handler_that_is_set_during_a_fit_stays():
    class Setting(Callback):
        def on_epoch_end(self, net, **kwargs):
            signal.signal(signal.SIGINT, handler)

    def handler(*_):
        return None

    before = signal.getsignal(signal.SIGINT)
    try:
        a_net(Setting()).fit(X, y)
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_blocks_may_overlap():
    first, second = count_interrupts(), count_interrupts()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    with pytest.raises(KeyboardInterrupt), StopRequest():
        signal.raise_signal(signal.SIGINT)
    second.__exit__(None, None, None)
    with pytest.raises(KeyboardInterrupt):  # nobody watches, and it works as ever
        signal.raise_signal(signal.SIGINT)


def test_a_request_to_stop_is_what_no_signal_has_raised():
    with count_interrupts(), StopRequest() as stop:
        raise KeyboardInterrupt
    assert stop.was_made
    with StopRequest() as stop:
        pass
    assert not stop.was_made
    with pytest.raises(ValueError, match="other"), StopRequest():
        raise ValueError("other")


def test_a_request_stays_one_after_a_ctrl_c_that_raised_nothing():
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        with count_interrupts(), StopRequest() as stop:
            signal.raise_signal(signal.SIGINT)
            raise StopFit
        assert stop.was_made
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_leave_signals_alone():
    found = []

    def work():
        with count_interrupts():
            found.append(signal.getsignal(signal.SIGINT))
            found.append(len(a_net(Stopping()).fit(X, y).history))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGINT), 2]


def test_callbacks_stop_their_own_fit_in_a_fused_search():
    search = GridSearchCV(a_net(Stopping()), {"lr": [0.1, 0.01]}, cv=2)
    with fused() as session:
        search.fit(X, y)
    assert session.report.n_fused == 4
    assert not session.report.failed


def test_ctrl_c_ends_a_fused_search():
    search = GridSearchCV(a_net(Pressing()), {"lr": [0.1, 0.01]}, cv=2)
    with pytest.raises(KeyboardInterrupt), fused():
        search.fit(X, y)


def test_fits_in_worker_processes_stop_too():
    def histories():
        return len(a_net(Stopping()).fit(X, y).history)

    assert Parallel(2)(delayed(histories)() for _ in range(2)) == [2, 2]


# ------------------------------------------------------------------ held


def press():
    signal.raise_signal(signal.SIGINT)


def test_ctrl_c_waits_for_the_end_of_the_block():
    done = []
    before = signal.getsignal(signal.SIGINT)

    def work():
        with hold_interrupts():
            press()
            done.append("all")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["all"]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_does_not_wait():
    done = []

    def work():
        with hold_interrupts():
            press()
            press()
            done.append("all")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == []


def test_an_error_of_the_block_comes_before_a_held_ctrl_c():
    def work():
        with hold_interrupts():
            press()
            raise ValueError("first")

    with pytest.raises(ValueError, match="first"):
        work()


def test_where_ctrl_c_is_ignored_or_of_another_thread_nothing_is_held():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with hold_interrupts():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    seen = []

    def work():
        with hold_interrupts():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]

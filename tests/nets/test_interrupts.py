"""Ctrl-C reaches the caller; the same error of a callback only ends its fit."""

import signal
import threading

import numpy as np
import pytest
from joblib import Parallel, delayed
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback

from skact import ActMLP, fused
from skact.nets.interrupts import count_interrupts, n_interrupts

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
    [{}, {"iterator_train__drop_last": True}],
    ids=["the engine", "skorch's loop"],
)


@LOOPS
def test_a_callback_that_raises_the_error_of_ctrl_c_stops_the_fit(params):
    net = a_net(Stopping(), **params).fit(X, y)
    assert len(net.history) == 2
    net.predict(X)


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
    before = n_interrupts()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    second.__exit__(None, None, None)
    assert n_interrupts() == before + 1
    with pytest.raises(KeyboardInterrupt):  # nobody watches, and it works as ever
        signal.raise_signal(signal.SIGINT)
    assert n_interrupts() == before + 1


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

"""After an error a net is as it was before, or not fitted."""

from types import SimpleNamespace

import pytest

from skact import DivergedError
from skact.nets.rollback import forget_fit_if_diverged, restore_on_error


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_restores_all_attributes(error):
    def change_and_fail():
        net.a, net.b = 2, 3
        raise error

    net = SimpleNamespace(a=1)
    with pytest.raises(error), restore_on_error(net):
        change_and_fail()
    assert vars(net) == {"a": 1}
    with restore_on_error(net):
        net.b = 3
    assert vars(net) == {"a": 1, "b": 3}


@pytest.mark.parametrize(
    ("error", "history", "stays"),
    [
        (ValueError("x"), [{}], True),
        (ValueError("x"), [], False),
        (DivergedError("x", epoch=1), [{}], False),
        (KeyboardInterrupt(), [], True),
    ],
    ids=str,
)
def test_a_fit_that_diverged_or_did_nothing_leaves_no_fitted_net(error, history, stays):
    net = SimpleNamespace(history_=history, initialized_=True)
    with pytest.raises(type(error)), forget_fit_if_diverged(net):
        raise error
    assert net.initialized_ is stays

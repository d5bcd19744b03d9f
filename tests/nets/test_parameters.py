"""The constructor stores, set_params stores, get_params returns what is stored."""

import inspect

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils import estimator_html_repr
from skorch.callbacks import EpochScoring, EpochTimer, PrintLog
from torch import nn

from skact import ActMLP, ActMLPBinary, ActMLPRegressor, TrainingLog

X, Y = np.arange(20.0).reshape(10, 2), np.tile([0, 1], 5)


def test_reprs_are_scikit_learns():
    assert repr(ActMLP("tanh", lr=0.1)) == "ActMLP(activation='tanh', lr=0.1)"
    assert "ActMLP" in estimator_html_repr(ActMLP())


def test_a_subclass_may_hand_its_arguments_on():
    class Mine(ActMLP):
        def __init__(self, *args, extra=1, **kwargs):
            super().__init__(*args, **kwargs)
            self.extra = extra

    assert Mine("tanh", extra=2, width=3, max_epochs=1).fit(X, Y).extra == 2


PLAIN = {
    "activation": nn.ReLU(),
    "hidden": [4, 3],
    "lr": -1,
    "random_state": np.random.RandomState(0),
}


@pytest.mark.parametrize("kind", [ActMLP, ActMLPBinary, ActMLPRegressor])
def test_the_constructor_stores_what_it_gets_and_nothing_else(kind):
    net = kind(**PLAIN, optimizer__eps=1e-3)
    params = net.get_params(deep=False)
    for name, value in PLAIN.items():
        assert params[name] is value
    assert params["optimizer__eps"] == 1e-3
    signature = set(inspect.signature(kind.__init__).parameters) - {"self", "kwargs"}
    assert set(params) == signature | {"optimizer__eps"}


def test_a_clone_has_equal_parameters_and_is_not_fitted():
    net = ActMLP("tanh", width=3, max_epochs=1, optimizer__eps=1e-3).fit(X, Y)
    twin = clone(net)
    assert twin.get_params(deep=False) == net.get_params(deep=False)
    assert not twin.initialized_
    assert twin.history_ is None


def test_no_attribute_of_a_fitted_net_counts_as_a_parameter():
    net = ActMLP(max_epochs=1)
    before = set(net.get_params(deep=False))
    net.set_callbacks(TrainingLog()).fit(X, Y)
    assert set(net.get_params(deep=False)) == before
    assert not [name for name in net.get_params() if name.startswith("_")]


def test_deep_parameters_are_those_of_skorchs_callbacks_too():
    scoring = EpochScoring("accuracy", name="acc")
    net = ActMLP(callbacks=[("acc", scoring)], max_epochs=1, early_stopping=True)
    net.fit(X, Y)
    assert net.get_params()["callbacks__acc"] is scoring
    assert net.get_params()["callbacks__acc__scoring"] == "accuracy"
    assert "callbacks__acc__scoring" not in net.get_params(deep=False)


def test_parameters_that_are_set_wait_for_the_next_fit_but_the_rate_is_live():
    net = ActMLP(width=3, max_epochs=1, random_state=0).fit(X, Y)
    module = net.module_
    net.set_params(width=5, lr=0.5, optimizer__weight_decay=0.25)
    assert net.module_ is module
    assert module.output.in_features == 3
    group = net.optimizer_.param_groups[0]
    assert (group["lr"], group["weight_decay"]) == (0.5, 0.25)
    assert net.fit(X, Y).module_.output.in_features == 5


def test_an_unknown_parameter_is_refused_by_set_params_and_a_module_parameter_by_fit():
    with pytest.raises(ValueError, match="Invalid parameter 'widht'"):
        ActMLP().set_params(widht=3)
    net = ActMLP().set_params(module__width=3)
    with pytest.raises(ValueError, match="builds its own module, so 'module__width'"):
        net.fit(X, Y)


def test_modules_may_be_set_as_parameters():
    # skorch refuses modules that are set outside of initialize_*
    activation, criterion = nn.ReLU(), nn.CrossEntropyLoss()
    net = ActMLP().set_params(activation=activation, criterion=criterion)
    assert net.activation is activation
    assert net.criterion is criterion


def test_names_of_a_subclass_are_known_with_those_of_its_base():
    class Mine(ActMLP):
        def __init__(self, *args, extra=1, **kwargs):
            super().__init__(*args, **kwargs)
            self.extra = extra

    net = Mine(extra=2, width=3)
    assert {"extra", "width", "activation"} <= set(net.get_params())
    assert "extra" not in ActMLP().get_params()
    assert clone(net).get_params(deep=False) == net.get_params(deep=False)


@pytest.mark.parametrize("given", [None, "cb", EpochTimer()], ids=["None", "cb", "it"])
@pytest.mark.parametrize("name", ["nosuch", "print_lgo", "early_stopping", "a__sink"])
def test_a_parameter_of_a_callback_that_is_not_there_is_refused(name, given):
    X, y = np.ones((10, 2)), np.arange(10) % 2
    keyword = {f"callbacks__{name}": given}
    message = rf"callback {name.partition('__')[0]} which does not exist: .*'print_log'"
    fitted = ActMLP(max_epochs=1).fit(X, y)
    for call in (
        lambda: ActMLP(**keyword).fit(X, y),
        lambda: ActMLP(callbacks="disable", **keyword).fit(X, y),
        lambda: ActMLP().set_params(**keyword),
        lambda: fitted.set_params(**keyword),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_callbacks_that_are_there_take_parameters_and_none():
    X, y = np.ones((10, 2)), np.arange(10) % 2
    callbacks = [EpochTimer(), ("my__log", PrintLog())]
    named = {"callbacks__EpochTimer": None, "callbacks__my__log__sink": str}
    stopping = {"early_stopping": True, "callbacks__early_stopping__patience": 2}
    for params, gone in (
        ({"callbacks__print_log": None}, {"print_log"}),
        (named, {"EpochTimer"}),
        (stopping, set()),
    ):
        net = ActMLP(max_epochs=1, callbacks=callbacks, **params).fit(X, y)
        names = {*dict(net.get_default_callbacks()), "EpochTimer", "my__log"}
        assert set(dict(net.callbacks_)) == names - gone
    net = ActMLP(max_epochs=1).set_params(callbacks__print_log=None).fit(X, y)
    assert "print_log" not in dict(net.callbacks_)


@pytest.mark.parametrize("name", ["mode", "backend", "dynamic"])
def test_an_option_of_the_compiler_waits_for_the_next_fit(name):
    net = ActMLP(max_epochs=2, random_state=0).fit(X, Y)
    before = net.predict_proba(X)
    module = net.module_
    net.set_params(**{f"compile__{name}": None if name == "dynamic" else "default"})
    assert net.module_ is module
    np.testing.assert_array_equal(net.predict_proba(X), before)
    assert f"compile__{name}" in net.get_params()
    net.partial_fit(X, Y)  # nothing is compiled
    net.set_params(compile=True)
    with pytest.raises(
        ValueError, match="cannot train on, because it was built with c"
    ):
        net.partial_fit(X, Y)


@pytest.mark.parametrize("option", ["optimizer__params", "optimizer__lr__x"])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_what_is_no_option_of_a_live_optimizer_is_refused_by_the_next_fit(
    option, method
):
    net = ActMLP(max_epochs=2, random_state=0).fit(X, Y)
    groups = [*net.optimizer_.param_groups[0]["params"]]
    net.set_params(**{option: []})
    assert [*net.optimizer_.param_groups[0]["params"]] == groups
    with pytest.raises(ValueError, match=f"{option}"):
        getattr(net, method)(X, Y)


def test_another_dtype_is_refused_where_a_network_trains_on():
    net = ActMLP(max_epochs=1).fit(X.astype("float32"), Y)
    net.set_params(dtype="float32").partial_fit(X, Y)  # as it is
    net.set_params(dtype="float64")
    with pytest.raises(ValueError, match=r"built with dtype=torch\.float32: set"):
        net.partial_fit(X, Y)
    assert net.fit(X, Y).predict_proba(X).dtype == np.float64

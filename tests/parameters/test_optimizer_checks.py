"""Options of a live optimizer: kept, checked, and refused by name."""

import re

import numpy as np
import pytest
import torch
from sklearn.base import clone
from skorch.callbacks import EarlyStopping, LRScheduler

from skact import ActMLP
from skact.parameters.optimizer_checks import (
    check_groups,
    check_patterns,
    check_rates,
    given_options,
    is_of_torch,
    options_to_store,
)

X, Y = np.random.default_rng(0).normal(size=(24, 3)), np.tile([0, 1], 12)
OUTPUT = [("output*", {"lr": 0.5})]


def a_net(**params):
    return ActMLP(**{"max_epochs": 1, "random_state": 0, **params})


def rates_of(net):
    return [group["lr"] for group in net.optimizer_.param_groups]


@pytest.mark.parametrize(
    ("option", "value"),
    [("lr", 0.3), ("betas", (0.5, 0.6)), ("eps", 1e-3), ("weight_decay", 0.2)],
)
def test_an_option_that_is_set_changes_the_live_optimizer_and_stays(option, value):
    key = f"optimizer__{option}"
    net = a_net().fit(X, Y).set_params(**{key: value})
    for one in (net, net.partial_fit(X, Y), net.fit(X, Y), clone(net).fit(X, Y)):
        assert one.optimizer_.param_groups[0][option] == value
        assert one.get_params()[key] == value
    twin = a_net(**{key: value}).fit(X, Y)
    np.testing.assert_array_equal(twin.predict_proba(X), one.predict_proba(X))


def test_an_option_of_one_group_stays_in_that_group():
    net = a_net(optimizer__param_groups=OUTPUT).fit(X, Y)
    net.set_params(optimizer__param_groups__0__lr=0.7)
    net.set_params(optimizer__param_groups__1__lr=0.6)
    for one in (net, net.partial_fit(X, Y), clone(net).fit(X, Y)):
        assert rates_of(one) == [0.7, 0.6]
    assert OUTPUT == [("output*", {"lr": 0.5})]  # the user's own list
    with pytest.raises(ValueError, match="__5__lr' names no group of the optimizer"):
        net.set_params(optimizer__param_groups__5__lr=1)


def test_new_groups_wait_for_the_next_fit_and_a_net_cannot_train_on_with_them():
    net = a_net().fit(X, Y).set_params(optimizer__param_groups=OUTPUT)
    assert rates_of(net) == [0.002]
    with pytest.raises(ValueError, match="built with optimizer__param_groups=None"):
        net.partial_fit(X, Y)
    assert rates_of(net.fit(X, Y)) == [0.5, 0.002]


@pytest.mark.parametrize(
    ("key", "value", "kind"),
    [
        ("optimizer__nosuch", 1, TypeError),
        ("optimizer__lr", -1, ValueError),
        ("optimizer__weight_decay", -1, ValueError),
        ("optimizer__betas", (2,), ValueError),
        ("optimizer__betas", (0.5, 0.5, 0.5), ValueError),
        ("callbacks__es__patience", "3", ValueError),
    ],
    ids=str,
)
def test_a_value_that_is_set_is_checked_before_each_fit(key, value, kind):
    named = key.rpartition("__")[2]
    for method in ("fit", "partial_fit"):
        net = a_net(callbacks=[("es", EarlyStopping("train_loss"))]).fit(X, Y)
        net.set_params(**{key: value})
        before = net.predict_proba(X)
        with pytest.raises(kind, match=named):
            getattr(net, method)(X, Y)
        np.testing.assert_array_equal(net.predict_proba(X), before)


def test_a_net_trains_on_without_a_callback_that_is_set_to_none():
    net = a_net(callbacks=[("es", EarlyStopping("train_loss"))]).fit(X, Y)
    net.set_params(callbacks__es=None).partial_fit(X, Y)
    assert "es" not in dict(net.callbacks_)
    assert len(net.history) == 2


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("iterator_train__shuffle", False),
        ("iterator_valid__batch_size", 5),
        ("dataset__length", 24),
        ("criterion__label_smoothing", 0.1),
    ],
)
def test_a_keyword_of_any_part_may_be_set_on_a_fitted_net(key, value):
    net = a_net().fit(X, Y).set_params(**{key: value})
    assert clone(net).get_params()[key] == value
    twin = a_net(**{key: value})
    expected = twin.fit(X, Y).predict_proba(X)
    np.testing.assert_array_equal(net.fit(X, Y).predict_proba(X), expected)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (
            [("nosuch*", {"lr": 0.5})],
            "'nosuch*' in optimizer__param_groups matches no ",
        ),
        (
            [("output*", {"lr": 1}), ("output.bias", {"lr": 2})],
            "network that earlier patterns leave: hidden.0.linear.weight, hidden.0",
        ),
    ],
    ids=["unknown", "taken"],
)
def test_a_pattern_without_parameters_is_refused_with_their_names(groups, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        a_net(optimizer__param_groups=groups).fit(X, Y)


def test_patterns_that_match_are_taken():
    check_patterns([("a*", {}), ("[bc]", {})], ["a", "ab", "b", "c"])
    with pytest.raises(ValueError, match=r"'a' in .* earlier patterns leave: b"):
        check_patterns([("a*", {}), ("a", {})], ["a", "b"])


def test_groups_are_checked_by_torch():
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    check_groups(optimizer, {"lr"})
    optimizer.param_groups[0]["momentum"] = -1
    with pytest.raises(ValueError, match="Invalid momentum value: -1"):
        check_groups(optimizer, {"lr"})
    optimizer.param_groups[0].update(momentum=0, own=3)
    check_groups(optimizer, {"lr"})  # of a scheduler, for example
    with pytest.raises(TypeError, match="own"):
        check_groups(optimizer, {"own"})


def test_given_options_are_those_of_keywords_and_of_groups():
    params = {"optimizer__eps": 1, "lr": 2, "optimizer__param_groups": OUTPUT}
    assert given_options(params) == {"eps", "lr"}
    assert given_options({"optimizer": "sgd"}) == set()


def test_options_without_groups_are_stored_as_they_are():
    assert options_to_store({"optimizer__lr": 1}, OUTPUT) == {"optimizer__lr": 1}
    first = {"optimizer__param_groups__0__lr": 1}
    assert options_to_store(first, []) == {
        "optimizer__param_groups": [("*", {"lr": 1})]
    }


SCHEDULERS = {
    "ExponentialLR": {"gamma": -1.0},
    "StepLR": {"gamma": float("nan"), "step_size": 1},
    "LambdaLR": {"lr_lambda": lambda epoch: 1 - 2 * epoch},
}


@pytest.mark.parametrize("optimizer", ["adam", torch.optim.RMSprop], ids=str)
@pytest.mark.parametrize("verbose", [0, 1], ids=["quiet", "verbose"])
@pytest.mark.parametrize("policy", SCHEDULERS)
def test_a_scheduler_that_sets_a_rate_that_is_none_is_named(policy, verbose, optimizer):
    # in the engine before and between epochs, and in skorch's loop
    scheduler = LRScheduler(policy, **SCHEDULERS[policy])
    net = a_net(callbacks=[scheduler], optimizer=optimizer, verbose=verbose)
    message = r"rate of ActMLP was set to (-.*|nan) by the callback 'LRScheduler'"
    with pytest.raises(ValueError, match=message):
        net.fit(X, Y, epochs=3)


@pytest.mark.parametrize("lr", [-1.0, float("nan")])
def test_a_rate_with_which_no_fit_goes_on_is_refused(lr):
    net = a_net().initialize(X, Y)
    check_rates(net, [{"lr": 0.0}, {"lr": float("inf")}, {"lr": torch.tensor(1.0)}, {}])
    with pytest.raises(ValueError, match=f"rate of ActMLP was set to {lr}; it must"):
        check_rates(net, [{"lr": 0.0}, {"lr": lr}])


def test_a_class_of_torch_is_known():
    assert is_of_torch(torch.optim.Adam)
    assert not is_of_torch(type("Own", (torch.optim.Adam,), {"__module__": "own"}))
    assert not is_of_torch(3)

"""A record and its weights make the same net again, or none."""

import json

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_iris

from skact import ActMLP, ActMLPRegressor
from skact.deploying.net_records import (
    LEFT_OUT,
    SavedNet,
    net_of_record,
    record_of,
    weights_of,
)

X, Y = load_iris(return_X_y=True)


@pytest.fixture(scope="module")
def net():
    return ActMLP("prelu", hidden=(5, 4), max_epochs=2, random_state=0).fit(X, Y)


def test_a_record_holds_each_parameter_but_those_that_are_left_out(net):
    record = record_of(net)
    names = {n for n in net.get_params(deep=False) if not n.startswith("callbacks__")}
    assert set(record["params"]) == names - set(LEFT_OUT)
    assert json.loads(json.dumps(record)) == record


def test_the_same_net_is_built_and_its_weights_are_copies(net):
    weights = weights_of(net)
    other = net_of_record(record_of(net), weights)
    np.testing.assert_array_equal(other.predict_proba(X), net.predict_proba(X))
    assert other.loss_curve_ == net.loss_curve_
    assert other.seeds_ == net.seeds_
    for one in weights.values():
        one.zero_()
    np.testing.assert_array_equal(other.predict_proba(X), net.predict_proba(X))


def test_a_seed_that_was_drawn_stays(net):
    drawn = clone(net).set_params(random_state=None).fit(X, Y)
    assert net_of_record(record_of(drawn), weights_of(drawn)).seeds_ == drawn.seeds_


def test_a_net_that_is_not_fitted_has_no_weights():
    record = record_of(ActMLPRegressor("tanh", lr=0.1))
    assert set(record) == {"class", "params"}
    assert (
        repr(net_of_record(record, None))
        == "ActMLPRegressor(activation='tanh', lr=0.1)"
    )


@pytest.mark.parametrize("name", ["hidden.1.linear.weight", "output.weight"])
def test_weights_of_another_size_are_refused_before_a_net_is_built(net, name):
    weights = weights_of(net)
    weights[name] = torch.zeros(9, 9, dtype=torch.float64)
    with pytest.raises(ValueError, match=rf"{name} must have the shape .*is \(9, 9\)"):
        net_of_record(record_of(net), weights)
    del weights[name]
    with pytest.raises(ValueError, match=f"{name} must have the shape .*is missing"):
        net_of_record(record_of(net), weights)


def test_a_stand_in_is_an_estimator_with_a_number():
    assert clone(SavedNet(3)).number == 3

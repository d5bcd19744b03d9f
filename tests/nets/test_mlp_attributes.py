"""Code for scikit-learn's MLPClassifier finds the attributes that it reads."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_predict
from sklearn.multioutput import ClassifierChain
from sklearn.neural_network import MLPClassifier, MLPRegressor
from torch import nn

from skact import ActMLP, ActMLPBinary, ActMLPRegressor

X = np.random.default_rng(0).normal(size=(40, 3))
y = np.arange(40) % 3
NAMES = ["n_iter_", "loss_curve_", "loss_", "best_loss_", "coefs_", "intercepts_"]


def test_they_mean_what_they_mean_in_scikit_learn():
    net = ActMLP("tanh", hidden=(5, 4), max_epochs=7, random_state=0).fit(X, y)
    assert net.n_iter_ == 7
    assert net.loss_curve_ == net.history[:, "train_loss"]
    assert net.loss_ == net.loss_curve_[-1]
    assert net.best_loss_ == min(net.loss_curve_)
    layer = X
    for i, (weight, bias) in enumerate(zip(net.coefs_, net.intercepts_, strict=True)):
        layer = layer @ weight + bias
        layer = np.tanh(layer) if i < 2 else layer
    proba = np.exp(layer) / np.exp(layer).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(proba, net.predict_proba(X), rtol=1e-6)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (ActMLP, MLPClassifier),
        (ActMLPBinary, MLPClassifier),
        (ActMLPRegressor, MLPRegressor),
    ],
)
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_their_types_and_shapes_are_those_of_scikit_learn(ours, theirs):
    target = y if ours is ActMLP else y % 2  # two classes: one output in scikit-learn
    net = ours(hidden=(5, 4), max_epochs=3).fit(X, target)
    mlp = theirs(hidden_layer_sizes=(5, 4), max_iter=3).fit(X, target)
    for name in NAMES:
        value, expected = getattr(net, name), getattr(mlp, name)
        if name in ("coefs_", "intercepts_"):
            assert [part.shape for part in value] == [part.shape for part in expected]
        else:
            assert isinstance(value, type(expected)) or isinstance(expected, float)


def test_early_stopping_has_no_best_training_loss():
    net = ActMLP(early_stopping=True, max_epochs=3).fit(X, y)
    with pytest.warns(UserWarning, match="Stochastic"):
        mlp = MLPClassifier(early_stopping=True, max_iter=3).fit(X, y)
    assert net.best_loss_ is mlp.best_loss_ is None


@pytest.mark.parametrize("name", NAMES)
def test_before_a_fit_they_are_no_attributes(name):
    net = ActMLP()
    assert not hasattr(net, name)
    with pytest.raises(AttributeError, match=f"not fitted yet: no {name}"):
        getattr(net, name)
    assert not hasattr(clone(ActMLP(max_epochs=1).fit(X, y)), name)


@pytest.mark.parametrize("name", NAMES)
def test_they_are_read_and_not_stored(name):
    net = ActMLP(max_epochs=1).fit(X, y)
    assert name not in vars(net)
    assert name not in net.get_params()
    with pytest.raises(AttributeError):
        setattr(net, name, 3)
    assert str(getattr(pickle.loads(pickle.dumps(net)), name)) == str(
        getattr(net, name)
    )


def test_copies_of_weights_do_not_change_the_net():
    net = ActMLP(max_epochs=1).fit(X, y)
    before = net.predict_proba(X)
    net.coefs_[0][:] = 9
    net.intercepts_[0][:] = 9
    assert np.array_equal(net.predict_proba(X), before)


def test_a_module_of_ones_own_has_no_coefs():
    class Own(ActMLP):
        def initialize_module(self):
            super().initialize_module()
            return self

    net = Own(max_epochs=1).fit(X, y)
    net.module_ = nn.Linear(3, 3)
    with pytest.raises(AttributeError, match=r"its module is no skact\.MLP"):
        _ = net.coefs_
    assert net.n_iter_ == 1


@pytest.mark.parametrize("kind", [ActMLP, ActMLPBinary])
def test_logarithms_of_probabilities_serve_the_tools_that_want_them(kind):
    labels = y % 2
    net = kind(max_epochs=3, random_state=0).fit(X, labels)
    np.testing.assert_array_equal(
        net.predict_log_proba(X), np.log(net.predict_proba(X))
    )
    found = cross_val_predict(net, X, labels, method="predict_log_proba", cv=2)
    assert found.shape == (40, 2)
    chain = ClassifierChain(net, chain_method="predict_log_proba")
    assert chain.fit(X, np.column_stack([labels, 1 - labels])).predict(X).shape == (
        40,
        2,
    )
    far = net.predict_log_proba(X * 1e6)  # a probability of 0 is no warning
    assert np.isneginf(far).any()
    assert not hasattr(ActMLPRegressor(), "predict_log_proba")

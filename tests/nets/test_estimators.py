"""The three estimators learn: any activation, any number of rows and outputs."""

import numpy as np
import pytest
import torch
from sklearn.metrics import r2_score
from torch import nn

from skact import ActMLP, ActMLPBinary, ActMLPRegressor, list_activations

CLASSIFIERS = [ActMLP, ActMLPBinary]


def params_of(net):
    return [p.detach().numpy().copy() for p in net.module_.parameters()]


def two_classes(X, y):
    return X[y < 2], y[y < 2]


@pytest.mark.parametrize("columns", [1, 3])
def test_a_regressor_predicts_y_in_its_own_shape(columns, diabetes):
    X, y = diabetes
    Y = np.column_stack([y * k for k in range(1, columns + 1)])
    net = ActMLPRegressor(max_epochs=60, random_state=0, width=32).fit(X, Y)
    assert net.predict(X).shape == Y.shape
    assert r2_score(Y, net.predict(X)) > 0.5
    assert ActMLPRegressor(max_epochs=1).fit(X, y).predict(X).shape == y.shape


@pytest.mark.parametrize("net", [*CLASSIFIERS, ActMLPRegressor])
def test_one_feature_and_one_row_are_enough(net):
    assert net(max_epochs=2).fit([[1.0], [2.0]], [0, 1]).predict([[1.0]]).shape == (1,)
    assert net(max_epochs=2).fit([[1.0]], [0]).predict([[1.0], [3.0]]).shape == (2,)


@pytest.mark.parametrize("norm", [None, "batch", "layer"])
@pytest.mark.parametrize("net", [*CLASSIFIERS, ActMLPRegressor])
def test_one_row_in_the_last_batch_is_no_trouble(net, norm, iris):
    X, y = two_classes(*iris)
    fitted = net(max_epochs=3, batch_size=33, norm=norm).fit(X, y)  # 100 = 3 * 33 + 1
    assert np.isfinite(fitted.predict(X)).all()
    assert fitted.history[-1, "train_batch_count"] == 4


@pytest.mark.parametrize("net", CLASSIFIERS)
def test_probabilities_are_probabilities_in_the_order_of_classes(net, cancer):
    X, y = cancer
    fitted = net(max_epochs=5, random_state=0).fit(X, y)
    proba = fitted.predict_proba(X)
    np.testing.assert_allclose(proba.sum(1), 1)
    np.testing.assert_array_equal(fitted.classes_[proba.argmax(1)], fitted.predict(X))
    assert fitted.score(X, y) > 0.9


def test_the_binary_net_is_a_logistic_regression_without_hidden_layers(cancer):
    from sklearn.linear_model import LogisticRegression

    X, y = cancer
    net = ActMLPBinary(
        depth=0, max_epochs=300, batch_size=-1, lr=0.1, random_state=0
    ).fit(X, y)
    reference = LogisticRegression(C=np.inf, max_iter=5000).fit(X, y)
    assert (net.predict(X) == reference.predict(X)).mean() > 0.97
    assert net.module_.output.out_features == 1


@pytest.mark.parametrize(
    "activation",
    [nn.ReLU, nn.ReLU(), torch.relu, "relu()"],
    ids=["class", "instance", "function", "call"],
)
def test_an_activation_may_be_spelt_in_many_ways(activation, iris, same):
    X, y = iris
    options = {"max_epochs": 3, "random_state": 0}
    expected = ActMLP("relu", **options).fit(X, y)
    assert same(expected, ActMLP(activation, **options).fit(X, y))


def test_a_learnable_activation_learns_and_the_users_instance_does_not(iris):
    mine = nn.PReLU(init=0.3)
    net = ActMLP(mine, max_epochs=5, depth=2, random_state=0).fit(*iris)
    learnt = [layer.activation.weight.item() for layer in net.module_.hidden]
    assert mine.weight.item() == pytest.approx(0.3)
    assert all(slope != pytest.approx(0.3) for slope in learnt)
    assert learnt[0] != learnt[1]


def test_an_autograd_function_is_an_activation(iris, same):
    class HandWrittenReLU(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.clamp(min=0)

        @staticmethod
        def backward(ctx, grad):
            (x,) = ctx.saved_tensors
            return grad * (x >= 0)

    X, y = iris
    options = {"max_epochs": 3, "random_state": 0}
    by_hand = ActMLP(HandWrittenReLU, **options).fit(X, y)
    assert same(by_hand, ActMLP("relu", **options).fit(X, y))


def test_output_activations_stand_before_the_loss(iris):
    X, y = iris
    net = ActMLP(
        depth=0, output_activation="sigmoid", max_epochs=5, random_state=0
    ).fit(X, y)
    logits = net.forward(X)
    assert logits.min() > 0
    assert logits.max() < 1
    torch.testing.assert_close(
        torch.from_numpy(net.predict_proba(X)), torch.softmax(logits, dim=1)
    )


@pytest.mark.parametrize("name", list_activations())
def test_every_activation_of_the_catalogue_trains_and_predicts(name, iris):
    X, y = iris
    net = ActMLP(name, max_epochs=2, width=8, random_state=0).fit(X, y)
    assert net.predict(X).shape == (150,)
    assert np.isfinite(net.predict_proba(X)).all()


@pytest.mark.parametrize(
    "activation",
    [nn.ReLU(inplace=True), torch.relu_, lambda x: x.clamp_(min=0)],
    ids=["module", "function", "lambda"],
)
def test_activations_may_work_in_place(activation, iris, same):
    X, y = iris
    options = {"max_epochs": 3, "random_state": 0}
    expected = ActMLP("relu", **options).fit(X, y)
    assert same(expected, ActMLP(activation, **options).fit(X, y))


def test_an_activation_may_hold_float64(iris):
    X, y = iris
    shift = torch.ones((), dtype=torch.float64)
    net = ActMLP(lambda x: torch.relu(x + shift), max_epochs=1).fit(X, y)
    assert net.predict(X).shape == (150,)
    assert ActMLP(nn.PReLU(dtype=torch.float64), max_epochs=1).fit(X, y).predict(X).size

import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_linnerud
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import scale
from torch import nn

from skact import ActMLP, ActMLPBinary, ActMLPRegressor, list_activations, to_onnx

SMALL = {"width": 6, "max_epochs": 2, "random_state": 0}


class Named(ActMLP):
    """A subclass that computes as its base does."""


class Moved(ActMLP):
    def predict_proba(self, X):
        return super().predict_proba(X)[:, ::-1]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_classifier_of_many_classes(dtype, digits, assert_same):
    X, y = digits
    net = ActMLP(**SMALL, dtype=dtype).fit(X, y)
    assert_same(to_onnx(net), net, X)


@pytest.mark.parametrize("kind", [ActMLP, ActMLPBinary])
def test_two_classes(kind, cancer, assert_same):
    X, y = cancer
    net = kind(**SMALL).fit(X, y)
    assert_same(to_onnx(net), net, X)


@pytest.mark.parametrize("kind", [ActMLP, ActMLPBinary])
def test_one_class_has_one_column(kind, cancer, assert_same):
    X, y = cancer
    net = kind(**SMALL).fit(X, np.zeros(len(y), dtype=int))
    assert_same(to_onnx(net), net, X)


def test_a_regressor_of_one_column(diabetes, run_onnx):
    X, y = diabetes
    net = ActMLPRegressor(**SMALL).fit(X, y)
    found = run_onnx(to_onnx(net), X)["variable"]
    assert found.shape == (len(X), 1)
    assert abs(found[:, 0] - net.predict(X)).max() < 1e-5


def test_a_regressor_of_several_columns(assert_same):
    X, Y = map(scale, load_linnerud(return_X_y=True))
    net = ActMLPRegressor(**SMALL).fit(X, Y)
    assert_same(to_onnx(net), net, X)


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (["setosa", "versicolor", "virginica"], "O"),
        (np.array(["one", "due", "trè"], dtype=object), "O"),
        ([-7, 0, 2**40], "i"),
        (np.array([3, 200, 5], dtype=np.uint8), "i"),
        ([1.0, 2.0, 5.0], "i"),
        ([False, True, True], "i"),
    ],
)
def test_labels_of_any_kind(labels, kind, iris, run_onnx):
    X, codes = iris
    y = np.asarray(labels)[codes]
    net = ActMLP(**SMALL).fit(X, y)
    found = run_onnx(to_onnx(net), X)["label"]
    assert found.dtype.kind == kind
    assert found.tolist() == net.predict(X).tolist()


def test_labels_that_no_int64_holds_are_refused(iris):
    X, codes = iris
    y = np.array([0, 1, 2**64 - 1], dtype=np.uint64)[codes]
    net = ActMLP(**SMALL).fit(X, y)
    with pytest.raises(ValueError, match="its labels must be words, or whole numbers"):
        to_onnx(net)


@pytest.mark.parametrize(
    "params",
    [
        {"predict_nonlinearity": None},
        {"predict_nonlinearity": torch.sigmoid},
        {"predict_nonlinearity": nn.Softmax(dim=-1)},
        {"criterion": nn.NLLLoss, "output_activation": "softmax"},
        {"criterion": nn.MultiMarginLoss},
    ],
)
def test_the_nonlinearity_is_that_of_predict_proba(params, iris, assert_same):
    X, y = iris
    net = ActMLP(**SMALL, **params).fit(X, y)
    assert_same(to_onnx(net), net, X)


def test_outputs_that_are_probabilities_get_their_complement(cancer, assert_same):
    X, y = cancer
    net = ActMLPBinary(**SMALL, criterion=nn.BCELoss, output_activation="sigmoid")
    net.fit(X, y)
    assert_same(to_onnx(net), net, X)


def test_a_nonlinearity_of_a_regressor(diabetes, assert_same):
    X, y = diabetes
    net = ActMLPRegressor(**SMALL, predict_nonlinearity=torch.relu).fit(X, y)
    assert (net.predict(X) == 0).any()
    assert_same(to_onnx(net), net, X)


def test_a_nonlinearity_of_a_users_own_is_refused(iris):
    net = ActMLP(**SMALL, predict_nonlinearity=lambda x: x * 2).fit(*iris)
    with pytest.raises(ValueError, match="the predict_nonlinearity: lambda is a func"):
        to_onnx(net)


def test_a_trimmed_net_is_converted(iris, assert_same):
    net = ActMLP(**SMALL).fit(*iris)
    net.trim_for_prediction()
    assert_same(to_onnx(net), net, iris[0])


def test_a_subclass_is_converted_if_it_predicts_as_its_base(iris, assert_same):
    net = Named(**SMALL).fit(*iris)
    assert_same(to_onnx(net), net, iris[0])
    why = "to_onnx cannot convert the Moved: its method predict_proba is your own code"
    with pytest.raises(ValueError, match=re.escape(why)):
        to_onnx(Moved(**SMALL).fit(*iris))


def test_a_net_that_is_not_fitted_is_refused():
    with pytest.raises(NotFittedError, match="This ActMLP instance is not fitted yet"):
        to_onnx(ActMLP())


architectures = st.fixed_dictionaries(
    {
        "hidden": st.lists(st.integers(1, 9), max_size=3).map(tuple),
        "norm": st.sampled_from([None, "batch", "layer"]),
        "dropout": st.sampled_from([0.0, 0.3]),
        "init": st.sampled_from(["torch", "auto"]),
        "dtype": st.sampled_from(["float32", "float64"]),
        "output_activation": st.sampled_from([None, "tanh", "softplus"]),
        "random_state": st.integers(0, 99),
    }
)
# jumps turn a difference in the last bit into one that all can see
SMOOTH = [
    name for name in list_activations() if name not in ("hardshrink", "threshold")
]


@settings(max_examples=25)
@given(architectures, st.data())
def test_any_architecture_predicts_the_same(assert_same, iris, params, data):
    X, y = iris
    n_layers = len(params["hidden"])
    names = st.lists(st.sampled_from(SMOOTH), min_size=n_layers, max_size=n_layers)
    net = ActMLP(tuple(data.draw(names)), max_epochs=1, **params).fit(X, y)
    found = to_onnx(net, dtype=params["dtype"])
    assert_same(found, net, X)

"""Data as scikit-learn users have it: labels, dtypes, weights, odd shapes."""

import pickle
import re
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import estimator_html_repr
from skorch.dataset import Dataset
from torch import nn
from torch.utils.data import Subset, TensorDataset

from skact import ActMLP, ActMLPBinary, ActMLPRegressor, list_activations

CLASSIFIERS = [ActMLP, ActMLPBinary]


def params_of(net):
    return [p.detach().numpy().copy() for p in net.module_.parameters()]


def same(first, second):
    return all(
        np.array_equal(a, b)
        for a, b in zip(params_of(first), params_of(second), strict=True)
    )


def two_classes(X, y):
    return X[y < 2], y[y < 2]


@pytest.mark.parametrize("net", CLASSIFIERS)
@pytest.mark.parametrize(
    "labels",
    [
        np.array([5, 7]),
        np.array(["no", "yes"]),
        np.array(["no", "yes"], dtype=object),
        np.array([False, True]),
        np.array([-1.0, 1.0]),
    ],
    ids=str,
)
def test_labels_of_any_kind_come_back_as_they_went_in(net, labels, iris):
    X, codes = two_classes(*iris)
    plain = net(max_epochs=20, random_state=0).fit(X, codes)
    named = net(max_epochs=20, random_state=0).fit(X, labels[codes])
    assert same(plain, named)
    np.testing.assert_array_equal(named.classes_, labels)
    np.testing.assert_array_equal(named.predict(X), labels[plain.predict(X)])
    assert named.score(X, labels[codes]) > 0.95


def test_the_dtype_follows_x_as_in_mlpclassifier(iris):
    X, y = iris
    assert ActMLP(max_epochs=1).fit(X, y).dtype_ == "float64"
    assert ActMLP(max_epochs=1).fit(X.astype(np.float32), y).dtype_ == "float32"
    assert ActMLP(max_epochs=1).fit((X * 10).astype(int), y).dtype_ == "float64"
    net = ActMLP(max_epochs=1, dtype="float32").fit(X, y)
    assert next(net.module_.parameters()).dtype == torch.float32
    assert net.predict_proba(X).dtype == np.float32


def test_a_net_predicts_from_either_dtype(iris):
    X, y = iris
    net = ActMLP(max_epochs=3, random_state=0).fit(X.astype(np.float32), y)
    np.testing.assert_array_equal(
        net.predict_proba(X.astype(np.float32).astype(float)),
        net.predict_proba(X.astype(np.float32)),
    )


@pytest.mark.parametrize("net", [*CLASSIFIERS, ActMLPRegressor])
def test_sparse_rows_train_the_same_network_as_dense_ones(net, iris):
    X, y = two_classes(*iris)
    X = X * (X > 0)
    dense = net(max_epochs=3, random_state=0).fit(X, y)
    for kind in (sp.csr_matrix, sp.csr_array, sp.coo_array):
        sparse = net(max_epochs=3, random_state=0).fit(kind(X), y)
        assert same(dense, sparse)
        np.testing.assert_array_equal(sparse.predict(kind(X)), dense.predict(X))


def test_nan_in_a_sparse_matrix_is_located(iris):
    X, y = iris
    X = sp.csr_array(X * (X > 0))
    X.data[5] = np.nan
    row, column = (int(index[0]) for index in np.nonzero(np.isnan(X.toarray())))
    with pytest.raises(ValueError, match=f"contains NaN at row {row}, column {column}"):
        ActMLP().fit(X, y)


def test_pandas_columns_are_remembered_and_named_in_errors(iris):
    X, y = iris
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    net = ActMLP(max_epochs=2, random_state=0).fit(frame, pd.Series(y, name="kind"))
    assert list(net.feature_names_in_) == ["a", "b", "c", "d"]
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        net.predict(X)
    with pytest.raises(ValueError, match="feature names should match"):
        net.predict(frame[["b", "a", "c", "d"]])
    frame.loc[2, "c"] = np.nan
    with pytest.raises(ValueError, match=re.escape("NaN at row 2, column 2 ('c')")):
        net.fit(frame, y)


def test_torch_tensors_and_datasets_are_taken_as_tables(iris):
    X, y = iris
    expected = ActMLP(max_epochs=2, random_state=0).fit(X, y)
    tensors = torch.from_numpy(X), torch.from_numpy(y)
    assert same(expected, ActMLP(max_epochs=2, random_state=0).fit(*tensors))
    assert same(
        expected,
        ActMLP(max_epochs=2, random_state=0).fit(TensorDataset(*tensors), None),
    )


@pytest.mark.parametrize("net", [*CLASSIFIERS, ActMLPRegressor])
def test_a_weight_is_a_repetition(net, iris):
    X, y = two_classes(*iris)
    weight = np.random.default_rng(0).integers(0, 4, len(X))
    options = {"max_epochs": 20, "random_state": 0, "batch_size": -1, "shuffle": False}
    weighted = net(**options).fit(X, y, sample_weight=weight)
    repeated = net(**options).fit(X.repeat(weight, 0), y.repeat(weight))
    for one, other in zip(params_of(weighted), params_of(repeated), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-7, atol=1e-9)


def test_equal_weights_are_no_weights(iris):
    X, y = iris
    plain = ActMLP(max_epochs=3, random_state=0).fit(X, y)
    ones = ActMLP(max_epochs=3, random_state=0).fit(X, y, sample_weight=1)
    for one, other in zip(params_of(plain), params_of(ones), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("net", CLASSIFIERS)
def test_class_weights_are_sample_weights(net, iris):
    X, y = two_classes(*iris)
    X, y = X[20:], y[20:]
    names = np.array(["a", "b"])[y]
    counts = np.bincount(y)
    by_hand = (len(y) / (2 * counts))[y]
    options = {"max_epochs": 3, "random_state": 0}
    expected = net(**options).fit(X, names, sample_weight=by_hand)
    balanced = net(**options, class_weight="balanced").fit(X, names)
    named = net(
        **options, class_weight=dict(zip("ab", len(y) / (2 * counts), strict=True))
    )
    assert same(expected, balanced)
    assert same(expected, named.fit(X, names))


def test_class_weights_and_sample_weights_multiply(iris):
    X, y = iris
    weight = np.random.default_rng(0).uniform(0.5, 2, len(X))
    options = {"max_epochs": 3, "random_state": 0}
    both = ActMLP(**options, class_weight={0: 2, 1: 1, 2: 1}).fit(
        X, y, sample_weight=weight
    )
    product = ActMLP(**options).fit(
        X, y, sample_weight=weight * np.where(y == 0, 2.0, 1.0)
    )
    assert same(both, product)


def test_balanced_classes_and_partial_fit_do_not_go_together(iris):
    with pytest.raises(
        ValueError, match="class_weight='balanced' needs all rows at once"
    ):
        ActMLP(class_weight="balanced").partial_fit(*iris)


def test_a_batch_of_zero_weights_moves_nothing(iris):
    X, y = iris
    weight = np.ones(len(X))
    weight[128:] = 0
    options = {
        "max_epochs": 1,
        "random_state": 0,
        "shuffle": False,
        "optimizer": "sgd",
        "momentum": 0.0,
    }
    expected = ActMLP(**options).fit(X[:128], y[:128])
    assert same(expected, ActMLP(**options).fit(X, y, sample_weight=weight))


@pytest.mark.parametrize("columns", [1, 3])
def test_a_regressor_predicts_y_in_its_own_shape(columns, diabetes):
    X, y = diabetes
    Y = np.column_stack([y * k for k in range(1, columns + 1)])
    net = ActMLPRegressor(max_epochs=60, random_state=0, width=32).fit(X, Y)
    assert net.predict(X).shape == Y.shape
    assert r2_score(Y, net.predict(X)) > 0.5
    assert ActMLPRegressor(max_epochs=1).fit(X, y).predict(X).shape == y.shape


def test_several_outputs_share_the_loss_equally(diabetes):
    X, y = diabetes
    Y = np.column_stack([y, -y])
    net = ActMLPRegressor(max_epochs=1, random_state=0, batch_size=-1).fit(X, Y)
    start = ActMLPRegressor(random_state=0).initialize(X, Y)
    expected = ((start.predict(X) - Y) ** 2).mean()
    assert net.history[0, "train_loss"] == pytest.approx(expected)


@pytest.mark.parametrize("net", CLASSIFIERS)
def test_one_class_is_learnt_for_certain(net, iris):
    X, _ = iris
    fitted = net(max_epochs=2).fit(X, np.full(len(X), "only"))
    np.testing.assert_array_equal(fitted.predict(X), np.full(len(X), "only"))
    np.testing.assert_array_equal(fitted.predict_proba(X), np.ones((len(X), 1)))


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
def test_an_activation_may_be_spelt_in_many_ways(activation, iris):
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


def test_an_autograd_function_is_an_activation(iris):
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


def test_a_column_of_labels_is_taken_with_a_warning(iris):
    X, y = iris
    with pytest.warns(DataConversionWarning, match="column-vector y"):
        net = ActMLP(max_epochs=1, random_state=0).fit(X, y[:, None])
    assert same(net, ActMLP(max_epochs=1, random_state=0).fit(X, y))


@pytest.mark.parametrize("net", [*CLASSIFIERS, ActMLPRegressor])
def test_an_unfitted_net_says_so(net):
    for method in ("predict", "forward", "score"):
        with pytest.raises(
            NotFittedError, match=f"This {net.__name__} instance is not fitted"
        ):
            getattr(net(), method)(
                *([[[1.0]], [1]] if method == "score" else [[[1.0]]])
            )
    assert not hasattr(net(), "classes_")


def test_reprs_are_scikit_learns():
    assert repr(ActMLP("tanh", lr=0.1)) == "ActMLP(activation='tanh', lr=0.1)"
    assert "ActMLP" in estimator_html_repr(ActMLP())


def test_large_input_is_predicted_in_several_passes_alike(iris, monkeypatch):
    X, y = iris
    net = ActMLP(max_epochs=2, random_state=0).fit(X, y)
    many = np.tile(X, (10, 1))
    whole = net.predict_proba(many)
    monkeypatch.setattr("skact.nets.forward._VALUES_OF_A_LAYER", 1)
    np.testing.assert_allclose(net.predict_proba(many), whole, rtol=1e-12)


def test_read_only_input_is_no_trouble(iris):
    X, y = (array.copy() for array in iris)
    X.flags.writeable = y.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ActMLP(max_epochs=1).fit(X, y).predict(X)


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
def test_activations_may_work_in_place(activation, iris):
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


@pytest.mark.parametrize(
    "wrap",
    [
        lambda X, y: Dataset(X, y),
        lambda X, y: TensorDataset(torch.from_numpy(X), torch.from_numpy(y)),
        lambda X, y: Subset(
            TensorDataset(torch.from_numpy(X), torch.from_numpy(y)), range(150)
        ),
        lambda X, y: Subset(Dataset(X, y), np.arange(150)),
    ],
    ids=["Dataset", "TensorDataset", "Subset of tensors", "Subset"],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_dataset_that_is_a_table_is_fitted_and_predicted_as_one(wrap, dtype, iris):
    X, y = iris
    options = {"max_epochs": 2, "random_state": 0, "dtype": dtype}
    expected = ActMLP(**options).fit(X, y)
    net = ActMLP(**options).fit(wrap(X, y), None)
    assert same(expected, net)
    np.testing.assert_array_equal(
        net.predict_proba(wrap(X, y)), expected.predict_proba(X)
    )
    dirty = X.copy()
    dirty[1, 2] = np.nan
    with pytest.raises(ValueError, match="NaN at row 1, column 2"):
        net.predict(wrap(dirty, y))


def test_a_dataset_that_transforms_is_not_mistaken_for_a_table(iris):
    class Doubling(Dataset):
        def transform(self, X, y):
            return 2 * X, y

    with pytest.raises(TypeError, match="X is a Doubling, from which X and y cannot"):
        ActMLP().fit(Doubling(*iris), None)


def test_classes_without_a_weight_count_as_one_also_chunk_by_chunk(iris):
    X, y = iris
    net = ActMLP(max_epochs=1, class_weight={0: 2.0}, random_state=0)
    net.partial_fit(X, y, classes=[0, 1, 2]).partial_fit(X[y > 0], y[y > 0])
    assert len(net.history) == 2
    by_hand = ActMLP(max_epochs=1, random_state=0)
    by_hand.partial_fit(X, y, sample_weight=np.where(y == 0, 2.0, 1.0))
    assert same(
        by_hand, ActMLP(max_epochs=1, class_weight={0: 2.0}, random_state=0).fit(X, y)
    )


def test_a_fitted_net_keeps_no_data(iris):
    X, y = np.tile(iris[0], (100, 1)), np.tile(iris[1], 100)
    net = ActMLP(max_epochs=1, batch_size=5000, random_state=0).fit(X, y)
    assert X.nbytes > 400_000
    assert len(pickle.dumps(net)) < 50_000


@pytest.mark.parametrize("labels", ["ints", "strings", "booleans", "list", "objects"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_score_is_scikit_learns_accuracy(iris, labels, weighted):
    X, y = iris
    y = {
        "ints": y,
        "strings": np.array(["b", "a", "c"])[y],
        "booleans": y == 1,
        "list": y.tolist(),
        "objects": np.array(["b", "a", "c"], dtype=object)[y],
    }[labels]
    weight = np.linspace(0, 1, len(X)) if weighted else None
    net = ActMLP(max_epochs=2, random_state=0).fit(X, y)
    expected = accuracy_score(y, net.predict(X), sample_weight=weight)
    assert net.score(X, y, sample_weight=weight) == expected
    assert type(net.score(X, y, weight)) is float


def test_a_score_refuses_what_scikit_learns_accuracy_refuses(iris):
    X, y = iris
    net = ActMLP(max_epochs=1).fit(X, y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        net.score(X, y[:-1])
    with pytest.raises(ValueError, match="Classification metrics can't handle"):
        net.score(X, y + 0.5)
    assert net.score(X, y.astype(float)) == net.score(X, y)

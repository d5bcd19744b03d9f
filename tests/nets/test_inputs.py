"""Data become rows, or an error that names what is wrong and where."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.exceptions import DataConversionWarning
from skorch.dataset import Dataset
from torch.utils.data import Subset, TensorDataset

from skact import ActMLP, ActMLPBinary, ActMLPRegressor
from skact.nets.inputs import check_finite, read_inputs, read_X, unpack_table

CLASSIFIERS = [ActMLP, ActMLPBinary]
X, Y = np.arange(20.0).reshape(10, 2), np.tile([0, 1], 5)


def two_classes(X, y):
    return X[y < 2], y[y < 2]


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
def test_sparse_rows_train_the_same_network_as_dense_ones(net, iris, same):
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
    frame = pd.DataFrame(X.copy(), columns=["a", "b", "c", "d"])
    net = ActMLP(max_epochs=2, random_state=0).fit(frame, pd.Series(y, name="kind"))
    assert list(net.feature_names_in_) == ["a", "b", "c", "d"]
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        net.predict(X)
    with pytest.raises(ValueError, match="feature names should match"):
        net.predict(frame[["b", "a", "c", "d"]])
    frame.loc[2, "c"] = np.nan
    with pytest.raises(ValueError, match=re.escape("NaN at row 2, column 2 ('c')")):
        net.fit(frame, y)


def test_torch_tensors_and_datasets_are_taken_as_tables(iris, same):
    X, y = iris
    expected = ActMLP(max_epochs=2, random_state=0).fit(X, y)
    tensors = torch.from_numpy(X), torch.from_numpy(y)
    assert same(expected, ActMLP(max_epochs=2, random_state=0).fit(*tensors))
    assert same(
        expected,
        ActMLP(max_epochs=2, random_state=0).fit(TensorDataset(*tensors), None),
    )


def test_a_column_of_labels_is_taken_with_a_warning(iris, same):
    X, y = iris
    with pytest.warns(DataConversionWarning, match="column-vector y"):
        net = ActMLP(max_epochs=1, random_state=0).fit(X, y[:, None])
    assert same(net, ActMLP(max_epochs=1, random_state=0).fit(X, y))


def test_read_only_input_is_no_trouble(iris):
    X, y = (array.copy() for array in iris)
    X.flags.writeable = y.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ActMLP(max_epochs=1).fit(X, y).predict(X)


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
def test_a_dataset_that_is_a_table_is_fitted_and_predicted_as_one(
    wrap, dtype, iris, same
):
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


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("net", [ActMLP(), ActMLPBinary(), ActMLPRegressor()])
def test_nan_and_infinity_in_x_are_located(net, bad):
    dirty = X.copy()
    dirty[3, 1] = dirty[7, 0] = bad
    kind = "NaN" if np.isnan(bad) else "infinity (inf)"
    message = f"Input X contains {kind} at row 3, column 1, and 1 more such values."
    with pytest.raises(ValueError, match=re.escape(message)):
        net.fit(dirty, Y)


def test_predict_locates_nan_too():
    net = ActMLP(max_epochs=1).fit(X, Y)
    with pytest.raises(ValueError, match="Input X contains NaN at row 0, column 0"):
        net.predict(np.full((1, 2), np.nan))


def test_a_value_too_large_for_float32_is_located():
    large = X.copy()
    large[2, 0] = 1e300
    message = "infinity (inf) at row 2, column 0. Replace"
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        ActMLP(dtype="float32").fit(large, Y)
    assert "too large for float32" in str(caught.value)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_infinity_in_y_are_refused(bad):
    y = Y.astype(float)
    y[3] = bad
    for net in (ActMLP(), ActMLPRegressor()):
        with pytest.raises(ValueError, match=r"Input y contains (NaN|infinity)"):
            net.fit(X, y)


def test_y_of_the_wrong_kind_is_refused():
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        ActMLP().fit(X, np.linspace(0, 1, 10))
    with pytest.raises(ValueError, match="Only binary classification is supported"):
        ActMLPBinary().fit(X, np.arange(10) % 3)
    with pytest.raises(ValueError, match="y should be a 1d array"):
        ActMLP().fit(X, np.eye(10, 2, dtype=int))
    with pytest.raises(ValueError, match="y holds words such as"):
        ActMLPRegressor().fit(X, np.array(list("abcdefghij")))
    with pytest.raises(
        ValueError, match="requires y to be passed, but the target y is None"
    ):
        ActMLP().fit(X, None)


def test_sample_weights_of_the_wrong_kind_are_refused():
    for weight, message in [
        (
            np.ones(9),
            "sample_weight must have shape (10,), one weight a row of X, got (9,)",
        ),
        (
            np.zeros(10),
            "must not be negative, nor zero for all rows; got values from 0.0 to 0.0",
        ),
        (-np.ones(10), "must not be negative, nor zero for all rows"),
        (np.full(10, np.nan), "Input sample_weight contains NaN at row 0"),
    ]:
        with pytest.raises(ValueError, match=re.escape(message)):
            ActMLP(max_epochs=1).fit(X, Y, sample_weight=weight)


def test_x_that_is_no_table_is_refused():
    with pytest.raises(TypeError, match="X must be one table of shape"):
        ActMLP().fit({"a": X}, Y)
    dataset = torch.utils.data.ConcatDataset(
        [torch.utils.data.TensorDataset(torch.ones(3, 2))]
    )
    with pytest.raises(
        TypeError, match="X is a ConcatDataset, from which X and y cannot"
    ):
        ActMLP().fit(dataset, None)


def test_y_too_large_for_float32_is_refused():
    y = Y * 1e300
    with pytest.raises(ValueError, match=re.escape("y (as float32) contains infinity")):
        ActMLPRegressor(dtype="float32").fit(X, y)


@given(st.sampled_from([np.nan, np.inf, -np.inf]), st.integers(0, 39), st.booleans())
def test_the_first_value_that_is_not_finite_is_named(bad, place, sparse):
    table = np.ones((10, 4))
    row, column = divmod(place, 4)
    table[row, column] = table[9, 3] = bad
    kind = "NaN" if np.isnan(bad) else "infinity (inf)"
    more = "" if place == 39 else ", and 1 more such values"
    message = (
        f"Input X contains {kind} at row {row}, column {column} ('{column}'){more}."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        check_finite(sp.csr_array(table) if sparse else table, columns=list("0123"))


def test_large_values_are_finite_though_their_sum_is_not():
    check_finite(np.full((5, 2), np.finfo(float).max))
    check_finite(sp.csr_array(np.full((5, 2), np.finfo(float).max)))
    check_finite(np.empty((0, 3)))


def test_a_vector_is_named_and_has_no_columns():
    message = "Input y contains NaN at row 2. Impute"
    with pytest.raises(ValueError, match=re.escape(message)):
        check_finite(np.array([0, 1, np.nan]), name="y")


def test_row_and_class_weights_multiply_and_one_weight_counts_for_all_rows():
    net = ActMLP(class_weight={0: 3}, dtype="float32")
    rows = read_inputs(net, X, Y, 2, reset=True)
    np.testing.assert_array_equal(rows.sample_weight, np.where(Y == 0, 6, 2))
    assert rows.sample_weight.dtype == rows.X.dtype == np.float32
    assert read_inputs(ActMLP(), X, Y, None, reset=True).sample_weight is None


@pytest.mark.parametrize(
    ("wrap", "is_table"),
    [
        (lambda X, y: Dataset(X, y), True),
        (lambda X, y: Dataset(sp.csr_array(X), y), True),
        (lambda X, y: Dataset({"X": X}, y), False),
        (lambda X, y: type("Mine", (Dataset,), {})(X, y), False),
        (lambda X, y: TensorDataset(torch.from_numpy(X)), False),
        (lambda X, y: Subset(Subset(Dataset(X, y), range(8)), [7, 0, 0]), True),
        (lambda X, y: Subset(type("Mine", (Dataset,), {})(X, y), [0]), False),
    ],
    ids=["rows", "sparse", "dict", "subclass", "one tensor", "subset", "of subclass"],
)
def test_a_dataset_is_unpacked_if_it_is_one_table(wrap, is_table):
    dataset = wrap(X, Y)
    table = unpack_table(dataset)
    assert (table is not None) == is_table
    if is_table:
        rows = X[[7, 0, 0]] if isinstance(dataset, Subset) else X
        dense = table[0].toarray() if sp.issparse(table[0]) else table[0]
        np.testing.assert_array_equal(dense, rows)
        assert len(table[1]) == len(rows)


@pytest.mark.parametrize(
    "table",
    [
        X,
        X.astype(np.float32),
        np.asfortranarray(X),
        X.astype(int),
        X.tolist(),
        sp.csc_array(X),
        pd.DataFrame(X, columns=["a", "b"]),
    ],
    ids=["float64", "float32", "fortran", "ints", "lists", "csc", "frame"],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_prediction_reads_what_a_fit_reads(table, dtype):
    net = ActMLP(dtype=dtype)
    rows = read_inputs(net, table, Y, None, reset=True)
    again = read_X(net, table)
    assert rows.X.dtype == again.dtype == np.dtype(dtype)
    dense = [part.toarray() if sp.issparse(part) else part for part in (rows.X, again)]
    np.testing.assert_array_equal(*dense)
    np.testing.assert_array_equal(dense[0], X.astype(dtype))


def test_a_refused_table_sets_nothing_unless_asked_to():
    net = ActMLP(dtype="float32")
    read_inputs(net, X, Y, None, reset=True)
    with pytest.raises(ValueError, match="X has 1 features, but ActMLP is expecting 2"):
        read_inputs(net, X[:, :1], Y, None, reset=False)
    with pytest.raises(ValueError, match="y has labels that are not in classes_"):
        read_inputs(net, X, Y + 1, None, reset=False)
    assert net.n_features_in_ == 2
    assert net.classes_.tolist() == [0, 1]

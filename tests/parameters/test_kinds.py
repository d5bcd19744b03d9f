"""What is no number is refused by name: the column, the value, its type."""

import re

import numpy as np
import pandas as pd
import pytest
import torch

from skact import ActMLP, ActMLPBinary, ActMLPRegressor

X = np.random.default_rng(0).normal(size=(24, 3))
y = np.arange(24) % 2
FRAME = pd.DataFrame(X, columns=list("abc"))
DATES = pd.date_range("2020-01-01", periods=24)
KINDS = [ActMLP, ActMLPBinary, ActMLPRegressor]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("column", "message"),
    [
        (DATES, "column 'when' of X holds dates (datetime64"),
        (DATES - DATES[0], "column 'when' of X holds times (timedelta64"),
        (DATES.tz_localize("UTC"), "column 'when' of X holds dates"),
        (DATES.to_period("D"), "Column 'when' of X holds Period('2020-01-01', 'D')"),
        (
            pd.Series(DATES.astype(object), dtype=object),
            "Column 'when' of X holds Timestamp('2020-01-01",
        ),
        (["u"] * 24, "Column 'when' of X holds 'u' of type str, which is no number"),
        (pd.Categorical(["u", "v"] * 12), "Column 'when' of X holds 'u' of type str"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_column_of_no_numbers_is_named(kind, column, message):
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        kind().fit(FRAME.assign(when=column), y)
    net = kind(max_epochs=1).fit(FRAME.assign(when=1.0), y)
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        net.predict(FRAME.assign(when=column))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (np.array(DATES).reshape(-1, 1), "X holds dates (datetime64"),
        (np.array([["u"]] * 24, dtype=object), "X holds 'u' of type str"),
        (np.array([["u"]] * 24), "X holds 'u' of type str"),
        (X + 1j, "Complex data not supported"),
        (np.ma.masked_less(X, 0), "X is a masked array: fill its masked values first"),
    ],
    ids=["dates", "objects", "words", "complex", "masked"],
)
def test_a_table_of_no_numbers_is_refused(table, message):
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        ActMLP().fit(table, y)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("target", "message"),
    [
        (np.array(DATES[:2])[y], "y holds dates (datetime64"),
        (np.ma.masked_equal(y, 0), "y is a masked array"),
        (y + 1j, "y holds complex numbers (complex128)"),
    ],
    ids=["dates", "masked", "complex"],
)
def test_a_target_of_no_labels_or_numbers_is_refused(kind, target, message):
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        kind().fit(X, target)


def test_numbers_in_objects_are_refused_as_scikit_learn_does():
    with pytest.raises(ValueError, match=r"of type int: turn .* as y\.astype\(int\)"):
        ActMLP().fit(X, y.astype(object))


def test_labels_of_several_types_are_named():
    with pytest.raises(ValueError, match="y holds labels of type int, str"):
        ActMLP().fit(X, np.array([1, "2"], dtype=object)[y])


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (np.array(["1", "2"])[y], "y holds words such as '1', not numbers"),
        (np.array([1, "u"], dtype=object)[y], "y holds 'u' of type str"),
        ([DATES[i] for i in y], "y holds Timestamp('2020-01-01 00:00:00')"),
    ],
    ids=["words", "objects", "timestamps"],
)
def test_a_regressor_wants_numbers(target, message):
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        ActMLPRegressor().fit(X, target)


def test_numbers_in_any_wrapping_are_fitted():
    for table in (
        FRAME,
        FRAME.convert_dtypes(),
        FRAME.astype(object),
        X.astype(object),
    ):
        net = ActMLP(max_epochs=1, random_state=0).fit(table, y)
        assert net.predict(table).shape == (24,)
    assert ActMLP(max_epochs=1).fit(FRAME.assign(flag=True), y).n_features_in_ == 4


@pytest.mark.parametrize("table", [X.astype(object), FRAME.astype(object)])
def test_a_number_that_no_float_can_hold_is_named(table):
    large = table.copy()
    large[:] = np.where(X[3, 1] == X, 10**400, X.astype(object))
    named = "X holds 1000" if isinstance(table, np.ndarray) else "Column 'b' of X holds"
    message = rf"^{named}.*too large for a float"
    net = ActMLP(max_epochs=1).fit(table, y)
    for call in (lambda: ActMLP().fit(large, y), lambda: net.predict(large)):
        with pytest.raises(ValueError, match=message):
            call()
    for target in ([10**400] * 24, np.array([10**400, *[0.5] * 23], dtype=object)):
        with pytest.raises(ValueError, match=r"^y holds 1000.*too large for a float"):
            ActMLPRegressor().fit(X, target)


@pytest.mark.parametrize("rows", [slice(None), slice(0, 9)])
def test_the_wrong_number_of_columns_is_no_fault_of_y(rows):
    X, y = np.random.default_rng(0).normal(size=(30, 4)), np.arange(30) % 3
    net = ActMLP(max_epochs=1, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match=r"^X has 2 features, but ActMLP is"):
        net.predict(X[rows, :2])
    with pytest.raises(ValueError, match=r"^Found array with dim 3"):
        net.predict(X[rows].reshape(-1, 2, 2))


@pytest.mark.parametrize("name", ["X", "sample_weight"])
def test_a_tensor_that_requires_grad_is_named(name):
    import torch

    given = {"X": torch.ones(9, 2), "sample_weight": torch.ones(9)}
    given[name].requires_grad_()
    with pytest.raises(ValueError, match=rf"{name} is a tensor that requires grad"):
        ActMLP(max_epochs=1).fit(y=np.arange(9) % 3, **given)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"optimizer": "SparseAdam"}, "'optimizer' parameter of ActMLP must be one of"),
        ({"optimizer": "Linear"}, "'optimizer' parameter of ActMLP must be one of"),
        (
            {"optimizer__differentiable": True},
            "'optimizer__differentiable' parameter of ActMLP must be False",
        ),
        ({"optimizer": "Optimizer"}, "'optimizer' parameter of ActMLP must be one of"),
        ({"optimizer__fused": 3}, "'optimizer__fused' .* must be None, True or False"),
        ({"optimizer__amsgrad": "no"}, "'optimizer__amsgrad' .* must be True or False"),
    ],
)
def test_an_optimizer_that_no_fit_can_use_is_named(parameters, message):
    classes = {
        "Optimizer": torch.optim.Optimizer,
        "SparseAdam": torch.optim.SparseAdam,
        "Linear": torch.nn.Linear,
    }
    parameters = {k: classes.get(v, v) for k, v in parameters.items()}
    with pytest.raises(ValueError, match=message):
        ActMLP(max_epochs=1, **parameters).fit(np.ones((9, 2)), np.arange(9) % 3)


WORDS = ["u", "v"] * 12
GAP = [*WORDS[:5], None, *WORDS[6:]]


@pytest.mark.parametrize("kind", [ActMLP, ActMLPRegressor])
@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (GAP, "y is missing in 1 of 24 rows; the first is row 5"),
        ([np.nan if word is None else word for word in GAP], "y is missing in 1 of 24"),
        (pd.array(GAP, dtype="string"), "y is missing in 1 of 24 rows"),
        (pd.Categorical(GAP), "y is missing in 1 of 24 rows"),
        (pd.Series(GAP, dtype="category"), "y is missing in 1 of 24 rows"),
        (np.array([np.nan, *y[1:]], dtype=object), "y is missing in 1 of 24 rows"),
        (pd.array([None, *y[1:]], dtype="Int64"), "y is missing in 1 of 24 rows"),
        ([1, *WORDS[1:]], "y holds 1 of type int beside words: labels must be all"),
        ((*WORDS[1:], True), "y holds True of type bool beside words"),
        ([[1], [1, 2]] * 12, "the rows of the list differ in length"),
        (torch.tensor(y).bfloat16(), "y is a tensor of torch.bfloat16, which numpy"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_y_with_gaps_or_of_several_kinds_is_refused(kind, targets, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        kind().fit(X, targets)


def test_a_table_of_a_dtype_that_numpy_lacks_is_refused():
    with pytest.raises(
        ValueError, match=r"X is a tensor of torch.bfloat16, .* X.float"
    ):
        ActMLP().fit(torch.tensor(X).bfloat16(), y)

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_wine

from skact import ActMLP, search, to_onnx
from skact.quick_search.numbers import WAYS, NumberEncoder
from skact.quick_search.pipelines import make_columns, make_pipeline
from skact.quick_search.tables import TableEncoder

WINE = load_wine(as_frame=True)
X, y = WINE.data, WINE.target
NET = ActMLP(width=6, max_epochs=2, random_state=0)


def with_gaps(X):
    return X.mask(np.random.default_rng(0).random(X.shape) < 0.1)


ENCODINGS = [
    *[(numbers, "float64") for numbers in WAYS],
    *[(numbers, "float32") for numbers in WAYS if numbers != "quantile"],
]


@pytest.mark.parametrize(("numbers", "dtype"), ENCODINGS)
def test_numbers_are_encoded_the_same(numbers, dtype, assert_same):
    rows = with_gaps(X).to_numpy()
    model = make_pipeline(NumberEncoder(numbers), NET, is_regression=False)
    model.fit(rows, y)
    assert_same(to_onnx(model, dtype=dtype), model, rows)


@pytest.mark.parametrize("numbers", ["clip", "quantile", "piecewise"])
def test_numbers_far_outside_stay_finite(numbers, assert_same):
    model = make_pipeline(NumberEncoder(numbers), NET, is_regression=False)
    model.fit(X.to_numpy(), y)
    far = np.full((2, 13), [[-1e37], [1e37]])
    assert_same(to_onnx(model, dtype="float64"), model, far)
    if numbers != "quantile":
        assert_same(to_onnx(model), model, far)


@pytest.mark.parametrize("numbers", ["clip", "quantile", "piecewise"])
def test_columns_of_few_numbers_have_no_bins(numbers, assert_same):
    few = np.round(X.to_numpy()[:, :2])
    model = make_pipeline(NumberEncoder(numbers), NET, is_regression=False)
    model.fit(few, y)
    assert_same(to_onnx(model, dtype="float64"), model, few)


def test_a_frame_has_inputs_for_its_numbers_only(assert_same):
    frame = with_gaps(X.iloc[:, :3]).assign(row=np.arange(len(X)), same="red")
    frame = frame.assign(strong=X.alcohol > 13)[["row", "ash", "strong", "same"]]
    model = make_pipeline(make_columns(frame), NET, is_regression=False).fit(frame, y)
    assert model["columns"].kinds_ == ["id", "number", "number", "constant"]
    converted = to_onnx(model)
    assert [one.name for one in converted.graph.input] == ["ash", "strong"]
    assert_same(converted, model, frame)


def test_columns_of_other_kinds_are_refused_by_name():
    days = pd.date_range("2024-01-01", periods=len(X), freq="D")
    words = np.where(X.ash > 2.3, "much", "little")
    frame = pd.DataFrame({"ash": X.ash, "day": days, "how much": words})
    model = make_pipeline(TableEncoder(), NET, is_regression=False).fit(frame, y)
    why = (
        r"the part 'columns' \(TableEncoder\): only columns of numbers can be "
        r"converted, and it has 'day' \(date\), 'how much' \(category\)\."
    )
    with pytest.raises(ValueError, match=why):
        to_onnx(model)


@pytest.mark.parametrize("average", [1, 3])
def test_what_a_search_found_is_converted(average, assert_same):
    found = search(
        X,
        y,
        activations=["relu", "silu"],
        n_candidates=6,
        average=average,
        width=8,
        max_epochs=2,
        cv=2,
        progress=False,
    )
    assert (found.average_ is None) is (average == 1)
    assert_same(to_onnx(found, dtype="float64"), found, X)

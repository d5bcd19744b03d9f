import numpy as np
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes, load_linnerud
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler, scale

from skact import ActMLPRegressor, to_onnx
from skact.quick_search.numbers import NumberEncoder
from skact.quick_search.pipelines import make_pipeline as make_search_pipeline

X, y = load_diabetes(return_X_y=True)
NET = ActMLPRegressor(width=6, max_epochs=3, random_state=0)


@pytest.mark.parametrize(
    "scaler",
    [
        StandardScaler(),
        StandardScaler(with_mean=False),
        StandardScaler(with_std=False),
    ],
    ids=str,
)
def test_y_comes_in_its_own_units(scaler, assert_same):
    model = TransformedTargetRegressor(NET, transformer=scaler).fit(scale(X), y)
    assert_same(to_onnx(model), model, scale(X))


def test_several_columns_of_y(assert_same):
    X, Y = load_linnerud(return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), NET)
    model = TransformedTargetRegressor(pipeline, transformer=StandardScaler())
    model.fit(X, Y)
    assert_same(to_onnx(model), model, X)


def test_it_may_stand_at_the_end_of_a_pipeline(assert_same):
    target = TransformedTargetRegressor(NET, transformer=StandardScaler())
    model = make_pipeline(StandardScaler(), target).fit(X, y)
    assert_same(to_onnx(model), model, X)


def test_float64_keeps_its_digits(assert_same):
    net = ActMLPRegressor(width=6, max_epochs=3, dtype="float64", random_state=0)
    model = TransformedTargetRegressor(net, transformer=StandardScaler())
    model.fit(scale(X), y)
    assert_same(to_onnx(model, dtype="float64"), model, scale(X), tolerance=1e-14)


def test_the_pipeline_of_a_search_scales_y_too(assert_same):
    model = make_search_pipeline(NumberEncoder(), NET, is_regression=True).fit(X, y)
    assert_same(to_onnx(model), model, X)


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"transformer": MinMaxScaler()}, "it changes y by MinMaxScaler"),
        (
            {"func": np.log1p, "inverse_func": np.expm1},
            "it changes y by func=log1p; StandardScaler",
        ),
    ],
)
def test_other_changes_of_y_are_refused(params, why):
    model = TransformedTargetRegressor(NET, **params).fit(scale(X), y)
    with pytest.raises(ValueError, match=why):
        to_onnx(model)

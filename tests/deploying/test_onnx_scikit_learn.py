import re

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_wine
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.feature_selection import RFE, SelectFromModel
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler, scale

from skact import ActMLP, ActMLPBinary, ActMLPRegressor, to_onnx

X, y = load_wine(return_X_y=True, as_frame=True)
GAPS = X.mask(np.random.default_rng(0).random(X.shape) < 0.1)
SMALL = {"width": 6, "max_epochs": 2, "random_state": 0}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gaps_are_filled(dtype, assert_same):
    pipeline = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    model = make_pipeline(pipeline, ActMLP(**SMALL)).fit(GAPS, y)
    assert_same(to_onnx(model, dtype=dtype), model, GAPS)


def test_gaps_that_are_numbers_are_filled_by_skl2onnx(assert_same):
    rows = GAPS.fillna(-1.0)
    imputer = SimpleImputer(missing_values=-1.0)
    model = make_pipeline(imputer, StandardScaler(), ActMLP(**SMALL)).fit(rows, y)
    assert_same(to_onnx(model), model, rows)


def test_whole_numbers_have_no_gaps(assert_same):
    whole = X.round().astype(int)
    columns = ColumnTransformer([("fill", SimpleImputer(), ["ash", "magnesium"])])
    model = make_pipeline(columns, StandardScaler(), ActMLP(**SMALL)).fit(whole, y)
    assert_same(to_onnx(model, X=whole), model, whole)


def test_words_are_filled_where_a_word_stands_for_a_gap(assert_same):
    words = pd.DataFrame({"hue": np.where(X.hue > 1, "red", "?")})
    imputer = SimpleImputer(missing_values="?", strategy="constant", fill_value="blue")
    model = make_pipeline(imputer, OneHotEncoder(), ActMLP(**SMALL)).fit(words, y)
    assert_same(to_onnx(model), model, words)


@pytest.mark.parametrize(
    ("imputer", "why"),
    [
        (SimpleImputer(add_indicator=True), "add_indicator=True, which skl2onnx"),
        (
            SimpleImputer(strategy="most_frequent"),
            "words of ONNX have no gaps such as missing_values=nan",
        ),
    ],
)
def test_what_skl2onnx_fills_otherwise_is_refused(imputer, why):
    words = pd.DataFrame({"hue": np.where(X.hue > 1, "red", "blue")}, dtype=object)
    words.iloc[::9] = np.nan
    rows = words if imputer.strategy == "most_frequent" else GAPS
    steps = [imputer, OneHotEncoder(handle_unknown="ignore"), ActMLP(**SMALL)]
    model = make_pipeline(*steps).fit(rows, y)
    with pytest.raises(ValueError, match=rf"'simpleimputer' \(SimpleImputer\): {why}"):
        to_onnx(model)


@pytest.mark.parametrize(
    "columns", [[True] * 3 + [False] * 10, slice("ash", "hue")], ids=["mask", "slice"]
)
def test_masks_and_slices_of_names_are_refused(columns):
    scaler = ColumnTransformer([("some", StandardScaler(), columns)])
    model = make_pipeline(scaler, ActMLP(**SMALL)).fit(X, y)
    why = re.escape("the columns of 'some' must be names or positions, got ")
    with pytest.raises(ValueError, match=why):
        to_onnx(model)


def test_float64_categories_that_are_not_whole_are_refused():
    model = make_pipeline(OrdinalEncoder(), ActMLP(**SMALL)).fit(X[["hue"]], y)
    why = re.escape("categories must be words or whole numbers, got [0.48, 0.54, 0.55]")
    with pytest.raises(ValueError, match=why):
        to_onnx(model)


@pytest.mark.parametrize(
    "composite",
    [
        make_pipeline(KMeans(2, random_state=0), StandardScaler()),
        make_pipeline(
            FeatureUnion([("kmeans", KMeans(2, random_state=0))]), StandardScaler()
        ),
        ColumnTransformer([("kmeans", KMeans(2, random_state=0), ["ash", "hue"])]),
    ],
    ids=["Pipeline", "FeatureUnion", "ColumnTransformer"],
)
def test_a_transformer_that_predicts_is_refused(composite):
    model = make_pipeline(composite, ActMLP(**SMALL)).fit(X, y)
    why = r"skl2onnx would pass on what 'kmeans' \(KMeans\) predicts, not what"
    with pytest.raises(ValueError, match=why):
        to_onnx(model)


@pytest.mark.parametrize(
    "wrapper",
    [
        CalibratedClassifierCV(ActMLP(**SMALL), cv=2),
        BaggingClassifier(ActMLP(**SMALL), n_estimators=2, random_state=0),
        make_pipeline(SelectFromModel(Ridge()), ActMLP(**SMALL)),
        make_pipeline(RFE(Ridge(), n_features_to_select=4), ActMLP(**SMALL)),
        make_pipeline(
            StandardScaler(), GridSearchCV(ActMLP(**SMALL), {"lr": [0.1, 0.2]}, cv=2)
        ),
    ],
    ids=lambda one: f"{type(one).__name__}",
)
def test_wrappers_that_predict_the_same(wrapper, assert_same):
    rows = pd.DataFrame(scale(X), columns=X.columns)
    model = wrapper.fit(rows, y)
    assert_same(to_onnx(model), model, rows)


def test_wrappers_of_regressors_that_predict_the_same(assert_same):
    rows, Y = scale(X)[:, 2:], scale(X)[:, :2]
    model = MultiOutputRegressor(ActMLPRegressor(**SMALL)).fit(rows, Y)
    assert_same(to_onnx(model), model, rows)
    bagging = BaggingRegressor(ActMLPRegressor(**SMALL), n_estimators=2, random_state=0)
    assert_same(to_onnx(bagging.fit(rows, Y[:, 0])), bagging, rows)


@pytest.mark.parametrize(
    "wrapper", [OneVsRestClassifier, TunedThresholdClassifierCV], ids=str
)
def test_wrappers_that_predict_otherwise_are_refused(wrapper):
    model = wrapper(ActMLPBinary(**SMALL)).fit(scale(X), y == 1)
    why = f"the {wrapper.__name__}: what skl2onnx makes of this class predicts"
    with pytest.raises(ValueError, match=why):
        to_onnx(model)


def nets(kind):
    named = {name: kind(name, **SMALL) for name in ("relu", "tanh", "silu")}
    return [*named.items(), ("left out", "drop")]


@pytest.mark.parametrize("weights", [None, [1, 2, 4, 100]])
@pytest.mark.parametrize("voting", ["soft", "hard"])
def test_averages_of_classifiers(voting, weights, run_onnx):
    model = VotingClassifier(nets(ActMLP), voting=voting, weights=weights)
    model.fit(scale(X), y)
    found = run_onnx(to_onnx(model), scale(X))
    assert found["label"].tolist() == model.predict(scale(X)).tolist()
    if voting == "soft":
        proba = model.predict_proba(scale(X))
        assert abs(found["probabilities"] - proba).max() < 1e-6
    assert model.flatten_transform  # the user's estimator is as it was


@pytest.mark.parametrize("weights", [None, [1, 2, 4, 100]])
def test_averages_of_regressors(weights, assert_same):
    X, y = map(scale, load_diabetes(return_X_y=True))
    model = VotingRegressor(nets(ActMLPRegressor), weights=weights).fit(X, y)
    assert_same(to_onnx(model), model, X)

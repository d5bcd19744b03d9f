import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.datasets import load_wine
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from skact import ActMLP
from skact.deploying.onnx_inputs import NUMBERS, WHOLE, WORDS, read_inputs
from skact.quick_search.tables import TableEncoder

WINE, y = load_wine(return_X_y=True, as_frame=True)
X = WINE[["alcohol", "ash"]].assign(
    shade=np.where(WINE.hue > 1, "dark", "light"),
    grade=(WINE.proline // 400).astype(int),
)
NET = ActMLP(width=4, max_epochs=1, random_state=0)
KINDS = {"alcohol": NUMBERS, "ash": NUMBERS, "shade": WORDS, "grade": WHOLE}


def fitted(*parts, **options):
    columns = ColumnTransformer(list(parts), **options)
    return make_pipeline(columns, NET).fit(X, y)


SCALED = ("scaled", StandardScaler(), ["alcohol", "ash"])


@pytest.mark.parametrize("encoder", [OneHotEncoder(), OrdinalEncoder()])
def test_types_come_from_fitted_encoders(encoder):
    found = read_inputs(fitted(("coded", encoder, ["shade", "grade"]), SCALED), None)
    assert found.kinds == KINDS
    assert found.width is None


@pytest.mark.parametrize(
    "columns",
    [
        [2, 3],
        slice(2, 4),
        make_column_selector("shade|grade"),
        pd.Index(["shade", "grade"]),
    ],
    ids=["positions", "slice", "selector", "index"],
)
def test_columns_may_be_given_in_each_way(columns):
    found = read_inputs(fitted(("coded", OneHotEncoder(), columns), SCALED), None)
    assert found.kinds == KINDS


def test_a_single_column_may_be_a_word():
    counted = ("count", CountVectorizer(), "shade")
    assert read_inputs(fitted(counted, SCALED), None).kinds["shade"] == WORDS


def test_what_passes_through_is_a_number_and_what_is_dropped_is_not_read():
    model = fitted(("none", "drop", ["shade"]), SCALED, remainder="passthrough")
    assert read_inputs(model, None).kinds == dict.fromkeys(KINDS, NUMBERS)


def test_where_two_parts_read_a_column_the_words_count():
    filled = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder())
    union = FeatureUnion([("a", OneHotEncoder()), ("b", filled)])
    model = make_pipeline(union, NET).fit(X[["grade", "shade"]], y)
    assert read_inputs(model, None).kinds == {"grade": WORDS, "shade": WORDS}


def test_the_types_of_a_sample_go_first():
    model = make_pipeline(StandardScaler(), NET).fit(X[["ash", "grade"]], y)
    assert read_inputs(model, None).kinds == {"ash": NUMBERS, "grade": NUMBERS}
    sample = X[["ash", "grade"]].head(2)
    assert read_inputs(model, sample).kinds == {"ash": NUMBERS, "grade": WHOLE}
    as_array = read_inputs(model, sample.to_numpy())
    assert as_array == ({"X": NUMBERS}, 2)


@pytest.mark.parametrize(
    ("X", "kind"),
    [
        (np.zeros((5, 3)), NUMBERS),
        (np.array([["a", "b"], ["c", "d"]]), WORDS),
        (np.array([["a", "b"], ["c", "d"]], dtype=object), WORDS),
    ],
)
def test_an_array_is_one_input(X, kind):
    head = OneHotEncoder() if kind == WORDS else StandardScaler()
    model = make_pipeline(head, NET).fit(X, np.arange(len(X)) % 2)
    assert read_inputs(model, None) == ({"X": kind}, X.shape[1])


def test_an_array_of_words_and_numbers_needs_a_frame():
    columns = [("coded", OneHotEncoder(), [2]), ("scaled", StandardScaler(), [0, 1])]
    model = make_pipeline(ColumnTransformer(columns), NET).fit(X.to_numpy(), y)
    with pytest.raises(ValueError, match="needs the types of the columns, because"):
        read_inputs(model, None)


def test_the_columns_of_a_sample_stand_as_those_of_the_fit():
    model = make_pipeline(StandardScaler(), NET).fit(X[["ash", "grade"]], y)
    found = read_inputs(model, X[["grade", "shade", "ash"]])
    assert list(found.kinds.items()) == [("ash", NUMBERS), ("grade", WHOLE)]


@pytest.mark.parametrize(
    ("sample", "why"),
    [
        ([1, 2], r"X must have 2 columns, got shape \(2,\)"),
        (np.zeros((1, 3)), r"X must have 2 columns, got shape \(1, 3\)"),
        (X[["ash"]], r"X lacks columns that the estimator had: \['grade'\]"),
    ],
    ids=["row", "array", "frame"],
)
def test_a_sample_must_have_the_columns_of_the_fit(sample, why):
    model = make_pipeline(StandardScaler(), NET).fit(X[["ash", "grade"]], y)
    with pytest.raises(ValueError, match=why):
        read_inputs(model, sample)


def test_an_encoder_of_frames_wants_a_frame():
    model = make_pipeline(TableEncoder(), NET).fit(X[["ash", "alcohol"]], y)
    assert read_inputs(model, None).kinds == {"ash": NUMBERS, "alcohol": NUMBERS}
    with pytest.raises(ValueError, match="X must be a DataFrame, because TableEncoder"):
        read_inputs(model, X[["ash", "alcohol"]].to_numpy())

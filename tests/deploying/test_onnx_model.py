import numpy as np
import pytest
import torch
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_wine
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)

from skact import ActMLP, ActMLPBinary, ActMLPRegressor, to_onnx

WINE, y = load_wine(return_X_y=True, as_frame=True)
MIXED = WINE.iloc[:, :4].assign(
    shade=np.where(WINE.hue > 1, "dark", "light"),
    grade=(WINE.proline // 400).astype(int),
)
MIXED.iloc[::7, 1] = np.nan
SMALL = {"width": 6, "max_epochs": 2, "random_state": 0}


def mixed_columns(**options):
    filled = make_pipeline(SimpleImputer(), StandardScaler())
    coded = OneHotEncoder(handle_unknown="ignore")
    return ColumnTransformer(
        [
            ("filled", filled, ["alcohol", "malic_acid"]),
            ("coded", coded, ["shade", "grade"]),
            ("none", "drop", ["ash"]),
        ],
        **options,
    )


def inputs_of(model):
    return [one.name for one in model.graph.input]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", [ActMLP, ActMLPBinary, ActMLPRegressor])
def test_mixed_columns_of_a_frame(kind, dtype, assert_same):
    target = (y == 1) if kind is ActMLPBinary else y.astype(float)
    net = kind(**SMALL)
    model = make_pipeline(mixed_columns(), net).fit(MIXED, target)
    converted = to_onnx(model, dtype=dtype)
    assert inputs_of(converted) == ["alcohol", "malic_acid", "shade", "grade"]
    assert_same(converted, model, MIXED)


def test_an_unknown_word_is_ignored_as_in_scikit_learn(assert_same):
    model = make_pipeline(mixed_columns(), ActMLP(**SMALL)).fit(MIXED, y)
    assert_same(to_onnx(model), model, MIXED.assign(shade="none of those"))


def test_a_missing_word_is_nan(assert_same):
    gaps = MIXED[["shade"]].astype(object)
    gaps.iloc[::5] = np.nan
    model = make_pipeline(OneHotEncoder(), ActMLP(**SMALL)).fit(gaps, y)
    assert_same(to_onnx(model), model, gaps)  # numpy writes "nan" for it


@pytest.mark.parametrize(
    "head",
    [
        StandardScaler(),
        PCA(3),
        FeatureUnion([("pca", PCA(2)), ("scaled", StandardScaler())]),
        ColumnTransformer([("some", StandardScaler(), [0, 3, 5])], remainder="drop"),
        ColumnTransformer([("a", PCA(2), slice(2, 6))], remainder="passthrough"),
    ],
    ids=lambda head: type(head).__name__,
)
@pytest.mark.parametrize("as_frame", [True, False])
def test_pipelines_of_numbers(head, as_frame, assert_same):
    X = WINE if as_frame else WINE.to_numpy()
    model = make_pipeline(head, StandardScaler(), ActMLP(**SMALL)).fit(X, y)
    converted = to_onnx(model)
    assert (inputs_of(converted) == ["X"]) is not as_frame
    assert_same(converted, model, X)


def test_a_frame_of_words_and_whole_numbers(assert_same):
    frame = MIXED[["shade", "grade"]]
    model = make_pipeline(OrdinalEncoder(), ActMLP(**SMALL)).fit(frame, y)
    assert_same(to_onnx(model), model, frame)


def test_a_net_that_was_fitted_on_a_frame(assert_same):
    frame = (WINE - WINE.mean()) / WINE.std()
    net = ActMLP(**SMALL).fit(frame, y)
    converted = to_onnx(net)
    assert inputs_of(converted) == list(frame.columns)
    assert_same(converted, net, frame)
    as_table = to_onnx(net, X=frame.to_numpy())
    assert inputs_of(as_table) == ["X"]


def test_whole_numbers_of_a_sample_are_whole_in_the_model(assert_same):
    frame = WINE[["magnesium", "ash"]].assign(proline=WINE.proline.astype(int))
    model = make_pipeline(StandardScaler(), ActMLP(**SMALL)).fit(frame, y)
    converted = to_onnx(model, X=frame.head())
    types = [one.type.tensor_type.elem_type for one in converted.graph.input]
    assert types == [1, 1, 7]  # float, float, int64
    assert_same(converted, model, frame)


def test_float64_keeps_numbers_that_are_large_beside_their_spread(assert_same):
    frame = WINE + 1e7
    model = make_pipeline(StandardScaler(), ActMLP(**SMALL)).fit(frame, y)
    assert_same(to_onnx(model, dtype="float64"), model, frame, tolerance=1e-12)


def test_nets_inside_what_only_skl2onnx_knows(assert_same):
    net = make_pipeline(StandardScaler(), ActMLP(**SMALL))
    model = CalibratedClassifierCV(net, cv=2).fit(WINE, y)
    assert_same(to_onnx(model), model, WINE)


def test_an_error_inside_of_them_names_the_class():
    net = make_pipeline(StandardScaler(), ActMLP(torch.square, **SMALL))
    model = CalibratedClassifierCV(net, cv=2).fit(WINE, y)
    why = "to_onnx cannot convert the ActMLP: the activation of hidden layer 1: square"
    with pytest.raises(ValueError, match=why):
        to_onnx(model)


def test_an_error_of_skl2onnx_names_the_part():
    logs = FunctionTransformer(np.log1p)
    model = make_pipeline(StandardScaler(with_mean=False), logs, ActMLP(**SMALL))
    model.fit(WINE, y)
    why = (
        r"skl2onnx cannot convert the part 'functiontransformer' \(FunctionTr.*\): Fun"
    )
    with pytest.raises(ValueError, match=why):
        to_onnx(model)


@pytest.mark.parametrize(
    "head",
    [
        StandardScaler(),
        ColumnTransformer([("a", StandardScaler(), slice(0, 2))], remainder=PCA(2)),
    ],
    ids=lambda head: type(head).__name__,
)
def test_names_of_columns_stay_whatever_they_are(head, assert_same):
    names = ["gemm", "constant", "length (cm)", "ü/é"]
    frame = WINE.iloc[:, :4].set_axis(names, axis=1)
    model = make_pipeline(head, ActMLP(**SMALL)).fit(frame, y)
    converted = to_onnx(model)
    assert inputs_of(converted) == names
    assert_same(converted, model, frame)


@pytest.mark.parametrize(
    ("name", "kind"), [("label", ActMLP), ("variable", ActMLPRegressor)]
)
def test_a_column_with_the_name_of_an_output_is_refused(name, kind):
    frame = WINE[["ash", "hue"]].rename(columns={"hue": name})
    net = kind(**SMALL).fit(frame, y.astype(float))
    with pytest.raises(ValueError, match=f"the name of an output .*'{name}': rename"):
        to_onnx(net)


def test_there_is_nothing_that_no_node_reads():
    model = to_onnx(make_pipeline(mixed_columns(), ActMLP(**SMALL)).fit(MIXED, y))
    read = {name for node in model.graph.node for name in node.input}
    assert {one.name for one in model.graph.initializer} <= read


def test_a_regression_on_a_frame(assert_same):
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    net = ActMLPRegressor(**SMALL)
    model = make_pipeline(StandardScaler(), net).fit(X, (y - y.mean()) / y.std())
    assert_same(to_onnx(model), model, X)

import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_diabetes, load_wine
from sklearn.decomposition import PCA
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import SplineTransformer, StandardScaler, scale

from skact import ActMLP, ActMLPRegressor
from skact.deploying.onnx_parts import check_parts, heads_of, name_of, parts_of

X, y = load_wine(return_X_y=True, as_frame=True)
NET = ActMLP(width=4, max_epochs=1, random_state=0)


def test_words_are_no_parts():
    pipeline = Pipeline([("a", "passthrough"), ("b", StandardScaler()), ("c", None)])
    assert [name for name, _ in parts_of(pipeline)] == ["b"]
    assert parts_of(NET) == []


def test_heads_are_what_the_columns_go_to_first():
    union = FeatureUnion(
        [("pca", make_pipeline(PCA(2), StandardScaler())), ("scale", StandardScaler())]
    )
    model = make_pipeline("passthrough", union, NET).fit(X, y)
    assert [type(head) for head in heads_of(model)] == [PCA, StandardScaler]
    assert heads_of(NET) == [NET]
    stacked = StackingClassifier([("a", NET)], final_estimator=NET)
    stacked.fit(scale(X), y)
    assert heads_of(stacked) == [stacked.named_estimators_["a"]]
    target = TransformedTargetRegressor(ActMLPRegressor(width=4, max_epochs=1))
    target.fit(*map(scale, load_diabetes(return_X_y=True)))
    assert heads_of(target) == [target.regressor_]


def test_the_way_to_a_part_that_cannot_be_converted_is_named():
    splines = make_pipeline(StandardScaler(), SplineTransformer())
    columns = ColumnTransformer([("bent", splines, ["ash", "hue"])])
    voting = VotingClassifier([("one", make_pipeline(columns, NET))]).fit(X, y)
    why = (
        "to_onnx cannot convert the part 'one' > 'columntransformer' > 'bent' > "
        r"'splinetransformer' \(SplineTransformer\): skl2onnx has no converter for"
    )
    with pytest.raises(ValueError, match=why):
        check_parts(voting)


def test_a_part_without_a_way_is_named_by_its_class():
    assert name_of(NET, NET) == name_of(make_pipeline(PCA()), NET) == "the ActMLP"


def test_a_pipeline_that_is_not_fitted_is_refused():
    with pytest.raises(NotFittedError):
        check_parts(make_pipeline(StandardScaler(), clone(NET)))

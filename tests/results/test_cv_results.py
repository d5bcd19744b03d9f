"""`cv_results_` of any search is read, checked, ranked, and gets short names."""

import re
import types
from typing import Any

import hiplot
import hypothesis
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    KFold,
    RandomizedSearchCV,
    cross_validate,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier
from torch import nn

from skact import load_results, save_results, to_hiplot
from skact.results.cv_results import search_inside
from skact.results.frames import table_of, to_frame

X, y = load_iris(return_X_y=True)
TREE = DecisionTreeClassifier(random_state=0)
GRID = {"max_depth": [1, 2, 3], "criterion": ["gini", "entropy"]}
DEPTHS = {"max_depth": [1, 2, 3]}
TREE_SCORES = {"acc": "accuracy", "f1": "f1_macro"}
X32 = X.astype(np.float32)
SEARCHES = {
    "grid": GridSearchCV(TREE, GRID),
    "random": RandomizedSearchCV(TREE, GRID, n_iter=4, random_state=0),
    "refit by name": GridSearchCV(
        TREE, GRID, scoring=["accuracy", "neg_log_loss"], refit="neg_log_loss"
    ),
    "halving": HalvingGridSearchCV(TREE, GRID, random_state=0, factor=2),
    "halving at random": HalvingRandomSearchCV(TREE, GRID, random_state=0, factor=2),
    "no refit": GridSearchCV(TREE, GRID, refit=False),
}


class Constant(ClassifierMixin, BaseEstimator):
    """Stores what it is given, and predicts the first class; learns nothing."""

    def __init__(self, activation: Any = None, width: int = 1, broken: bool = False):
        self.activation = activation
        self.width = width
        self.broken = broken

    def fit(self, X: Any, y: Any) -> "Constant":
        if self.broken:
            raise RuntimeError("broken on purpose")
        self.classes_ = np.unique(y)
        return self

    def predict(self, X: Any) -> Any:
        return np.repeat(self.classes_[self.width % len(self.classes_)], len(X))


def search_of(estimator: Any, grid: Any, **options: Any) -> GridSearchCV:
    return GridSearchCV(estimator, grid, cv=2, **options).fit(X, y)


def results_of(**params: Any) -> dict[str, Any]:
    """As little of a cv_results_ as there can be."""
    n_candidates = len(next(iter(params.values())))
    return {f"param_{name}": values for name, values in params.items()} | {
        "mean_test_score": np.linspace(1.0, 0.5, n_candidates),
        "rank_test_score": np.arange(1, n_candidates + 1, dtype=np.int32),
    }


def grid(estimator: Any, parameters: Any, **options: Any) -> GridSearchCV:
    return GridSearchCV(estimator, parameters, cv=3, **options).fit(X32, y)


def test_ranks_never_fall_and_ties_keep_the_order_of_the_search() -> None:
    frame = to_frame(search_of(Constant(), {"width": [1, 2, 3, 4, 5, 6]}))
    assert frame["rank_test_score"].is_monotonic_increasing
    for _, tied in frame.groupby("rank_test_score"):
        assert tied["width"].is_monotonic_increasing


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
def test_the_first_row_is_the_candidate_that_the_search_prefers(search: Any) -> None:
    first = to_frame(search.fit(X, y)).iloc[0]
    assert {name: first[name] for name in GRID} == search.best_params_


def test_splits_are_in_the_order_of_their_numbers() -> None:
    search = GridSearchCV(Constant(), {"width": [1, 2]}, cv=KFold(12)).fit(X, y)
    results = dict(sorted(search.cv_results_.items()))  # split10 before split2
    splits = [name for name in to_frame(results) if name.startswith("split")]
    assert splits == [f"split{k}_test_score" for k in range(12)]


def test_a_parameter_has_the_last_part_of_its_name() -> None:
    pipe = make_pipeline(StandardScaler(), SVC())
    frame = to_frame(
        search_of(pipe, {"svc__C": [1.0], "standardscaler__with_mean": [True]})
    )
    assert {"C", "with_mean"} < set(frame.columns)


def test_parameters_of_one_short_name_all_keep_their_full_names() -> None:
    pipe = Pipeline([("pca", PCA()), ("model", SVC())])
    grid = [
        {"model": [SVC()], "model__C": [1.0, 2.0], "pca__random_state": [0]},
        {"model": [TREE], "model__random_state": [1], "pca__random_state": [0]},
    ]
    frame = to_frame(search_of(pipe, grid))
    assert frame.columns.tolist()[1:5] == [
        "model",
        "C",
        "pca__random_state",
        "model__random_state",
    ]


@pytest.mark.parametrize(
    "name", ["rank_test_score", "mean_test_x", "split0_test_score", "mean_fit_time"]
)
def test_no_parameter_takes_the_name_of_a_score_or_time(name: str) -> None:
    frame = to_frame(results_of(**{f"step__{name}": ["a", "b"], name: ["c", "d"]}))
    assert frame[f"step__{name}"].tolist() == ["a", "b"]
    assert frame[f"param_{name}"].tolist() == ["c", "d"]
    assert frame["rank_test_score"].tolist() == [1, 2]


def test_no_parameter_takes_the_name_of_another_column() -> None:
    frame = to_frame(results_of(step__iter=["a", "b"]) | {"iter": [0, 0]})
    assert frame.columns.tolist()[1:3] == ["step__iter", "iter"]


@hypothesis.given(
    st.lists(
        st.lists(st.sampled_from(["a", "param_a", "params", "iter", ""]), min_size=1),
        unique_by=tuple,
        min_size=1,
        max_size=6,
    )
)
def test_no_two_columns_ever_have_one_name(names: list[list[str]]) -> None:
    params = {"__".join(parts): ["x", "y"] for parts in names}
    table = table_of(results_of(**params) | {"iter": [1, 2], "a": [3, 4]})
    columns, rows = table.columns, table.rows
    assert len(set(columns)) == len(columns) == len(params) + 4
    assert all(len(row) == len(columns) for row in rows)


def test_a_parameter_is_missing_exactly_where_its_grid_has_none() -> None:
    grid = [
        {"kernel": ["rbf"], "gamma": [0.1], "max_iter": [-1], "shrinking": [True]},
        {"kernel": ["poly"], "degree": [2, 3], "decision_function_shape": ["ovo"]},
    ]
    frame = to_frame(search_of(SVC(), grid))
    is_poly = frame["kernel"] == "poly"
    for name in ["gamma", "max_iter", "shrinking"]:
        assert frame[name].isna().tolist() == is_poly.tolist()
    for name in ["degree", "decision_function_shape"]:
        assert frame[name].isna().tolist() == (~is_poly).tolist()
    assert sorted(frame.loc[is_poly, "degree"]) == [2, 3]
    dtypes = frame.dtypes.astype(str)
    assert dtypes["gamma"] == "float64"
    assert dtypes["max_iter"] == dtypes["degree"] == "Int64"
    assert dtypes["shrinking"] == "boolean"


def test_a_none_in_the_grid_is_a_value_and_not_missing() -> None:
    grid = [{"max_depth": [None, 2]}, {"criterion": ["gini"]}]
    frame = to_frame(search_of(TREE, grid))
    assert set(frame["max_depth"].dropna()) == {"None", 2}
    assert frame["max_depth"].isna().tolist() == frame["criterion"].notna().tolist()


def test_a_frame_leaves_the_results_alone() -> None:
    search = search_of(Constant(), [{"activation": [nn.ReLU, None]}, {"width": [2]}])
    before = {key: np.ma.copy(value) for key, value in search.cv_results_.items()}
    to_frame(search)
    for key, value in search.cv_results_.items():
        assert np.array_equal(
            np.ma.getmaskarray(value), np.ma.getmaskarray(before[key])
        )
        assert np.ma.getdata(value).tolist() == np.ma.getdata(before[key]).tolist()


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
def test_a_search_that_is_not_fitted_says_so_by_its_name(search: Any) -> None:
    name = type(search).__name__
    message = f"This {name} is not fitted yet: call its 'fit' before looking at it."
    with pytest.raises(NotFittedError, match=re.escape(message)):
        to_frame(type(search)(TREE, GRID))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "'None' of type NoneType"),
        (
            TREE,
            "'DecisionTreeClassifier(random_state=0)' of type DecisionTreeClassifier",
        ),
        (GridSearchCV, "'GridSearchCV' of type ABCMeta"),
        (RidgeCV(store_cv_results=True), "'RidgeCV(store_cv_results=True)' of type"),
        ([1, 2], "'1' of type int"),
        ([], "'[]' of type list"),
    ],
)
def test_anything_but_a_search_is_refused(value: Any, shown: str) -> None:
    message = (
        "obj must be a fitted scikit-learn search (GridSearchCV, "
        "RandomizedSearchCV, HalvingGridSearchCV, HalvingRandomSearchCV, ...), its "
        "cv_results_ (a dict or frame), a study of Optuna, what load_results gave, or "
        f"a list or dict of several; got {shown}"
    )
    with pytest.raises(TypeError, match=re.escape(message)):
        to_frame(value)


@pytest.mark.parametrize(
    "results", [{}, {"mean_test_score": [1.0]}, {"rank_test_score": [1]}, {1: [2]}]
)
def test_a_dict_without_ranks_and_scores_is_refused(results: dict[str, Any]) -> None:
    message = (
        "obj must have columns 'rank_test_<metric>' and 'mean_test_<metric>' as "
        f"cv_results_ has; got a dict with the keys {list(results)!r}."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        to_frame(results)


def test_a_dict_of_columns_of_different_lengths_is_refused() -> None:
    results = {"param_x": [1, 2], "mean_test_score": [1.0], "rank_test_score": [1]}
    message = (
        "obj must have columns of one length; got a dict with "
        "{'param_x': 2, 'mean_test_score': 1, 'rank_test_score': 1}."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        to_frame(results)


def test_searches_of_different_metrics_are_each_ranked_by_their_own() -> None:
    trees = grid(TREE, {"max_depth": [1, 3, 2, 4]}, scoring=TREE_SCORES, refit="f1")
    frame = to_frame({"a": grid(TREE, DEPTHS), "b": trees})
    ranks = frame.loc[frame["model"] == "b", "rank_test_f1"]
    assert ranks.is_monotonic_increasing


def test_a_search_inside_something_else_is_found() -> None:
    search = GridSearchCV(SVC(), {"C": [0.1, 1.0]}, cv=2)
    pipeline = make_pipeline(StandardScaler(), search).fit(X, y)
    expected = to_frame(pipeline[-1])
    assert to_frame(pipeline).equals(expected)
    assert to_frame(pipeline, "fold").equals(to_frame(pipeline[-1], "fold"))
    assert search_inside(pipeline) is pipeline[-1]
    held = types.SimpleNamespace(search_=pipeline[-1])  # as skact.search returns it
    assert to_frame(held).equals(expected)
    regression = GridSearchCV(SVR(), {"C": [0.1, 1.0]}, cv=2)
    target = TransformedTargetRegressor(regression).fit(X, y)
    assert len(to_frame(target)) == 2
    for other in (SVC(), make_pipeline(SVC()), {"a": 1}, None):
        assert search_inside(other) is other


def test_what_cross_validate_returns_is_refused_with_what_to_do() -> None:
    result = cross_validate(TREE, *load_iris(return_X_y=True), return_estimator=True)
    message = "pass return_estimator=True to cross_validate and result['estimator']"
    with pytest.raises(ValueError, match=re.escape(message)):
        to_frame(result)


def test_a_metric_without_ranks_is_a_column() -> None:
    search = grid(
        TREE, DEPTHS, scoring=TREE_SCORES, refit="f1", return_train_score=True
    )
    results = {k: v for k, v in search.cv_results_.items() if k != "rank_test_acc"}
    both = (results["mean_test_acc"] + results["mean_test_f1"]) / 2
    found = to_frame(results | {"mean_test_both": both})
    expected = to_frame(search).drop(columns="rank_test_acc")
    assert set(found) == {*expected, "mean_test_both"}
    assert found[list(expected)].equals(expected)
    assert {"test_acc", "train_acc"} < set(to_frame(results, "fold"))


@pytest.mark.parametrize("options", [{}, {"pct": True}, {"method": "min"}])
def test_ranks_that_are_no_integers_keep_their_order(options: dict[str, Any]) -> None:
    results = pd.DataFrame(results_of(C=[1, 2, 3, 4]))
    results["mean_test_score"] = [0.7, 0.9, 0.9, 0.8]
    ranks = results["mean_test_score"].rank(ascending=False, **options)
    frame = to_frame(results.assign(rank_test_score=ranks))
    assert frame["C"].tolist() == [2, 3, 4, 1]
    assert frame["rank_test_score"].tolist() == sorted(ranks)
    is_whole = options == {"method": "min"}
    assert frame["rank_test_score"].dtype == ("int64" if is_whole else "float64")


def test_ranks_and_scores_may_be_texts_of_numbers() -> None:
    texts = {"rank_test_score": ["2.0", "1.0", "nan"], "mean_test_score": list("123")}
    frame = to_frame(results_of(C=[1, 2, 3]) | texts)
    assert frame["C"].tolist() == [2, 1, 3]
    assert frame["rank_test_score"].tolist()[:2] == [1, 2]
    assert frame["mean_test_score"].tolist() == [2, 1, 3]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("mean_test_score", "0,7"),
        ("mean_test_score", "95.0%"),
        ("mean_test_score", "failed"),
        ("mean_test_score", [0.7]),
        ("split0_test_score", "-"),
        ("rank_test_score", "first"),
        ("mean_fit_time", pd.Timedelta("3s")),
        ("mean_fit_time", np.timedelta64(3, "s")),
        ("iter", "last"),
    ],
)
def test_a_score_that_is_no_number_is_refused_by_its_column_and_value(
    key: str, value: Any, tmp_path: Any
) -> None:
    results = results_of(C=[1, 2]) | {key: [1, value]}
    message = (
        f"obj must have numbers in the column {key!r}; got {value!r} of type "
        f"{type(value).__name__}."
    )
    for table in (results, pd.DataFrame(results, dtype=object)):
        with pytest.raises(ValueError, match=re.escape(message)):
            to_frame(table)


HALVING = {
    "iter": [0, 0, 1],
    "n_resources": [10, 10, 20],
    "param_C": [1, 2, 1],
    "mean_test_score": [0.95, 0.99, 0.9],
    "rank_test_score": [2, 1, 3],
}


@pytest.mark.parametrize("lacks", [[], ["iter"], ["n_resources"]])
def test_one_column_of_halving_is_enough_to_put_the_last_iteration_first(
    lacks: list[str],
) -> None:
    results = {key: cells for key, cells in HALVING.items() if key not in lacks}
    for table in (results, pd.DataFrame(results)):
        frame = to_frame(table)
        assert frame["mean_test_score"].tolist() == [0.9, 0.99, 0.95]
        page = to_hiplot(table).display_data(hiplot.Displays.TABLE)
        first = next(key for key in ("iter", "n_resources") if key not in lacks)
        assert page["order_by"][0] == [first, "desc"]


def test_iterations_may_be_texts_of_numbers(tmp_path: Any) -> None:
    texts = {"iter": ["0", "nan", "1.0"], "n_resources": ["10", "10", "20"]}
    frame = to_frame(HALVING | texts)
    assert frame["mean_test_score"].tolist() == [0.9, 0.99, 0.95]
    assert frame["iter"].tolist() == [1, pd.NA, 0]
    assert frame["n_resources"].tolist() == [20, 10, 10]
    save_results(HALVING | texts, tmp_path)
    pd.testing.assert_frame_equal(to_frame(load_results(tmp_path)), frame)
    with pytest.raises(ValueError, match="the column 'n_resources'; got 'many'"):
        save_results(HALVING | {"n_resources": ["10", "10", "many"]}, tmp_path)


def test_a_hyperparameter_that_is_called_like_an_iteration_does_not_rank() -> None:
    table = {f"param_model__{k}" if k == "iter" else k: v for k, v in HALVING.items()}
    del table["n_resources"]
    frame = to_frame(table)
    assert frame["mean_test_score"].tolist() == [0.99, 0.95, 0.9]
    assert frame["iter"].tolist() == [0, 0, 1]
    page = to_hiplot(table).display_data(hiplot.Displays.TABLE)
    assert page["order_by"] == [["rank_test_score", "asc"]]


@pytest.mark.parametrize(
    ("table", "name"),
    [
        (
            pd.DataFrame({"mean_test_score": [1], "param_C": [1]}),
            "a frame with the columns",
        ),
        ({"mean_test_score": [1], "param_C": [1]}, "a dict with the keys"),
        (
            types.SimpleNamespace(cv_results_={"mean_test_score": [1], "param_C": [1]}),
            "SimpleNamespace, whose cv_results_ has the keys",
        ),
    ],
)
def test_a_table_without_ranks_is_named_as_what_it_is(table: Any, name: str) -> None:
    message = f"got {name} ['mean_test_score', 'param_C']."
    with pytest.raises(ValueError, match=re.escape(message)):
        to_frame(table)

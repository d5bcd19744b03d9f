"""What a frame promises about any fitted scikit-learn search."""

import functools
import math
import re
from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_diabetes, load_iris
from sklearn.decomposition import PCA
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression, Ridge, RidgeCV
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    KFold,
    RandomizedSearchCV,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from torch import nn

from skact.naming import name_values
from skact.results.frames import table_of, to_frame

X, y = load_iris(return_X_y=True)
TREE = DecisionTreeClassifier(random_state=0)
GRID = {"max_depth": [1, 2, 3], "criterion": ["gini", "entropy"]}
TIMES = ["mean_fit_time", "std_fit_time", "mean_score_time", "std_score_time"]


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


def named(*values: Any) -> list[Any]:
    """The column that a grid of these activations gets, in the grid's order."""
    frame = to_frame(search_of(Constant(), {"activation": list(values)}))
    return frame["activation"].tolist()


def results_of(**params: Any) -> dict[str, Any]:
    """As little of a cv_results_ as there can be."""
    n_candidates = len(next(iter(params.values())))
    return {f"param_{name}": values for name, values in params.items()} | {
        "mean_test_score": np.linspace(1.0, 0.5, n_candidates),
        "rank_test_score": np.arange(1, n_candidates + 1, dtype=np.int32),
    }


# Rows and columns


def test_columns_are_the_rank_the_parameters_the_scores_the_splits_and_the_times() -> (
    None
):
    frame = to_frame(search_of(TREE, GRID))
    assert frame.columns.tolist() == [
        "rank_test_score",
        "criterion",
        "max_depth",
        "mean_test_score",
        "std_test_score",
        "split0_test_score",
        "split1_test_score",
        *TIMES,
    ]
    assert frame.index.equals(pd.RangeIndex(6))


def test_every_row_holds_the_numbers_of_its_candidate() -> None:
    search = search_of(TREE, GRID)
    frame = to_frame(search)
    results = pd.DataFrame(search.cv_results_).sort_values(
        "rank_test_score", kind="stable"
    )
    for name in ["rank_test_score", "mean_test_score", "split1_test_score", *TIMES]:
        assert frame[name].tolist() == results[name].tolist()
    for name in GRID:
        assert frame[name].tolist() == results[f"param_{name}"].tolist()


def test_ranks_never_fall_and_ties_keep_the_order_of_the_search() -> None:
    frame = to_frame(search_of(Constant(), {"width": [1, 2, 3, 4, 5, 6]}))
    assert frame["rank_test_score"].is_monotonic_increasing
    for _, tied in frame.groupby("rank_test_score"):
        assert tied["width"].is_monotonic_increasing


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


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
def test_the_first_row_is_the_candidate_that_the_search_prefers(search: Any) -> None:
    first = to_frame(search.fit(X, y)).iloc[0]
    assert {name: first[name] for name in GRID} == search.best_params_


def test_a_dict_of_results_gives_the_same_frame_as_its_search() -> None:
    search = search_of(TREE, GRID)
    pd.testing.assert_frame_equal(to_frame(search.cv_results_), to_frame(search))


def test_a_frame_of_a_regression_in_a_pipeline_is_like_any_other() -> None:
    pipe = make_pipeline(StandardScaler(), Ridge())
    search = GridSearchCV(pipe, {"ridge__alpha": [0.1, 1.0]}, cv=2, refit=False)
    frame = to_frame(search.fit(*load_diabetes(return_X_y=True)))
    assert sorted(frame["alpha"]) == [0.1, 1.0]


def test_several_metrics_keep_their_names_and_the_one_of_refit_comes_first() -> None:
    metrics = ["accuracy", "balanced_accuracy"]
    search = search_of(TREE, {"max_depth": [1, 2]}, scoring=metrics, refit=metrics[1])
    assert to_frame(search).columns.tolist() == [
        "rank_test_balanced_accuracy",
        "max_depth",
        "mean_test_balanced_accuracy",
        "std_test_balanced_accuracy",
        "mean_test_accuracy",
        "std_test_accuracy",
        "rank_test_accuracy",
        "split0_test_balanced_accuracy",
        "split1_test_balanced_accuracy",
        "split0_test_accuracy",
        "split1_test_accuracy",
        *TIMES,
    ]


def test_without_a_metric_to_refit_by_the_first_one_ranks() -> None:
    metrics = {"one": "accuracy", "two": "neg_log_loss"}
    for refit in (False, lambda results: 1):
        search = search_of(TREE, GRID, scoring=metrics, refit=refit)
        frame = to_frame(search)
        assert frame.columns[0] == "rank_test_one"
        assert frame["rank_test_one"].is_monotonic_increasing


def test_train_scores_come_between_the_test_scores_and_the_splits() -> None:
    frame = to_frame(search_of(TREE, {"max_depth": [1]}, return_train_score=True))
    assert frame.columns.tolist()[2:10] == [
        "mean_test_score",
        "std_test_score",
        "mean_train_score",
        "std_train_score",
        "split0_test_score",
        "split1_test_score",
        "split0_train_score",
        "split1_train_score",
    ]


def test_splits_are_in_the_order_of_their_numbers() -> None:
    search = GridSearchCV(Constant(), {"width": [1, 2]}, cv=KFold(12)).fit(X, y)
    results = dict(sorted(search.cv_results_.items()))  # split10 before split2
    splits = [name for name in to_frame(results) if name.startswith("split")]
    assert splits == [f"split{k}_test_score" for k in range(12)]


def test_halving_tells_iteration_and_resources_after_the_parameters() -> None:
    search = SEARCHES["halving"].fit(X, y)
    frame = to_frame(search)
    assert frame.columns.tolist()[:5] == [
        "rank_test_score",
        "criterion",
        "max_depth",
        "iter",
        "n_resources",
    ]
    assert frame["iter"].is_monotonic_decreasing
    assert frame["n_resources"].tolist()[0] == search.n_resources_[-1]
    assert frame.dtypes["iter"] == frame.dtypes["n_resources"] == np.dtype("int64")


def test_the_score_of_a_failed_fit_is_missing_and_its_candidate_the_last() -> None:
    search = GridSearchCV(Constant(), {"broken": [True, False], "width": [1, 2]}, cv=2)
    with (
        pytest.warns(FitFailedWarning, match="4 fits failed"),
        pytest.warns(UserWarning, match="scores are non-finite"),
    ):
        search.fit(X, y)
    frame = to_frame(search)
    assert frame["broken"].tolist() == [False, False, True, True]
    for name in ["mean_test_score", "std_test_score", "split0_test_score"]:
        assert frame[name].isna().tolist() == frame["broken"].tolist()
        assert frame.dtypes[name] == np.dtype("float64")
    rows = table_of(search).rows
    assert "mean_test_score" in rows[1]
    assert "mean_test_score" not in rows[2]


def test_rows_are_the_frame_in_plain_python_values() -> None:
    table = table_of(search_of(TREE, GRID, return_train_score=True))
    frame = to_frame(search_of(TREE, GRID, return_train_score=True))
    assert list(table.columns) == frame.columns.tolist()
    assert all(list(row) == list(table.columns) for row in table.rows)
    kinds = {type(value) for row in table.rows for value in row.values()}
    assert kinds == {int, float, str}


# Names of parameters


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


# Values


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


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1, 2], "int64"),
        ([0.5, 1.0], "float64"),
        ([True, False], "bool"),
        (["a", 1], "object"),
        ([np.float32(0.5), np.float32(2)], "float64"),
        ([2**70, 1], "object"),
        ([0.5, math.inf], "float64"),
    ],
)
def test_numbers_booleans_and_strings_stay_what_they_are(
    values: Any, dtype: str
) -> None:
    column = to_frame(results_of(x=values))["x"]
    assert column.dtype == dtype
    assert column.tolist() == values


def test_columns_of_strings_are_as_pandas_makes_them() -> None:
    column = to_frame(results_of(x=["a", "b"]))["x"]
    assert column.dtype == pd.Series(["a", "b"]).dtype


def half(x: Any) -> Any:
    return x / 2


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (nn.ReLU, "ReLU"),
        (nn.LeakyReLU(0.2), "LeakyReLU(negative_slope=0.2)"),
        (Constant, "Constant"),
        (half, "half"),
        (len, "len"),
        (np.tanh, "tanh"),
        (lambda x: x, "lambda"),
        (functools.partial(nn.LeakyReLU, 0.2), "partial(LeakyReLU, 0.2)"),
        (functools.partial(half, x=1), "partial(half, x=1)"),
        (functools.partial(lambda x: x, 1), "partial(lambda, 1)"),
        (SVC(C=2), "SVC(C=2)"),
        (SVC(C=np.float64(2)), "SVC(C=2.0)"),
        (FunctionTransformer(half), "FunctionTransformer(func=half)"),
        (object(), "object()"),
        ((64, 32), "(64, 32)"),
        ((np.int64(64), np.True_), "(64, True)"),
        ([nn.ReLU, nn.Tanh()], "[ReLU, Tanh()]"),
        ({0: 1, 1: 5}, "{0: 1, 1: 5}"),
        (None, "None"),
        (math.nan, "nan"),
        (np.bool_(True), True),
        (np.int16(3), 3),
        (np.str_("relu"), "relu"),
    ],
)
def test_other_values_become_short_names(value: Any, name: Any) -> None:
    (shown,) = name_values([value])
    assert shown == name
    assert type(shown) is type(name)


def test_long_values_become_one_short_line() -> None:
    many = nn.Sequential(*(nn.Linear(2, 2) for _ in range(10)))
    steps = make_pipeline(StandardScaler(), PCA(), LogisticRegression(C=0.1, tol=0.1))
    for name in name_values([many, steps, np.arange(200).reshape(2, 100)]):
        assert isinstance(name, str)
        assert len(name) == 60
        assert name.endswith("…")
        assert "\n" not in name
        assert "  " not in name


def test_no_name_tells_a_memory_address() -> None:
    values = [
        half,
        object(),
        object,
        Constant().fit,
        [half, object()],
        nn.ReLU().forward,
    ]
    for name in name_values([*values, *(functools.partial(half, v) for v in values)]):
        assert "0x" not in str(name)
        assert "<" not in str(name)


def test_a_grid_of_modules_and_classes_reads_as_their_names() -> None:
    column = named(nn.ReLU(), nn.ReLU, nn.Tanh(), "relu")
    assert column == ["ReLU()", "ReLU", "Tanh()", "relu"]


def test_different_values_of_one_name_are_numbered_as_the_grid_has_them() -> None:
    first, second = (lambda x: x), (lambda x: -x)
    assert named(first, second, "relu") == ["lambda #1", "lambda #2", "relu"]
    assert named(None, "None") == ["None #1", "None #2"]
    assert name_values([first, second, first]) == [
        "lambda #1",
        "lambda #2",
        "lambda #1",
    ]
    assert name_values([first, "lambda #1", second]) == [
        "lambda #2",
        "lambda #1",
        "lambda #3",
    ]


def test_copies_of_one_value_have_one_name() -> None:
    grid = [
        {"activation": [nn.LeakyReLU(0.2)], "width": [1]},
        {"activation": [nn.LeakyReLU(0.2)], "width": [2]},
    ]
    assert set(to_frame(search_of(Constant(), grid))["activation"]) == {
        "LeakyReLU(negative_slope=0.2)"
    }


def test_strings_of_numpy_are_strings() -> None:
    assert name_values(["relu", np.str_("relu")]) == ["relu", "relu"]


def test_a_frame_leaves_the_results_alone() -> None:
    search = search_of(Constant(), [{"activation": [nn.ReLU, None]}, {"width": [2]}])
    before = {key: np.ma.copy(value) for key, value in search.cv_results_.items()}
    to_frame(search)
    for key, value in search.cv_results_.items():
        assert np.array_equal(
            np.ma.getmaskarray(value), np.ma.getmaskarray(before[key])
        )
        assert np.ma.getdata(value).tolist() == np.ma.getdata(before[key]).tolist()


# Errors


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
        "cv_results_ dict, what load_results gave, or a list or dict of several; "
        f"got {shown}"
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

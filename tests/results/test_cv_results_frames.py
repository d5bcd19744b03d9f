"""The usual table of a search, a frame of its ``cv_results_``, counts as the search."""

import io
import re
from typing import Any

import hiplot
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from torch import nn

from skact import compare, load_results, save_results, to_frame, to_hiplot
from skact.results.cv_results_frames import is_cv_results_frame

X, y = load_iris(return_X_y=True)
PIPE = make_pipeline(StandardScaler(), SVC())
GRIDS: list[dict[str, Any]] = [
    {"svc__C": [1, 10], "svc__kernel": ["rbf", "linear"]},
    {"svc__gamma": [0.1, 0.2], "svc__class_weight": [None, "balanced"]},
]
SEARCH = GridSearchCV(PIPE, GRIDS, cv=3, return_train_score=True).fit(X, y)


def through_a_file(table: pd.DataFrame, **options: Any) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(table.to_csv(**options)))


TABLES = {
    "in memory": lambda table: table,
    "sorted": lambda table: table.sort_values("mean_test_score").sort_index(),
    "of a file": through_a_file,
    "of a file without the index": lambda t: through_a_file(t, index=False),
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("level", ["candidate", "fold"])
def test_the_table_says_what_its_search_says(name: str, level: str) -> None:
    table = TABLES[name](pd.DataFrame(SEARCH.cv_results_))
    pd.testing.assert_frame_equal(to_frame(table, level), to_frame(SEARCH, level))


@pytest.mark.parametrize("name", TABLES)
def test_a_page_of_the_table_has_short_names_and_no_params(name: str) -> None:
    table = TABLES[name](pd.DataFrame(SEARCH.cv_results_))
    page, expected = to_hiplot(table), to_hiplot(SEARCH)
    plots = [p.display_data(hiplot.Displays.PARALLEL_PLOT) for p in (page, expected)]
    assert plots[0]["order"] == plots[1]["order"]
    assert list(page.parameters_definition) == list(expected.parameters_definition)
    assert "params" not in page.parameters_definition


def test_the_table_is_compared_and_saved_as_its_search(tmp_path: Any) -> None:
    table = through_a_file(pd.DataFrame(SEARCH.cv_results_))
    found = compare(table, by="kernel", test_ratio=0.5)
    expected = compare(SEARCH, by="kernel", test_ratio=0.5)
    pd.testing.assert_frame_equal(found.frame, expected.frame)
    save_results(table, tmp_path)
    pd.testing.assert_frame_equal(to_frame(load_results(tmp_path)), to_frame(SEARCH))


def test_fewer_rows_and_columns_are_fine() -> None:
    table = pd.DataFrame(SEARCH.cv_results_)
    few = table[table["rank_test_score"] <= 3].drop(columns=["params"])
    assert len(to_frame(few)) == len(few)
    short = table[["param_svc__C", "mean_test_score", "rank_test_score"]]
    assert list(to_frame(short)) == ["rank_test_score", "C", "mean_test_score"]


def test_a_text_of_params_is_never_run(tmp_path: Any) -> None:
    table = through_a_file(pd.DataFrame(SEARCH.cv_results_))
    file = tmp_path / "made"
    table["params"] = f"__import__('pathlib').Path({str(file)!r}).touch()"
    to_frame(table)
    assert not file.exists()


def test_a_tidy_frame_is_no_such_table() -> None:
    assert is_cv_results_frame(pd.DataFrame(SEARCH.cv_results_))
    tidy = to_frame(SEARCH)
    assert not is_cv_results_frame(tidy)
    assert not is_cv_results_frame(through_a_file(tidy))
    assert not is_cv_results_frame(SEARCH.cv_results_)
    with pytest.raises(TypeError, match=r"Give to_frame the search or study itself\."):
        to_frame(tidy)


def test_several_tables_stand_in_one_frame() -> None:
    table = pd.DataFrame(SEARCH.cv_results_)
    frame = to_frame({"one": table, "two": SEARCH})
    assert frame["model"].value_counts().to_dict() == {"one": 8, "two": 8}
    assert set(to_frame([table, table])["model"]) == {"results #1", "results #2"}


@pytest.mark.parametrize("rates", [np.logspace(-3, -1, 2), [0.1, 0.2]])
def test_none_stays_none_in_a_csv_file_whatever_stands_beside(rates, tmp_path):
    steps = [None, StandardScaler(), "passthrough"]
    grid = {"svc__tol": rates, "svc__class_weight": [None, "balanced"], "scale": steps}
    pipeline = Pipeline([("scale", None), ("svc", SVC())])
    search = GridSearchCV(pipeline, grid, cv=2).fit(*load_iris(return_X_y=True))
    pd.DataFrame(search.cv_results_).to_csv(tmp_path / "found.csv", index=False)
    table = to_frame(pd.read_csv(tmp_path / "found.csv"))
    for name in ("class_weight", "scale"):
        expected = to_frame(search)[name].astype(str).tolist()
        assert table[name].astype(str).tolist() == expected
    assert set(table["class_weight"]) == {"None", "balanced"}


def test_parameters_are_read_from_params_if_their_columns_were_left_out():
    grid = {"C": [0.1, 1.0], "gamma": ["scale", 0.1]}
    search = GridSearchCV(SVC(), grid, cv=3).fit(*load_iris(return_X_y=True))
    names = ["params", "mean_test_score", "std_test_score", "rank_test_score"]
    found = to_frame(pd.DataFrame(search.cv_results_)[names])
    for name in grid:
        assert found[name].tolist() == to_frame(search)[name].tolist()


def test_records_of_candidates_are_refused():
    search = GridSearchCV(SVC(), {"C": [0.1, 1.0]}, cv=2)
    search.fit(*load_iris(return_X_y=True))
    records = pd.DataFrame(search.cv_results_).to_dict("records")
    with pytest.raises(ValueError, match="must have columns, with a value for each"):
        to_frame(records)


MIXED = {"C": [1, 10], "class_weight": [None, "balanced"]}


@pytest.mark.parametrize("as_dict", [lambda t: t.to_dict("list"), dict])
def test_none_stays_none_in_a_table_that_became_a_dict(as_dict: Any) -> None:
    search = GridSearchCV(SVC(), MIXED, cv=3).fit(X, y)
    table = as_dict(pd.DataFrame(search.cv_results_))
    pd.testing.assert_frame_equal(to_frame(table), to_frame(search))
    assert set(to_frame(table)["class_weight"]) == {"None", "balanced"}


def test_none_stays_none_in_a_table_without_params() -> None:
    search = GridSearchCV(SVC(), MIXED, cv=3).fit(X, y)
    table = pd.DataFrame(search.cv_results_).drop(columns="params")
    table["param_class_weight"] = pd.Series([None, "balanced"] * 2, dtype=object)
    assert set(to_frame(table)["class_weight"]) == {"None", "balanced"}
    found = compare(table, by="class_weight", test_ratio=0.5)
    assert set(found.scores.columns) == {"None", "balanced"}


class Constant(ClassifierMixin, BaseEstimator):
    """Takes any parameter, and predicts the first class."""

    def __init__(self, value: Any = None, other: Any = None):
        self.value, self.other = value, other

    def fit(self, X: Any, y: Any) -> "Constant":
        self.classes_ = np.unique(y)
        return self

    def predict(self, X: Any) -> Any:
        return np.repeat(self.classes_[0], len(X))


def search_of(values: list[Any]) -> GridSearchCV:
    """Return a search of values, of which one candidate has none, beside None and 3."""
    grids = [{"value": values, "other": [None, 3]}, {"other": [5]}]
    return GridSearchCV(Constant(), grids, cv=2).fit(X, y)


AS_TABLES: dict[str, Any] = {
    "frame": lambda table: table,
    "list": lambda table: table.to_dict("list"),
    "series": lambda table: table.to_dict("series"),
    "csv": through_a_file,
    "list of csv": lambda table: through_a_file(table).to_dict("list"),
}
VALUES: dict[str, list[Any]] = {
    "whole numbers": [1, 2],
    "text in all": ["NA", "None", "nan", "", "5", "it's \"{[(<", "a, 'other': 7"],
    "gaps of pandas": [None, np.nan, -1],
    "of all kinds": [None, "sqrt", 0.5, 3, True, (1, np.nan), {"a": 1, "b": None}],
    "of numpy": [*np.logspace(-3, 0, 2), np.float32(0.1), -np.inf],
    "of numpy in all": [
        np.str_("x"),
        (np.float64(-np.inf),),
        np.int64(2),
        np.bool_(True),
    ],
    "objects": [nn.ReLU, nn.Tanh(), [nn.ReLU, nn.Tanh], len, lambda x: x, 5],
    "estimators": [None, StandardScaler(with_mean=False), make_pipeline(SVC(C=2))],
}


@pytest.mark.parametrize("of", VALUES)
@pytest.mark.parametrize("kind", AS_TABLES)
def test_values_of_all_kinds_are_those_of_the_search(kind: str, of: str) -> None:
    search = search_of(VALUES[of])
    table = AS_TABLES[kind](pd.DataFrame(search.cv_results_))
    pd.testing.assert_frame_equal(to_frame(table), to_frame(search))


@pytest.mark.parametrize("kind", AS_TABLES)
def test_a_nan_of_the_grid_is_a_value_as_in_the_search(kind: str) -> None:
    pipe = make_pipeline(SimpleImputer(), SVC())
    grid = {"simpleimputer__missing_values": [np.nan, -1]}
    search = GridSearchCV(pipe, grid, cv=2).fit(X, y)
    table = AS_TABLES[kind](pd.DataFrame(search.cv_results_))
    assert set(to_frame(table)["missing_values"]) == {"nan", -1}


@pytest.mark.parametrize("kind", AS_TABLES)
def test_a_parameter_that_a_candidate_lacks_is_no_value_to_compare(kind: str) -> None:
    grids: list[dict[str, Any]] = [{"max_depth": [1, 2]}, {"min_samples_leaf": [5, 9]}]
    tree = DecisionTreeClassifier(random_state=0)
    search = GridSearchCV(tree, grids, cv=3).fit(X, y)
    table = AS_TABLES[kind](pd.DataFrame(search.cv_results_))
    found = compare(table, by="max_depth", test_ratio=0.5)
    assert set(found.scores) == {"max_depth=1", "max_depth=2"}


def test_a_search_and_its_csv_file_have_the_same_values_to_compare() -> None:
    search = search_of(VALUES["of all kinds"])
    table = through_a_file(pd.DataFrame(search.cv_results_))
    one, both = (
        compare(x, by="value", select="mean", test_ratio=0.5)
        for x in (search, {"a": search, "b": table})
    )
    assert set(both.scores) == set(one.scores)


def test_next_to_an_estimator_whose_text_was_shortened_other_values_are_kept() -> None:
    long_names = [f"a_very_long_name_of_column_{i}" for i in range(40)]
    steps = [(name, StandardScaler(with_mean=False), [name]) for name in long_names]
    search = search_of([ColumnTransformer(steps), None])
    table = through_a_file(pd.DataFrame(search.cv_results_))
    assert table["params"].str.contains(r"\.\.\.", regex=True).any()
    found, expected = to_frame(table), to_frame(search)
    assert found["other"].tolist() == expected["other"].tolist()
    assert set(found["other"]) == {"None", 3, 5}
    assert found["value"].isna().tolist() == expected["value"].isna().tolist()
    assert found["value"].nunique() == 2


@pytest.mark.parametrize(
    "params", [[{}, {}], [{"y": 1}, {"y": 2}], [None, None], ["", "?"]]
)
def test_where_params_do_not_name_a_parameter_the_cells_decide(params: Any) -> None:
    results = {
        "param_x": ["a", None],
        "mean_test_score": [0.9, 0.8],
        "rank_test_score": [1, 2],
        "params": params,
    }
    for table in (results, pd.DataFrame(results, dtype=object)):
        assert to_frame(table)["x"].tolist() == ["a", "None"]


def test_a_column_of_the_users_own_is_kept_beside_those_of_params() -> None:
    table = pd.DataFrame(SEARCH.cv_results_).assign(param_note=list("abcdefgh"))
    assert sorted(to_frame(table)["note"]) == list("abcdefgh")


def test_a_column_that_is_there_twice_is_refused_by_name() -> None:
    table = pd.DataFrame(SEARCH.cv_results_)
    for name in ("mean_test_score", "param_svc__C", "params"):
        twice = pd.concat([table, table[[name]]], axis=1)
        message = f"obj must have each column once; this frame has '{name}' 2 times."
        for read in (to_frame, to_hiplot):
            with pytest.raises(ValueError, match=re.escape(message)):
                read(twice)


def test_the_index_of_a_file_that_was_written_twice_is_no_parameter() -> None:
    table = pd.DataFrame(SEARCH.cv_results_)
    for _ in range(3):
        table = through_a_file(table)
    assert "Unnamed: 0.1" in table
    pd.testing.assert_frame_equal(to_frame(table), to_frame(SEARCH))
    pd.testing.assert_frame_equal(to_frame(table.to_dict("list")), to_frame(SEARCH))
    assert is_cv_results_frame(table.drop(columns="params"))


def test_a_dict_of_dicts_is_refused_with_what_to_give(tmp_path: Any) -> None:
    records = pd.DataFrame(SEARCH.cv_results_).to_dict()
    for read in (to_frame, to_hiplot, lambda value: save_results(value, tmp_path)):
        with pytest.raises(ValueError, match=r'or to_dict\("list"\)\.'):
            read(records)
    several = to_frame({"mean_test_x": SEARCH, "b": SEARCH.cv_results_})
    assert set(several["model"]) == {"mean_test_x", "b"}


def test_a_tidy_frame_with_a_param_grid_is_no_such_table() -> None:
    inner = GridSearchCV(SVC(), {"C": [1]}, cv=2)
    grid = {"param_grid": [{"C": [1]}, {"C": [2]}]}
    tidy = to_frame(GridSearchCV(inner, grid, cv=2).fit(X, y))
    assert "param_grid" in tidy
    assert not is_cv_results_frame(tidy)
    with pytest.raises(TypeError, match=r"Give to_frame the search or study itself\."):
        to_frame(tidy)
    shown = to_hiplot(tidy).parameters_definition
    assert "param_grid" in shown
    assert "grid" not in shown

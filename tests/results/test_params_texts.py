"""Texts of dicts tell the parameters of candidates, also where they were shortened."""

import io
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from skopt import BayesSearchCV

from skact import compare, to_frame, to_hiplot
from skact.results.params_texts import IN_CELL, params_of_candidates

X, y = load_iris(return_X_y=True, as_frame=True)

# how Pythons write a dict, and an OrderedDict before and since 3.12
FORMS: dict[str, Callable[[dict[str, Any]], str]] = {
    "dict": repr,
    "pairs": lambda params: f"OrderedDict({list(params.items())!r})",
    "ordered": lambda params: f"OrderedDict({params!r})",
}


def through_a_file(table: pd.DataFrame) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(table.to_csv(index=False)))


def large_transformer(n_parts: int) -> ColumnTransformer:
    """A transformer whose repr scikit-learn shortens, by size at another place."""
    scaler = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    names = [f"it's {'x' * (i + n_parts)}, {{ ( {i}" for i in range(n_parts)]
    return ColumnTransformer([(name, scaler, [name]) for name in names])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"C": 1.2},
        {"C": 1.2, "kernel": "rbf", "weights": None, "sizes": (3, (4,)), "on": True},
        {"a": "], ('C', 3)", "b": "}, {'C': 3", "c": [("C", 1)], "d": {"C": [1, 2]}},
    ],
)
def test_a_text_tells_what_its_dict_holds(form: str, params: dict[str, Any]) -> None:
    assert params_of_candidates([FORMS[form](params)], ["other"]) == [params]


def test_the_text_of_an_empty_ordered_dict_tells_no_parameter() -> None:
    assert params_of_candidates([repr(OrderedDict())], ["C"]) == [{}]


@pytest.mark.parametrize("form", FORMS)
def test_an_object_in_a_text_has_one_name_in_all_rows(form: str) -> None:
    write = FORMS[form]
    for n_parts in range(6, 30, 4):
        prep = large_transformer(n_parts)
        assert "..." in repr(prep)
        large = {"area": prep, "net": SVC(C=2), "tol": "0.1"}
        for one in (large, dict(reversed(large.items()))):
            small = one | {"area": "passthrough"}
            found = params_of_candidates([write(one), write(small)], list(one))
            assert found[0]["net"] == found[1]["net"]
            assert repr(found[0]["net"]) == "SVC(C=2)"
            assert [params["tol"] for params in found] == ["0.1", "0.1"]
            assert repr(found[0]["area"]) == repr(prep)
            # only the texts of the other rows tell the names
            assert params_of_candidates([write(one), write(small)], []) == found


def test_a_name_that_stands_in_a_shortened_value_is_left_to_the_cell() -> None:
    text = "{'C': F(a=(..., 'b': 2, 'b': 3}"
    found = params_of_candidates([text, None, "?"], ["C", "b"])
    assert [one["b"] for one in found] == [IN_CELL] * 3
    assert [one["C"] for one in found[1:]] == [IN_CELL] * 2
    assert repr(found[0]["C"]) == "F(a=(..."


def test_a_search_of_scikit_optimize_is_the_same_from_a_file() -> None:
    space = {"C": (0.01, 10.0), "kernel": ["rbf", "linear"], "shrinking": [True, False]}
    space["class_weight"] = [None, "balanced"]
    search = BayesSearchCV(SVC(), space, n_iter=5, cv=2, random_state=0).fit(X, y)
    table = pd.DataFrame(search.cv_results_)
    for form in (None, "pairs", "ordered"):
        written = (
            table
            if form is None
            else table.assign(
                params=[FORMS[form](dict(one)) for one in table["params"]]
            )
        )
        found = to_frame(through_a_file(written))
        pd.testing.assert_frame_equal(found, to_frame(search))
        few = written[["params", "rank_test_score", "mean_test_score"]]
        found = to_frame(through_a_file(few))
        pd.testing.assert_frame_equal(found, to_frame(search)[list(found)])


def test_beside_a_large_estimator_a_file_has_the_values_to_compare() -> None:
    columns = list(X)
    parts = [(f"part{i}", StandardScaler(), columns) for i in range(4)]
    middle = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    parts += [(f"a_long_name_of_part_{i}", middle, columns[:2]) for i in range(4)]
    large = ColumnTransformer(parts, remainder="passthrough")
    assert "..." in repr(large)
    grid = {"prep": ["passthrough", large], "clf": [SVC(), SVC(kernel="linear")]}
    grid["clf__class_weight"] = [None, "balanced"]
    pipeline = Pipeline([("prep", "passthrough"), ("clf", SVC())])
    search = GridSearchCV(pipeline, grid, cv=3).fit(X, y)
    table = through_a_file(pd.DataFrame(search.cv_results_))
    for name in ("clf", "class_weight"):
        assert to_frame(table)[name].tolist() == to_frame(search)[name].tolist()
    assert all(len(x) <= 60 and "\n" not in x for x in to_frame(table)["prep"])
    assert set(compare(table, by="clf", test_ratio=0.5).scores) == {
        *("SVC()", "SVC(kernel='linear')")
    }
    shown = {point.values["clf"] for point in to_hiplot(table).datapoints}
    assert shown == {"SVC()", "SVC(kernel='linear')"}

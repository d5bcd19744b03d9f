"""Scores of which the lowest is best are not compared as if the greatest were."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV

from skact import compare, to_frame

X, y = load_diabetes(return_X_y=True)
METRIC = "neg_root_mean_squared_error"


@pytest.fixture(scope="module")
def search() -> Any:
    grid = {"alpha": [0.1, 10.0, 1000.0]}
    return GridSearchCV(Ridge(), grid, cv=5, scoring=METRIC).fit(X, y)


MESSAGE = r"metric='score' must be such that the greatest is best; by 'rank_test_score'"


def test_scores_with_the_other_sign_than_their_ranks_are_refused(search: Any) -> None:
    frame = to_frame(search, "fold")
    table = pd.DataFrame(search.cv_results_)
    scores = [x for x in table if x.startswith(("split", "mean_test"))]
    table[scores] = -table[scores]
    flipped = frame.assign(test_score=-frame["test_score"])
    for given in (flipped, flipped[flipped["alpha"] > 1], flipped[::-1], table):
        with pytest.raises(ValueError, match=MESSAGE):
            compare(given, "alpha")
    with pytest.raises(ValueError, match=MESSAGE):
        compare({"a": search, "b": table}, "model")
    unranked = compare(flipped.drop(columns="rank_test_score"), "alpha")
    assert unranked.means.index[0] == "alpha=1000.0"


def test_scores_that_agree_with_their_ranks_are_compared(search: Any) -> None:
    frame = to_frame(search, "fold")
    for given in (search, frame, frame[::-1], {"a": search, "b": search}):
        assert compare(given, "alpha").means.index[0] == "alpha=0.1"


def test_means_of_fewer_folds_may_have_another_order(results: Any) -> None:
    frame = to_frame(results({"a": [0.9, 0.1, 0.6], "b": [0.2, 0.3, 0.7]}), "fold")
    assert compare(frame).means.index[0] == "a"
    assert compare(frame[frame["fold"] != 0]).means.index[0] == "b"


def test_equal_and_failed_candidates_have_no_direction(results: Any) -> None:
    table = results({"a": [0.5, 0.5], "b": [0.5, 0.5], "c": [np.nan, 0.5]})
    assert compare(table).means.tolist() == [0.5, 0.5]
    table["rank_test_score"] = np.array([2, 1, 3])
    assert compare(table).means.tolist() == [0.5, 0.5]


def test_the_ranks_of_halving_agree_with_its_scores() -> None:
    search = HalvingGridSearchCV(
        Ridge(), {"alpha": [0.1, 1.0, 10.0, 1000.0]}, cv=3, factor=3, random_state=0
    ).fit(X, y)
    assert len(compare(search, "alpha").means) >= 2

"""Candidates become one score for each value of a hyperparameter and fold."""

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC

from skact import compare, to_frame

X, y = load_iris(return_X_y=True)


def test_each_value_is_taken_as_select_says(results: Any) -> None:
    table = results(
        {"a": [[0.9, 0.1, 0.5], [0.6, 0.7, 0.4]], "b": [0.5, 0.5, 0.5]},
        lr=[0.1, 0.01, 0.1],
    )
    scores = {
        select: compare(table, select=select, test_ratio=0.5).scores["a"].tolist()
        for select in ("nested", "best", "mean")
    }
    # fold 0: the others' means are .3 and .55, so the second; fold 1: .7 and .5, the
    # first; fold 2: .5 and .65, the second
    assert scores["nested"] == [0.6, 0.1, 0.4]
    assert scores["best"] == [0.6, 0.7, 0.4]
    assert scores["mean"] == pytest.approx([0.75, 0.4, 0.45])


def test_seeds_are_averaged_before_anything_is_chosen(results: Any) -> None:
    table = results(
        {"a": [[0.9, 0.7], [0.5, 0.7]], "b": [[0.6, 0.6], [0.6, 0.6]]},
        random_state=[0, 1, 0, 1],
    )
    found = compare(table, test_ratio=0.5)
    assert found.scores["a"].tolist() == pytest.approx([0.7, 0.7])
    chosen = compare(table, average=(), test_ratio=0.5)
    assert chosen.scores["a"].tolist() != pytest.approx([0.7, 0.7])
    assert "Each value took, for every fold," in chosen.verdict
    assert "Each value took" not in found.verdict


def test_what_failed_is_left_out_and_said(results: Any) -> None:
    table = results(
        {"a": [[0.9, np.nan, 0.9], [0.6, 0.7, 0.4]], "b": [0.5, 0.5, 0.5]},
        lr=[0.1, 0.01, 0.1],
    )
    found = compare(table, test_ratio=0.5)
    assert found.scores["a"].tolist() == [0.6, 0.7, 0.4]
    assert "1 candidate failed on some fold and is left out." in found.notes


def test_many_values_of_many_parameters_take_no_more_room_than_candidates(
    results: Any,
) -> None:
    """A table of all their combinations would have 10**8 rows."""
    rng = np.random.default_rng(0)
    numbers = {name: rng.random(100).tolist() for name in ("a", "b", "c", "d")}
    scores = {f"f{i}": rng.random((50, 4)) for i in range(2)}
    assert len(compare(results(scores, **numbers)).frame) == 1


def test_a_candidate_without_the_parameter_is_no_value_of_it() -> None:
    grid = [{"C": [0.1, 1.0]}, {"gamma": [0.5]}]
    found = compare(GridSearchCV(SVC(), grid, cv=3).fit(X, y), "C")
    assert set(found.scores.columns) == {"C=0.1", "C=1.0"}
    assert "Candidates without a value of C are left out." in found.notes


def test_folds_of_equal_scores_are_doubted_where_the_splitter_is_not_known(
    results: Any,
) -> None:
    rng = np.random.default_rng(0)
    scores = {name: rng.random(3)[[0, 1, 0, 2]] for name in "abc"}
    found = compare(results(scores), test_ratio=0.5)
    assert "Folds [2] have the scores of an earlier fold" in found.verdict
    other = compare(results({k: rng.random(4) for k in "abc"}), test_ratio=0.5)
    assert "earlier fold" not in other.verdict


def test_a_candidate_without_a_row_for_some_fold_is_left_out_and_said() -> None:
    search = GridSearchCV(SVC(), {"C": [0.01, 0.1, 1.0]}, cv=3).fit(X, y)
    frame = to_frame(search, level="fold")
    found = compare(frame[~((frame["fold"] == 0) & (frame["C"] == 0.1))], "C")
    assert set(found.scores.columns) == {"C=0.01", "C=1.0"}
    assert "1 candidate lacks the row of some fold and is left out." in found.notes
    rest = frame[~((frame["fold"] == 0) & (frame["C"] != 1.0))]
    with pytest.raises(ValueError, match="2 candidates lack the row of some fold and"):
        compare(rest, "C")

"""Folds that are given as rows: what they have in common is refused or said."""

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, KFold, check_cv
from sklearn.svm import SVC

from skact import compare
from skact.analysis.fold_lists import (
    notes_on_lists_of_folds,
    ratio_of_folds,
    splitter_of,
)

X, y = load_iris(return_X_y=True)
rows = np.arange(150)
HALVES = [(rows[:75], rows[75:]), (rows[75:], rows[:75])]


def test_folds_without_faults_need_no_note() -> None:
    assert notes_on_lists_of_folds([HALVES, KFold(3), 5, None]) == []


@pytest.mark.parametrize("options", [{}, {"test_ratio": 0.5}])
@pytest.mark.parametrize("again", [lambda rows: rows, np.flip])
def test_a_fold_that_is_there_twice_does_not_count_as_two(
    again: Any, options: Any
) -> None:
    train, test = np.arange(0, 150, 2), np.arange(1, 150, 2)
    folds = [(train, test), (train, again(test))]
    search = GridSearchCV(SVC(), {"C": [0.1, 1.0]}, cv=folds).fit(X, y)
    with pytest.raises(ValueError, match="2 folds, but only 1 different ones"):
        compare(search, by="C", **options)


def test_folds_that_share_their_test_rows_are_noted_and_not_called_equal() -> None:
    test = rows[100:]
    folds = [(rows[:60], test), (rows[40:100], test[::-1])]
    assert ratio_of_folds(folds) == 50 / 60
    (note,) = notes_on_lists_of_folds([folds, folds])
    assert "The 2 folds have only 1 different sets of test rows" in note


def test_a_row_that_a_fold_has_twice_counts_once() -> None:
    more = [(np.r_[train, train[:20]], np.r_[test, test]) for train, test in HALVES]
    assert ratio_of_folds(more) == 1
    (note,) = notes_on_lists_of_folds([more])
    assert note == "Without test_ratio, a row that a fold has twice counts once."


def test_rows_that_train_and_test_are_noted() -> None:
    leaks = [HALVES[0], (np.r_[rows[75:], 3], rows < 75)]
    (note,) = notes_on_lists_of_folds([leaks])
    assert note.startswith("In 1 of 2 folds, rows that test are also training rows")
    search = GridSearchCV(SVC(), {"C": [0.1, 1.0]}, cv=leaks).fit(X, y)
    assert note in compare(search, "C").notes
    assert note in compare(search, "C", test_ratio=1).notes


def test_a_list_that_check_cv_wraps_is_a_list() -> None:
    """Its repr does not show all rows, and it does not say their number."""
    found, expected = (
        compare(GridSearchCV(SVC(), {"C": [0.1, 1.0]}, cv=cv).fit(X, y), "C")
        for cv in (check_cv(HALVES), HALVES)
    )
    assert str(found) == str(expected)
    leaks = [HALVES[0], (np.r_[rows[75:], 3], rows < 75)]
    search = GridSearchCV(SVC(), {"C": [0.1, 1.0]}, cv=check_cv(leaks)).fit(X, y)
    assert "rows that test are also training rows" in compare(search, "C").verdict
    assert splitter_of(GridSearchCV(SVC(), {}, cv=5)) == 5
    assert len(splitter_of(search)) == 2


@pytest.mark.parametrize("dtype", [int, object])
def test_an_array_of_folds_is_read_as_a_list_of_folds(dtype: Any) -> None:
    given = [(rows[i : i + 100], np.delete(rows, rows[i : i + 100])) for i in (0, 50)]
    array = np.empty((2, 2), dtype=object)
    for place in np.ndindex(2, 2):
        array[place] = given[place[0]][place[1]]
    if dtype is int:  # an array of numbers needs parts of one size
        given = HALVES
        array = np.array(HALVES)
    found, expected = (
        compare(GridSearchCV(SVC(), {"C": [0.1, 1.0]}, cv=cv).fit(X, y), "C")
        for cv in (array, given)
    )
    assert str(found) == str(expected)

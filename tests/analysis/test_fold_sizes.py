"""The sizes of folds are those of the splitter of a search."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    LeaveOneGroupOut,
    LeaveOneOut,
    LeavePGroupsOut,
    PredefinedSplit,
    RepeatedKFold,
    ShuffleSplit,
    StratifiedKFold,
    StratifiedShuffleSplit,
    TimeSeriesSplit,
)
from sklearn.svm import SVC

from skact import compare
from skact.analysis.fold_sizes import ratio_of_fold_sizes, size_of_test_folds

X, y = load_iris(return_X_y=True)
rows = np.arange(150)


@pytest.mark.parametrize(
    ("cv", "ratio"),
    [
        (None, 1 / 4),
        (3, 1 / 2),
        (KFold(4), 1 / 3),
        (RepeatedKFold(n_splits=4, n_repeats=3), 1 / 3),
        (ShuffleSplit(5, test_size=0.25), 1 / 3),
        (ShuffleSplit(5), 1 / 9),
        (StratifiedShuffleSplit(5, train_size=0.5), 1),
        (StratifiedShuffleSplit(5, train_size=0.5, test_size=0.25), 1 / 2),
        (StratifiedShuffleSplit(5, train_size=60, test_size=30), 1 / 2),
        (PredefinedSplit([0, 0, 1, 1]), 1),
        (PredefinedSplit([0, -1, -1, -1, 1]), 1 / 4),
        ([(rows >= 50, rows < 50), (rows < 100, rows >= 100)], 1 / 2),
        ([(rows[:90], rows[90 + i : 120 + i]) for i in range(3)], 1 / 3),
    ],
)
def test_the_ratio_of_rows_is_that_of_the_search(cv: Any, ratio: float) -> None:
    search = GridSearchCV(SVC(), {"C": [1.0]}, cv=cv)
    if isinstance(cv, int | type(None)):
        n_folds = cv or 5
    elif isinstance(cv, list):
        n_folds = len(cv)
    else:
        n_folds = cv.get_n_splits(X, y, groups=np.arange(150) % 4)
    notes: list[str] = []
    assert ratio_of_fold_sizes(search, n_folds, notes) == pytest.approx(ratio)
    rounds = "Shuffle" in str(cv) and getattr(cv, "train_size", None) != 60
    assert len(notes) == rounds


def test_a_ratio_that_cannot_be_known_is_asked_for() -> None:
    for cv in (
        ShuffleSplit(3, test_size=30),
        iter([]),
        LeavePGroupsOut(2),
        TimeSeriesSplit(3, gap=2),
    ):
        search = GridSearchCV(SVC(), {"C": [1.0]}, cv=cv)
        with pytest.raises(ValueError, match="test_ratio is needed"):
            ratio_of_fold_sizes(search, 3, [])
    search = GridSearchCV(SVC(), {}, cv=LeaveOneOut())
    assert ratio_of_fold_sizes(search, 150, []) == 1 / 149


class OwnShuffle(ShuffleSplit):
    """May split in another way than its base."""


class OwnRepetition(RepeatedKFold):
    """May split in another way than its base."""


class OwnGiven(PredefinedSplit):
    """May split in another way than its base."""


class OwnTime(TimeSeriesSplit):
    """May split in another way than its base."""


class OwnSizes:
    """Has the attributes of splitters of scikit-learn, with a meaning of its own."""

    test_size, train_size, cvargs = 30, 60, {"n_splits": 3}

    def __repr__(self) -> str:
        return f"OwnSizes({'x' * 10_000})"


@pytest.mark.parametrize(
    "cv",
    [
        OwnShuffle(3, test_size=0.5),
        OwnRepetition(n_splits=3, n_repeats=1),
        OwnGiven([0, 1, 2]),
        OwnTime(3),
        OwnSizes(),
    ],
)
def test_splitters_of_the_user_are_asked_and_not_believed(cv: Any) -> None:
    search = GridSearchCV(SVC(), {"C": [1.0]}, cv=cv)
    with pytest.raises(ValueError, match="test_ratio is needed") as error:
        ratio_of_fold_sizes(search, 3, [])
    assert len(str(error.value)) < 300


def test_shares_of_rows_are_said_to_be_rounded() -> None:
    """3 of 7 rows test and 4 train by a test_size of .3."""
    note = "ShuffleSplit are taken as exact shares: it rounds them to whole rows"
    for cv, is_share in [
        (ShuffleSplit(3, test_size=0.3), True),
        (ShuffleSplit(3), True),
        (StratifiedShuffleSplit(3, train_size=0.5), True),
        (ShuffleSplit(3, test_size=30, train_size=60), False),
    ]:
        notes: list[str] = []
        ratio_of_fold_sizes(GridSearchCV(SVC(), {}, cv=cv), 3, notes)
        assert [note in one for one in notes] == [True] * is_share


def test_searches_with_the_same_splitter_tell_the_ratio() -> None:
    cv = RepeatedKFold(n_splits=4, n_repeats=2, random_state=0)
    searches = {
        name: GridSearchCV(SVC(kernel=name), {"C": [0.1, 1.0]}, cv=cv).fit(X, y)
        for name in ("rbf", "linear")
    }
    found = compare(searches, "model")
    assert found.test_ratio == pytest.approx(1 / 3)
    assert "Taken as" not in found.verdict


@pytest.mark.parametrize(
    "cv", [GroupKFold(3), LeaveOneGroupOut(), GroupShuffleSplit(4, random_state=0)]
)
def test_of_folds_of_groups_the_ratio_is_asked_for(cv) -> None:
    """Groups differ in size; splitters of groups count groups, not rows."""
    X, y = load_iris(return_X_y=True)
    groups = np.repeat(np.arange(6), [5, 5, 5, 5, 5, 125])
    search = GridSearchCV(SVC(), {"C": [0.1, 1.0]}, cv=cv)
    rows = np.random.default_rng(0).permutation(150)
    search.fit(X[rows], y[rows], groups=groups)
    with pytest.raises(ValueError, match=r"test_ratio is needed.*in cv.split\(X, y, g"):
        compare(search, by="C")


def test_results_beside_a_search_are_taken_to_have_its_folds() -> None:
    """They were said to be of other sizes, which nobody knew."""
    cv = RepeatedKFold(n_splits=4, n_repeats=2, random_state=0)
    search = GridSearchCV(SVC(), {"C": [0.1, 1.0]}, cv=cv).fit(X, y)
    table = pd.DataFrame(search.cv_results_)
    for results in (search.cv_results_, table):
        found = compare({"a": search, "b": results}, "model")
        assert found.test_ratio == pytest.approx(1 / 3)
        assert "and folds, which is not known" in found.verdict
        assert "Taken as" not in found.verdict
    assert compare([table, table], "model").test_ratio == pytest.approx(1 / 7)


def test_folds_that_differ_by_a_row_are_equal_and_no_message_lists_rows() -> None:
    X, y = load_iris(return_X_y=True)
    X, y = X[:99], y[:99] > 0
    searches = [
        GridSearchCV(SVC(), {"C": [number]}, cv=cv).fit(X, y)
        for number, cv in [
            (0.1, StratifiedKFold(4)),
            (1.0, [*StratifiedKFold(4).split(X, y)]),
        ]
    ]
    assert compare(searches, by="C").test_ratio == pytest.approx(1 / 3, rel=0.01)
    assert len(str(compare(searches, by="C"))) < 3000


def test_the_parts_of_a_time_series_are_said_to_be_taken_as_equal() -> None:
    notes: list[str] = []
    search = GridSearchCV(SVC(), {"C": [1.0]}, cv=TimeSeriesSplit(2))
    assert ratio_of_fold_sizes(search, 2, notes) == 3 / 4
    assert "parts of TimeSeriesSplit are taken as equal" in notes[0]
    assert "of few rows give test_ratio" in notes[0]


@pytest.mark.parametrize(
    ("cv", "expected"),
    [
        ([(rows[50:], rows[:50]), (rows[:100], rows[100:])], 50),
        ([(rows < 100, rows >= 100), (rows >= 40, rows < 40)], 45),
        (PredefinedSplit([0, 0, 0, 1, -1]), 2),
        (LeaveOneOut(), 1),
        (ShuffleSplit(2, test_size=30), 30),
        (ShuffleSplit(2, test_size=0.2), None),
        (KFold(2), None),
        (2, None),
        (None, None),
    ],
)
def test_test_rows_are_known_only_if_the_splitter_says_them(cv, expected) -> None:
    n_folds = 150 if isinstance(cv, LeaveOneOut) else 2
    search = GridSearchCV(SVC(), {"C": [1.0]}, cv=cv)
    assert size_of_test_folds(search, n_folds) == expected
    assert size_of_test_folds([search, search], n_folds) == expected


def test_searches_with_folds_of_other_sizes_have_no_one_number_of_test_rows() -> None:
    searches = [
        GridSearchCV(SVC(), {"C": [1.0]}, cv=ShuffleSplit(2, test_size=size))
        for size in (30, 40)
    ]
    assert size_of_test_folds(searches, 2) is None
    assert size_of_test_folds({"split0_test_score": [0.5]}, 2) is None

"""The rows that score a candidate do not choose it, whatever folds they are in."""

import itertools
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.datasets import load_iris
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    LeaveOneGroupOut,
    LeaveOneOut,
    LeavePGroupsOut,
    LeavePOut,
    PredefinedSplit,
    RepeatedKFold,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    StratifiedShuffleSplit,
    TimeSeriesSplit,
)

from skact import compare
from skact.analysis.fold_overlaps import overlaps_of
from skact.analysis.fold_pairs import reads_groups

X, y = load_iris(return_X_y=True)
X, y = X[::5], y[::5]
GROUPS = np.arange(30) % 6


class Given(BaseEstimator):
    """A search whose scores are given."""

    def __init__(self, cv: Any = None, estimator: Any = None, refit: bool = True):
        self.cv, self.estimator, self.refit = cv, estimator, refit


def tossed(results: Any, cv: Any, rng: np.random.Generator) -> Given:
    """A search among coin tosses: 40 candidates of one value, one of another."""
    hit = rng.integers(0, 2, (41, 100)).astype(float)
    scores = np.array([hit[:, test].mean(axis=1) for _, test in cv.split(hit.T)]).T
    search = Given(cv, DummyClassifier())
    search.cv_results_ = results(
        {"many": scores[:40], "one": scores[40:]}, rule=[*range(41)]
    )
    return search


@pytest.mark.once
@pytest.mark.parametrize("as_list", [False, True])
def test_many_candidates_that_are_no_better_win_no_more_often_by_repeated_folds(
    results: Any, as_list: bool
) -> None:
    """Of 100 tosses 24 were called better when other repetitions chose, too."""
    rng = np.random.default_rng(0)
    means, wins = [], 0
    for seed in range(60):
        cv = RepeatedKFold(n_splits=10, n_repeats=10, random_state=seed)
        search = tossed(results, cv, rng)
        if as_list:
            search.set_params(cv=list(cv.split(np.zeros(100))))
        found = compare(search)
        means.append(found.means["many"])
        row = found.frame.iloc[0]
        wins += row["a"] == "many" and row["p"] < 0.05
    error = np.std(means) / np.sqrt(60)
    assert abs(np.mean(means) - 0.5) < 3 * error
    assert wins <= 5


def pairs_of(cv: Any) -> np.ndarray:
    """Which folds share test rows, counted from the rows themselves."""
    groups = GROUPS if reads_groups(cv) else None
    tests = [set(test.tolist()) for _, test in cv.split(X, y, groups)]
    return np.array([[bool(a & b) for b in tests] for a in tests])


@pytest.mark.parametrize(
    "cv",
    [
        *(KFold(4), StratifiedKFold(4), LeaveOneOut(), LeaveOneGroupOut()),
        *(GroupKFold(3), StratifiedGroupKFold(3), TimeSeriesSplit(4)),
        *(PredefinedSplit(GROUPS), LeavePGroupsOut(2), LeavePOut(2), LeavePOut(1)),
        list(ShuffleSplit(12, test_size=0.1, random_state=0).split(X)),
    ],
)
def test_folds_that_share_no_test_rows_choose_for_each_other(cv: Any) -> None:
    given = PredefinedRows(cv) if isinstance(cv, list) else cv
    expected = pairs_of(given)
    found = overlaps_of(Given(cv), len(expected))
    assert found.barred.toarray().tolist() == expected.astype(int).tolist()
    assert found.notes == []


class PredefinedRows:
    """Splits into given folds."""

    def __init__(self, folds: Any):
        self.folds = folds

    def split(self, *args: Any) -> Any:
        return iter(self.folds)


@pytest.mark.parametrize("kind", [RepeatedKFold, RepeatedStratifiedKFold])
def test_only_folds_of_one_repetition_choose_for_each_other(kind: Any) -> None:
    found = overlaps_of(Given(kind(n_splits=3, n_repeats=2)), 6)
    barred = found.barred.toarray()
    for i, j in itertools.product(range(6), repeat=2):
        assert barred[i, j] == (i == j or i // 3 != j // 3)
    assert found.notes == []
    assert not found.are_of_all


@pytest.mark.parametrize(
    "cv", [ShuffleSplit(6), StratifiedShuffleSplit(6), GroupShuffleSplit(6)]
)
def test_where_folds_share_rows_by_chance_the_means_are_said_to_be_biased(
    cv: Any, results: Any
) -> None:
    search = Given(cv, DummyClassifier())
    rng = np.random.default_rng(0)
    search.cv_results_ = results(
        {"a": rng.random((2, 6)), "b": rng.random((2, 6))}, lr=[1, 2, 1, 2]
    )
    note = f"The folds of {type(cv).__name__} share test rows, so rows of a score took"
    assert note in compare(search, test_ratio=0.1).verdict
    for select in ("best", "mean"):
        assert note not in compare(search, select=select, test_ratio=0.1).verdict
    search.cv_results_ = results({"a": rng.random(6), "b": rng.random(6)})
    assert note not in compare(search, test_ratio=0.1).verdict


def test_a_fold_that_shares_rows_with_all_others_is_said_to_be_biased() -> None:
    folds = [(np.arange(20, 30), np.array(test)) for test in ([0, 1], [0], [1])]
    found = overlaps_of(Given(folds), 3)
    assert found.barred.toarray().tolist() == [[1, 0, 0], [1, 1, 0], [1, 0, 1]]
    assert "1 fold shares test rows with each other fold, so rows" in found.notes[0]


def test_of_results_alone_it_is_said_what_is_not_known(results: Any) -> None:
    rng = np.random.default_rng(0)
    table = results({"a": rng.random((2, 6)), "b": rng.random((2, 6))}, lr=[1, 2, 1, 2])
    note = "If folds share test rows, as those of repetitions do"
    assert note in compare(table).verdict
    search = Given(KFold(6), DummyClassifier())
    search.cv_results_ = table
    assert note not in compare(search).verdict
    assert note not in compare({"a": search, "b": table}, ["model", "lr"]).verdict
    assert note in " ".join(overlaps_of(Given(PredefinedRows([])), 6).notes)
    assert note in " ".join(overlaps_of(Given(RepeatedKFold()), 6).notes)


def test_of_several_searches_no_fold_chooses_that_shares_rows_in_any() -> None:
    several = [Given(KFold(6)), Given(RepeatedKFold(n_splits=3, n_repeats=2))]
    found = overlaps_of(several, 6)
    assert found.barred.sum() == 6 + 2 * 9
    assert found.notes == []

"""Folds are called different, or the same, where that is known."""

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits, make_multilabel_classification
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    GroupShuffleSplit,
    HalvingGridSearchCV,
    KFold,
    LeaveOneOut,
    PredefinedSplit,
    RepeatedKFold,
    ShuffleSplit,
    StratifiedKFold,
    StratifiedShuffleSplit,
    TimeSeriesSplit,
    check_cv,
)
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier

from skact import compare
from skact.analysis.fold_identity import (
    are_same_folds,
    folds_of,
    rows_drawn_by_halving,
)

X, y = load_digits(return_X_y=True)
X, y = X[:400], y[:400]
ROWS = np.arange(400)
SEEDED = KFold(5, shuffle=True, random_state=0)
LISTED = list(SEEDED.split(ROWS))
OTHER = list(KFold(5).split(ROWS))


class Own(KFold):
    """May split in another way than its base."""


SAME = [
    (5, np.int64(5)),
    (5, StratifiedKFold(5)),
    (KFold(5), KFold(np.int64(5), random_state=None)),
    (SEEDED, KFold(5, shuffle=True, random_state=np.int64(0))),
    (SEEDED, RepeatedKFold(n_splits=5, n_repeats=1, random_state=0)),
    (LISTED, list(LISTED)),
    (LISTED, check_cv(LISTED)),
    (PredefinedSplit(ROWS % 4), PredefinedSplit(10 + ROWS % 4)),
    (PredefinedSplit(ROWS % 4), list(PredefinedSplit(ROWS % 4).split())),
    *(
        (kind(5, random_state=0), kind(5, test_size=size, random_state=0))
        for kind, size in [
            *((ShuffleSplit, 0.1), (StratifiedShuffleSplit, 0.1)),
            (GroupShuffleSplit, 0.2),
        ]
    ),
    (
        ShuffleSplit(5, test_size=0.3, random_state=0),
        ShuffleSplit(5, train_size=0.7, test_size=0.3, random_state=0),
    ),
]
DIFFERENT = [
    (5, 4),
    (KFold(5), StratifiedKFold(5)),
    (KFold(5), SEEDED),
    (LISTED, OTHER),
    (check_cv(LISTED), check_cv(OTHER)),
    (LISTED, PredefinedSplit(ROWS % 5)),
    (ShuffleSplit(5, random_state=0), ShuffleSplit(5, random_state=1)),
    (
        ShuffleSplit(5, random_state=0),
        ShuffleSplit(5, test_size=0.2, random_state=0),
    ),
    (TimeSeriesSplit(5), TimeSeriesSplit(5, gap=1)),
]
NOT_KNOWN = [
    (LISTED, SEEDED),
    (PredefinedSplit(ROWS % 5), KFold(5)),
    (5, KFold(5)),
    (KFold(5), Own(5)),
    (KFold(400), LeaveOneOut()),
    (
        ShuffleSplit(5, test_size=40, random_state=0),
        ShuffleSplit(5, test_size=0.1, random_state=0),
    ),
    (TimeSeriesSplit(5), TimeSeriesSplit(5, test_size=66)),
]


@pytest.mark.parametrize(
    ("pair", "expected"),
    [(x, True) for x in SAME]
    + [(x, False) for x in DIFFERENT]
    + [(x, None) for x in NOT_KNOWN],
)
def test_folds_are_compared_as_far_as_they_are_known(pair: Any, expected: Any) -> None:
    a, b = (folds_of(GridSearchCV(SVC(), {}, cv=cv)) for cv in pair)
    assert are_same_folds(a, b) is expected
    assert are_same_folds(b, a) is expected
    assert are_same_folds(a, None) is None
    assert folds_of(None) is None


def test_a_number_of_folds_may_mean_other_folds_for_a_regressor() -> None:
    a, b, c = (
        folds_of(GridSearchCV(estimator, {}, cv=cv))
        for estimator, cv in [(SVC(), 5), (SVR(), 5), (SVR(), KFold(5))]
    )
    assert are_same_folds(a, b) is None
    assert are_same_folds(b, c) is True


def test_of_several_columns_of_y_the_folds_of_a_number_are_not_called_different() -> (
    None
):
    data, target = make_multilabel_classification(60, random_state=0)
    tree, grid = DecisionTreeClassifier(random_state=0), {"max_depth": [3, 4]}
    searches = [
        GridSearchCV(tree, grid, cv=cv).fit(data, target) for cv in (5, KFold(5))
    ]
    verdict = compare({"a": searches[0], "b": searches[1]}, "model").verdict
    assert "Their folds differ" not in verdict
    assert "which is not known from what was given" in verdict


def a_halving(seed: Any, **options: Any) -> Any:
    options = {"max_resources": 200, "factor": 2, "cv": SEEDED} | options
    tree, grid = DecisionTreeClassifier(random_state=0), {"max_depth": [1, 2, 4, 8]}
    return HalvingGridSearchCV(tree, grid, random_state=seed, **options).fit(X, y)


def a_grid() -> Any:
    tree, grid = DecisionTreeClassifier(random_state=0), {"max_depth": [4, 8]}
    return GridSearchCV(tree, grid, cv=SEEDED).fit(X, y)


@pytest.mark.parametrize("seeds", [(0, 1), (None, None), (0, None)])
def test_halvings_that_draw_other_rows_have_other_folds(seeds: Any) -> None:
    a, b = map(a_halving, seeds)
    verdict = compare({"a": a, "b": b}, "model").verdict
    assert "Their folds differ, by cv=['KFold(" in verdict
    assert f"n_resources={a.n_resources_[-1]}, random_state={seeds[0]}" in verdict
    assert "so the scores are not paired" in verdict


def test_a_halving_of_some_rows_has_other_folds_than_one_of_other_rows() -> None:
    for other in (a_grid(), a_halving(0, max_resources=100)):
        verdict = compare({"a": a_halving(0), "b": other}, "model").verdict
        assert "Their folds differ" in verdict


def test_halvings_of_the_same_rows_have_the_same_folds() -> None:
    once = a_halving(None)
    for a, b in [(a_halving(0), a_halving(0)), (once, once)]:
        assert "Their folds differ" not in compare({"a": a, "b": b}, "model").verdict
    results = compare({"a": once, "b": once.cv_results_}, "model").verdict
    assert "Their folds differ" not in results
    assert "which is not known from what was given" in results


def test_only_rows_that_are_fewer_than_all_are_drawn() -> None:
    some = a_halving(3)
    assert rows_drawn_by_halving(some) == (3, some.n_resources_[-1])
    whole = a_halving(3, min_resources=100, max_resources=400)
    assert whole.n_resources_[-1] == 400
    assert rows_drawn_by_halving(whole) is None
    depth = HalvingGridSearchCV(
        DecisionTreeClassifier(random_state=0),
        {"criterion": ["gini", "entropy"]},
        resource="max_depth",
        max_resources=2,
        factor=2,
        cv=SEEDED,
    ).fit(X, y)
    assert rows_drawn_by_halving(depth) is None
    assert rows_drawn_by_halving(a_grid()) is None

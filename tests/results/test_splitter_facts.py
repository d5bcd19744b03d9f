"""The facts of a splitter make one that says the same of the folds."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneOut,
    LeavePOut,
    RepeatedKFold,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    TimeSeriesSplit,
)
from sklearn.tree import DecisionTreeClassifier

from skact import load_results, save_results
from skact.results.splitter_facts import facts_of, facts_of_all, splitter_of_facts

X, y = load_iris(return_X_y=True)


def search_of(cv: Any) -> Any:
    search = GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 2]}, cv=cv)
    search.n_splits_ = 4 if not hasattr(cv, "get_n_splits") else cv.get_n_splits(X[:9])
    return search


class Own(KFold):
    """A splitter that may split otherwise than its base."""


SPLITTERS = [
    KFold(4, shuffle=True, random_state=1),
    StratifiedKFold(3),
    StratifiedGroupKFold(3),
    GroupKFold(2),
    LeaveOneOut(),
    LeavePOut(2),
    RepeatedKFold(n_splits=3, n_repeats=4, random_state=np.random.RandomState(0)),
    RepeatedStratifiedKFold(n_splits=3, n_repeats=2),
    ShuffleSplit(20, test_size=0.5),
    ShuffleSplit(20, test_size=np.float64(0.5), train_size=np.int64(3)),
    TimeSeriesSplit(3, gap=2),
]


@pytest.mark.parametrize("cv", SPLITTERS, ids=lambda x: type(x).__name__)
def test_a_file_can_keep_the_facts_and_they_make_the_splitter(cv: Any) -> None:
    facts = json.loads(json.dumps(facts_of(search_of(cv))))
    found = splitter_of_facts(facts)
    settings = [vars(x) | {"random_state": None} for x in (found, cv)]
    assert type(found) is type(cv)
    assert settings[0] == settings[1]
    assert facts["n_folds"] == cv.get_n_splits(X[:9])


@pytest.mark.parametrize("cv", [None, 4])
def test_a_number_of_folds_is_a_splitter_of_that_many(cv: Any) -> None:
    assert splitter_of_facts(facts_of(search_of(cv))).n_splits == 4


@pytest.mark.parametrize("cv", [Own(4), [(np.arange(9), np.arange(9))]])
def test_what_no_splitter_of_scikit_learn_says_is_not_known(cv: Any) -> None:
    assert facts_of(search_of(cv)) is None


def test_columns_of_a_frame_are_no_splitter() -> None:
    assert facts_of(pd.DataFrame({"cv": [3], "n_splits_": [3]})) is None


def test_facts_of_several_are_those_that_all_known_ones_share() -> None:
    a, b = search_of(KFold(4)), search_of(KFold(3))
    assert facts_of_all([a, {}, a]) == facts_of(a)
    assert facts_of_all([a, b]) is None
    assert facts_of_all([{}]) is None


def test_facts_of_a_later_version_are_not_known_and_others_are_refused() -> None:
    later = {"class": "QuantumSplit", "options": {}, "n_folds": 3}
    assert splitter_of_facts(later) is None
    broken: list[Any] = ["KFold", {"class": "KFold"}, {**later, "class": ["KFold"]}]
    broken += [{**later, "class": "KFold", "options": {"n_splits": "3"}}]
    for facts in broken:
        with pytest.raises(ValueError, match=r"is no description|number of folds"):
            splitter_of_facts(facts)


def test_loaded_results_keep_the_facts_when_they_are_saved_again(
    tmp_path: Any,
) -> None:
    search = GridSearchCV(
        DecisionTreeClassifier(), {"max_depth": [1, 2]}, cv=ShuffleSplit(3)
    ).fit(X, y)
    save_results(search, tmp_path / "a")
    save_results(load_results(tmp_path / "a"), tmp_path / "b")
    kept = load_results(tmp_path / "b").splitter_
    assert kept == facts_of(search) is not None

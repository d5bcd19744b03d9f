"""A report says where scores of the same number of fold are not of the same rows."""

from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.datasets import load_iris
from sklearn.model_selection import (
    BaseCrossValidator,
    GridSearchCV,
    GroupKFold,
    KFold,
    ParameterGrid,
    PredefinedSplit,
    RandomizedSearchCV,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
)
from sklearn.svm import SVC

from skact import compare, load_results, save_results, to_frame
from skact.analysis.fold_pairs import notes_on_pairs

X, y = load_iris(return_X_y=True)
ROWS = "All searches are taken to have had the same rows"
GRID = {"C": [0.1, 1.0]}
TEST_FOLD = np.arange(150) % 3


class Blocks(BaseCrossValidator):
    """A splitter of the user's own."""

    def get_n_splits(self, *args: Any) -> int:
        return 3

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Any:
        return PredefinedSplit(TEST_FOLD).split()


class OneByOne(GridSearchCV):
    """Asks for the folds again for each candidate."""

    def _run_search(self, evaluate_candidates: Any) -> None:
        for candidate in ParameterGrid(self.param_grid):
            evaluate_candidates([candidate])


class OtherSearch(BaseEstimator):
    """A search that is none of scikit-learn's, as those of other packages."""

    def __init__(self, estimator: Any, refit: bool = True, cv: Any = None):
        self.estimator, self.refit, self.cv = estimator, refit, cv


def searches(*splitters: Any) -> list[Any]:
    return [GridSearchCV(SVC(), GRID, cv=cv) for cv in splitters]


PAIRED = {
    "numbers": (3, 3),
    "a number and its splitter": (5, StratifiedKFold(5)),
    "none": (None, 5),
    "seeds": [KFold(3, shuffle=True, random_state=1) for _ in range(2)],
    "drawn with a seed": [ShuffleSplit(3, random_state=1) for _ in range(2)],
    "lists": [list(KFold(3).split(X)) for _ in range(2)],
    "given": [PredefinedSplit(TEST_FOLD) for _ in range(2)],
}
UNPAIRED = {
    "seeds": [KFold(3, shuffle=True, random_state=i) for i in range(2)],
    "kinds": (KFold(3), StratifiedKFold(3)),
    "lists": [list(KFold(3).split(X[i:])) for i in range(2)],
    "given": [PredefinedSplit(np.roll(TEST_FOLD, i)) for i in range(2)],
}
DRAWN = {
    "shuffled": [KFold(3, shuffle=True)] * 2,
    "drawn": [ShuffleSplit(3)] * 2,
    "by a generator": [ShuffleSplit(3, random_state=np.random.RandomState(0))] * 2,
    "one of two": (KFold(3), KFold(3, shuffle=True)),
}


@pytest.mark.parametrize("name", PAIRED)
def test_searches_of_the_same_folds_are_paired(name: str) -> None:
    assert notes_on_pairs(searches(*PAIRED[name]), True) == [f"{ROWS}."]


@pytest.mark.parametrize("name", UNPAIRED)
def test_searches_of_other_folds_are_said_not_to_be_paired(name: str) -> None:
    (note,) = notes_on_pairs(searches(*UNPAIRED[name]), True)
    assert note.startswith(f"{ROWS}. Their folds differ, by cv=[")
    assert "the scores are not paired" in note


@pytest.mark.parametrize("name", DRAWN)
def test_folds_without_a_seed_are_never_those_of_another_search(name: str) -> None:
    (note,) = notes_on_pairs(searches(*DRAWN[name]), True)
    assert "splits them anew for each search, so the scores are not paired" in note
    assert "random_state" in note or "shuffle=True" in note


def test_searches_of_scikit_learn_draw_once_for_all_candidates() -> None:
    cv = KFold(3, shuffle=True)
    assert notes_on_pairs(GridSearchCV(SVC(), GRID, cv=cv), False) == []
    assert notes_on_pairs(RandomizedSearchCV(SVC(), GRID, cv=cv), False) == []


def test_other_searches_may_draw_anew_for_each_candidate() -> None:
    (note,) = notes_on_pairs(OtherSearch(SVC(), cv=KFold(3, shuffle=True)), False)
    assert note.startswith("OtherSearch may split anew for each candidate, with cv=")
    assert notes_on_pairs(OtherSearch(SVC(), cv=KFold(3)), False) == []
    own = OneByOne(SVC(), GRID, cv=KFold(3, shuffle=True)).fit(X, y)
    assert "OneByOne may split anew for each candidate" in compare(own, "C").verdict


def test_folds_that_are_not_known_are_said_to_be_taken_as_the_same(
    tmp_path: Any,
) -> None:
    found = [one.fit(X, y) for one in searches(3, 3)]
    frames = to_frame(found, level="fold")
    save_results(found[0], tmp_path)
    saved = [load_results(tmp_path)] * 2
    custom = searches(Blocks(), Blocks())
    for unknown in (frames, saved, custom, [found[0], found[1].cv_results_]):
        (note,) = notes_on_pairs(unknown, True)
        assert note == f"{ROWS} and folds, which is not known from what was given."
    assert f"{ROWS} and folds, which is not known" in compare(frames, "C").verdict


@pytest.mark.parametrize("kind", [GroupKFold, StratifiedGroupKFold])
def test_the_same_splitter_of_groups_may_have_had_other_groups(kind: Any) -> None:
    (note,) = notes_on_pairs(searches(kind(3), kind(3)), True)
    assert note == f"{ROWS} and groups."
    (note,) = notes_on_pairs(searches(kind(3), kind(4)), True)
    assert note.startswith(f"{ROWS} and groups. Their folds differ")


class LongName(KFold):
    """A splitter whose repr is long."""

    def __repr__(self) -> str:
        return "LongName" * 1000


def test_notes_show_splitters_in_short() -> None:
    cv = LongName(3, shuffle=True)
    for given in (searches(cv, cv), OtherSearch(SVC(), cv=cv)):
        (note,) = notes_on_pairs(given, isinstance(given, list))
        assert "cv=LongName" in note
        assert len(note) < 400


def test_an_array_of_folds_is_known_as_its_list_is() -> None:
    folds = list(KFold(3).split(X))
    array = np.array(folds, dtype=object)
    assert notes_on_pairs(searches(folds, array), True) == [f"{ROWS}."]
    (note,) = notes_on_pairs(searches(array, array[:2]), True)
    assert "Their folds differ" in note


def test_a_comparison_of_other_folds_says_so() -> None:
    cv = KFold(3, shuffle=True)
    found = [one.fit(X, y) for one in searches(cv, cv)]
    assert "the scores are not paired" in compare(found, "model").verdict
    assert "paired" not in compare(found[0], "C").verdict


def test_folds_of_other_sizes_need_a_ratio() -> None:
    kinds = (KFold(3), ShuffleSplit(3, test_size=0.5, random_state=0))
    found = [one.fit(X, y) for one in searches(*kinds)]
    with pytest.raises(ValueError, match="folds of different sizes, by cv="):
        compare(found, "model")
    assert compare(found, "model", test_ratio=0.6).test_ratio == 0.6

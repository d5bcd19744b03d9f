"""Results in a folder, and a frame, are compared as the search they are of."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    RepeatedKFold,
    ShuffleSplit,
)
from sklearn.tree import DecisionTreeClassifier

from skact import compare, load_results, save_results, to_frame
from skact.analysis.known_splitter import known_splitter
from skact.results import storage
from skact.results.splitter_facts import KeptFolds, facts_of

X, y = load_iris(return_X_y=True)
TREE = DecisionTreeClassifier(random_state=0)
GRID = {"max_depth": [1, 2], "min_samples_leaf": [1, 5]}


def search_of(cv: Any, **options: Any) -> GridSearchCV:
    return GridSearchCV(TREE, GRID, cv=cv).fit(X, y, **options)


def forms_of(search: Any, folder: Path) -> dict[str, Any]:
    save_results(search, folder)
    frame = to_frame(search, "fold")
    loaded = load_results(folder)
    return {
        "loaded": loaded,
        "frame": frame,
        "frame of loaded": to_frame(loaded, "fold"),
        "copy of a frame": frame[frame["max_depth"] > 0].copy(),
    }


@pytest.mark.parametrize(
    "cv",
    [
        *(None, 5, ShuffleSplit(20, test_size=0.5, random_state=0)),
        RepeatedKFold(n_splits=5, n_repeats=3, random_state=0),
    ],
    ids=lambda cv: type(cv).__name__,
)
def test_the_folder_and_the_frame_say_what_the_search_says(
    cv: Any, tmp_path: Path
) -> None:
    search = search_of(cv)
    live = compare(search, "max_depth")
    for name, form in forms_of(search, tmp_path).items():
        found = compare(form, "max_depth")
        assert found.test_ratio == live.test_ratio, name
        pd.testing.assert_frame_equal(found.frame, live.frame)
        pd.testing.assert_frame_equal(found.scores, live.scores)
        assert found.notes == live.notes, name


def test_folds_of_groups_ask_for_the_ratio_in_every_form(tmp_path: Path) -> None:
    search = search_of(GroupKFold(3), groups=[i % 9 for i in range(len(y))])
    for form in (search, *forms_of(search, tmp_path).values()):
        with pytest.raises(ValueError, match=r"test_ratio is needed.*GroupKFold"):
            compare(form, "max_depth")


def test_folders_with_folds_of_other_sizes_ask_for_the_ratio(tmp_path: Path) -> None:
    sizes = {"a": 0.5, "b": 0.1}
    for name, size in sizes.items():
        save_results(search_of(ShuffleSplit(4, test_size=size)), tmp_path / name)
    loaded = {name: load_results(tmp_path / name) for name in sizes}
    with pytest.raises(ValueError, match=r"different sizes, by cv=\['ShuffleSplit\("):
        compare(loaded, "model")


def test_a_folder_without_the_facts_is_compared_as_before(tmp_path: Path) -> None:
    search = search_of(ShuffleSplit(4, test_size=0.5, random_state=0))
    save_results(search, tmp_path)
    path = tmp_path / storage.RESULTS_FILE
    saved = json.loads(path.read_text())
    del saved["content"]["splitter"]
    saved["sha256"] = storage._checksum_of(saved["content"])
    path.write_text(json.dumps(saved))
    found = compare(load_results(tmp_path), "max_depth")
    assert found.test_ratio == 1 / 3
    assert any("Taken as 4 folds without repetition" in note for note in found.notes)


def test_facts_of_all_folds_do_not_count_for_some_of_them() -> None:
    search = search_of(ShuffleSplit(4, test_size=0.5, random_state=0))
    frame = to_frame(search, "fold")
    found = compare(frame[frame["fold"] < 3], "max_depth")
    assert any("Taken as 3 folds without repetition" in note for note in found.notes)


def test_broken_facts_in_a_frame_are_as_none() -> None:
    facts = facts_of(search_of(3))
    assert facts is not None
    assert known_splitter(KeptFolds(facts), 3)[0]
    for broken in ({}, {**facts, "options": {"n_splits": 1}}, {**facts, "class": "X"}):
        assert known_splitter(KeptFolds(broken), 3) == (False, None)

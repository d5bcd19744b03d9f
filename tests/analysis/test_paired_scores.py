"""Candidates become one score for each value of a hyperparameter and fold."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC
from sklearn.tree import ExtraTreeClassifier

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


def test_equally_good_candidates_are_averaged_whatever_their_order(
    results: Any,
) -> None:
    """The better one of two comes first in a frame, by the fold that scores them."""
    table = results(
        {"a": [[0.2, 0.5, 0.7], [0.8, 0.5, 0.7]], "b": [0.5, 0.5, 0.5]}, lr=[1, 2, 1]
    )
    frame = to_frame(table, "fold")
    for given in (table, frame, frame[::-1]):
        scores = compare(given, test_ratio=0.5).scores.sort_index()
        assert scores["a"].tolist() == pytest.approx([0.5, 0.5, 0.7])


def test_seeds_are_averaged_before_anything_is_chosen(results: Any) -> None:
    table = results(
        {"a": [[0.9, 0.7], [0.5, 0.5]], "b": [[0.6, 0.6], [0.6, 0.6]]},
        random_state=[0, 1, 0, 1],
    )
    found = compare(table, test_ratio=0.5)
    assert found.scores["a"].tolist() == pytest.approx([0.7, 0.6])
    chosen = compare(table, average=(), test_ratio=0.5)
    assert chosen.scores["a"].tolist() == [0.9, 0.7]
    assert "Each value took, for every fold," in chosen.verdict
    assert "Each value took" not in found.verdict


@pytest.mark.parametrize(
    ("names", "average"),
    [
        (["actmlp__random_state"], "random_state"),
        (["a__random_state", "b__random_state"], "random_state"),
        (["random_state", "a__random_state"], "random_state"),
        (["p__a__random_state"], "a__random_state"),
        (["p__a__random_state"], "p__a__random_state"),
    ],
)
def test_seeds_of_every_step_are_averaged(
    names: Any, average: str, results: Any
) -> None:
    seeds = {name: [0, 1, 0, 1] for name in names}
    table = results({"a": [[0.9, 0.7], [0.5, 0.5]], "b": [[0.6] * 2] * 2}, **seeds)
    for given in (table, to_frame(table, "fold")):
        found = compare(given, average=average)
        assert found.scores["a"].tolist() == pytest.approx([0.7, 0.6])


def test_a_name_to_average_means_no_other_step_and_no_part_of_a_name(
    results: Any,
) -> None:
    names = {"a__seed": [0, 1, 0, 1], "b__seed": [0] * 4, "myseed": [0, 0, 0, 0]}
    table = results({"a": [[0.9, 0.7], [0.5, 0.5]], "b": [[0.6] * 2] * 2}, **names)
    assert compare(table, average="b__seed").scores["a"].tolist() == [0.9, 0.7]
    assert compare(table, average="seed").scores["a"].tolist() == [0.7, 0.6]


def test_searches_with_and_without_a_pipeline_have_their_seeds_averaged() -> None:
    """The luckiest seed of the pipeline won."""
    tree, grid = ExtraTreeClassifier(), range(6)
    bare = GridSearchCV(tree, {"random_state": grid}, cv=5).fit(X, y)
    pipe = make_pipeline("passthrough", tree)
    name = "extratreeclassifier__random_state"
    piped = GridSearchCV(pipe, {name: grid}, cv=5).fit(X, y)
    found = compare({"bare": bare, "pipe": piped}, "model")
    assert found.frame["difference"][0] == 0


@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize("select", ["nested", "best", "mean"])
def test_an_infinite_score_counts_as_that_of_a_failed_fit(
    value: float, select: str, results: Any
) -> None:
    """Minus infinity won: the sum of the other folds was NaN."""
    table = results(
        {"a": [[0.9, value, 0.9], [0.6, 0.7, 0.4]], "b": [0.5, 0.5, 0.5]},
        lr=[0.1, 0.01, 0.1],
    )
    found = compare(table, select=select, test_ratio=0.5)
    assert found.scores["a"].tolist() == [0.6, 0.7, 0.4]
    assert "An infinite score counts as that of a failed fit." in found.notes
    assert "1 candidate failed and is left out: a with lr=0.1 on fold 1." in found.notes


def test_what_failed_is_left_out_and_said(results: Any) -> None:
    table = results(
        {"a": [[0.9, np.nan, 0.9], [0.6, 0.7, 0.4]], "b": [0.5, 0.5, 0.5]},
        lr=[0.1, 0.01, 0.1],
    )
    found = compare(table, test_ratio=0.5)
    assert found.scores["a"].tolist() == [0.6, 0.7, 0.4]
    assert "1 candidate failed and is left out: a with lr=0.1 on fold 1." in found.notes


def test_each_candidate_that_failed_is_named_with_its_folds(results: Any) -> None:
    nan = np.nan
    table = results(
        {
            "a": [[nan, nan, 0.9], [0.6, 0.7, 0.4]],
            "('b', 'c')": [[nan] * 3, [0.5, 0.5, nan]],
            "d": [[0.5, 0.5, 0.4]] * 2,
        },
        lr=[0.1, 0.01] * 3,
        width=[8] * 6,
    )
    (said,) = [x for x in compare(table, test_ratio=0.5).notes if "failed" in x]
    assert said == (
        "3 candidates failed and are left out: a with lr=0.1 on folds 0 and 1; "
        "\"('b', 'c')\" with lr=0.1 on folds 0, 1 and 2; "
        "\"('b', 'c')\" with lr=0.01 on fold 2."
    )
    lost = (
        "No candidate of \"('b', 'c')\" has scores on all folds, so \"('b', 'c')\" is"
    )
    assert any(note.startswith(lost) for note in compare(table, test_ratio=0.5).notes)


def test_many_candidates_that_failed_are_counted(results: Any) -> None:
    scores = [[np.nan, 0.5]] * 9 + [[0.5, 0.6]]
    table = results({"a": scores, "b": scores}, lr=[*range(10)] * 2)
    (said,) = [x for x in compare(table, test_ratio=1).notes if "failed" in x]
    assert said.startswith("18 candidates failed and are left out: a with lr=0 on fold")
    assert said.endswith("a with lr=4 on fold 0; 13 more.")


def test_a_seed_that_failed_is_named_and_takes_the_others_along(results: Any) -> None:
    table = results(
        {"a": [[0.9, np.nan], [0.5, 0.5]], "b": [[0.6] * 2] * 2, "c": [[0.7] * 2] * 2},
        random_state=[0, 1] * 3,
    )
    found = compare(table, test_ratio=1)
    (said,) = [x for x in found.notes if "failed" in x]
    assert said == (
        "1 candidate failed and is left out, with what is averaged with it: a with "
        "random_state=0 on fold 1."
    )
    assert set(found.means.index) == {"b", "c"}


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
    assert "Fold 2 has the scores of an earlier fold" in found.verdict
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


def a_halving(**resources: int) -> HalvingGridSearchCV:
    """Three candidates, of which the last iteration keeps some."""
    grid = {"C": [0.01, 0.1, 1.0, 10.0]}
    search = HalvingGridSearchCV(
        SVC(), grid, cv=3, factor=2, random_state=0, **resources
    )
    return search.fit(X, y)


OTHER_RESOURCES = "The searches gave their candidates different resources"


def test_a_search_without_halving_keeps_its_candidates_beside_one_with() -> None:
    halving = a_halving(min_resources=60)
    plain = GridSearchCV(SVC(), {"C": [0.01, 1.0]}, cv=3).fit(X, y)
    found = compare({"h": halving, "g": plain}, "model")
    assert set(found.scores.columns) == {"h", "g"}
    assert f"{OTHER_RESOURCES}, n_resources={{'h': 120, 'g': None}}" in found.verdict
    alone = compare({"g": plain, "again": plain}, "model")
    assert found.scores["g"].equals(alone.scores["g"])


def test_of_two_halvings_each_one_s_last_iteration_counts() -> None:
    short = a_halving(min_resources=60, max_resources=60)
    long = a_halving(min_resources=30, max_resources=60)
    assert short.n_iterations_ < long.n_iterations_
    found = compare({"short": short, "long": long}, ["model", "C"])
    frame = to_frame(long, "fold")
    last = frame[frame["iter"] == frame["iter"].max()]
    expected = {f"short, C={c}" for c in (0.01, 0.1, 1.0, 10.0)}
    expected |= {f"long, C={c}" for c in last["C"]}
    assert set(found.scores.columns) == expected
    assert "only the last iteration" in found.verdict
    assert OTHER_RESOURCES not in found.verdict


def test_a_frame_that_lost_a_column_of_halving_has_its_last_iteration_compared() -> (
    None
):
    frame = to_frame(a_halving(min_resources=60), "fold")
    expected = compare(frame, "C")
    assert "only the last iteration" in expected.verdict
    for lost in ("iter", "n_resources"):
        found = compare(frame.drop(columns=lost), "C")
        assert str(found) == str(expected)
    both = compare(frame.drop(columns=["iter", "n_resources"]), "C")
    assert "Candidates with equal parameters are averaged." in both.notes
    assert "equal parameters" not in expected.verdict


def test_halvings_that_end_with_other_resources_are_noted() -> None:
    searches = {n: a_halving(min_resources=n, max_resources=n) for n in (60, 90)}
    found = compare(searches, "model")
    assert f"{OTHER_RESOURCES}, n_resources={{'60': 60, '90': 90}}" in found.verdict
    assert "only the last iteration" not in found.verdict


def test_frames_put_together_are_refused_if_nothing_tells_them_apart() -> None:
    frames = [
        to_frame(
            GridSearchCV(SVC(kernel=name), {"C": [0.1, 1.0]}, cv=3).fit(X, y), "fold"
        )
        for name in ("rbf", "linear")
    ]
    with pytest.raises(ValueError, match="a list or dict of the searches, or the"):
        compare(pd.concat(frames), "C")
    for column in ("kernel", "model"):
        named = [frame.copy() for frame in frames]
        for frame, name in zip(named, "ab", strict=True):
            frame.insert(0, column, name)
        assert set(compare(pd.concat(named), column).scores.columns) == {"a", "b"}


def test_frames_of_several_searches_are_said_to_be_taken_as_of_the_same_folds() -> None:
    """Also where the parameters tell the searches apart, and no column of models."""
    frames = [
        to_frame(GridSearchCV(SVC(), {"C": [number]}, cv=3).fit(X, y), "fold")
        for number in (0.1, 1.0)
    ]
    assert "had the same rows and folds" in compare(pd.concat(frames), "C").verdict
    assert (
        "had the same rows"
        not in compare(
            to_frame(GridSearchCV(SVC(), {"C": [0.1, 1.0]}, cv=3).fit(X, y), "fold"),
            "C",
        ).verdict
    )

"""A target says which task it asks for, or what is wrong with it."""

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GroupKFold, KFold, LeaveOneGroupOut

from skact import search
from skact.quick_search.targets import (
    check_groups,
    check_rows_of_classes,
    check_scores,
    read_target,
)


@pytest.mark.parametrize(
    ("y", "task"),
    [
        ([0.5, 1.0, 0.5], "regression"),
        (pd.Series([0.1, 2.0], dtype=object), "regression"),
        (pd.Series([0, 1], dtype=object), "classification"),
        (pd.Series([0, 1], dtype="Int64"), "classification"),
        (pd.Categorical(["a", "b"]), "classification"),
        (pd.DataFrame({"y": ["a", "b"]}), "classification"),
        ([True, False], "classification"),
        (range(20), "classification"),
        (range(21), "regression"),
        (np.ones((3, 2)), "regression"),
    ],
)
def test_the_values_of_y_choose_the_task(y: object, task: str) -> None:
    values, found, reason = read_target(y, None)
    assert found == task
    assert reason.startswith("y h")
    assert values.dtype != object


def test_a_target_that_cannot_be_learned_is_refused() -> None:
    with pytest.raises(ValueError, match=r"missing or infinite in 1 rows \(1\)"):
        read_target([0.0, np.nan], None)
    with pytest.raises(ValueError, match=r"1 rows \(1\)"):
        read_target(pd.Series(["a", None]), None)
    with pytest.raises(ValueError, match="one class only"):
        read_target(["a", "a"], None)
    with pytest.raises(ValueError, match="several columns"):
        read_target(np.ones((3, 2)), "classification")
    with pytest.raises(ValueError, match="Class b has 1 row, fewer than the 3 folds"):
        check_rows_of_classes(np.array(["a"] * 5 + ["b"]), 3)


def test_a_score_of_one_class_must_know_the_class() -> None:
    with pytest.raises(ValueError, match=r"make_scorer\(f1_score, pos_label='q'\)"):
        check_scores("f1", np.array(["p", "q"]))
    check_scores("f1", np.array([0, 1]))
    check_scores(["accuracy", "f1_macro"], np.array(["p", "q"]))


def test_groups_and_their_splitter_come_together() -> None:
    for cv in (GroupKFold(3), LeaveOneGroupOut()):
        with pytest.raises(ValueError, match=r"groups must be given for cv=.*got None"):
            check_groups(None, cv)
        check_groups([1, 2], cv)
    for cv in (3, None):
        with pytest.raises(ValueError, match=f"cv={cv} does not heed them: use cv=Gr"):
            check_groups([1, 2], cv)
        check_groups(None, cv)
    check_groups(None, KFold(3))
    check_groups(None, [([0, 1], [2])])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"X": pd.Series(range(9))}, r"got a Series: pass X.to_frame\(\)"),
        ({"sample_weight": -np.ones(9)}, "sample_weight must not be negative"),
        ({"sample_weight": np.ones((9, 2))}, r"sample_weight must have shape \(9,\)"),
        ({"X": pd.DataFrame(index=range(9))}, "X has no columns"),
        ({"X": np.ones((0, 2)), "y": []}, "y holds no rows"),
        (
            {"X": pd.DataFrame(np.ones((9, 2)), columns=[np.nan, 1.0])},
            "A column of X has no name",
        ),
        ({"groups": "g"}, r"groups must hold .*, got the word 'g': pass X\['g'\]"),
        ({"scoring": []}, r"scoring must name a score, got \[\]"),
        ({"callbacks": 3}, "callbacks must be a list, got 3"),
        ({"y": np.eye(3, dtype=int)[np.arange(9) % 3]}, "y looks like one column for"),
        ({"max_epochs": 0}, "max_epochs must be an int >= 1, got 0"),
        ({"refit": "nope"}, "refit must be None, got 'nope'"),
        (
            {"refit": "nope", "scoring": ["accuracy", "f1_macro"]},
            r"refit must be None or one of \['accuracy', 'f1_macro'\], got 'nope'",
        ),
        ({"y": ["a", "b", np.nan] * 3}, "y is missing in 3 of 9 rows; the first is"),
        ({"y": [1, "a", "b"] * 3}, "y holds 1 of type int beside words"),
        ({"y": [[1], [1, 2], [1]] * 3}, "rows of the list differ in length"),
        ({"y": None}, "y must hold a target for each row, got None"),
        ({"groups": np.ma.masked_array(np.arange(9), True)}, "groups is a masked arr"),
        ({"y": "target"}, "y must hold the targets, got the word 'target'"),
        ({"X": np.ma.masked_array(np.ones((9, 2)), True)}, "X is a masked array"),
        ({"y": np.ma.masked_array(np.arange(9), True)}, "y is a masked array"),
        (
            {"sample_weight": np.ones(5)},
            "sample_weight must have 9 rows, as y",
        ),
        ({"groups": [1, None] * 4 + [2]}, "groups must name a group for each row"),
        ({"y": np.arange(9).astype("m8[s]")}, "y holds values of type timedelta64"),
        ({"X": {"a": range(5)}}, "X must have 9 rows, as y has, got 5"),
    ],
)
def test_what_is_not_one_for_each_row_is_refused_before_any_fold(given, message):
    rows = {"X": np.ones((9, 2)), "y": np.arange(9) % 3, "cv": GroupKFold(3)}
    if "groups" not in given:
        rows["cv"] = 3
    with pytest.raises((TypeError, ValueError), match=message):
        search(**{**rows, **given})


@pytest.mark.parametrize("size", [1.1e300, 1.1e-300])
def test_numbers_whose_squares_no_float_can_hold_are_refused(size):
    y = np.arange(9) * size
    with pytest.raises(ValueError, match=r"y has numbers of up to 8\.8e"):
        read_target(y, "regression")

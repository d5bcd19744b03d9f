"""Leaks and ids are said, and sound tables are left alone."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine

from skact.quick_search.alerts import find_alerts, find_imbalance

RNG = np.random.default_rng(0)
N = 300
Y = RNG.integers(0, 2, N)
FRAME = pd.DataFrame({"a": RNG.normal(size=N), "b": RNG.normal(size=N) + Y})


def alerts(X, y=Y, task="classification"):
    return find_alerts(X, y, task)


@pytest.mark.parametrize("load", [load_breast_cancer, load_iris, load_wine])
def test_sound_tables_of_classes_raise_no_alarm(load):
    X, y = load(return_X_y=True, as_frame=True)
    assert alerts(X, y.to_numpy()) == []


def test_a_sound_table_of_numbers_raises_no_alarm():
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    assert alerts(X, y.to_numpy(), "regression") == []


def test_a_column_that_is_y_in_other_words_is_named():
    words = FRAME.assign(state=np.where(Y == 1, "closed", "open"))
    (found,) = alerts(words)
    assert found.startswith("Column 'state' alone tells y (accuracy 1): if it is known")
    (found,) = alerts(FRAME.assign(score=Y * 10.0 + RNG.normal(size=N) / 9))
    assert "Column 'score' alone tells y" in found


def test_a_column_that_is_a_function_of_numbers_to_predict_is_named():
    y = RNG.normal(size=N)
    frame = pd.DataFrame({"a": RNG.normal(size=N), "euros": np.exp(y)})
    (found,) = alerts(frame, y, "regression")
    assert "Column 'euros' alone tells y (R2 0.99" in found


def test_whole_numbers_that_never_repeat_are_called_ids():
    frame = FRAME.assign(customer=RNG.permutation(10 * N)[:N])
    (found,) = alerts(frame)
    assert found.startswith(
        "Another whole number in every row, as ids have: 'customer'"
    )
    assert alerts(FRAME.assign(age=RNG.integers(18, 80, N))) == []


def test_arrays_have_columns_too_and_sparse_ones_are_not_looked_at():
    X = np.column_stack([FRAME["a"], Y])
    (found,) = alerts(X)
    assert "Column 1 alone tells y" in found
    assert alerts(csr_array(X)) == []


def test_numbers_too_large_for_a_tree_raise_no_error():
    frame = FRAME.assign(huge=FRAME["a"] * 1e300, gaps=FRAME["a"].mask(Y == 1))
    assert [text for text in alerts(frame) if "huge" in text] == []
    (found,) = alerts(FRAME.assign(huge=np.where(Y == 1, 1e300, -1e300)))
    assert "Column 'huge' alone tells y" in found


def test_the_only_column_may_tell_y():
    assert alerts(FRAME[["a"]].assign(a=Y)) == []


@pytest.mark.parametrize(
    ("y", "said"),
    [
        (np.arange(100) < 95, "95.0% of the rows are of class True"),
        (np.repeat(["no", "yes"], [930, 70]), "93.0% of the rows are of class 'no'"),
        (np.repeat([0, 1, 2], [96, 2, 2]), "scoring='roc_auc_ovr'"),
    ],
)
def test_accuracy_of_nearly_one_class_is_said_to_say_little(y, said):
    for scoring in (None, "accuracy"):
        (found,) = find_imbalance(y, "classification", scoring)
        assert said in found
    assert find_imbalance(y, "classification", "roc_auc") == []
    assert find_imbalance(y, "regression", None) == []


def test_two_classes_of_many_rows_and_a_single_one_are_left_alone():
    assert find_imbalance(np.arange(100) < 89, "classification", None) == []
    assert find_imbalance(np.zeros(100, int), "classification", None) == []

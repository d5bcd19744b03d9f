"""No two values have one label, and a sentence does not take a label apart."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from skact import compare
from skact.analysis.value_labels import join_with_and, labels_of_values, quote_name

GONE = np.nan


@pytest.mark.parametrize(
    ("columns", "labels"),
    [
        ({"a": ["x", "y"]}, ["x", "y"]),
        ({"a": [1, 2]}, ["a=1", "a=2"]),
        ({"a": ["x", "y"], "b": [1, 0.5]}, ["x, b=1.0", "y, b=0.5"]),
        ({"a": [1, 2], "b": [0.5, 0.5]}, ["a=1, b=0.5", "a=2, b=0.5"]),
        ({"a": ["x", "y"], "b": ["x", "x"]}, ["x, x", "y, x"]),
        ({"a": ["x", "y"], "b": [3, GONE]}, ["x, b=3.0", "y"]),
    ],
)
def test_a_string_stands_for_itself(columns: Any, labels: Any) -> None:
    assert labels_of_values(pd.DataFrame(columns), [*columns]) == labels


@pytest.mark.parametrize(
    ("columns", "labels"),
    [
        ({"a": ["None", GONE], "b": [GONE, "None"]}, ["a=None", "b=None"]),
        (
            {"a": ["None", 1, GONE], "b": [GONE, GONE, "None"]},
            ["a=None", "a=1", "b=None"],
        ),
        ({"a": ["None", GONE], "b": [GONE, "x"]}, ["a=None", "b=x"]),
        ({"a": ["x, y", "x"], "b": ["z", "y, z"]}, ["a=x, y, b=z", "a=x, b=y, z"]),
        ({"a": ["a=1", 1, "x"]}, ["a=1 #1", "a=1 #2", "x"]),
        ({"a": ["a=1", 1, "a=1 #1"]}, ["a=1 #2", "a=1 #3", "a=1 #1"]),
        (
            {"a": ["x, b=2.0", "x"], "b": [GONE, 2]},
            ["a=x, b=2.0 #1", "a=x, b=2.0 #2"],
        ),
    ],
)
def test_values_that_would_share_a_label_are_told_apart(
    columns: Any, labels: Any
) -> None:
    assert labels_of_values(pd.DataFrame(columns), [*columns]) == labels


def test_equal_values_have_one_label() -> None:
    frame = pd.DataFrame({"a": [np.float64(0.5), 0.5, "x"]}, dtype=object)
    assert labels_of_values(frame, ["a"]) == ["a=0.5", "a=0.5", "x"]


def test_none_of_one_column_is_not_none_of_another(results: Any) -> None:
    """Two models became one value, and the better one gave its score."""
    grid = [{"tree": None}, {"tree": 1}, {"line": None}, {"line": "balanced"}]
    table = results({"a": [[0.9, 0.8], [0.7, 0.6], [0.5, 0.4], [0.3, 0.2]]})
    table["params"] = grid
    found = compare(table, ["tree", "line"])
    expected = {"tree=None", "tree=1", "line=None", "line=balanced"}
    assert set(found.means.index) == expected
    assert found.means["line=None"] == pytest.approx(0.45)


@pytest.mark.parametrize("name", ["poly, degree=2", "('relu', 'tanh')", "a and b", ""])
def test_names_that_a_sentence_would_take_apart_are_quoted(name: str) -> None:
    assert quote_name(name) == f'"{name}"'


@pytest.mark.parametrize("name", ["relu", "C=0.1", "leaky_relu(0.2)", "sand"])
def test_plain_names_are_not_quoted(name: str) -> None:
    assert quote_name(name) == name


def test_names_are_joined_as_in_a_sentence() -> None:
    assert join_with_and(["a"]) == "a"
    assert join_with_and(["a", "b"]) == "a and b"
    assert join_with_and(["a", "b", "c"]) == "a, b and c"

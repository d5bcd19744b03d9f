"""No two values of the compared columns have one label."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from skact import compare
from skact.analysis.value_labels import labels_of_values

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

"""Groups of displays have names that say what they are."""

import math

import pandas as pd
import pytest

from skact.visualization.display_groups import (
    as_list,
    check_column_names,
    describe_row,
)


def test_one_name_and_several_are_a_list() -> None:
    assert as_list("lr") == ["lr"]
    assert as_list(("lr", "width")) == ["lr", "width"]
    assert as_list([]) == []


def test_names_of_columns_that_are_not_there_are_refused() -> None:
    check_column_names("by", ["lr"], ["lr", "width"])
    with pytest.raises(ValueError, match=r"by must name some of \['lr'\]; got 'fold'"):
        check_column_names("by", ["lr", "fold"], ["lr"])
    with pytest.raises(ValueError, match=r"fold_\* are there with log\.scorer\(\)"):
        check_column_names("metrics", ["fold_loss"], ["train_loss"])


def test_a_row_says_its_values_and_leaves_out_what_it_has_not() -> None:
    row = pd.Series({"activation": "relu", "lr": 0.00012345, "width": 8, "p": math.nan})
    assert describe_row(row, ["activation", "lr", "width", "p"]) == (
        "relu, lr=0.000123, width=8"
    )
    assert describe_row(row, ["p"]) == ""

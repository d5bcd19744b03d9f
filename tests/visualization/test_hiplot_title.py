"""The title of a page says what its lines are, and what the colours mean."""

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from skact import to_hiplot
from skact.visualization.hiplot_page import PagePlan
from skact.visualization.hiplot_title import title_of


def plan(color: str, cells: list[Any], kind: str, **fields: Any) -> PagePlan:
    whole: dict[str, Any] = {
        "rows": [{} if cell is None else {color: cell} for cell in cells],
        "uids": list(map(str, range(len(cells)))),
        "types": {color: kind},
        "axes": [color],
        "hidden": [],
        "inverted": [],
        "color": color,
        "colors": {},
        "sort": [],
    }
    return PagePlan(**(whole | fields))


def words_of(title: str) -> str:
    return " ".join(re.sub("<[^>]*>", " ", title).split())


def test_numbers_have_a_ramp_between_their_ends() -> None:
    title = title_of(plan("score", [0.25, None, 0.9, 0.5], "numeric"))
    assert words_of(title).startswith("A line is a candidate. Colours: score 0.25 0.9 ")
    assert title.index("0.25") < title.index('class="ramp"') < title.index("0.9")
    assert "0.5" not in title
    assert "0.01 0.1 (log)" in words_of(title_of(plan("lr", [0.1, 0.01], "numericlog")))


def test_words_have_their_colours() -> None:
    colors = {"relu": "rgb(1, 2, 3)", "<b>": "rgb(4, 5, 6)"}
    title = title_of(plan("a", ["relu", "<b>"], "categorical", colors=colors))
    assert '<i style="background: rgb(1, 2, 3)"></i>relu' in title
    assert '<i style="background: rgb(4, 5, 6)"></i>&lt;b&gt;' in title
    many = {f"w{i:02}": f"rgb({i}, 0, 0)" for i in range(50)}
    title = title_of(plan("a", list(many), "categorical", colors=many))
    assert title.count("<i ") == 40
    assert "w39 and 10 more" in words_of(title)


def test_colours_that_say_nothing_are_not_explained() -> None:
    assert "Colours" not in title_of(plan("score", [0.5, 0.5], "numeric"))
    assert title_of(plan("score", [0.5], "numeric", axes=[])) == ""


def test_what_is_only_in_the_table_is_named() -> None:
    few = plan("score", [0.1, 0.2], "numeric", left_out=("dead_1", "<i>"))
    assert "Only in the table: dead_1, &lt;i&gt;." in title_of(few)
    many = plan("s", [1, 2], "numeric", left_out=tuple(f"c{i}" for i in range(40)))
    assert "c29 and 10 more." in title_of(many)


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        (["lr", "mean_test_score"], "A line is a candidate."),
        (["candidate", "lr", "fold", "test_score"], "A line is a candidate on a fold."),
        (["lr", "epoch", "train_loss"], "A line above is a fit; a line below, one of"),
        (["epoch"], "A line is an epoch."),
    ],
)
def test_a_line_is_what_a_row_is(columns: list[str], line: str) -> None:
    frame = pd.DataFrame({name: np.arange(1, 4) for name in columns})
    page = to_hiplot(frame)
    assert words_of(page.title).startswith(line)
    assert page.title in page.to_html()

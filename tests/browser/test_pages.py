"""What a page really shows, in Chromium and offline."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from skact.results.frames import to_frame
from skact.visualization.hiplot_experiment import to_hiplot

pytestmark = pytest.mark.once  # HiPlot has no other version

Open = Callable[..., Any]
HAS_COLOURS = """
const canvas = document.querySelector('.pplot-root canvas'), {width, height} = canvas;
const {data} = canvas.getContext('2d').getImageData(0, 0, width, height);
return data.some((value) => value > 0);
"""


def results_of(**params: list[Any]) -> dict[str, Any]:
    """Results of the full grid, whose candidates get better from first to last."""
    candidates = list(itertools.product(*params.values()))
    scores = np.linspace(0.5, 0.9, len(candidates))
    columns = [np.empty(len(candidates), dtype=object) for _ in params]
    for i, candidate in enumerate(candidates):
        for column, value in zip(columns, candidate, strict=True):
            column[i] = value
    return {
        "mean_fit_time": scores[::-1],
        **{f"param_{name}": c for name, c in zip(params, columns, strict=True)},
        "split0_test_score": scores - 0.1,
        "split1_test_score": scores + 0.1,
        "mean_test_score": scores,
        "std_test_score": scores / 10,
        "rank_test_score": np.arange(len(candidates), 0, -1),
    }


ACTIVATIONS = ["relu", "tanh", "leaky_relu(0.2)"]
GRID = results_of(activation=ACTIVATIONS, width=[32, 128], lr=[0.001, 0.1])
AXES = [
    "width",
    "lr",
    "activation",
    "mean_fit_time",
    "std_test_score",
    "rank_test_score",
    "mean_test_score",
]


def test_a_grid_is_a_line_a_candidate_from_its_parameters_to_its_score(
    open_page: Open,
) -> None:
    page = open_page(to_hiplot(GRID).to_html())
    assert page.lines == 12
    assert page.axes == AXES
    assert page.errors == []
    assert page.requests == [page.url]


def test_a_reload_changes_neither_the_axes_nor_the_address(open_page: Open) -> None:
    page = open_page(to_hiplot(GRID).to_html())
    for _ in range(2):
        page.driver.refresh()
        page.settle()
        assert page.axes == AXES
        assert page.driver.current_url == page.url


def test_the_table_has_the_frame_s_columns_and_the_best_candidate_first(
    open_page: Open,
) -> None:
    page = open_page(to_hiplot(GRID).to_html())
    header = [node["text"] for node in page.texts(".sample-rows-table th")]
    assert header == ["", *to_frame(GRID).columns]
    first = [
        node["text"]
        for node in page.texts(".sample-rows-table tbody tr:first-child td")
    ]
    assert first[:5] == ["", "1", "leaky_relu(0.2)", "128", "0.1"]


@pytest.mark.parametrize("results", [GRID, results_of(activation=ACTIVATIONS)])
def test_all_words_can_be_read_from_edge_to_edge(open_page: Open, results: Any) -> None:
    page = open_page(to_hiplot(results).to_html())
    width = page.run("return document.documentElement.clientWidth")
    words = page.texts(".pplot-root .label-name") + page.texts(".pplot-root .tick text")
    assert min(node["left"] for node in words) >= 0
    assert max(node["right"] for node in words) <= width


def test_words_are_in_the_order_of_the_numbers_in_them(open_page: Open) -> None:
    results = results_of(max_depth=[None, 10, 3, 5])
    page = open_page(to_hiplot(results, hide=[*AXES[3:]]).to_html())
    ticks = sorted(page.texts(".pplot-root .tick text"), key=lambda node: -node["top"])
    shown = [node["text"].strip("\u200b\u200c") for node in ticks]
    assert shown == ["3", "5", "10", "None"]


@pytest.mark.parametrize("hide", [(), ["lr"]])
def test_a_page_of_one_candidate_is_a_table(open_page: Open, hide: Any) -> None:
    page = open_page(to_hiplot(results_of(lr=[0.1]), hide=hide).to_html())
    assert page.axes == []
    assert len(page.texts(".sample-rows-table tbody tr")) == 1
    assert page.errors == []


def test_a_failed_candidate_has_a_line_that_ends_before_its_score(
    open_page: Open,
) -> None:
    results = results_of(activation=["relu", "tanh", "elu"])
    for name in ["mean_test_score", "std_test_score", "split0_test_score"]:
        results[name] = np.where(results["rank_test_score"] == 3, np.nan, results[name])
    page = open_page(to_hiplot(results).to_html())
    assert (
        page.lines == 4
    )  # of the failed one, the parts left and right of std_test_score
    assert "nan" not in page.text
    assert page.errors == []


def test_hostile_names_and_values_are_shown_and_do_nothing(open_page: Open) -> None:
    hostile = [
        "<script>alert(1)</script>",
        "</script><img src=x onerror=alert(1)>",
        "<svg onload=alert(1)>",
        "<!--<script>",
        "&lt;img src=x onerror=alert(1)&gt;",
        "__proto__",
        "constructor",
        "toString",
        "\"'`${alert(1)}\\",
        "a\u2028b",
        "NaN",
        "inf",
        "",
    ]
    names = [name for name in hostile if name]
    results = results_of(value=hostile)
    results |= {f"param_{name}": list(range(len(hostile))) for name in names}
    page = open_page(to_hiplot(results, color="value").to_html())
    assert page.run("return window.alerts") == []
    assert page.errors == []
    assert page.requests == [page.url]
    assert page.lines == len(hostile)
    axes = [axis.strip("\u200b") for axis in page.axes]
    shown = [" ".join(name.split()) for name in names]
    shown = [name.replace("<", "\u2039").replace(">", "\u203a") for name in shown]
    # the long words stand at the left edge, where they take room only once
    assert axes == ["value", *shown, *AXES[3:]]


def test_the_frame_of_a_notebook_draws_too(open_page: Open) -> None:
    notebook = f"<!doctype html><body>{to_hiplot(GRID)._repr_html_()}</body>"
    page = open_page(notebook, in_frame=True)
    assert page.axes == AXES
    assert page.run("return self.origin") == "null"  # a stranger to the notebook
    assert page.run(HAS_COLOURS)  # the hook that counts lines does not reach into it
    assert page.errors == []


def test_ten_thousand_columns_do_not_take_the_browser_down(open_page: Open) -> None:
    params = {f"p{i}": list(np.linspace(1, 2, 12)) for i in range(10_000)}
    scores = {key: GRID[key] for key in ("mean_test_score", "rank_test_score")}
    wide = scores | {f"param_{name}": cells for name, cells in params.items()}
    page = open_page(to_hiplot(wide).to_html())
    assert page.lines == 12
    assert page.axes[-2:] == AXES[-2:]
    assert len(page.axes) == 100
    assert "This page shows 100 of 10,002 columns" in page.text
    assert page.errors == []

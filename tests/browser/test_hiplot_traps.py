"""The traps of HiPlot 0.1.33's page, one test each: no page of ours falls into them."""

import itertools
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from skact.results.frames import to_frame
from skact.visualization.hiplot_experiment import to_hiplot
from tests.browser.test_levels import check_quiet, curves, results_of

pytestmark = pytest.mark.once  # HiPlot has no other version

Open = Callable[..., Any]
COLOURS = """
const canvas = document.querySelector('.pplot-root canvas'), {width, height} = canvas;
const {data} = canvas.getContext('2d').getImageData(0, 0, width, height);
const found = new Set();
for (let i = 0; i < data.length; i += 4)
  if (data[i + 3] > 200) found.add([data[i], data[i + 1], data[i + 2]].join());
return [...found].map((colour) => colour.split(',').map(Number));
"""


def grid(**params: list[Any]) -> dict[str, Any]:
    """Results of the full grid, best candidates first."""
    candidates = list(itertools.product(*params.values()))
    columns = {
        name: [candidate[i] for candidate in candidates]
        for i, name in enumerate(params)
    }
    return results_of(np.linspace(0.9, 0.5, len(candidates)), **columns)


def ticks(page: Any, axis: str) -> list[str]:
    """The words or numbers at an axis, from bottom to top."""
    labels = page.texts(".pplot-root .label-name")
    left = next(node["left"] for node in labels if node["text"] == axis)
    rights = [node["left"] for node in labels if node["left"] > left]
    near = [
        node
        for node in page.texts(".pplot-root .tick text")
        if left - 120 < node["right"] < min([*rights, left + 300]) - 100
    ]
    shown = sorted(near, key=lambda node: -node["top"])
    return [node["text"].strip("\u200b\u200c") for node in shown if node["text"]]


def test_trap_01_axes_run_from_left_to_right_as_the_table_does(open_page: Open) -> None:
    page = open_page(
        to_hiplot(grid(width=[8, 16], lr=[0.1, 0.2], a=["x", "y"])).to_html()
    )
    expected = ["width", "lr", "a", "rank_test_score", "mean_test_score"]
    assert page.axes == expected
    header = [node["text"] for node in page.texts(".sample-rows-table th")]
    assert header[:4] == ["", "rank_test_score", "width", "lr"]


def test_trap_02_a_reload_does_not_mirror_the_axes(open_page: Open) -> None:
    page = open_page(to_hiplot(grid(width=[8, 16], lr=[0.1, 0.2])).to_html())
    axes = page.axes
    for _ in range(3):
        page.driver.refresh()
        page.settle()
        assert (page.axes, page.driver.current_url) == (axes, page.url)


def test_trap_03_colours_of_words_are_not_black(open_page: Open) -> None:
    results = grid(a=["x", "y", "z"], lr=[0.1, 0.2])
    page = open_page(to_hiplot(results, color="a").to_html())
    colours = page.run(COLOURS)
    assert colours
    assert any(max(colour) - min(colour) > 60 for colour in colours)
    check_quiet(page)


def test_trap_04_low_ranks_are_on_top_by_the_axis_and_not_by_the_colours(
    open_page: Open,
) -> None:
    experiment = to_hiplot(grid(lr=[0.1, 0.2, 0.3, 0.4]))
    assert "inverse" not in json.dumps(experiment._asdict())
    page = open_page(experiment.to_html())
    numbers = [float(tick) for tick in ticks(page, "rank_test_score")]
    assert numbers == sorted(numbers, reverse=True)
    assert len(numbers) > 1
    assert len(page.run(COLOURS)) >= 4  # one map from low to high, all of it used


def test_trap_05_few_numbers_are_numbers_and_rates_are_logarithmic(
    open_page: Open,
) -> None:
    folds = list(range(12))
    results = grid(h=[8, 16, 128], lr=[0.001, 0.01, 0.1], repeat=folds)
    types = {
        name: definition.type.value
        for name, definition in to_hiplot(results).parameters_definition.items()
    }
    assert (types["h"], types["lr"]) == ("numeric", "numericlog")
    assert set(types) == set(to_frame(results).columns)  # HiPlot infers none
    page = open_page(to_hiplot(results).to_html())
    numbers = [float(tick) for tick in ticks(page, "h")]
    assert numbers == sorted(numbers)
    assert len(numbers) > 3  # words would be three ticks
    assert "1e-3" in ticks(page, "lr")


def test_trap_06_a_zero_is_on_no_logarithmic_axis(open_page: Open) -> None:
    results = grid(alpha=[0.0, 0.001, 1.0], C=[1, 1000])
    page = open_page(to_hiplot(results).to_html())
    assert page.lines == 6
    check_quiet(page)
    with pytest.raises(ValueError, match="log needs positive numbers; got 'alpha'"):
        to_hiplot(results, log="alpha")


def test_trap_07_words_colour_lines_and_break_no_page(open_page: Open) -> None:
    page = open_page(to_hiplot(grid(g=["scale", 0.5, 2]), color="g").to_html())
    assert page.lines == 3
    check_quiet(page)


def test_trap_08_a_missing_score_ends_a_line_and_has_no_place_on_the_axis(
    open_page: Open,
) -> None:
    results = grid(lr=[0.1, 0.2, 0.3])
    results["mean_test_score"] = np.array([0.9, 0.8, np.nan])
    results["split0_test_score"] = np.array([0.9, -np.inf, np.nan])
    page = open_page(to_hiplot(results).to_html())
    assert page.lines == 3
    assert "nan" not in page.text.lower()
    assert "inf" not in page.text
    frame = curves(n_folds=1, n_epochs=5)
    frame.loc[2, "valid_loss"] = np.nan
    page = open_page(to_hiplot(frame).to_html())
    assert page.segments == 3 * 4 - 2  # the curve has a gap, and no spike
    assert "nan" not in page.text.lower()
    check_quiet(page)


@pytest.mark.parametrize("equal", [False, True])
def test_trap_09_where_nothing_varies_there_is_a_table_and_no_crash(
    open_page: Open, equal: bool
) -> None:
    results = results_of([0.5] * (1 + equal), lr=[0.1] * (1 + equal))
    results["rank_test_score"] = [1] * (1 + equal)
    page = open_page(to_hiplot(results).to_html())
    assert page.axes == []
    assert len(page.texts(".sample-rows-table tbody tr")) == 1 + equal
    check_quiet(page)
    page = open_page(to_hiplot(grid(lr=[0.1, 0.2], width=[8])).to_html())
    assert "width" not in page.axes
    header = [node["text"] for node in page.texts(".sample-rows-table th")]
    assert "width" in header


@pytest.mark.parametrize("option", ["color", "order", "hide", "log"])
def test_trap_10_a_column_that_is_not_there_never_reaches_a_page(option: str) -> None:
    with pytest.raises(ValueError, match=f"{option} must name some of"):
        to_hiplot(grid(lr=[0.1, 0.2]), **{option: "nothing"})


def test_trap_11_an_axis_of_too_many_words_is_only_in_the_table(
    open_page: Open,
) -> None:
    names = [f"a{i}" for i in range(81)]
    page = open_page(to_hiplot(grid(a=names)).to_html())
    assert page.axes == ["rank_test_score", "mean_test_score"]
    assert page.lines == 81
    few = open_page(to_hiplot(grid(a=names[:80])).to_html())
    assert "a" in few.axes


@pytest.mark.parametrize("order", [(), "activation"])
def test_trap_12_no_word_is_cut_off_and_no_number_has_seventeen_digits(
    open_page: Open, order: Any
) -> None:
    words = ["LeakyReLU(negative_slope=0.01)", "relu"]
    results = grid(activation=words, x=[1 / 3, 2 / 3])
    page = open_page(to_hiplot(results, order=order).to_html())
    width = page.run("return document.documentElement.clientWidth")
    words = page.texts(".pplot-root .label-name") + page.texts(".pplot-root .tick text")
    assert min(node["left"] for node in words) >= 0
    assert max(node["right"] for node in words) <= width
    assert "0.333333" in page.text
    assert "0.3333333" not in page.text
    assert "uid" not in page.axes


@pytest.mark.parametrize("level", ["candidate", "epoch"])
def test_trap_13_a_notebook_s_frame_is_as_high_as_the_page(
    open_page: Open, level: str
) -> None:
    shown = curves() if level == "epoch" else grid(lr=list(np.linspace(0.1, 1, 12)))
    page = open_page(f"<body>{to_hiplot(shown)._repr_html_()}</body>", in_frame=True)
    height = page.run("return document.documentElement.scrollHeight")
    assert height <= page.run("return innerHeight")


def test_trap_14_curves_are_shown_first_and_without_a_click(open_page: Open) -> None:
    page = open_page(to_hiplot(curves()).to_html())
    assert page.segments == 360
    tops = page.run(
        "return [...document.querySelectorAll('canvas')].map((canvas) =>"
        " [canvas.closest('.pplot-root') !== null, canvas.getBoundingClientRect().top])"
    )
    assert max(top for ours, top in tops if not ours) < min(
        top for ours, top in tops if ours
    )
    labels = page.text.split("\n")
    assert labels.index("valid_loss") > 0


def test_trap_15_the_score_colours_the_lines_whatever_comes_first(
    open_page: Open,
) -> None:
    experiment = to_hiplot(grid(aaa=[1, 2, 3], lr=[0.1, 0.2]))
    assert experiment.colorby == "mean_test_score"
    page = open_page(experiment.to_html())
    squares = page.run(
        "return [...document.querySelectorAll('.sample-rows-table tbody tr')].map("
        "(row) => getComputedStyle(row.querySelector('td *')).backgroundColor)"
    )
    assert len(set(squares)) == 6  # a colour for each score

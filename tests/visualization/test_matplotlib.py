"""All displays share axes, colours and the message about matplotlib."""

import subprocess
import sys
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from skact import TrainingDisplay
from skact.visualization._matplotlib import (
    are_numbers,
    color_scale_of,
    colors_of,
    draw_color_bar,
    draw_legend,
    escape_dollars,
    has_color_bar,
    open_axes,
    open_grid,
    open_panels,
)


def legend(display: TrainingDisplay) -> list[str]:
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


def test_the_same_words_have_the_same_colours_in_every_picture() -> None:
    def colors(order: list[str]) -> dict[str, Any]:
        rows = [(name, e, 1.0 / e) for name in order for e in (1, 2)]
        frame = pd.DataFrame(rows, columns=["activation", "epoch", "train_loss"])
        display = TrainingDisplay.from_estimator(frame)
        lines = zip(display.groups, display.lines_, strict=True)
        return {label: line.get_color() for label, line in lines}

    assert colors(["relu", "tanh", "elu"]) == colors(["elu", "relu", "tanh"])


def test_numbers_are_coloured_in_their_order() -> None:
    rows = [(lr, e, 1 / e + lr) for lr in (0.1, 0.001, 0.01) for e in (1, 2)]
    frame = pd.DataFrame(rows, columns=["lr", "epoch", "train_loss"])
    display = TrainingDisplay.from_estimator(frame)
    light = {
        label: mpl.colors.rgb_to_hsv(mpl.colors.to_rgb(line.get_color()))[2]
        for label, line in zip(legend(display), display.lines_, strict=True)
    }
    assert light["lr=0.001"] < light["lr=0.01"] < light["lr=0.1"]


def test_more_words_than_colours_of_the_cycle_have_all_their_own() -> None:
    rows = [(f"f{i}", e, 1.0 + i) for i in range(14) for e in (1, 2)]
    frame = pd.DataFrame(rows, columns=["activation", "epoch", "train_loss"])
    display = TrainingDisplay.from_estimator(frame)
    assert len({tuple(line.get_color()) for line in display.lines_}) == 14


def test_without_matplotlib_it_says_what_to_install() -> None:
    script = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "import pandas, skact\n"
        "frame = pandas.DataFrame({'epoch': [1], 'train_loss': [1.0]})\n"
        "try: skact.TrainingDisplay.from_estimator(frame)\n"
        "except ImportError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert 'pip install "skact[plot]"' in done.stdout


def test_numbers_are_real_numbers_and_no_booleans() -> None:
    assert are_numbers([1, 2.5, np.float64(3)])
    assert not are_numbers([1, True])
    assert not are_numbers([1, "2"])


def test_a_text_with_dollars_is_drawn_as_it_is() -> None:
    assert escape_dollars("a$b$") == r"a\$b\$"
    assert escape_dollars(1.5) == "1.5"
    figure, ax = open_axes(None, "Display")
    ax.set_title(escape_dollars("$\\broken{"))
    figure.canvas.draw()  # mathematics that cannot be parsed would raise


def test_new_axes_are_opened_only_if_none_are_given() -> None:
    figure, ax = plt.subplots()
    assert open_axes(ax, "Display") == (figure, ax)
    other, _ = open_axes(None, "Display")
    assert other is not figure


@pytest.mark.parametrize(
    ("n", "columns"),
    [(1, 1), (4, 4), (5, 3), (7, 4), (9, 3), (12, 4), (13, 5), (27, 6), (30, 6)],
)
def test_a_grid_has_as_many_axes_as_asked_and_rows_of_few(n: int, columns: int) -> None:
    figure, axes = open_grid(n, "Display")
    assert len(axes) == len(figure.axes) == n
    assert axes[0].get_gridspec().ncols == columns
    axes[0].set_xlim(2, 3)
    assert axes[-1].get_xlim() == (2, 3)
    # the lowest axes of each column says where its points are
    figure.canvas.draw()
    lowest = {ax.get_subplotspec().colspan.start: ax for ax in axes}
    for ax in axes:
        shown = any(label.get_visible() for label in ax.get_xticklabels())
        assert shown is (ax in lowest.values())


def test_colours_of_numbers_are_logarithmic_if_they_span_a_factor_of_ten() -> None:
    assert isinstance(color_scale_of([1, 10]).norm, mpl.colors.LogNorm)
    for values in ([1, 9], [0, 10], [-1, 10], [3, 3]):
        norm = color_scale_of(values).norm
        assert not isinstance(norm, mpl.colors.LogNorm)
        assert norm.vmin < norm.vmax


def test_words_get_colours_by_their_alphabetical_order() -> None:
    first, second = mpl.rcParams["axes.prop_cycle"].by_key()["color"][:2]
    assert colors_of(["b", "a"]) == [second, first]
    assert (
        len({tuple(color) for color in colors_of([f"w{i}" for i in range(20)])}) == 20
    )
    assert colors_of(["x", "x"])[0] == first


def test_panels_share_their_epochs_and_axes_without_a_grid_are_not_divided() -> None:
    figure, axes = open_panels(None, 3, "Display")
    assert len(axes) == len(figure.axes) == 3
    axes[0].set_xlim(2, 3)
    assert axes[2].get_xlim() == (2, 3)
    one = plt.figure().add_axes((0.1, 0.1, 0.8, 0.8))
    assert open_panels(one, 1, "Display")[1].tolist() == [one]
    with pytest.raises(ValueError, match="one axes of a grid, or as many"):
        open_panels(one, 2, "Display")


@pytest.mark.parametrize(
    ("n", "is_own"), [(5, True), (6, True), (10, False), (11, False)]
)
def test_a_legend_of_many_labels_stands_outside(n: int, is_own: bool) -> None:
    figure, ax = open_axes(None, "Display")
    before = figure.get_size_inches()[0]
    lines = ax.plot(np.eye(n))
    draw_legend(ax, lines, [f"label {i}" for i in range(n)], is_own=is_own)
    figure.canvas.draw()
    box = ax.get_legend().get_window_extent()
    is_outside = bool(box.x0 >= ax.bbox.x1)
    assert is_outside is (n in (6, 11))
    is_wider = bool(figure.get_size_inches()[0] > before)
    assert is_wider is (is_outside and is_own)
    draw_legend(ax, [], [])


def test_more_than_eight_numbers_have_a_bar_of_colours() -> None:
    assert has_color_bar(list(range(9)))
    assert not has_color_bar(list(range(8)))
    assert not has_color_bar([f"{i}" for i in range(9)])
    figure, ax = open_axes(None, "Display")
    draw_color_bar([ax], list(range(8)), "lr")
    assert figure.axes == [ax]
    draw_color_bar([ax], list(range(9)), "lr")
    assert figure.axes[1].get_ylabel() == "lr"

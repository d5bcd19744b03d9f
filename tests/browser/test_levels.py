"""Pages of all kinds: as many lines as rows, no error, nothing asked of anywhere."""

import itertools
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from torch import nn

from skact.results.frames import to_frame
from skact.visualization.hiplot_experiment import to_hiplot

pytestmark = pytest.mark.once  # HiPlot has no other version

Open = Callable[..., Any]
ACTIVATIONS = ["relu", "tanh", "leaky_relu(0.2)"]


def results_of(scores: Any, **params: list[Any]) -> dict[str, Any]:
    columns = {f"param_{name}": values for name, values in params.items()}
    order = np.argsort(-np.asarray(scores), kind="stable")
    ranks = np.empty(len(order), dtype=int)
    ranks[order] = np.arange(1, len(order) + 1)
    return columns | {
        "split0_test_score": scores,
        "mean_test_score": scores,
        "rank_test_score": ranks,
    }


def curves(n_folds: int = 5, n_epochs: int = 25) -> pd.DataFrame:
    """Epochs of a net for each activation and fold, losses that fall."""
    rows = []
    places = itertools.product(enumerate(ACTIVATIONS), range(n_folds))
    for (candidate, activation), fold in places:
        for epoch in range(1, n_epochs + 1):
            loss = (1 + candidate + 0.1 * fold) / epoch
            rows.append((activation, candidate, fold, epoch, loss, 1.1 * loss))
    names = ["activation", "candidate", "fold", "epoch", "train_loss", "valid_loss"]
    return pd.DataFrame(rows, columns=names)


def check_quiet(page: Any) -> None:
    """Nothing went wrong, nothing ran that should not, nothing left the file."""
    assert page.errors == []
    assert page.run("return window.alerts") == []
    assert page.requests == [page.url]


def test_a_grid_of_classes_and_modules_shows_their_names(open_page: Open) -> None:
    values = [nn.ReLU, nn.Tanh(), nn.LeakyReLU(0.2), abs, lambda x: x]
    page = open_page(
        to_hiplot(results_of(np.linspace(0.9, 0.5, 5), f=values)).to_html()
    )
    assert page.lines == 5
    ticks = {node["text"] for node in page.texts(".pplot-root .tick text")}
    names = {"ReLU", "Tanh()", "LeakyReLU(negative_slope=0.2)", "abs", "lambda"}
    assert names <= ticks
    check_quiet(page)


def test_candidates_that_are_all_equal_are_a_table(open_page: Open) -> None:
    results = results_of([0.5] * 4, lr=[0.1] * 4)
    results["rank_test_score"] = [1] * 4
    page = open_page(to_hiplot(results).to_html())
    assert page.axes == []
    assert len(page.texts(".sample-rows-table tbody tr")) == 4
    check_quiet(page)


def test_a_parameter_of_mixed_types_has_an_axis_of_words(open_page: Open) -> None:
    gamma = ["scale", 0.5, None, True, 2]
    page = open_page(to_hiplot(results_of(np.linspace(0.9, 0.5, 5), g=gamma)).to_html())
    assert page.lines == 5
    ticks = page.texts(".pplot-root .tick text")
    shown = {node["text"].strip("\u200b\u200c") for node in ticks}
    assert {"scale", "0.5", "None", "True", "2"} <= shown
    check_quiet(page)


def monitored() -> pd.DataFrame:
    """Epochs with the 26 columns that a monitor of three layers adds."""
    frame = curves()
    rng = np.random.default_rng(0)
    layers = ["dead", "saturated", "preact_mean", "preact_std", "act_mean", "act_std"]
    names = [f"{name}_{k}" for k in (1, 2, 3) for name in layers]
    names += [f"{n}_{k}" for n in ("grad_norm", "update_ratio") for k in (1, 2, 3)]
    for name in [*names, "grad_norm_out", "grad_ratio"]:
        frame[name] = rng.normal(size=len(frame))
    ends = frame["epoch"] == frame["epoch"].max()
    frame["saturated_2"] = frame["valid_loss"] * np.where(ends, 1, -1)
    return frame


def test_a_monitor_leaves_room_for_what_tells_most(open_page: Open) -> None:
    page = open_page(to_hiplot(monitored()).to_html())
    assert len(page.axes) == 12
    assert page.axes[:3] == ["activation", "fold", "epoch"]
    assert page.axes[-1] == "valid_loss"
    assert {"train_loss", "saturated_2"} < set(page.axes)
    kinds = [re.sub("_[0-9]$", "", name) for name in page.axes]
    assert len(set(kinds)) == 12  # of each kind, one layer
    assert page.overlaps == []
    assert "Only in the table: " in page.text
    header = {node["text"] for node in page.texts(".sample-rows-table th")}
    assert set(monitored().columns) <= header
    check_quiet(page)


LONG = [
    "LeakyReLU(negative_slope=0.01)",
    "MMMM WWWW mmmm wwww MMMM WWWW",
    "\u6f22" * 20,
]


@pytest.mark.parametrize("width", [700, 1400])
def test_words_lie_over_no_neighbour_however_many_and_long_they_are(
    open_page: Open, width: int
) -> None:
    names = [f"a_parameter_of_a_long_name_{i}" for i in range(2)]
    words = {name: [*LONG, "relu"] for name in names}
    many = {f"p{i}": [1e-7, 123456, 0.25, 3] for i in range(8)}
    few = results_of([0.9, 0.8, 0.7, 0.6], activation=[*LONG, "relu"], lr=[1, 2, 3, 4])
    for results in (few, results_of([0.9, 0.8, 0.7, 0.6], **words, **many)):
        page = open_page(
            f"<!doctype html><body style='width: {width}px'>"
            + to_hiplot(results)._repr_html_()
            + "</body>",
            in_frame=True,
        )
        assert page.overlaps == []
        shown = page.texts(".pplot-root .tick text")
        assert min(node["left"] for node in shown) >= 0
        assert {word[:10] for word in LONG} <= {
            node["text"].strip("\u200b\u200c")[:10] for node in shown
        }


def test_the_title_says_what_the_colours_mean(open_page: Open) -> None:
    page = open_page(to_hiplot(curves()).to_html())
    keys = page.run(
        "return [...document.querySelectorAll('.skact-title i')].map((key) =>"
        " [key.nextSibling.textContent.trim(), getComputedStyle(key).backgroundColor])"
    )
    assert "Colours: activation" in page.text
    assert [word for word, _ in keys] == sorted(ACTIVATIONS)
    first = (
        "return getComputedStyle(document.querySelector(arguments[0])).backgroundColor"
    )
    row = ".sample-rows-table tbody tr:first-child td"
    (word,) = {node["text"] for node in page.texts(row)} & set(ACTIVATIONS)
    assert dict(keys)[word] == page.run(first, f"{row} *")
    scores = open_page(to_hiplot(results_of([0.9, 0.8, 0.7], lr=[1, 2, 3])).to_html())
    assert "Colours: mean_test_score 0.7" in scores.text
    assert scores.run(first, f"{row} *") == "rgb(253, 231, 37)"  # the end of the ramp


def test_losses_that_span_a_factor_of_ten_have_a_log_axis(open_page: Open) -> None:
    frame = curves(n_epochs=8)  # losses from 3.4 to 0.13, for training and held out
    types = {
        name: value.type.value
        for name, value in to_hiplot(frame).parameters_definition.items()
    }
    assert types["train_loss"] == types["valid_loss"] == "numericlog"
    page = open_page(to_hiplot(frame).to_html())
    heights = page.texts(".axis_render .tick text")
    powers = [x["text"] for x in heights if re.fullmatch("[0-9]e[+-][0-9]", x["text"])]
    assert len(powers) > 3  # the curves have it, too
    check_quiet(page)


def test_pages_of_folds_keep_parameters_left_of_many_metrics(open_page: Open) -> None:
    scores = np.linspace(0.9, 0.5, 6)
    params = {"lr": [0.1, 0.01] * 3, "activation": ACTIVATIONS * 2}
    results: dict[str, Any] = {f"param_{name}": v for name, v in params.items()}
    for metric in [f"metric_{i}" for i in range(9)]:
        for part in ("test", "train"):
            for name in ("split0", "split1", "mean", "std"):
                results[f"{name}_{part}_{metric}"] = scores
        results[f"rank_test_{metric}"] = np.arange(1, 7)
    page = open_page(to_hiplot(results, "fold").to_html())
    assert page.axes[:3] == ["activation", "lr", "fold"]
    assert page.axes[-2:] == ["rank_test_metric_0", "test_metric_0"]
    assert page.axes[3:-2] == [f"test_metric_{i}" for i in range(1, 8)]
    assert page.overlaps == []
    check_quiet(page)


def test_curves_are_chains_of_their_epochs(open_page: Open) -> None:
    page = open_page(to_hiplot(curves()).to_html())
    assert page.segments == 3 * 5 * 24
    assert page.lines == 375
    assert page.axes[-2:] == ["train_loss", "valid_loss"]
    assert page.axes[0] == "activation"
    check_quiet(page)
    axes = page.axes
    page.driver.refresh()
    page.settle()
    assert (page.axes, page.segments) == (axes, 360)


def test_brushing_an_axis_filters_the_curves_and_the_table(open_page: Open) -> None:
    page = open_page(to_hiplot(curves()).to_html())
    assert page.selected == 375
    page.brush("epoch", 0.02, 0.5)
    kept = page.selected  # later epochs of 15 curves: the axis has 25 on top
    assert 0 < kept < 375
    assert kept % 15 == 0
    assert (
        page.segments == kept
    )  # each from a point before it, also if that is not kept
    assert page.lines == kept
    table = page.run("return document.querySelector('.dataTables_info').textContent")
    assert f"of {kept} entries" in table
    check_quiet(page)


def test_two_searches_share_a_page(open_page: Open) -> None:
    one = results_of([0.9, 0.8, 0.7], lr=[0.1, 0.01, 0.001])
    two = results_of([0.85, 0.6], C=[1, 10])
    page = open_page(to_hiplot({"mlp": one, "<svc>": two}).to_html())
    ticks = {
        node["text"].strip("\u200b\u200c")
        for node in page.texts(".pplot-root .tick text")
    }
    assert {"mlp", "\u2039svc\u203a"} <= ticks
    assert set(page.axes) == {"model", "lr", "C", "rank_test_score", "mean_test_score"}
    assert page.lines >= 5  # a line ends before an axis that its search has not
    assert len(page.texts(".sample-rows-table tbody tr")) == 5
    check_quiet(page)


@pytest.mark.parametrize("n_rows", [20_000, 100_000])
def test_so_many_rows_are_drawn_as_far_as_one_can_see(
    open_page: Open, n_rows: int
) -> None:
    rng = np.random.default_rng(0)
    lr, width = rng.uniform(0.001, 1, n_rows), rng.integers(8, 512, n_rows)
    results = results_of(rng.uniform(0.5, 1, n_rows), lr=lr, width=width)
    page = open_page(to_hiplot(results).to_html(), patience=120)
    assert page.lines == 20_000
    assert ("This page shows 20,000 of 100,000 rows" in page.text) is (n_rows > 20_000)
    check_quiet(page)


def test_all_rows_are_drawn_on_demand(open_page: Open) -> None:
    n_rows = 100_000
    scores = np.linspace(1, 0, n_rows)
    experiment = to_hiplot(results_of(scores, lr=scores + 0.1), max_rows=None)
    page = open_page(experiment.to_html(), patience=240)
    assert page.lines == n_rows
    check_quiet(page)


HOSTILE = [
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<!--<script>",
    "__proto__",
    "constructor",
    "\"'`${alert(1)}\\",
    "a\u2028b\u2029c",
    "&#60;img src=x onerror=alert(1)&#62;",
]


def test_hostile_names_of_searches_and_metrics_do_nothing(open_page: Open) -> None:
    searches = {name: results_of([0.9, 0.8], lr=[0.1, 0.2]) for name in HOSTILE}
    page = open_page(to_hiplot(searches).to_html())
    assert page.lines == 2 * len(HOSTILE)
    check_quiet(page)
    for metric in HOSTILE:
        results = results_of([0.9, 0.8], lr=[0.1, 0.2])
        keys = ("mean_test_score", "rank_test_score", "split0_test_score")
        for key in keys:
            results[key.replace("score", metric)] = results.pop(key)
        page = open_page(to_hiplot(results, "fold").to_html())
        assert page.lines == 2
        check_quiet(page)


def test_hostile_words_in_a_history_do_nothing(open_page: Open) -> None:
    frame = curves(n_folds=1, n_epochs=len(HOSTILE))
    frame["note"] = HOSTILE * 3
    for name in HOSTILE:
        frame[name] = HOSTILE * 3
    page = open_page(to_hiplot(frame, color="note").to_html())
    assert page.segments == 3 * (len(HOSTILE) - 1)
    check_quiet(page)


def test_a_frame_in_a_notebook_shows_all_of_a_page_of_curves(open_page: Open) -> None:
    notebook = f"<!doctype html><body>{to_hiplot(curves())._repr_html_()}</body>"
    page = open_page(notebook, in_frame=True)
    assert page.axes[-1] == "valid_loss"
    height = page.run("return document.documentElement.scrollHeight")
    assert height <= page.run("return innerHeight")
    assert page.errors == []


def test_the_page_of_folds_has_a_line_a_fold(open_page: Open) -> None:
    results = results_of([0.9, 0.8, 0.7], lr=[0.1, 0.01, 0.001])
    results["split1_test_score"] = np.array([0.95, 0.7, np.nan])
    experiment = to_hiplot(results, "fold")
    page = open_page(experiment.to_html())
    assert page.axes == ["lr", "fold", "rank_test_score", "test_score"]
    assert page.lines == len(to_frame(results, "fold")) == 6
    check_quiet(page)

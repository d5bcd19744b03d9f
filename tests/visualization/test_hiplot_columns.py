"""A column of a page holds numbers or safe words, and its axis fits them."""

import math
import re
from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest

from skact.results.frames import to_frame
from skact.results.schema import schema_of
from skact.visualization.hiplot_columns import (
    Column,
    _round_floats,
    suits_log_axis,
)
from skact.visualization.hiplot_experiment import to_hiplot
from skact.visualization.hiplot_page import (
    PageOptions,
    PagePlan,
    plan_page,
    scalars_of_frame,
)

HOSTILE = [
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "<!--<script>",
    "&lt;img src=x onerror=alert(1)&gt;",
    "__proto__",
    "constructor",
    "toString",
    "hasOwnProperty",
    "uid",
    "from_uid",
    "\"'`\\",
    "\u2028",
    "\x00",
    "NaN",
    "-inf",
    "null",
    "",
]


def results_of(**columns: Any) -> dict[str, Any]:
    """Results whose candidates get worse from first to last."""
    n_candidates = len(next(iter(columns.values())))
    scores = np.linspace(0.9, 0.5, n_candidates)
    params = {
        name
        if re.match("mean_|std_|rank_|split|iter|n_res", name)
        else f"param_{name}": values
        for name, values in columns.items()
    }
    return {
        "mean_test_score": scores,
        "rank_test_score": np.arange(1, n_candidates + 1),
        **params,
    }


def plan_of(results: Any, level: str | None = None, **options: Any) -> PagePlan:
    frame = results if isinstance(results, pd.DataFrame) else to_frame(results, level)
    index = frame.index.tolist()
    return plan_page(
        scalars_of_frame(frame), index, PageOptions(**options), schema_of(frame.columns)
    )


def shown(words: Any) -> list[str]:
    """Words as one sees them."""
    return [word.replace("\u200b", "").replace("\u200c", "") for word in words]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([8, 16], "numeric"),
        ([0, 1], "numeric"),
        ([1, 99], "numeric"),
        ([1, 100], "numericlog"),
        ([0.0, 100.0], "numeric"),
        ([-1, 1000], "numeric"),
        ([1e-5, 1e-3], "numericlog"),
        ([True, False], "categorical"),
        (["a", "b"], "categorical"),
        (["1", "2"], "categorical"),
        (["scale", 0.1], "categorical"),
        ([None, 3], "categorical"),
        ([0.1, math.inf], "categorical"),
        ([1, 10**400], "categorical"),
    ],
)
def test_every_parameter_has_the_axis_that_suits_its_values(
    values: Any, kind: str
) -> None:
    # many rows and few values: there HiPlot would guess words
    assert plan_of(results_of(x=values * 20)).types["x"] == kind


def test_times_may_have_logarithmic_axes_and_scores_never() -> None:
    spread = [0.001, 1.0]
    results = results_of(x=[1, 2], mean_fit_time=spread, std_test_score=spread)
    results["mean_test_score"] = spread[::-1]
    kinds = plan_of(results).types
    assert kinds["mean_fit_time"] == "numericlog"
    assert kinds["mean_test_score"] == kinds["std_test_score"] == "numeric"


def test_an_axis_is_logarithmic_on_demand() -> None:
    results = results_of(lr=[0.1, 0.2], width=[1, 2])
    assert plan_of(results, log="lr").types["lr"] == "numericlog"
    kinds = plan_of(results, log=["lr", "mean_test_score"]).types
    assert kinds["lr"] == kinds["mean_test_score"] == "numericlog"
    assert kinds["width"] == "numeric"


def test_an_infinite_score_is_missing_and_an_infinite_parameter_a_word() -> None:
    results = results_of(C=[1.0, math.inf])
    results["mean_test_score"] = [-math.inf, 0.5]
    first, second = plan_of(results).rows
    assert "mean_test_score" not in first
    assert shown([first["C"], second["C"]]) == ["1.0", "inf"]


@hypothesis.given(st.lists(st.floats(allow_nan=False), min_size=1))
def test_floats_are_rounded_as_python_would(values: list[float]) -> None:
    rounded = _round_floats(values)
    assert rounded == pytest.approx([float(f"{v:.6g}") for v in values], rel=1e-5)
    for value in rounded:
        assert math.isinf(value) or float(f"{value:.6g}") == value


def test_floats_have_six_digits() -> None:
    results = results_of(x=[1 / 3, 2e-7 / 3], y=[10**9 + 1, 0])
    row = plan_of(results).rows[0]
    assert row["x"] == 0.333333
    assert row["y"] == 10**9 + 1


@pytest.mark.parametrize(
    ("values", "ordered"),
    [
        ([None, 10, 3, 5], ["3", "5", "10", "None"]),
        (["scale", 0.5, 10.0], ["0.5", "10.0", "scale"]),
        ([(128, 64), (32,), (64, 32)], ["(32,)", "(64, 32)", "(128, 64)"]),
        (["leaky(0.2)", "leaky(0.02)", "elu"], ["elu", "leaky(0.02)", "leaky(0.2)"]),
        (["10", "9"], ["9", "10"]),
        (["b", "a"], ["a", "b"]),
    ],
)
def test_words_sort_by_the_numbers_in_them(values: Any, ordered: list[str]) -> None:
    words = {row["x"] for row in plan_of(results_of(x=values)).rows}
    assert shown(sorted(map(str, words))) == ordered


def test_words_that_sort_well_anyway_are_left_alone() -> None:
    assert [row["x"] for row in plan_of(results_of(x=["b", "a", "a1"])).rows] == [
        "b",
        "a",
        "a1",
    ]


def test_different_values_stay_different_words() -> None:
    values = [True, "True", 1, "1", "<", "\u2039", "", "(empty)", 0.1, 0.1 + 1e-9]
    words = [row["x"] for row in plan_of(results_of(x=values)).rows]
    assert len(set(words)) == len(set(shown(words))) == 9  # 0.1 has six digits


def test_no_name_and_no_word_means_anything_to_javascript() -> None:
    results = results_of(x=HOSTILE) | {
        f"param_{n}": range(len(HOSTILE)) for n in HOSTILE
    }
    plan = plan_of(results)
    words = [str(row["x"]) for row in plan.rows]
    assert len(plan.types) == len(HOSTILE) + 3
    assert len(set(words)) == len(HOSTILE)
    for name in ["__proto__", "constructor", "toString", "hasOwnProperty"]:
        assert name not in plan.types
        assert name not in words
        assert name in shown(plan.types)
        assert name in shown(words)
    assert not {"uid", "from_uid", ""} & set(plan.types)


def test_columns_of_one_name_stay_two() -> None:
    frame = to_frame(results_of(x=[1, 2]))
    frame["<x>"], frame["\u2039x\u203a"], frame["a\nb"], frame["a b"] = 1, 2, 3, 4
    plan = plan_of(frame)
    assert list(plan.types)[-4:] == [
        "\u2039x\u203a",
        "\u2039x\u203a #2",
        "a b",
        "a b #2",
    ]
    twice = pd.concat([frame, frame], axis=1)
    assert len(plan_of(twice).types) == 2 * len(plan.types)


@pytest.mark.parametrize(
    ("label", "some"),
    [("zero", "['0.0', '1.0']"), ("minus", "['-1', '1']"), ("word", "['a', 'b']")],
)
def test_a_logarithmic_axis_needs_positive_numbers(label: str, some: str) -> None:
    results = results_of(zero=[0.0, 1.0], minus=[-1, 1], word=["a", "b"])
    message = f"log needs positive numbers; got {label!r} of {some}."
    with pytest.raises(ValueError, match=re.escape(message)):
        to_hiplot(results, log=label)


def test_words_of_a_page_have_sixty_letters_at_most() -> None:
    results = {
        "param_" + "n" * 300: ["x" * 10_000, "x" * 9_999 + "y"],
        "mean_test_score": [0.6, 0.5],
        "rank_test_score": [1, 2],
    }
    experiment = to_hiplot({"m" * 300: results, "k": results})
    for point in experiment.datapoints:
        for name, value in point.values.items():
            assert len(name) <= 63
            assert len(str(value)) <= 80
    words = {str(point.values["n" * 59 + "\u2026"]) for point in experiment.datapoints}
    assert len(words) == 2  # still apart
    assert to_frame(results).iloc[0, 1] == "x" * 10_000


@pytest.mark.parametrize(
    ("label", "least", "greatest", "suits"),
    [
        ("lr", 0.01, 0.1, True),
        ("net__lr", 0.01, 0.1, True),
        ("lr", 0.011, 0.1, False),
        ("train_loss", 0.1, 1, True),
        ("fold_loss", 0.1, 1, True),
        ("fold_loss", 0.11, 1, False),
        ("width", 8, 80, False),
        ("width", 8, 800, True),
        ("lr", 0, 1, False),
        ("lr", -1, 1, False),
    ],
)
def test_numbers_that_lie_far_apart_suit_a_log_axis(
    label: str, least: float, greatest: float, suits: bool
) -> None:
    assert suits_log_axis(label, least, greatest) is suits


def test_wide_words_count_as_wide() -> None:
    def width(word: str) -> int:
        return Column("a", "a", [word], "categorical").n_pixels

    assert width("relu") < width("mmmm") < width("\u6f22" * 4)
    assert width("relu") < width("RELU")
    assert Column("a", "a", [1, 2], "numeric").n_pixels == 0

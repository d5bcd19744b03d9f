"""What a page promises to show, before there is a page, and of HiPlot's objects."""

import html.parser
import io
import json
import math
import re
import types
import warnings
from pathlib import Path
from typing import Any

import hiplot
import hypothesis
import hypothesis.strategies as st
import IPython
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skact.results.frames import to_frame
from skact.results.schema import schema_of
from skact.visualization.hiplot_columns import _rounded
from skact.visualization.hiplot_experiment import Experiment, to_hiplot
from skact.visualization.hiplot_page import Options, PlotInfo, cells_of, plot_info

nan = math.nan
X, y = load_iris(return_X_y=True)


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


def info_of(results: Any, level: str | None = None, **options: Any) -> PlotInfo:
    frame = results if isinstance(results, pd.DataFrame) else to_frame(results, level)
    index = frame.index.tolist()
    return plot_info(
        cells_of(frame), index, Options(**options), schema_of(frame.columns)
    )


def masked(*values: Any) -> Any:
    """A column as scikit-learn makes it; an Ellipsis stands for what is masked."""
    column = np.ma.MaskedArray(np.empty(len(values), dtype=object), mask=True)
    for i, value in enumerate(values):
        if value is not ...:
            column[i] = value
    return column


def shown(words: Any) -> list[str]:
    """Words as one sees them."""
    return [word.replace("\u200b", "").replace("\u200c", "") for word in words]


# The decisions


def test_a_grid_is_drawn_from_its_parameters_to_its_score() -> None:
    results = {
        "mean_fit_time": [0.25, 0.125],
        "std_fit_time": [0.0, 0.1],
        "mean_score_time": [0.5, 0.25],
        "std_score_time": [0.0, 0.1],
        "param_net__activation": masked("relu", "tanh"),
        "param_net__lr": masked(0.001, 0.1),
        "param_net__width": masked(32, 32),
        "param_net__depth": masked(1, 2),
        "split0_test_score": [0.75, 1.0],
        "split1_test_score": [0.25, 1.0],
        "mean_test_score": [0.5, 1.0],
        "std_test_score": [0.25, 0.0],
        "rank_test_score": [2, 1],
    }
    best = {
        "rank_test_score": 1,
        "activation": "tanh",
        "lr": 0.1,
        "width": 32,
        "depth": 2,
        "mean_test_score": 1.0,
        "std_test_score": 0.0,
        "split0_test_score": 1.0,
        "split1_test_score": 1.0,
        "mean_fit_time": 0.125,
        "std_fit_time": 0.1,
        "mean_score_time": 0.25,
        "std_score_time": 0.1,
    }
    other = [2, "relu", 0.001, 32, 1, 0.5, 0.25, 0.75, 0.25, 0.25, 0.0, 0.5, 0.0]
    assert info_of(results) == PlotInfo(
        rows=[best, dict(zip(best, other, strict=True))],
        uids=["0", "1"],
        types=dict.fromkeys(best, "numeric")
        | {"activation": "categorical", "lr": "numericlog"},
        axes=[
            "lr",
            "depth",
            "activation",
            "mean_fit_time",
            "std_test_score",
            "rank_test_score",
            "mean_test_score",
        ],
        hidden=[
            "uid",
            "from_uid",
            "width",
            "split0_test_score",
            "split1_test_score",
            "std_fit_time",
            "mean_score_time",
            "std_score_time",
        ],
        inverted=["rank_test_score"],
        color="mean_test_score",
        colors={},
        sort=[("rank_test_score", "asc")],
    )


def test_a_search_its_results_and_its_frame_give_one_picture() -> None:
    pipe = make_pipeline(StandardScaler(), SVC())
    search = GridSearchCV(pipe, {"svc__C": [0.1, 1.0], "svc__kernel": ["rbf", "poly"]})
    search.fit(X, y)
    pages = [
        to_hiplot(source)._asdict()
        for source in (search, search.cv_results_, to_frame(search))
    ]
    assert json.dumps(pages[0]) == json.dumps(pages[1]) == json.dumps(pages[2])


def test_a_frame_may_have_lost_rows_and_won_columns() -> None:
    frame = to_frame(results_of(lr=[0.1, 0.2, 0.3], activation=["a", "b", "c"]))[1:]
    frame["my params"] = [10, 20]
    frame["when"] = pd.Timestamp("2026-11-22")
    info = info_of(frame)
    assert info.uids == ["1", "2"]
    assert info.axes[:3] == ["lr", "my params", "activation"]
    assert info.rows[0]["when"] == "2026-11-22 00:00:00"


def test_uids_are_unlike_each_other_whatever_the_index() -> None:
    frame = to_frame(results_of(lr=[1, 2, 3, 4]))
    frame.index = ["a", "a", "<b>", "__proto__"]
    info = info_of(frame)
    assert shown(info.uids) == ["a", "a #2", "\u2039b\u203a", "__proto__"]
    assert "__proto__" not in info.uids


def test_several_metrics_are_drawn_but_only_the_first_with_all_its_columns() -> None:
    metrics = ["mean", "std", "rank"]
    results = {f"{stat}_test_{m}": [1, 2] for m in ("b", "a+") for stat in metrics}
    results |= {"mean_train_b": [1, 2], "std_train_b": [1, 2], "param_x": [1, 2]}
    info = info_of(results)
    assert info.axes == [
        "x",
        "mean_train_b",
        "mean_test_a+",
        "std_test_b",
        "rank_test_b",
        "mean_test_b",
    ]
    assert info.color == "mean_test_b"
    assert info.sort == [("rank_test_b", "asc")]


def test_a_frame_without_ranks_is_drawn_up_to_its_score() -> None:
    frame = to_frame(results_of(x=[1, 2])).drop(columns="rank_test_score")
    info = info_of(frame)
    assert info.axes == ["x", "mean_test_score"]
    assert info.color == "mean_test_score"
    assert info.sort == []


def test_the_table_of_a_halving_search_begins_with_its_last_iteration() -> None:
    grid = {"C": [0.1, 1.0], "kernel": ["rbf", "poly"]}
    search = HalvingGridSearchCV(SVC(), grid, factor=2, random_state=0).fit(X, y)
    info = info_of(search)
    assert info.sort == [("iter", "desc"), ("rank_test_score", "asc")]
    assert info.axes[:4] == ["C", "iter", "n_resources", "kernel"]
    # a parameter of that name is none of that
    assert info_of(results_of(step__iter=[1, 2])).sort == [("rank_test_score", "asc")]


def test_a_parameter_of_short_words_comes_before_one_of_long_words() -> None:
    long, short = ["x" * 16, "y"], ["x" * 15, "y"]
    time = [1.0, 2.0]
    assert info_of(results_of(a=long, b=short)).axes[:2] == ["b", "a"]
    axes = info_of(results_of(a=long, mean_fit_time=time)).axes
    assert axes[:2] == ["a", "mean_fit_time"]  # no result comes before a parameter
    assert info_of(results_of(a=long)).letters == 16  # the page makes room for them


def test_what_does_not_vary_is_only_in_the_table() -> None:
    results = results_of(lr=[0.1, 0.1], a=["x", "x"], b=masked(1, ...), c=[1, 2])
    info = info_of(results)
    assert info.axes == ["c", "rank_test_score", "mean_test_score"]
    assert {"lr", "a", "b"} < set(info.hidden)
    assert {"lr", "a", "b"} < set(info.types)


@pytest.mark.parametrize(("number", "drawn"), [(80, True), (81, False)])
def test_an_axis_has_no_more_than_eighty_words(number: int, drawn: bool) -> None:
    info = info_of(results_of(a=[f"word {i}" for i in range(number)]))
    assert ("a" in info.axes) is drawn
    assert ("a" in info.hidden) is not drawn


@pytest.mark.parametrize(
    ("results", "hide"),
    [
        (results_of(lr=[0.1], a=["x"]), ()),
        (
            results_of(lr=[0.1] * 3)
            | {"mean_test_score": [1] * 3, "rank_test_score": [1] * 3},
            (),
        ),
        (results_of(lr=[0.1, 0.2]), ["lr", "mean_test_score", "rank_test_score"]),
    ],
    ids=["one candidate", "nothing varies", "all hidden"],
)
def test_without_an_axis_there_is_only_a_table(results: Any, hide: Any) -> None:
    assert info_of(results, hide=hide).axes == []
    experiment = to_hiplot(results, hide=hide).validate()
    assert experiment.enabledDisplays == [hiplot.Displays.TABLE]


# Types


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
    assert info_of(results_of(x=values * 20)).types["x"] == kind


def test_times_may_have_logarithmic_axes_and_scores_never() -> None:
    spread = [0.001, 1.0]
    results = results_of(x=[1, 2], mean_fit_time=spread, std_test_score=spread)
    results["mean_test_score"] = spread[::-1]
    kinds = info_of(results).types
    assert kinds["mean_fit_time"] == "numericlog"
    assert kinds["mean_test_score"] == kinds["std_test_score"] == "numeric"


def test_an_axis_is_logarithmic_on_demand() -> None:
    results = results_of(lr=[0.1, 0.2], width=[1, 2])
    assert info_of(results, log="lr").types["lr"] == "numericlog"
    kinds = info_of(results, log=["lr", "mean_test_score"]).types
    assert kinds["lr"] == kinds["mean_test_score"] == "numericlog"
    assert kinds["width"] == "numeric"


# Values


def test_what_is_missing_has_no_key_in_its_row() -> None:
    results = results_of(x=masked(1, ...), y=masked(..., "a"), z=masked(None, True))
    results["mean_test_score"] = [0.5, nan]
    assert info_of(results).rows == [
        {"rank_test_score": 1, "x": 1, "z": "None", "mean_test_score": 0.5},
        {"rank_test_score": 2, "y": "a", "z": "True"},
    ]


def test_an_infinite_score_is_missing_and_an_infinite_parameter_a_word() -> None:
    results = results_of(C=[1.0, math.inf])
    results["mean_test_score"] = [-math.inf, 0.5]
    first, second = info_of(results).rows
    assert "mean_test_score" not in first
    assert shown([first["C"], second["C"]]) == ["1.0", "inf"]


@hypothesis.given(st.lists(st.floats(allow_nan=False), min_size=1))
def test_floats_are_rounded_as_python_would(values: list[float]) -> None:
    rounded = _rounded(values)
    assert rounded == pytest.approx([float(f"{v:.6g}") for v in values], rel=1e-5)
    for value in rounded:
        assert math.isinf(value) or float(f"{value:.6g}") == value


def test_floats_have_six_digits() -> None:
    results = results_of(x=[1 / 3, 2e-7 / 3], y=[10**9 + 1, 0])
    row = info_of(results).rows[0]
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
    words = {row["x"] for row in info_of(results_of(x=values)).rows}
    assert shown(sorted(map(str, words))) == ordered


def test_words_that_sort_well_anyway_are_left_alone() -> None:
    assert [row["x"] for row in info_of(results_of(x=["b", "a", "a1"])).rows] == [
        "b",
        "a",
        "a1",
    ]


def test_different_values_stay_different_words() -> None:
    values = [True, "True", 1, "1", "<", "\u2039", "", "(empty)", 0.1, 0.1 + 1e-9]
    words = [row["x"] for row in info_of(results_of(x=values)).rows]
    assert len(set(words)) == len(set(shown(words))) == 9  # 0.1 has six digits


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


def test_no_name_and_no_word_means_anything_to_javascript() -> None:
    results = results_of(x=HOSTILE) | {
        f"param_{n}": range(len(HOSTILE)) for n in HOSTILE
    }
    info = info_of(results)
    words = [str(row["x"]) for row in info.rows]
    assert len(info.types) == len(HOSTILE) + 3
    assert len(set(words)) == len(HOSTILE)
    for name in ["__proto__", "constructor", "toString", "hasOwnProperty"]:
        assert name not in info.types
        assert name not in words
        assert name in shown(info.types)
        assert name in shown(words)
    assert not {"uid", "from_uid", ""} & set(info.types)


def test_columns_of_one_name_stay_two() -> None:
    frame = to_frame(results_of(x=[1, 2]))
    frame["<x>"], frame["\u2039x\u203a"], frame["a\nb"], frame["a b"] = 1, 2, 3, 4
    info = info_of(frame)
    assert list(info.types)[-4:] == [
        "\u2039x\u203a",
        "\u2039x\u203a #2",
        "a b",
        "a b #2",
    ]
    twice = pd.concat([frame, frame], axis=1)
    assert len(info_of(twice).types) == 2 * len(info.types)


scalars = st.one_of(
    st.sampled_from([*HOSTILE, ...]),
    st.text(max_size=5),
    st.floats(),
    st.integers(),
    st.booleans(),
    st.none(),
    st.builds(complex),
)


@st.composite
def hostile_results(draw: Any) -> dict[str, Any]:
    n_candidates = draw(st.integers(1, 4))
    size = {"min_size": n_candidates, "max_size": n_candidates}
    names = st.sampled_from(HOSTILE) | st.text(max_size=5)
    params = draw(st.dictionaries(names, st.lists(scalars, **size), max_size=4))
    results = {f"param_{name}": masked(*values) for name, values in params.items()}
    metric = draw(names)
    for key in [f"mean_test_{metric}", f"split0_test_{metric}", "mean_fit_time"]:
        results[key] = np.array(draw(st.lists(st.floats(), **size)))
    results[f"rank_test_{metric}"] = draw(st.lists(st.integers(1, 9), **size))
    return results


@hypothesis.given(hostile_results())
@hypothesis.settings(deadline=None)
def test_whatever_is_searched_the_page_gets_plain_json_without_markup(
    results: Any,
) -> None:
    for obj in (results, {"<a>": results, "b": results}):
        for level in ("candidate", "fold"):
            experiment = to_hiplot(obj, level).validate()
            text = json.dumps(experiment._asdict(), allow_nan=False)
            assert "<" not in text
            assert ">" not in text
    info = info_of(results)
    assert len(set(info.uids)) == len(info.rows) == len(results["mean_fit_time"])
    assert len(info.types) == len(to_frame(results).columns)
    for axis in info.axes:
        assert len({row[axis] for row in info.rows if axis in row}) > 1
    for row in info.rows:
        for name, value in row.items():
            numeric = info.types[name] != "categorical"
            assert type(value) in ((int, float) if numeric else (str,))


class Net:
    """What a net looks like from outside."""

    history: Any = None

    def __init__(self, history: list[dict[str, Any]]):
        self.history_ = history


histories = st.lists(
    st.dictionaries(
        st.sampled_from([*HOSTILE, "train_loss", "valid_loss", "dur", "batches"])
        | st.text(max_size=5),
        scalars.filter(lambda value: value is not ...),
        max_size=4,
    ),
    min_size=1,
    max_size=4,
)


@hypothesis.given(st.lists(histories, min_size=1, max_size=3))
@hypothesis.settings(deadline=None)
def test_whatever_is_in_a_history_the_page_gets_plain_json_without_markup(
    found: list[list[dict[str, Any]]],
) -> None:
    nets = [
        Net([{**row, "epoch": i + 1} for i, row in enumerate(history)])
        for history in found
    ]
    for obj in (nets, nets[0]):
        experiment = to_hiplot(obj).validate()
        text = json.dumps(experiment._asdict(), allow_nan=False)
        assert "<" not in text
        assert len(experiment.datapoints) == len(to_frame(obj))


# Options


def test_lines_have_the_colour_that_was_asked_for() -> None:
    results = results_of(lr=[0.1, 0.2], a=["x", "y"])
    assert info_of(results, color="a").color == "a"
    assert info_of(results, color="lr", hide="lr").color == "lr"


def test_without_scores_the_colour_is_the_rightmost_axis() -> None:
    results = results_of(x=[1, 2], a=["x", "y"], mean_fit_time=[1.0, 2.0])
    results |= {"mean_test_score": [nan, nan], "rank_test_score": [1, 1]}
    assert info_of(results).color == "mean_fit_time"
    assert info_of(results, hide=["mean_fit_time"]).color == "a"
    assert (
        info_of(results_of(x=[1, 2]), hide="mean_test_score").color == "mean_test_score"
    )


def test_hidden_columns_lose_their_axis_and_stay_in_the_table() -> None:
    info = info_of(results_of(lr=[1, 2], a=["x", "y"]), hide="lr")
    assert "lr" not in info.axes
    assert "lr" in info.hidden
    assert "lr" in info.types
    assert "a" not in info_of(results_of(a=["x", "y"]), hide=iter(["a"])).axes


@pytest.mark.parametrize("option", ["color", "order", "hide", "log"])
@pytest.mark.parametrize("label", ["width", 3])
def test_an_option_names_columns_that_are_there(option: str, label: Any) -> None:
    wanted: Any = label if option == "color" else ["lr", label]
    message = (
        f"{option} must name some of ['rank_test_score', 'lr', 'mean_test_score']; "
        f"got {label!r}."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        to_hiplot(results_of(lr=[0.1, 0.2]), **{option: wanted})


@pytest.mark.parametrize(
    ("label", "some"),
    [("zero", "['0.0', '1.0']"), ("minus", "['-1', '1']"), ("word", "['a', 'b']")],
)
def test_a_logarithmic_axis_needs_positive_numbers(label: str, some: str) -> None:
    results = results_of(zero=[0.0, 1.0], minus=[-1, 1], word=["a", "b"])
    message = f"log needs positive numbers; got {label!r} of {some}."
    with pytest.raises(ValueError, match=re.escape(message)):
        to_hiplot(results, log=label)


def test_there_is_no_picture_of_nothing() -> None:
    message = "obj must have at least one row; got an empty frame."
    with pytest.raises(ValueError, match=re.escape(message)):
        to_hiplot(to_frame(results_of(lr=[0.1]))[:0])


def test_only_searches_and_frames_are_drawn() -> None:
    with pytest.raises(NotFittedError, match="This GridSearchCV is not fitted yet"):
        to_hiplot(GridSearchCV(SVC(), {"C": [1.0]}))
    with pytest.raises(TypeError, match=r"obj must be .*; got '\[\]' of type list"):
        to_hiplot([])


# HiPlot's objects


def test_hiplot_gets_every_decision() -> None:
    results = results_of(lr=[0.001, 0.1], a=["x", "y"], mean_fit_time=[1.0, 2.0])
    experiment = to_hiplot(results)
    info = info_of(results)
    assert isinstance(experiment.validate(), Experiment)
    assert isinstance(experiment, hiplot.Experiment)
    assert [point.values for point in experiment.datapoints] == info.rows
    assert [point.uid for point in experiment.datapoints] == info.uids
    for name, definition in experiment.parameters_definition.items():
        definition.validate()
        assert definition.type == hiplot.ValueType(info.types[name])
    assert experiment.colorby == info.color == "mean_test_score"
    assert experiment.colormap == "interpolateViridis"
    assert experiment._asdict()["display_data"] == {
        "PARALLEL_PLOT": {
            "order": info.axes[::-1],
            "hide": info.hidden,
            "invert": info.inverted,
        },
        "TABLE": {
            "order": list(info.types),
            "order_by": [["rank_test_score", "asc"]],
            "hide": ["uid", "from_uid"],
        },
    }


class Tags(html.parser.HTMLParser):
    """The tags of a page, with their attributes."""

    def __init__(self, page: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))


def without_id(page: str) -> str:
    """A page without the random id that HiPlot gives each."""
    return re.sub(r"hiplot_[0-9a-f]{32}", "", page)


def test_a_page_keeps_its_axes_and_loads_nothing(tmp_path: Path) -> None:
    page = to_hiplot(results_of(lr=[0.1, 0.2])).to_html()
    assert r"\"persistentState\": null" in page
    tags = Tags(page).tags
    policies = [tag for tag in tags if "http-equiv" in tag[1]]
    assert "default-src 'none'" in str(policies[0][1]["content"])
    for tag, attributes in tags:
        assert tag != "script" or "src" not in attributes
        assert tag != "link" or str(attributes["href"]).startswith("data:")


def test_a_page_goes_to_a_path_or_an_open_file_and_is_returned_otherwise(
    tmp_path: Path,
) -> None:
    experiment = to_hiplot(results_of(a=["ä", "\u2028"]))
    page = without_id(experiment.to_html())
    for path in (tmp_path / "a.html", str(tmp_path / "b.html")):
        experiment.to_html(path)
        assert without_id(Path(path).read_text(encoding="utf-8")) == page
    file = io.StringIO()
    assert experiment.to_html(file) is None  # or a cell would show a megabyte
    assert without_id(file.getvalue()) == page
    assert r"\"dark\": true" in experiment.to_html(dark=True)


def test_a_page_is_made_without_warnings() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        to_hiplot(results_of(lr=[0.1, 0.2])).to_html()
    assert caught == []


def test_a_notebook_shows_a_page_in_a_sandbox_that_it_cannot_leave() -> None:
    experiment = to_hiplot(results_of(lr=[0.1, 0.2]))
    div, frame = Tags(experiment._repr_html_()).tags
    assert div == ("div", {})
    assert frame[1]["sandbox"] == "allow-scripts"
    assert without_id(str(frame[1]["srcdoc"])) == without_id(experiment.to_html())


def test_display_needs_a_notebook_and_says_what_to_do_without() -> None:
    message = (
        "display() needs a notebook. Elsewhere write the page with .to_html(path) and "
        "open it in a browser."
    )
    with pytest.raises(RuntimeError, match=re.escape(message)):
        to_hiplot(results_of(lr=[0.1, 0.2])).display()


def test_display_shows_the_same_frame_in_a_notebook(monkeypatch: Any) -> None:
    cells: list[Any] = []
    shell = types.SimpleNamespace(kernel=None)
    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)
    monkeypatch.setattr(IPython.display, "display", cells.append)
    experiment = to_hiplot(results_of(lr=[0.1, 0.2]))
    assert experiment.display(dark=True) is None  # type: ignore[func-returns-value]
    (cell,) = cells
    assert without_id(cell.data) == without_id(experiment._repr_html_(dark=True))

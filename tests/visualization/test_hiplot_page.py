"""What a page shows is planned before there is a page: rows, axes, colours, order."""

import math
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from skact import ActMLP, activations_frame, fused, to_frame, to_hiplot
from skact.results.schema import schema_of
from skact.visualization.hiplot_page import (
    PageOptions,
    PagePlan,
    plan_page,
    scalars_of_frame,
)

X, y = load_iris(return_X_y=True)
nan = math.nan
TREE = DecisionTreeClassifier(random_state=0)
DEPTHS = {"max_depth": [1, 2, 3]}
X32 = X.astype(np.float32)


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


def grid(estimator: Any, parameters: Any, **options: Any) -> GridSearchCV:
    return GridSearchCV(estimator, parameters, cv=3, **options).fit(X32, y)


def nets(**parameters: Any) -> Any:
    net = ActMLP(max_epochs=2, batch_size=50, random_state=0)
    return make_pipeline(StandardScaler(), net.set_params(**parameters))


@pytest.fixture(scope="module")
def net_grid() -> GridSearchCV:
    parameters = {"actmlp__activation": ["relu", "tanh"], "actmlp__lr": [0.1, 0.01]}
    with fused():
        return grid(nets(), parameters)


def many(n_rows: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "rank_test_score": np.arange(1, n_rows + 1),
            "lr": np.linspace(0.1, 1, n_rows),
            "mean_test_score": np.linspace(1, 0, n_rows),
        }
    )


def axes_of(experiment: Any) -> list[str]:
    return experiment._asdict()["display_data"]["PARALLEL_PLOT"]["order"][::-1]


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
    assert plan_of(results) == PagePlan(
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
        n_words=2,
    )


def test_a_frame_may_have_lost_rows_and_won_columns() -> None:
    frame = to_frame(results_of(lr=[0.1, 0.2, 0.3], activation=["a", "b", "c"]))[1:]
    frame["my params"] = [10, 20]
    frame["when"] = pd.Timestamp("2026-11-22")
    plan = plan_of(frame)
    assert plan.uids == ["1", "2"]
    assert plan.axes[:3] == ["lr", "my params", "activation"]
    assert plan.rows[0]["when"] == "2026-11-22 00:00:00"


def test_uids_are_unlike_each_other_whatever_the_index() -> None:
    frame = to_frame(results_of(lr=[1, 2, 3, 4]))
    frame.index = ["a", "a", "<b>", "__proto__"]
    plan = plan_of(frame)
    assert shown(plan.uids) == ["a", "a #2", "\u2039b\u203a", "__proto__"]
    assert "__proto__" not in plan.uids


def test_several_metrics_are_drawn_but_only_the_first_with_all_its_columns() -> None:
    metrics = ["mean", "std", "rank"]
    results = {f"{stat}_test_{m}": [1, 2] for m in ("b", "a+") for stat in metrics}
    results |= {"mean_train_b": [1, 2], "std_train_b": [1, 2], "param_x": [1, 2]}
    plan = plan_of(results)
    assert plan.axes == [
        "x",
        "mean_train_b",
        "mean_test_a+",
        "std_test_b",
        "rank_test_b",
        "mean_test_b",
    ]
    assert plan.color == "mean_test_b"
    assert plan.sort == [("rank_test_b", "asc")]


def test_a_frame_without_ranks_is_drawn_up_to_its_score() -> None:
    frame = to_frame(results_of(x=[1, 2])).drop(columns="rank_test_score")
    plan = plan_of(frame)
    assert plan.axes == ["x", "mean_test_score"]
    assert plan.color == "mean_test_score"
    assert plan.sort == []


def test_the_table_of_a_halving_search_begins_with_its_last_iteration() -> None:
    grid = {"C": [0.1, 1.0], "kernel": ["rbf", "poly"]}
    search = HalvingGridSearchCV(SVC(), grid, factor=2, random_state=0).fit(X, y)
    plan = plan_of(search)
    assert plan.sort == [("iter", "desc"), ("rank_test_score", "asc")]
    assert plan.axes[:4] == ["C", "iter", "n_resources", "kernel"]
    # a parameter of that name is none of that
    assert plan_of(results_of(step__iter=[1, 2])).sort == [("rank_test_score", "asc")]


def test_a_parameter_of_short_words_comes_before_one_of_long_words() -> None:
    long, short = ["x" * 16, "y"], ["x" * 15, "y"]
    time = [1.0, 2.0]
    assert plan_of(results_of(a=long, b=short)).axes[:2] == ["b", "a"]
    axes = plan_of(results_of(a=long, mean_fit_time=time)).axes
    assert axes[:2] == ["a", "mean_fit_time"]  # no result comes before a parameter
    assert plan_of(results_of(a=long)).n_pixels > 100  # the page makes room for them


def test_what_does_not_vary_is_only_in_the_table() -> None:
    results = results_of(lr=[0.1, 0.1], a=["x", "x"], b=masked(1, ...), c=[1, 2])
    plan = plan_of(results)
    assert plan.axes == ["c", "rank_test_score", "mean_test_score"]
    assert {"lr", "a", "b"} < set(plan.hidden)
    assert {"lr", "a", "b"} < set(plan.types)


@pytest.mark.parametrize(("number", "drawn"), [(80, True), (81, False)])
def test_an_axis_has_no_more_than_eighty_words(number: int, drawn: bool) -> None:
    plan = plan_of(results_of(a=[f"word {i}" for i in range(number)]))
    assert ("a" in plan.axes) is drawn
    assert ("a" in plan.hidden) is not drawn


def test_what_is_missing_has_no_key_in_its_row() -> None:
    results = results_of(x=masked(1, ...), y=masked(..., "a"), z=masked(None, True))
    results["mean_test_score"] = [0.5, nan]
    assert plan_of(results).rows == [
        {"rank_test_score": 1, "x": 1, "z": "None", "mean_test_score": 0.5},
        {"rank_test_score": 2, "y": "a", "z": "True"},
    ]


def test_lines_have_the_colour_that_was_asked_for() -> None:
    results = results_of(lr=[0.1, 0.2], a=["x", "y"])
    assert plan_of(results, color="a").color == "a"
    assert plan_of(results, color="lr", hide="lr").color == "lr"


def test_without_scores_the_colour_is_the_rightmost_axis() -> None:
    results = results_of(x=[1, 2], a=["x", "y"], mean_fit_time=[1.0, 2.0])
    results |= {"mean_test_score": [nan, nan], "rank_test_score": [1, 1]}
    assert plan_of(results).color == "mean_fit_time"
    assert plan_of(results, hide=["mean_fit_time"]).color == "a"
    assert (
        plan_of(results_of(x=[1, 2]), hide="mean_test_score").color == "mean_test_score"
    )


def test_hidden_columns_lose_their_axis_and_stay_in_the_table() -> None:
    plan = plan_of(results_of(lr=[1, 2], a=["x", "y"]), hide="lr")
    assert "lr" not in plan.axes
    assert "lr" in plan.hidden
    assert "lr" in plan.types
    assert "a" not in plan_of(results_of(a=["x", "y"]), hide=iter(["a"])).axes


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


def test_there_is_no_picture_of_nothing() -> None:
    message = "obj must have at least one row; got an empty frame."
    with pytest.raises(ValueError, match=re.escape(message)):
        to_hiplot(to_frame(results_of(lr=[0.1]))[:0])


def test_a_page_of_folds_ends_with_the_score(net_grid: Any) -> None:
    experiment = to_hiplot(net_grid, "fold")
    order = experiment._asdict()["display_data"]["PARALLEL_PLOT"]["order"]
    assert order[::-1][-4:] == [
        "fold",
        "mean_fit_time",
        "rank_test_score",
        "test_score",
    ]
    assert experiment.colorby == "test_score"
    assert "candidate" not in order


def test_a_page_shows_at_most_so_many_rows_and_says_so() -> None:
    experiment = to_hiplot(many(1001), max_rows=100)
    ranks = [point.values["rank_test_score"] for point in experiment.datapoints]
    assert len(ranks) == 100
    assert (ranks[0], ranks[-1]) == (1, 1001)
    assert set(np.diff(ranks)) <= {10, 11}
    notice = "This page shows 100 of 1,001 rows, evenly spread from the first to the"
    assert notice in experiment.to_html()
    assert notice in experiment._repr_html_()
    whole = to_hiplot(many(1001), max_rows=None)
    assert len(whole.datapoints) == 1001
    assert 'class="skact-notice"' not in whole.to_html()


def test_twenty_thousand_rows_are_shown_and_one_more_is_not() -> None:
    assert len(to_hiplot(many(20_000)).datapoints) == 20_000
    assert to_hiplot(many(20_000)).notice == ""
    assert len(to_hiplot(many(20_001)).datapoints) == 20_000


def test_of_many_curves_whole_ones_are_shown() -> None:
    frame = pd.DataFrame(
        {
            "model": np.repeat([f"m{i:02}" for i in range(20)], 10),
            "epoch": np.tile(np.arange(1, 11), 20),
            "train_loss": np.linspace(1, 0, 200),
        }
    )
    experiment = to_hiplot(frame, max_rows=59)
    models = [point.values["model"] for point in experiment.datapoints]
    assert sorted(set(models)) == ["m00", "m05", "m10", "m14", "m19"]
    assert all(models.count(model) == 10 for model in set(models))
    assert "50 of 200 rows: 5 of 20 curves, evenly spread" in experiment.notice
    thinned = to_hiplot(frame, max_rows=5)  # less than one curve
    assert len(thinned.datapoints) == 5


def wide(n_params: int) -> dict[str, list[Any]]:
    """Results whose parameters vary if their number is odd."""
    params = {f"param_p{i}": [1, 1 + i % 2, 1] for i in range(n_params)}
    measured = {f"split{i}_test_score": [0.1 * i, 0.5, 0.9] for i in range(3)}
    scores = {"mean_test_score": [0.1, 0.5, 0.9], "std_test_score": [0.1, 0.2, 0.3]}
    ranks = {"rank_test_score": [3, 2, 1]}
    return params | measured | scores | ranks | {"mean_fit_time": [1.0, 2.0, 3.0]}


def test_of_many_columns_scores_and_what_varies_are_shown() -> None:
    page = to_hiplot(wide(10_000))
    shown = list(page.parameters_definition)
    assert len(shown) == 100
    scores = {"rank_test_score", "mean_test_score", "std_test_score"}
    assert set(shown) == scores | {f"p{i}" for i in range(1, 2 * 97, 2)}
    notice = "This page shows 100 of 10,007 columns: the score, then parameters"
    assert notice in page.to_html()
    assert set(page.datapoints[0].values) == set(shown)


def test_what_is_asked_for_is_shown_before_what_varies() -> None:
    options: dict[str, Any] = {"order": "split1_test_score", "log": "p8", "color": "p6"}
    page = to_hiplot(wide(10), max_columns=7, **options)
    shown = ["rank_test_score", "p1", "p6", "p8", "mean_test_score"]
    shown += ["std_test_score", "split1_test_score"]
    assert list(page.parameters_definition) == shown
    few = to_hiplot(wide(10), max_columns=1)
    assert "mean_test_score" in few.parameters_definition
    narrow = set(to_hiplot(wide(4), max_columns=6).parameters_definition)
    assert narrow == {
        *("rank_test_score", "mean_test_score", "std_test_score"),
        *("p1", "p3", "mean_fit_time"),
    }


def test_a_hundred_columns_are_shown_and_all_on_request() -> None:
    assert to_hiplot(wide(93)).notice == ""
    whole = to_hiplot(wide(200), max_columns=None)
    assert len(whole.parameters_definition) == 207
    assert whole.notice == ""


def test_a_page_of_many_recorded_values_keeps_its_curves() -> None:
    values = {f"v{i}": [i, 2 * i + 1] for i in range(300)}
    frame = pd.DataFrame({"epoch": [1, 2], **values, "train_loss": [2.0, 1.0]})
    page = to_hiplot(frame)
    assert len(page.parameters_definition) == 100
    assert page.display_data("XY")["axis_y"] == "train_loss"


@pytest.mark.parametrize("name", ["max_rows", "max_columns"])
@pytest.mark.parametrize("most", [0, -1, 1.5, "3", True])
def test_the_bounds_of_a_page_are_whole_numbers(name: str, most: Any) -> None:
    message = f"{name} must be an int of at least 1, or None; got {most!r}."
    with pytest.raises(ValueError, match=re.escape(message)):
        to_hiplot(many(3), **{name: most})


def test_numbers_of_numpy_are_numbers_of_rows() -> None:
    assert len(to_hiplot(many(10), max_rows=np.int64(3)).datapoints) == 3


def test_the_axes_that_are_asked_for_come_first_even_if_they_are_details() -> None:
    search = grid(TREE, DEPTHS)
    asked = ["mean_test_score", "split0_test_score", "max_depth"]
    experiment = to_hiplot(search, order=asked)
    order = experiment._asdict()["display_data"]["PARALLEL_PLOT"]["order"][::-1]
    assert order[:3] == asked
    assert len(order) == len(set(order)) > 3
    hidden = experiment._asdict()["display_data"]["PARALLEL_PLOT"]["hide"]
    assert "split0_test_score" not in hidden
    assert "split1_test_score" in hidden


def test_the_page_says_which_scores_are_missing_or_all_alike() -> None:
    results = {
        "param_C": [1, 2, 3],
        "mean_test_score": [0.5, 0.5, math.nan],
        "rank_test_score": [1, 1, 3],
    }
    notice = to_hiplot(results).notice
    assert "1 of 3 rows have no mean_test_score: a fit or its scoring failed." in notice
    assert "mean_test_score is 0.5 wherever there is one: it has no axis." in notice
    assert notice in to_hiplot(results).to_html()
    fine = {**results, "mean_test_score": [0.6, 0.5, 0.4], "rank_test_score": [1, 2, 3]}
    assert to_hiplot(fine).notice == ""


def test_models_are_leftmost_and_results_never() -> None:
    long = ["a" * 40, "b" * 40]
    results = {
        "param_s": long,
        "param_lr": [0.1, 0.2],
        "mean_fit_time": [1.0, 2.0],
        "mean_test_score": [0.6, 0.5],
        "rank_test_score": [1, 2],
    }
    order = axes_of(to_hiplot({"a": results, "b": results}))
    assert order[0] == "model"
    del results["param_lr"]
    assert axes_of(to_hiplot(results))[0] == "s"


def test_its_page_has_axes_for_numbers_and_short_words() -> None:
    experiment = to_hiplot(activations_frame())
    hidden = experiment._asdict()["display_data"]["PARALLEL_PLOT"]["hide"]
    assert {"formula", "good", "bad", "paper", "derivative"} <= set(hidden)
    assert not {"name", "bounded", "gain", "low", "high"} & set(hidden)
    asked = to_hiplot(activations_frame(), order="formula")
    assert "formula" not in asked._asdict()["display_data"]["PARALLEL_PLOT"]["hide"]


def epochs_of(n_layers: int = 3, **more: Any) -> pd.DataFrame:
    """Epochs of six candidates, with many columns for each layer."""
    rng = np.random.default_rng(0)
    rows = [(a, lr, e) for a in ("relu", "tanh") for lr in (1, 2, 3) for e in (1, 2)]
    frame = pd.DataFrame(rows, columns=["activation", "lr", "epoch"])
    # the learning rate decides where curves end; the activation does not matter
    frame["train_loss"] = frame["lr"] + rng.uniform(0, 0.1, len(frame))
    frame["valid_loss"] = frame["lr"] + rng.uniform(0, 0.1, len(frame))
    for name in ("dead", "saturated", "act_mean", "act_std", "grad_norm"):
        for layer in range(1, n_layers + 1):
            frame[f"{name}_{layer}"] = rng.normal(size=len(frame))
    frame.insert(0, "candidate", np.repeat(range(6), 2))
    return frame.assign(**more)


def test_the_colour_of_epochs_is_the_activation_where_it_was_searched() -> None:
    plan = plan_of(epochs_of())
    assert plan.color == "activation"
    assert list(plan.colors) == ["relu", "tanh"]
    assert plan_of(epochs_of(activation="relu")).color == "lr"
    assert plan_of(epochs_of(), color="lr").color == "lr"
    named = epochs_of().rename(columns={"activation": "net__activation"})
    assert plan_of(named).color == "net__activation"


def test_of_several_nets_with_one_activation_each_the_names_have_colours() -> None:
    frame = epochs_of().query("lr == 1")
    frame.insert(0, "model", frame["activation"] + "_net")
    assert plan_of(frame).color == "model"
    frame["model"] = "one net"
    assert plan_of(frame).color == "activation"


def test_every_word_has_a_colour_of_its_own() -> None:
    for n in (8, 9, 40):
        names = [f"f{i:02}" for i in range(n)]
        frame = pd.DataFrame(
            {"activation": names * 2, "epoch": [1] * n + [2] * n, "train_loss": 1.0}
        )
        colors = plan_of(frame).colors
        assert list(colors) == names
        assert len(set(colors.values())) == n
        assert all(re.fullmatch(r"rgb\(\d+, \d+, \d+\)", c) for c in colors.values())


def test_results_that_tell_less_are_only_in_the_table() -> None:
    frame = epochs_of(n_layers=6)
    plan = plan_of(frame)
    assert len(plan.axes) == 12
    assert plan.axes[-1] == "valid_loss"
    assert {"lr", "activation", "epoch", "train_loss"} < set(plan.axes)
    recorded = set(frame.columns) - {"candidate", "activation", "lr", "epoch"}
    assert set(plan.left_out) == recorded - set(plan.axes)
    assert set(plan.left_out) < set(plan.hidden)
    assert set(plan.types) == set(frame.columns)
    asked = plan_of(frame, order=list(plan.left_out[:2]))
    assert asked.axes[:2] == list(plan.left_out[:2])
    assert plan_of(epochs_of(n_layers=1)).left_out == ()


def test_parameters_never_lose_their_axes_and_results_not_all() -> None:
    params = {f"p{i}": [1, 2] for i in range(30)}
    plan = plan_of(results_of(**params, mean_fit_time=[1.0, 2.0]))
    assert set(params) < set(plan.axes)
    assert plan.left_out == ()
    several = {f"mean_{part}_{m}": [1, 2] for part in ("test", "train") for m in "abcd"}
    ranks = {f"rank_test_{m}": [2, 1] for m in "abcd"}
    plan = plan_of({f"param_{k}": v for k, v in params.items()} | several | ranks)
    assert set(params) < set(plan.axes)
    kept = ["mean_train_a", "mean_test_b", "mean_test_c", "mean_test_d"]
    assert plan.axes[-6:] == [*kept, "rank_test_a", "mean_test_a"]
    assert plan.left_out == ("mean_train_b", "mean_train_c", "mean_train_d")


def test_axes_lie_as_far_apart_as_their_words_are_long() -> None:
    short, long = ["relu", "tanh"], ["x" * 30, "y"]
    assert plan_of(results_of(a=[1, 2], b=short)).spacing == 80
    wide = plan_of(results_of(a=[1, 2], b=long))
    assert wide.axes[0] == "a"  # there is room for few axes
    assert wide.spacing > 6 * 30
    many = {f"p{i}": [1, 2] for i in range(9)}
    plan = plan_of(results_of(**many, b=long, c=short))
    assert plan.axes[0] == "b"  # at the left edge its words need room once
    assert plan.spacing == 80
    assert (
        f"min-width: {80 + 80 * (len(plan.axes) - 1)}px"
        in to_hiplot(results_of(**many, b=long, c=short)).to_html()
    )


def test_many_words_on_an_axis_are_small() -> None:
    names = [f"f{i:02}" for i in range(60)]
    assert plan_of(results_of(a=names)).n_words == 60
    assert "font-size: 8px" in to_hiplot(results_of(a=names)).to_html()
    assert "font-size: 13px" in to_hiplot(results_of(a=names[:9])).to_html()

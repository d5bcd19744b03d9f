"""Scores of a search are drawn against the learning rate, with the spread of folds."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skact import (
    ActMLP,
    SearchDisplay,
    fused,
    load_results,
    save_results,
    to_frame,
)

X, y = load_iris(return_X_y=True)
X = X.astype(np.float32)
GRID = {
    "actmlp__activation": ["relu", "tanh", "sigmoid"],
    "actmlp__lr": [0.1, 0.01, 0.001],
    "actmlp__width": [4, 8],
}
draw = SearchDisplay.from_estimator


@pytest.fixture(scope="module")
def search() -> Any:
    net = make_pipeline(StandardScaler(), ActMLP(max_epochs=4, random_state=0))
    scoring = ["accuracy", "neg_log_loss"]
    with fused():
        return GridSearchCV(net, GRID, cv=3, scoring=scoring, refit="accuracy").fit(
            X, y
        )


def results_of(means: list[float], **params: list[Any]) -> dict[str, Any]:
    ranks = pd.Series(means).rank(ascending=False, method="min", na_option="bottom")
    return {
        **{f"param_{name}": values for name, values in params.items()},
        "split0_test_score": means,
        "split1_test_score": means,
        "mean_test_score": means,
        "std_test_score": [0.01] * len(means),
        "rank_test_score": ranks.astype(int).tolist(),
    }


def legend(display: SearchDisplay) -> list[str]:
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


def test_points_are_means_and_bars_are_deviations(search: Any) -> None:
    display = draw(search)
    assert (display.x, display.hue, display.metric) == ("lr", "activation", "accuracy")
    assert display.ax_.get_xscale() == "log"
    frame = to_frame(search)
    assert len(display.points) == 9
    for point in display.points.itertuples():
        at = frame[(frame["activation"] == point.hue) & (frame["lr"] == point.x)]
        best = at.loc[at["mean_test_accuracy"].idxmax()]
        assert point.mean == best["mean_test_accuracy"]
        assert point.std == best["std_test_accuracy"]
    for bars in display.bars_:
        line, _, (spread,) = bars.lines
        rows = display.points[display.points["hue"] == bars.get_label()]
        rows = rows.sort_values("x")
        assert np.allclose(line.get_ydata(), rows["mean"])
        ends = np.array([segment[:, 1] for segment in spread.get_segments()])
        assert np.allclose(ends[:, 1] - ends[:, 0], 2 * rows["std"])
        assert np.allclose(line.get_xdata(), rows["x"], rtol=0.3)  # beside each other
    assert "at each point the best over width" in display.ax_.get_xlabel()
    assert display.ax_.get_ylabel() == "test accuracy: mean ± std of 3 folds"


def test_the_ring_and_the_title_are_of_the_candidate_that_ranks_first(
    search: Any,
) -> None:
    display = draw(search)
    first = to_frame(search).iloc[0]
    assert display.best_.get_ydata()[0] == first["mean_test_accuracy"]
    title = display.ax_.get_title()
    said = f"{first['activation']}, lr={first['lr']}, width={first['width']}"
    assert title.startswith(f"best: {first['mean_test_accuracy']:.4g} ± ")
    assert title.endswith(said)
    assert legend(display)[0] == first["activation"]  # the best group first


def test_the_axis_names_the_score_of_the_estimator(search: Any) -> None:
    grid = {"lr": [0.1, 0.01]}
    plain = GridSearchCV(ActMLP(max_epochs=1, random_state=0), grid, cv=2).fit(X, y)
    display = draw(plain)
    assert (display.metric, display.metric_name) == ("score", "accuracy")
    assert display.ax_.get_ylabel() == "test accuracy: mean ± std of 2 folds"
    assert draw(plain, metric_name="right").ax_.get_ylabel()[:11] == "test right:"
    again = SearchDisplay(display.points, x="lr", metric="score").plot()
    assert again.ax_.get_ylabel() == "test score"


def test_random_rates_have_ticks_of_plain_numbers() -> None:
    rates = [0.0003, 0.00031, 0.0004, 0.0011, 0.002, 0.0021, 0.003, 0.0041, 0.006, 0.01]
    display = draw(results_of([0.1 * i for i in range(10)], lr=rates))
    display.figure_.canvas.draw()
    low, high = display.ax_.get_xlim()
    ticks = [t for t in display.ax_.get_xticks() if low <= t <= high]
    assert ticks == pytest.approx([0.0005, 0.001, 0.002, 0.005, 0.01])
    shown = [text.get_text() for text in display.ax_.get_xticklabels()]
    assert {"0.0005", "0.001", "0.01"} <= set(shown)


def test_another_metric_has_its_own_best(search: Any) -> None:
    display = draw(search, metric="neg_log_loss")
    frame = to_frame(search)
    best = frame.loc[frame["mean_test_neg_log_loss"].idxmax()]
    assert display.points["mean"].iloc[0] == best["mean_test_neg_log_loss"]
    with pytest.raises(ValueError, match=r"metric must be one of .*'accuracy'.*'r2'"):
        draw(search, metric="r2")


@pytest.mark.parametrize("kind", ["results", "table", "frame", "fold", "saved"])
def test_all_forms_of_results_are_drawn_alike(
    search: Any, kind: str, tmp_path: Any
) -> None:
    forms: dict[str, Any] = {
        "results": lambda: search.cv_results_,
        "table": lambda: pd.DataFrame(search.cv_results_),
        "frame": lambda: to_frame(search),
        "fold": lambda: to_frame(search, "fold"),
        "saved": lambda: save_results(search, tmp_path) or load_results(tmp_path),
    }
    options = {} if kind in ("frame", "fold", "saved") else {"metric": "accuracy"}
    found = draw(forms[kind](), **options).points
    pd.testing.assert_frame_equal(found, draw(search).points)


def test_searches_of_other_estimators_are_drawn() -> None:
    grid = {"C": [0.01, 1, 100], "kernel": ["rbf", "poly"]}
    display = draw(GridSearchCV(SVC(), grid, cv=3).fit(X, y))
    assert (display.x, display.hue) == ("C", "kernel")
    assert display.ax_.get_xscale() == "log"
    ticks = [text.get_text() for text in display.ax_.get_xticklabels()]
    assert ticks == ["0.01", "1", "100"]


def test_points_of_a_random_search_are_not_joined() -> None:
    rng = np.random.default_rng(0)
    space = {"C": rng.uniform(0.1, 10, 40).tolist(), "gamma": rng.uniform(1, 2, 40)}
    search = RandomizedSearchCV(SVC(), space, n_iter=20, cv=3, random_state=0)
    display = draw(search.fit(X, y), hue=[])
    assert {line.get_linestyle() for line in display.lines_} == {"None"}
    assert "points differ in C, too" in display.ax_.get_xlabel()
    grid = draw(results_of([0.1, 0.2, 0.3], lr=[1, 2, 3]))
    assert {line.get_linestyle() for line in grid.lines_} == {"-"}


def test_a_halving_search_shows_the_last_round_of_each_candidate() -> None:
    grid = {"C": [0.01, 1, 100, 1000], "kernel": ["rbf", "poly"]}
    search = HalvingGridSearchCV(SVC(), grid, factor=2, random_state=0).fit(X, y)
    display = draw(search)
    assert len(display.points) == 8
    assert display.points["mean"].iloc[0] == search.best_score_
    assert "each candidate at the last iter" in display.ax_.get_xlabel()


def test_several_searches_are_groups(search: Any) -> None:
    display = draw({"one": search, "two": search}, metric="accuracy")
    assert display.hue == "model, activation"
    assert set(display.points["hue"]) == {
        f"{m}, {a}" for m in ("one", "two") for a in ("relu", "tanh", "sigmoid")
    }


def test_words_have_places_in_the_order_of_their_numbers() -> None:
    hidden = [(128,), (64, 32), (8,), (16,)]
    display = draw(results_of([0.1, 0.3, 0.2, 0.4], hidden=hidden), hue=[])
    ticks = [text.get_text() for text in display.ax_.get_xticklabels()]
    assert ticks == ["(8,)", "(16,)", "(64, 32)", "(128,)"]
    assert display.lines_[0].get_ydata().tolist() == [0.2, 0.4, 0.3, 0.1]
    assert display.lines_[0].get_linestyle() == "None"


def test_zero_has_a_place_beside_powers_of_ten() -> None:
    display = draw(results_of([0.1, 0.3, 0.2], weight_decay=[0.0, 1e-4, 1e-2]))
    ticks = [text.get_text() for text in display.ax_.get_xticklabels()]
    assert ticks == ["0", "0.0001", "0.01"]
    assert display.ax_.get_xscale() == "linear"
    assert display.lines_[0].get_xdata().tolist() == [0, 1, 2]


def test_one_terrible_point_does_not_press_all_others_together() -> None:
    means = [0.70, 0.72, 0.75, 0.74, 0.73, -1e9]
    display = draw(results_of(means, lr=[1, 2, 3, 4, 5, 6]))
    low, high = display.ax_.get_ylim()
    assert 0.6 < low < 0.70
    assert 0.75 < high < 0.85
    assert "1 point lies below, down to -1e+09" in display.ax_.get_xlabel()
    (triangle,) = [x for x in display.ax_.get_lines() if x.get_marker() == "v"]
    assert triangle.get_xdata().tolist() == [6]
    near = draw(results_of([0.3, 0.72, 0.75, 0.74, 0.73, 0.5], lr=[1, 2, 3, 4, 5, 6]))
    assert near.ax_.get_ylim()[0] < 0.3
    assert near.ax_.get_xlabel() == "lr"


def test_many_activations_differ_and_have_their_legend_outside() -> None:
    names = [f"f{i:02}" for i in range(26)]
    results = results_of(
        np.linspace(0.5, 0.9, 52).tolist(),
        activation=names * 2,
        lr=[0.1] * 26 + [1] * 26,
    )
    display = draw(results)
    looks = {(str(x.get_color()), x.get_marker()) for x in display.lines_}
    assert len(looks) == 26
    display.figure_.canvas.draw()
    box = display.ax_.get_legend().get_window_extent()
    assert box.x0 >= display.ax_.bbox.x1
    assert box.x1 <= display.figure_.bbox.x1
    assert display.ax_.bbox.width > 0.5 * 6.4 * display.figure_.dpi


def test_many_numbers_have_a_bar_of_colours() -> None:
    widths = [2**i for i in range(10)]
    results = results_of(
        np.linspace(0.5, 0.9, 20).tolist(), width=widths * 2, lr=[0.1] * 10 + [1] * 10
    )
    display = draw(results)
    assert display.ax_.get_legend() is None
    (bar,) = [ax for ax in display.figure_.axes if ax is not display.ax_]
    assert bar.get_ylabel() == "width"


def test_it_draws_where_it_is_told_to_and_how(search: Any) -> None:
    figure, ax = plt.subplots()
    size = figure.get_size_inches().tolist()
    options: dict[str, Any] = {"line_kw": {"alpha": 0.5}, "bar_kw": {"capsize": 7}}
    display = draw(search, ax=ax, x="width", hue=["activation", "lr"], **options)
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert figure.get_size_inches().tolist() == size
    assert {line.get_alpha() for line in display.lines_} == {0.5}
    assert {bars.lines[1][0].get_markersize() for bars in display.bars_} == {14}
    assert display.others == ()
    assert display.plot() is display
    assert display.figure_ is not figure


def test_full_names_of_parameters_count(search: Any) -> None:
    display = draw(search, x="actmlp__width", hue="actmlp__activation")
    assert (display.x, display.hue, display.others) == ("width", "activation", ("lr",))


def test_bad_input_is_named(search: Any) -> None:
    with pytest.raises(ValueError, match=r"x must name some of .*'depth'"):
        draw(search, x="depth")
    with pytest.raises(ValueError, match=r"hue must name some of .*'depth'"):
        draw(search, hue=["lr", "depth"])
    with pytest.raises(ValueError, match="no other parameter varies"):
        draw(results_of([0.5], lr=[0.1]))
    with pytest.raises(ValueError, match="no scores of candidates to draw"):
        draw(to_frame(ActMLP(max_epochs=1).fit(X, y)))


def test_dollars_in_names_are_drawn_as_they_are() -> None:
    results = results_of([0.5, 0.6], **{"$lr": [0.1, 0.2]}, activation=["$a$", "$b"])
    draw(results, hue="activation").figure_.canvas.draw()


def test_what_is_averaged_or_not_drawn_is_said() -> None:
    seeds = results_of([0.5, 0.7, 0.8, 0.9], lr=[1, 1, 2, 2], random_state=[0, 1, 0, 1])
    display = draw(seeds)
    assert display.lines_[0].get_ydata().tolist() == pytest.approx([0.6, 0.85])
    assert display.ax_.get_xlabel() == "lr\nmean over random_state"
    other = results_of([0.5, 0.6], C=[1, 2])
    both = draw({"one": results_of([0.5, 0.6], lr=[1, 2]), "two": other})
    assert both.ax_.get_xlabel() == "lr\n2 candidates without lr not drawn"


def test_a_group_may_lack_the_number_that_colours_the_others() -> None:
    results = [
        results_of([0.5, 0.6], lr=[1, 2], width=[8, 16]),
        results_of([0.7, 0.4], lr=[1, 2]),
    ]
    display = draw(pd.concat(map(to_frame, results), ignore_index=True), hue="width")
    assert set(display.points["hue"]) == {"width=8", "width=16", "other"}
    display.figure_.canvas.draw()


def test_many_numbers_with_a_zero_have_a_linear_axis() -> None:
    decays = [0.0, *np.geomspace(1e-5, 1, 30)]
    display = draw(results_of(np.linspace(0.5, 0.9, 31).tolist(), weight_decay=decays))
    assert display.ax_.get_xscale() == "linear"
    assert display.lines_[0].get_xdata().tolist() == pytest.approx(decays)

"""Training curves are drawn: fits as thin lines, their mean as a thick one."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skact import (
    ActMLP,
    TrainingDisplay,
    TrainingLog,
    load_results,
    save_results,
    to_frame,
)
from skact.results.logged_fit import log_of

X, y = load_iris(return_X_y=True)
X = X.astype(np.float32)
FOLDS = StratifiedKFold(3)
GRID = {"activation": ["relu", "tanh"], "lr": [0.1, 0.01]}


@pytest.fixture(scope="module")
def search() -> Any:
    log = TrainingLog()
    net = ActMLP(max_epochs=4, batch_size=50, random_state=0).set_callbacks(log)
    search = GridSearchCV(net, GRID, cv=FOLDS, scoring=log.scorer())
    return search.fit(X, y)


def legend(display: TrainingDisplay) -> list[str]:
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


def test_thin_lines_are_fits_and_thick_ones_their_means(search: Any) -> None:
    display = TrainingDisplay.from_estimator(search, metrics="fold_loss")
    frame = to_frame(search, "epoch")
    assert len(display.lines_) == 2
    assert len(display.fit_lines_) == 2 * 3
    assert display.figure_ is display.ax_.figure
    for i, label in enumerate(legend(display)):
        activation, rate = label.rstrip(")").split(" (lr=")
        rows = frame[(frame["activation"] == activation) & (frame["lr"] == float(rate))]
        wide = rows.pivot(index="epoch", columns="fold", values="fold_loss")
        thin = display.fit_lines_[3 * i : 3 * i + 3]
        for line, fold in zip(thin, wide, strict=True):
            assert np.array_equal(line.get_ydata(), wide[fold])
        thick = display.lines_[i]
        assert np.allclose(thick.get_ydata(), wide.mean(axis=1))
        assert thick.get_linewidth() > thin[0].get_linewidth()
        assert thick.get_color() == thin[0].get_color()


@pytest.mark.parametrize("metric", ["fold_loss", "fold_acc", "train_loss"])
def test_of_each_group_the_candidate_that_the_search_ranks_first_is_drawn(
    search: Any, metric: str
) -> None:
    display = TrainingDisplay.from_estimator(search, metrics=[metric])
    ranked = to_frame(search)
    for activation in GRID["activation"]:
        best = ranked[ranked["activation"] == activation].iloc[0]["lr"]
        assert f"{activation} (lr={best})" in legend(display)
    title = display.ax_.get_legend().get_title().get_text()
    assert title == "best of each activation"
    everything = TrainingDisplay.from_estimator(search, by=["activation", "lr"])
    assert everything.ax_.get_legend().get_title().get_text() == ""


def test_of_a_log_the_candidate_whose_fits_end_best_is_drawn() -> None:
    rows = [
        (0, 2 * c + f, False, c, e, loss + 0.1 * f, acc)
        for c, (loss, acc) in enumerate([(1.0, 0.9), (2.0, 0.95)])
        for f in (0, 1)
        for e in (1, 2)
    ]
    names = ["run", "fit", "refit", "lr", "epoch", "valid_loss", "valid_acc"]
    frame = pd.DataFrame(rows, columns=names).assign(activation="relu")
    frame = frame[["activation", *names]]
    for metric, best in (("valid_loss", 0), ("valid_acc", 1)):
        display = TrainingDisplay.from_estimator(frame, metrics=metric, by="activation")
        assert list(display.groups) == [f"relu (lr={best})"]


def test_folds_are_those_of_the_best_candidate(search: Any) -> None:
    display = TrainingDisplay.from_estimator(search, metrics="fold_loss", by="fold")
    best = to_frame(search, "epoch").groupby("candidate", sort=False).first().index[0]
    frame = to_frame(search, "epoch")
    frame = frame[frame["candidate"] == best]
    assert list(display.groups) == ["fold=0", "fold=1", "fold=2"]
    for fold, line in enumerate(display.lines_):
        expected = frame[frame["fold"] == fold]["fold_loss"].tolist()
        assert line.get_ydata().tolist() == expected


def test_many_numbers_have_a_bar_and_many_words_a_legend_outside() -> None:
    rows = [(10.0**-i, e, 1.0 + i) for i in range(12) for e in (1, 2)]
    frame = pd.DataFrame(rows, columns=["lr", "epoch", "train_loss"])
    display = TrainingDisplay.from_estimator(frame)
    assert display.ax_.get_legend() is None
    (bar,) = [ax for ax in display.figure_.axes if ax is not display.ax_]
    assert bar.get_ylabel() == "lr"
    assert bar.get_yscale() == "log"
    words = frame.assign(lr=[f"f{i:.0e}" for i in frame["lr"]])
    words = words.rename(columns={"lr": "activation"})
    outside = TrainingDisplay.from_estimator(words)
    assert len(legend(outside)) == 12
    box = outside.ax_.get_legend().get_bbox_to_anchor()
    assert box.x0 >= outside.ax_.bbox.x1


def test_candidates_that_differ_in_their_seed_alone_are_repetitions() -> None:
    rows = [
        (2 * c + seed, name, seed, fold, e, 1.0 + c + 0.1 * seed)
        for c, name in enumerate(["relu", "tanh"])
        for seed in (0, 1)
        for fold in (0, 1)
        for e in (1, 2)
    ]
    names = ["candidate", "activation", "random_state", "fold", "epoch", "valid_loss"]
    frame = pd.DataFrame(rows, columns=names)
    display = TrainingDisplay.from_estimator(frame)
    assert legend(display) == ["relu", "tanh"]
    assert len(display.fit_lines_) == 2 * 2 * 2
    assert display.lines_[0].get_ydata().tolist() == pytest.approx([1.05, 1.05])
    by_seed = TrainingDisplay.from_estimator(frame, by="random_state")
    assert len(by_seed.groups) == 2


def test_what_is_missing_or_has_no_value_is_not_named() -> None:
    rows = [
        ("a", 8, np.nan, 1, 1.0),
        ("b", None, 0.00012345, 1, 2.0),
        ("c", None, 0.1, 1, np.nan),
    ]
    names = ["model", "width", "lr", "epoch", "train_loss"]
    frame = pd.DataFrame(rows, columns=names).astype({"width": "Int64"})
    display = TrainingDisplay.from_estimator(frame, by=["model", "width", "lr"])
    assert legend(display) == ["a, width=8", "b, lr=0.000123"]
    assert len(display.groups) == 3


def test_the_defaults_are_the_losses_by_activation(search: Any) -> None:
    display = TrainingDisplay.from_estimator(search)
    assert display.metrics == ["fold_loss", "train_loss"]
    assert legend(display)[-2:] == ["fold_loss", "train_loss"]
    assert {line.get_linestyle() for line in display.lines_} == {"-", "--"}
    assert display.ax_.get_xlabel() == "epoch"
    assert display.ax_.get_ylabel() == "loss"


def test_groups_can_be_told_apart_by_anything(search: Any) -> None:
    display = TrainingDisplay.from_estimator(search, metrics="train_loss", by="lr")
    assert {label.split(" ")[0] for label in legend(display)} == {"lr=0.1", "lr=0.01"}
    both = TrainingDisplay.from_estimator(
        search, metrics="train_loss", by=["activation", "lr"]
    )
    assert set(legend(both)) == {
        f"{a}, lr={lr}" for a in GRID["activation"] for lr in GRID["lr"]
    }
    assert len(both.fit_lines_) == 12


def test_a_net_alone_has_one_thick_line() -> None:
    net = make_pipeline(StandardScaler(), ActMLP(max_epochs=3, random_state=0))
    display = TrainingDisplay.from_estimator(net.fit(X, y))
    assert len(display.lines_) == 1
    assert not display.fit_lines_
    assert display.ax_.get_legend() is None
    assert display.ax_.get_ylabel() == "train_loss"
    losses = net[-1].history[:, "train_loss"]
    assert display.lines_[0].get_ydata().tolist() == losses


def test_several_nets_are_told_apart_by_their_names() -> None:
    nets = {
        name: ActMLP(name, max_epochs=2, random_state=0).fit(X, y)
        for name in ("relu", "tanh")
    }
    assert legend(TrainingDisplay.from_estimator(nets)) == ["relu", "tanh"]


def test_a_log_draws_all_fits_but_the_refits(search: Any) -> None:
    log = log_of(search.estimator)
    display = TrainingDisplay.from_log(log, metrics="fold_loss")
    again = TrainingDisplay.from_estimator(search, metrics="fold_loss")
    assert sorted(legend(display)) == sorted(legend(again))
    drawn, expected = (
        sorted(line.get_ydata().tolist() for line in one.fit_lines_)
        for one in (display, again)
    )
    assert drawn == expected


def test_the_fits_of_cross_validate_are_folds_of_each_other() -> None:
    log = TrainingLog()
    net = ActMLP(max_epochs=2, random_state=0).set_callbacks(log)
    cross_validate(net, X, y, cv=FOLDS)
    display = TrainingDisplay.from_log(log)
    assert len(display.fit_lines_) == 3
    assert len(display.lines_) == 1


def test_a_log_of_one_net_draws_it() -> None:
    log = TrainingLog()
    ActMLP(max_epochs=2, random_state=0).set_callbacks(log).fit(X, y)
    assert len(TrainingDisplay.from_log(log).lines_) == 1


def test_saved_results_are_drawn_alike(search: Any, tmp_path: Any) -> None:
    save_results(search, tmp_path / "saved")
    display = TrainingDisplay.from_estimator(load_results(tmp_path / "saved"))
    again = TrainingDisplay.from_estimator(search)
    assert legend(display) == legend(again)


def test_a_mean_ends_where_the_first_of_its_fits_ends() -> None:
    rows = [(fold, e, 1.0 / e) for fold, n in ((0, 2), (1, 4)) for e in range(1, n + 1)]
    frame = pd.DataFrame(rows, columns=["fold", "epoch", "valid_loss"])
    display = TrainingDisplay.from_estimator(frame)
    assert np.isnan(display.lines_[0].get_ydata()).tolist() == [False] * 2 + [True] * 2


def test_a_candidate_that_failed_is_not_the_best_of_its_group() -> None:
    rows = [
        ("relu", lr, fold, e, loss)
        for lr, loss in ((0.1, np.nan), (0.01, 1.0))
        for fold in (0, 1)
        for e in (1, 2)
    ]
    names = ["activation", "lr", "fold", "epoch", "valid_loss"]
    frame = pd.DataFrame(rows, columns=names)
    display = TrainingDisplay.from_estimator(frame, by="activation")
    assert list(display.groups) == ["relu (lr=0.01)"]


def test_losses_of_some_size_have_a_logarithmic_axis() -> None:
    def scale(*losses: float) -> str:
        frame = pd.DataFrame({"epoch": [1, 2], "train_loss": losses})
        return TrainingDisplay.from_estimator(frame).ax_.get_yscale()

    assert scale(2.0, 0.1) == "log"
    assert scale(2.0, 0.3) == "linear"
    assert scale(2.0, 0.0) == "linear"
    frame = pd.DataFrame({"epoch": [1, 2, 3], "train_loss": [2.0, 0.1, 0.0]})
    assert TrainingDisplay.from_estimator(frame).ax_.get_yscale() == "log"


def test_it_draws_where_it_is_told_to_and_how(search: Any) -> None:
    figure, axes = plt.subplots(1, 2)
    display = TrainingDisplay.from_estimator(
        search,
        ax=axes[0],
        fit_kw={"alpha": 0.1},
        mean_kw={"linewidth": 5},
    )
    assert display.ax_ is axes[0]
    assert display.figure_ is figure
    assert display.plot(axes[1]) is display
    assert display.ax_ is axes[1]
    first = axes[0].get_lines()
    assert {line.get_alpha() for line in first} == {0.1, None}
    assert {line.get_linewidth() for line in first} == {0.7, 5}


def test_bad_input_is_named(search: Any) -> None:
    draw = TrainingDisplay.from_estimator
    with pytest.raises(ValueError, match=r"metrics must name .*'valid_loss'"):
        draw(search, metrics="valid_loss")
    with pytest.raises(ValueError, match=r"metrics must name .*got none"):
        draw(search, metrics=[])
    with pytest.raises(ValueError, match=r"by must name some of .*'width'"):
        draw(search, by="width")
    with pytest.raises(ValueError, match=r"fold_\* are there with log\.scorer\(\)"):
        draw(ActMLP(max_epochs=1).fit(X, y), metrics="fold_loss")
    with pytest.raises(TypeError, match=r"got GridSearchCV: .*from_estimator"):
        TrainingDisplay.from_log(search)
    with pytest.raises(ValueError, match="no epoch to draw"):
        TrainingDisplay.from_log(TrainingLog())
    with pytest.raises(ValueError, match="Attach a log"):
        draw(GridSearchCV(ActMLP(max_epochs=1), {"lr": [0.1]}, cv=2).fit(X, y))


def test_frames_that_were_put_together_are_drawn() -> None:
    parts = [
        pd.DataFrame({"epoch": [1, 2], "train_loss": [1.0, 0.5]}).assign(
            activation=name
        )
        for name in ("relu", "$tanh$")
    ]
    frame = pd.concat(parts)[["activation", "epoch", "train_loss"]]
    display = TrainingDisplay.from_estimator(frame)
    assert list(display.groups) == ["relu", "$tanh$"]
    display.figure_.canvas.draw()


def test_solid_and_dashed_mean_the_same_whatever_the_order(search: Any) -> None:
    def styles(*metrics: str) -> dict[str, Any]:
        display = TrainingDisplay.from_estimator(search, metrics=metrics)
        lines = zip(metrics, display.lines_, strict=False)
        return {metric: line.get_linestyle() for metric, line in lines}

    expected = {"fold_loss": "-", "train_loss": "--"}
    assert styles("fold_loss", "train_loss") == expected
    assert styles("train_loss", "fold_loss") == expected


def test_each_unit_has_an_axis_of_its_own(search: Any) -> None:
    metrics = ["fold_acc", "train_loss", "fold_loss"]
    display = TrainingDisplay.from_estimator(search, metrics=metrics)
    first, second = display.axes_
    assert display.ax_ is first
    assert [ax.get_ylabel() for ax in display.axes_] == ["fold_acc", "loss"]
    assert [ax.get_xlabel() for ax in display.axes_] == ["", "epoch"]
    thick = [line for line in first.get_lines() if line.get_linewidth() == 2]
    assert thick == display.lines_[::3]
    assert len(second.get_lines()) == 2 * 2 * 4
    assert legend(display) == list(display.groups)  # of colours, in the first panel
    said = [text.get_text() for text in second.get_legend().get_texts()]
    assert said == ["train_loss", "fold_loss"]
    first.set_xlim(1, 3)
    assert second.get_xlim() == (1, 3)


def test_train_and_held_out_losses_share_a_logarithmic_axis() -> None:
    frame = pd.DataFrame(
        {
            "epoch": [1, 2],
            "train_loss": [2.0, 0.1],
            "valid_loss": [2.0, 1.5],
            "valid_acc": [0.01, 0.9],
        }
    )
    display = TrainingDisplay.from_estimator(
        frame, metrics=["valid_acc", "valid_loss", "train_loss"]
    )
    assert [ax.get_yscale() for ax in display.axes_] == ["linear", "log"]


def test_panels_are_drawn_into_axes_of_the_user(search: Any) -> None:
    metrics = ["fold_acc", "fold_loss"]
    axes = plt.subplots(1, 2)[1]
    display = TrainingDisplay.from_estimator(search, metrics=metrics, ax=axes)
    assert list(display.axes_) == list(axes)
    whole = plt.figure().add_subplot(1, 2, 2)
    display = TrainingDisplay.from_estimator(search, metrics=metrics, ax=whole)
    place = whole.get_position()
    assert len(display.axes_) == 2
    for ax in display.axes_:
        box = ax.get_position()
        assert place.x0 - 1e-9 <= box.x0 < box.x1 <= place.x1 + 1e-9
        assert place.y0 - 1e-9 <= box.y0 < box.y1 <= place.y1 + 1e-9
    with pytest.raises(ValueError, match="as many as the metrics have units: 2; got 3"):
        TrainingDisplay.from_estimator(
            search, metrics=metrics, ax=plt.subplots(1, 3)[1]
        )


def test_a_figure_of_its_own_has_room_for_a_long_legend() -> None:
    rows = [(f"activation_{i:02}", e, 1.0 + i) for i in range(26) for e in (1, 2)]
    frame = pd.DataFrame(rows, columns=["activation", "epoch", "train_loss"])
    display = TrainingDisplay.from_estimator(frame)
    display.figure_.canvas.draw()
    box = display.ax_.get_legend().get_window_extent()
    assert display.ax_.bbox.x1 <= box.x0
    assert box.x1 <= display.figure_.bbox.x1
    assert display.ax_.bbox.width > 0.5 * 6.4 * display.figure_.dpi

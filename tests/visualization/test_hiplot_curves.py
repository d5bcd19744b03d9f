"""A page of epochs begins with curves: their axes, colour and links."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_iris
from skorch.dataset import ValidSplit

from skact import ActMLP, TrainingLog
from skact.results.frames import to_frame
from skact.results.schema import schema_of
from skact.visualization.hiplot_columns import Column
from skact.visualization.hiplot_curves import (
    choose_curve_axes,
    parameter_that_separates_curves,
    parents_of,
    sort_by_what_they_tell,
)
from skact.visualization.hiplot_experiment import to_hiplot

X, y = load_iris(return_X_y=True)
X32 = X.astype(np.float32)


def fitted_net(**parameters: Any) -> ActMLP:
    split = ValidSplit(0.2, stratified=True, random_state=0)
    net = ActMLP(max_epochs=3, random_state=0, train_split=split)
    return net.set_params(**parameters).fit(X32, y)


def test_a_page_of_epochs_begins_with_curves_that_hang_together() -> None:
    both = {"relu": fitted_net(), "tanh": fitted_net(activation="tanh")}
    experiment = to_hiplot(both)
    page = experiment._asdict()
    assert page["enabled_displays"][0] == "XY"
    xy = page["display_data"]["XY"]
    assert (xy["axis_x"], xy["axis_y"]) == ("epoch", "valid_loss")
    points = experiment.datapoints
    assert [point.from_uid for point in points] == [None, "0", "1", None, "3", "4"]
    assert experiment.colorby == "model"
    colors = experiment.parameters_definition["model"].colors
    assert set(colors) == {"relu", "tanh"}
    assert all(color.startswith("rgb(") for color in colors.values())
    plot = page["display_data"]["PARALLEL_PLOT"]
    assert {"valid_loss", "train_loss"} <= set(plot["invert"])
    assert plot["order"][0] == "valid_loss"
    assert not any(name.endswith("_best") or name == "dur" for name in plot["order"])


def test_a_net_without_validation_has_curves_of_its_train_loss() -> None:
    net = ActMLP(max_epochs=2, random_state=0).fit(X32, y)
    assert to_hiplot(net)._asdict()["display_data"]["XY"]["axis_y"] == "train_loss"


def test_curves_are_of_a_loss_that_every_net_has() -> None:
    nets = {"with": fitted_net(), "without": ActMLP(max_epochs=2).fit(X32, y)}
    experiment = to_hiplot(nets)
    assert experiment._asdict()["display_data"]["XY"]["axis_y"] == "train_loss"
    hidden = to_hiplot(nets["with"], hide="valid_loss")
    assert hidden._asdict()["display_data"]["XY"]["axis_y"] == "train_loss"


def test_curves_of_nets_without_names_are_not_joined() -> None:
    one, other = to_frame(fitted_net()), to_frame(fitted_net(lr=0.1))
    frame = pd.concat([one, other])
    parents = [point.from_uid for point in to_hiplot(frame).datapoints]
    assert [parent is None for parent in parents] == [True, False, False] * 2
    backwards = to_hiplot(one[::-1]).datapoints
    assert [point.from_uid for point in backwards] == ["1", "0", None]


def column(label: str, cells: list[Any], kind: str = "numeric") -> Column:
    return Column(label, label, cells, kind)


def curves_table(
    heights: dict[int, list[float]], **parameters: list[Any]
) -> tuple[list[Column], list[Column], Column]:
    """Candidates with curves of given heights; a parameter has a value for each."""
    rows = [
        (candidate, epoch, height)
        for candidate, curve in heights.items()
        for epoch, height in enumerate(curve, start=1)
    ]
    candidates = [candidate for candidate, *_ in rows]
    up = column("train_loss", [height for *_, height in rows])
    params = [
        column(name, [values[i] for i in candidates], "categorical")
        for name, values in parameters.items()
    ]
    columns = [
        column("candidate", candidates),
        *params,
        column("epoch", [epoch for _, epoch, _ in rows]),
        up,
    ]
    return params, columns, up


def test_curves_have_the_colour_of_the_parameter_that_separates_their_ends() -> None:
    # `other` separates the first epochs, and `kind` the last ones
    heights = {0: [0.3, 0.1], 1: [0.9, 0.2], 2: [0.3, 0.8], 3: [0.9, 0.9]}
    params, columns, up = curves_table(
        heights, other=["x", "y", "x", "y"], kind=["a", "a", "b", "b"]
    )
    best = parameter_that_separates_curves(params, columns, up)
    assert best is not None
    assert best.label == "kind"


def test_no_parameter_separates_curves_if_none_groups_them() -> None:
    heights = {0: [0.1], 1: [0.2], 2: [0.8], 3: [0.9]}
    # a group for each candidate, one group for all, groups across the ranks, and groups
    # whose means differ by less than two random groups usually do
    params, columns, up = curves_table(
        heights,
        each=["a", "b", "c", "d"],
        all=["a", "a", "a", "a"],
        across=["a", "b", "b", "a"],
        by_chance=["a", "b", "a", "b"],
    )
    assert parameter_that_separates_curves(params, columns, up) is None
    assert parameter_that_separates_curves([], columns, up) is None


def test_of_many_numbers_neighbours_form_a_group() -> None:
    heights = {i: [float(i)] for i in range(12)}
    params, columns, up = curves_table(heights, lr=[0.1 * i for i in range(12)])
    numbers = [column("lr", params[0].cells, "numeric")]
    best = parameter_that_separates_curves(numbers, columns, up)
    assert best is numbers[0]
    # as words, the twelve values would be a group for each candidate
    assert parameter_that_separates_curves(params, columns, up) is None


def test_the_points_of_a_curve_are_linked_in_the_order_of_their_epochs() -> None:
    columns = [
        column("candidate", [0, 1, 0, 1, 0]),
        column("fold", ["0", "0", "0", "0", "1"], "categorical"),
        column("epoch", [2, 1, 1, 2, 1]),
    ]
    assert parents_of(columns, list("abcde")) == ["c", None, None, "b", None]


def test_a_second_curve_with_the_same_ids_is_not_linked_to_the_first() -> None:
    columns = [column("epoch", [1, 2, 1, 2])]
    assert parents_of(columns, list("abcd")) == [None, "a", None, "c"]


def test_a_point_without_an_epoch_has_no_link() -> None:
    columns = [column("epoch", [1, None, 2])]
    assert parents_of(columns, list("abc")) == [None, None, "a"]


def test_pages_of_candidates_have_no_curves() -> None:
    schema = schema_of(["rank_test_score", "epoch", "mean_test_score"], "candidate")
    columns = [column("epoch", [1, 2]), column("mean_test_score", [0.1, 0.2])]
    assert choose_curve_axes(columns, schema, []) is None


def test_the_height_is_what_most_curves_have_and_the_best_loss_of_these() -> None:
    labels = ["fold", "epoch", "train_loss", "valid_loss", "fold_loss", "acc"]
    cells = {
        "epoch": [1, 2, 1, 2],
        "train_loss": [1.0, 0.5, 1.0, 0.5],
        "valid_loss": [1.0, 0.5, None, None],
        "fold_loss": [None, None, None, None],
        "acc": [0.1, 0.2, 0.3, 0.4],
    }
    columns = [column("fold", ["0", "0", "1", "1"], "categorical")]
    columns += [column(label, cells[label]) for label in labels[1:]]
    schema = schema_of(labels)

    def height(*hidden: str) -> str | None:
        axes = choose_curve_axes(columns, schema, hidden)
        return None if axes is None else axes[1].label

    assert height() == "train_loss"  # of both folds
    assert height("train_loss") == "acc"
    assert height("train_loss", "acc") == "valid_loss"
    assert height("train_loss", "acc", "valid_loss") is None


def test_the_fits_of_a_log_have_curves_of_their_own_in_any_order_of_rows() -> None:
    log = TrainingLog()
    net = ActMLP(max_epochs=3, random_state=0).set_callbacks(log)
    for activation in ("relu", "tanh"):
        net.set_params(activation=activation).fit(X32, y)
    frame = log.to_frame().sort_values(["epoch", "run"])  # epochs of two fits in turn
    points = to_hiplot(frame).datapoints
    fits = {point.uid: point.values["run"] for point in points}
    linked = [(point.uid, point.from_uid) for point in points if point.from_uid]
    assert len(linked) == 2 * 2
    assert all(fits[uid] == fits[before] for uid, before in linked)


def recorded(n_curves: int, n_epochs: int = 3) -> tuple[list[Column], Column]:
    """Curves whose last heights `good_2` tells exactly, and `good_1` hardly."""
    rows = [(c, e) for c in range(n_curves) for e in range(1, n_epochs + 1)]
    ends = [e == n_epochs for _, e in rows]
    up = column(
        "train_loss",
        [float(c) if end else 99.0 for (c, _), end in zip(rows, ends, strict=True)],
    )
    noise = np.random.default_rng(0).normal(size=len(rows)).tolist()
    columns = [
        column("candidate", [c for c, _ in rows]),
        column("epoch", [e for _, e in rows]),
        up,
        column("noise", noise),
        column("good_1", noise[::-1]),
        column(
            "good_2",
            [-float(c) if end else 5.0 for (c, _), end in zip(rows, ends, strict=True)],
        ),
        column("constant", [1.0] * len(rows)),
        column(
            "word",
            ["a", "b"] * (len(rows) // 2) + ["a"] * (len(rows) % 2),
            "categorical",
        ),
        column("gaps", [None] * len(rows)),
        column("fold_acc", noise),
    ]
    return columns, up


def test_what_tells_most_of_the_last_heights_comes_first() -> None:
    columns, up = recorded(n_curves=9)
    found = [c.label for c in sort_by_what_they_tell(columns[3:], columns, up)]
    # a score, the best of each kind, and then the rest
    assert found[:2] == ["fold_acc", "good_2"]
    assert found[-1] == "good_1"
    assert sorted(found) == sorted(c.label for c in columns[3:])


def test_of_few_curves_all_epochs_count() -> None:
    columns = [
        column("epoch", [1, 2, 3, 4, 5]),
        column("train_loss", [5.0, 4.0, 3.0, 2.0, 1.0]),
        column("flat", [1.0, 2.0, 1.0, 2.0, 1.0]),
        column("falls_1", [9.0, 8.0, 7.0, 6.0, 5.0]),
    ]
    found = sort_by_what_they_tell(columns[2:], columns, columns[1])
    assert [c.label for c in found] == ["falls_1", "flat"]

"""One place knows what a column is: the schema of a table, or of a frame made of it."""

import dataclasses
import json
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_iris
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from skact import ActMLP, TrainingLog, compare, diagnose, to_frame, to_hiplot
from skact.results.frames import table_of
from skact.results.logged_fit import log_of
from skact.results.schema import (
    LEVELS,
    is_name_of_best_flag,
    is_name_of_time_or_loss,
    labels_before,
    level_of,
    metric_of_score,
    schema_of,
    schema_of_frame,
    score_of_metric,
    sort_recorded,
)
from skact.visualization.training_display import TrainingDisplay

X, y = load_iris(return_X_y=True)
TREE = DecisionTreeClassifier(random_state=0)
DEPTHS = {"max_depth": [1, 2, 3]}
X32 = X.astype(np.float32)


@pytest.fixture(scope="module")
def net_search() -> Any:
    net = ActMLP(max_epochs=2, random_state=0).set_callbacks(TrainingLog())
    grid = {"activation": ["relu", "tanh"], "width": [4, 8]}
    scoring = {"acc": "accuracy", "f1": "f1_macro"}
    return GridSearchCV(net, grid, cv=2, scoring=scoring, refit="f1").fit(X, y)


@pytest.fixture(scope="module")
def halving() -> Any:
    tree = DecisionTreeClassifier(random_state=0)
    return HalvingGridSearchCV(tree, {"max_depth": [1, 2, 3]}, cv=2).fit(X, y)


def grid(estimator: Any, parameters: Any, **options: Any) -> GridSearchCV:
    return GridSearchCV(estimator, parameters, cv=3, **options).fit(X32, y)


@pytest.mark.parametrize("level", LEVELS)
def test_every_column_of_a_frame_is_one_thing(net_search: Any, level: str) -> None:
    for obj in (net_search, [net_search, net_search]):
        labels = list(to_frame(obj, level).columns)
        schema = schema_of(labels)
        parts = [schema.ids, schema.resources, schema.params, schema.results]
        assert sorted(name for part in parts for name in part) == sorted(labels)
        assert schema.level == level
        assert schema.has_models == isinstance(obj, list)


@pytest.mark.parametrize("level", LEVELS)
def test_a_table_and_its_frame_have_one_schema(net_search: Any, level: str) -> None:
    table = table_of(net_search, level)
    assert schema_of(to_frame(net_search, level).columns) == table.schema


@pytest.mark.parametrize("level", LEVELS)
def test_parameters_are_what_was_searched(net_search: Any, level: str) -> None:
    schema = table_of(net_search, level).schema
    assert schema.params == ("activation", "width")
    assert schema.resources == ()


def test_the_metric_that_ranks_comes_first(net_search: Any) -> None:
    schema = table_of(net_search, "candidate").schema
    assert schema.scores == ("mean_test_f1", "mean_test_acc")
    assert schema.metrics[0] == "f1"
    schema = table_of(net_search, "fold").schema
    assert schema.scores == ("test_f1", "test_acc")
    assert schema.rank == "rank_test_f1"


def test_losses_are_the_scores_of_epochs(net_search: Any) -> None:
    schema = table_of(net_search, "epoch").schema
    assert schema.ids == ("candidate", "fold", "epoch")
    assert schema.scores == ("train_loss",)
    assert schema.is_better_low("train_loss")
    assert not schema.is_better_low("dur")
    assert sort_recorded(["dur", "b", "epoch", "a"]) == ["epoch", "b", "a", "dur"]


def test_halving_has_resources(halving: Any) -> None:
    for level in ("candidate", "fold"):
        schema = table_of(halving, level).schema
        assert schema.resources == ("iter", "n_resources")
        assert schema.params == ("max_depth",)


def test_a_parameter_called_iter_is_one() -> None:
    schema = schema_of(["rank_test_score", "iter", "mean_test_score"])
    assert schema.params == ("iter",)


def test_a_parameter_called_model_is_one_where_one_search_is_shown() -> None:
    labels = ["rank_test_score", "model", "mean_test_score"]
    assert schema_of(labels).params == ("model",)
    assert not schema_of(labels).has_models
    assert schema_of(["model", *labels[:1], *labels[2:]]).has_models
    assert schema_of(["index", "model", "candidate", "fold", "test_score"]).has_models


def test_what_callbacks_recorded_under_any_name_is_a_result() -> None:
    schema = schema_of(["candidate", "lr", "fold", "epoch", "lr_now", "iter"])
    assert schema.params == ("lr",)
    assert schema.results == ("lr_now", "iter")


def test_a_second_search_with_other_parameters_keeps_them_before_the_epoch() -> None:
    searches = []
    for grid in ({"width": [4]}, {"dropout": [0.1]}):
        net = ActMLP(max_epochs=1, random_state=0).set_callbacks(TrainingLog())
        searches.append(GridSearchCV(net, grid, cv=2).fit(X, y))
    table = table_of(searches, "epoch")
    assert table.schema.params == ("width", "dropout")
    assert list(table.columns)[:5] == ["model", "candidate", "width", "dropout", "fold"]


@given(st.permutations(["rank_test_score", "candidate", "lr", "test_score", "fold"]))
def test_the_order_of_columns_does_not_decide_what_named_ones_are(order: list) -> None:
    front = [name for name in order if name != "lr"]
    schema = schema_of(["lr", *front])
    assert (schema.level, schema.params) == ("fold", ("lr",))
    assert schema.scores == ("test_score",)


def test_the_level_of_a_frame_is_told_by_its_columns(net_search: Any) -> None:
    for level in LEVELS:
        assert level_of(to_frame(net_search, level).columns) == level
    assert level_of(["anything"]) == "candidate"


REORDERED = {
    "reversed": lambda frame: frame[frame.columns[::-1]],
    "sorted": lambda frame: frame[sorted(frame)],
    "parameters last": lambda frame: frame[
        [*(x for x in frame if x not in PARAMS), *PARAMS]
    ],
    "the level first": lambda frame: frame[
        [
            schema_of_frame(frame).level,
            *frame.columns.drop(schema_of_frame(frame).level),
        ]
    ],
    "by way of the index": lambda frame: frame.set_index(["fold"]).reset_index(),
}
PARAMS = ["width", "activation"]


@pytest.mark.parametrize("reorder", REORDERED.values(), ids=REORDERED)
@pytest.mark.parametrize("level", ["fold", "epoch"])
def test_the_order_of_columns_changes_no_role(
    net_search: Any, level: str, reorder: Any
) -> None:
    for obj in (net_search, [net_search, net_search]):
        frame = to_frame(obj, level)
        kept, moved = schema_of_frame(frame), schema_of_frame(reorder(frame))
        assert moved == kept


@pytest.mark.parametrize("reorder", REORDERED.values(), ids=REORDERED)
def test_all_readers_take_columns_in_any_order(net_search: Any, reorder: Any) -> None:
    folds, epochs = to_frame(net_search, "fold"), to_frame(net_search, "epoch")
    assert str(compare(reorder(folds))) == str(compare(folds))
    for frame in (folds, epochs):
        pages = [to_hiplot(one)._asdict() for one in (reorder(frame), frame)]
        axes = [set(p["display_data"]["PARALLEL_PLOT"]["order"]) for p in pages]
        assert axes[0] == axes[1]
    assert str(diagnose(reorder(epochs))) == str(diagnose(epochs))
    kept = TrainingDisplay.from_estimator(epochs)
    moved = TrainingDisplay.from_estimator(reorder(epochs))
    assert moved.groups == kept.groups
    assert moved.metrics == kept.metrics


def test_a_column_of_the_user_is_a_parameter_if_it_is_one_for_each_fit(
    net_search: Any,
) -> None:
    folds, epochs = to_frame(net_search, "fold"), to_frame(net_search, "epoch")
    for frame in (folds, epochs):
        added = frame.assign(
            family=frame["activation"].map({"relu": "a", "tanh": "b"}),
            noise=np.arange(len(frame)),
        )
        schema = schema_of_frame(added)
        assert schema.params == ("activation", "width", "family")
        assert schema.results[-1] == "noise"
    added = folds.assign(family=folds["activation"].map({"relu": "a", "tanh": "b"}))
    assert compare(added, by="family").scores.shape == (2, 2)


def test_columns_that_are_gone_leave_the_others_as_they_are(net_search: Any) -> None:
    frame = to_frame(net_search, "fold").drop(columns="candidate")
    schema = schema_of_frame(frame)
    assert (schema.level, schema.score) == ("fold", "test_f1")
    assert to_hiplot(frame).colorby == "test_f1"


def test_a_frame_that_is_no_longer_of_this_level_is_told_by_its_names(
    net_search: Any,
) -> None:
    frame = to_frame(net_search, "fold")
    means = frame.groupby("activation")[["test_f1"]].mean().reset_index()
    means.attrs.update(frame.attrs)
    assert schema_of_frame(means).level == "candidate"
    assert schema_of_frame(means).params == ("activation", "test_f1")
    twice = frame.iloc[:, [0, 0, *range(1, frame.shape[1])]]
    assert schema_of_frame(twice).level == "fold"


def test_a_cell_without_a_hash_makes_a_result(net_search: Any) -> None:
    frame = to_frame(net_search, "fold")
    frame["list"] = [[i] for i in range(len(frame))]
    assert schema_of_frame(frame).results[-1] == "list"


def test_a_schema_outlives_a_file_of_parquets_kind(net_search: Any) -> None:
    """Such files keep the attrs as JSON."""
    frame = to_frame(net_search, "epoch")
    kept = json.loads(json.dumps(frame.attrs))
    plain = frame[frame.columns[::-1]].copy()
    plain.attrs = kept
    assert schema_of_frame(plain) == schema_of_frame(frame)


def test_a_frame_of_a_log_has_a_schema(net_search: Any) -> None:
    frame = log_of(net_search.estimator).to_frame()  # type: ignore[union-attr]
    schema = schema_of_frame(frame[frame.columns[::-1]])
    assert schema.ids == ("run", "fit", "refit", "epoch")
    assert schema.params == ("activation", "width")


def test_a_pipeline_keeps_short_names() -> None:
    tree = make_pipeline(DecisionTreeClassifier(random_state=0))
    grid = {"decisiontreeclassifier__max_depth": [1, 2]}
    search = GridSearchCV(tree, grid, cv=2).fit(X, y)
    assert table_of(search, "candidate").schema.params == ("max_depth",)


@pytest.mark.parametrize("level", ["candidates", 1, "Fold"])
def test_a_level_that_is_none_is_refused(level: Any) -> None:
    message = f"level must be 'candidate', 'fold', 'epoch' or None; got {level!r}."
    for draw in (to_frame, to_hiplot):
        with pytest.raises(ValueError, match=re.escape(message)):
            draw(grid(TREE, DEPTHS), level)
    with pytest.raises(ValueError, match=re.escape(message)):
        to_hiplot(to_frame(grid(TREE, DEPTHS)), level)


def test_what_is_beside_the_score_belongs_to_the_metric_of_the_score() -> None:
    labels = ["rank_test_b", "lr", "mean_test_b", "std_test_b", "mean_test_a"]
    schema = schema_of(labels)
    assert schema.score == "mean_test_b"
    assert schema.beside_score("std") == "std_test_b"
    assert schema.beside_score("rank") == "rank_test_b"
    assert schema_of(["epoch", "train_loss"]).beside_score("std") == ""


@pytest.mark.parametrize(
    ("level", "label", "group"),
    [
        ("candidate", "mean_fit_time", "time"),
        ("candidate", "mean_train_f1", "train"),
        ("candidate", "mean_test_f1", "test"),
        ("candidate", "std_test_f1", ""),
        ("candidate", "split0_test_f1", ""),
        ("candidate", "mean_score_time", ""),
        ("fold", "test_f1", "test"),
        ("fold", "train_f1", "train"),
        ("epoch", "valid_acc", "recorded"),
        ("epoch", "valid_loss_best", ""),
        ("epoch", "dur", ""),
    ],
)
def test_a_result_is_in_one_group_or_a_detail(
    level: str, label: str, group: str
) -> None:
    assert schema_of([label], level).group_of_result(label) == group


def test_details_are_scores_of_splits_and_minor_times(net_search: Any) -> None:
    frame = to_frame(net_search)
    schema = schema_of(frame.columns)
    kept = [name for name in frame if name not in schema.details]
    assert not any(name.startswith("split") for name in kept)
    assert [name for name in kept if name.endswith("_time")] == ["mean_fit_time"]
    assert set(kept) >= {*schema.params, *schema.scores, *schema.ranks}
    # a parameter is never a detail, whatever its name is
    named = schema_of(["rank_test_score", "split", "mean_test_score"])
    assert (named.params, named.details) == (("split",), ())


def test_ids_and_parameters_stand_before_the_epoch(net_search: Any) -> None:
    labels = list(to_frame(net_search, "epoch").columns)
    before = ["candidate", "activation", "width", "fold"]
    assert labels_before("epoch", labels) == before


def test_a_metric_and_its_scores_of_folds_name_each_other(net_search: Any) -> None:
    scores = table_of(net_search, "fold").schema.scores
    metrics = [metric_of_score(name) for name in scores]
    assert tuple(metrics) == table_of(net_search, "candidate").schema.metrics
    assert tuple(map(score_of_metric, metrics)) == scores


def test_deviations_are_neither_times_nor_losses() -> None:
    for name in ("mean_fit_time", "valid_loss"):
        assert is_name_of_time_or_loss(name)
    for name in ("std_fit_time", "lr", "valid_loss_best"):
        assert not is_name_of_time_or_loss(name)
    assert is_name_of_best_flag("valid_loss_best")


def test_frames_put_together_by_the_user_are_told_apart(net_search: Any) -> None:
    frame = to_frame(net_search, "fold")
    both = pd.concat([frame.assign(model=name) for name in ("one", "two")])
    assert schema_of_frame(both).has_models
    both.insert(0, "table", np.repeat(["a", "b"], len(frame)))
    schema = schema_of_frame(both)
    assert schema.params == ("activation", "width", "table")
    assert compare(both, by="table").scores.shape == (2, 2)


@pytest.mark.parametrize("kept", [{}, {"level": "fold"}, "fold", None])
def test_attrs_of_something_else_are_left_alone(net_search: Any, kept: Any) -> None:
    frame = to_frame(net_search, "fold")
    expected = schema_of_frame(frame)
    frame.attrs["skact"] = kept
    assert schema_of_frame(frame) == expected


@pytest.fixture(scope="module")
def logged_pipeline() -> Any:
    net = ActMLP(max_epochs=2, random_state=0).set_callbacks(TrainingLog())
    parameters = {"actmlp__activation": ["relu", "tanh"], "actmlp__lr": [0.1, 0.01]}
    return grid(make_pipeline(StandardScaler(), net), parameters)


USES_OF_NAMES: dict[str, Any] = {
    "by of compare": lambda search, name: compare(search, by=name).by,
    "average": lambda search, name: compare(search, by="lr", average=name).by,
    "color": lambda search, name: to_hiplot(search, color=name).colorby,
    "log": lambda search, name: to_hiplot(search, "fold", log=name),
    "order": lambda search, name: to_hiplot(search, "epoch", order=[name]),
    "by of curves": lambda s, name: TrainingDisplay.from_estimator(s, by=name).by,
}


@pytest.mark.parametrize("use", USES_OF_NAMES)
def test_a_parameter_is_known_by_its_full_name_and_by_no_other(
    logged_pipeline: Any, use: str
) -> None:
    full = {"log": "actmlp__lr", "color": "actmlp__lr"}.get(use, "actmlp__activation")
    short = full.removeprefix("actmlp__")
    USES_OF_NAMES[use](logged_pipeline, short)
    USES_OF_NAMES[use](logged_pipeline, full)
    with pytest.raises(ValueError, match=f"nosuch__{short}"):
        USES_OF_NAMES[use](logged_pipeline, f"nosuch__{short}")


@pytest.mark.parametrize("level", LEVELS)
def test_a_frame_keeps_full_names_and_a_file_loses_them(
    logged_pipeline: Any, level: str
) -> None:
    frame = to_frame(logged_pipeline, level)
    for schema in (schema_of_frame(frame), table_of(logged_pipeline, level).schema):
        assert schema.column_of("actmlp__lr") == schema.column_of("lr") == "lr"
        assert schema.column_of("nosuch__lr") == "nosuch__lr"
        assert schema.column_of(5) == 5
    frame.attrs = {}
    assert schema_of_frame(frame).column_of("nosuch__lr") == "lr"


def test_nets_have_no_full_names() -> None:
    net = ActMLP(max_epochs=1, random_state=0).fit(X32, y)
    assert schema_of_frame(to_frame({"one": net, "two": net})).full_names is None


def test_a_label_that_is_no_string_is_read_too(net_search: Any) -> None:
    frame = to_frame(net_search, "fold")
    frame[0] = np.arange(len(frame))
    assert schema_of_frame(frame).results[-1] == "0"
    assert "0" in {point for row in to_hiplot(frame).datapoints for point in row.values}


def test_the_rounds_are_a_column_that_is_no_hyperparameter() -> None:
    both = schema_of(["rank_test_score", "C", "iter", "n_resources", "mean_test_score"])
    assert both.rounds == "iter"
    one = schema_of(["rank_test_score", "C", "n_resources", "mean_test_score"])
    assert one.rounds == ""  # of a file: it may be a hyperparameter
    assert dataclasses.replace(one, full_names=("svc__C",)).rounds == "n_resources"
    for name in ("n_resources", "svc__n_resources"):
        assert dataclasses.replace(one, full_names=(name, "C")).rounds == ""
    assert schema_of(["epoch", "train_loss"]).rounds == ""


def test_a_name_means_a_parameter_of_any_step() -> None:
    names = ["a__seed", "b__seed", "myseed", "fold", "test_score"]
    schema = schema_of(["rank_test_score", "candidate", *names], "fold")
    assert schema.columns_called("seed") == ["a__seed", "b__seed"]
    assert schema.columns_called("b__seed") == ["b__seed"]
    assert schema.columns_called("p__myseed") == ["myseed"]
    assert schema.columns_called("fold") == ["fold"]
    assert schema.columns_called("none") == ["none"]

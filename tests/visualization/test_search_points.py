"""Points of a search: the best candidate of each place, and what the axes show."""

import math

import numpy as np
import pandas as pd
import pytest

from skact.results.schema import schema_of_frame
from skact.visualization.search_points import (
    average_seeds,
    best_points,
    choose_hue,
    choose_x,
    rows_with_place,
    rows_with_scores,
    table_of_scores,
)


def frame_of(means: list[float], **params: list) -> pd.DataFrame:
    ranks = pd.Series(means).rank(ascending=False, method="min")
    return pd.DataFrame(
        {
            "rank_test_score": ranks.fillna(len(means)).astype(int),
            **params,
            "mean_test_score": means,
            "std_test_score": [0.1] * len(means),
            "split0_test_score": means,
            "split1_test_score": means,
        }
    )


def test_folds_make_the_same_table_as_candidates() -> None:
    scores = {0: [0.5, 0.7], 1: [0.9, 0.6], 2: [0.4, math.nan]}
    rows = [
        (c, f"a{c}", f, s) for c, folds in scores.items() for f, s in enumerate(folds)
    ]
    folds = pd.DataFrame(
        rows, columns=["candidate", "activation", "fold", "test_score"]
    )
    table, metric, n_folds = table_of_scores(folds, schema_of_frame(folds), None)
    assert (metric, n_folds) == ("score", 2)
    assert table["mean"].tolist() == pytest.approx([0.6, 0.75, math.nan], nan_ok=True)
    assert table["std"].tolist()[:2] == pytest.approx([0.1, 0.15])
    candidates = frame_of([0.6, 0.75], activation=["a0", "a1"])
    again, *rest = table_of_scores(candidates, schema_of_frame(candidates), "score")
    assert rest == ["score", 2]
    assert again["mean"].tolist() == pytest.approx(table["mean"].tolist()[:2])


def test_a_metric_that_is_not_there_is_refused_and_so_are_epochs() -> None:
    frame = frame_of([0.6], lr=[0.1])
    with pytest.raises(
        ValueError, match=r"metric must be one of \['score'\]; got 'r2'"
    ):
        table_of_scores(frame, schema_of_frame(frame), "r2")
    epochs = pd.DataFrame({"epoch": [1, 2], "train_loss": [1.0, 0.5]})
    with pytest.raises(ValueError, match="no scores of candidates to draw"):
        table_of_scores(epochs, schema_of_frame(epochs), None)


def test_candidates_without_a_score_are_counted_and_the_best_stands_first() -> None:
    frame = frame_of([0.6, math.nan, 0.8], lr=[1, 2, 3])
    schema = schema_of_frame(frame)
    table, notes = rows_with_scores(
        table_of_scores(frame, schema, None)[0], schema, "score"
    )
    assert table["lr"].tolist() == [3, 1]
    assert notes == ["1 candidate has no score: a fit or its scoring failed"]
    failed = frame_of([math.nan] * 2, lr=[1, 2])
    table = table_of_scores(failed, schema, None)[0]
    with pytest.raises(ValueError, match="All scores by 'score' are missing"):
        rows_with_scores(table, schema, "score")


def test_ranks_say_what_is_best_also_where_low_values_are() -> None:
    frame = frame_of([0.6, 0.4], lr=[1, 2]).assign(rank_test_score=[2, 1])
    schema = schema_of_frame(frame)
    table = table_of_scores(frame, schema, None)[0]
    assert rows_with_scores(table, schema, "score")[0]["lr"].tolist() == [2, 1]


def test_the_last_round_of_halving_counts() -> None:
    frame = frame_of([0.9, 0.5, 0.6], lr=[1, 1, 2])
    frame.insert(1, "iter", [0, 1, 0])
    frame.insert(2, "n_resources", [10, 20, 10])
    schema = schema_of_frame(frame)
    table = table_of_scores(frame, schema, None)[0]
    table, notes = rows_with_scores(table, schema, "score")
    points, _ = best_points(table, "lr", [], [], ["lr"])
    assert dict(zip(points["x"], points["mean"], strict=True)) == {1: 0.5, 2: 0.6}
    assert points["x"].iloc[0] == 1  # it reached the last round
    assert notes == ["each candidate at the last iter that it reached"]


def test_seeds_are_averaged_and_their_spread_is_part_of_the_bar() -> None:
    frame = frame_of([0.4, 0.6, 0.7, 0.9], lr=[1, 1, 2, 2], random_state=[0, 1, 0, 1])
    schema = schema_of_frame(frame)
    table = table_of_scores(frame, schema, None)[0]
    mean, params = average_seeds(table, ["lr", "random_state"], [], schema)
    assert params == ["lr"]
    assert mean["mean"].tolist() == pytest.approx([0.5, 0.8])
    assert mean["std"].tolist() == pytest.approx([math.sqrt(0.1**2 + 0.1**2)] * 2)
    asked, params = average_seeds(
        table, ["lr", "random_state"], ["random_state"], schema
    )
    assert asked is table
    assert params == ["lr", "random_state"]


def test_the_axis_is_the_learning_rate_or_numbers_or_words() -> None:
    table = pd.DataFrame(
        {
            "activation": ["relu", "tanh"],
            "kernel": ["a", "b"],
            "width": [1, 2],
            "lr": [0.1, 0.2],
            "flag": [True, False],
        }
    )
    assert choose_x(table, ["kernel", "width", "lr"], []) == "lr"
    assert choose_x(table, ["kernel", "width", "lr"], ["lr"]) == "width"
    assert choose_x(table, ["kernel", "flag"], []) == "kernel"
    assert choose_x(table, ["activation", "kernel"], []) == "kernel"
    for varying, groups in ([], []), (["kernel"], ["kernel"]):
        with pytest.raises(ValueError, match="no other parameter varies"):
            choose_x(table, varying, groups)


def test_groups_are_activations_or_what_has_few_values() -> None:
    table = pd.DataFrame(
        {
            "activation": ["a", "b"] * 20,
            "width": [1, 2] * 20,
            "noise": np.arange(40),
            "model": ["m"] * 40,
        }
    )
    assert choose_hue(table, ["width", "activation"], "lr") == ["activation"]
    assert choose_hue(table, ["activation", "model"], "lr") == ["model", "activation"]
    assert choose_hue(table, ["width", "activation"], "activation") == ["width"]
    assert choose_hue(table, ["noise"], "lr") == []


def test_a_point_is_the_best_of_all_candidates_at_its_place() -> None:
    frame = frame_of(
        [0.6, 0.9, 0.7, 0.8],
        activation=["relu", "relu", "tanh", None],
        lr=[0.1, 0.1, 0.1, 0.2],
        width=[1, 2, 1, 1],
    )
    schema = schema_of_frame(frame)
    table = table_of_scores(frame, schema, None)[0]
    table, _ = rows_with_scores(table, schema, "score")
    points, is_grid = best_points(
        table, "lr", ["activation"], ["width"], ["activation", "lr", "width"]
    )
    assert points[["x", "hue", "mean", "params"]].values.tolist() == [
        [0.1, "relu", 0.9, "relu, lr=0.1, width=2"],
        [0.2, "other", 0.8, "lr=0.2, width=1"],
        [0.1, "tanh", 0.7, "tanh, lr=0.1, width=1"],
    ]
    assert not is_grid  # most places have one candidate


def test_places_with_several_candidates_are_a_grid() -> None:
    params = {"lr": [0.1, 0.1, 0.2, 0.2], "width": [1, 2, 1, 2]}
    table = frame_of([0.1, 0.2, 0.3, 0.4], **params)
    table = table.assign(mean=table["mean_test_score"], std=0.1)
    assert best_points(table, "lr", [], ["width"], ["lr", "width"])[1]
    alone = table.assign(lr=[0.1, 0.2, 0.3, 0.4])
    assert not best_points(alone, "lr", [], ["width"], ["lr", "width"])[1]
    assert best_points(alone, "lr", [], [], ["lr"])[1]


def test_candidates_without_a_place_are_counted() -> None:
    table = frame_of([0.5, 0.6, 0.7], lr=[0.1, None, None])
    found, notes = rows_with_place(table, "lr")
    assert found["lr"].tolist() == [0.1]
    assert notes == ["2 candidates without lr not drawn"]
    assert rows_with_place(found, "lr")[1] == []

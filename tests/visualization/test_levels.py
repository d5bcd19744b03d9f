"""What frames and pages promise of each input that is supported, at each level."""

import json
import math
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
)
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from skorch import NeuralNetClassifier
from skorch.callbacks import EpochScoring
from skorch.dataset import ValidSplit
from torch import nn

from skact import MLP, ActMLP, fused, load_results, save_results
from skact.results.frames import to_frame
from skact.visualization.hiplot_experiment import to_hiplot

X, y = load_iris(return_X_y=True)
X32 = X.astype(np.float32)
TREE = DecisionTreeClassifier(random_state=0)
DEPTHS = {"max_depth": [1, 2, 3]}
TREE_SCORES = {"acc": "accuracy", "f1": "f1_macro"}


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


def fitted_net(**parameters: Any) -> ActMLP:
    split = ValidSplit(0.2, stratified=True, random_state=0)
    net = ActMLP(max_epochs=3, random_state=0, train_split=split)
    return net.set_params(**parameters).fit(X32, y)


def saved(search: Any, tmp_path: Any) -> Any:
    save_results(search, tmp_path / "saved")
    return load_results(tmp_path / "saved")


# The table of the README: a test for each cell

SEARCHES = {
    "grid": lambda: grid(TREE, DEPTHS),
    "randomized": lambda: RandomizedSearchCV(
        TREE, DEPTHS, n_iter=3, cv=3, random_state=0
    ).fit(X, y),
    "halving": lambda: HalvingGridSearchCV(TREE, DEPTHS, cv=3, min_resources=40).fit(
        X, y
    ),
    "several metrics": lambda: grid(TREE, DEPTHS, scoring=TREE_SCORES, refit="f1"),
    "pipeline": lambda: grid(nets(), {"actmlp__lr": [0.1, 0.01]}),
    "list of grids": lambda: grid(
        TREE, [{"max_depth": [1, 2]}, {"criterion": ["entropy"]}]
    ),
    "estimator of others": lambda: grid(SVC(), {"C": [0.1, 1.0]}),
    "cv_results_": lambda: grid(TREE, DEPTHS).cv_results_,
}
NETS = {
    "net": fitted_net,
    "pipeline with a net": lambda: nets().fit(X32, y),
    "net of skorch": lambda: NeuralNetClassifier(
        MLP,
        criterion=nn.CrossEntropyLoss,
        module__n_features=4,
        module__n_outputs=3,
        max_epochs=2,
        verbose=0,
    ).fit(X32, y),
}


def check_page(source: Any, level: str, n_rows: int) -> None:
    """A page shows each row of the frame, in plain JSON without markup."""
    experiment = to_hiplot(source, level).validate()
    assert len(experiment.datapoints) == n_rows
    assert "<" not in json.dumps(experiment._asdict(), allow_nan=False)


@pytest.mark.parametrize("source", ["as it is", "saved"])
@pytest.mark.parametrize("kind", SEARCHES)
def test_a_search_has_candidates(kind: str, source: str, tmp_path: Any) -> None:
    search = SEARCHES[kind]()
    results = getattr(search, "cv_results_", search)
    given = search if source == "as it is" else saved(search, tmp_path)
    frame = to_frame(given, "candidate")
    assert len(frame) == len(results["params"])
    pd.testing.assert_frame_equal(frame, to_frame(search))
    check_page(given, "candidate", len(frame))


@pytest.mark.parametrize("source", ["as it is", "saved"])
@pytest.mark.parametrize("kind", SEARCHES)
def test_a_search_has_folds(kind: str, source: str, tmp_path: Any) -> None:
    search = SEARCHES[kind]()
    results = getattr(search, "cv_results_", search)
    metrics = ["acc", "f1"] if kind == "several metrics" else ["score"]
    given = search if source == "as it is" else saved(search, tmp_path)
    frame = to_frame(given, "fold")
    assert len(frame) == 3 * len(results["params"])
    for row in frame.to_dict("records"):
        for metric in metrics:
            scores = results[f"split{row['fold']}_test_{metric}"]
            assert row[f"test_{metric}"] == scores[row["candidate"]]
    assert not frame.duplicated(["candidate", "fold"]).any()
    check_page(given, "fold", len(frame))


@pytest.mark.parametrize("kind", SEARCHES)
def test_a_search_without_a_log_has_no_epochs_and_says_how_to_attach_one(
    kind: str,
) -> None:
    search = SEARCHES[kind]()
    message = r"Attach a log to the net before the search: .*set_callbacks\(TrainingLog"
    with pytest.raises(ValueError, match=message):
        to_frame(search, "epoch")


@pytest.mark.parametrize("kind", NETS)
def test_a_net_has_epochs(kind: str) -> None:
    net = NETS[kind]()
    history = getattr(net, "steps", [(0, net)])[-1][1].history
    frame = to_frame(net)
    assert frame["epoch"].tolist() == history[:, "epoch"]
    assert frame["train_loss"].tolist() == history[:, "train_loss"]
    assert frame.columns[0] == "epoch"
    assert frame.columns[-1] == "dur"
    assert not {"batches", "train_batch_count"} & set(frame.columns)
    pd.testing.assert_frame_equal(frame, to_frame(net, "epoch"))
    check_page(net, "epoch", len(frame))


@pytest.mark.parametrize("level", ["candidate", "fold"])
@pytest.mark.parametrize("kind", NETS)
def test_a_net_has_neither_candidates_nor_folds(kind: str, level: str) -> None:
    with pytest.raises(TypeError, match="obj must be a fitted scikit-learn search"):
        to_frame(NETS[kind](), level)


@pytest.mark.parametrize("level", ["candidate", "fold"])
def test_several_searches_have_the_rows_of_each(net_grid: Any, level: str) -> None:
    trees = grid(TREE, DEPTHS)
    frame = to_frame({"mlp": net_grid, "tree": trees}, level)
    for name, search in [("mlp", net_grid), ("tree", trees)]:
        alone = to_frame(search, level)
        part = frame[frame["model"] == name].reset_index(drop=True)
        assert len(part) == len(alone)
        for column in alone.columns:
            assert part[column].tolist() == alone[column].tolist()
    assert frame.columns[0] == "model"
    assert frame.loc[frame["model"] == "tree", "lr"].isna().all()
    assert list(dict.fromkeys(frame["model"])) == ["mlp", "tree"]
    check_page({"mlp": net_grid, "tree": trees}, level, len(frame))


def test_several_nets_have_the_epochs_of_each() -> None:
    both = {"relu": fitted_net(), "tanh": fitted_net(activation="tanh", max_epochs=2)}
    frame = to_frame(both)
    assert frame["model"].tolist() == ["relu"] * 3 + ["tanh"] * 2
    assert frame["epoch"].tolist() == [1, 2, 3, 1, 2]
    assert frame["valid_loss"].tolist()[3:] == both["tanh"].history[:, "valid_loss"]
    check_page(both, "epoch", 5)


# Folds


def test_a_row_of_a_fold_has_rank_candidate_parameters_fold_scores_and_times(
    net_grid: Any,
) -> None:
    frame = to_frame(net_grid, "fold")
    assert frame.columns.tolist() == [
        "rank_test_score",
        "candidate",
        "activation",
        "lr",
        "fold",
        "test_score",
        "mean_fit_time",
        "mean_score_time",
    ]
    assert frame["fold"].tolist() == [0, 1, 2] * 4
    assert frame["rank_test_score"].is_monotonic_increasing
    params = net_grid.cv_results_["params"]
    for row in frame.to_dict("records"):
        assert params[row["candidate"]] == {
            "actmlp__activation": row["activation"],
            "actmlp__lr": row["lr"],
        }


def test_folds_have_train_scores_if_the_search_has() -> None:
    frame = to_frame(grid(TREE, DEPTHS, return_train_score=True), "fold")
    assert frame.columns.tolist()[4:6] == ["test_score", "train_score"]


def test_the_score_of_a_fold_whose_fit_failed_is_missing() -> None:
    search = GridSearchCV(SVC(), {"C": [-1.0, 1.0]}, cv=2)
    with pytest.warns(FitFailedWarning), pytest.warns(UserWarning, match="non-finite"):
        frame = to_frame(search.fit(X, y), "fold")
    assert frame["test_score"].isna().tolist() == [False, False, True, True]
    assert frame["C"].tolist() == [1.0, 1.0, -1.0, -1.0]


def test_a_parameter_that_is_called_as_a_column_of_folds_keeps_its_full_name() -> None:
    results = {
        "param_a__fold": [1, 2],
        "param_a__candidate": [1, 2],
        "param_a__test_score": [1, 2],
        "mean_test_score": [0.9, 0.8],
        "rank_test_score": [1, 2],
        "split0_test_score": [0.9, 0.8],
    }
    frame = to_frame(results, "fold")
    assert set(frame.columns) >= {"a__fold", "a__candidate", "a__test_score"}
    assert frame["fold"].tolist() == [0, 0]


def test_results_without_splits_have_no_folds() -> None:
    results = {"mean_test_score": [0.9], "rank_test_score": [1]}
    with pytest.raises(ValueError, match=r"level='fold' needs the score of each split"):
        to_frame(results, "fold")


def test_searches_with_different_numbers_of_folds_have_their_own() -> None:
    two = GridSearchCV(TREE, DEPTHS, cv=2).fit(X, y)
    frame = to_frame([two, grid(TREE, DEPTHS)], "fold")
    assert frame.groupby("model")["fold"].max().tolist() == [1, 2]
    assert len(frame) == 2 * 3 + 3 * 3


# Epochs


def test_what_a_callback_records_is_a_column() -> None:
    scoring = EpochScoring("f1_macro", name="f1", lower_is_better=False)
    net = fitted_net(callbacks=[scoring])
    frame = to_frame(net)
    assert frame["f1"].tolist() == net.history[:, "f1"]
    assert frame["f1_best"].dtype == bool


def test_a_loss_that_is_no_number_is_missing() -> None:
    net = fitted_net()
    net.history[1]["train_loss"] = math.nan
    net.history[2]["note"] = ["a", {"b": 1}]
    frame = to_frame(net)
    assert frame["train_loss"].isna().tolist() == [False, True, False]
    assert frame["note"].isna().tolist() == [True, True, False]
    check_page(net, "epoch", 3)


@pytest.mark.parametrize("net", [ActMLP(), make_pipeline(StandardScaler(), ActMLP())])
def test_a_net_without_a_history_says_so(net: Any) -> None:
    with pytest.raises(NotFittedError, match="This ActMLP has no training history yet"):
        to_frame(net)


# Several


def test_a_list_names_searches_by_what_they_searched() -> None:
    trees, other = grid(TREE, DEPTHS), grid(SVC(), {"C": [1.0, 2.0]})
    frame = to_frame([trees, other, trees])
    assert list(dict.fromkeys(frame["model"])) == [
        "DecisionTreeClassifier #1",
        "SVC",
        "DecisionTreeClassifier #2",
    ]
    names = to_frame([trees.cv_results_])["model"]
    assert set(names) == {"results"}


def test_a_parameter_called_model_keeps_its_full_name_beside_the_models() -> None:
    results = {
        "param_a__model": ["x", "y"],
        "mean_test_score": [0.9, 0.8],
        "rank_test_score": [1, 2],
    }
    assert "model" in to_frame(results).columns
    frame = to_frame({"one": results, "two": results})
    assert frame["model"].tolist() == ["one", "one", "two", "two"]
    assert frame["a__model"].tolist() == ["x", "y"] * 2


def test_values_of_one_name_in_two_searches_are_numbered_apart() -> None:
    def results(value: Any) -> dict[str, Any]:
        return {
            "param_f": np.array([value, "x"], dtype=object),
            "mean_test_score": [0.9, 0.8],
            "rank_test_score": [1, 2],
        }

    one, other = (lambda x: x), (lambda x: 2 * x)
    frame = to_frame([results(one), results(other), results(one)])
    assert frame["f"].tolist()[::2] == ["lambda #1", "lambda #2", "lambda #1"]


def test_each_search_ranks_its_own_candidates() -> None:
    frame = to_frame({"b": grid(TREE, DEPTHS), "a": grid(TREE, DEPTHS)})
    ranks = frame.groupby("model", sort=False)["rank_test_score"]
    assert all(rank.is_monotonic_increasing for _, rank in ranks)


@pytest.mark.parametrize("level", ["candidates", 1, "Fold"])
def test_a_level_that_is_none_is_refused(level: Any) -> None:
    message = f"level must be 'candidate', 'fold', 'epoch' or None; got {level!r}."
    for draw in (to_frame, to_hiplot):
        with pytest.raises(ValueError, match=re.escape(message)):
            draw(grid(TREE, DEPTHS), level)
    with pytest.raises(ValueError, match=re.escape(message)):
        to_hiplot(to_frame(grid(TREE, DEPTHS)), level)


def test_an_estimator_without_a_history_has_no_epochs() -> None:
    with pytest.raises(TypeError, match="must be a fitted net of skact or skorch"):
        to_frame(MLPClassifier(), "epoch")


# Pages of folds and epochs


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


def test_the_frame_of_each_level_gives_the_page_of_its_source(net_grid: Any) -> None:
    for source, level in [
        (net_grid, "candidate"),
        (net_grid, "fold"),
        (fitted_net(), "epoch"),
    ]:
        page = json.dumps(to_hiplot(source, level)._asdict())
        assert json.dumps(to_hiplot(to_frame(source, level))._asdict()) == page


# More rows than a page can show


def many(n_rows: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "rank_test_score": np.arange(1, n_rows + 1),
            "lr": np.linspace(0.1, 1, n_rows),
            "mean_test_score": np.linspace(1, 0, n_rows),
        }
    )


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


@pytest.mark.parametrize("most", [0, -1, 1.5, "3", True])
def test_max_rows_is_a_number_of_rows(most: Any) -> None:
    message = f"max_rows must be an int of at least 1, or None; got {most!r}."
    with pytest.raises(ValueError, match=re.escape(message)):
        to_hiplot(many(3), max_rows=most)


# Order


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


# What a first user found


def test_names_that_are_one_as_strings_stay_two() -> None:
    both = {1: grid(TREE, DEPTHS), "1": grid(TREE, {"max_depth": [4]})}
    frame = to_frame(both)
    assert frame["model"].tolist() == ["1 #1"] * 3 + ["1 #2"]
    three = {1: both[1], "1": both["1"], "1 #1": both["1"]}
    assert to_frame(three)["model"].nunique() == 3
    other = grid(TREE, DEPTHS, scoring=TREE_SCORES, refit="f1")
    notice = to_hiplot({"a": both[1], "b": other}).notice
    assert "3 of 6 rows have no mean_test_score." in notice  # nothing failed


def test_curves_are_of_a_loss_that_every_net_has() -> None:
    nets = {"with": fitted_net(), "without": ActMLP(max_epochs=2).fit(X32, y)}
    experiment = to_hiplot(nets)
    assert experiment._asdict()["display_data"]["XY"]["axis_y"] == "train_loss"
    hidden = to_hiplot(nets["with"], hide="valid_loss")
    assert hidden._asdict()["display_data"]["XY"]["axis_y"] == "train_loss"


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
    fine = {**results, "mean_test_score": [0.6, 0.5, 0.4]}
    assert to_hiplot(fine).notice == ""


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


def axes_of(experiment: Any) -> list[str]:
    return experiment._asdict()["display_data"]["PARALLEL_PLOT"]["order"][::-1]


def test_curves_of_nets_without_names_are_not_joined() -> None:
    one, other = to_frame(fitted_net()), to_frame(fitted_net(lr=0.1))
    frame = pd.concat([one, other])
    parents = [point.from_uid for point in to_hiplot(frame).datapoints]
    assert [parent is None for parent in parents] == [True, False, False] * 2
    backwards = to_hiplot(one[::-1]).datapoints
    assert [point.from_uid for point in backwards] == ["1", "0", None]


def test_searches_of_different_metrics_are_each_ranked_by_their_own() -> None:
    trees = grid(TREE, {"max_depth": [1, 3, 2, 4]}, scoring=TREE_SCORES, refit="f1")
    frame = to_frame({"a": grid(TREE, DEPTHS), "b": trees})
    ranks = frame.loc[frame["model"] == "b", "rank_test_f1"]
    assert ranks.is_monotonic_increasing


def test_the_level_of_a_frame_is_what_its_rows_are() -> None:
    frame = to_frame(grid(TREE, DEPTHS))
    message = "level='fold', but this frame has a row for each candidate"
    with pytest.raises(ValueError, match=message):
        to_hiplot(frame, "fold")
    assert len(to_hiplot(frame, "candidate").datapoints) == 3


def test_numbers_of_numpy_are_numbers_of_rows() -> None:
    assert len(to_hiplot(many(10), max_rows=np.int64(3)).datapoints) == 3


def test_dates_are_written_as_one_writes_them() -> None:
    results = {
        "param_day": [pd.Timestamp("2026-11-24"), pd.Timestamp("2026-11-25")],
        "mean_test_score": [0.6, 0.5],
        "rank_test_score": [1, 2],
    }
    assert to_frame(results)["day"].tolist()[0] == "2026-11-24 00:00:00"

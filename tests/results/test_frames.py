"""A frame has a row for each candidate, fold or epoch of its source."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.exceptions import FitFailedWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import Ridge
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from skorch import NeuralNetClassifier
from skorch.dataset import ValidSplit
from torch import nn

from skact import (
    MLP,
    ActivationMonitor,
    ActMLP,
    compare,
    fused,
    load_results,
    save_results,
)
from skact.naming import name_values
from skact.results.frames import table_of, to_frame
from skact.visualization.hiplot_experiment import to_hiplot

X, y = load_iris(return_X_y=True)
TREE = DecisionTreeClassifier(random_state=0)
GRID = {"max_depth": [1, 2, 3], "criterion": ["gini", "entropy"]}
TIMES = ["mean_fit_time", "std_fit_time", "mean_score_time", "std_score_time"]
X32 = X.astype(np.float32)
DEPTHS = {"max_depth": [1, 2, 3]}
TREE_SCORES = {"acc": "accuracy", "f1": "f1_macro"}


class Constant(ClassifierMixin, BaseEstimator):
    """Stores what it is given, and predicts the first class; learns nothing."""

    def __init__(self, activation: Any = None, width: int = 1, broken: bool = False):
        self.activation = activation
        self.width = width
        self.broken = broken

    def fit(self, X: Any, y: Any) -> "Constant":
        if self.broken:
            raise RuntimeError("broken on purpose")
        self.classes_ = np.unique(y)
        return self

    def predict(self, X: Any) -> Any:
        return np.repeat(self.classes_[self.width % len(self.classes_)], len(X))


def search_of(estimator: Any, grid: Any, **options: Any) -> GridSearchCV:
    return GridSearchCV(estimator, grid, cv=2, **options).fit(X, y)


def named(*values: Any) -> list[Any]:
    """The column that a grid of these activations gets, in the grid's order."""
    frame = to_frame(search_of(Constant(), {"activation": list(values)}))
    return frame["activation"].tolist()


def results_of(**params: Any) -> dict[str, Any]:
    """As little of a cv_results_ as there can be."""
    n_candidates = len(next(iter(params.values())))
    return {f"param_{name}": values for name, values in params.items()} | {
        "mean_test_score": np.linspace(1.0, 0.5, n_candidates),
        "rank_test_score": np.arange(1, n_candidates + 1, dtype=np.int32),
    }


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


def test_columns_are_the_rank_the_parameters_the_scores_the_splits_and_the_times() -> (
    None
):
    frame = to_frame(search_of(TREE, GRID))
    assert frame.columns.tolist() == [
        "rank_test_score",
        "criterion",
        "max_depth",
        "mean_test_score",
        "std_test_score",
        "split0_test_score",
        "split1_test_score",
        *TIMES,
    ]
    assert frame.index.equals(pd.RangeIndex(6))


def test_every_row_holds_the_numbers_of_its_candidate() -> None:
    search = search_of(TREE, GRID)
    frame = to_frame(search)
    results = pd.DataFrame(search.cv_results_).sort_values(
        "rank_test_score", kind="stable"
    )
    for name in ["rank_test_score", "mean_test_score", "split1_test_score", *TIMES]:
        assert frame[name].tolist() == results[name].tolist()
    for name in GRID:
        assert frame[name].tolist() == results[f"param_{name}"].tolist()


def test_a_dict_of_results_gives_the_same_frame_as_its_search() -> None:
    search = search_of(TREE, GRID)
    pd.testing.assert_frame_equal(to_frame(search.cv_results_), to_frame(search))


def test_a_frame_of_a_regression_in_a_pipeline_is_like_any_other() -> None:
    pipe = make_pipeline(StandardScaler(), Ridge())
    search = GridSearchCV(pipe, {"ridge__alpha": [0.1, 1.0]}, cv=2, refit=False)
    frame = to_frame(search.fit(*load_diabetes(return_X_y=True)))
    assert sorted(frame["alpha"]) == [0.1, 1.0]


def test_several_metrics_keep_their_names_and_the_one_of_refit_comes_first() -> None:
    metrics = ["accuracy", "balanced_accuracy"]
    search = search_of(TREE, {"max_depth": [1, 2]}, scoring=metrics, refit=metrics[1])
    assert to_frame(search).columns.tolist() == [
        "rank_test_balanced_accuracy",
        "max_depth",
        "mean_test_balanced_accuracy",
        "std_test_balanced_accuracy",
        "mean_test_accuracy",
        "std_test_accuracy",
        "rank_test_accuracy",
        "split0_test_balanced_accuracy",
        "split1_test_balanced_accuracy",
        "split0_test_accuracy",
        "split1_test_accuracy",
        *TIMES,
    ]


def test_without_a_metric_to_refit_by_the_first_one_ranks() -> None:
    metrics = {"one": "accuracy", "two": "neg_log_loss"}
    for refit in (False, lambda results: 1):
        search = search_of(TREE, GRID, scoring=metrics, refit=refit)
        frame = to_frame(search)
        assert frame.columns[0] == "rank_test_one"
        assert frame["rank_test_one"].is_monotonic_increasing


def test_train_scores_come_between_the_test_scores_and_the_splits() -> None:
    frame = to_frame(search_of(TREE, {"max_depth": [1]}, return_train_score=True))
    assert frame.columns.tolist()[2:10] == [
        "mean_test_score",
        "std_test_score",
        "mean_train_score",
        "std_train_score",
        "split0_test_score",
        "split1_test_score",
        "split0_train_score",
        "split1_train_score",
    ]


def test_halving_tells_iteration_and_resources_after_the_parameters() -> None:
    search = HalvingGridSearchCV(TREE, GRID, random_state=0, factor=2).fit(X, y)
    frame = to_frame(search)
    assert frame.columns.tolist()[:5] == [
        "rank_test_score",
        "criterion",
        "max_depth",
        "iter",
        "n_resources",
    ]
    assert frame["iter"].is_monotonic_decreasing
    assert frame["n_resources"].tolist()[0] == search.n_resources_[-1]
    assert frame.dtypes["iter"] == frame.dtypes["n_resources"] == np.dtype("int64")


def test_the_score_of_a_failed_fit_is_missing_and_its_candidate_the_last() -> None:
    search = GridSearchCV(Constant(), {"broken": [True, False], "width": [1, 2]}, cv=2)
    with (
        pytest.warns(FitFailedWarning, match="4 fits failed"),
        pytest.warns(UserWarning, match="scores are non-finite"),
    ):
        search.fit(X, y)
    frame = to_frame(search)
    assert frame["broken"].tolist() == [False, False, True, True]
    for name in ["mean_test_score", "std_test_score", "split0_test_score"]:
        assert frame[name].isna().tolist() == frame["broken"].tolist()
        assert frame.dtypes[name] == np.dtype("float64")
    rows = table_of(search).rows
    assert "mean_test_score" in rows[1]
    assert "mean_test_score" not in rows[2]


def test_rows_are_the_frame_in_plain_python_values() -> None:
    table = table_of(search_of(TREE, GRID, return_train_score=True))
    frame = to_frame(search_of(TREE, GRID, return_train_score=True))
    assert list(table.columns) == frame.columns.tolist()
    assert all(list(row) == list(table.columns) for row in table.rows)
    kinds = {type(value) for row in table.rows for value in row.values()}
    assert kinds == {int, float, str}


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1, 2], "int64"),
        ([0.5, 1.0], "float64"),
        ([True, False], "bool"),
        (["a", 1], "object"),
        ([np.float32(0.5), np.float32(2)], "float64"),
        ([2**70, 1], "object"),
        ([0.5, math.inf], "float64"),
    ],
)
def test_numbers_booleans_and_strings_stay_what_they_are(
    values: Any, dtype: str
) -> None:
    column = to_frame(results_of(x=values))["x"]
    assert column.dtype == dtype
    assert column.tolist() == values


def test_columns_of_strings_are_as_pandas_makes_them() -> None:
    column = to_frame(results_of(x=["a", "b"]))["x"]
    assert column.dtype == pd.Series(["a", "b"]).dtype


def test_a_grid_of_modules_and_classes_reads_as_their_names() -> None:
    column = named(nn.ReLU(), nn.ReLU, nn.Tanh(), "relu")
    assert column == ["ReLU()", "ReLU", "Tanh()", "relu"]


def test_different_values_of_one_name_are_numbered_as_the_grid_has_them() -> None:
    first, second = (lambda x: x), (lambda x: -x)
    assert named(first, second, "relu") == ["lambda #1", "lambda #2", "relu"]
    assert named(None, "None") == ["None #1", "None #2"]
    assert name_values([first, second, first]) == [
        "lambda #1",
        "lambda #2",
        "lambda #1",
    ]
    assert name_values([first, "lambda #1", second]) == [
        "lambda #2",
        "lambda #1",
        "lambda #3",
    ]


def test_copies_of_one_value_have_one_name() -> None:
    grid = [
        {"activation": [nn.LeakyReLU(0.2)], "width": [1]},
        {"activation": [nn.LeakyReLU(0.2)], "width": [2]},
    ]
    assert set(to_frame(search_of(Constant(), grid))["activation"]) == {
        "LeakyReLU(negative_slope=0.2)"
    }


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


def test_names_that_are_one_as_strings_stay_two() -> None:
    both = {1: grid(TREE, DEPTHS), "1": grid(TREE, {"max_depth": [4]})}
    frame = to_frame(both)
    assert frame["model"].tolist() == ["1 #1"] * 3 + ["1 #2"]
    three = {1: both[1], "1": both["1"], "1 #1": both["1"]}
    assert to_frame(three)["model"].nunique() == 3
    other = grid(TREE, DEPTHS, scoring=TREE_SCORES, refit="f1")
    notice = to_hiplot({"a": both[1], "b": other}).notice
    assert "3 of 6 rows have no mean_test_score." in notice  # nothing failed


def test_dates_are_written_as_one_writes_them() -> None:
    results = {
        "param_day": [pd.Timestamp("2026-11-24"), pd.Timestamp("2026-11-25")],
        "mean_test_score": [0.6, 0.5],
        "rank_test_score": [1, 2],
    }
    assert to_frame(results)["day"].tolist()[0] == "2026-11-24 00:00:00"


def test_parameters_that_differ_tell_several_nets_apart() -> None:
    net = ActMLP(max_epochs=2, random_state=0)
    nets = [
        net,
        clone(net).set_params(lr=0.1),
        clone(net).set_params(activation="tanh"),
    ]
    pipes = [make_pipeline(StandardScaler(), one).fit(X, y) for one in nets]
    frame = to_frame(pipes)
    names = ["model", "activation", "lr", "epoch", "train_loss"]
    assert list(frame)[:5] == names
    assert frame["lr"].tolist() == [0.002] * 2 + [0.1] * 2 + [0.002] * 2
    assert frame["activation"].tolist() == ["relu"] * 4 + ["tanh"] * 2
    assert to_hiplot(pipes).colorby in ("lr", "activation")


def test_nets_of_the_same_parameters_have_no_columns_of_these() -> None:
    net = ActMLP(max_epochs=2, random_state=np.random.RandomState(0))
    net.set_params(callbacks=[("monitor", ActivationMonitor())])
    result = cross_validate(net, X, y, cv=2, return_estimator=True)
    assert list(to_frame(result["estimator"]))[:2] == ["model", "epoch"]


@pytest.mark.parametrize("level", ["candidate", "fold"])
def test_a_frame_that_went_through_a_file_keeps_none_and_nan_if_read_so(
    level: str, tmp_path: Path
) -> None:
    grids: list[dict[str, Any]] = [
        {"max_depth": [None, 5], "monotonic_cst": [None]},
        {"min_impurity_decrease": [0.0, 0.5]},
    ]
    search = grid(TREE, grids)
    frame = to_frame(search, level)
    frame["gap"] = ["nan", *[1.5] * (len(frame) - 1)]  # NaN of a grid
    frame.to_csv(tmp_path / "tidy.csv", index=False)
    read = pd.read_csv(tmp_path / "tidy.csv", keep_default_na=False, na_values=[""])
    assert read.isna().equals(frame.isna())
    assert set(read["max_depth"].dropna()) == {"None", "5"}
    assert set(read["gap"]) == {"nan", "1.5"}
    if level == "fold":
        found = compare(read, by="max_depth", test_ratio=0.5)
        expected = compare(frame, by="max_depth", test_ratio=0.5)
        assert set(found.scores) == {"None", "5"}
        assert found.means.tolist() == expected.means.tolist()


def test_without_params_a_gap_of_a_file_is_no_value(tmp_path: Path) -> None:
    search = grid(TREE, {"max_depth": [None, 2, 3]})
    table = pd.DataFrame(search.cv_results_)
    table.to_csv(tmp_path / "with.csv")
    table.drop(columns="params").to_csv(tmp_path / "without.csv")
    for name, missing in (("with", 0), ("without", 1)):
        frame = to_frame(pd.read_csv(tmp_path / f"{name}.csv"))
        assert frame["max_depth"].isna().sum() == missing

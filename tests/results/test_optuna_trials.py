"""Studies and searches of Optuna, and of scikit-optimize, are tables as others are."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna_integration.sklearn import OptunaSearchCV
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.svm import SVC
from skopt import BayesSearchCV

from skact import (
    ActMLP,
    TrainingLog,
    compare,
    load_results,
    params_of_trial,
    save_results,
    suggest_activation,
    to_frame,
    to_hiplot,
)

X, y = load_iris(return_X_y=True)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(before)


def study_of_activations(direction: str = "maximize", **options: Any) -> optuna.Study:
    """A study of five trials: their values are 0, 1, (pruned), (failed) and 4."""

    def objective(trial: optuna.Trial) -> float:
        suggest_activation(trial, ["relu", "tanh"])
        trial.suggest_int("width", 8, 16)
        if trial.number == 2:
            trial.report(2.0, 0)
            raise optuna.TrialPruned
        if trial.number == 3:
            raise ArithmeticError
        return float(trial.number)

    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(direction=direction, sampler=sampler, **options)
    study.optimize(objective, n_trials=5, catch=ArithmeticError)
    return study


def test_a_study_has_a_row_for_each_trial_the_best_first() -> None:
    frame = to_frame(study_of_activations())
    assert list(frame) == [
        *("rank_test_value", "activation", "lr", "width", "state"),
        "mean_test_value",
    ]
    states = ["COMPLETE"] * 3 + ["PRUNED", "FAIL"]
    assert frame["state"].tolist() == states
    assert frame["mean_test_value"].tolist()[:3] == [4, 1, 0]
    assert frame["mean_test_value"].isna().tolist() == [False] * 3 + [True] * 2
    assert frame["rank_test_value"].tolist()[:3] == [1, 2, 3]
    assert frame["lr"].notna().all()


def test_the_direction_of_a_study_decides_what_is_best() -> None:
    study = study_of_activations("minimize")
    frame = to_frame(study)
    assert frame["mean_test_value"].tolist()[:3] == [0, 1, 4]
    assert frame["width"][0] == study.best_params["width"]


def test_several_values_have_a_rank_each() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.optimize(
        lambda trial: (trial.number, trial.suggest_float("x", 0, 1)), n_trials=3
    )
    frame = to_frame(study)
    assert frame["mean_test_value_0"].tolist() == [2, 1, 0]
    order = frame.sort_values("rank_test_value_1")["x"]
    assert order.is_monotonic_increasing
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        study.set_metric_names(["accuracy", "time"])
    assert "mean_test_accuracy" in to_frame(study)


def test_a_study_is_drawn_saved_and_put_beside_others(tmp_path: Any) -> None:
    study = study_of_activations()
    page = to_hiplot(study)
    assert page.colorby == "mean_test_value"
    assert page.notice == "2 of 5 rows have no mean_test_value."
    save_results(study, tmp_path)
    pd.testing.assert_frame_equal(to_frame(load_results(tmp_path)), to_frame(study))
    both = to_frame({"first": study, "second": study_of_activations("minimize")})
    assert both["model"].value_counts().to_dict() == {"first": 5, "second": 5}


def test_what_a_study_lacks_is_said() -> None:
    study = study_of_activations()
    with pytest.raises(ValueError, match="needs the score of each split"):
        compare(study)
    message = "a study keeps no training history .* Give to_frame the nets"
    with pytest.raises(ValueError, match=message):
        to_frame(study, level="epoch")
    with pytest.raises(NotFittedError, match="no trials yet: call its 'optimize'"):
        to_frame(optuna.create_study())
    with pytest.raises(TypeError, match="Give to_frame the search or study itself"):
        to_frame(study.trials_dataframe())


@pytest.mark.parametrize("name", ["mean_test_rmse", "mean_test_value", "rank_test_a"])
def test_a_study_is_ranked_by_its_value_whatever_its_attributes_are(name: str) -> None:
    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", 0, 1)
        if trial.number:
            trial.set_user_attr(name, x * (-1) ** trial.number)
        return x

    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=4)
    frame = to_frame(study)
    assert frame["x"][0] == study.best_params["x"]
    assert frame["mean_test_value"].is_monotonic_increasing
    assert frame["rank_test_value"].tolist() == [1, 2, 3, 4]
    beside = frame[name if name == "mean_test_rmse" else f"user_attrs_{name}"]
    assert sorted(beside.abs().dropna()) == sorted(
        t.params["x"] for t in study.trials[1:]
    )


@pytest.mark.parametrize("name", ["mean_test_rmse", "split0_test_a", "mean_fit_time"])
def test_an_attribute_that_is_no_number_stands_beside_the_value(name: str) -> None:
    def objective(trial: optuna.Trial) -> float:
        trial.set_user_attr(name, [trial.number, 1])
        return trial.suggest_float("x", 0, 1)

    study = optuna.create_study()
    study.optimize(objective, n_trials=2)
    assert set(to_frame(study)[f"user_attrs_{name}"]) == {"[0, 1]", "[1, 1]"}


def constrained_study(of_trial: Any, **options: Any) -> optuna.Study:
    """A study of widths whose constraints are what `of_trial` gives."""
    kinds = FutureWarning, optuna.exceptions.ExperimentalWarning  # by its version
    with pytest.warns(kinds):
        sampler = optuna.samplers.TPESampler(seed=0, constraints_func=of_trial)
    study = optuna.create_study(sampler=sampler, **options)
    widths = iter([72, 43, 55, 61, 7])
    study.optimize(lambda t: t.suggest_int("width", w := next(widths), w), n_trials=5)
    return study


def test_trials_that_break_a_constraint_have_no_rank() -> None:
    study = constrained_study(
        lambda t: (t.params["width"] - 50, -1), direction="maximize"
    )
    frame = to_frame(study)
    assert frame["width"][0] == study.best_params["width"] == 43
    assert frame["width"].tolist() == [43, 7, 72, 55, 61]
    assert frame["feasible"].tolist() == [True, True, False, False, False]
    assert frame["rank_test_value"].isna().tolist() == [False] * 2 + [True] * 3
    assert frame["mean_test_value"].tolist() == frame["width"].tolist()
    assert to_hiplot(study).colorby == "mean_test_value"


def test_a_study_without_constraints_does_not_say_what_is_feasible() -> None:
    assert "feasible" not in to_frame(study_of_activations())
    frame = to_frame(constrained_study(lambda t: (1.0,)))
    assert frame["rank_test_value"].isna().all()
    assert not frame["feasible"].any()


def test_a_constraint_with_a_name_counts_as_one_without() -> None:
    study = optuna.create_study()
    kept: list[Any] = [{"constraints:size": 1}, {"constraints": [0]}, {}]
    for i, attrs in enumerate(kept):
        study.add_trial(optuna.trial.create_trial(value=i, system_attrs=attrs))
    frame = to_frame(study)
    assert frame["mean_test_value"].tolist() == [1, 2, 0]
    assert frame["feasible"].astype(object).fillna("?").tolist() == [True, "?", False]


@pytest.mark.filterwarnings("ignore:`optuna.terminator`:FutureWarning")
def test_earlier_trials_of_a_search_keep_their_value() -> None:
    study = optuna.create_study(direction="maximize")

    def objective(trial: optuna.Trial) -> float:
        trial.set_user_attr("mean_test_score", 0.1)
        trial.suggest_float("C", 0.1, 1)
        return 0.9999

    study.optimize(objective, n_trials=1)
    space = {"C": optuna.distributions.FloatDistribution(0.1, 1)}
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        search = OptunaSearchCV(SVC(), space, n_trials=2, cv=2, study=study)
    frame = to_frame(search.fit(X, y))
    assert frame["mean_test_score"][0] == search.best_score_ == 0.9999
    assert frame["C"][0] == search.best_params_["C"]
    assert frame["rank_test_score"][0] == 1
    assert frame["std_test_score"].notna().tolist() == [False, True, True]


@pytest.mark.parametrize("prefix", ["", "actmlp__"])
def test_a_trial_with_two_rates_is_refused_and_its_table_has_both(prefix: str) -> None:
    names = f"{prefix}activation", f"{prefix}lr", f"{prefix}lr_tanh"
    params: dict[str, Any] = dict(zip(names, ["tanh", 0.04, 1.99], strict=True))
    for order in (params, dict(reversed(params.items()))):
        message = rf"trial has both '{names[1]}' \(0.04\) and '{names[2]}' \(1.99\)"
        with pytest.raises(ValueError, match=message):
            params_of_trial(order)
    study = optuna.create_study()

    def objective(trial: optuna.Trial) -> float:
        suggest_activation(trial, ["tanh"], prefix=prefix)
        return trial.suggest_float(names[1], 1, 2)

    study.optimize(objective, n_trials=1)
    assert {"lr", "lr_tanh"} < set(to_frame(study))


@pytest.mark.parametrize("prefix", ["", "actmlp__"])
def test_the_best_params_of_a_study_are_those_of_a_net(prefix: str) -> None:
    suggested = []

    def objective(trial: optuna.Trial) -> float:
        params = suggest_activation(trial, ["relu", "tanh"], prefix=prefix)
        params["width"] = trial.suggest_int("width", 8, 16)
        suggested.append(params)
        return trial.number

    study = optuna.create_study(direction="maximize")
    study.optimize(objective, n_trials=3)
    assert params_of_trial(study.best_params) == suggested[-1]
    assert params_of_trial(study.best_trial) == suggested[-1]
    if not prefix:
        net = ActMLP(**params_of_trial(study.best_params), max_epochs=1)
        assert net.fit(X, y).lr == suggested[-1]["lr"]


def test_params_of_trial_takes_a_trial_or_its_params() -> None:
    for value in (3, "relu", [("lr", 1)]):
        with pytest.raises(TypeError, match="must be a trial of Optuna or its params"):
            params_of_trial(value)
    params = {"lr": 0.1, "lr_relu": 0.2, "activation": "tanh"}
    assert params_of_trial(params) == params  # lr_relu is not of tanh


@pytest.mark.filterwarnings("ignore:`optuna.terminator`:FutureWarning")
def test_a_search_of_optuna_is_ranked_and_compared(tmp_path: Any) -> None:
    distributions = {
        "C": optuna.distributions.FloatDistribution(0.01, 10, log=True),
        "kernel": optuna.distributions.CategoricalDistribution(["rbf", "linear"]),
    }
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        search = OptunaSearchCV(SVC(), distributions, n_trials=6, cv=3, random_state=0)
    with pytest.raises(NotFittedError, match="not fitted yet"):
        to_frame(search)
    search.fit(X, y)
    frame = to_frame(search)
    assert frame["mean_test_score"].is_monotonic_decreasing
    best = frame.loc[0, ["C", "kernel"]].to_dict()
    assert best == search.best_params_
    assert frame["mean_test_score"][0] == search.best_score_
    folds = to_frame(search, level="fold")
    means = folds.groupby("candidate")["test_score"].mean()
    assert np.allclose(means, search.cv_results_["mean_test_score"])
    comparison = compare(search, by="kernel")
    assert comparison.test_ratio == 1 / 2
    assert to_hiplot(search).colorby == "mean_test_score"
    save_results(search, tmp_path)
    pd.testing.assert_frame_equal(to_frame(load_results(tmp_path)), frame)


@pytest.mark.filterwarnings("ignore:`optuna.terminator`:FutureWarning")
def test_a_search_of_optuna_itself_is_named_for_its_missing_epochs() -> None:
    net = ActMLP(max_epochs=1, random_state=0).set_callbacks(TrainingLog())
    space = {"lr": optuna.distributions.FloatDistribution(0.01, 0.1)}
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        search = OptunaSearchCV(net, space, n_trials=1, cv=2)
    message = "OptunaSearchCV has a TrainingLog of 3 fits, but it does not tell"
    with pytest.raises(ValueError, match=message):
        to_frame(search.fit(X, y), level="epoch")
    search.estimator = ActMLP(max_epochs=1)
    with pytest.raises(ValueError, match=r"Attach a log .*: log\.to_frame\(\) numbers"):
        to_frame(search, level="epoch")


def test_a_search_of_scikit_optimize_is_a_search(tmp_path: Any) -> None:
    space = {"C": (0.01, 10.0, "log-uniform"), "kernel": ["rbf", "linear"]}
    search = BayesSearchCV(SVC(), space, n_iter=5, cv=3, random_state=0)
    search.fit(X, y)
    frame = to_frame(search)
    assert frame.loc[0, ["C", "kernel"]].to_dict() == dict(search.best_params_)
    assert len(to_frame(search, level="fold")) == 15
    assert set(compare(search, by="kernel").scores) == {"rbf", "linear"}
    assert to_hiplot(search).colorby == "mean_test_score"
    save_results(search, tmp_path)
    pd.testing.assert_frame_equal(to_frame(load_results(tmp_path)), frame)


@pytest.mark.parametrize("what", ["the score", "an error"])
def test_a_study_that_minimizes_a_score_has_the_lowest_as_its_best(what: str) -> None:
    def objective(trial: optuna.Trial) -> float:
        trial.suggest_categorical("activation", ["relu", "tanh"])
        for fold in range(3):
            trial.set_user_attr(f"split{fold}_test_score", trial.number + fold)
        trial.set_user_attr("mean_test_score", trial.number + 1)
        return trial.number + 1 if what == "the score" else -trial.number

    study = optuna.create_study(
        direction="minimize", sampler=optuna.samplers.RandomSampler(seed=0)
    )
    study.optimize(objective, n_trials=6)
    frame = to_frame(study)
    best_first = frame["mean_test_value"].tolist()
    assert best_first == sorted(best_first)
    if what == "an error":
        assert len(compare(study).means) == 2
    else:
        with pytest.raises(ValueError, match="must be such that the greatest is best"):
            compare(study)

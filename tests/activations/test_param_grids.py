"""Grids are fair: each activation has as many rates, around the one that suits it."""

from typing import Any

import numpy as np
import optuna
import pytest
import torch
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, ParameterGrid, RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from skact import (
    ActMLP,
    activation_distributions,
    activation_grid,
    fused,
    list_activations,
    suggest_activation,
)
from skact.activations.learning_rates import recommended_lr
from skact.activations.rate_table import RELU_RATES

X, y = load_iris(return_X_y=True)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_each_activation_has_as_many_rates_around_its_own(optimizer: str) -> None:
    grid = activation_grid(list_activations(), n_lr=5, optimizer=optimizer)
    assert [part["activation"] for part in grid] == [[n] for n in list_activations()]
    for part in grid:
        (name,), rates = part["activation"], part["lr"]
        assert len(rates) == 5
        assert rates == sorted(rates)
        middle = np.sqrt(rates[0] * rates[-1])
        assert middle == pytest.approx(recommended_lr(name, optimizer), rel=0.05)
        assert rates[-1] / rates[0] == pytest.approx(30, rel=0.1)


def test_rates_are_evenly_spaced_in_their_logarithms() -> None:
    for part in activation_grid(n_lr=7):
        steps = np.diff(np.log(part["lr"]))
        assert steps == pytest.approx(np.log(30) / 6, rel=0.15)  # two digits are kept


def test_one_rate_is_the_one_that_suits() -> None:
    (part,) = activation_grid(["tanh"], n_lr=1)
    assert part["lr"] == [pytest.approx(recommended_lr("tanh"), rel=0.05)]


def test_a_known_rate_moves_all_of_them() -> None:
    usual = activation_grid(n_lr=1)
    moved = activation_grid(n_lr=1, lr=RELU_RATES["adam"] * 4)
    for a, b in zip(usual, moved, strict=True):
        assert b["lr"][0] == pytest.approx(4 * a["lr"][0], rel=0.05)


def test_anything_that_is_an_activation_has_a_rate() -> None:
    specs = ["leaky_relu(0.2)", nn.Tanh, nn.ELU(0.5), torch.sin]
    grid = activation_grid(specs, n_lr=1)
    assert grid[0]["lr"] == activation_grid(["leaky_relu"], n_lr=1)[0]["lr"]
    assert grid[1]["lr"] == activation_grid(["tanh"], n_lr=1)[0]["lr"]
    assert grid[3]["lr"] == activation_grid(["relu"], n_lr=1)[0]["lr"]


def test_a_grid_search_takes_it() -> None:
    net = make_pipeline(StandardScaler(), ActMLP(max_epochs=2, random_state=0))
    grid = activation_grid(["relu", "tanh"], prefix="actmlp__", width=[4, 8])
    assert len(ParameterGrid(grid)) == 2 * 3 * 2
    with fused():
        search = GridSearchCV(net, grid, cv=2).fit(X, y)
    assert len(search.cv_results_["params"]) == 12


def test_a_randomized_search_takes_distributions() -> None:
    net = ActMLP(max_epochs=1, random_state=0)
    parts = activation_distributions(["relu", "tanh"], width=[4, 8])
    search = RandomizedSearchCV(net, parts, n_iter=8, cv=2, random_state=0).fit(X, y)
    for params in search.cv_results_["params"]:
        middle = recommended_lr(params["activation"])
        assert middle / 5.5 <= params["lr"] <= middle * 5.5
    names = {params["activation"] for params in search.cv_results_["params"]}
    assert names == {"relu", "tanh"}


def test_optuna_takes_suggestions() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def objective(trial: Any) -> float:
        params = suggest_activation(trial, ["relu", "tanh"])
        net = ActMLP(max_epochs=2, random_state=0).set_params(**params)
        return net.fit(X, y).score(X, y)

    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective, n_trials=6)
    assert {trial.params["activation"] for trial in study.trials} == {"relu", "tanh"}
    for trial in study.trials:
        name = trial.params["activation"]
        assert set(trial.params) == {"activation", f"lr_{name}"}
        middle = recommended_lr(name)
        assert middle / 5.5 <= trial.params[f"lr_{name}"] <= middle * 5.5


def test_bad_input_is_named() -> None:
    cases: list[tuple[Any, dict[str, Any], str]] = [
        (ValueError, {"n_lr": 0}, "n_lr must be an int >= 1, got 0"),
        (ValueError, {"lr": -1}, "lr must be a finite number > 0, got -1"),
        (ValueError, {"optimizer": "lion"}, "'adam', 'adamw' or 'sgd', got 'lion'"),
        (ValueError, {"activations": ["rellu"]}, "did you mean 'relu'"),
        (ValueError, {"activations": []}, "at least one; got none"),
        (TypeError, {"activations": "relu"}, "must be a list, got 'relu'"),
        (ValueError, {"lr": [0.1]}, r"lr must be a finite number > 0, got \[0\.1\]"),
        (TypeError, {"activation": ["relu"]}, "activation is what activations= names"),
        (TypeError, {"width": 32}, "width must be a list of values, got 32"),
        (TypeError, {"norm": "batch"}, "norm must be a list of values, got 'batch'"),
    ]
    for error, options, message in cases:
        with pytest.raises(error, match=message):
            activation_grid(**options)


def test_what_is_no_trial_is_refused_by_the_name_of_its_parameter() -> None:
    study = optuna.create_study()
    message = r"trial must be a trial of Optuna.*study\.ask\(\).*of type "
    for given in (study, {"lr": 0.1}, None, "trial", optuna.Trial):
        kind = type(given).__name__
        with pytest.raises(TypeError, match=f"{message}{kind}\\."):
            suggest_activation(given, ["tanh"])
    assert suggest_activation(study.ask(), ["tanh"])["activation"] == "tanh"

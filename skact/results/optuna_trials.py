"""Trials of an Optuna study as columns that are like ``cv_results_``.

Optuna is not imported: a study is known by its class's properties.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from skact.results.result_names import MISSING, RESULT_NAME

_STATE = "state"


def params_of_trial(trial: Any) -> dict[str, Any]:
    """Return the parameters of a trial of Optuna as those of a net.

    Parameters
    ----------
    trial : dict or optuna.trial.Trial
        Such as ``study.best_params`` or ``study.best_trial``.

    Returns
    -------
    dict
        The parameters, with ``lr`` in place of the ``lr_<activation>`` of
        :func:`~skact.suggest_activation`. Other parameters do not change.

    Raises
    ------
    TypeError
        If `trial` has no parameters.

    Examples
    --------
    >>> from skact import ActMLP, params_of_trial
    >>> best_params = {"activation": "tanh", "lr_tanh": 0.01, "width": 8}
    >>> ActMLP(**params_of_trial(best_params))
    ActMLP(activation='tanh', width=8)
    """
    params = getattr(trial, "params", trial)
    if not isinstance(params, Mapping):
        raise TypeError(
            f"trial must be a trial of Optuna or its params, such as "
            f"study.best_params; got {trial!r}."
        )
    plain = {
        key: key for key in params
    }  # lr_<activation> -> lr, with the prefix before both
    for key, value in params.items():
        if key.endswith("activation"):
            start = key.removesuffix("activation")
            plain[f"{start}lr_{value}"] = f"{start}lr"
    return {plain[key]: value for key, value in params.items()}


def study_of(value: Any) -> Any:
    """Return a study, or the study that ``OptunaSearchCV`` filled; else None."""
    for found in (value, getattr(value, "study_", None)):
        kind = type(found)
        # the properties themselves raise errors while no trial is complete
        if hasattr(kind, "trials") and hasattr(kind, "directions"):
            return found
    return None


def columns_of_study(study: Any) -> dict[str, list[Any]]:
    """Return the columns of ``cv_results_``: a row for each trial.

    The score is that of ``OptunaSearchCV`` if the trials have it, else the value, as
    ``mean_test_value``, or by the names of the study's metrics. The study's direction
    ranks its value, also a score that is it. Only complete trials
    have scores and ranks, for Optuna takes its best trial from these.
    """
    trials = study.trials
    params = [params_of_trial(trial.params) for trial in trials]
    keys = dict.fromkeys(key for one in params for key in one)
    columns: dict[str, list[Any]] = {
        f"param_{key}": [one.get(key, MISSING) for one in params] for key in keys
    }
    columns["params"] = params
    columns[_STATE] = [trial.state.name for trial in trials]
    scored = [trial if trial.state.name == "COMPLETE" else None for trial in trials]
    recorded = _recorded_scores(scored)
    if any(key.startswith("mean_test_") for key in recorded):
        columns |= recorded
        names = [key for key in recorded if key.startswith("mean_test_")]
        signs = [_sign_of_recorded(recorded[name], study, scored) for name in names]
    else:
        names = [f"mean_test_{name}" for name in _names_of_values(study)]
        signs = [1 if one.name == "MAXIMIZE" else -1 for one in study.directions]
        for i, name in enumerate(names):
            columns[name] = [
                MISSING if trial is None else trial.values[i] for trial in scored
            ]
    for name, sign in zip(names, signs, strict=True):
        columns[name.replace("mean_", "rank_", 1)] = _ranks_of(columns[name], sign)
    return columns


def _sign_of_recorded(scores: list[Any], study: Any, trials: list[Any]) -> int:
    """Return -1 if the study minimizes these scores; else the greatest is best.

    A study may minimize another value, such as an error, beside scores.
    """
    pairs = [
        (score, trial.values[0])
        for score, trial in zip(scores, trials, strict=True)
        if trial is not None and score is not MISSING
    ]
    is_minimized = [one.name for one in study.directions] == ["MINIMIZE"]
    known = np.array(pairs, dtype=float).reshape(-1, 2)
    are_values = len(known) and np.allclose(known[:, 0], known[:, 1], equal_nan=True)
    return -1 if is_minimized and are_values else 1


def _names_of_values(study: Any) -> list[str]:
    if study.metric_names is not None:
        return list(study.metric_names)
    n_values = len(study.directions)
    return ["value"] if n_values == 1 else [f"value_{i}" for i in range(n_values)]


def _recorded_scores(trials: list[Any]) -> dict[str, list[Any]]:
    """Return the scores of folds and the times that ``OptunaSearchCV`` recorded."""
    attrs = [{} if trial is None else trial.user_attrs for trial in trials]
    keys = dict.fromkeys(key for one in attrs for key in one)
    return {
        key: [one.get(key, MISSING) for one in attrs]
        for key in keys
        if RESULT_NAME.fullmatch(key)
    }


def _ranks_of(scores: list[Any], sign: int) -> list[Any]:
    """Return 1 for the best score; equal scores share the best of their ranks."""
    known = [x for x in scores if x is not MISSING and not math.isnan(x)]
    ordered = np.sort(-sign * np.array(known, dtype=float))
    return [
        MISSING
        if score is MISSING or math.isnan(score)
        else 1 + int(np.searchsorted(ordered, -sign * float(score)))
        for score in scores
    ]

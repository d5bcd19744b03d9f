"""Trials of an Optuna study as columns that are like ``cv_results_``.

Optuna is not imported: a study is known by its class's properties.
"""

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np

from skact.results.result_names import MISSING, RESULT_NAME

STATE, _FEASIBLE = "state", "feasible"  # columns that only tables of studies have
_CONSTRAINTS = "constraints"  # Optuna's key; since 5.0 a key for each, with its name
_OF_ATTRIBUTE = "user_attrs_"  # as in Optuna's own trials_dataframe


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
    ValueError
        If `trial` has both ``lr`` and ``lr_<activation>``: a net has one of them.

    Examples
    --------
    >>> from skact import ActMLP, params_of_trial
    >>> best_params = {"activation": "tanh", "lr_tanh": 0.01, "width": 8}
    >>> ActMLP(**params_of_trial(best_params))
    ActMLP(activation='tanh', lr=0.01, width=8)
    """
    params = getattr(trial, "params", trial)
    if not isinstance(params, Mapping):
        raise TypeError(
            f"trial must be a trial of Optuna or its params, such as "
            f"study.best_params; got {trial!r}."
        )
    plain = _plain_names(params)
    for key, name in plain.items():
        if key != name and name in params:
            raise ValueError(
                f"trial has both {name!r} ({params[name]!r}) and {key!r} "
                f"({params[key]!r}), and a net has one of them: remove one, and "
                f"suggest the rate either as {name!r} or by suggest_activation."
            )
    names = dict(zip(params, params, strict=True)) | plain
    return {names[key]: value for key, value in params.items()}


def _plain_names(params: Mapping[str, Any]) -> dict[str, str]:
    """Return ``lr_<activation>`` -> ``lr``, with the prefix before both."""
    found = {}
    for key, value in params.items():
        if key.endswith("activation"):
            start = key.removesuffix("activation")
            found[f"{start}lr_{value}"] = f"{start}lr"
    return {key: name for key, name in found.items() if key in params}


def _params_in_table(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a trial; a table has a place for both rates."""
    plain = _plain_names(params)
    names = {key: name for key, name in plain.items() if name not in params}
    return {names.get(key, key): value for key, value in params.items()}


def study_of(value: Any) -> Any:
    """Return a study, or the study that ``OptunaSearchCV`` filled; else None."""
    for found in (value, getattr(value, "study_", None)):
        kind = type(found)
        # the properties themselves raise errors while no trial is complete
        if hasattr(kind, "trials") and hasattr(kind, "directions"):
            return found
    return None


def columns_of_study(study: Any, *, of_search: bool = False) -> dict[str, list[Any]]:
    """Return the columns of ``cv_results_``: a row for each trial.

    The score is the value, as ``mean_test_value``, or by the names of the study's
    metrics; of an ``OptunaSearchCV`` it is ``mean_test_score``. Only complete trials
    have scores, and only those of them that satisfy the constraints have ranks, for
    Optuna takes its best trial from these. Attributes that the user named like scores
    stand beside the value, and do not rank.

    Parameters
    ----------
    study : optuna.Study
    of_search : bool, default=False
        Whether ``OptunaSearchCV`` filled the study.
    """
    trials = study.trials
    params = [_params_in_table(trial.params) for trial in trials]
    keys = dict.fromkeys(key for one in params for key in one)
    columns: dict[str, list[Any]] = {
        f"param_{key}": [one.get(key, MISSING) for one in params] for key in keys
    }
    columns["params"] = params
    columns[STATE] = [trial.state.name for trial in trials]
    feasible = _feasible(trials)
    if any(one is not MISSING for one in feasible):
        columns[_FEASIBLE] = feasible
    names = ["score"] if of_search else _names_of_values(study)
    complete = [trial if trial.state.name == "COMPLETE" else None for trial in trials]
    for i, (name, direction) in enumerate(zip(names, study.directions, strict=True)):
        values = [MISSING if one is None else one.values[i] for one in complete]
        ranked = [
            MISSING if satisfied is False else value
            for value, satisfied in zip(values, feasible, strict=True)
        ]
        sign = 1 if direction.name == "MAXIMIZE" else -1
        columns[f"mean_test_{name}"] = values
        columns[f"rank_test_{name}"] = _ranks_of(ranked, sign)
    return columns | _attributes_like_scores(complete, columns)


def _names_of_values(study: Any) -> list[str]:
    if study.metric_names is not None:
        return list(study.metric_names)
    n_values = len(study.directions)
    return ["value"] if n_values == 1 else [f"value_{i}" for i in range(n_values)]


def _feasible(trials: Sequence[Any]) -> list[Any]:
    """Return whether each trial satisfies its constraints; MISSING: it has none."""
    found: list[Any] = []
    for trial in trials:
        constraints: list[float] = []
        for key, value in trial.system_attrs.items():
            if key == _CONSTRAINTS:
                constraints += value or ()
            elif key.startswith(f"{_CONSTRAINTS}:"):
                constraints.append(value)
        satisfied = all(value <= 0 for value in constraints)
        found.append(satisfied if constraints else MISSING)
    return found


def _attributes_like_scores(
    trials: Sequence[Any], columns: Mapping[str, list[Any]]
) -> dict[str, list[Any]]:
    """Return the attributes of trials that have the names of scores and times.

    They keep their names if they hold numbers and no other column has the name.
    """
    attrs = [{} if trial is None else trial.user_attrs for trial in trials]
    keys = dict.fromkeys(key for one in attrs for key in one)
    found = {}
    for key in keys:
        if not RESULT_NAME.fullmatch(key):
            continue
        cells = [one.get(key, MISSING) for one in attrs]
        known = [cell for cell in cells if cell is not MISSING]
        if key in columns:
            pairs = zip(cells, columns[key], strict=True)
            # OptunaSearchCV keeps the value a second time
            if all(cell is MISSING or cell == value for cell, value in pairs):
                continue
        # a rank among the results would rank them
        is_score = all(isinstance(cell, Real) for cell in known)
        is_score = is_score and key not in columns and not key.startswith("rank_")
        found[key if is_score else f"{_OF_ATTRIBUTE}{key}"] = cells
    return found


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

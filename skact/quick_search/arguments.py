"""Arguments of `search`: checked before anything is trained, so nothing is lost."""

import difflib
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.metrics import get_scorer_names

from skact.parameters.hints import nearest
from skact.quick_search.numbers import WAYS

_HOW_TO_TRY = {
    "activation": "activations=[...]",
    "hidden": "width=[...] and depth=[...]",
}
# what others call the arguments of `search`
_ARGUMENTS = {
    "max_time": "budget",
    "metric": "scoring",
    "n_iter": "n_candidates",
    "n_trials": "n_candidates",
    "seed": "random_state",
    "time": "budget",
    "time_limit": "budget",
    "timeout": "budget",
}
# what others call the scores of scikit-learn
_SCORES = {
    "acc": "accuracy",
    "auc": "roc_auc",
    "bce": "neg_log_loss",
    "cross_entropy": "neg_log_loss",
    "log_loss": "neg_log_loss",
    "logloss": "neg_log_loss",
    "mae": "neg_mean_absolute_error",
    "mean_absolute_error": "neg_mean_absolute_error",
    "mean_squared_error": "neg_mean_squared_error",
    "mse": "neg_mean_squared_error",
    "pr_auc": "average_precision",
    "rmse": "neg_root_mean_squared_error",
    "root_mean_squared_error": "neg_root_mean_squared_error",
}


def check_arguments(
    n_candidates: Any, n_lr: Any, average: Any, cv: Any, progress: Any, budget: Any
) -> None:
    """Refuse what cannot be searched."""
    if budget is not None:
        is_number = isinstance(budget, Real) and not isinstance(budget, bool)
        if not is_number or not 0 < float(budget) < float("inf"):
            raise ValueError(
                f"budget must be None or a positive number of seconds, got {budget!r}."
            )
    check_whole("n_candidates", n_candidates, 1)
    check_whole("n_lr", n_lr, 1)
    check_whole("average", average, 1)
    if isinstance(cv, Integral):
        check_whole("cv", cv, 2)
    if progress is not None and not isinstance(progress, bool | np.bool_):
        raise TypeError(f"progress must be True, False or None, got {progress!r}.")


def check_whole(name: str, value: Any, low: int) -> None:
    """Refuse all but integers from a limit on."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < low:
        raise ValueError(f"{name} must be an int >= {low}, got {value!r}.")


def sizes_of(name: str, value: Any, low: int) -> list[int] | None:
    """Return widths or depths as a list; a number is a list of one."""
    if value is None:
        return None
    values = [value] if isinstance(value, Integral) else value
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise TypeError(f"{name} must be an int or a list of ints, got {value!r}.")
    values = list(values)
    if not values:
        raise ValueError(f"{name} must name at least one number, got {value!r}.")
    for one in values:
        check_whole(name, one, low)
    return [int(one) for one in values]


def rates_of(value: Any) -> list[float] | None:
    """Return learning rates as a list; a number is a list of one."""
    if value is None:
        return None
    values = [value] if isinstance(value, Real) else value
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise TypeError(f"lr must be a number or a list of numbers, got {value!r}.")
    values = list(values)
    for one in values:
        is_number = isinstance(one, Real) and not isinstance(one, bool)
        if not is_number or not 0 < float(one) < float("inf"):
            raise ValueError(f"lr must hold finite numbers > 0, got {one!r}.")
    if not values:
        raise ValueError(f"lr must name at least one number, got {value!r}.")
    return [float(one) for one in values]


def ways_of(value: Any) -> list[str]:
    """Return the ways to encode numbers as a list; a name is a list of one."""
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, Iterable) or not (values := list(values)):
        raise TypeError(f"numbers must be some of {WAYS}, got {value!r}.")
    for one in values:
        if one not in WAYS:
            raise ValueError(f"numbers must be some of {WAYS}, got {one!r}.")
    return values


def score_to_refit(refit: Any, scoring: Any) -> Any:
    """Return the score by which the best candidate is chosen, of several; else None."""
    if isinstance(scoring, list | tuple | dict | set) and not scoring:
        raise ValueError(f"scoring must name a score, got {scoring!r}.")
    known = [scoring]
    if isinstance(scoring, list | tuple | dict):
        known = [*scoring]
        refit = known[0] if refit is None else refit
    if refit is not None and refit not in known:
        names = [name for name in known if isinstance(name, str)]
        allowed = f"None or one of {names}" if names else "None"
        raise ValueError(f"refit must be {allowed}, got {refit!r}.")
    return refit


def check_names_of_scores(scoring: Any) -> None:
    """Refuse names that no score has; say which one is meant."""
    names = [scoring] if isinstance(scoring, str) else scoring
    names = names.values() if isinstance(names, Mapping) else names
    if not isinstance(names, Iterable):
        return
    known = get_scorer_names()
    for name in names:
        if isinstance(name, str) and name not in known:
            meant = _SCORES.get(name.lower())
            hint = f"; did you mean {meant!r}?" if meant else nearest(name, known)
            raise ValueError(
                f"scoring must name a score of sklearn.metrics.get_scorer_names(), got "
                f"{name!r}{hint}"
            )


def check_parameters(
    net: Any, parameters: Mapping[str, Any], own: Iterable[str]
) -> None:
    """Refuse parameters that the search tries, and names that are nearly right."""
    for name, how in _HOW_TO_TRY.items():
        if name in parameters:
            raise TypeError(f"{name} is tried by the search: give it {how}.")
    known = {*own, *net.get_params(deep=False)} - {"X", "y", "parameters"}
    for name in parameters:
        if name in _ARGUMENTS:
            raise TypeError(
                f"search got an unexpected parameter {name!r}; did you mean "
                f"{_ARGUMENTS[name]!r}?"
            )
        near = difflib.get_close_matches(name, known, n=1)
        if "__" not in name and name not in known and near:
            raise TypeError(
                f"search got an unexpected parameter {name!r}; did you mean "
                f"{near[0]!r}?"
            )
    callbacks = parameters.get("callbacks") or []
    if not isinstance(callbacks, list | tuple):
        raise TypeError(f"callbacks must be a list, got {callbacks!r}.")


def reads_rows(scoring: Any) -> bool:
    """Whether a score is a function of the user's, which may write into its rows."""
    several: Any = (
        scoring if isinstance(scoring, list | tuple | set | dict) else [scoring]
    )
    several = several.values() if isinstance(several, dict) else several
    return any(callable(s) and not hasattr(s, "set_score_request") for s in several)

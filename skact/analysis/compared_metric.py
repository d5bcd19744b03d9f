"""Which metric is compared, and whether it is the same metric in all searches."""

import inspect
import math
from collections.abc import Mapping
from numbers import Real
from typing import Any

import pandas as pd
from sklearn.base import is_classifier, is_regressor
from sklearn.metrics import get_scorer, get_scorer_names

from skact._sklearn import metric_of_method, parameter_of_method
from skact.analysis.fold_sizes import searches_in
from skact.naming import name_values
from skact.results.cv_results import is_search
from skact.results.schema import MODEL, Schema, metric_of_score, score_of_metric


def score_column(frame: pd.DataFrame, schema: Schema, metric: str | None) -> str:
    """Return the column of scores by a metric; None: by the metric that ranks."""
    if "fold" not in schema.ids:
        raise ValueError("A frame must have a row a fold: to_frame(search, 'fold').")
    wanted = schema.score if metric is None else score_of_metric(metric)
    if not schema.scores:
        raise ValueError(
            "There are no scores of folds to compare: a frame must have a column such "
            "as 'test_score'."
        )
    if wanted not in schema.scores:
        known = [metric_of_score(name) for name in schema.scores]
        raise ValueError(f"metric must be one of {known}; got {metric!r}.")
    if schema.has_models:
        _check_all_have(wanted, frame, schema)
    return wanted


def _check_all_have(score: str, frame: pd.DataFrame, schema: Schema) -> None:
    """Raise ValueError if a search has no scores by the metric, but by another."""
    has = frame.groupby(MODEL, sort=False)[list(schema.scores)].agg(
        lambda column: column.notna().any()
    )
    lacking = has.index[~has[score] & has.any(axis=1)]
    if not lacking.empty:
        shared = [metric_of_score(name) for name in has.columns[has.all()]]
        raise ValueError(
            f"The searches {[*lacking]} have no scores by "
            f"metric={metric_of_score(score)!r}; metrics that all searches have: "
            f"{shared}."
        )


def notes_on_choice(search: Any, schema: Schema) -> list[str]:
    """Return a note if the first of several metrics may not be the one that ranks.

    Results without a search do not say what ranks; nor does a search with another
    ``refit`` than a name.
    """
    first, *others = map(metric_of_score, schema.scores)
    ranking = [getattr(one, "refit", None) for one in searches_in(search)]
    if not others or all(name == first for name in ranking):
        return []
    return [
        f"metric={first!r} is compared, the first of {[first, *others]}: it may not be "
        f"the one that ranks. metric= names another."
    ]


def notes_on_same_metric(search: Any, score: str) -> list[str]:
    """Return notes on whether searches had the same metric; raise if they had not."""
    metric, searches = metric_of_score(score), searches_in(search)
    scorings = [_scoring_of(one, metric) for one in searches]
    kinds = {_kind_by_own_score(one, metric) for one in searches} - {""}
    known = [scoring for scoring in scorings if scoring is not None]
    notes = []
    # equal objects get equal names, different ones of one name get numbers
    if len(set(name_values(map(_scorer_of, known)))) > 1 or len(kinds) > 1:
        named = list(dict.fromkeys(one for one in known if isinstance(one, str)))
        if len(named) > 1:
            raise ValueError(
                f"The searches have different metrics, {named}: their scores cannot be "
                f"compared."
            )
        names = list(dict.fromkeys(name_values(known)))
        notes.append(
            f"The searches are taken to have had the same metric, by scoring={names}; "
            f"a search without scoring has the score of its estimator."
        )
    if len(known) < len(scorings):
        notes.append(
            "The metric is taken to be the same for all searches, which is not known "
            "from what was given."
        )
    return notes


def name_of_metric(search: Any, score: str) -> str:
    """Return what a sentence calls the compared metric.

    A search without `scoring` calls it "score": it is that of the estimator.
    """
    metric = metric_of_score(score)
    known = [_scoring_of(one, metric) for one in searches_in(search)]
    names = {x if isinstance(x, str) else "" for x in known}
    is_known = metric == "score" and len(names) == 1 and names != {""}
    name = names.pop() if is_known else metric
    return "R2" if name == "r2" else name


def _scoring_of(search: Any, metric: Any) -> Any:
    """Return the name or function of a metric of a search; None: it is not known."""
    if not hasattr(search, "scoring"):
        return None
    scoring = search.scoring
    if isinstance(scoring, Mapping):
        scoring = scoring.get(metric)
    elif isinstance(scoring, list | tuple | set):
        scoring = metric
    scoring = getattr(scoring, "scoring", scoring)  # of a scorer of a log
    return _own_score_of(search.estimator) if scoring is None else scoring


def _scorer_of(scoring: Any) -> Any:
    """Return the scorer that a name of scikit-learn stands for; else what is given."""
    is_name = isinstance(scoring, str) and scoring in get_scorer_names()
    return get_scorer(scoring) if is_name else scoring


def _own_score_of(estimator: Any) -> Any:
    """Return what the method `score` of an estimator is: its name or function."""
    while isinstance(steps := getattr(estimator, "steps", None), list):
        estimator = steps[-1][1]
    if is_search(estimator):
        return _scoring_of(estimator, estimator.refit)
    method: Any = getattr(type(estimator), "score", None)
    own = inspect.unwrap(method)
    parameter = parameter_of_method(own)
    if parameter is None:
        return metric_of_method(own) or own
    told = getattr(estimator, parameter)
    if told is None or (isinstance(told, str) and told == "warn"):  # its default
        return "accuracy" if is_classifier(estimator) else "r2"
    return told if parameter == "scoring" else _own_score_of(told)


def _kind_by_own_score(search: Any, metric: str) -> str:
    """Return what an estimator that scores itself is; empty if it does not matter.

    Its `score` may be that of an estimator within, and so be of either kind.
    """
    estimator = getattr(search, "estimator", None)
    if not hasattr(estimator, "__sklearn_tags__") or isinstance(
        _scoring_of(search, metric), str
    ):
        return ""
    return "classifier" * is_classifier(estimator) or (
        "regressor" * is_regressor(estimator)
    )


def notes_on_failed_fits(search: Any) -> list[str]:
    """Return a note on each number that searches take as the score of a failed fit."""
    given = [getattr(one, "error_score", None) for one in searches_in(search)]
    # an infinite one is told from no other failed fit
    numbers = [x for x in given if isinstance(x, Real) and math.isfinite(x)]
    return [
        f"Fits that failed count with a score of {number:g}, by error_score."
        for number in dict.fromkeys(numbers)
    ]

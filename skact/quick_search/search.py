"""Find the best activation for data in one call: rounds, an average, a verdict."""

import copy
import importlib.util
import inspect
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.utils import check_random_state

from skact.analysis.fold_lists import ratio_of_folds
from skact.backend.context import fused
from skact.callbacks.training_log import TrainingLog
from skact.nets.estimators import ActMLP, ActMLPRegressor
from skact.parameters.checks import dtype_name
from skact.parameters.row_weights import read_sample_weight
from skact.quick_search.alerts import find_alerts, find_imbalance
from skact.quick_search.arguments import (
    check_arguments,
    check_names_of_scores,
    check_parameters,
    check_whole,
    rates_of,
    reads_rows,
    score_to_refit,
    sizes_of,
    ways_of,
)
from skact.quick_search.averages import average_of, best_size, score_averages
from skact.quick_search.baselines import TRIVIAL, make_baselines, score_baselines
from skact.quick_search.folds import SharedFolds, SharedTransformer
from skact.quick_search.numbers import ways_that_differ
from skact.quick_search.pipelines import make_columns, make_pipeline
from skact.quick_search.result import SearchResult
from skact.quick_search.rounds import RoundsSearchCV
from skact.quick_search.space import OTHERS, draw_candidates, sizes_to_try
from skact.quick_search.tables import TableEncoder, as_table
from skact.quick_search.targets import (
    check_groups,
    check_lengths,
    check_rows_of_classes,
    check_scores,
    read_target,
)

# epochs: enough for so many steps, within these limits
_STEPS_TO_TRAIN, _FEWEST_EPOCHS, _MOST_EPOCHS = 4_000, 16, 160
_ROWS_OF_LARGE_BATCHES = 20_000  # and of baselines that take long
_ROWS_OF_THREE_FOLDS = 2_500  # with so many rows, three folds say as much as five
_DEFAULTS = {"dtype": "float32", "optimizer": "adamw", "init": "torch"}


def search(
    X: Any,
    y: Any,
    *,
    activations: Iterable[Any] | None = None,
    n_candidates: int = 64,
    n_lr: int = 3,
    lr: float | Sequence[float] | None = None,
    width: int | Sequence[int] | None = None,
    depth: int | Sequence[int] | None = None,
    numbers: str | Sequence[str] | None = None,
    average: int = 8,
    cv: Any = None,
    scoring: Any = None,
    refit: str | None = None,
    task: str | None = None,
    max_epochs: int | None = None,
    random_state: Any = 0,
    progress: bool | None = None,
    groups: Any = None,
    sample_weight: Any = None,
    checkpoint: Any = None,
    budget: float | None = None,
    **parameters: Any,
) -> SearchResult:
    """Find the best activation, learning rate and width for data.

    In a frame, words become a column for each category, dates become parts, durations
    days; free text is hashed; ids (running integers, words that are nearly all
    different) and constants are dropped. The result says so in print and in `columns_`.
    Rows to predict may hold gaps and new categories; words among numbers warn, and
    count as missing. How numbers are encoded is searched.

    Candidates are drawn from activations with learning rates of their own, widths,
    depths, dropout, weight decay and encodings of numbers. All candidates and folds
    train together (:func:`~skact.fused`), in rounds of more and more epochs: the best
    half, and the best of each activation, goes on. Then the average of the best nets is
    tried on the same folds. The winner is fitted on all rows. A majority or mean, a
    linear model and gradient boosting stand beside it in the ranking.

    Parameters
    ----------
    X : {array-like, DataFrame} of shape (n_samples, n_features)
        Numbers; in a frame, of pandas or polars, also words, categories, booleans,
        dates and missing values.
    y : array-like of shape (n_samples,)
        Labels, or numbers.
    activations : str or list of activation specs, default=None
        None: the default of :func:`~skact.activation_grid`.
    n_candidates : int, default=64
        How many candidates to draw; all, if there are fewer.
    n_lr : int, default=3
        Number of learning rates for each activation, around its own.
    lr : float, sequence of float or None, default=None
        Learning rates to try instead, the same for all activations.
    width : int, sequence of int or None, default=None
        Numbers of units in each hidden layer to try. None: 128 to 512, or 64 and 128 of
        fewer than 1,000 rows.
    depth : int, sequence of int or None, default=None
        Numbers of hidden layers to try. None: 1 to 3.
    numbers : {"standard", "clip", "quantile", "piecewise"} or list, default=None
        Ways to encode columns of numbers to try. "standard": by mean and deviation.
        "clip": by median and quartiles, with a smooth limit at 3. "quantile": by ranks,
        as a normal distribution. "piecewise": "clip", and the position in each of 16
        bins between quantiles. None: all but "standard", if there are columns of more
        than 10 different numbers.
    average : int, default=8
        How many of the best nets to average at most; averages of the best 3 and 5 are
        tried, too. The best average is taken if it scores better on the folds than the
        best net. 1: no average.
    cv : int, splitter or None, default=None
        As in ``GridSearchCV``; None: 5 shuffled folds, or 3 of more than 2,500 rows.
    scoring : str, callable, list, dict or None, default=None
        As in ``GridSearchCV``; None is accuracy, or R2.
    refit : str or None, default=None
        The score, of several, that chooses the best candidate; None: the first.
    task : {"classification", "regression"} or None, default=None
        None: regression if y has several columns, numbers that are not whole, or more
        than 20 different numbers.
    max_epochs : int or None, default=None
        Epochs of the last round; those before have half, a quarter and an eighth. None:
        enough for 4,000 steps, but from 16 to 160.
    random_state : int, RandomState or None, default=0
        Seed of the candidates, the folds and all nets.
    progress : bool or None, default=None
        Whether to show a progress bar, which needs rich. None: if rich is installed.
    groups : array-like of shape (n_samples,) or None, default=None
        Groups of the rows, for a splitter such as ``GroupKFold``, which needs them.
    sample_weight : array-like of shape (n_samples,) or None, default=None
        Weights of the rows: for the nets and for the scores.
    checkpoint : str or path, default=None
        A folder that keeps fits, as in :func:`~skact.fused`: the same call goes on
        after a crash, and a call with more candidates trains only what is new.
    budget : float or None, default=None
        Seconds in which to end. Candidates are tried in random order, as many as time
        allows, and the result says how many. One chunk of candidates is tried always. A
        second call with the same `checkpoint` goes on with what is left. With more than
        20,000 rows no time is spent on the linear model and gradient boosting. None:
        all candidates.
    **parameters : dict
        More parameters of the net, such as ``early_stopping=True``. Those given here
        are not searched, as ``dropout=0.2``.

    Returns
    -------
    SearchResult
        It can be printed, and it predicts.

    Notes
    -----
    The score of the winner is the best of many on the same folds, so new rows may score
    a little lower. Fits that :func:`~skact.fused` cannot find again, with
    ``random_state=None`` or an activation that is code of your own, are trained anew in
    each round, and for each average.

    Raises
    ------
    ValueError, TypeError
        If the data or a parameter are invalid.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skact import search
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> few = {"activations": ["relu", "tanh"], "n_candidates": 4, "max_epochs": 40}
    >>> found = search(X, y, **few)
    >>> found.best_score_ > 0.9, found.best_params_["activation"] in ("relu", "tanh")
    (True, True)
    """
    began = time.monotonic()
    check_arguments(n_candidates, n_lr, average, cv, progress, budget)
    widths, depths = sizes_of("width", width, 1), sizes_of("depth", depth, 0)
    refit = score_to_refit(refit, scoring)
    check_names_of_scores(scoring)
    check_groups(groups, cv)
    if isinstance(X, pd.Series):  # to predict, it is a row
        raise ValueError("X must be a table, got a Series: pass X.to_frame().")
    X = as_table(X)
    y, task, reason = read_target(y, task)
    check_lengths(X, y, sample_weight=sample_weight, groups=groups)
    read_sample_weight(sample_weight, len(y))  # raises, before all folds do
    if random_state is not None and not isinstance(random_state, Integral):
        # a generator would give each round other folds
        random_state = int(check_random_state(random_state).randint(2**31 - 1))
    cv = _folds_of(cv, X, y, groups, task=task, seed=random_state)
    if task == "classification":
        check_scores(scoring, y)
    net = (ActMLPRegressor if task == "regression" else ActMLP)()
    check_parameters(net, parameters, inspect.signature(search).parameters)
    given = {"random_state": random_state, **_DEFAULTS, **parameters}
    n_steps = _set_epochs(net.set_params(**given), max_epochs, len(y), given)
    log = TrainingLog()
    net.set_callbacks(log)
    columns = make_columns(X)
    others: dict[str, Sequence[Any]] = {
        **OTHERS,
        "numbers": _ways_to_try(numbers, X, columns),
    }
    others = {name: of for name, of in others.items() if name not in parameters and of}
    candidates = draw_candidates(
        n_candidates,
        [activations] if isinstance(activations, str) else activations,
        n_lr=n_lr,
        lr=rates_of(lr),
        n_steps=n_steps,
        optimizer=given["optimizer"],
        sizes=sizes_to_try(depths, widths, len(y)),
        others=others,
        random_state=random_state,
    )
    alerts = find_alerts(X, y, task) + find_imbalance(y, task, scoring)
    block = fused(progress=_shows_bar(progress), checkpoint=checkpoint)
    pipeline = make_pipeline(columns, net, is_regression=task == "regression")
    options = {"scoring": scoring, "refit": refit or True, "cv": cv}
    weights = {} if sample_weight is None else {"sample_weight": sample_weight}
    fit_params = weights | ({} if groups is None else {"groups": groups})
    models = make_baselines(X, y, is_regression=task == "regression")
    if budget is not None and len(y) > _ROWS_OF_LARGE_BATCHES:
        models = {TRIVIAL: models[TRIVIAL]}
    baselines = score_baselines(X, y, columns, models, fit_params=fit_params, **options)
    found = RoundsSearchCV(
        _share_columns(pipeline, SharedFolds(), dtype_name(net.dtype)),
        _with_steps(candidates),
        resource="net__max_epochs",
        max_resources=net.max_epochs,
        deadline=math.inf if budget is None else began + budget,
        n_refits=average,
        random_state=random_state,
        **options,
    )
    with block as session:
        folds = found.estimator["columns"].folds
        found.fit(X if reads_rows(scoring) else folds.share(X), y, **fit_params)
        ranked = found.rank_candidates()[:average]
        members = [found.cv_results_["params"][i] for i in ranked]
        averages = score_averages(found, members, X, y, fit_params)
        members, best = members[: best_size(averages)], None
        if members and averages[len(members)].mean() > found.best_score_:
            best = average_of(pipeline, members).fit(X, y, **weights)
    _unshare_columns(found, columns)
    return SearchResult(
        found,
        log,
        session.report,
        average=best,
        members=members,
        averages=averages,
        baselines=baselines,
        task=f"{task.capitalize()}: {reason}",
        alerts=alerts,
        test_ratio=_ratio_of(cv, X, y, groups),
    )


def _shows_bar(progress: bool | None) -> bool:
    if progress is None:
        return importlib.util.find_spec("rich") is not None
    return progress


def _folds_of(
    cv: Any, X: Any, y: np.ndarray, groups: Any, *, task: str, seed: int | None
) -> Any:
    """Return a splitter, or a list of folds, that is the same in each round."""
    if cv is None:
        n_splits = 3 if len(y) >= _ROWS_OF_THREE_FOLDS else 5
        if task == "classification":
            check_rows_of_classes(y, n_splits)
        kind = KFold if task == "regression" else StratifiedKFold
        return kind(n_splits, shuffle=True, random_state=seed or 0)
    if isinstance(cv, Integral):
        if task == "classification":
            check_rows_of_classes(y, cv)
        return cv
    if not hasattr(cv, "split"):  # a generator of folds would be empty afterwards
        return list(cv)
    if not type(cv).__module__.startswith("sklearn."):  # one may split only once
        return list(cv.split(X, y, groups))
    is_drawn = getattr(cv, "shuffle", True) and hasattr(cv, "random_state")
    if is_drawn and not isinstance(cv.random_state, Integral):
        cv = copy.copy(cv)
        cv.random_state = seed or 0
    return cv


def _set_epochs(
    net: Any, max_epochs: int | None, n_rows: int, given: Mapping[str, Any]
) -> int:
    """Give a net enough epochs for its rows; return the number of its steps."""
    if "batch_size" not in given and n_rows >= _ROWS_OF_LARGE_BATCHES:
        net.set_params(batch_size=2 * net.batch_size)
    size = int(net.batch_size) if isinstance(net.batch_size, Integral) else -1
    per_epoch = -(-n_rows // size) if size > 0 else 1
    if max_epochs is not None:
        check_whole("max_epochs", max_epochs, 1)
    else:
        enough = -(-_STEPS_TO_TRAIN // per_epoch)
        max_epochs = min(_MOST_EPOCHS, max(_FEWEST_EPOCHS, enough))
    max_epochs = int(max_epochs)
    net.set_params(max_epochs=max_epochs)
    return max_epochs * per_epoch


def _ways_to_try(numbers: Any, X: Any, columns: Any) -> list[str]:
    """Return the ways to encode the numbers of X; none, if it is sparse."""
    if not hasattr(columns, "numbers"):
        if numbers is not None:
            raise ValueError(f"numbers={numbers!r}: a sparse X is only scaled.")
        return []
    if numbers is not None:
        return ways_of(numbers)
    is_frame = isinstance(columns, TableEncoder)
    return ways_that_differ(clone(columns).fit(X).read_numbers(X) if is_frame else X)


def _with_steps(candidates: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return candidates with the names that their parameters have in a pipeline."""
    return [
        {
            f"{'columns' if name == 'numbers' else 'net'}__{name}": value
            for name, value in one.items()
        }
        for one in candidates
    ]


def _share_columns(pipeline: Any, folds: SharedFolds, dtype: str) -> Any:
    """Return a pipeline whose clones transform each fold once for all."""
    columns = SharedTransformer(pipeline["columns"], folds, dtype)
    return clone(pipeline).set_params(columns=columns)


def _unshare_columns(found: RoundsSearchCV, columns: Any) -> None:
    """Give the pipelines of a search the transformer itself: nothing is shared on."""
    found.estimator.set_params(columns=columns)
    best = found.best_estimator_
    best.set_params(columns=best["columns"].transformer_)
    best["net"].set_callbacks()  # else a pickle of it would hold the log of all fits


def _ratio_of(cv: Any, X: Any, y: np.ndarray, groups: Any) -> float | None:
    """Return test rows over training rows of a fold; None: `compare` knows the cv."""
    if isinstance(cv, Integral):
        return None
    return ratio_of_folds(cv if isinstance(cv, list) else cv.split(X, y, groups))

"""Find the best activation for data in one call: pipeline, grid, search, verdict."""

import difflib
import importlib.util
import inspect
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skact.activations.param_grids import activation_grid
from skact.analysis.fold_lists import ratio_of_folds
from skact.backend.context import fused
from skact.callbacks.activation_monitor import ActivationMonitor
from skact.callbacks.training_log import TrainingLog
from skact.nets.estimators import ActMLP, ActMLPRegressor
from skact.parameters.checks import dtype_name
from skact.parameters.row_weights import read_sample_weight
from skact.quick_search.budget import BudgetedSearchCV
from skact.quick_search.column_kinds import (
    check_no_infinity,
    kind_of_column,
    warn_of_digits,
)
from skact.quick_search.folds import SharedFolds, SharedTransformer
from skact.quick_search.result import SearchResult
from skact.quick_search.tables import TableEncoder, as_table
from skact.quick_search.targets import (
    check_groups,
    check_lengths,
    check_rows_of_classes,
    check_scores,
    read_target,
)

_HOW_TO_TRY = {
    "activation": "activations=[...]",
    "lr": "n_lr=..., or activation_grid(lr=...) and a search of your own",
    "hidden": "width=[...] and depth=[...]",
}
_STEPS_TO_TRAIN = 300  # the learning rates of `activation_grid` are made for these


def search(
    X: Any,
    y: Any,
    *,
    activations: Iterable[Any] | None = None,
    n_lr: int = 3,
    width: int | Sequence[int] = (100,),
    depth: int | Sequence[int] = (1,),
    cv: Any = 5,
    scoring: Any = None,
    refit: str | None = None,
    task: str | None = None,
    max_epochs: int | None = None,
    random_state: int | None = 0,
    progress: bool | None = None,
    groups: Any = None,
    sample_weight: Any = None,
    checkpoint: Any = None,
    budget: float | None = None,
    **parameters: Any,
) -> SearchResult:
    """Find the best activation, learning rate and width for data.

    Numbers are standardised, and the mean replaces missing ones. In a frame, words
    become a column for each category, dates become parts, durations days; free text is
    hashed; ids (running integers, words that are nearly all different) and constants
    are dropped. The result says so in print and in `columns_`. Rows to predict may
    hold gaps and new categories; words among numbers warn, and count as missing.

    Each activation is tried with learning rates from :func:`~skact.activation_grid`.
    All candidates and folds train together (:func:`~skact.fused`), and all candidates
    share each fold, which is transformed once; a score that is a plain function gets
    rows of its own. Every epoch is logged, and validated on its fold. The best
    candidate is fitted on all rows.

    Parameters
    ----------
    X : {array-like, DataFrame} of shape (n_samples, n_features)
        Numbers; in a frame, of pandas or polars, also words, categories, booleans,
        dates and missing values.
    y : array-like of shape (n_samples,)
        Labels, or numbers.
    activations : list of activation specs, default=None
        None: the default of :func:`~skact.activation_grid`.
    n_lr : int, default=3
        Number of learning rates for each activation.
    width : int or sequence of int, default=(100,)
        Numbers of units in each hidden layer to try.
    depth : int or sequence of int, default=(1,)
        Numbers of hidden layers to try.
    cv : int or splitter, default=5
        As in ``GridSearchCV``.
    scoring : str, callable, list, dict or None, default=None
        As in ``GridSearchCV``; None is accuracy, or R2.
    refit : str or None, default=None
        The score, of several, that chooses the best candidate; None: the first.
    task : {"classification", "regression"} or None, default=None
        None: regression if y has several columns, numbers that are not whole, or more
        than 20 different numbers.
    max_epochs : int or None, default=None
        Epochs of each fit; None: enough for 300 steps, but from 30 to 150.
    random_state : int or None, default=0
        Seed of all nets.
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
        Seconds in which to end. Candidates are tried in random order, in rounds of more
        and more epochs that the best third reaches (successive halving), and the
        result says how many. One chunk of candidates is tried always. A second call
        with the same `checkpoint` goes on with what is left. None: all candidates.
    **parameters : dict
        More parameters of the net, such as ``early_stopping=True``, but not those that
        the search tries.

    Returns
    -------
    SearchResult
        It can be printed, and it predicts.

    Notes
    -----
    For regression, y is standardised once, before the search makes the folds. R2 does
    not change. A score with a unit, such as ``"neg_mean_squared_error"``, is in units
    of the standard deviation of y. `best_estimator_` predicts y in its own units.

    Raises
    ------
    ValueError, TypeError
        If the data or a parameter are invalid.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skact import search
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> found = search(X, y, activations=["relu", "tanh"], progress=False)
    >>> found.best_score_ > 0.9, sorted(found.best_params_)
    (True, ['activation', 'depth', 'lr', 'width'])
    """
    began = time.monotonic()
    _check_keywords(n_lr, cv, progress, budget, width=width, depth=depth)
    if isinstance(scoring, list | tuple | dict | set) and not scoring:
        raise ValueError(f"scoring must name a score, got {scoring!r}.")
    check_groups(groups, cv)
    if isinstance(X, pd.Series):  # to predict, it is a row
        raise ValueError("X must be a table, got a Series: pass X.to_frame().")
    X = as_table(X)
    y, task = read_target(y, task)
    check_lengths(X, y, sample_weight=sample_weight, groups=groups)
    read_sample_weight(sample_weight, len(y))  # raises, before all folds do
    if task == "classification":
        check_rows_of_classes(y, cv)
        check_scores(scoring, y)
    refit = _score_to_refit(refit, scoring)
    log, regression = TrainingLog(), task == "regression"
    net = (ActMLPRegressor if regression else ActMLP)(
        random_state=random_state, dtype="float32"
    )
    _set_parameters(net, parameters, max_epochs, len(y)).set_callbacks(log)
    optimizer = parameters.get("optimizer", "adam")
    grid = activation_grid(
        activations,
        n_lr=n_lr,
        optimizer=optimizer if isinstance(optimizer, str) else "adam",
        prefix="net__",
        width=_as_list(width),
        depth=_as_list(depth),
    )
    if progress is None:
        progress = importlib.util.find_spec("rich") is not None
    columns, folds = _make_preprocessing(X), SharedFolds()
    shared = SharedTransformer(columns, folds, dtype_name(net.dtype))
    pipeline = SearchPipeline([("columns", shared), ("net", net)])
    options = {"cv": cv, "scoring": log.scorer(scoring), "refit": refit or True}
    found = GridSearchCV(pipeline, grid, **options)
    if budget is not None:
        found = BudgetedSearchCV(
            pipeline,
            grid,
            resource="net__max_epochs",
            max_resources=net.max_epochs,
            deadline=began + budget,
            random_state=random_state,
            **options,
        )
    weights = {} if sample_weight is None else {"sample_weight": sample_weight}
    target = StandardScaler() if regression else None
    with fused(progress=progress, checkpoint=checkpoint) as session:
        found.fit(
            X if _reads_rows(scoring) else folds.share(X),
            y if target is None else _standardise(y, target),
            **weights,
            **({} if groups is None else {"groups": groups}),
        )
    pipeline.set_params(columns=columns)  # nothing is shared from here on
    best = found.best_estimator_
    best.set_params(columns=best["columns"].transformer_)
    if target is not None:  # the same network, in the units of y
        from sklearn.compose import TransformedTargetRegressor

        same = pipeline.set_params(**found.best_params_)
        best = TransformedTargetRegressor(same, transformer=target)
        best.fit(X, y, **weights)
    ratio = None
    # a splitter of the user's may not split twice; nothing that was trained is lost
    if hasattr(cv, "split"):
        with suppress(Exception):
            ratio = ratio_of_folds(cv.split(X, y, groups))
    return SearchResult(found, best, log, session.report, ratio)


def _reads_rows(scoring: Any) -> bool:
    """Whether a score is a function of the user's, which may write into its rows."""
    several: Any = (
        scoring if isinstance(scoring, list | tuple | set | dict) else [scoring]
    )
    several = several.values() if isinstance(several, dict) else several
    return any(callable(s) and not hasattr(s, "set_score_request") for s in several)


def _standardise(y: Any, scaler: StandardScaler) -> np.ndarray:
    values = np.asarray(y, dtype=float)
    columns = values.reshape(len(values), -1)
    return scaler.fit_transform(columns).reshape(values.shape)


def _make_preprocessing(X: Any) -> Any:
    """Build the transformer from the user's columns to the input of a net."""
    # imported here, because these take a third of the time to import skact
    from sklearn.impute import SimpleImputer

    if sp.issparse(X):  # centring would turn zeros into numbers and fill the memory
        return StandardScaler(with_mean=False)
    if not isinstance(X, pd.DataFrame):
        if isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind == "f":
            for i, column in enumerate(X.T):
                check_no_infinity(column, i)
        imputer = SimpleImputer(keep_empty_features=True)
        return make_pipeline(imputer, StandardScaler())
    if any(isinstance(name, float) and np.isnan(name) for name in X.columns):
        raise ValueError("A column of X has no name (nan): give it one.")
    columns = [X.iloc[:, i] for i in range(X.shape[1])]
    # the kinds are read once, without y: so each fold has the same columns
    kinds = [kind_of_column(column) for column in columns]
    for column, kind in zip(columns, kinds, strict=True):
        warn_of_digits(column, kind)
    return TableEncoder(kinds)


class SearchPipeline(Pipeline):
    """A pipeline that hands `sample_weight` to its net, as ``GridSearchCV`` needs."""

    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, **params: Any
    ) -> "SearchPipeline":
        """Fit all steps; the net with the weights."""
        if sample_weight is not None:
            params["net__sample_weight"] = sample_weight
        return super().fit(X, y, **params)


def _check_keywords(
    n_lr: Any, cv: Any, progress: Any, budget: Any, **sizes: Any
) -> None:
    """Refuse what cannot be searched, before anything is trained."""
    if budget is not None:
        is_number = isinstance(budget, Real) and not isinstance(budget, bool)
        if not is_number or not 0 < float(budget) < float("inf"):
            raise ValueError(
                f"budget must be None or a positive number of seconds, got {budget!r}."
            )
    _check_whole("n_lr", n_lr, 1)
    if isinstance(cv, Integral):
        _check_whole("cv", cv, 2)
    if progress is not None and not isinstance(progress, bool | np.bool_):
        raise TypeError(f"progress must be True, False or None, got {progress!r}.")
    for name, value in sizes.items():
        values = [value] if isinstance(value, Integral) else value
        if isinstance(values, str) or not isinstance(values, Iterable):
            raise TypeError(f"{name} must be an int or a list of ints, got {value!r}.")
        values = list(values)
        if not values:
            raise ValueError(f"{name} must name at least one number, got {value!r}.")
        for one in values:
            _check_whole(name, one, 1 if name == "width" else 0)


def _check_whole(name: str, value: Any, low: int) -> None:
    if isinstance(value, bool) or not isinstance(value, Integral) or value < low:
        raise ValueError(f"{name} must be an int >= {low}, got {value!r}.")


def _score_to_refit(refit: Any, scoring: Any) -> Any:
    """Return the score by which the best candidate is chosen, of several; else None."""
    known = [scoring]
    if isinstance(scoring, list | tuple | dict):
        known = [*scoring]
        refit = known[0] if refit is None else refit
    if refit is not None and refit not in known:
        names = [name for name in known if isinstance(name, str)]
        allowed = f"None or one of {names}" if names else "None"
        raise ValueError(f"refit must be {allowed}, got {refit!r}.")
    return refit


def _set_parameters(
    net: Any, parameters: dict[str, Any], max_epochs: int | None, n_rows: int
) -> Any:
    """Give a net the parameters of the user, and enough epochs for its rows."""
    for name, how in _HOW_TO_TRY.items():
        if name in parameters:
            raise TypeError(f"{name} is tried by the search: give it {how}.")
    _check_names(net, parameters)
    callbacks = parameters.get("callbacks") or []
    if not isinstance(callbacks, list | tuple):
        raise TypeError(f"callbacks must be a list, got {callbacks!r}.")
    if max_epochs is not None:
        _check_whole("max_epochs", max_epochs, 1)
    else:
        per_epoch = -(-n_rows // parameters.get("batch_size", 128))
        enough = -(-_STEPS_TO_TRAIN // max(1, per_epoch))
        max_epochs = min(150, max(30, enough))
    given = {**parameters, "callbacks": [*callbacks, ActivationMonitor()]}
    return net.set_params(**given, max_epochs=max_epochs)


def _check_names(net: Any, parameters: dict[str, Any]) -> None:
    own = {*inspect.signature(search).parameters} - {"X", "y", "parameters"}
    known = own | {*net.get_params(deep=False)}
    for name in parameters:
        near = difflib.get_close_matches(name, known, n=1)
        if "__" not in name and name not in known and near:
            raise TypeError(
                f"search got an unexpected parameter {name!r}; did you mean "
                f"{near[0]!r}?"
            )


def _as_list(value: Any) -> list[int]:
    return [int(v) for v in ([value] if isinstance(value, Integral) else value)]

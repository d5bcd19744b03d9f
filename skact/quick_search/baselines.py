"""Models that are no nets, on the same folds: what a net must beat to be worth it."""

import warnings
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.model_selection import GridSearchCV
from threadpoolctl import threadpool_limits

from skact.quick_search.pipelines import SearchPipeline

TRIVIAL, LINEAR, TREES = "majority or mean", "linear model", "HistGradientBoosting"
_ROWS_OF_THREADS = 20_000
_MOST_ITERATIONS = 300  # of the linear model: more hardly moves a score


def make_baselines(X: Any, y: np.ndarray, *, is_regression: bool) -> dict[str, Any]:
    """Return the models by name: majority or mean, a linear one, gradient boosting."""
    # imported here, because these take as long as the rest of skact
    from sklearn.dummy import DummyClassifier, DummyRegressor
    from sklearn.ensemble import (
        HistGradientBoostingClassifier,
        HistGradientBoostingRegressor,
    )
    from sklearn.linear_model import LogisticRegression, Ridge

    if is_regression:
        found = {TRIVIAL: DummyRegressor(), LINEAR: Ridge()}
        trees: Any = HistGradientBoostingRegressor(random_state=0)
    else:
        linear = LogisticRegression(max_iter=_MOST_ITERATIONS)
        found = {TRIVIAL: DummyClassifier(), LINEAR: linear}
        trees = HistGradientBoostingClassifier(random_state=0)
    if y.ndim == 1 and not sp.issparse(X):  # trees take neither
        found[TREES] = trees
    return found


def score_baselines(
    X: Any,
    y: np.ndarray,
    columns: Any,
    models: dict[str, Any],
    *,
    refit: Any,
    scoring: Any,
    cv: Any,
    fit_params: dict[str, Any],
) -> dict[str, np.ndarray]:
    """Return the scores of models on each fold, by the score that chooses the net.

    A model that fails, as on a score of probabilities, is left out.
    """
    first = next(iter(models.values()))
    pipeline = SearchPipeline([("columns", columns), ("net", first)])
    grid = {"net": [*models.values()]}
    search = GridSearchCV(pipeline, grid, scoring=scoring, cv=cv, refit=False)
    # of few rows trees share out loops of microseconds, and threads wait for threads
    n_threads = 1 if len(y) < _ROWS_OF_THREADS else None
    with threadpool_limits(n_threads), warnings.catch_warnings():
        for kind in (ConvergenceWarning, FitFailedWarning, UserWarning):
            warnings.simplefilter("ignore", kind)
        search.fit(X, y, **fit_params)
    metric = refit if isinstance(refit, str) else "score"
    results = search.cv_results_
    names = [f"split{i}_test_{metric}" for i in range(search.n_splits_)]
    scores = np.array([results[name] for name in names], dtype=float)
    return {
        name: of_model
        for name, of_model in zip(models, scores.T, strict=True)
        if np.isfinite(of_model).all()
    }

"""Averages of the best nets of a search: scored on its folds, without new training."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skact.quick_search.pipelines import StandardisedPipeline

_SIZES = (3, 5)  # beside the largest that the user wants


def average_of(pipeline: Any, members: Sequence[Mapping[str, Any]]) -> Any:
    """Return an average of nets: of probabilities, or of numbers.

    Parameters
    ----------
    pipeline : estimator
        As from `make_pipeline`.
    members : sequence of dict
        The parameters of each, as in ``cv_results_``.

    Returns
    -------
    VotingClassifier or VotingRegressor
    """
    from sklearn.ensemble import VotingClassifier, VotingRegressor

    nets = [clone(pipeline).set_params(**params) for params in members]
    for one in nets:  # these fits are no candidates, which the log of a search is of
        one["net"].set_callbacks()
    named = [(f"net{i}", one) for i, one in enumerate(nets, 1)]
    if isinstance(pipeline, StandardisedPipeline):
        return VotingRegressor(named)
    return VotingClassifier(named, voting="soft")


def score_averages(
    found: Any,
    members: Sequence[Mapping[str, Any]],
    X: Any,
    y: np.ndarray,
    fit_params: Mapping[str, Any],
) -> dict[int, np.ndarray]:
    """Return the scores of averages on each fold, by the number of their nets.

    The fits are those of the search, which its block of `fused()` still has.

    Parameters
    ----------
    found : RoundsSearchCV
        Fitted.
    members : sequence of dict
        The parameters of nets, the best first.
    X, y, fit_params
        As the search had them.

    Returns
    -------
    dict of int to ndarray of shape (n_folds,)
        Empty for y of several columns and with weights by label, which scikit-learn
        does not average, and for a score that an average has not.
    """
    by_label = isinstance(
        getattr(found.estimator["net"], "class_weight", None), Mapping
    )
    sizes = sorted({n for n in (*_SIZES, len(members)) if 1 < n <= len(members)})
    if y.ndim > 1 or by_label or not sizes:
        return {}
    metric = found.refit if isinstance(found.refit, str) else "score"
    scores = {}
    for size in sizes:
        search = GridSearchCV(
            average_of(found.estimator, members[:size]),
            {},
            scoring=found.scoring,
            cv=found.cv,
            refit=False,
        )
        with suppress(ValueError):  # all fits failed, or their scores
            search.fit(X, y, **fit_params)
            names = [f"split{i}_test_{metric}" for i in range(search.n_splits_)]
            of_folds = [search.cv_results_[name][0] for name in names]
            if np.isfinite(of_folds).all():
                scores[size] = np.array(of_folds, dtype=float)
    return scores


def best_size(averages: Mapping[int, np.ndarray]) -> int:
    """Return the number of nets of the best average; 0: there is none.

    Examples
    --------
    >>> import numpy as np
    >>> best_size({3: np.array([0.8, 0.9]), 5: np.array([0.9, 0.9])}), best_size({})
    (5, 0)
    """
    means = {size: float(scores.mean()) for size, scores in averages.items()}
    return max(means, key=lambda size: (means[size], -size), default=0)

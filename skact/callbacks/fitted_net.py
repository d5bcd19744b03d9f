"""The fitted net inside an estimator, and the rows that reach it in a prediction."""

from typing import Any

import numpy as np

from skact.results.histories import net_of


def fitted_net_inside(estimator: Any) -> Any:
    """Return the net that predicts in a fitted estimator.

    Parameters
    ----------
    estimator : estimator
        A net, or a pipeline or ``TransformedTargetRegressor`` around it.

    Returns
    -------
    estimator
        The innermost one; of another estimator it is the estimator itself.
    """
    inner = net_of(estimator)
    inner = getattr(inner, "regressor_", inner)
    return inner if inner is estimator else fitted_net_inside(inner)


def inputs_of_net(estimator: Any, X: Any, y: Any) -> tuple[Any, Any]:
    """Return X and y as the net inside a fitted estimator sees them.

    Parameters
    ----------
    estimator : estimator
        As for `fitted_net_inside`.
    X, y : array-like
        Rows for the estimator; none is resampled, as in a prediction.

    Returns
    -------
    tuple
        X and y for the net.
    """
    if net_of(estimator) is not estimator:
        for _, step in estimator.steps[:-1]:
            is_transformer = step is not None and hasattr(step, "transform")
            if is_transformer and not hasattr(step, "fit_resample"):
                X = step.transform(X)
        return inputs_of_net(estimator.steps[-1][1], X, y)
    if hasattr(estimator, "regressor_"):
        columns = y if getattr(y, "ndim", 1) > 1 else _as_column(y)
        scaled = estimator.transformer_.transform(columns)
        if scaled.ndim == 2 and scaled.shape[1] == 1 and getattr(y, "ndim", 1) == 1:
            scaled = scaled[:, 0]
        return inputs_of_net(estimator.regressor_, X, scaled)
    return X, y


def _as_column(y: Any) -> Any:
    return np.asarray(y).reshape(-1, 1)

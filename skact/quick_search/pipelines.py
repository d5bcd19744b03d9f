"""The pipelines that a search fits: from the user's columns to a net, or an average."""

from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skact.quick_search.column_kinds import (
    check_no_infinity,
    kind_of_column,
    warn_of_digits,
)
from skact.quick_search.numbers import NumberEncoder
from skact.quick_search.tables import TableEncoder


class SearchPipeline(Pipeline):
    """A pipeline that hands `sample_weight` to its net, as ``GridSearchCV`` needs."""

    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, **params: Any
    ) -> "SearchPipeline":
        """Fit all steps; the net with the weights."""
        if sample_weight is not None:
            params["net__sample_weight"] = sample_weight
        return super().fit(X, y, **params)


class StandardisedPipeline(RegressorMixin, SearchPipeline):
    """A pipeline whose net learns y less its mean, over its deviation.

    scikit-learn's ``TransformedTargetRegressor`` would hide from the log of a search
    which candidate and fold a fit belongs to.

    Attributes
    ----------
    scaler_ : StandardScaler
        Of the y that `fit` was given.
    """

    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, **params: Any
    ) -> "StandardisedPipeline":
        """Fit all steps, the net on the standardised y."""
        y = np.asarray(y, dtype=float)
        columns = y.reshape(len(y), -1)
        self.scaler_ = StandardScaler().fit(columns)
        scaled = self.scaler_.transform(columns).reshape(y.shape)
        super().fit(X, scaled, sample_weight, **params)
        return self

    def predict(self, X: Any, **params: Any) -> np.ndarray:
        """Predict y in its own units."""
        found = np.asarray(super().predict(X, **params), dtype=float)
        columns = self.scaler_.inverse_transform(found.reshape(len(found), -1))
        return columns.reshape(found.shape)

    def score(
        self, X: Any, y: Any = None, sample_weight: Any = None, **params: Any
    ) -> float:
        """Return R2, in y's own units."""
        return float(
            r2_score(y, self.predict(X, **params), sample_weight=sample_weight)
        )


def make_columns(X: Any) -> Any:
    """Return the transformer from the user's columns to the input of a net."""
    if sp.issparse(X):  # centring would turn zeros into numbers and fill the memory
        return StandardScaler(with_mean=False)
    if not isinstance(X, pd.DataFrame):
        if isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind == "f":
            for i, column in enumerate(X.T):
                check_no_infinity(column, i)
        return NumberEncoder()
    if any(isinstance(name, float) and np.isnan(name) for name in X.columns):
        raise ValueError("A column of X has no name (nan): give it one.")
    columns = [X.iloc[:, i] for i in range(X.shape[1])]
    # the kinds are read once, without y: so each fold has the same columns
    kinds = [kind_of_column(column) for column in columns]
    for column, kind in zip(columns, kinds, strict=True):
        warn_of_digits(column, kind)
    return TableEncoder(kinds)


def make_pipeline(columns: Any, model: Any, *, is_regression: bool) -> SearchPipeline:
    """Return a pipeline; of a regression, one that standardises y when it is fitted."""
    kind = StandardisedPipeline if is_regression else SearchPipeline
    return kind([("columns", columns), ("net", model)])

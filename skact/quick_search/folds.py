"""Folds of a search that all candidates share: their rows, and what the net takes.

A search cuts each fold out of X for each candidate, and each candidate's pipeline
transforms the fold. The copies wait until all candidates train. Here equal rows are one
object as long as a candidate holds it, and that object is transformed once.
"""

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin, clone


class SharedFolds:
    """The folds of one search, while its candidates hold them."""

    def __init__(self) -> None:
        self._folds: weakref.WeakValueDictionary = weakref.WeakValueDictionary()
        # by the identity of a fold: what fitted transformers made of it, and under the
        # name of each way to encode numbers, or None, the transformer fitted on it
        self._results: dict[int, dict[Any, Any]] = {}

    def __sklearn_clone__(self) -> "SharedFolds":
        return self

    def share(self, X: Any) -> Any:
        """Return X, such that equal rows that a search cuts out are one object.

        All but frames and arrays, such as a sparse matrix, is returned as it is.
        """
        if isinstance(X, pd.DataFrame):
            shared: Any = _SharedFrame(X)
        elif type(X) in (np.ndarray, np.memmap):
            shared = X.view(_SharedArray)
        else:
            return X
        shared.folds = self
        return shared

    def cut(self, rows: np.ndarray, cut: Callable[[], Any]) -> Any:
        """Return the fold of these rows; cut it out if no candidate holds it."""
        key = rows.dtype.str, rows.tobytes()
        fold = self._folds.get(key)
        if fold is None:
            fold = self._folds[key] = cut()
            self._results[id(fold)] = {}
            weakref.finalize(fold, self._results.pop, id(fold))
        return fold

    def results_of(self, X: Any) -> dict[Any, Any]:
        """Return what transformers made of a fold; an empty dict for other rows."""
        return self._results.get(id(X), {})


class _SharedFrame(pd.DataFrame):
    """A frame whose rows, as scikit-learn takes them, are shared."""

    folds: SharedFolds
    _metadata = ["folds"]  # noqa: RUF012 (pandas wants a list)

    def take(self, indices: Any, axis: Any = 0, **kwargs: Any) -> pd.DataFrame:
        def cut() -> pd.DataFrame:
            return super(_SharedFrame, self).take(indices, axis=axis, **kwargs)

        is_of_rows = axis == 0 and isinstance(indices, np.ndarray)
        return self.folds.cut(indices, cut) if is_of_rows else cut()


class _SharedArray(np.ndarray):
    """An array whose rows, as scikit-learn takes them, are shared."""

    folds: SharedFolds | None = None

    def __getitem__(self, key: Any) -> Any:
        plain = self.view(np.ndarray)
        is_of_rows = isinstance(key, tuple) and isinstance(key[0], np.ndarray)
        if self.folds is None or not is_of_rows or key[1:] != (...,):
            return plain[key]
        return self.folds.cut(key[0], lambda: plain[key])


class SharedTransformer(TransformerMixin, BaseEstimator):
    """Fits its transformer, and applies it, once for each fold.

    Parameters
    ----------
    transformer : transformer
    folds : SharedFolds
    dtype : str, default="auto"
        "float32": arrays of wider numbers are cast here, once, not by each net.
    numbers : str or None, default=None
        The parameter `numbers` of the transformer; None: as it is.

    Attributes
    ----------
    transformer_ : transformer
        The fitted one; candidates on the same fold share it.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import StandardScaler
    >>> folds = SharedFolds()
    >>> X, rows = folds.share(np.array([[1.0], [3.0], [5.0]])), np.array([0, 1])
    >>> one, two = (SharedTransformer(StandardScaler(), folds) for _ in range(2))
    >>> fold, same = X[rows, ...], X[rows, ...]
    >>> one.fit_transform(fold) is two.fit_transform(same)
    True
    """

    def __init__(
        self,
        transformer: Any,
        folds: SharedFolds,
        dtype: str = "auto",
        numbers: str | None = None,
    ) -> None:
        self.transformer, self.folds, self.dtype = transformer, folds, dtype
        self.numbers = numbers

    def fit(self, X: Any, y: Any = None) -> "SharedTransformer":
        """Fit the transformer, or take the one that was fitted on the same fold."""
        self.fit_transform(X, y)
        return self

    def fit_transform(self, X: Any, y: Any = None, **params: Any) -> Any:
        """Fit the transformer and return what it makes of X, or what it made of it."""
        results = self.folds.results_of(X)
        if self.numbers not in results:
            fitted = clone(self.transformer)
            if self.numbers is not None:
                fitted.set_params(numbers=self.numbers)
            results[fitted] = self._cast(fitted.fit_transform(X, y))
            results[self.numbers] = fitted
        self.transformer_ = results[self.numbers]
        return results[self.transformer_]

    def transform(self, X: Any) -> Any:
        """Return what the transformer makes of X, or what it made of the same fold."""
        results, fitted = self.folds.results_of(X), self.transformer_
        if fitted not in results:
            results[fitted] = self._cast(fitted.transform(X))
        return results[fitted]

    def _cast(self, values: Any) -> Any:
        if self.dtype != "float32" or not isinstance(values, np.ndarray):
            return values
        with np.errstate(over="ignore"):
            narrow = values.astype("float32", copy=False)
        # what is too large is for the net to refuse
        return narrow if np.isfinite(narrow).all() else values

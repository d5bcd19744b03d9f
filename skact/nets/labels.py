"""The base of both classifiers: users see labels, the network sees codes."""

import functools
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.multiclass import check_classification_targets
from torch import Tensor

from skact.nets.base import BaseNet
from skact.nets.prediction import check_columns, describe_nan
from skact.parameters.row_weights import balanced_weight


class LabelNet(BaseNet):
    """A classifier: users see labels of any kind, the network sees codes 0, 1, ..."""

    class_weight: Any
    classes_inferred_: np.ndarray

    @property
    def classes_(self) -> np.ndarray:
        """Class labels, sorted."""
        try:
            return self.classes_inferred_
        except AttributeError:
            name = type(self).__name__
            raise AttributeError(
                f"This {name} is not fitted yet: no classes_"
            ) from None

    def _encode_targets(self, y: Any, *, reset: bool, classes: Any) -> tuple:
        found = _distinct_labels(y)
        labels = found if classes is None else _labels_given(classes)
        if reset:
            self._check_labels(labels)
            self.classes_inferred_ = labels
        elif classes is not None and not np.array_equal(labels, self.classes_):
            raise ValueError(
                f"classes={labels.tolist()} differs from the classes of the first call "
                f"of partial_fit: {self.classes_.tolist()}."
            )
        unseen = found[~np.isin(found, self.classes_, assume_unique=True)]
        if len(unseen):
            raise ValueError(
                f"y has labels that are not in classes_: {unseen.tolist()[:5]}. Name "
                f"all labels in the first partial_fit(X, y, classes=...), or fit anew."
            )
        self.n_outputs_ = self._n_output_units()
        return y, np.searchsorted(self.classes_, y)

    def _decode_targets(self, codes: Tensor) -> np.ndarray:
        return self.classes_[codes.cpu().numpy().astype(int)]

    def _class_weight_of_rows(
        self, targets: np.ndarray, of_rows: np.ndarray | None
    ) -> np.ndarray | None:
        if self.class_weight is None:
            return None
        codes = targets.astype(int)
        if isinstance(self.class_weight, str):
            return balanced_weight(codes, of_rows)
        labels, weights = self.classes_.tolist(), dict(self.class_weight)
        given = [weights.get(label, 1.0) for label in labels]
        if not all(isinstance(one, Real) for one in given):
            raise self._class_weight_error("numbers")
        try:
            weight = np.array(given, dtype=float)
        except OverflowError:  # an int that no float can hold
            weight = np.array([np.inf])
        is_valid = np.isfinite(weight).all() and weight.min() >= 0
        if not is_valid or not weight[codes].any():
            raise self._class_weight_error(
                "weights that are finite, >= 0 and not all 0"
            )
        # as in scikit-learn: a fold may lack a class, but no class its weight by a typo
        unknown, unweighted = set(weights) - set(labels), set(labels) - set(weights)
        if unknown and unweighted:
            raise self._class_weight_error(f"weights to labels among {labels}")
        return weight[codes]

    def _class_weight_error(self, allowed: str) -> ValueError:
        return ValueError(
            f"The 'class_weight' parameter of {type(self).__name__} must give "
            f"{allowed}, got {self.class_weight!r}."
        )

    def _check_labels(self, labels: np.ndarray) -> None:
        """Raise if this classifier cannot learn these labels."""

    def _n_output_units(self) -> int:
        return len(self.classes_)

    def predict(self, X: Any) -> np.ndarray:
        """Predict class labels.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Input.

        Returns
        -------
        ndarray of shape (n_samples,)
            The most probable label of each row.

        Raises
        ------
        ValueError
            If the network gives NaN for a row, because its values are too large.
        """
        proba = check_columns(self, self.predict_proba(X), len(self.classes_))
        found = describe_nan(self, proba)
        if found is not None:
            raise ValueError(f"{found} Such a row has no label.")
        return self.classes_[proba.argmax(axis=1)]

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Predict logarithms of class probabilities.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Input.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            ``log(predict_proba(X))``; -inf where a probability is 0.
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    # also for readers of results, which do not know nets: this is that method, faster
    @functools.wraps(ClassifierMixin.score, assigned=(), updated=())
    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy of the predictions, as scikit-learn's classifiers do.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Input.
        y : array-like of shape (n_samples,)
            True labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        float
            Share of the rows, or of their weight, with the true label.
        """
        predicted = self.predict(X)
        if sample_weight is None and _is_label_array(y, predicted):
            return float(np.mean(predicted == y))  # scikit-learn's checks take longer
        return float(accuracy_score(y, predicted, sample_weight=sample_weight))


def _is_label_array(y: Any, predicted: np.ndarray) -> bool:
    """Whether scikit-learn's checks of y would find nothing."""
    return (
        type(y) is np.ndarray
        and y.shape == predicted.shape
        and y.dtype.kind in "biuU"
        and y.dtype.kind == predicted.dtype.kind
        and 2 * len(np.unique(y)) < len(y)
    )


def _labels_given(classes: Any) -> np.ndarray:
    """Return the sorted labels of `partial_fit(classes=)`, or raise."""
    labels = np.asarray(classes)
    if labels.ndim != 1 or pd.isna(labels).any():
        raise ValueError(f"classes must be a list of all labels, got {classes!r}.")
    return _distinct_labels(labels)


def _distinct_labels(y: np.ndarray) -> np.ndarray:
    """Return the distinct labels in y, sorted; raise if y has no labels."""
    if y.dtype.kind in "biuU":
        found = np.unique(y)
        # scikit-learn's slow check of such labels only warns if more than half of the
        # rows have different labels
        if 2 * len(found) < len(y):
            return found
    try:
        check_classification_targets(y)
    except (ValueError, TypeError) as error:  # TypeError: labels have no order
        types = sorted({type(value).__name__ for value in y.flat})
        if y.dtype.kind != "O":
            raise
        advice = "labels must be all numbers or all strings"
        if all(isinstance(value, Real) for value in y.flat):
            advice = "turn the array of objects into one of numbers, as y.astype(int)"
        raise ValueError(
            f"y holds labels of type {', '.join(types)}: {advice}. ({error})"
        ) from error
    return np.unique(y)

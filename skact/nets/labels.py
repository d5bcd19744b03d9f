"""What both classifiers share: labels of any kind outside, codes inside."""

from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from torch import Tensor

from skact.nets.base import BaseNet


class LabelNet(BaseNet):
    """What both classifiers share: labels of any kind outside, codes inside."""

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

    def _encode(self, y: Any, *, reset: bool, classes: Any) -> tuple:
        found = _labels_in(y)
        labels = found if classes is None else np.unique(classes)
        if reset:
            self._check_labels(labels)
            self.classes_inferred_ = labels
        elif classes is not None and not np.array_equal(labels, self.classes_):
            raise ValueError(
                f"classes={labels.tolist()} is not what the first call to partial_fit "
                f"was told: {self.classes_.tolist()}."
            )
        unseen = found[~np.isin(found, self.classes_, assume_unique=True)]
        if len(unseen):
            raise ValueError(
                f"y has labels that are not in classes_: {unseen.tolist()[:5]}. Name "
                f"all labels in the first partial_fit(X, y, classes=...), or fit anew."
            )
        self.n_outputs_ = self._outputs()
        return y, np.searchsorted(self.classes_, y)

    def _decode(self, codes: Tensor) -> np.ndarray:
        return self.classes_[codes.cpu().numpy().astype(int)]

    def _class_weights(self, y: np.ndarray) -> np.ndarray | None:
        if self.class_weight is None:
            return None
        if self.class_weight == "balanced":
            return compute_sample_weight("balanced", y)
        labels, weights = self.classes_.tolist(), dict(self.class_weight)
        of_class = np.array([weights.get(label, 1.0) for label in labels], dtype=float)
        rows = of_class[np.searchsorted(self.classes_, y)]
        good = np.isfinite(of_class).all() and of_class.min() >= 0 and rows.any()
        if not good or not set(weights) <= set(labels):
            raise ValueError(
                f"The 'class_weight' parameter of {type(self).__name__} must give "
                f"weights that are finite, >= 0 and not all 0, to labels among "
                f"{labels}, got {self.class_weight!r}."
            )
        return rows

    def _check_labels(self, labels: np.ndarray) -> None:
        """Refuse labels that this classifier cannot serve."""

    def _outputs(self) -> int:
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
        """
        proba = self.predict_proba(X)
        return self.classes_[proba.argmax(axis=1)]

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
            Share of the rows, or of their weight, that is labelled right.
        """
        predicted = self.predict(X)
        if sample_weight is None and _are_plain_labels(y, predicted):
            return float(np.mean(predicted == y))  # the checks take longer than this
        return float(accuracy_score(y, predicted, sample_weight=sample_weight))


def _are_plain_labels(y: Any, predicted: np.ndarray) -> bool:
    """Whether scikit-learn's checks would find nothing to say of labels y."""
    return (
        type(y) is np.ndarray
        and y.shape == predicted.shape
        and y.dtype.kind in "biuU"
        and y.dtype.kind == predicted.dtype.kind
        and 2 * len(np.unique(y)) < len(y)
    )


def _labels_in(y: np.ndarray) -> np.ndarray:
    """Return the labels, sorted; raise if they are none."""
    if y.dtype.kind in "biuU":
        found = np.unique(y)
        # scikit-learn's check is dear, and has nothing to say but where it warns: that
        # nearly every row has a label of its own
        if 2 * len(found) < len(y):
            return found
    check_classification_targets(y)
    return np.unique(y)

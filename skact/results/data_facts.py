"""What the data of a fit say about its losses: scale of X, the loss of a constant."""

from typing import Any

import numpy as np
import scipy.sparse as sp

INPUT_MAX, INPUT_MEDIAN, LOSS_CONSTANT = "input_max", "input_median", "loss_constant"
_OF_CLASSES = ("CrossEntropyLoss", "BCEWithLogitsLoss")


def facts_of_data(
    X: Any, targets: Any, criterion: str, *, is_balanced: bool = False
) -> dict[str, float]:
    """Describe the rows that a net trains on.

    Parameters
    ----------
    X : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Inputs of the network.
    targets : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Codes of classes, or numbers.
    criterion : str
        Name of the class of the loss.
    is_balanced : bool, default=False
        Whether all classes have the same weight in the loss.

    Returns
    -------
    dict of str to float
        ``input_max``: the greatest root mean square of a column. ``input_median``: the
        median deviation of columns that vary. ``loss_constant``: the loss of the best
        constant output, of losses for which it is known.
    """
    deviations = np.sqrt(np.maximum(_mean_squares(X) - _means(X) ** 2, 0))
    sizes = np.sqrt(_mean_squares(X))
    # of a constant column only rounding is left
    varying = deviations[deviations > 1e-6 * sizes]
    facts = {
        INPUT_MAX: float(sizes.max(initial=0.0)),
        INPUT_MEDIAN: float(np.median(varying)) if len(varying) else 0.0,
    }
    loss = _loss_of_constant(np.asarray(targets), criterion, is_balanced)
    return facts if loss is None else {**facts, LOSS_CONSTANT: loss}


def largest_column(X: Any) -> int:
    """Return the number of the column with the greatest root mean square."""
    return int(_mean_squares(X).argmax())


def _means(X: Any) -> np.ndarray:
    return np.asarray(X.mean(axis=0, dtype=np.float64)).ravel()


def _mean_squares(X: Any) -> np.ndarray:
    if sp.issparse(X):
        squares = X.multiply(X).sum(axis=0, dtype=np.float64)
        return np.asarray(squares).ravel() / X.shape[0]
    return np.einsum("ij,ij->j", X, X, dtype=np.float64) / len(X)


def _loss_of_constant(
    targets: np.ndarray, criterion: str, is_balanced: bool
) -> float | None:
    """Return entropy of the shares of classes, or the variance; None: not known."""
    if criterion in _OF_CLASSES:
        counts = np.unique(targets, return_counts=True)[1]
        shares = counts / counts.sum()
        if is_balanced:
            shares = np.full(len(shares), 1 / len(shares))
        return float(-(shares * np.log(shares)).sum())
    if criterion == "MSELoss":
        return float(np.var(targets.astype(np.float64), axis=0).mean())
    return None

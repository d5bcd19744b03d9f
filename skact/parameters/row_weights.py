"""Weights of rows: of the user, times those of classes.

A row of weight 3 counts as three rows, in losses, in "balanced" and in scores.
"""

from typing import Any

import numpy as np

from skact.parameters.kinds import check_no_grad

# Within these powers of 2, no sum of weights leaves the range of float32. Weights
# outside are scaled by a power of 2, because the loss does not depend on their scale.
_SAFE_EXPONENTS = range(-40, 41)


def read_sample_weight(sample_weight: Any, n_rows: int) -> np.ndarray | None:
    """Check the weights of rows.

    Parameters
    ----------
    sample_weight : array-like of shape (n_rows,), float or None
    n_rows : int

    Returns
    -------
    ndarray of shape (n_rows,) or None
        As float64, in a scale whose sums are finite.

    Raises
    ------
    ValueError, TypeError
        If these are no weights; the message says why.
    """
    if sample_weight is None:
        return None
    weight = _read_numbers(sample_weight)
    if weight.ndim == 0:
        weight = np.full(n_rows, weight)
    if weight.shape != (n_rows,):
        raise ValueError(
            f"sample_weight must have shape ({n_rows},), one weight a row of X, "
            f"got {weight.shape}."
        )
    if not np.isfinite(weight).all():
        row = int(np.flatnonzero(~np.isfinite(weight))[0])
        raise ValueError(
            f"Input sample_weight contains "
            f"{'NaN' if np.isnan(weight[row]) else 'infinity (inf)'} at row {row}: "
            f"weights must be finite."
        )
    if weight.min() < 0 or not weight.any():
        raise ValueError(
            "sample_weight must not be negative, nor zero for all rows; got "
            f"values from {weight.min()} to {weight.max()}."
        )
    return _scaled(weight)


def _read_numbers(values: Any) -> np.ndarray:
    if np.ma.isMaskedArray(values):
        raise TypeError(
            "sample_weight is a masked array: pass an array without a mask."
        )
    check_no_grad(values, "sample_weight")
    array = np.asarray(values)
    if array.dtype.kind == "O":
        try:
            if any(isinstance(value, str | bytes) for value in array.flat):
                raise TypeError
            return array.astype(np.float64)
        except OverflowError as error:
            raise ValueError(
                f"sample_weight holds a number that no float can hold ({error})."
            ) from error
        except (TypeError, ValueError):
            pass
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"sample_weight must hold real numbers, got values of type "
            f"{array.dtype} such as {array.flat[0] if array.size else None!r}."
        )
    return array.astype(np.float64)


def combine_weights(
    of_rows: np.ndarray | None, of_classes: np.ndarray | None, dtype: str
) -> np.ndarray | None:
    """Multiply the weights of rows and of their classes; None without either.

    Parameters
    ----------
    of_rows, of_classes : ndarray of shape (n_rows,) or None
    dtype : str
        Of the network, and of the result.

    Returns
    -------
    ndarray of shape (n_rows,) or None
        Weights below the normal numbers of `dtype` (1e-38, 1e-308) are 0.

    Raises
    ------
    ValueError
        If no row is left with a weight.
    """
    if of_rows is None and of_classes is None:
        return None
    weights = [w for w in (of_rows, of_classes) if w is not None]
    weight = _scaled(weights[0])
    if len(weights) == 2:
        weight = _scaled(weight * _scaled(weights[1]))
    narrow = weight.astype(dtype)
    # a quotient of subnormal numbers is not exact: so small a weight is none
    narrow[narrow < np.finfo(dtype).tiny] = 0
    if not narrow.any():
        raise ValueError(
            "sample_weight times class_weight is zero for all rows: no row would count."
        )
    return narrow


def _scaled(weight: np.ndarray) -> np.ndarray:
    """Scale weights by a power of 2 if their greatest one is very large or small."""
    exponent = int(np.frexp(weight.max())[1])
    return weight if exponent in _SAFE_EXPONENTS else np.ldexp(weight, -exponent)


def balanced_weight(codes: np.ndarray, of_rows: np.ndarray | None) -> np.ndarray:
    """Return for each row the weight that gives all classes the same total weight.

    Parameters
    ----------
    codes : ndarray of shape (n_rows,)
        Class codes 0, 1, ...
    of_rows : ndarray of shape (n_rows,) or None
        Weights of rows, which count as rows.

    Returns
    -------
    ndarray of shape (n_rows,)
        n / (k n_c) for a row of class c, with n rows and k classes that have rows, as
        scikit-learn's ``compute_class_weight`` does; 0 in a class without weight.
    """
    codes = codes.astype(int)
    counts = np.bincount(codes, weights=of_rows).astype(float)
    has_rows = counts > 0
    of_class = np.zeros_like(counts)
    of_class[has_rows] = counts.sum() / (has_rows.sum() * counts[has_rows])
    return of_class[codes]

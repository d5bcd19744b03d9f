"""How data become rows that a net can train on: unpacked, checked, cast, weighed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from sklearn.base import is_regressor
from sklearn.utils.validation import validate_data
from skorch.dataset import Dataset
from skorch.utils import is_dataset
from torch import Tensor
from torch.utils.data import Subset, TensorDataset

from skact.nets.rows import Rows
from skact.threads import side_by_side

# values that are looked through at a time
_LARGE = 2**21


def read_inputs(
    net: Any, X: Any, y: Any, sample_weight: Any, *, reset: bool, classes: Any = None
) -> Rows:
    """Check the data of a fit, and bring them to the dtype of the network.

    Parameters
    ----------
    net : BaseNet
        Gets the sizes, names and classes that are found, if `reset` is set.
    X : {array-like, sparse matrix} or Dataset
    y : array-like or None
        None if X is a Dataset that holds it.
    sample_weight : array-like, float or None
    reset : bool
        Whether the data may be of another shape than those before.
    classes : array-like or None, default=None
        All labels that will ever come.

    Returns
    -------
    Rows

    Raises
    ------
    ValueError, TypeError
        If they cannot be used, with what is wrong and where.
    """
    rows = read_table(net, *_unpacked(X, y), reset=reset, classes=classes)
    weight = _row_weights(net, rows, sample_weight)
    return Rows(rows.X, rows.y, rows.targets, weight)


def read_table(
    net: Any, X: Any, y: Any, *, reset: bool = False, classes: Any = None
) -> Rows:
    """Check X and y, and encode y; see `read_inputs`."""
    of_numbers = is_regressor(net)
    plain_y = type(y) is np.ndarray and y.ndim == 1 and y.dtype.kind in "biuU"
    X, y = validate_data(
        net,
        X,
        y,
        reset=reset,
        accept_sparse="csr",
        dtype=[np.float64, np.float32],
        order="C",
        ensure_all_finite=False,
        skip_check_array=plain_y and _is_plain_table(X) and len(X) == len(y),
        multi_output=of_numbers,
        y_numeric=of_numbers,
    )
    if reset:
        on_cpu = net.device is None or torch.device(net.device).type == "cpu"
        auto = X.dtype.name if on_cpu else "float32"
        net.dtype_ = auto if net.dtype == "auto" else net.dtype
    X = _cast(net, X)
    y, targets = net._encode(y, reset=reset, classes=classes)
    return Rows(X, y, targets)


def read_X(net: Any, X: Any) -> Any:
    """Check the X of a prediction, and bring it to the dtype of the network."""
    plain = _is_plain_table(X) and X.shape[1] == net.n_features_in_
    if not plain or hasattr(net, "feature_names_in_"):
        X = validate_data(
            net,
            X,
            reset=False,
            accept_sparse="csr",
            dtype=[np.float64, np.float32],
            order="C",
            ensure_all_finite=False,
        )
    return _cast(net, X)


def _unpacked(X: Any, y: Any) -> tuple:
    """Take the arrays out of a dataset; refuse what is not one table."""
    if is_dataset(X):
        table = unpack_table(X)
        if table is None:
            raise TypeError(
                f"X is a {type(X).__name__}, from which X and y cannot be taken; pass "
                f"arrays, a skorch Dataset or a torch TensorDataset of two tensors."
            )
        X, inner_y = table
        y = inner_y if y is None else y
    if isinstance(X, Mapping) and not sp.issparse(X):  # a DOK matrix is both
        raise TypeError(
            "X must be one table of shape (n_samples, n_features), got a dict."
        )
    return X, y


def unpack_table(dataset: Any) -> tuple[Any, Any] | None:
    """Take X and y out of a dataset that is one table, or return None.

    A skorch Dataset, a TensorDataset of two tensors, or a Subset of one. A subclass may
    transform what it yields, so it counts as no table.
    """
    if isinstance(dataset, Subset):
        table = unpack_table(dataset.dataset)
        if table is None:
            return None
        X, y = table
        rows = np.asarray(dataset.indices)
        return X[rows], None if y is None else y[rows]
    if type(dataset) is TensorDataset and len(dataset.tensors) == 2:
        X, y = dataset.tensors
    elif type(dataset) is Dataset and not isinstance(dataset.X, dict | list | tuple):
        X, y = dataset.X, dataset.y
    else:
        return None
    return _as_array(X), None if y is None else _as_array(y)


def _as_array(part: Any) -> Any:
    """Turn a tensor or frame into an array; leave a sparse matrix as it is."""
    if isinstance(part, Tensor):
        return part.numpy(force=True)
    return part if sp.issparse(part) else np.asarray(part)


def _is_plain_table(X: Any) -> bool:
    """Whether scikit-learn's checks of X, dear for few rows, would change nothing."""
    return (
        type(X) is np.ndarray
        and X.ndim == 2
        and min(X.shape) > 0
        and X.dtype in (np.float64, np.float32)
        and X.flags.c_contiguous
    )


def _cast(net: Any, X: Any) -> Any:
    """Bring checked X to the dtype of the network, and refuse NaN and infinity."""
    columns = getattr(net, "feature_names_in_", None)
    check_finite(X, columns=columns)
    if X.dtype.name == net.dtype_:
        return X
    with np.errstate(over="ignore"):
        narrow = X.astype(net.dtype_)
    try:
        check_finite(narrow, columns=columns)
    except ValueError as error:
        raise ValueError(f"{error} (A value is too large for {net.dtype_}.)") from None
    return narrow


def _row_weights(net: Any, rows: Rows, sample_weight: Any) -> np.ndarray | None:
    """Multiply the weights of rows and of classes; None if all are equal."""
    X, weight = rows.X, None
    if sample_weight is not None:
        weight = np.asarray(sample_weight, dtype=X.dtype)
        if weight.ndim == 0:
            weight = np.full(X.shape[0], weight)
        if weight.shape != (X.shape[0],):
            raise ValueError(
                f"sample_weight must have shape ({X.shape[0]},), one weight a row "
                f"of X, got {weight.shape}."
            )
        check_finite(weight, name="sample_weight")
        if weight.min() < 0 or not weight.any():
            raise ValueError(
                "sample_weight must not be negative, nor zero for all rows; got "
                f"values from {weight.min()} to {weight.max()}."
            )
    by_class = net._class_weights(rows.y)
    if by_class is None:
        return weight
    by_class = by_class.astype(X.dtype)
    return by_class if weight is None else weight * by_class


def check_finite(X: Any, name: str = "X", columns: Sequence[str] | None = None) -> None:
    """Raise if X holds NaN or infinity, and say where.

    Parameters
    ----------
    X : ndarray of shape (n, d) or (n,), or CSR matrix
        Checked at the cost of one sum when all is well.
    name : str, default="X"
        For the message.
    columns : sequence of str or None, default=None
        Names of the columns, for the message.

    Raises
    ------
    ValueError
        With the kind, row and column of the first such value, and their number.
    """
    values = X.data if sp.issparse(X) else X
    parts = [values]
    if values.size > _LARGE:  # memory, too, serves two cores sooner than one
        parts = np.array_split(values, -(-values.size // _LARGE))
    number = torch.get_num_threads() if len(parts) > 1 else 1
    if all(side_by_side(_is_finite, parts, number)):
        return
    if sp.issparse(X):
        coo = X.tocoo()
        bad = ~np.isfinite(coo.data)
        first = int(np.lexsort((coo.col[bad], coo.row[bad]))[0])
        where: tuple = (int(coo.row[bad][first]), int(coo.col[bad][first]))
        value, count = coo.data[bad][first], int(bad.sum())
    else:
        bad = ~np.isfinite(X)
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        value, count = X[where], int(bad.sum())
    kind = "NaN" if np.isnan(value) else "infinity (inf)"
    place = f"row {where[0]}" + (f", column {where[1]}" if len(where) > 1 else "")
    if columns is not None and len(where) > 1:
        place += f" ({columns[where[1]]!r})"
    more = f", and {count - 1} more such values" if count > 1 else ""
    raise ValueError(
        f"Input {name} contains {kind} at {place}{more}. Impute or drop them first, "
        f"for example with sklearn.impute.SimpleImputer in a pipeline."
    )


def _is_finite(values: np.ndarray) -> bool:
    """Ask the sum first, which is cheaper; it may overflow where no value does."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(values.sum()) or np.isfinite(values).all())

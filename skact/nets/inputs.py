"""From data to the rows that a net trains on: unpack, check, cast, weigh."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from sklearn.base import is_regressor
from sklearn.utils.validation import validate_data
from skorch.dataset import Dataset
from skorch.helper import SliceDataset
from skorch.utils import is_dataset
from torch import Tensor
from torch.utils.data import Subset, TensorDataset

from skact.parameters.checks import dtype_name
from skact.parameters.kinds import (
    check_kind,
    check_list,
    check_no_gap,
    name_what_is_no_number,
)
from skact.parameters.row_weights import combine_weights, read_sample_weight
from skact.parameters.rows import Rows, TrainingData
from skact.threads import count_free_threads, map_in_threads

# values that one thread checks at a time
_VALUES_PER_CHECK = 2**21


def read_inputs(
    net: Any, X: Any, y: Any, sample_weight: Any, *, reset: bool, classes: Any = None
) -> Rows:
    """Check the data of a fit, and cast X to the dtype of the network.

    Parameters
    ----------
    net : BaseNet
        If `reset` is set, its sizes, feature names and classes are set from the data.
    X : {array-like, sparse matrix} or Dataset
    y : array-like or None
        None if X is a Dataset that contains y.
    sample_weight : array-like, float or None
    reset : bool
        Whether the data may differ in shape and classes from earlier data.
    classes : array-like or None, default=None
        All labels of all calls of `partial_fit`.

    Returns
    -------
    Rows

    Raises
    ------
    ValueError, TypeError
        If the data cannot be used; the message names the fault and its place.
    """
    if isinstance(y, SliceDataset):
        y = stack_samples(y)
    if isinstance(X, SliceDataset):
        X = stack_samples(X)
    if is_dataset(X) or isinstance(X, Mapping):
        X, y = _unpack_dataset(X, y)
    rows = read_table(net, X, y, reset=reset, classes=classes)
    of_rows = read_sample_weight(sample_weight, len(rows))
    of_classes = net._class_weight_of_rows(rows.targets, of_rows)
    weight = combine_weights(of_rows, of_classes, net.dtype_)
    return Rows(rows.X, rows.y, rows.targets, weight, of_rows)


def read_table(
    net: Any, X: Any, y: Any, *, reset: bool = False, classes: Any = None
) -> Rows:
    """Check X and y, and encode y; see `read_inputs`."""
    is_regression = is_regressor(net)
    is_float_table = _is_float_table(X)
    if not is_float_table:
        check_kind(X, "X")
    check_kind(y, "y")
    check_list(y)
    check_no_gap(y)
    is_simple_y = type(y) is np.ndarray and y.ndim == 1 and y.dtype.kind in "biuU"
    try:
        X, y = validate_data(
            net,
            X,
            y,
            reset=reset,
            accept_sparse="csr",
            dtype=[np.float64, np.float32],
            order="C",
            ensure_all_finite=False,
            skip_check_array=is_simple_y and is_float_table and len(X) == len(y),
            multi_output=is_regression,
            y_numeric=is_regression,
        )
    except (TypeError, ValueError, OverflowError) as error:
        name_what_is_no_number(error, X, y if is_regression else None)
        raise
    if reset:
        on_cpu = net.device is None or torch.device(net.device).type == "cpu"
        auto = X.dtype.name if on_cpu else "float32"
        name = dtype_name(net.dtype)
        net.dtype_ = auto if name == "auto" else name
    X = _cast_to_network_dtype(net, X)
    y, targets = net._encode_targets(y, reset=reset, classes=classes)
    return Rows(X, y, targets)


def read_X(net: Any, X: Any) -> Any:
    """Check the X of a prediction, and cast it to the dtype of the network."""
    is_simple_X = _is_float_table(X) and X.shape[1] == net.n_features_in_
    if not is_simple_X or hasattr(net, "feature_names_in_"):
        check_kind(X, "X")
        try:
            X = validate_data(
                net,
                X,
                reset=False,
                accept_sparse="csr",
                dtype=[np.float64, np.float32],
                order="C",
                ensure_all_finite=False,
            )
        except (TypeError, ValueError, OverflowError) as error:
            name_what_is_no_number(error, X, None)
            raise
    return _cast_to_network_dtype(net, X)


def _unpack_dataset(X: Any, y: Any) -> tuple:
    """Take X and y out of a dataset; raise if X is not one table."""
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
    """Return X and y of a dataset that is one table, or None.

    Such a dataset is a skorch Dataset, a TensorDataset of two tensors, or a Subset of
    one of these. A subclass is no table, because it may transform its samples.
    """
    if isinstance(dataset, Subset):
        table = unpack_table(dataset.dataset)
        if table is None:
            return None
        X, y = table
        chosen = np.asarray(dataset.indices)
        return X[chosen], None if y is None else y[chosen]
    if type(dataset) is TensorDataset and len(dataset.tensors) == 2:
        X, y = dataset.tensors
    elif type(dataset) in (Dataset, TrainingData) and not isinstance(
        dataset.X, dict | list | tuple
    ):
        X, y = dataset.X, dataset.y
    else:
        return None
    return _to_array(X), None if y is None else _to_array(y)


def stack_samples(samples: SliceDataset) -> np.ndarray:
    """Return the samples of skorch's SliceDataset as one array."""
    return np.stack([_to_array(sample) for sample in samples])


def _to_array(part: Any) -> Any:
    """Convert a tensor or frame to an array; return a sparse matrix unchanged."""
    if isinstance(part, Tensor):
        return part.numpy(force=True)
    return part if sp.issparse(part) else np.asarray(part)


def _is_float_table(X: Any) -> bool:
    """Whether scikit-learn's slow checks of X would find and change nothing."""
    return (
        type(X) is np.ndarray
        and X.ndim == 2
        and min(X.shape) > 0
        and X.dtype in (np.float64, np.float32)
        and X.flags.c_contiguous
    )


def _cast_to_network_dtype(net: Any, X: Any) -> Any:
    """Cast checked X to the dtype of the network; raise at NaN or infinity."""
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


def check_finite(X: Any, name: str = "X", columns: Sequence[str] | None = None) -> None:
    """Raise if X contains NaN or infinity, and name the place.

    Parameters
    ----------
    X : ndarray of shape (n, d) or (n,), or CSR matrix
        If all values are finite, the check costs one sum.
    name : str, default="X"
        Name of X in the message.
    columns : sequence of str or None, default=None
        Names of the columns, for the message.

    Raises
    ------
    ValueError
        With the row and column of the first such value, and the number of them.
    """
    values = X.data if sp.issparse(X) else X
    if values.size <= _VALUES_PER_CHECK:
        is_finite = _is_finite_array(values)
    else:  # two threads read memory faster than one
        parts = np.array_split(values, -(-values.size // _VALUES_PER_CHECK))
        n_threads = count_free_threads()
        is_finite = all(map_in_threads(_is_finite_array, parts, n_threads))
    if is_finite:
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
    advice = "Replace or drop them first."
    if np.isnan(value):
        advice = "Impute or drop them first, for example with "
        advice += "sklearn.impute.SimpleImputer in a pipeline."
    raise ValueError(f"Input {name} contains {kind} at {place}{more}. {advice}")


def _is_finite_array(values: np.ndarray) -> bool:
    """Whether all values are finite; the sum is the cheap test, but may overflow."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(values.sum()) or np.isfinite(values).all())

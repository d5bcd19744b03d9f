"""How rows reach skorch's loop: whole batches, in an order of the fit's own."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from skorch.dataset import Dataset
from torch import Tensor
from torch.utils.data import Sampler, Subset, TensorDataset

from skact.engine.batches import row_order, to_tensor
from skact.threads import side_by_side

# values that are looked through at a time
_LARGE = 2**21


class TrainingData(Dataset):
    """A skorch dataset that yields encoded targets and fetches whole batches.

    Its `X` and `y` stay as the user gave them, because skorch's scoring callbacks and
    splits read them there; `sample_weight` travels beside X as a dict entry.
    """

    def __init__(
        self,
        X: Any,
        y: np.ndarray,
        targets: np.ndarray,
        sample_weight: np.ndarray | None,
    ) -> None:
        super().__init__(X, y)
        self.targets = targets
        self.sample_weight = sample_weight

    def __getitem__(self, i: int) -> tuple:
        """Return one sample, as a loader with a `collate_fn` of its own wants it."""
        return self.__getitems__([int(i)])[0]

    def __getitems__(self, indices: Sequence[int]) -> "Rows":
        """Return many rows at once: torch's loader asks for a batch this way."""
        rows = np.asarray(indices)
        X: Any = to_tensor(self.X[rows])
        if self.sample_weight is not None:
            X = {"X": X, "sample_weight": torch.from_numpy(self.sample_weight[rows])}
        return Rows(X, torch.from_numpy(self.targets[rows]))


class Rows(Sequence):
    """A batch that is already collated, and still a sequence of samples."""

    def __init__(self, X: Any, y: Tensor) -> None:
        self.X, self.y = X, y

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, i: Any) -> Any:
        if isinstance(self.X, dict):
            return {key: value[i] for key, value in self.X.items()}, self.y[i]
        return self.X[i], self.y[i]


def collate_rows(rows: Rows) -> tuple:
    """Hand a batch of TrainingData to skorch as it is."""
    return rows.X, rows.y


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


def taken_rows(dataset: Any) -> tuple[Any, np.ndarray, np.ndarray, Any]:
    """Return X, y, targets and sample_weight of TrainingData or a Subset of it."""
    if isinstance(dataset, Subset):
        rows = np.asarray(dataset.indices)
        X, y, targets, weight = taken_rows(dataset.dataset)
        weight = weight if weight is None else weight[rows]
        return X[rows], y[rows], targets[rows], weight
    return dataset.X, dataset.y, dataset.targets, dataset.sample_weight


def yields_rows(dataset: Any) -> bool:
    """Whether a loader over this dataset can use `collate_rows`."""
    while isinstance(dataset, Subset):
        dataset = dataset.dataset
    return isinstance(dataset, TrainingData)


class EpochOrder(Sampler):
    """Shuffle n rows, each epoch from ``(seed, epoch)``."""

    def __init__(self, n_rows: int, seed: int, first_epoch: int) -> None:
        self.n_rows, self.seed, self.epoch = n_rows, seed, first_epoch

    def __len__(self) -> int:
        return self.n_rows

    def __iter__(self) -> Iterator[int]:
        order = row_order(self.n_rows, self.seed, self.epoch)
        self.epoch += 1
        yield from order.tolist()


def _is_finite(values: np.ndarray) -> bool:
    """Ask the sum first, which is cheaper; it may overflow where no value does."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(values.sum()) or np.isfinite(values).all())


def is_plain_table(X: Any) -> bool:
    """Whether scikit-learn's checks of X, dear for few rows, would change nothing."""
    return (
        type(X) is np.ndarray
        and X.ndim == 2
        and min(X.shape) > 0
        and X.dtype in (np.float64, np.float32)
        and X.flags.c_contiguous
    )


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

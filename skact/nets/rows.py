"""Rows of a table on their way to a loop, and as the datasets that skorch wants."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from skorch.dataset import Dataset
from torch import Tensor
from torch.utils.data import Sampler, Subset

from skact.engine.batches import row_order, to_tensor


@dataclass(frozen=True, eq=False)
class Rows:
    """A checked table: what a net reads of the data that it is given."""

    X: Any  # (n, n_features) array or CSR matrix, in the dtype of the network
    y: np.ndarray  # (n,) or (n, n_outputs), as the user gave it: labels, not codes
    targets: np.ndarray  # y as the loss wants it: class codes, 0./1., or floats (n, k)
    sample_weight: np.ndarray | None = None  # (n,), class weights included

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, indices: Any) -> "Rows":
        """Return some of the rows."""
        rows, weight = np.asarray(indices), self.sample_weight
        return Rows(
            self.X[rows],
            self.y[rows],
            self.targets[rows],
            None if weight is None else weight[rows],
        )


class TrainingData(Dataset):
    """Rows as a skorch dataset: yields encoded targets, and fetches whole batches.

    Its `X` and `y` stay as the user gave them, because skorch's scoring callbacks and
    splits read them there; `sample_weight` travels beside X as a dict entry.

    Parameters
    ----------
    rows : Rows
    """

    def __init__(self, rows: Rows) -> None:
        super().__init__(rows.X, rows.y)
        self.rows = rows

    def __getitem__(self, i: int) -> tuple:
        """Return one sample, as a loader with a `collate_fn` of its own wants it."""
        return self.__getitems__([int(i)])[0]

    def __getitems__(self, indices: Sequence[int]) -> "CollatedRows":
        """Return many rows at once: torch's loader asks for a batch this way."""
        chosen, rows = np.asarray(indices), self.rows
        X: Any = to_tensor(rows.X[chosen])
        if rows.sample_weight is not None:
            weight = torch.from_numpy(rows.sample_weight[chosen])
            X = {"X": X, "sample_weight": weight}
        return CollatedRows(X, torch.from_numpy(rows.targets[chosen]))


class CollatedRows(Sequence):
    """A batch that is already collated, and still a sequence of samples."""

    def __init__(self, X: Any, y: Tensor) -> None:
        self.X, self.y = X, y

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, i: Any) -> Any:
        if isinstance(self.X, dict):
            return {key: value[i] for key, value in self.X.items()}, self.y[i]
        return self.X[i], self.y[i]


def collate_rows(rows: CollatedRows) -> tuple:
    """Hand a batch of TrainingData to skorch as it is."""
    return rows.X, rows.y


def rows_of(dataset: Any) -> Rows | None:
    """Return the rows of TrainingData or of a Subset of it; None of other datasets."""
    if type(dataset) is Subset:
        rows = rows_of(dataset.dataset)
        return None if rows is None else rows.take(dataset.indices)
    return dataset.rows if type(dataset) is TrainingData else None


def yields_collated_rows(dataset: Any) -> bool:
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

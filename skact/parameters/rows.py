"""The rows that a net reads, and the datasets that skorch needs of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from skorch.dataset import Dataset
from torch.utils.data import Sampler, Subset

from skact.engine.batches import row_order, to_tensor


@dataclass(frozen=True, eq=False)
class Rows:
    """The checked rows of a fit, a validation or a prediction."""

    X: Any  # (n, n_features) array or CSR matrix, in the dtype of the network
    y: np.ndarray  # (n,) or (n, n_outputs), as the user gave it: labels, not codes
    targets: np.ndarray  # for the loss: class codes, 0./1., or floats (n, k)
    sample_weight: np.ndarray | None = None  # (n,), for losses: class weights included
    given_weight: np.ndarray | None = None  # (n,), for scores: as the user gave it

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, indices: Any) -> "Rows":
        """Return the rows at these indices."""
        chosen = np.asarray(indices)
        chosen = chosen if chosen.size else chosen.astype(int)
        parts: tuple[Any, ...] = (self.X, self.y, self.targets)
        weights = (self.sample_weight, self.given_weight)
        return Rows(
            *(part[chosen] for part in parts),
            *(None if weight is None else weight[chosen] for weight in weights),
        )


class TrainingData(Dataset):
    """Rows as a skorch dataset: yields encoded targets, in whole batches.

    `X` and `y` keep the values of the user, because skorch's scoring callbacks and
    splits read them. Weights make X of a batch a dict: ``sample_weight`` is for the
    loss, ``given_weight``, without class weights, for scores.

    The constructor has the signature of skorch's, because a `train_split` may call
    ``type(dataset)(X, y)``; such a dataset has no `rows`. `of_rows` gives it rows.
    """

    rows: Rows | None = None
    # instead of `rows`, while a `train_split` may copy samples
    shown: Rows | None = None

    @classmethod
    def of_rows(cls, rows: Rows) -> "TrainingData":
        """Return checked rows as a dataset."""
        dataset = cls(rows.X, rows.y)
        dataset.rows = rows
        return dataset

    def __getitem__(self, i: int) -> tuple:
        """Return one sample, for a loader with a custom `collate_fn`."""
        if self.rows is None:
            return super().__getitem__(i)
        return self.__getitems__([int(i)])[0]

    def __getitems__(self, indices: Sequence[int]) -> "CollatedRows":
        """Return a whole batch; torch's loader calls this method for a batch."""
        chosen, rows = np.asarray(indices), self.shown or self.rows
        assert rows is not None
        X: Any = to_tensor(rows.X[chosen])
        if rows.sample_weight is not None:
            X = {"X": X, "sample_weight": torch.from_numpy(rows.sample_weight[chosen])}
            if rows.given_weight is not None:
                X["given_weight"] = torch.from_numpy(rows.given_weight[chosen])
        targets = rows.targets[chosen]
        is_number = targets.dtype.kind in "iuf"
        return CollatedRows(X, torch.from_numpy(targets) if is_number else targets)


class CollatedRows(Sequence):
    """A collated batch that is also a sequence of samples."""

    def __init__(self, X: Any, y: Any) -> None:
        self.X, self.y = X, y

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, i: Any) -> Any:
        if isinstance(self.X, dict):
            return {key: value[i] for key, value in self.X.items()}, self.y[i]
        return self.X[i], self.y[i]


def collate_rows(rows: CollatedRows) -> tuple:
    """Return X and targets of a batch of TrainingData, which is already collated."""
    return rows.X, rows.y


def rows_of(dataset: Any) -> Rows | None:
    """Return the rows of TrainingData or a Subset of it; None for other datasets."""
    if type(dataset) is Subset:
        rows = rows_of(dataset.dataset)
        return None if rows is None else rows.take(dataset.indices)
    return dataset.rows if type(dataset) is TrainingData else None


def weight_of(
    dataset: Any, kind: Literal["sample_weight", "given_weight"]
) -> np.ndarray | None:
    """Return weights of the rows of a dataset, or None."""
    if type(dataset) is Subset:
        weight = weight_of(dataset.dataset, kind)
        return None if weight is None else weight[np.asarray(dataset.indices)]
    has_rows = type(dataset) is TrainingData and dataset.rows is not None
    return getattr(dataset.rows, kind) if has_rows else None


def base_of(dataset: Any) -> Any:
    """Return the dataset of which another one is a Subset, or itself."""
    while isinstance(dataset, Subset):
        dataset = dataset.dataset
    return dataset


def has_collated_rows(dataset: Any) -> bool:
    """Whether a dataset yields CollatedRows, which need `collate_rows`."""
    return isinstance(base_of(dataset), TrainingData)


class EpochOrder(Sampler):
    """Shuffles n rows; seed and epoch determine the order of an epoch."""

    def __init__(self, n_rows: int, seed: int, first_epoch: int) -> None:
        self.n_rows, self.seed, self.epoch = n_rows, seed, first_epoch

    def __len__(self) -> int:
        return self.n_rows

    def __iter__(self) -> Iterator[int]:
        order = row_order(self.n_rows, self.seed, self.epoch)
        self.epoch += 1
        yield from order.tolist()

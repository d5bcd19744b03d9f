"""The datasets that a `train_split` returns, as rows with class codes and weights.

A Subset keeps the rows of the fit. A split may also build datasets of its own, from the
X and y of the dataset that the split gets, or from elsewhere. These hold labels of the
user, and no weights.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from skorch.dataset import Dataset
from skorch.utils import is_dataset

from skact.nets.inputs import read_table, unpack_table
from skact.parameters.criterion_checks import (
    check_some_row_counts,
    has_options_of_loss,
)
from skact.parameters.row_weights import combine_weights, read_sample_weight
from skact.parameters.rows import Rows, TrainingData, base_of, rows_of, weight_of

_ADVICE = (
    "Return torch.utils.data.Subset(dataset, indices) of the dataset that train_split "
    "gets, as skorch.dataset.ValidSplit does: a Subset keeps classes and weights"
)


def read_split(net: Any, dataset: Any, datasets: Any) -> tuple[Any, Any]:
    """Return both datasets of a split with class codes and weights.

    Parameters
    ----------
    net : BaseNet
    dataset : Dataset
        What was split.
    datasets : tuple of two datasets
        What `train_split` returned; the second one may be None.

    Returns
    -------
    tuple of two datasets

    Raises
    ------
    ValueError
        If class codes or weights of rows would be lost, or no rows would train.
    TypeError
        If these are not two datasets.
    """
    train, valid = _as_pair(datasets)
    if rows_of(dataset) is None:  # of a custom class, which holds codes and weights
        return train, valid
    train = _read_dataset(net, train, dataset, is_trained=True)
    valid = _read_dataset(net, valid, dataset, is_trained=False)
    for name, part in (("to train on", train), ("to hold out: return None", valid)):
        if hasattr(part, "__len__") and not len(part):
            raise ValueError(f"train_split returns no rows {name}.")
    return train, valid


def check_some_weight(net: Any, datasets: tuple[Any, Any]) -> tuple[Any, Any]:
    """Return both datasets of a split; raise if all rows of one have weight 0."""
    split = "train_split" if net.train_split else "early_stopping=True"
    for action, dataset in zip(("leaves to train", "holds out"), datasets, strict=True):
        weight = weight_of(dataset, "sample_weight")
        if weight is not None and not weight.any():
            raise ValueError(
                f"All rows that {split} {action} have weight 0 (sample_weight times "
                f"class_weight), so they have no loss: give some of them a weight."
            )
    rows = rows_of(datasets[0]) if has_options_of_loss(net) else None
    if rows is not None:
        check_some_row_counts(net, rows.targets, rows.sample_weight)
    return datasets


@contextmanager
def showing_given_values(net: Any, dataset: Any) -> Iterator[None]:
    """Let the samples of a dataset show labels and weights as the user gave them.

    So what a split copies in the block is read as what it copies from ``dataset.y``. A
    dataset that reads the samples later, in training, gets codes.
    """
    rows = rows_of(dataset)
    if rows is None or not is_classifier(net):
        yield
        return
    shown = rows.targets if _are_codes_labels(net.classes_) else _as_simple(rows.y)
    dataset.shown = Rows(rows.X, rows.y, shown, rows.given_weight)
    try:
        yield
    finally:
        dataset.shown = None


def _as_simple(labels: np.ndarray) -> np.ndarray:
    """Return numeric labels in a dtype that torch has; others unchanged."""
    kinds = {"i": np.int64, "u": np.int64, "f": np.float64}
    return labels.astype(kinds.get(labels.dtype.kind, labels.dtype))


def _as_pair(datasets: Any) -> tuple[Any, Any]:
    is_pair = isinstance(datasets, tuple | list) and len(datasets) == 2
    if not is_pair or not all(part is None or is_dataset(part) for part in datasets):
        raise TypeError(
            f"train_split must return two datasets, to train on and to hold out (or "
            f"None), got {type(datasets).__name__}"
            + (f" of {[type(part).__name__ for part in datasets]}." if is_pair else ".")
        )
    train, valid = datasets
    return train, valid


def _read_dataset(net: Any, dataset: Any, source: Any, *, is_trained: bool) -> Any:
    given, rows = rows_of(source), rows_of(dataset)
    assert given is not None
    if rows is not None:  # a copy of the source may show labels
        is_source = base_of(dataset) is source
        return dataset if is_source else TrainingData.of_rows(rows)
    if dataset is None:
        return None
    X, y, weight = _unpack_rows(dataset)
    if X is None:
        _check_samples(net, dataset, given)
        return dataset
    try:
        rows = read_table(net, X, y)
    except ValueError as error:
        raise ValueError(
            f"{error} (In a dataset that train_split returned.)"
        ) from error
    if weight is None:
        weight = _weight_by_y(rows.y, given, given.sample_weight)
        of_rows = _weight_by_y(rows.y, given, given.given_weight)
        if weight is None and is_trained and given.sample_weight is not None:
            raise ValueError(
                f"train_split returns a {type(dataset).__name__} of its own to train "
                f"on, which has lost the sample_weight of its rows. {_ADVICE}."
            )
    else:
        of_rows = read_sample_weight(weight, len(rows))
        of_classes = net._class_weight_of_rows(given.targets, given.given_weight)
        of_classes = _weight_by_y(rows.y, given, of_classes)
        weight = combine_weights(of_rows, of_classes, net.dtype_)
    return TrainingData.of_rows(Rows(rows.X, rows.y, rows.targets, weight, of_rows))


def _unpack_rows(dataset: Any) -> tuple[Any, Any, Any]:
    """Return X, y and weights of a dataset; X is None if that is not one table."""
    if type(dataset) is Dataset and isinstance(dataset.X, Mapping):
        if set(dataset.X) == {"X", "sample_weight"}:  # skorch's way to pass weights
            weight = np.asarray(dataset.X["sample_weight"])
            return dataset.X["X"], dataset.y, weight
        return None, None, None
    return *(unpack_table(dataset) or (None, None)), None


def _weight_by_y(
    y: np.ndarray, given: Rows, weight: np.ndarray | None
) -> np.ndarray | None:
    """Return the weights of rows of which only y is known, or None.

    If all rows with the same y have the same weight, as with class weights, y tells
    the weight.
    """
    if weight is None or given.y.ndim > 1:
        return None
    values, first, group = np.unique(given.y, return_index=True, return_inverse=True)
    of_value = weight[first]
    if not np.array_equal(of_value[group], weight) or not np.isin(y, values).all():
        return None
    return of_value[np.searchsorted(values, y)]


def _check_samples(net: Any, dataset: Any, given: Rows) -> None:
    """Raise if the samples of a custom dataset have lost codes, shape or weights."""
    try:
        samples = [dataset[i] for i in range(len(dataset))]
    except (TypeError, NotImplementedError):  # an IterableDataset
        samples = []
    lost = []
    if given.sample_weight is not None and not all(
        isinstance(X, Mapping) and "sample_weight" in X for X, _ in samples or [(0, 0)]
    ):
        lost.append("weights")
    if is_classifier(net):
        if _have_lost_class_weights([X for X, _ in samples], given):
            lost.append("class weights")
        if not _are_class_codes(net.classes_, [y for _, y in samples]):
            lost.append("class codes")
    elif not samples or np.shape(samples[0][1]) != given.targets.shape[1:]:
        lost.append("the shape of the targets")
    if lost:
        raise ValueError(
            f"train_split returns a {type(dataset).__name__}, whose samples have lost "
            f"{' and '.join(lost)}. {_ADVICE}; a skorch.dataset.Dataset(X, y) is read, "
            f"too."
        )


def _are_class_codes(classes: np.ndarray, targets: list[Any]) -> bool:
    """Whether targets are surely codes 0, 1, ... of classes, and not labels."""
    if _are_codes_labels(classes):
        return True
    labels, codes = set(classes.tolist()), set(range(len(classes)))
    values = [np.asarray(target) for target in targets]
    if not all(value.ndim == 0 and value.dtype.kind in "biuf" for value in values):
        return False
    found = {value.item() for value in values}
    return found <= codes and not found <= labels


def _are_codes_labels(classes: np.ndarray) -> bool:
    return set(classes.tolist()) == set(range(len(classes)))


def _have_lost_class_weights(samples: list[Any], given: Rows) -> bool:
    """Whether samples have weights of rows, and perhaps no more those of classes."""
    of_rows, of_loss = given.given_weight, given.sample_weight
    if of_rows is None or of_loss is None:
        return False
    if np.array_equal(of_rows.astype(of_loss.dtype), of_loss):  # no class weights
        return False
    found = [X["sample_weight"] for X in samples if isinstance(X, Mapping)]
    return set(map(float, found)) <= set(of_rows.tolist())

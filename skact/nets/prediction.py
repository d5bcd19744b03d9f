"""Predictions: a few large batches, in several threads if all parts allow it."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from skorch.dataset import Dataset, unpack_data
from skorch.helper import SliceDataset
from skorch.utils import is_dataset, to_numpy
from torch import Tensor

from skact._skorch import (
    PREDICTION_METHODS,
    nonlinearity_of,
    overridden_method,
    set_evaluation_mode,
)
from skact.engine.jobs import Seeds
from skact.naming import short_name
from skact.nets.components import device_of, has_custom_parts, lend_generators
from skact.nets.divergence import describe_large_weights
from skact.nets.inputs import read_X, stack_samples, unpack_table
from skact.nets.not_fitted import check_is_fitted
from skact.network.forward import (
    has_work_for_threads,
    is_thread_safe,
    outputs_in_parts,
    parts_of,
)
from skact.parameters.blame import blame, read_batches
from skact.parameters.checks import check_device_of_network
from skact.threads import use_one_thread


def probabilities(net: Any, X: Any) -> np.ndarray:
    """Return the outputs of a net for X, after its `predict_nonlinearity`."""
    outputs = list(net.forward_iter(X))
    # after all outputs: threads of torch that wait would slow down those that compute
    with use_one_thread():
        values = np.concatenate([apply_nonlinearity(net, one) for one in outputs])
    found = describe_nan(net, values)
    if found is not None:
        warnings.warn(found, RuntimeWarning, stacklevel=3)
    return values


def apply_nonlinearity(net: Any, output: Any) -> np.ndarray:
    """Return what the `predict_nonlinearity` of a net makes of an output."""
    first = output[0] if isinstance(output, tuple) else output
    if first.dtype == torch.bfloat16:  # of autocast; numpy has no such dtype
        first = first.float()
    with blame(net, "predict_nonlinearity"):
        part = to_numpy(nonlinearity_of(net)(first))
        if len(part) != len(first):
            raise ValueError(
                f"predict_nonlinearity must keep the rows, but turns "
                f"{len(first)} into {len(part)}."
            )
    return part


def check_columns(net: Any, values: np.ndarray, n_columns: int) -> np.ndarray:
    """Return the values; raise if custom parts gave another number of columns."""
    if values.ndim != 2 or values.shape[1] != n_columns:
        raise ValueError(
            f"{type(net).__name__} cannot predict from outputs of shape {values.shape}:"
            f" its module and its predict_nonlinearity must give {n_columns} columns, "
            f"got criterion={short_name(net.criterion)} and predict_nonlinearity="
            f"{short_name(net.predict_nonlinearity)}."
        )
    return values


def describe_nan(net: Any, values: np.ndarray) -> str | None:
    """Say which rows have NaN among their predicted values; None if no row has.

    A network that diverged may also predict infinity.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(values.sum()):  # the cheap test
            return None
    is_nan = np.isnan(values)
    cause = describe_large_weights(net)
    is_bad = ~np.isfinite(values) if cause else is_nan
    rows = is_bad.reshape(len(values), -1).any(axis=1)
    if not rows.any():
        return None
    if cause == "" and net.predict_nonlinearity not in ("auto", None):
        cause = f"see predict_nonlinearity={short_name(net.predict_nonlinearity)}."
    cause = cause or (
        "their values are too large for the network. Scale X, for example with "
        "StandardScaler."
    )
    return (
        f"{type(net).__name__} gives {'NaN' if is_nan.any() else 'infinity'} for "
        f"{rows.sum()} of {len(values)} rows (the first is row {rows.argmax()}): "
        f"{cause}"
    )


def outputs_of_net(net: Any, X: Any, training: bool) -> Iterator[Any]:
    """Yield the outputs of a net for each part of X."""
    check_is_fitted(net)
    if (
        net.device is not net.built_with_["device"]
    ):  # this line is cheaper than the next
        check_device_of_network(type(net).__name__, net.device, device_of(net))
    if isinstance(X, SliceDataset):
        X = stack_samples(X)
    if is_dataset(X) and (table := unpack_table(X)) is not None:
        X = table[0]
    compute = _forward_step_of(net, training)
    if not is_dataset(X) and net.dataset is Dataset:
        X = read_X(net, X)
        parts = parts_of(net.module_, X)
        if not training and _is_for_threads(net, parts):
            yield from _outputs_in_threads(net, X, parts)
            return

        def forward(part: int, rows: Tensor) -> Tensor:
            return compute((rows, None), part)

        yield from outputs_in_parts(parts, X, forward)
        return
    dataset = X if is_dataset(X) else net.get_dataset(read_X(net, X))
    loader = net.get_iterator(dataset, training=False)
    for part, batch in enumerate(read_batches(net, loader, training=False)):
        with use_one_thread():
            output = compute(batch, part)
        yield output


def _forward_step_of(net: Any, training: bool) -> Callable[[tuple, int], Any]:
    """Return the function that computes outputs from a batch and its number."""
    is_custom = has_custom_parts(net)
    if not (training or is_custom or overridden_method(net, PREDICTION_METHODS)):
        if net.module_.training:
            set_evaluation_mode(net)  # skorch does so for each batch

        def infer(batch: tuple, part: int) -> Any:
            rows, _ = unpack_data(batch)  # of a loader of the user's, perhaps
            with torch.no_grad():
                return net.infer(rows)

        return infer
    if not is_custom:
        return lambda batch, part: net.evaluation_step(batch, training=training)

    def compute(batch: tuple, part: int) -> Any:
        # each part has other noise
        with lend_generators(net, Seeds.of_epoch(net.seeds_.noise, part)):
            return net.evaluation_step(batch, training=training)

    return compute


def _is_for_threads(net: Any, parts: Sequence[slice]) -> bool:
    """Whether several threads save time, and change nothing that a user can see."""
    return (
        has_work_for_threads(net.module_, parts)
        and overridden_method(net, PREDICTION_METHODS) is None
        and not has_custom_parts(net)
        and is_thread_safe(net.module_)
    )


def _outputs_in_threads(net: Any, X: Any, parts: Sequence[slice]) -> Iterator[Tensor]:
    """Yield the outputs for each part of X, computed in several threads."""
    set_evaluation_mode(net)
    inference = torch.is_inference_mode_enabled()

    def forward(part: int, rows: Tensor) -> Tensor:
        # each thread of torch has its own modes
        with torch.inference_mode(inference), torch.no_grad():
            return net.infer(rows)

    yield from outputs_in_parts(parts, X, forward, in_threads=True)

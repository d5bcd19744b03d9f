"""Predictions: few large batches, on all cores where nobody can tell the difference."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from skorch.dataset import Dataset
from skorch.utils import is_dataset, to_numpy
from torch import Tensor

from skact.engine.jobs import Seeds
from skact.nets._skorch import (
    PREDICTION_METHODS,
    overridden,
    predict_nonlinearity,
    set_evaluating,
)
from skact.nets.components import has_custom_parts, lend_generators
from skact.nets.forward import (
    is_worth_threads,
    may_run_in_threads,
    outputs_in_parts,
    parts_of,
)
from skact.nets.inputs import read_X, unpack_table
from skact.threads import one_thread


def probabilities(net: Any, X: Any) -> np.ndarray:
    """Return the module's output for X, through the `predict_nonlinearity`."""
    nonlinearity = predict_nonlinearity(net)
    outputs = list(net.forward_iter(X))
    parts = []
    with one_thread():  # not while others compute: threads of torch's would spin
        for output in outputs:
            first = output[0] if isinstance(output, tuple) else output
            parts.append(to_numpy(nonlinearity(first)))
    return np.concatenate(parts)


def outputs_for(net: Any, X: Any, training: bool) -> Iterator[Any]:
    """Yield the module's output for each part of X."""
    check_is_fitted(net)
    if is_dataset(X) and (table := unpack_table(X)) is not None:
        X = table[0]
    evaluate = _evaluation_of(net, training)
    if not is_dataset(X) and net.dataset is Dataset:
        X = read_X(net, X)
        parts = parts_of(net.module_, X)
        if not training and _may_run_in_threads(net, parts):
            yield from _outputs_in_threads(net, X, parts)
            return

        def forward(part: int, rows: Tensor) -> Tensor:
            return evaluate((rows, None), part)

        yield from outputs_in_parts(parts, X, forward)
        return
    dataset = X if is_dataset(X) else net.get_dataset(read_X(net, X))
    for part, batch in enumerate(net.get_iterator(dataset, training=False)):
        with one_thread():
            output = evaluate(batch, part)
        yield output


def _evaluation_of(net: Any, training: bool) -> Callable[[tuple, int], Any]:
    """Return what passes a batch through a net, with its number."""
    if not has_custom_parts(net):
        return lambda batch, part: net.evaluation_step(batch, training=training)

    def evaluate(batch: tuple, part: int) -> Any:
        # each part has noise of its own
        with lend_generators(net, Seeds.of_epoch(net.seeds_.noise, part)):
            return net.evaluation_step(batch, training=training)

    return evaluate


def _may_run_in_threads(net: Any, parts: Sequence[slice]) -> bool:
    """Whether several threads gain something, and nobody can tell the difference."""
    return (
        is_worth_threads(net.module_, parts)
        and overridden(net, PREDICTION_METHODS) is None
        and not has_custom_parts(net)
        and may_run_in_threads(net.module_)
    )


def _outputs_in_threads(net: Any, X: Any, parts: Sequence[slice]) -> Iterator[Tensor]:
    set_evaluating(net)
    inference = torch.is_inference_mode_enabled()

    def forward(part: int, rows: Tensor) -> Tensor:
        # torch's modes are those of a thread
        with torch.inference_mode(inference), torch.no_grad():
            return net.infer(rows)

    yield from outputs_in_parts(parts, X, forward, in_threads=True)

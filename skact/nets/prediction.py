"""Predictions: few large batches, on all cores where nobody can tell the difference."""

from collections.abc import Iterator
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
from skact.nets.forward import may_run_in_threads, outputs_in_parts
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
    if is_dataset(X) or net.dataset is not Dataset:
        dataset = X if is_dataset(X) else net.get_dataset(read_X(net, X))
        for part, batch in enumerate(net.get_iterator(dataset, training=False)):
            with one_thread():
                output = _evaluate(net, batch, training, part)
            yield output
        return
    yield from _outputs_of_rows(net, read_X(net, X), training)


def _outputs_of_rows(net: Any, X: Any, training: bool) -> Iterator[Tensor]:
    """Yield the output for each part of checked X, which net and columns alone cut."""
    in_threads = (
        not training
        and overridden(net, PREDICTION_METHODS) is None
        and not has_custom_parts(net)
        and may_run_in_threads(net.module_)
    )
    if not in_threads:

        def forward(part: int, rows: Tensor) -> Tensor:
            return _evaluate(net, (rows, None), training, part)

    else:
        set_evaluating(net)
        inference = torch.is_inference_mode_enabled()

        def forward(part: int, rows: Tensor) -> Tensor:
            # torch's modes are those of a thread
            with torch.inference_mode(inference), torch.no_grad():
                return net.infer(rows)

    yield from outputs_in_parts(net.module_, X, forward, in_threads=in_threads)


def _evaluate(net: Any, batch: tuple, training: bool, part: int) -> Tensor:
    seed = Seeds.of_epoch(net.seeds_.noise, part) if has_custom_parts(net) else 0
    with lend_generators(net, seed):
        return net.evaluation_step(batch, training=training)

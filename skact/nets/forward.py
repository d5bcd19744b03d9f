"""The one forward pass: how rows go through a network outside of training.

Predictions, rows that are held out, the folds of a search and the monitor all come
here. Where the rows are cut decides the last bit of an output, so it depends on the
network alone.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from skact.activations.modules import RReLU, SwishBeta
from skact.engine._torch import has_hooks, is_watched
from skact.engine.batches import to_tensor
from skact.engine.weights import Weights
from skact.nets.mlp import MLP, BatchNorm, Dropout, Hidden, Linear
from skact.threads import LITTLE_WORK, side_by_side

# Values that a layer may hold for the rows of one batch, and these rows at least: some
# MB, which caches hold, too.
_VALUES_OF_A_LAYER = 2**20
_LEAST_ROWS = 256
# what may run in several threads at a time: nothing here keeps anything in evaluation
_KEEPS_NOTHING = {
    *(MLP, Hidden, nn.ModuleList, Linear, Dropout, BatchNorm, nn.LayerNorm),
    *(nn.Identity, RReLU, SwishBeta),
}


def rows_at_once(module: nn.Module) -> int:
    """Return how many rows pass through a network together."""
    widest = max(max(weight.shape, default=1) for weight in module.parameters())
    return max(_LEAST_ROWS, _VALUES_OF_A_LAYER // widest)


def n_weights(module: nn.Module) -> int:
    """Return the number of a network's weights: multiplications a row, about."""
    return sum(weight.numel() for weight in module.parameters())


def is_worth_threads(module: nn.Module, parts: Sequence[slice]) -> bool:
    """Whether there are several parts, which take longer than threads to start."""
    return len(parts) > 1 and parts[-1].start * n_weights(module) > LITTLE_WORK


def parts_of(module: nn.Module, X: Any) -> list[slice]:
    """Cut the rows of X into parts that pass through a network together."""
    n_rows: int = X.shape[0]
    step = n_rows if 0 < n_rows <= _LEAST_ROWS else rows_at_once(module)
    return [slice(start, start + step) for start in range(0, n_rows, step)]


def outputs_in_parts(
    parts: Sequence[slice],
    X: Any,
    forward: Callable[[int, Tensor], Tensor],
    *,
    in_threads: bool = False,
) -> Iterator[Tensor]:
    """Yield the output for each part of checked X.

    Parameters
    ----------
    parts : sequence of slice
        What `parts_of` gave.
    X : ndarray or CSR matrix of shape (n, n_features)
        A sparse table may be too large to be dense as a whole.
    forward : callable
        Called with the number of the part, and its rows.
    in_threads : bool, default=False
        Whether `forward` is to run in several threads.
    """
    n_threads = torch.get_num_threads() if in_threads else 1

    def of_part(number: int) -> Tensor:
        return forward(number, to_tensor(X[parts[number]]))

    yield from side_by_side(of_part, range(len(parts)), n_threads)


def outputs_of_epochs(
    module: nn.Module,
    epochs: Sequence[Weights],
    X: Any,
    lend_generators: Callable[[], AbstractContextManager[None]] | None,
) -> Iterator[Tensor]:
    """Yield outputs for checked X with the weights of epochs: (epochs, n, n_outputs).

    Many epochs of a small network are one tensor program, as many networks are. What
    users brought goes through it epoch by epoch.

    Parameters
    ----------
    module : nn.Module
        Left as it is.
    epochs : sequence of dict of str to Tensor
        Weights by name.
    X : ndarray or CSR matrix of shape (n, n_features)
    lend_generators : callable or None
        Lends the global generators to what users brought; None: nothing is theirs.
    """
    n_rows, parts = X.shape[0], parts_of(module, X)
    together = lend_generators is None
    at_once = epochs_at_once(module, n_rows) if together else 1
    chunks = [epochs[i : i + at_once] for i in range(0, len(epochs), at_once)]
    worth = n_rows * len(epochs) * n_weights(module) >= LITTLE_WORK
    n_threads = torch.get_num_threads() if together and worth else 1
    device = next(module.parameters()).device

    def forward(chunk: Sequence[Weights]) -> Tensor:  # (epochs, n, n_outputs)
        # to call it with other weights changes a module for the time
        own = copy.deepcopy(module).eval()
        stacked = stack_weights(chunk)

        def of_one(weights: Weights, batch: Tensor) -> Tensor:
            return functional_call(own, weights, (batch,))

        with torch.no_grad():
            outputs = []
            for part in parts:
                batch = to_tensor(X[part]).to(device)
                if together:
                    outputs.append(vmap(of_one, in_dims=(0, None))(stacked, batch))
                    continue
                with lend_generators() if lend_generators else nullcontext():
                    outputs.append(of_one(chunk[0], batch)[None])
            return torch.cat(outputs, dim=1)

    yield from side_by_side(forward, chunks, n_threads)


def epochs_at_once(module: nn.Module, n_rows: int) -> int:
    """Return with the weights of how many epochs rows pass through a network."""
    return max(1, rows_at_once(module) // n_rows)


def stack_weights(epochs: Sequence[Weights]) -> Weights:
    """Stack the weights of epochs: each has them as its first axis."""
    return {
        name: torch.stack([weights[name] for weights in epochs]) for name in epochs[0]
    }


def may_run_in_threads(module: nn.Module) -> bool:
    """Whether all that computes an output is skact's and torch's own, and unwatched."""
    return (
        type(module) is MLP
        and all(map(_keeps_nothing, module.modules()))
        and all(map(_is_plain_weight, module.parameters()))
        and not is_watched()
    )


def _keeps_nothing(module: nn.Module) -> bool:
    kind = type(module)
    known = kind in _KEEPS_NOTHING or kind.__module__ == nn.ReLU.__module__
    return known and "forward" not in vars(module) and not has_hooks(module)


def _is_plain_weight(weight: nn.Parameter) -> bool:
    return type(weight) is nn.Parameter and weight.device.type == "cpu"

"""The forward pass outside of the engine: from rows to the outputs of a network.

Predictions, the folds of a search and the monitor all use it. The size of a part
changes the last bit of an output, so the size depends on the network alone.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from skact._torch import has_hooks, is_watched
from skact.activations.modules import FunctionActivation, RReLU
from skact.engine.batches import to_tensor
from skact.engine.weights import Weights
from skact.network.mlp import MLP, BatchNorm, Dropout, Hidden, Linear
from skact.threads import LITTLE_WORK, count_free_threads, map_in_threads

# Most values of one layer for the rows of one part, and the least rows of a part: a few
# MB, which fit into the caches of a processor.
_MAX_LAYER_VALUES = 2**20
_MIN_ROWS = 256
# layers that change no attribute in evaluation mode, and so may run in several threads
_STATELESS_LAYERS = {
    *(MLP, Hidden, nn.ModuleList, Linear, Dropout, BatchNorm, nn.LayerNorm),
    nn.Identity,
}
# so do the activations of torch and of skact; a class of each stands for its module
_STATELESS_MODULES = {nn.ReLU.__module__, RReLU.__module__}


def n_rows_at_once(module: nn.Module) -> int:
    """Return how many rows one part has at most."""
    widest = max(max(weight.shape, default=1) for weight in module.parameters())
    return max(_MIN_ROWS, _MAX_LAYER_VALUES // widest)


def n_weights(module: nn.Module) -> int:
    """Return the number of weights: about the multiplications for one row."""
    return sum(weight.numel() for weight in module.parameters())


def has_work_for_threads(module: nn.Module, parts: Sequence[slice]) -> bool:
    """Whether there are several parts, and threads would start in less time."""
    return len(parts) > 1 and parts[-1].start * n_weights(module) > LITTLE_WORK


def parts_of(module: nn.Module, X: Any) -> list[slice]:
    """Split the rows of X into parts; one forward pass takes one part."""
    n_rows: int = X.shape[0]
    step = n_rows if 0 < n_rows <= _MIN_ROWS else n_rows_at_once(module)
    return [slice(start, start + step) for start in range(0, n_rows, step)]


def outputs_in_parts(
    parts: Sequence[slice],
    X: Any,
    forward: Callable[[int, Tensor], Tensor],
    *,
    in_threads: bool = False,
) -> Iterator[Tensor]:
    """Yield the outputs for each part of checked X.

    Parameters
    ----------
    parts : sequence of slice
        From `parts_of`.
    X : ndarray or CSR matrix of shape (n, n_features)
        Sparse rows become dense part by part, to save memory.
    forward : callable
        Called with the number of the part and its rows.
    in_threads : bool, default=False
        Whether `forward` runs in several threads.
    """
    n_threads = count_free_threads() if in_threads else 1

    def compute_part(number: int) -> Tensor:
        return forward(number, to_tensor(X[parts[number]]))

    yield from map_in_threads(compute_part, range(len(parts)), n_threads)


def outputs_of_epochs(
    module: nn.Module,
    epochs: Sequence[Weights],
    X: Any,
    lend_generators: Callable[[], AbstractContextManager[None]] | None,
) -> Iterator[Tensor]:
    """Yield outputs (epochs, n, n_outputs) for checked X with the weights of epochs.

    The weights of many epochs of a small network are one tensor program, as a stack is.
    A network with custom parts computes them epoch by epoch.

    Parameters
    ----------
    module : nn.Module
        The function does not change it.
    epochs : sequence of dict of str to Tensor
        Weights by name.
    X : ndarray or CSR matrix of shape (n, n_features)
    lend_generators : callable or None
        Lends the global generators to custom parts; None: there are no custom parts.
    """
    n_rows, parts = X.shape[0], parts_of(module, X)
    is_stacked = lend_generators is None
    at_once = n_epochs_at_once(module, n_rows) if is_stacked else 1
    chunks = [epochs[i : i + at_once] for i in range(0, len(epochs), at_once)]
    is_much_work = n_rows * len(epochs) * n_weights(module) >= LITTLE_WORK
    n_threads = count_free_threads() if is_stacked and is_much_work else 1
    device = next(module.parameters()).device

    def forward(chunk: Sequence[Weights]) -> Tensor:  # (epochs, n, n_outputs)
        # `functional_call` changes the module during the call; chunks run in threads
        copied = copy.deepcopy(module).eval()
        stacked = stack_weights(chunk)

        def compute_epoch(weights: Weights, batch: Tensor) -> Tensor:
            return functional_call(copied, weights, (batch,))

        with torch.no_grad():
            outputs = []
            for part in parts:
                batch = to_tensor(X[part]).to(device)
                if is_stacked:
                    compute_epochs = vmap(compute_epoch, in_dims=(0, None))
                    outputs.append(compute_epochs(stacked, batch))
                    continue
                with lend_generators() if lend_generators else nullcontext():
                    outputs.append(compute_epoch(chunk[0], batch)[None])
            return torch.cat(outputs, dim=1)

    yield from map_in_threads(forward, chunks, n_threads)


def n_epochs_at_once(module: nn.Module, n_rows: int) -> int:
    """Return how many epochs one forward pass of n_rows takes at most."""
    return max(1, n_rows_at_once(module) // n_rows)


def stack_weights(epochs: Sequence[Weights]) -> Weights:
    """Stack the weights of epochs along a new first axis."""
    return {
        name: torch.stack([weights[name] for weights in epochs]) for name in epochs[0]
    }


def is_thread_safe(module: nn.Module) -> bool:
    """Whether several threads may call a network: no custom part, hook or watcher."""
    return (
        type(module) is MLP
        and all(map(_is_stateless, module.modules()))
        and all(map(_is_cpu_parameter, module.parameters()))
        and not is_watched()
    )


def _is_stateless(module: nn.Module) -> bool:
    """Whether a layer changes no attribute in evaluation mode, and calls no hook."""
    kind = type(module)
    known = kind in _STATELESS_LAYERS or (
        kind.__module__ in _STATELESS_MODULES and kind is not FunctionActivation
    )
    return known and "forward" not in vars(module) and not has_hooks(module)


def _is_cpu_parameter(weight: nn.Parameter) -> bool:
    """Whether a weight is on the CPU, and of no custom class."""
    return type(weight) is nn.Parameter and weight.device.type == "cpu"

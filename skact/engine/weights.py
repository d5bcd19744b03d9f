"""The weights of a network, epoch by epoch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

Weights = dict[str, Tensor]  # parameters and running statistics, by name


@dataclass(frozen=True)
class Trajectory:
    """What one fit did to a network: its weights after each epoch."""

    first_epoch: int  # epochs there were before, in earlier fits
    initial: Weights
    epochs: Sequence[Weights]
    X: Any  # the rows that trained: (n, n_features) array or CSR matrix
    targets: Any  # as the loss wants them


def weights_of(module: nn.Module) -> Weights:
    """Copy a network's parameters and running statistics as they are now."""
    named = [*module.named_parameters(), *module.named_buffers()]
    return {name: value.detach().clone() for name, value in named}

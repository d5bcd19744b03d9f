"""The weights of a network, epoch by epoch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

Weights = dict[str, Tensor]  # parameters and running statistics, by name


@dataclass(frozen=True)
class Trajectory:
    """Weights of a network after each epoch of one fit."""

    first_epoch: int  # number of epochs in earlier fits
    initial: Weights
    epochs: Sequence[Weights]
    X: Any  # training rows: (n, n_features) array or CSR matrix
    targets: Any  # y for the loss, as in FitJob


def weights_of(module: nn.Module) -> Weights:
    """Return copies of a network's parameters and running statistics."""
    named = [*module.named_parameters(), *module.named_buffers()]
    return {name: value.detach().clone() for name, value in named}

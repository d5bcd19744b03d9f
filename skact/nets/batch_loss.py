"""The loss of a batch, sum(w l) / sum(w): a row of weight 3 counts as three rows."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


def weighted_mean(
    net: Any, losses: Tensor, y_true: Tensor, X: Any
) -> tuple[Tensor, float]:
    """Return sum(w l) / sum(w) over the rows of a batch, and sum(w)."""
    weighted = isinstance(X, Mapping) and "sample_weight" in X
    if losses.ndim == 0:  # the criterion has averaged
        if weighted:
            raise ValueError(
                f"criterion={net.criterion!r} returns one value for the whole "
                f"batch, so sample_weight and class_weight cannot be used with it."
            )
        return losses, float(len(y_true))
    losses = mean_of_outputs(losses)
    weight = X["sample_weight"].to(losses) if weighted else torch.ones_like(losses)
    total = (weight * _criterion_weight_of_rows(net, y_true, losses)).sum()
    # avoids 0 / 0 in a batch of zero weights: its loss and gradient are 0
    floor = torch.finfo(losses.dtype).tiny
    return (losses * weight).sum() / total.clamp_min(floor), total.item()


def _criterion_weight_of_rows(net: Any, codes: Tensor, losses: Tensor) -> Tensor:
    """Return the weight that the mean of the criterion gives to each row."""
    if not isinstance(net.criterion_, nn.CrossEntropyLoss | nn.NLLLoss):
        return torch.ones_like(losses)
    codes = codes.to(losses.device)
    counted = (codes != net.criterion_.ignore_index).to(losses)
    weight = net.criterion_.weight
    return counted if weight is None else counted * weight[codes]


def mean_of_outputs(losses: Tensor) -> Tensor:
    """Return one loss for each row: the mean over the outputs of the row."""
    return losses.flatten(1).mean(1) if losses.ndim > 1 else losses

"""Whether the loss of a net counts any of its rows."""

from typing import Any

import numpy as np
from torch import nn


def has_options_of_loss(net: Any) -> bool:
    """Whether a criterion was given that may count some rows only."""
    return isinstance(net.criterion, nn.Module) or any(
        key.startswith("criterion__") for key in vars(net)
    )


def check_some_row_counts(
    net: Any, codes: np.ndarray, sample_weight: np.ndarray | None
) -> None:
    """Raise if no row has a weight in the loss: the fit would learn nothing.

    Parameters
    ----------
    net : BaseNet
        With its criterion.
    codes : ndarray of shape (n,)
        Class codes, for the losses that weigh classes.
    sample_weight : ndarray of shape (n,) or None
        Class weights included.

    Raises
    ------
    ValueError
    """
    criterion: Any = getattr(net, "criterion_", None)
    is_of_classes = isinstance(criterion, nn.CrossEntropyLoss | nn.NLLLoss)
    if not is_of_classes or codes.dtype.kind not in "iu" or codes.ndim > 1:
        return
    counts = codes != criterion.ignore_index
    if sample_weight is not None:
        counts = counts & (sample_weight > 0)
    weight = criterion.weight
    # torch says what is wrong with weights of another shape
    if weight is not None and weight.ndim == 1 and len(weight) > codes.max():
        counts = counts & (weight.detach().cpu().numpy()[codes] > 0)
    if not counts.any():
        raise ValueError(
            f"All rows have weight 0 in the criterion of {type(net).__name__} "
            f"(criterion__weight, criterion__ignore_index={criterion.ignore_index}, "
            f"class_weight, sample_weight): no row would count."
        )

"""Numbers of every spelling as numbers of Python, where the parts of a net read them.

Sums of ``np.int8`` overflow, ``np.float16`` ends at 65504, and torch takes no Fraction.
"""

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch

# of these torch's optimizers take tensors, and change them in place
_TENSORS = ("lr", "betas")


def plain_number(value: Any) -> Any:
    """Return a number as Python's own int or float; other values unchanged.

    Parameters
    ----------
    value : object

    Returns
    -------
    object

    Examples
    --------
    >>> from fractions import Fraction
    >>> plain_number(Fraction(1, 2)), plain_number(True), plain_number("0.5")
    (0.5, True, '0.5')
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, Integral):
        return int(value)
    return float(value) if isinstance(value, Real) else value


def plain_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options of a part whose numbers are Python's own."""
    return {name: plain_number(value) for name, value in options.items()}


def plain_optimizer_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options of an optimizer, or a group of them, with Python's own numbers.

    Also those in tuples, and tensors of one element where a step takes no tensor.
    """
    plain = {}
    for name, value in options.items():
        if isinstance(value, torch.Tensor) and name not in _TENSORS:
            value = value.item() if value.numel() == 1 else value
        if isinstance(value, np.ndarray) and value.ndim == 0:
            value = value.item()
        if isinstance(value, tuple | list | np.ndarray) and name != "params":
            value = tuple(map(plain_number, value))
        plain[name] = plain_number(value)
    return plain

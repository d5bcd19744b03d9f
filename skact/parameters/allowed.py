"""What values a parameter may have, in a test and in words."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch


@dataclass(frozen=True)
class Allowed:
    """The allowed values of one parameter."""

    is_met_by: Callable[[Any], bool]
    description: str  # of the allowed values, for the error


def is_int(value: Any, low: int) -> bool:
    """Whether a value is an integer, of Python or numpy, from a lowest one on."""
    integral = isinstance(value, Integral) and not isinstance(value, bool)
    return integral and int(value) >= low


def is_finite_number(value: Any) -> bool:
    """Whether a value is a number that a float can hold."""
    number = isinstance(value, Real) and not isinstance(value, bool | np.bool_)
    try:
        return number and math.isfinite(value)
    except OverflowError:  # an int that no float can hold
        return False


def is_iterable(value: Any) -> bool:
    """Whether a value can be iterated over; an array without a dimension cannot."""
    is_number = isinstance(value, np.ndarray | torch.Tensor) and value.ndim == 0
    return hasattr(value, "__iter__") and not is_number


def allow_int_from(low: int) -> Allowed:
    """Allow integers from a lowest one on."""
    return Allowed(lambda value: is_int(value, low), f"an int >= {low}")


def allow_one_of(*values: Any) -> Allowed:
    """Allow some strings, and None if it is among them."""
    # isinstance first: comparing an array with a string is elementwise
    return Allowed(
        lambda value: (value is None or isinstance(value, str)) and value in values,
        "one of " + ", ".join(map(repr, values)),
    )


BOOL = Allowed(lambda value: isinstance(value, bool | np.bool_), "True or False")

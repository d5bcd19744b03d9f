"""A learning rate to start with for each activation, from measurements.

A comparison at one learning rate is unfair, because the best rate depends on the
activation (Holzmueller et al. 2024, arXiv:2407.04491, Table B.1: the best rate of Mish
is 1.5 times the best rate of ReLU, and tuning the rate changes the ranking).
"""

from typing import Any

from skact.activations.modules import activation_name
from skact.activations.rate_table import rate_of_name


def recommended_lr(activation: Any, optimizer: str = "adam") -> float:
    """Return a learning rate to start with.

    Parameters
    ----------
    activation : activation spec
        A name with or without parameters, or any other spec that an estimator takes.
    optimizer : {"adam", "adamw", "sgd"}, default="adam"

    Returns
    -------
    float
        The rate of "relu" for activations that were not measured.

    Examples
    --------
    >>> from skact.activations.learning_rates import recommended_lr
    >>> recommended_lr("relu"), recommended_lr("sigmoid") / recommended_lr("relu") > 5
    (0.002, True)
    """
    return rate_of_name(activation_name(activation), optimizer)

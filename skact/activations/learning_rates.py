"""A learning rate to start with for each activation, from measurements.

A comparison at one learning rate is unfair, because the best rate depends on the
activation (Holzmueller et al. 2024, arXiv:2407.04491, Table B.1: the best rate of Mish
is 1.5 times the best rate of ReLU, and tuning the rate changes the ranking).
"""

from typing import Any

from skact.activations.modules import activation_name

# The rate with the least held-out loss, divided by the same rate of relu: the median of
# six tables, from benchmarks/learning_rates.py, to two digits. Other activations get
# the rate of relu.
RATE_FACTORS: dict[str, dict[str, float]] = {
    "adam": {
        "celu": 1.8,
        "elu": 1.8,
        "gelu": 0.91,
        "hardshrink": 1.4,
        "hardsigmoid": 13,
        "hardswish": 1.1,
        "hardtanh": 1.2,
        "identity": 0.71,
        "leaky_relu": 1.1,
        "logsigmoid": 2.6,
        "mish": 1,
        "prelu": 1.3,
        "relu": 1,
        "relu6": 0.96,
        "rrelu": 1.7,
        "selu": 1.6,
        "sigmoid": 10,
        "silu": 1.1,
        "softplus": 4.7,
        "softshrink": 1.8,
        "softsign": 2.1,
        "swish_beta": 1.1,
        "tanh": 1.7,
        "tanhshrink": 2.1,
        "threshold": 1,
    },
    "sgd": {
        "celu": 1.4,
        "elu": 1.4,
        "gelu": 0.97,
        "hardshrink": 1.5,
        "hardsigmoid": 29,
        "hardswish": 1,
        "hardtanh": 0.92,
        "identity": 0.75,
        "leaky_relu": 0.92,
        "logsigmoid": 4.4,
        "mish": 1.1,
        "prelu": 0.73,
        "relu": 1,
        "relu6": 0.9,
        "rrelu": 1.3,
        "selu": 0.87,
        "sigmoid": 23,
        "silu": 1.2,
        "softplus": 3.5,
        "softshrink": 1.2,
        "softsign": 2.6,
        "swish_beta": 1.2,
        "tanh": 1.3,
        "tanhshrink": 1.1,
        "threshold": 1,
    },
}
# Rates of relu. The log-loss after 500 steps was least at .001 (adam) and .012 (sgd);
# shorter trainings, and the accuracy, need higher rates.
RELU_RATES = {"adam": 0.003, "sgd": 0.03}


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
    (0.003, True)
    """
    kind = _table_of(optimizer)
    name = activation_name(activation).partition("(")[0].strip().lower()
    return RELU_RATES[kind] * RATE_FACTORS[kind].get(name, 1.0)


def _table_of(name: str) -> str:
    if name.lower() not in ("adam", "adamw", "sgd"):
        raise ValueError(f"optimizer must be 'adam', 'adamw' or 'sgd', got {name!r}.")
    return "sgd" if name.lower() == "sgd" else "adam"

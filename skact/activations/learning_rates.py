"""The learning rate that suits an activation, as measured.

An activation that is tried only at the learning rate of another one loses for the wrong
reason (Holzmueller et al. 2024, arXiv:2407.04491, Table B.1: the best rate of Mish is
1.5 times that of ReLU, and re-tuning changes the ranking).
"""

from typing import Any

from skact.activations.modules import activation_name

# Where the held-out loss was least, median of six tables, over that of relu's: what
# benchmarks/learning_rates.py found, to two digits. Others count as relu.
RATES: dict[str, dict[str, float]] = {
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
# between what was least there, .001 and .012 after 500 steps by the log-loss, and what
# shorter trainings and the accuracy want
OF_RELU = {"adam": 0.003, "sgd": 0.03}


def suiting_lr(activation: Any, optimizer: str = "adam") -> float:
    """Return the learning rate to begin with.

    Parameters
    ----------
    activation : activation spec
        A name with or without parameters, or whatever else an estimator takes.
    optimizer : {"adam", "adamw", "sgd"}, default="adam"

    Returns
    -------
    float
        That of "relu" for what was not measured.

    Examples
    --------
    >>> from skact.activations.learning_rates import suiting_lr
    >>> suiting_lr("relu"), suiting_lr("sigmoid") / suiting_lr("relu") > 5
    (0.003, True)
    """
    kind = _kind_of(optimizer)
    name = activation_name(activation).partition("(")[0].strip().lower()
    return OF_RELU[kind] * RATES[kind].get(name, 1.0)


def _kind_of(name: str) -> str:
    if name not in ("adam", "adamw", "sgd"):
        raise ValueError(f"optimizer must be 'adam', 'adamw' or 'sgd', got {name!r}.")
    return "sgd" if name == "sgd" else "adam"

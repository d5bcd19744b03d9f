"""Learning rates that suit, by the names of activations; loads no torch.

The one source of suitable rates: `activation_grid`, `search` and `diagnose` read it.
"""

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
# shorter trainings, and the accuracy, need higher rates. That of "adam" is the default
# `lr` of the estimators, and `benchmarks/defaults.py` has its figures.
RELU_RATES = {"adam": 0.002, "sgd": 0.03}


def rate_of_name(name: str, optimizer: str = "adam") -> float:
    """Return a learning rate to start with, by a name with or without parameters.

    Parameters
    ----------
    name : str
        Such as "leaky_relu(0.2)". What was not measured has the rate of "relu".
    optimizer : {"adam", "adamw", "sgd"}, default="adam"

    Returns
    -------
    float

    Examples
    --------
    >>> from skact.activations.rate_table import rate_of_name
    >>> rate_of_name("relu"), rate_of_name("relu", "sgd")
    (0.002, 0.03)
    """
    kind = _table_of(optimizer)
    bare = name.partition("(")[0].strip().lower()
    return RELU_RATES[kind] * RATE_FACTORS[kind].get(bare, 1.0)


def _table_of(name: str) -> str:
    if name.lower() not in ("adam", "adamw", "sgd"):
        raise ValueError(f"optimizer must be 'adam', 'adamw' or 'sgd', got {name!r}.")
    return "sgd" if name.lower() == "sgd" else "adam"

"""Parameter grids in which each activation has learning rates around its own."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from scipy.stats import loguniform

from skact.activations.build import make_activation
from skact.activations.learning_rates import recommended_lr
from skact.naming import short_name

DEFAULT_ACTIVATIONS = (
    "relu",
    "leaky_relu",
    "elu",
    "selu",
    "gelu",
    "silu",
    "mish",
    "tanh",
)
_RATE_SPAN = 30.0  # greatest over least learning rate of an activation


def activation_grid(
    activations: Iterable[Any] | None = None,
    *,
    n_lr: int = 3,
    lr: float | None = None,
    optimizer: str = "adam",
    prefix: str = "",
    **others: Any,
) -> list[dict[str, list[Any]]]:
    """Return a parameter grid in which each activation has rates around its own.

    Parameters
    ----------
    activations : list of activation specs, default=None
        None: relu, leaky_relu, elu, selu, gelu, silu, mish and tanh.
    n_lr : int, default=3
        Learning rates of each activation, spaced evenly in their logarithms over a
        factor of 30 around the recommended rate of the activation.
    lr : float, default=None
        The best rate of "relu" for the data, if it is known; all other rates scale with
        it. None: .002 for "adam", .03 for "sgd".
    optimizer : {"adam", "adamw", "sgd"}, default="adam"
        The optimizer of the rates. It is not part of the grid.
    prefix : str, default=""
        Before each name, such as ``"actmlp__"`` in a pipeline.
    **others : list
        Values of other parameters, the same for all activations: ``width=[32, 128]``.

    Returns
    -------
    list of dict
        For ``GridSearchCV(net, activation_grid())``.

    Raises
    ------
    ValueError, TypeError
        If an activation or another parameter has a wrong value or type.

    Notes
    -----
    The rates were measured with two hidden layers of 64 units and the weights of
    ``init="auto"``: ``benchmarks/README.md`` has the figures. Far fewer than 200 steps
    of the optimizer need higher rates: give `lr`, or train for more epochs.

    See Also
    --------
    activation_distributions : The same for ``RandomizedSearchCV``.
    suggest_activation : The same for Optuna.

    Examples
    --------
    >>> from skact import activation_grid
    >>> for part in activation_grid(["relu", "tanh"], n_lr=2, width=[32]):
    ...     print(part["activation"], [f"{lr:.2g}" for lr in part["lr"]], part["width"])
    ['relu'] ['0.00037', '0.011'] [32]
    ['tanh'] ['0.00062', '0.019'] [32]
    """
    if not (isinstance(n_lr, int | np.integer) and n_lr >= 1):
        raise ValueError(f"n_lr must be an int >= 1, got {n_lr!r}.")
    for name, values in others.items():
        if name == "activation":
            raise TypeError("activation is what activations= names.")
        if isinstance(values, str) or not isinstance(values, Iterable):
            raise TypeError(f"{name} must be a list of values, got {values!r}.")
    shared = {f"{prefix}{name}": list(values) for name, values in others.items()}
    grids = []
    for spec, low, high in _rate_ranges(activations, lr, optimizer):
        rates = np.geomspace(low, high, n_lr) if n_lr > 1 else [np.sqrt(low * high)]
        rounded = [float(f"{rate:.2g}") for rate in rates]
        grids.append({f"{prefix}activation": [spec], f"{prefix}lr": rounded, **shared})
    return grids


def activation_distributions(
    activations: Iterable[Any] | None = None,
    *,
    lr: float | None = None,
    optimizer: str = "adam",
    prefix: str = "",
    **others: Any,
) -> list[dict[str, Any]]:
    """Return distributions in which each activation has rates around its own.

    Parameters
    ----------
    activations : list of activation specs, default=None
        None: relu, leaky_relu, elu, selu, gelu, silu, mish and tanh.
    lr : float, default=None
        The best rate of "relu" for the data; None: .002 for "adam", .03 for "sgd".
    optimizer : {"adam", "adamw", "sgd"}, default="adam"
        The optimizer of the rates.
    prefix : str, default=""
        Before each name, such as ``"actmlp__"`` in a pipeline.
    **others : list or distribution
        Values of other parameters, the same for all activations.

    Returns
    -------
    list of dict
        For ``RandomizedSearchCV(net, activation_distributions(), n_iter=40)``. The
        search draws one of the dicts, hence an activation, then a log-uniform rate.

    Examples
    --------
    >>> from skact import activation_distributions
    >>> part = activation_distributions(["relu"])[0]
    >>> bool(0.0005 < part["lr"].rvs(random_state=0) < 0.017)
    True
    """
    shared = {f"{prefix}{name}": values for name, values in others.items()}
    return [
        {f"{prefix}activation": [spec], f"{prefix}lr": loguniform(low, high), **shared}
        for spec, low, high in _rate_ranges(activations, lr, optimizer)
    ]


def suggest_activation(
    trial: Any,
    activations: Sequence[str] | None = None,
    *,
    lr: float | None = None,
    optimizer: str = "adam",
    prefix: str = "",
) -> dict[str, Any]:
    """Let a trial of Optuna suggest an activation and a rate in its range.

    Parameters
    ----------
    trial : optuna.trial.Trial
    activations : list of str, default=None
        Names, because Optuna stores its choices; None as in :func:`activation_grid`.
    lr : float, default=None
        The best rate of "relu" for the data; None: .002 for "adam", .03 for "sgd".
    optimizer : {"adam", "adamw", "sgd"}, default="adam"
        The optimizer of the rates.
    prefix : str, default=""
        Before each name, such as ``"actmlp__"`` in a pipeline.

    Returns
    -------
    dict
        For ``net.set_params(**suggest_activation(trial))``. Optuna keeps the rate as
        ``lr_<activation>``, with a range for each activation;
        :func:`~skact.params_of_trial` gives it back as ``lr``.

    Raises
    ------
    TypeError
        If `trial` cannot suggest values, as a study cannot.

    See Also
    --------
    params_of_trial : From the parameters of a trial back to those of a net.

    Examples
    --------
    >>> class Trial:  # stands in for Optuna's
    ...     def suggest_categorical(self, name, choices): return choices[0]
    ...     def suggest_float(self, name, low, high, log): return low
    >>> from skact import suggest_activation
    >>> suggest_activation(Trial(), ["tanh", "relu"])["activation"]
    'tanh'
    """
    _check_trial(trial)
    found = _rate_ranges(activations, lr, optimizer)
    ranges = {str(spec): (low, high) for spec, low, high in found}
    name = trial.suggest_categorical(f"{prefix}activation", list(ranges))
    # one parameter for each activation: samplers learn the range of each by itself
    rate = trial.suggest_float(f"{prefix}lr_{name}", *ranges[name], log=True)
    return {f"{prefix}activation": name, f"{prefix}lr": rate}


def _check_trial(trial: Any) -> None:
    """Raise TypeError for what cannot suggest values, such as a study."""
    methods = ("suggest_categorical", "suggest_float")
    if isinstance(trial, type) or not all(hasattr(trial, name) for name in methods):
        raise TypeError(
            f"trial must be a trial of Optuna, which the objective gets and "
            f"study.ask() returns; got {short_name(trial)!r} of type "
            f"{type(trial).__name__}."
        )


def _rate_ranges(
    activations: Iterable[Any] | None, lr: float | None, optimizer: str
) -> list[tuple[Any, float, float]]:
    """Return each activation with its least and its greatest rate."""
    if isinstance(activations, str):
        raise TypeError(f"activations must be a list, got {activations!r}.")
    specs = list(DEFAULT_ACTIVATIONS if activations is None else activations)
    if not specs:
        raise ValueError("activations must name at least one; got none.")
    if lr is not None and not (isinstance(lr, int | float) and 0 < lr < np.inf):
        raise ValueError(f"lr must be a finite number > 0, got {lr!r}.")
    scale = 1.0 if lr is None else lr / recommended_lr("relu", optimizer)
    found = []
    for spec in specs:
        make_activation(spec)  # raises an error if the spec is invalid
        middle = recommended_lr(spec, optimizer) * scale
        found.append((spec, middle / _RATE_SPAN**0.5, middle * _RATE_SPAN**0.5))
    return found

"""What a search tries: candidates drawn from activations, rates, sizes, noise, ways."""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from skact.activations.param_grids import activation_grid

# (depth, width). Few shapes, because nets of one shape share the steps of a stack. Not
# those whose weights cost much more than they gain, such as 3 x 512.
_SIZES = ((1, 256), (1, 512), (2, 128), (2, 256), (3, 128), (3, 256))
_SMALL_SIZES = ((1, 64), (1, 128), (2, 64), (2, 128), (3, 64))
_FEW_ROWS = 1_000  # have small nets
# a parameter that the user gives is not searched
OTHERS = {"dropout": (0.0, 0.1, 0.3), "weight_decay": (0.01, 0.3)}
# of relu, for trainings of many steps; `activation_grid` is made for some hundred
_RATE_OF_LONG_TRAINING = 0.0015
_STEPS_OF_LONG_TRAINING = 1_000


def sizes_to_try(
    depths: Sequence[int] | None, widths: Sequence[int] | None, n_rows: int
) -> list[tuple[int, int]]:
    """Return pairs of depth and width; None: those that suit the number of rows.

    Examples
    --------
    >>> sizes_to_try([2], None, 500), sizes_to_try([1, 2], [8], 500)
    ([(2, 64), (2, 128)], [(1, 8), (2, 8)])
    """
    usual = _SMALL_SIZES if n_rows < _FEW_ROWS else _SIZES
    if depths is None and widths is None:
        return [*usual]
    if depths is None:
        depths = sorted({depth for depth, _ in usual})
    if widths is None:  # those of the nearest depth that is tried
        known = [depth for depth, _ in usual]
        return [
            (depth, width)
            for depth in depths
            for near, width in usual
            if near == min(known, key=lambda one: abs(one - depth))
        ]
    return [(depth, width) for depth in depths for width in widths]


def draw_candidates(
    n_candidates: int,
    activations: Iterable[Any] | None,
    *,
    n_lr: int,
    lr: Sequence[float] | None = None,
    n_steps: int,
    optimizer: Any,
    sizes: Sequence[tuple[int, int]],
    others: Mapping[str, Sequence[Any]],
    random_state: int | None,
) -> list[dict[str, list[Any]]]:
    """Return candidates for ``GridSearchCV``; all, if there are not more.

    Each activation gets the same number of candidates, and each of its learning rates,
    as nearly as possible; all else is drawn.

    Parameters
    ----------
    n_candidates : int
        The number to draw.
    activations : list of activation specs or None
        None: the default of :func:`~skact.activation_grid`.
    n_lr : int
        Learning rates for each activation.
    lr : list of float or None
        Rates to try instead, for all activations.
    n_steps : int
        Steps of the longest training, which decide about the rates.
    optimizer : object
        A name, or a class, which gets the rates of "adam".
    sizes : list of (int, int)
        Pairs of depth and width.
    others : dict
        The values of each other parameter.
    random_state : int or None
        Seed of the draw.

    Returns
    -------
    list of dict
        Each with one value for each parameter.

    Examples
    --------
    >>> options = {"n_lr": 2, "n_steps": 99, "optimizer": "adam", "random_state": 0}
    >>> options |= {"sizes": [(1, 8)], "others": {}}
    >>> found = draw_candidates(4, ["relu", "tanh"], **options)
    >>> sorted((one["activation"][0], one["lr"][0]) for one in found)
    [('relu', 0.00037), ('relu', 0.011), ('tanh', 0.00062), ('tanh', 0.019)]
    """
    rng = np.random.default_rng(random_state)
    long = n_steps >= _STEPS_OF_LONG_TRAINING
    name = optimizer if isinstance(optimizer, str) else "adam"
    grids = activation_grid(
        activations,
        n_lr=n_lr,
        lr=_RATE_OF_LONG_TRAINING if long and name.lower() != "sgd" else None,
        optimizer=name,
    )
    if lr is not None:
        n_lr, grids = len(lr), [{**grid, "lr": [*lr]} for grid in grids]
    others = {"size": sizes, **others}
    n_others = math.prod(map(len, others.values()))
    n_each = _share_out(n_candidates, [n_lr * n_others] * len(grids))
    drawn = []
    for grid, n_of_activation in zip(grids, n_each, strict=True):
        n_of_rates = _share_out(n_of_activation, [n_others] * n_lr)
        # the middle rate first, if there are not enough candidates for all
        order = np.argsort(np.abs(np.arange(n_lr) - (n_lr - 1) / 2), kind="stable")
        for place, n_of_rate in zip(order, n_of_rates, strict=True):
            for number in rng.choice(n_others, n_of_rate, replace=False):
                rest = _combination(others, int(number))
                depth, width = rest.pop("size")
                found = {"depth": depth, "width": width, "lr": grid["lr"][place]} | rest
                drawn.append(
                    {
                        "activation": grid["activation"],
                        **{key: [value] for key, value in found.items()},
                    }
                )
    return drawn


def _share_out(number: int, limits: Sequence[int]) -> list[int]:
    """Share a number out evenly, the first getting more, none more than its limit."""
    shares = [0] * len(limits)
    for place in itertools.cycle(range(len(limits))):
        if sum(shares) >= min(number, sum(limits)):
            return shares
        shares[place] += shares[place] < limits[place]
    return shares


def _combination(values: Mapping[str, Sequence[Any]], number: int) -> dict[str, Any]:
    """Return one of all combinations of values, by its number."""
    found = {}
    for key, of_key in values.items():
        number, place = divmod(number, len(of_key))
        found[key] = of_key[place]
    return found

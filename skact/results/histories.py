"""The training history of a fitted net, epoch by epoch."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sklearn.exceptions import NotFittedError

from skact.naming import Scalar, name_values, short_name
from skact.results.schema import sort_recorded

# values of each batch: a row of an epoch has no place for them
_BATCH_KEYS = {"batches", "train_batch_count", "valid_batch_count"}


def net_of(estimator: Any) -> Any:
    """Return the last step of a pipeline, or the estimator itself."""
    steps = getattr(estimator, "steps", None)
    return steps[-1][1] if isinstance(steps, list) and steps else estimator


def is_net(estimator: Any) -> bool:
    """Whether an estimator, or the last step of a pipeline, keeps a history."""
    net = net_of(estimator)
    return not isinstance(net, type) and hasattr(type(net), "history")


def epochs_of_net(estimator: Any) -> dict[str, list[Scalar | None]]:
    """Read the history of a fitted net: columns with a cell for each epoch.

    A cell is None where the value is missing or NaN.
    """
    return columns_of_history(_history_of(estimator))


def columns_of_history(
    history: Sequence[Mapping[str, Any]],
) -> dict[str, list[Scalar | None]]:
    """Turn a history into columns with a cell for each epoch."""
    keys = dict.fromkeys(str(key) for epoch in history for key in epoch)
    columns: dict[str, list[Scalar | None]] = {}
    for key in sort_recorded(keys):
        if key in _BATCH_KEYS:
            continue
        known = [i for i, epoch in enumerate(history) if not _is_missing(epoch, key)]
        named = name_values(history[i][key] for i in known)
        columns[key] = [None] * len(history)
        for i, cell in zip(known, named, strict=True):
            columns[key][i] = cell
    return columns


def params_that_differ(nets: Sequence[Any]) -> dict[str, list[Scalar | None]]:
    """Return those parameters of nets that have several values: a value for each net.

    Nested parameters, such as ``optimizer__eps``, count if a net was given them. None
    stands for a net that has no such parameter.
    """
    several = [
        net.get_params(deep=False) if hasattr(net, "get_params") else {}
        for net in map(net_of, nets)
    ]
    names = dict.fromkeys(key for params in several for key in params)
    found = {}
    for name in names:
        having = [i for i, params in enumerate(several) if name in params]
        values = name_values(several[i][name] for i in having)
        if name == "callbacks":  # copies of one callback may be of different states
            values = [name_values([several[i][name]])[0] for i in having]
        column: list[Scalar | None] = [None] * len(several)
        for i, value in zip(having, values, strict=True):
            column[i] = value
        if len({(type(value), value) for value in column}) > 1:
            found[name] = column
    return found


def _is_missing(epoch: Mapping[str, Any], key: str) -> bool:
    value = epoch.get(key)
    return value is None or (isinstance(value, float) and math.isnan(value))


def _history_of(estimator: Any) -> list[Mapping[str, Any]]:
    net = net_of(estimator)
    if not is_net(estimator):
        raise TypeError(
            "obj must be a fitted net of skact or skorch, a pipeline that ends in one, "
            f"or a list or dict of several, for level='epoch'; got "
            f"{short_name(estimator)!r} of type {type(estimator).__name__}."
        )
    history = getattr(net, "history_", None)
    if not history:
        raise NotFittedError(
            f"This {type(net).__name__} has no training history yet: call its 'fit' "
            f"before looking at it."
        )
    return list(history)

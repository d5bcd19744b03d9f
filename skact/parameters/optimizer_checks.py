"""What an optimizer's groups may hold: patterns that match, values that torch takes."""

import fnmatch
import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

from skact._torch import build_optimizer

# what an optimizer is built of
OPTIMIZER_PARAMETERS = ("optimizer", "lr", "weight_decay", "momentum", "nesterov")
_GROUP = "optimizer__param_groups__"


def check_patterns(groups: Iterable[tuple[str, Any]], names: Iterable[str]) -> None:
    """Raise at a pattern of ``optimizer__param_groups`` that matches no parameter.

    Parameters
    ----------
    groups : iterable of (str, dict)
    names : iterable of str
        Of the parameters of the network.

    Raises
    ------
    ValueError
        skorch would drop the group, and say nothing.
    """
    names = list(names)
    left = names
    for pattern, _ in groups:
        if not fnmatch.filter(left, pattern):
            taken = " that earlier patterns leave" if len(left) < len(names) else ""
            raise ValueError(
                f"The pattern {pattern!r} in optimizer__param_groups matches no "
                f"parameter of the network{taken}: {', '.join(left)}."
            )
        left = [name for name in left if not fnmatch.fnmatch(name, pattern)]


def check_groups(optimizer: torch.optim.Optimizer, given: Iterable[str]) -> None:
    """Let torch check the groups of an optimizer as it checks the constructor's values.

    Of a group it would take every key and every value.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
        Of torch, whose classes take as keywords what groups hold.
    given : iterable of str
        Names of options that a user gave, in the constructor or later.

    Raises
    ------
    TypeError, ValueError, IndexError
        As the constructor raises them.
    """
    kind = type(optimizer)
    checked = {*given, *inspect.signature(kind).parameters} - {"params", "name"}
    for group in optimizer.param_groups:
        options = {key: value for key, value in group.items() if key in checked}
        build_optimizer(kind, [torch.zeros(1)], **options)
        betas = options.get("betas", (0, 0))
        if len(betas) != 2:
            raise ValueError(f"optimizer__betas must be two numbers, got {betas!r}.")


def is_of_torch(kind: Any) -> bool:
    """Whether it is a class of torch itself, whose keywords mean what torch says."""
    return isinstance(kind, type) and kind.__module__.startswith("torch.")


def given_options(params: Mapping[str, Any]) -> set[str]:
    """Return the names of the options that ``optimizer__*`` of a net give."""
    prefix = "optimizer__"
    names = {key.removeprefix(prefix) for key in params if key.startswith(prefix)}
    groups = params.get("optimizer__param_groups", ())
    return (names - {"param_groups"}).union(*(group for _, group in groups))


def is_refused_option(key: str) -> bool:
    """Whether ``optimizer__*`` is no option of a live optimizer: a fit refuses it."""
    prefix, separator, option = key.partition("__")
    is_group = option.startswith("param_groups__")
    last = option.rpartition("__")[-1]
    if prefix != "optimizer" or not separator:
        return False
    return last in ("", "params") or ("__" in option and not is_group)


def options_to_store(
    options: Mapping[str, Any], groups: Sequence[tuple[str, Any]]
) -> dict[str, Any]:
    """Return parameters that say what options of a live optimizer say.

    Parameters
    ----------
    options : mapping
        Also skorch's names of an option of one group, such as
        ``optimizer__param_groups__0__lr``.
    groups : sequence of (str, dict)
        ``optimizer__param_groups`` so far.

    Returns
    -------
    dict
        Names of parameters that a constructor takes, and their values.

    Raises
    ------
    ValueError
        If there is no group of a number.
    """
    stored: dict[str, Any] = {}
    for key, value in options.items():
        number, _, option = key.removeprefix(_GROUP).partition("__")
        if not key.startswith(_GROUP):
            stored[key] = value
            continue
        # the last group has the parameters that no pattern matches
        new = [*groups, *([] if ("*", {}) in groups else [("*", {})])]
        if not (number.isdigit() and int(number) < len(new) and option):
            raise ValueError(
                f"{key!r} names no group of the optimizer: there are groups 0 to "
                f"{len(groups)}, as optimizer__param_groups__0__lr."
            )
        pattern, old = new[int(number)]
        new[int(number)] = (pattern, {**old, option: value})
        groups = new if new[-1][1] else new[:-1]
        stored["optimizer__param_groups"] = groups
    return stored


def check_rates(net: Any, groups: Iterable[Mapping[str, Any]]) -> None:
    """Raise at a learning rate with which no fit can go on.

    Parameters
    ----------
    net : BaseNet
        One of its callbacks has set the rate.
    groups : iterable of dict
        Of an optimizer, each with its "lr".

    Raises
    ------
    ValueError
    """
    for group in groups if isinstance(groups, list) else ():
        lr = float(group.get("lr", 0))
        if not lr >= 0:  # also NaN; with an infinite rate the fit diverges
            setters = [
                f"{name!r} ({type(callback).__name__})"
                for name, callback in net.callbacks_
                if hasattr(callback, "lr_scheduler_")
            ]
            by = f" by the callback {' or '.join(setters)}" if setters else ""
            raise ValueError(
                f"The learning rate of {type(net).__name__} was set to {lr}{by}; it "
                f"must be a number >= 0."
            )

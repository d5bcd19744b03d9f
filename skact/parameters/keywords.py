"""Keywords of parts: in the signature of the part, and of the kind of its default.

torch takes ``pin_memory="no"`` as True, and a NaN wherever a number may be.
"""

import functools
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import nn

from skact.parameters.allowed import (
    BOOL,
    Allowed,
    allow_int_from,
    allow_one_of,
    is_finite_number,
    is_int,
    is_iterable,
)
from skact.parameters.hints import nearest

BATCH_SIZE = Allowed(
    lambda value: is_int(value, 1) or (is_int(value, -1) and value == -1),
    "an int >= 1, or -1 for all rows in one batch",
)
_LENGTH = Allowed(
    lambda value: value is None or (is_int(value, 0) and value <= sys.maxsize),
    f"None or an int from 0 to {sys.maxsize}",
)
OPTIONAL_BOOL = Allowed(
    lambda value: value is None or BOOL.is_met_by(value), "None, True or False"
)
_OPTIONAL_ITERABLE = Allowed(
    lambda value: value is None or is_iterable(value), "None or an iterable"
)
_OPTIONAL_CALLABLE = Allowed(
    lambda value: value is None or callable(value), "None or a callable"
)
_OF_LOADERS: Mapping[str, Allowed] = {
    "batch_size": BATCH_SIZE,
    "generator": Allowed(
        lambda value: value is None or isinstance(value, torch.Generator),
        "None or a torch.Generator",
    ),
    "shuffle": BOOL,
    "collate_fn": _OPTIONAL_CALLABLE,
    "num_workers": Allowed(  # each is a process: a slip would fill the memory
        lambda value: is_int(value, 0) and value <= 256, "an int from 0 to 256"
    ),
    "sampler": _OPTIONAL_ITERABLE,
    "batch_sampler": _OPTIONAL_ITERABLE,
    "worker_init_fn": _OPTIONAL_CALLABLE,
}
# whose own errors come too late, or in words of their own
KEYWORDS: Mapping[str, Allowed] = {
    **{
        f"iterator_{use}__{name}": allowed
        for name, allowed in _OF_LOADERS.items()
        for use in ("train", "valid")
    },
    "compile__mode": Allowed(
        lambda value: value is None or isinstance(value, str),
        "None or the name of a mode such as 'reduce-overhead'",
    ),
    "compile__backend": Allowed(
        lambda value: isinstance(value, str) or callable(value),
        "the name of a backend such as 'inductor', or a callable",
    ),
    "compile__options": Allowed(
        lambda value: value is None or isinstance(value, Mapping), "None or a dict"
    ),
    "compile__fullgraph": BOOL,
    "compile__dynamic": OPTIONAL_BOOL,
    "compile__disable": BOOL,
    "optimizer__foreach": OPTIONAL_BOOL,
    "optimizer__fused": OPTIONAL_BOOL,
    "optimizer__line_search_fn": allow_one_of(None, "strong_wolfe"),
    "optimizer__differentiable": Allowed(
        lambda value: value is False, "False: a fit takes no gradient through its steps"
    ),
    "optimizer__capturable": Allowed(
        lambda value: value is False, "False: a fit captures no graph of its steps"
    ),
    "dataset__length": _LENGTH,
}


def check_keywords(name: str, params: Mapping[str, Any]) -> None:
    """Check the keywords of the parts of a net: their names, kinds and numbers.

    Parameters
    ----------
    name : str
        Class of the estimator, for the message.
    params : mapping
        Parameter names and values; "optimizer" as a class.

    Raises
    ------
    ValueError
        The message names the keyword, its value and what is allowed.
    """
    _check_names_of_unread_parts(name, params)
    _check_reduction(name, params)
    for key, option, value in _options_of(params):
        kind = params[key.partition("__")[0]]
        shown = key if key.endswith(f"__{option}") else f"{key}: {option}"
        if shown.startswith("optimizer") and option == "params":
            raise ValueError(
                f"{name} gives its optimizer the parameters of its network, so it "
                f"cannot take {shown!r}, got {value!r}."
            )
        if key.startswith("optimizer__") and "__" in option:
            raise ValueError(f"{name} got an unexpected parameter {key!r}.")
        allowed = _allowed_values(kind, option, value)
        if allowed is not None and not allowed.is_met_by(value):
            raise ValueError(
                f"The {shown!r} parameter of {name} must be {allowed.description}, got "
                f"{value!r}."
            )


def _options_of(params: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield the key, the name and the value of each option of a part."""
    for key, value in params.items():
        part, separator, option = key.partition("__")
        if key == "optimizer__param_groups":
            for group in _groups_in(value):
                yield from ((key, *item) for item in group.items())
        elif separator and part in _PARTS:
            yield key, option, value
    criterion = params["criterion"]
    if isinstance(criterion, nn.Module):  # an instance has its options already
        options = dict(criterion.named_buffers())
        kind: Any = type(criterion)
        names = _parameters_of(kind) if _is_of_torch(kind) else ()
        options |= {
            one: getattr(criterion, one) for one in names if one in vars(criterion)
        }
        for option, value in options.items():
            yield "criterion", option, value


_PARTS = ("optimizer", "criterion", "iterator_train", "iterator_valid")


def _groups_in(groups: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the options of groups; what is no group, skorch refuses."""
    for pair in groups if isinstance(groups, list | tuple) else ():
        if isinstance(pair, list | tuple) and isinstance(pair[-1], Mapping):
            yield pair[-1]


# ------------------------------------------------------------------ kinds of values


def _is_finite(value: Any) -> bool:
    if isinstance(value, torch.Tensor):
        return _has_real_numbers(value) and bool(value.isfinite().all())
    return is_finite_number(value)


def _has_real_numbers(tensor: torch.Tensor) -> bool:
    """Whether a tensor has numbers, in memory, that are neither complex nor sparse."""
    is_read = tensor.layout == torch.strided and not tensor.is_meta
    return is_read and not tensor.is_complex()


def _is_number(value: Any) -> bool:
    """Whether a value is a finite number, also as a tensor of one element."""
    is_one = not isinstance(value, torch.Tensor) or value.numel() == 1
    return is_one and _is_finite(value)


def _are_numbers(values: Any, length: int) -> bool:
    is_tuple = isinstance(values, tuple | list | np.ndarray) and is_iterable(values)
    return (
        is_tuple
        and len(values) == length
        and all(one is None or _is_number(one) for one in values)
    )


def _is_weight(value: Any) -> bool:
    return value is None or (
        isinstance(value, torch.Tensor)
        and _is_finite(value)
        and bool((value >= 0).all())
    )


def _is_weight_of_rows(value: Any) -> bool:
    return _is_weight(value) and (value is None or bool(value.any()))


_FINITE = Allowed(_is_finite, "finite")
_NUMBER = Allowed(_is_number, "a finite number")
_WEIGHTS: Mapping[str, Allowed] = {
    # with weights of 0 alone no row would count
    "weight": Allowed(
        _is_weight_of_rows, "None or a tensor of finite numbers >= 0, not all 0"
    ),
    "pos_weight": Allowed(_is_weight, "None or a tensor of finite numbers >= 0"),
}
_KINDS: Mapping[type, Allowed] = {bool: BOOL, int: _NUMBER, float: _NUMBER}
# which torch would take, and fail with later or do nothing sensible
_OF_TORCH: Mapping[str, Allowed] = {
    "ignore_index": Allowed(lambda value: is_int(value, -sys.maxsize), "an int"),
    "label_smoothing": Allowed(
        lambda value: is_finite_number(value) and 0 <= value <= 1, "a number in [0, 1]"
    ),
    "history_size": allow_int_from(1),
    "max_iter": allow_int_from(1),
}


def _is_of_torch(kind: type) -> bool:
    return kind.__module__.startswith("torch.")


@functools.lru_cache(64)
def _parameters_of(kind: type) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(kind).parameters


def _allowed_values(kind: Any, option: str, value: Any) -> Allowed | None:
    """Return what an option of a part may be; None: anything.

    Of a class of torch the default tells it; of others numbers must be finite.
    """
    kind = kind if isinstance(kind, type) else type(kind)
    if _is_of_torch(kind):
        if option in _WEIGHTS and issubclass(kind, nn.Module):
            return _WEIGHTS[option]
        parameter = _parameters_of(kind).get(option)
        if parameter is not None and option in _OF_TORCH:
            return _OF_TORCH[option]
        default = None if parameter is None else parameter.default
        if isinstance(default, tuple):
            return Allowed(
                lambda value: _are_numbers(value, len(default)),
                f"a tuple of {len(default)} finite numbers",
            )
        if type(default) in _KINDS:
            return _KINDS[type(default)]
    if isinstance(value, torch.Tensor | float | np.floating) or (
        isinstance(value, Integral) and not isinstance(value, bool | np.bool_)
    ):
        return _FINITE
    return None


# ------------------------------------------------------------------ names

# parts that not every fit builds: their own errors would not come
_UNREAD: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "iterator_train": lambda params: params["iterator_train"],
    "iterator_valid": lambda params: params["iterator_valid"],
    "compile": lambda params: torch.compile,
}


def _check_names_of_unread_parts(name: str, params: Mapping[str, Any]) -> None:
    """Raise at a keyword that its part does not take."""
    for key in params:
        part, separator, option = key.partition("__")
        if not separator or part not in _UNREAD:
            continue
        known = _keywords_of(_UNREAD[part](params))
        if known is not None and option not in known:
            near = nearest(f"{part}__{option}", [f"{part}__{one}" for one in known])
            raise ValueError(
                f"{name} got an unexpected parameter {key!r}{near or '.'} {part} takes "
                f"{', '.join(known)}."
            )


def _keywords_of(part: Any) -> list[str] | None:
    """Return the keywords of a class, beside the first argument; None: any."""
    try:
        parameters = list(inspect.signature(part).parameters.values())
    except (TypeError, ValueError):  # without a signature
        return None
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    return [parameter.name for parameter in parameters[1:]]


# ------------------------------------------------------------------ the mean of a loss


def _check_reduction(name: str, params: Mapping[str, Any]) -> None:
    """Raise if a criterion is told how to take the mean, which a net does itself."""
    keys = ("criterion__reduction", "criterion__size_average", "criterion__reduce")
    found = [f"{key!r}" for key in keys if key in params]
    criterion = params["criterion"]
    is_of_torch = type(criterion).__module__.startswith("torch.")
    reduction = getattr(criterion, "reduction", "none") if is_of_torch else "none"
    if isinstance(reduction, str) and reduction not in ("mean", "none"):
        found.append(f"reduction={reduction!r} of 'criterion'")
    if found:
        raise ValueError(
            f"{name} takes the loss of a batch as sum(w * l) / sum(w), so {found[0]} "
            f"would have no effect."
        )

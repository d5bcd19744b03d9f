"""Parameters and fitted attributes of a net as JSON, and back.

What is not a plain value is written with its kind: ``{"tuple": [...]}``,
``{"class": "torch.optim.sgd.SGD"}``. Classes are looked up in a table of those of torch
and skorch; nothing is imported by a name from a file.
"""

import functools
import inspect
from typing import Any

import numpy as np
import torch
from skorch.dataset import Dataset
from torch import nn
from torch.utils.data import DataLoader

_PLAIN = (bool, int, float, str)


def to_json(value: Any) -> Any:
    """Return a value as JSON.

    Raises
    ------
    TypeError
        If its type has no form in JSON; the message names the value.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or type(value) in _PLAIN:
        return value
    if isinstance(value, list | tuple):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [to_json(one) for one in value]}
    if isinstance(value, dict):
        return {"dict": [[to_json(k), to_json(v)] for k, v in value.items()]}
    if isinstance(value, np.ndarray) and value.ndim == 1:
        dtype = "O" if value.dtype == object else value.dtype.str
        return {"array": [to_json(one) for one in value.tolist()], "dtype": dtype}
    if isinstance(value, type) and name_of_class(value) in _known_classes():
        return {"class": name_of_class(value)}
    if isinstance(value, nn.Module):
        return _module_to_json(value)
    raise TypeError(f"{value!r} of type {type(value).__name__}")


def from_json(value: Any) -> Any:
    """Return what `to_json` was given.

    Raises
    ------
    ValueError
        If the kind or the class is not known.
    """
    if value is None or type(value) in _PLAIN:
        return value
    if not isinstance(value, dict) or not value:
        raise ValueError(f"{value!r} is no value")
    kind = next(iter(value))
    inner = value[kind]
    if kind in ("list", "tuple"):
        items = [from_json(one) for one in inner]
        return tuple(items) if kind == "tuple" else items
    if kind == "dict":
        return {from_json(k): from_json(v) for k, v in inner}
    if kind == "array":
        return _array_of([from_json(one) for one in inner], value["dtype"])
    if kind == "class":
        return _class_of(inner)
    if kind == "module":
        arguments = {name: from_json(one) for name, one in value["arguments"].items()}
        return _class_of(inner)(**arguments)
    raise ValueError(f"{kind!r} is no kind of value")


def _array_of(values: list[Any], dtype: str) -> np.ndarray:
    if np.dtype(dtype).kind not in "OUSbiuf":
        raise ValueError(f"dtype {dtype!r} of labels is not known")
    found = np.empty(len(values), dtype=dtype)
    found[:] = values
    return found


def _module_to_json(module: nn.Module) -> dict[str, Any]:
    """Return a module of torch.nn by the arguments that built it."""
    kind = type(module)
    if name_of_class(kind) not in _known_classes():
        raise TypeError(f"{module!r} of type {name_of_class(kind)}")
    arguments = {}
    for name, parameter in inspect.signature(kind).parameters.items():
        if name in ("device", "dtype"):
            continue
        if not hasattr(module, name):
            if parameter.default is None:  # an old name of another argument
                continue
            raise TypeError(f"{module!r}, whose argument {name!r} cannot be read")
        arguments[name] = to_json(getattr(module, name))
    return {"module": name_of_class(kind), "arguments": arguments}


def name_of_class(kind: type) -> str:
    """Return the full name of a class."""
    return f"{kind.__module__}.{kind.__qualname__}"


def _class_of(name: Any) -> type:
    if name not in _known_classes():
        raise ValueError(f"the class {name!r} is not among those that are trusted")
    return _known_classes()[name]


@functools.cache
def _known_classes() -> dict[str, type]:
    """Return modules and losses of torch.nn, optimizers, loader and dataset."""
    own = [DataLoader, Dataset]
    for place, base in ((nn, nn.Module), (torch.optim, torch.optim.Optimizer)):
        kinds = vars(place).values()
        own += [k for k in kinds if isinstance(k, type) and issubclass(k, base)]
    return {name_of_class(kind): kind for kind in own}

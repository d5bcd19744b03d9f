"""Values of parameters as JSON and back, by a list of what is allowed: no code runs.

What JSON does not have is a dict of one entry, whose key says what it is, such as
``{"tuple": [1, 2]}`` or ``{"class": "torch.nn.ReLU"}``.
"""

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from skorch.dataset import Dataset, ValidSplit
from torch import Tensor, nn
from torch.utils.data import DataLoader

from skact._torch import has_hooks
from skact.activations import modules as our_modules

_PLAIN = (type(None), bool, int, str)
_KINDS_OF_DTYPES = "biufU"  # of arrays whose values JSON holds exactly
_LARGEST_FLOAT = 8  # bytes
_MOST_BYTES = 2**28  # of an array in JSON, such as labels
# attributes of a split, which are its arguments, too
_OF_SPLIT = ("cv", "stratified", "random_state")
# arguments of torch's losses that stand for other ones
_OUTDATED = ("size_average", "reduce", "device", "dtype")


class NotPlainError(ValueError):
    """A value has no form in JSON."""


@functools.cache
def named_classes() -> dict[str, type]:
    """Return the classes that a file may name.

    Activations and losses of torch and skact, optimizers of torch, and the defaults of
    parameters that are classes.
    """
    known = {nn.ReLU.__module__, nn.MSELoss.__module__}
    found = {
        f"torch.nn.{name}": one
        for name, one in vars(nn).items()
        if isinstance(one, type) and one.__module__ in known
    }
    found |= {
        f"torch.optim.{name}": one
        for name, one in vars(torch.optim).items()
        if isinstance(one, type)
        and issubclass(one, torch.optim.Optimizer)
        and one is not torch.optim.Optimizer
    }
    found |= {
        f"skact.{name}": one
        for name, one in vars(our_modules).items()
        if isinstance(one, type)
        and issubclass(one, nn.Module)
        and one.__module__ == our_modules.__name__
        and one is not our_modules.FunctionActivation  # holds the user's code
    }
    found |= {"torch.DataLoader": DataLoader, "skorch.Dataset": Dataset}
    return found | {"numpy.float32": np.float32, "numpy.float64": np.float64}


@functools.cache
def _names_of_classes() -> dict[type, str]:
    return {one: name for name, one in named_classes().items()}


# ------------------------------------------------------------------ to JSON


def to_json(value: Any) -> Any:
    """Return a value as JSON.

    Raises
    ------
    NotPlainError
        If the value, or a part of it, is of no kind that `from_json` can rebuild.
    """
    if type(value) in _PLAIN:
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if type(value) is list:
        return [to_json(one) for one in value]
    if isinstance(value, type):
        if value not in _names_of_classes():
            raise NotPlainError(f"the class {value.__module__}.{value.__qualname__}")
        return {"class": _names_of_classes()[value]}
    for kind, (tag, write, _) in _FORMS.items():
        if type(value) is kind or (
            kind in _WITH_SUBCLASSES and isinstance(value, kind)
        ):
            return {tag: write(value)}
    raise NotPlainError(f"{value!r:.200}")


def _array_to_json(array: np.ndarray) -> list[Any]:
    dtype = array.dtype
    if dtype.kind == "O":
        return ["object", list(array.shape), [to_json(one) for one in array.flat]]
    is_plain = dtype.kind in _KINDS_OF_DTYPES and (
        dtype.kind != "f" or dtype.itemsize <= _LARGEST_FLOAT
    )
    if not is_plain:
        raise NotPlainError(f"an array of {dtype}")
    values = [to_json(one) for one in array.ravel().tolist()]
    return [dtype.str, list(array.shape), values]


def _tensor_to_json(tensor: Tensor) -> list[Any]:
    if tensor.is_sparse or tensor.dtype == torch.bfloat16 or tensor.is_complex():
        raise NotPlainError(f"a tensor of {tensor.dtype}, {tensor.layout}")
    return _array_to_json(tensor.detach().cpu().numpy())


def _module_to_json(module: nn.Module) -> dict[str, Any]:
    """Return class, arguments and values of a module of torch or skact."""
    if type(module) not in _names_of_classes():
        raise NotPlainError(f"{module!r}, which is no activation or loss of torch")
    options = {}
    for name in inspect.signature(type(module)).parameters:
        if name not in _OUTDATED and hasattr(module, name):
            value = getattr(module, name)
            # what was learned since is in the state
            learned = isinstance(value, nn.Parameter)
            options[name] = to_json(module.init if learned else value)
    state = {name: to_json(one) for name, one in module.state_dict().items()}
    found = {
        "class": _names_of_classes()[type(module)],
        "options": options,
        "state": state,
        "training": module.training,
    }
    rebuilt = _module_from_json(found)
    is_same = (
        repr(rebuilt) == repr(module) and vars(rebuilt).keys() == vars(module).keys()
    )
    if not is_same or has_hooks(module):
        raise NotPlainError(f"{module!r}, which was changed after it was built")
    return found


def _split_to_json(split: ValidSplit) -> dict[str, Any]:
    return {name: to_json(getattr(split, name)) for name in _OF_SPLIT}


def _scalar_to_json(value: np.generic) -> list[Any]:
    return _array_to_json(np.asarray(value))


def _state_to_json(value: np.random.RandomState) -> Any:
    return to_json(value.get_state())


# ------------------------------------------------------------------ from JSON


def from_json(value: Any) -> Any:
    """Return the value that `to_json` wrote.

    Raises
    ------
    ValueError
        If JSON holds what `to_json` does not write.
    """
    if type(value) in (*_PLAIN, float):
        return value
    if type(value) is list:
        return [from_json(one) for one in value]
    if type(value) is not dict or len(value) != 1:
        raise ValueError(f"it holds {value!r:.100}, which stands for no value")
    ((tag, content),) = value.items()
    if tag == "class":
        return _class_of(content)
    for known, _, read in _FORMS.values():
        if tag == known:
            return read(content)
    raise ValueError(f"it holds a value of an unknown kind: {tag!r:.100}")


def _class_of(name: Any) -> type:
    if not isinstance(name, str) or name not in named_classes():
        raise ValueError(f"it names the class {name!r:.100}, which is not allowed")
    return named_classes()[name]


def _array_from_json(content: Any) -> np.ndarray:
    name, shape, values = content
    values = [from_json(one) for one in values]
    if name == "object":
        array = np.empty(len(values), dtype=object)
        array[:] = values
    else:
        dtype = np.dtype(str(name))
        n_bytes = dtype.itemsize * len(values)  # a dtype may claim texts of any length
        if dtype.kind not in _KINDS_OF_DTYPES or n_bytes > _MOST_BYTES:
            raise ValueError(f"it holds an array of {dtype!s:.100}")
        array = np.array(values, dtype=dtype)
    return array.reshape([int(size) for size in shape])


def _tensor_from_json(content: Any) -> Tensor:
    return torch.from_numpy(_array_from_json(content))


def _module_from_json(content: Any) -> nn.Module:
    kind = _class_of(content["class"])
    if not issubclass(kind, nn.Module):
        raise ValueError(f"it builds {kind.__name__}, which is no module")
    options = {str(name): from_json(one) for name, one in content["options"].items()}
    state = {name: from_json(one) for name, one in content["state"].items()}
    with torch.device("meta"):  # has sizes and no values: nothing is too large for it
        planned = {k: one.shape for k, one in kind(**options).state_dict().items()}
    if planned != {name: getattr(one, "shape", None) for name, one in state.items()}:
        raise ValueError(f"the values of {kind.__name__} are of other shapes")
    module = kind(**options)
    module.load_state_dict(state)
    return module.train(bool(content["training"]))


def _split_from_json(content: Any) -> ValidSplit:
    return ValidSplit(**{name: from_json(content[name]) for name in _OF_SPLIT})


def _scalar_from_json(content: Any) -> Any:
    return _array_from_json(content)[()]


def _state_from_json(content: Any) -> np.random.RandomState:
    state = np.random.RandomState()
    state.set_state(from_json(content))
    return state


def _float_of(text: Any) -> float:
    if text not in ("nan", "inf", "-inf"):
        raise ValueError(f"it holds {text!r:.100} for a number")
    return float(text)


def _torch_dtype(name: Any) -> torch.dtype:
    found = getattr(torch, str(name).removeprefix("torch."), None)
    if not isinstance(found, torch.dtype):
        raise ValueError(f"it names the dtype {name!r:.100}")
    return found


# type -> the key in JSON, how to write its content, and how to read it
_FORMS: dict[type, tuple[str, Callable[..., Any], Callable[..., Any]]] = {
    float: ("float", repr, _float_of),
    tuple: (
        "tuple",
        lambda value: [to_json(one) for one in value],
        lambda content: tuple(from_json(one) for one in content),
    ),
    dict: (
        "dict",
        lambda value: [[to_json(k), to_json(one)] for k, one in value.items()],
        lambda content: {from_json(k): from_json(one) for k, one in content},
    ),
    np.ndarray: ("array", _array_to_json, _array_from_json),
    np.generic: ("scalar", _scalar_to_json, _scalar_from_json),
    Tensor: ("tensor", _tensor_to_json, _tensor_from_json),
    nn.Module: ("module", _module_to_json, _module_from_json),
    torch.device: ("device", str, lambda text: torch.device(str(text))),
    torch.dtype: ("torch_dtype", str, _torch_dtype),
    np.dtype: ("dtype", lambda one: one.str, lambda text: np.dtype(str(text))),
    np.random.RandomState: ("random_state", _state_to_json, _state_from_json),
    ValidSplit: ("split", _split_to_json, _split_from_json),
}
_WITH_SUBCLASSES = (np.generic, nn.Module, np.dtype)

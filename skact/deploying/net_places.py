"""Where the nets of a pipeline are: each is taken out, and put back into its place."""

import copy
import math
from collections.abc import Iterable, Iterator, Mapping
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import numpy as np
import scipy.sparse as sp

from skact._sklearn import CALLBACKS

_LEAVES = (type, ModuleType, FunctionType, BuiltinFunctionType, np.ufunc, np.dtype)


class NetPlace:
    """Stands for a net, in an estimator whose nets are elsewhere.

    Parameters
    ----------
    number : int
        Of the net, in the order in which `walk` meets them.
    """

    def __init__(self, number: int) -> None:
        self.number = number


def walk(
    root: Any, path: str = "estimator", stop: tuple[type, ...] = ()
) -> Iterator[tuple[str, Any]]:
    """Yield all that an object holds, once each, with the way to it.

    What ``set_callbacks`` gave an estimator is left out.

    Parameters
    ----------
    root : object
        First of what is yielded.
    path : str, default="estimator"
        Name of the root, with which each way begins.
    stop : tuple of type, default=()
        Types of objects that are not looked into.
    """
    waiting, seen = [(path, root)], {}
    while waiting:
        where, found = waiting.pop()
        if id(found) in seen:
            continue
        seen[id(found)] = found  # held: its id is not given to another one
        yield where, found
        if not isinstance(found, stop):
            waiting += reversed([*_parts_of(where, found)])


def _parts_of(where: str, found: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(found, (*_LEAVES, np.generic)) or sp.issparse(found):
        return
    if isinstance(found, Mapping):  # not what a Bunch of scikit-learn keeps beside
        for key, value in found.items():
            yield f"{where}[{key!r}]", value
    elif isinstance(found, list | tuple | np.ndarray):
        for i, value in enumerate(_items_of(found)):
            yield f"{where}[{i}]", value
    else:
        for name, value in getattr(found, "__dict__", {}).items():
            if name != CALLBACKS:
                yield f"{where}.{name}", value


def _items_of(found: Any) -> Iterable[Any]:
    if not isinstance(found, np.ndarray):
        return found
    return found.flat if found.dtype == object else ()


def replace_inside(
    root: Any, new: Mapping[int, Any], stop: tuple[type, ...] = ()
) -> Any:
    """Return a deep copy in which other objects stand, without callbacks.

    Parameters
    ----------
    root : object
    new : mapping of int to object
        What stands for an object, by the object's id.
    stop : tuple of type, default=()
        As in `walk`: types of objects that have no callbacks, or that are replaced.
    """
    found = (one for _, one in walk(root, stop=stop))
    attributes = [getattr(one, "__dict__", {}) for one in found]
    callbacks: dict[int, Any] = {
        id(one[CALLBACKS]): [] for one in attributes if CALLBACKS in one
    }
    return copy.deepcopy(root, {**callbacks, **new})


def first_difference(one: Any, other: Any) -> str | None:
    """Return the way to the first part in which two objects differ, or None."""
    waiting, seen = [("estimator", one, other)], {}
    while waiting:
        path, left, right = waiting.pop()
        parts = dict(_parts_of(path, left))
        if parts and id(left) in seen:
            continue
        seen[id(left)] = left
        of_right = dict(_parts_of(path, right))
        if not _is_alike(left, right) or parts.keys() != of_right.keys():
            return path
        waiting += reversed([(at, parts[at], of_right[at]) for at in parts])
    return None


def _is_alike(one: Any, other: Any) -> bool:
    """Whether two objects are equal, apart from the parts that `walk` yields."""
    if type(one) is not type(other):
        return False
    if isinstance(one, (*_LEAVES, bool, int, str, bytes, type(None))):
        return bool(one == other)
    if isinstance(one, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    if sp.issparse(one):
        return (
            one.shape == other.shape
            and one.dtype == other.dtype
            and (abs(one - other).nnz == 0)
        )
    if isinstance(one, np.ndarray | np.generic):
        if one.dtype != other.dtype or one.shape != other.shape:
            return False
        return one.dtype == object or one.tobytes() == other.tobytes()
    if isinstance(one, np.random.RandomState):
        return repr(one.get_state()) == repr(other.get_state())
    if isinstance(one, set | frozenset):
        return one == other
    return True

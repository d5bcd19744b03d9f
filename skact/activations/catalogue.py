"""The catalogue of activation functions.

Each entry states what a reader wants to know before choosing (formula, derivative,
range, kinks, what it is good and bad at, the paper) and what the estimator needs (how
to build a new module, and which parameters the module takes). Other properties
(`Activation.bounded`, `smooth`, `monotonic`, `zero_centred`, `gain`) are computed from
the entry, so they cannot contradict the code.

>>> from skact import get_activation
>>> swish = get_activation("swish")
>>> print(swish.formula, swish.range(), swish.gain)
x * sigmoid(x) [-0.278465, inf) 1.67653
"""

import copyreg
import difflib
import functools
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import nn

from skact.activations.curved_table import CURVED
from skact.activations.entry import Activation, make_entry
from skact.activations.modules import FunctionActivation, RReLU, Value
from skact.activations.straight_table import STRAIGHT


def fold_name(name: str) -> str:
    """Drop case and separators: LeakyReLU, leaky-relu and leaky_relu become equal."""
    return re.sub(r"[\s_-]", "", name).lower()


BUILT_IN = frozenset((*STRAIGHT, *CURVED))
_ENTRIES = {
    fold_name(name): entry
    for entry in BUILT_IN
    for name in (entry.name, *entry.aliases)
}


def list_activations() -> list[str]:
    """Return the canonical names of all activations, sorted.

    Returns
    -------
    list of str
        Names that `get_activation` and `make_activation` take.

    Examples
    --------
    >>> "gelu" in list_activations()
    True
    """
    return sorted({entry.name for entry in _ENTRIES.values()})


def get_activation(name: str) -> Activation:
    """Look an activation up in the catalogue.

    Parameters
    ----------
    name : str
        Name or alias; case, spaces, hyphens and underscores do not matter.

    Returns
    -------
    Activation
        The catalogue's entry.

    Raises
    ------
    ValueError
        If the name is unknown; the message names the nearest ones.

    Examples
    --------
    >>> get_activation("Swish").name
    'silu'
    """
    if not isinstance(name, str):
        raise TypeError(f"name={name!r} must be a string")
    return find_entry(name, quote_spec(name))


def _pickle_by_name(
    entry: Activation,
) -> tuple[Callable[[str], Activation], tuple[str]]:
    """Pickle an entry by its name, because its functions cannot be pickled."""
    return get_activation, (entry.name,)


copyreg.pickle(Activation, _pickle_by_name)


def find_entry(name: str, quoted: str) -> Activation:
    """Find the entry called `name`; the error lists similar names."""
    entry = _ENTRIES.get(fold_name(name))
    if entry is not None:
        return entry
    spelt = {fold_name(n): n for e in _ENTRIES.values() for n in (e.name, *e.aliases)}
    near = difflib.get_close_matches(fold_name(name), spelt)
    names = ", ".join(repr(spelt[key]) for key in near)
    hint = f"did you mean {names}? " if near else ""
    raise ValueError(
        f"activation={quoted} is unknown; {hint}list_activations() names all that "
        "this process knows (a registered name is not known in worker processes, nor "
        "after loading: pass the function or class itself)"
    )


def quote_spec(spec: str) -> str:
    """Quote a spec for a message; cut it after 80 characters."""
    text = str(spec)
    return repr(text if len(text) <= 80 else text[:77] + "...")


def register_activation(
    name: str,
    factory: Callable[..., Any] | type[nn.Module] | type[torch.autograd.Function],
    *,
    aliases: Iterable[str] = (),
    parameters: Mapping[str, Value] | None = None,
    overwrite: bool = False,
    **fields: Any,
) -> Activation:
    """Add an activation to the catalogue of this process.

    A worker process does not know the entry unless the worker registers it too. The
    module class or function itself can be given as an activation in every process.

    Parameters
    ----------
    name : str
        An identifier.
    factory : nn.Module class, torch.autograd.Function subclass or callable
        A class is called with the parameters as keywords. A callable is a function
        of a tensor, called with the parameters as keywords; ``.apply`` gets the
        parameters in order.
    aliases : iterable of str, default=()
        Other names, identifiers too.
    parameters : mapping of str to bool, int, float or str, default=None
        Default value by parameter name.
    overwrite : bool, default=False
        Whether to replace registered entries of the same name or alias. Built-in
        entries cannot be replaced: ``"relu"`` means ReLU in all results.
    **fields : Any
        Other fields of `Activation`. `range` and `kinks` may be given as values
        when they do not depend on the parameters.

    Returns
    -------
    Activation
        The new entry.

    Examples
    --------
    >>> import torch
    >>> from skact import Range
    >>> entry = register_activation("sine", torch.sin, range=Range(-1, 1, True, True))
    >>> entry.factory(), entry.bounded, entry.zero_centred
    (FunctionActivation(sin), True, True)
    >>> unregister_activation("sine")
    """
    if isinstance(aliases, str):
        raise TypeError(f"aliases={aliases!r} must be a tuple of names, not one string")
    aliases = tuple(aliases)
    for given in (name, *aliases):
        if not (isinstance(given, str) and given.isidentifier() and fold_name(given)):
            raise ValueError(f"name={given!r} must be an identifier, such as 'my_relu'")
    for parameter, default in (parameters or {}).items():
        if type(default) not in ALLOWED_VALUES or not is_allowed_value(
            default, default
        ):
            raise ValueError(
                f"{name}: the default of {parameter!r} must be a finite number, a "
                f"string or a bool, got {default!r}"
            )
    entry = make_entry(
        name, make_factory(factory), parameters=parameters, aliases=aliases, **fields
    )
    _remove_overwritten((name, *aliases), overwrite)
    _ENTRIES.update({fold_name(given): entry for given in (name, *aliases)})
    return entry


def _remove_overwritten(names: tuple[str, ...], overwrite: bool) -> None:
    """Remove registered entries that have these names, or raise an error."""
    taken = {n: _ENTRIES[fold_name(n)] for n in names if fold_name(n) in _ENTRIES}
    for given, entry in taken.items():
        if entry in BUILT_IN:
            raise ValueError(f"{given!r} is the built-in {entry.name}: choose another")
        if not overwrite:
            raise ValueError(
                f"{given!r} is already registered (as {entry.name}); "
                "give overwrite=True to replace it"
            )
    for entry in set(taken.values()):
        unregister_activation(entry.name)


def unregister_activation(name: str) -> None:
    """Remove a registered activation, with its aliases.

    Parameters
    ----------
    name : str
        Name or alias of an entry made by `register_activation`.

    Raises
    ------
    ValueError
        If the name is unknown or built in.

    Examples
    --------
    >>> import torch
    >>> _ = register_activation("sine", torch.sin)
    >>> unregister_activation("sine")
    >>> "sine" in list_activations()
    False
    """
    entry = get_activation(name)
    if entry in BUILT_IN:
        raise ValueError(f"{name!r} is the built-in {entry.name}: it cannot be removed")
    for key in [key for key, other in _ENTRIES.items() if other is entry]:
        del _ENTRIES[key]


def make_factory(given: Any) -> Callable[..., nn.Module]:
    """Turn what a user registers into a callable that returns a fresh module."""
    if isinstance(given, type) and issubclass(given, nn.Module):
        return RReLU if given is nn.RReLU else given
    is_function = isinstance(given, type) and issubclass(given, torch.autograd.Function)
    is_class = isinstance(given, type | nn.Module)
    if is_function or (callable(given) and not is_class):
        return functools.partial(FunctionActivation, given)
    raise TypeError(
        f"factory={given!r} must be an nn.Module class, a torch.autograd.Function "
        "subclass or a function of a tensor"
    )


# Values that a parameter may take, by the type of its default.
ALLOWED_VALUES: dict[type, str] = {
    float: "a finite number",
    int: "an integer",
    str: "a string",
    bool: "True or False",
}


def is_allowed_value(value: Any, default: Value) -> bool:
    """Whether `value` may replace `default`."""
    if isinstance(default, float) and type(value) in (int, float):
        # False for nan, inf, and integers that float() cannot hold.
        return abs(value) <= sys.float_info.max
    return type(value) is type(default)

"""The catalogue of activation functions: one table that serves everything else.

Each entry states what a reader wants to know before choosing (formula, derivative,
range, kinks, what it is good and bad at, the paper) beside what the estimator needs
(how to build a fresh module, which parameters it takes, its weight-initialisation
gain). What can be worked out from an entry is worked out (`Activation.bounded`,
`smooth`, `monotonic`, `zero_centred`, `gain`), so that it cannot contradict the code.

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


def folded(name: str) -> str:
    """Fold case and drop separators: LeakyReLU, leaky-relu and leaky_relu are one."""
    return re.sub(r"[\s_-]", "", name).lower()


BUILT_IN = frozenset((*STRAIGHT, *CURVED))
_CATALOGUE = {
    folded(name): entry for entry in BUILT_IN for name in (entry.name, *entry.aliases)
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
    return sorted({entry.name for entry in _CATALOGUE.values()})


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
    return look_up(name, quoted_spec(name))


def _by_name(entry: Activation) -> tuple[Callable[[str], Activation], tuple[str]]:
    """Pickle an entry by its name: its functions do not pickle, and a copy is none."""
    return get_activation, (entry.name,)


copyreg.pickle(Activation, _by_name)


def look_up(name: str, quoted: str) -> Activation:
    """Find the entry called `name`, or say which names are near."""
    entry = _CATALOGUE.get(folded(name))
    if entry is not None:
        return entry
    spelt = {folded(n): n for e in _CATALOGUE.values() for n in (e.name, *e.aliases)}
    near = difflib.get_close_matches(folded(name), spelt)
    hint = f"did you mean {', '.join(repr(spelt[key]) for key in near)}? " * bool(near)
    raise ValueError(
        f"activation={quoted} is unknown; {hint}list_activations() names all that "
        "this process knows (a registered name is not known in worker processes, nor "
        "after loading: pass the function or class itself)"
    )


def quoted_spec(spec: str) -> str:
    """Quote a spec in a message, cut if it is absurdly long."""
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

    Worker processes do not inherit the entry unless they register it too; passing the
    module class or function itself as an activation works everywhere.

    Parameters
    ----------
    name : str
        An identifier.
    factory : nn.Module class, torch.autograd.Function subclass or callable
        A class is called with the parameters as keywords; a callable is a function
        of a tensor, called with them as keywords; ``.apply`` gets them in order.
    aliases : iterable of str, default=()
        Other names, identifiers too.
    parameters : mapping of str to bool, int, float or str, default=None
        Default value by parameter name.
    overwrite : bool, default=False
        Whether to replace registered entries of the same name or alias. Built-in
        entries cannot be replaced: ``"relu"`` is ReLU in everybody's results.
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
    >>> entry = register_activation("sine", torch.sin, range=Range(-1, 1, True, True))
    >>> entry.factory(), entry.bounded, entry.zero_centred
    (FunctionActivation(sin), True, True)
    >>> unregister_activation("sine")
    """
    if isinstance(aliases, str):
        raise TypeError(f"aliases={aliases!r} must be a tuple of names, not one string")
    aliases = tuple(aliases)
    for given in (name, *aliases):
        if not (isinstance(given, str) and given.isidentifier() and folded(given)):
            raise ValueError(f"name={given!r} must be an identifier, such as 'my_relu'")
    for parameter, default in (parameters or {}).items():
        if type(default) not in ALLOWED_VALUES or not fits(default, default):
            raise ValueError(
                f"{name}: the default of {parameter!r} must be a finite number, a "
                f"string or a bool, got {default!r}"
            )
    entry = make_entry(
        name, as_factory(factory), parameters=parameters, aliases=aliases, **fields
    )
    _make_room((name, *aliases), overwrite)
    _CATALOGUE.update({folded(given): entry for given in (name, *aliases)})
    return entry


def _make_room(names: tuple[str, ...], overwrite: bool) -> None:
    """Remove the registered entries in the way, or refuse."""
    taken = {n: _CATALOGUE[folded(n)] for n in names if folded(n) in _CATALOGUE}
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
    for key in [key for key, other in _CATALOGUE.items() if other is entry]:
        del _CATALOGUE[key]


def as_factory(given: Any) -> Callable[..., nn.Module]:
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


# What a parameter takes, by the type of its default.
ALLOWED_VALUES: dict[type, str] = {
    float: "a finite number",
    int: "an integer",
    str: "a string",
    bool: "True or False",
}


def fits(value: Any, default: Value) -> bool:
    """Whether `value` may replace `default`."""
    if isinstance(default, float) and type(value) in (int, float):
        # Comparing refuses nan, inf, and integers that float() cannot hold.
        return abs(value) <= sys.float_info.max
    return type(value) is type(default)

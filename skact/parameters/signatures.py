"""The parameters in the signature of an estimator, and their defaults."""

import inspect
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

_found: "WeakKeyDictionary[type, Mapping[str, Any]]" = WeakKeyDictionary()


def defaults_of(kind: type) -> Mapping[str, Any]:
    """Return the names in the constructor's signature, with their defaults.

    Parameters
    ----------
    kind : type
        Of an estimator. A subclass or a mixin may pass ``*args`` and ``**kwargs`` on,
        so all signatures count; skorch's does not, because skact's nets have no
        `module`.

    Returns
    -------
    mapping of str to object
    """
    if kind not in _found:
        kinds = [one for one in kind.__mro__ if "__init__" in vars(one)]
        kinds = [one for one in kinds if not _is_of_a_dependency(one)]
        signatures = [inspect.signature(vars(one)["__init__"]) for one in kinds]
        _found[kind] = {
            name: parameter.default
            for signature in reversed(signatures)
            for name, parameter in signature.parameters.items()
            if name != "self"
            and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        }
    return _found[kind]


def _is_of_a_dependency(kind: type) -> bool:
    return kind.__module__.partition(".")[0] in ("skorch", "sklearn", "builtins")

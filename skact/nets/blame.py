"""Errors of parts are told as errors of the parameters that they were built from."""

import functools
import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from skorch.exceptions import SkorchException

from skact.exceptions import DivergedError
from skact.naming import short_name

Method = TypeVar("Method", bound=Callable[..., Any])


@contextmanager
def blame(net: Any, *names: str) -> Iterator[None]:
    """Raise an error of the block as an error about parameters of a net.

    Parameters
    ----------
    net : BaseNet
    *names : str
        Parameters that the block uses, also with a suffix, such as ``optimizer__eps``.

    Raises
    ------
    TypeError, ValueError
        The message names the parameters that the user gave, their values and the error
        of the block. An error that names one of them is raised as it is.
    """
    try:
        yield
    except DivergedError:
        raise
    except Exception as error:
        is_clear = isinstance(error, TypeError | ValueError)
        given = {
            key: value
            for key, value in net.get_params(deep=False).items()
            if key in names or key.partition("__")[0] in names
        }
        named = "|".join(name.removesuffix("s") for name in (*names, *given))
        if is_clear and re.search(rf"\b({named})s?\b", str(error)):
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        usual = net._defaults()
        unusual = {
            key: value
            for key, value in given.items()
            if key not in usual or repr(value) != repr(usual[key])
        }
        values = ", ".join(
            f"{key}={short_name(value)}" for key, value in (unusual or given).items()
        )
        raise kind(
            f"{type(net).__name__} cannot use {values}: {type(error).__name__}: {error}"
        ) from error


def blaming(*names: str) -> Callable[[Method], Method]:
    """Decorate a method of a net with `blame`."""

    def decorate(method: Method) -> Method:
        @functools.wraps(method)
        def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
            with blame(self, *names):
                return method(self, *args, **kwargs)

        return cast(Method, wrapped)

    return decorate


@contextmanager
def blame_callbacks(net: Any) -> Iterator[None]:
    """Raise an error in a callback of skorch as an error that names the callback.

    Errors of other kinds, such as those of skorch, and of code of users are raised as
    they are.

    Parameters
    ----------
    net : BaseNet

    Raises
    ------
    TypeError, ValueError
    """
    try:
        yield
    except Exception as error:
        kind = _KINDS_OF_CALLBACKS.get(type(error))
        found = None if kind is None else _callback_in(error, net.callbacks_)
        if kind is None or found is None:
            raise
        name, callback = found
        raise kind(
            f"The callback {name!r} of {type(net).__name__}, {short_name(callback)}, "
            f"raised {type(error).__name__}: {error}"
        ) from error


class CallbackError(ValueError, SkorchException):
    """What skorch raises at a value that no callback has recorded, by its name."""


_KINDS_OF_CALLBACKS: dict[type, type[Exception]] = {
    TypeError: TypeError,
    SkorchException: CallbackError,
    **dict.fromkeys((ValueError, KeyError, ZeroDivisionError), ValueError),
}


def _callback_in(error: Exception, callbacks: Any) -> tuple[str, Any] | None:
    """Return the callback of skorch, with its name, in whose call an error arose."""
    found, library = None, None
    for frame, _ in traceback.walk_tb(error.__traceback__):
        library = _library_of(str(frame.f_globals.get("__name__")))
        own = frame.f_locals.get("self")
        for name, callback in callbacks:
            if own is callback and _library_of(type(callback).__module__) is not None:
                found = name, callback
    # a ValueError that skorch or skact raises itself is clear
    is_clear = type(error) is ValueError and library in ("skorch", "skact")
    return None if library is None or is_clear else found


def _library_of(module: str) -> str | None:
    """Return the library of a module of which no user is the author, or None."""
    library = module.partition(".")[0]
    return library if library in ("skorch", "torch", "sklearn", "skact") else None

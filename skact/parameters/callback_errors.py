"""Errors in callbacks of skorch are told as errors of the callbacks, by their names."""

import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from skorch.exceptions import SkorchException

from skact.naming import short_name


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


class NoHeldOutRowsError(ValueError, SkorchException):
    """A callback misses held-out rows; both libraries' users catch it."""


@contextmanager
def explain_missing_scores(net: Any) -> Iterator[None]:
    """Say why a fit lacks the score of held-out rows that a callback asks for.

    Parameters
    ----------
    net : BaseNet

    Raises
    ------
    NoHeldOutRowsError
    """
    try:
        yield
    except Exception as error:
        cause = _why_no_score(net) if "valid_" in str(error) else None
        if cause is None:
            raise
        raise NoHeldOutRowsError(f"{error} {cause}") from error


def _why_no_score(net: Any) -> str | None:
    """Return why no score of held-out rows is recorded; None: it may be."""
    if not (net.train_split or net.early_stopping):
        return (
            "There are no validation rows: skact trains on all, unless "
            "train_split=skorch.dataset.ValidSplit(5) or early_stopping=True."
        )
    off = [
        key
        for key, value in net.get_params(deep=False).items()
        if key.startswith("callbacks__valid_") and value is None
    ]
    if off:
        return f"The callback that records it is switched off by {off[0]}=None."
    if net.history_ and "valid_batch_count" not in net.history_[-1]:
        by = "train_split" if net.train_split else "iterator_valid"
        return (
            f"There are no validation rows: {by}="
            f"{short_name(getattr(net, by))} gives none to hold out."
        )
    return None


@contextmanager
def name_callbacks_that_are_none(net: Any, params: Mapping[str, Any]) -> Iterator[None]:
    """Name the parameters that set a value of what is no callback.

    Parameters
    ----------
    net : BaseNet
    params : mapping
        What `set_params` of the net got.

    Raises
    ------
    ValueError
    """
    try:
        yield
    except AttributeError as error:
        named = [key for key in params if key.startswith("callbacks__")]
        if not named:
            raise
        values = ", ".join(f"{key}={short_name(params[key])}" for key in named)
        raise ValueError(
            f"{type(net).__name__} cannot use {values}: {error}"
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
        module = str(frame.f_globals.get("__name__"))
        if module.partition(".")[0] in sys.stdlib_module_names:
            continue  # called by a library, or by a user
        library = _library_of(module)
        own = frame.f_locals.get("self")
        for name, callback in callbacks:
            if own is callback and _library_of(type(callback).__module__) is not None:
                found = name, callback
    # a ValueError that skorch or skact raises itself is clear; one of numpy is not
    line = traceback.extract_tb(error.__traceback__)[-1].line or ""
    is_clear = type(error) is ValueError and library in ("skorch", "skact")
    is_clear = is_clear and line.startswith("raise")
    return None if library is None or is_clear else found


def _library_of(module: str) -> str | None:
    """Return the library of a module of which no user is the author, or None."""
    library = module.partition(".")[0]
    return library if library in ("skorch", "torch", "sklearn", "skact") else None

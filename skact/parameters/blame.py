"""Errors of parts are told as errors of the parameters that they were built from."""

import functools
import re
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from skact.exceptions import DivergedError
from skact.naming import short_name
from skact.network.mlp import MLP
from skact.parameters.allowed import is_iterable
from skact.parameters.signatures import defaults_of

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
        of the block. An error that names one of them is raised as it is, unless a
        library raised it, which knows neither the net nor its keywords.
    """
    try:
        yield
    except DivergedError:
        raise
    except Exception as error:
        is_clear = isinstance(error, TypeError | ValueError) and _is_raised_here(error)
        given = {
            key: value
            for key, value in net.get_params(deep=False).items()
            if key in names or key.partition("__")[0] in names
        }
        named = "|".join(name.removesuffix("s") for name in (*names, *given))
        if is_clear and re.search(rf"\b({named})s?\b", str(error)):
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        usual = defaults_of(type(net))
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


def _is_raised_here(error: Exception) -> bool:
    """Whether skact or a user has raised an error, and not a library or Python."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    library = str(frame.f_globals.get("__name__")).partition(".")[0]
    line = traceback.extract_tb(error.__traceback__)[-1].line or "raise"
    return library not in _LIBRARIES and line.startswith("raise")


# skorch names what it refuses
_LIBRARIES = ("torch", "sklearn", "numpy")


@contextmanager
def blame_for_errors_of(net: Any, module: str, *names: str) -> Iterator[None]:
    """Blame parameters for errors that arise in a module, and for no others."""
    try:
        yield
    except Exception as error:
        *_, (frame, _) = traceback.walk_tb(error.__traceback__)
        places = type(error).__module__, str(frame.f_globals.get("__name__"))
        if not any(place.startswith(module) for place in places):
            raise
        with blame(net, *names):
            raise


@contextmanager
def blame_for_batch(net: Any, x: Any) -> Iterator[None]:
    """Blame loaders and dataset for a batch that no network of these columns takes.

    And torch's compiler for its own errors, which come with the first batch.

    Parameters
    ----------
    net : BaseNet
    x : object
        The X of the batch.
    """
    try:
        with blame_for_errors_of(net, "torch._dynamo", "compile"):
            yield
    except Exception as error:
        columns, found = net.n_features_in_, tuple(getattr(x, "shape", ()))
        if type(net.module_) is not MLP or found[1:] == (columns,):
            raise
        with blame(net, "iterator_train", "iterator_valid", "dataset"):
            raise TypeError(
                f"the X of a batch must have {columns} columns, got "
                f"{type(x).__name__} of shape {found}."
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


_END = object()


def read_batches(net: Any, batches: Iterable[Any], *, training: bool) -> Iterator[Any]:
    """Yield the batches of a loader; blame the loader for an error in reading one.

    Parameters
    ----------
    net : BaseNet
    batches : iterable
    training : bool
        Whether it is ``iterator_train``, else ``iterator_valid``.

    Yields
    ------
    tuple
        X and y.
    """
    names = "iterator_train" if training else "iterator_valid", "dataset"
    with blame(net, *names):
        iterator = iter(batches)
    while True:
        with blame(net, *names):
            batch = next(iterator, _END)
            if batch is _END:
                return
            if not is_iterable(batch):  # of other kinds skorch says what is wrong
                raise TypeError(f"a batch must be X and y, got {short_name(batch)}.")
        yield batch

"""Errors of parts are told as errors of the parameters that they were built from."""

import functools
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

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
            if batch is None:  # of other kinds skorch says what is wrong
                raise TypeError("a batch must be X and y, got None.")
        yield batch

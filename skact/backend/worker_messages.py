"""Messages that travel home with the results of a worker process.

An object of the main process that has copies in workers is their addressee. What they
post while a worker collects goes with its results, and so comes home from any machine,
once, also if another worker had died over the same work.
"""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol
from weakref import WeakValueDictionary

Letter = tuple[str, Any]


class Addressee(Protocol):
    """What gets letters."""

    def receive(self, message: Any) -> None:
        """Take a message that a copy in another process has posted."""
        ...


class _Outgoing(threading.local):
    letters: list[Letter] | None = None


_outgoing = _Outgoing()
_addressees: WeakValueDictionary[str, Addressee] = WeakValueDictionary()


def register(address: str, addressee: Addressee) -> None:
    """Make an object known; a copy of it in the same process does not replace it."""
    _addressees.setdefault(address, addressee)


def post(address: str, message: Any) -> bool:
    """Give a message to a worker that collects; False if nobody does."""
    if _outgoing.letters is None:
        return False
    _outgoing.letters.append((address, message))
    return True


@contextmanager
def collecting() -> Iterator[list[Letter]]:
    """Collect what is posted in this thread."""
    before, _outgoing.letters = _outgoing.letters, []
    try:
        yield _outgoing.letters
    finally:
        _outgoing.letters = before


def deliver(letters: Iterable[Letter]) -> None:
    """Hand letters over, or pass them on if this process is itself a worker."""
    for address, message in letters:
        addressee = _addressees.get(address)
        if not post(address, message) and addressee is not None:
            addressee.receive(message)

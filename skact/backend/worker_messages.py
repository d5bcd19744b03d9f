"""Messages that a worker process sends to the main process with its results.

A receiver is an object of the main process that has copies in workers. A worker
collects the messages of the copies and returns them with the results of its tasks. So
messages also arrive from other machines. If a worker dies and its tasks run again, each
message still arrives once.
"""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol
from weakref import WeakValueDictionary

SentMessage = tuple[str, Any]  # the name of the receiver, and the message


class Receiver(Protocol):
    """An object that takes messages."""

    def receive(self, message: Any) -> None:
        """Take a message that a copy in another process has sent."""
        ...


class _Collected(threading.local):
    messages: list[SentMessage] | None = None  # None: this thread does not collect


_collected = _Collected()
_receivers: WeakValueDictionary[str, Receiver] = WeakValueDictionary()


def register_receiver(name: str, receiver: Receiver) -> None:
    """Register an object; a copy in the same process does not replace the original."""
    _receivers.setdefault(name, receiver)


def send_message(name: str, message: Any) -> bool:
    """Send a message if this thread collects messages; return whether it does."""
    if _collected.messages is None:
        return False
    _collected.messages.append((name, message))
    return True


@contextmanager
def collect_messages() -> Iterator[list[SentMessage]]:
    """Collect the messages that this thread sends within the block."""
    before, _collected.messages = _collected.messages, []
    try:
        yield _collected.messages
    finally:
        _collected.messages = before


def deliver_messages(messages: Iterable[SentMessage]) -> None:
    """Give each message to its receiver; in a worker, send the message on."""
    for name, message in messages:
        receiver = _receivers.get(name)
        if not send_message(name, message) and receiver is not None:
            receiver.receive(message)

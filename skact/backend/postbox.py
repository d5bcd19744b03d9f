"""Messages from worker processes to the process that sent them their work.

`worker_messages` returns messages with the results of tasks. Workers that skact does
not start, such as those of ``GridSearchCV(n_jobs=2)``, return nothing for skact, so
they post their messages to a socket. A process opens one socket, once, when the first
object that may post leaves for another process.
"""

import os
import threading
from dataclasses import dataclass
from multiprocessing.connection import Client, Listener
from typing import Any

from skact.backend.worker_messages import deliver_messages


@dataclass(frozen=True)
class Address:
    """The postbox of a process."""

    socket: Any  # as multiprocessing.connection names it
    key: bytes  # the shared secret
    process: int


_lock = threading.Lock()
_own_address: Address | None = None


def own_address() -> Address:
    """Return the address of this process; the first call opens the postbox."""
    global _own_address
    with _lock:
        # a process that was forked has the address of its parent
        if _own_address is None or _own_address.process != os.getpid():
            key = os.urandom(32)
            # many workers may knock at the same time
            listener = Listener(authkey=key, backlog=128)
            _own_address = Address(listener.address, key, os.getpid())
            name = "skact postbox"
            threading.Thread(
                target=_receive, args=(listener,), name=name, daemon=True
            ).start()
        return _own_address


def is_here(address: Address | None) -> bool:
    """Whether an address is that of this process."""
    return address is not None and address == _own_address


def post(address: Address, receiver: str, message: Any) -> bool:
    """Post a message to a receiver; return whether it has arrived.

    Parameters
    ----------
    address : Address
        Of the process that has the receiver.
    receiver : str
        Its name, see `worker_messages.register_receiver`.
    message : object
        It must be possible to pickle it.

    Returns
    -------
    bool
        False if the process has ended, or is on another machine.
    """
    try:
        with Client(address.socket, authkey=address.key) as connection:
            connection.send((receiver, message))
            connection.recv()  # the receiver has the message
    except (OSError, EOFError):
        return False
    return True


def _receive(listener: Listener) -> None:
    while True:
        try:
            connection = listener.accept()
        except Exception:  # who knocks may die, or not know the key
            continue
        threading.Thread(target=_take, args=(connection,), daemon=True).start()


def _take(connection: Any) -> None:
    with connection:
        try:
            deliver_messages([connection.recv()])
            connection.send(None)
        except (OSError, EOFError):  # who posts has died
            return

"""Ctrl-C, told apart from the KeyboardInterrupt by which callbacks of skorch stop."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_count = 0  # of Ctrl-C, while somebody watched
_watchers = 0
_handler: Any = None  # that was there before


def n_interrupts() -> int:
    """Return how often Ctrl-C was pressed while somebody watched."""
    return _count


@contextmanager
def watching_interrupts() -> Iterator[None]:
    """Count Ctrl-C within the block; what it does remains the same.

    skorch's ``EarlyStopping`` raises KeyboardInterrupt to stop a fit, so an interrupt
    alone does not tell who raised it. Python runs signal handlers in the main thread,
    so in others there is nothing to watch. Blocks of several fits may overlap.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _watch()
    try:
        yield
    finally:
        _stop_watching()


def _watch() -> None:
    global _watchers, _handler
    if _watchers == 0:
        handler = signal.getsignal(signal.SIGINT)
        if callable(handler):  # else Ctrl-C is ignored, or ends the process
            _handler = handler
            signal.signal(signal.SIGINT, _count_and_pass_on)
    _watchers += 1


def _stop_watching() -> None:
    global _watchers, _handler
    _watchers -= 1
    if _watchers == 0 and _handler is not None:
        # somebody may have set another handler meanwhile
        if signal.getsignal(signal.SIGINT) is _count_and_pass_on:
            signal.signal(signal.SIGINT, _handler)
        _handler = None


def _count_and_pass_on(number: int, frame: FrameType | None) -> Any:
    global _count
    _count += 1
    if _handler is not None:
        return _handler(number, frame)
    return signal.default_int_handler(number, frame)

"""Tells Ctrl-C from a callback that stops a fit, and holds it until an epoch ends."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_n_interrupts = 0  # how often Ctrl-C was pressed in a block
_n_blocks = 0  # blocks of `count_interrupts` that are open
_previous_handler: Any = None  # the handler of SIGINT before the first block


class StopFit(KeyboardInterrupt):
    """A callback asked to stop the fit: surely not Ctrl-C."""


class StopRequest:
    """Catches, as a context manager, the KeyboardInterrupt of a callback.

    A callback stops a fit by raising KeyboardInterrupt, as skorch's ``EarlyStopping``
    does. The KeyboardInterrupt of Ctrl-C is for the caller of the fit, and passes.

    Attributes
    ----------
    was_made : bool
        Whether the block raised a KeyboardInterrupt without Ctrl-C.
    """

    was_made = False

    def __enter__(self) -> "StopRequest":
        self._n_before = _n_interrupts
        return self

    def __exit__(self, kind: type | None, *_: Any) -> bool:
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            is_pressed = _n_interrupts > self._n_before
            self.was_made = issubclass(kind, StopFit) or not is_pressed
        return self.was_made


@contextmanager
def count_interrupts() -> Iterator[None]:
    """Count Ctrl-C within the block; the handler of the user still runs.

    Only the count shows whether Ctrl-C was pressed, see `StopRequest`. Python runs
    signal handlers in the main thread, so blocks in other threads count nothing.
    Blocks of several fits may overlap.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _begin_counting()
    try:
        yield
    finally:
        _end_counting()


@contextmanager
def hold_interrupts() -> Iterator[None]:
    """Let a first Ctrl-C wait for the end of the block; a second one does not wait.

    Python runs signal handlers in the main thread, so blocks in other threads hold
    nothing.
    """
    handler = None
    if threading.current_thread() is threading.main_thread():
        handler = signal.getsignal(signal.SIGINT)
    if not callable(handler):
        yield
        return
    held: list[FrameType | None] = []

    def hold(number: int, frame: FrameType | None) -> Any:
        if held:
            return handler(number, frame)
        held.append(frame)
        return None

    signal.signal(signal.SIGINT, hold)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is hold:
            signal.signal(signal.SIGINT, handler)
    if held:
        handler(signal.SIGINT, held[0])


def _begin_counting() -> None:
    global _n_blocks, _previous_handler
    if _n_blocks == 0:
        handler = signal.getsignal(signal.SIGINT)
        if callable(handler):  # not callable: Ctrl-C is ignored, or ends the process
            _previous_handler = handler
            signal.signal(signal.SIGINT, _count_and_call_handler)
    _n_blocks += 1


def _end_counting() -> None:
    global _n_blocks, _previous_handler
    _n_blocks -= 1
    if _n_blocks == 0 and _previous_handler is not None:
        # the block may have set another handler, which stays
        if signal.getsignal(signal.SIGINT) is _count_and_call_handler:
            signal.signal(signal.SIGINT, _previous_handler)
        _previous_handler = None


def _count_and_call_handler(number: int, frame: FrameType | None) -> Any:
    global _n_interrupts
    _n_interrupts += 1
    if _previous_handler is not None:
        return _previous_handler(number, frame)
    return signal.default_int_handler(number, frame)

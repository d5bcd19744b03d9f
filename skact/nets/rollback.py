"""What a net is after a fit that failed: as before, or not fitted."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from skact.exceptions import DivergedError


@contextmanager
def restore_on_error(net: Any) -> Iterator[None]:
    """Restore all attributes of the net if the block raises an error."""
    before = dict(vars(net))
    try:
        yield
    except BaseException:  # Ctrl-C, too
        vars(net).clear()
        vars(net).update(before)
        raise


@contextmanager
def forget_fit_if_diverged(net: Any) -> Iterator[None]:
    """Make the net unfitted if it diverges, or fails before its first epoch."""
    try:
        yield
    except Exception as error:
        if isinstance(error, DivergedError) or not net.history_:
            net.initialized_ = False
        raise

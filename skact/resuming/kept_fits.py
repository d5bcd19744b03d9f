"""Fits that a session has trained, in memory: the next one of that name goes on."""

import threading
from collections import OrderedDict

from skact.resuming.fit_state import FitState


class KeptFits:
    """States of fits by name and epoch; those that were not used for longest go first.

    Parameters
    ----------
    limit : int
        Most bytes to keep.

    Attributes
    ----------
    nbytes : int
        Bytes that are kept.
    """

    def __init__(self, limit: int) -> None:
        self.limit, self.nbytes = limit, 0
        self._states: OrderedDict[tuple[str, int], FitState] = OrderedDict()
        self._epochs: dict[str, set[int]] = {}
        self._lock = threading.Lock()  # fits of several threads share a session

    def __len__(self) -> int:
        return len(self._states)

    @property
    def n_fits(self) -> int:
        """Number of different fits, each at one or several epochs."""
        return len(self._epochs)

    def __reduce__(self) -> tuple:  # to a worker process: nothing is kept there yet
        return type(self), (self.limit,)

    def find(self, name: str, n_epochs: int) -> FitState | None:
        """Return the state that has most epochs, but no more than wanted."""
        with self._lock:
            known = [n for n in self._epochs.get(name, ()) if n <= n_epochs]
            if not known:
                return None
            key = name, max(known)
            self._states.move_to_end(key)
            return self._states[key]

    def keep(self, name: str, state: FitState) -> None:
        """Keep a state, if there is room when others have gone."""
        with self._lock:
            key = name, state.n_epochs
            if state.nbytes > self.limit or key in self._states:
                return
            self._states[key] = state
            self._epochs.setdefault(name, set()).add(state.n_epochs)
            self.nbytes += state.nbytes
            while self.nbytes > self.limit:
                self._forget_oldest()

    def _forget_oldest(self) -> None:
        (name, n_epochs), state = self._states.popitem(last=False)
        self.nbytes -= state.nbytes
        self._epochs[name].discard(n_epochs)
        if not self._epochs[name]:
            del self._epochs[name]


# what the last block of `fused()` had kept when Ctrl-C ended it
_left: list[KeptFits] = []


def leave(kept: KeptFits) -> None:
    """Leave fits to the next session of this process."""
    _left[:] = [kept]


def take_left(limit: int) -> KeptFits:
    """Return the fits that an interrupted session has left, or an empty store."""
    if not _left:
        return KeptFits(limit)
    kept = _left.pop()
    kept.limit = limit
    return kept

"""One thread or many? Whatever is faster now; it changes no bit of the result.

Threads that meet at a barrier after each operation are a gain on idle cores. Where
other processes want the cores too, each barrier waits for the scheduler, and a step can
take ten times as long as on one thread. Nobody can know beforehand, so it is tried.
"""

import math

# steps of a trial with each number of threads, and until the next trial, at most
_TRIED = 3
_LONGEST = 2048


class Pace:
    """Choose the number of threads for each step of a training.

    Parameters
    ----------
    most : int
        Threads that are safe for the stack.

    Examples
    --------
    >>> pace = Pace(2)
    >>> for seconds in (1.0, 1.0, 1.0, 0.6, 0.6, 0.6):
    ...     pace.took(seconds)
    >>> pace.threads
    2
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.threads = 1
        self.wait = 64  # steps from one trial to the next
        self.left = 0  # steps until then
        self.best_alone = math.inf  # seconds of a step on one thread
        self.times: dict[int, list[float]] = {1: [], most: []}

    def took(self, seconds: float) -> None:
        """Hear how long a step took with `threads`; choose those of the next."""
        if self.most == 1:
            return
        if self.left > 0:
            self.left -= 1
            # something else may want the cores by now
            if self.threads > 1 and seconds > 3 * self.best_alone:
                self._choose(1)
            elif self.left == 0:
                self._begin_trial()
            return
        self.times[self.threads].append(seconds)
        alone, together = self.times[1], self.times[self.most]
        if len(alone) < _TRIED:
            return
        self.best_alone = min(alone)
        if self.threads == 1:
            self.threads = self.most
        elif seconds > 2 * self.best_alone and len(together) > 1:
            self._choose(1)  # one slow step may be that in which threads are made
        elif len(together) == _TRIED:
            self._choose(self.most if min(together) < self.best_alone else 1)

    def _begin_trial(self) -> None:
        self.threads = 1
        self.times = {1: [], self.most: []}

    def _choose(self, threads: int) -> None:
        self.threads, self.left = threads, self.wait
        self.wait = min(2 * self.wait, _LONGEST)

"""One thread or many? Whatever is faster now; it changes no bit of the result.

Threads that meet at a barrier after each operation are a gain on idle cores. Where
other processes want the cores too, each barrier waits for the scheduler, and a step can
take ten times as long as on one thread. Nobody can know beforehand, so it is tried.
"""

import statistics

# seconds on one thread before others are tried: where cores are busy a single step can
# take a tenth of a second
_SHORT = 0.02
# steps of a trial with each number of threads, and until the next trial, at most
_TRIED = 5
_LONGEST = 2048
# steps on one thread that threads may lose before they are given up
_CREDIT = 5
_WORST = 3  # and what a single step may count for
# how many times as long as what they lost is trained before they are tried again
_RECOVERY = 10


class Pace:
    """Choose the number of threads for each step of a training.

    Parameters
    ----------
    most : int
        Threads that are safe for the stack.

    Examples
    --------
    >>> pace = Pace(2)
    >>> for seconds in (1.0, 1.0, 1.0, 1.0, 1.0, 0.6, 0.6, 0.6, 0.6, 0.6):
    ...     pace.took(seconds)
    >>> pace.threads
    2
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.threads = 1
        self.spent = 0.0  # seconds before the first trial
        self.wait = 256  # steps from one trial to the next
        self.left = 0  # steps until then
        self.alone = 0.0  # seconds of a step on one thread
        self.credit = 0.0  # seconds that threads may lose
        self.lost = 0.0  # seconds that they have lost since they gained as much
        self.times: dict[int, list[float]] = {1: [], most: []}

    def took(self, seconds: float) -> None:
        """Hear how long a step took with `threads`; choose those of the next."""
        if self.most == 1:
            return
        if self.left > 0:
            self.left -= 1
            self._reckon(seconds)
            return
        if self.spent < _SHORT:
            self.spent += seconds
        self.times[self.threads].append(seconds)
        alone, together = self.times[1], self.times[self.most]
        if len(alone) < _TRIED or self.spent < _SHORT:
            return
        self.alone = statistics.median(alone)
        lost = sum(together) - len(together) * self.alone
        if self.threads == 1:
            self.threads = self.most
        elif len(together) > 1 and sum(together[1:]) > _CREDIT * self.alone:
            self._choose(1, lost)  # threads may be made in the first step
        elif len(together) == _TRIED:
            faster = statistics.median(together) < self.alone
            self._choose(self.most if faster else 1, lost)

    def _reckon(self, seconds: float) -> None:
        """Give threads up when they have lost more than they gained lately."""
        if self.threads > 1:
            most, excess = _CREDIT * self.alone, seconds - self.alone
            # a single hiccup is nobody's fault, however long
            self.credit -= min(excess, _WORST * self.alone)
            self.lost += max(excess, 0.0)
            if self.credit >= most:
                self.credit, self.lost = most, 0.0
            elif self.credit < 0:
                self.threads = 1
                self.left = int(_RECOVERY * self.lost / self.alone)
        if self.left == 0:
            self.threads = 1
            self.times = {1: [], self.most: []}

    def _choose(self, threads: int, lost: float) -> None:
        self.threads, self.left = threads, self.wait
        if threads == 1:
            self.left = max(self.wait, int(_RECOVERY * lost / self.alone))
        self.credit, self.lost = _CREDIT * self.alone, 0.0
        self.wait = min(2 * self.wait, _LONGEST)

"""The choice between one thread and many, by the time of steps. It changes no result.

After each operation threads wait for each other. On idle cores threads gain time. Where
other processes use the cores, threads wait for the scheduler, and a step can take ten
times as long as on one thread. So both are tried, and the faster one is used.
"""

import statistics

# seconds of steps on one thread before the first trial: on busy cores a single step on
# many threads can take a tenth of a second
_SECONDS_BEFORE_TRIAL = 0.02
# steps of a trial with each number of threads
_STEPS_OF_TRIAL = 5
# most steps between two trials
_MAX_STEPS_BETWEEN_TRIALS = 2048
# threads may lose the time of this many steps on one thread before they are given up
_CREDIT_STEPS = 5
# and a single slow step counts as at most this many steps on one thread
_MAX_STEPS_LOST_AT_ONCE = 3
# after threads lost time, one thread is used for this many times as long
_RECOVERY_FACTOR = 10


class ThreadChoice:
    """Choose the number of threads for each step of a training.

    Parameters
    ----------
    max_threads : int
        Most threads that change no result of the stack.

    Examples
    --------
    >>> choice = ThreadChoice(2)
    >>> for seconds in (1.0, 1.0, 1.0, 1.0, 1.0, 0.6, 0.6, 0.6, 0.6, 0.6):
    ...     choice.note_step(seconds)
    >>> choice.n_threads
    2
    """

    def __init__(self, max_threads: int) -> None:
        self.max_threads = max_threads
        self.n_threads = 1
        self.first_seconds = 0.0  # seconds of all steps before the first trial
        self.steps_between = 256  # steps from one trial to the next
        self.steps_left = 0  # steps until the next trial
        self.on_one = 0.0  # seconds of a step on one thread
        self.credit = 0.0  # seconds that threads may still lose
        self.lost = 0.0  # seconds that threads have lost since the credit was full
        self.times: dict[int, list[float]] = {1: [], max_threads: []}

    def note_step(self, seconds: float) -> None:
        """Note the time of a step on `n_threads`; choose those of the next step."""
        if self.max_threads == 1:
            return
        if self.steps_left > 0:
            self.steps_left -= 1
            self._update_credit(seconds)
            return
        if self.first_seconds < _SECONDS_BEFORE_TRIAL:
            self.first_seconds += seconds
        self.times[self.n_threads].append(seconds)
        one, many = self.times[1], self.times[self.max_threads]
        if len(one) < _STEPS_OF_TRIAL or self.first_seconds < _SECONDS_BEFORE_TRIAL:
            return
        self.on_one = statistics.median(one)
        lost = sum(many) - len(many) * self.on_one
        if self.n_threads == 1:
            self.n_threads = self.max_threads
        elif len(many) > 1 and sum(many[1:]) > _CREDIT_STEPS * self.on_one:
            self._set_threads(1, lost)  # many[0] may include the start of the threads
        elif len(many) == _STEPS_OF_TRIAL:
            is_faster = statistics.median(many) < self.on_one
            self._set_threads(self.max_threads if is_faster else 1, lost)

    def _update_credit(self, seconds: float) -> None:
        """Give threads up if they have lost more time than the credit."""
        if self.n_threads > 1:
            full, excess = _CREDIT_STEPS * self.on_one, seconds - self.on_one
            # one slow step, however long, must not use up the credit
            self.credit -= min(excess, _MAX_STEPS_LOST_AT_ONCE * self.on_one)
            self.lost += max(excess, 0.0)
            if self.credit >= full:
                self.credit, self.lost = full, 0.0
            elif self.credit < 0:
                self.n_threads = 1
                self.steps_left = int(_RECOVERY_FACTOR * self.lost / self.on_one)
        if self.steps_left == 0:
            self.n_threads = 1
            self.times = {1: [], self.max_threads: []}

    def _set_threads(self, n_threads: int, lost: float) -> None:
        """Use `n_threads` until the next trial."""
        self.n_threads, self.steps_left = n_threads, self.steps_between
        if n_threads == 1:
            recovery = int(_RECOVERY_FACTOR * lost / self.on_one)
            self.steps_left = max(self.steps_between, recovery)
        self.credit, self.lost = _CREDIT_STEPS * self.on_one, 0.0
        self.steps_between = min(2 * self.steps_between, _MAX_STEPS_BETWEEN_TRIALS)

"""A progress bar, drawn by rich; rich is imported only if a bar is wanted."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# where no bar can be drawn, as in a file, a line tells of each tenth of the work, and
# after so many seconds also of less
_LINES, _SECONDS_BETWEEN_LINES = 10, 60
# a search that finds more work as it goes on would tell of tenths all the time: so many
# seconds lie between lines at least, and the more, the longer it takes
_FEWEST_SECONDS = 2


class ProgressBar:
    """Shows how much has been trained, and about how long the rest will take.

    The bar appears with the first work: a session that trains nothing prints nothing.
    Output that is neither a terminal nor a notebook gets a plain line now and then.

    Parameters
    ----------
    unit : str, default="epochs"
        The noun after the numbers.
    console : rich.console.Console, default=None
        Where to draw; None: the terminal's stderr, or the notebook.

    Raises
    ------
    ImportError
        If rich is missing.
    """

    def __init__(self, unit: str = "epochs", console: Any = None) -> None:
        try:
            from rich import console as consoles
        except ImportError as error:
            raise ImportError(
                "progress=True draws with rich, which is not installed: "
                'pip install "skact[progress]", or pass progress=False.'
            ) from error
        self.total, self.done = 0, 0
        # a console of its own, because rich allows one live display on each console
        console = console or consoles.Console(stderr=True)
        is_drawn = console.is_interactive or console.is_jupyter
        self._display: Any = (_Bar if is_drawn else _Lines)(unit, console)
        self._is_shown = False
        self._lock = threading.Lock()  # fits of several threads count here

    @contextmanager
    def count_work(self, n: int) -> Iterator["Work"]:
        """Count the work of the block.

        Parameters
        ----------
        n : int
            Units of work to do. At the end of the block all units count as done,
            because the rest was not needed. After an error, the rest leaves the total.
            After Ctrl-C it stays: the bar does not end full.

        Yields
        ------
        Work
            To be called with the number of units done since the last call.
        """
        work = Work(self._add)
        work.expect(n)
        try:
            yield work
        except Exception:
            self._add(total=-work.n_left)
            raise
        self._add(done=work.n_left)

    def _add(self, *, done: int = 0, total: int = 0) -> None:
        with self._lock:
            self.done, self.total = self.done + done, self.total + total
            if not self._is_shown:
                self._is_shown = True
                self._display.start(self.total)
            self._display.update(self.done, self.total)

    def close(self) -> None:
        """Stop drawing; the bar stays on the screen as it is."""
        if self._is_shown:
            self._display.stop()


class Work:
    """Units of work that a bar counts.

    Attributes
    ----------
    n_left : int
        Units that are not done.
    """

    def __init__(self, add: Callable[..., None]) -> None:
        self._add, self.n_left = add, 0

    def expect(self, n: int) -> None:
        """Count on more units to do."""
        self.n_left += n
        self._add(total=n)

    def __call__(self, n: int) -> None:
        """Note units that were done since the last call."""
        self.n_left -= n
        self._add(done=n)


class _Bar:
    """A live bar, on a terminal or in a notebook."""

    def __init__(self, unit: str, console: Any) -> None:
        from rich import progress

        self._progress = progress.Progress(
            progress.TextColumn("Training"),
            progress.BarColumn(),
            progress.TextColumn(f"{{task.completed:.0f}}/{{task.total:.0f}} {unit}"),
            progress.TimeElapsedColumn(),
            progress.TextColumn("left:"),
            progress.TimeRemainingColumn(),
            console=console,
        )
        self._row: Any = None

    def start(self, total: int) -> None:
        self._row = self._progress.add_task("", total=total)
        self._progress.start()

    def update(self, done: int, total: int) -> None:
        self._progress.update(self._row, completed=done, total=total)

    def stop(self) -> None:
        if self._progress.console.is_jupyter:  # there rich does not draw the end
            self._progress.refresh()
        self._progress.stop()


class _Lines:
    """Plain lines, each when a tenth more of the work is done."""

    def __init__(self, unit: str, console: Any) -> None:
        self._unit, self._file = unit, console.file
        self._done, self._total = 0, 0
        self._told = (0, 0)  # what the last line said
        self._began = self._last = 0.0

    def start(self, total: int) -> None:
        self._began = self._last = time.monotonic()

    def update(self, done: int, total: int) -> None:
        self._done, self._total = done, total
        more, now = done - self._told[0], time.monotonic()
        silent, elapsed = now - self._last, now - self._began
        is_late = silent >= _SECONDS_BETWEEN_LINES
        is_early = silent < _FEWEST_SECONDS * (1 + elapsed / 20)
        if more and (is_late or (more * _LINES >= total and not is_early)):
            self._tell(now)

    def stop(self) -> None:
        if self._told != (self._done, self._total):
            self._tell(time.monotonic())

    def _tell(self, now: float) -> None:
        self._told, self._last = (self._done, self._total), now
        counts = f"{self._done}/{self._total} {self._unit}"
        self._file.write(f"Training {counts}, {now - self._began:.0f} s\n")
        self._file.flush()

"""A live progress bar, drawn by rich; rich is imported only if a bar is wanted."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class ProgressBar:
    """Shows how much has been trained, and about how long the rest will take.

    The bar appears with the first work: a session that trains nothing prints nothing.

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
            from rich import progress
            from rich.console import Console
        except ImportError as error:
            raise ImportError(
                "progress=True draws with rich, which is not installed: "
                'pip install "skact[progress]", or pass progress=False.'
            ) from error
        self.total, self.done = 0, 0
        # a console of its own, because rich allows one live display on each console
        self._bar = progress.Progress(
            progress.TextColumn("Training"),
            progress.BarColumn(),
            progress.TextColumn(f"{{task.completed:.0f}}/{{task.total:.0f}} {unit}"),
            progress.TimeElapsedColumn(),
            progress.TextColumn("left:"),
            progress.TimeRemainingColumn(),
            console=console or Console(stderr=True),
        )
        self._row: Any = None

    @contextmanager
    def count_work(self, n: int) -> Iterator[Callable[[int], None]]:
        """Count the work of the block.

        Parameters
        ----------
        n : int
            Units of work to do. At the end of the block all units count as done,
            because the rest was not needed. After an error, the rest leaves the total.

        Yields
        ------
        advance : callable
            To be called with the number of units done since the last call.
        """
        n_done = 0

        def advance(more: int) -> None:
            nonlocal n_done
            n_done += more
            self._add(done=more)

        self._add(total=n)
        try:
            yield advance
        except BaseException:  # Ctrl-C, too
            self._add(total=n_done - n)
            raise
        self._add(done=n - n_done)

    def _add(self, *, done: int = 0, total: int = 0) -> None:
        self.done, self.total = self.done + done, self.total + total
        if self._row is None:
            self._row = self._bar.add_task("")
            self._bar.start()
        self._bar.update(self._row, completed=self.done, total=self.total)

    def close(self) -> None:
        """Stop drawing; the bar stays on the screen as it is."""
        if self._row is not None:
            self._bar.stop()

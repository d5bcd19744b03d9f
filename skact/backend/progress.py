"""A live progress bar, drawn by rich; rich is imported only when a bar is asked for."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class ProgressBar:
    """Shows how much has been trained, and about how long the rest will take.

    It appears with the first work, so a session that trains nothing prints nothing.

    Parameters
    ----------
    unit : str, default="epochs"
        What is counted.
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
        # a console of its own: rich allows one live display on each
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
    def work(self, n: int) -> Iterator[Callable[[int], None]]:
        """Count the work of the block.

        Parameters
        ----------
        n : int
            How much there is to do. What was not done at the end was not needed; after
            an error, it will not be done.

        Yields
        ------
        advance : callable
            To be told how much has been done since it was told last.
        """
        told = 0

        def advance(more: int) -> None:
            nonlocal told
            told += more
            self._update(done=more)

        self._update(total=n)
        try:
            yield advance
        except BaseException:  # Ctrl-C, too
            self._update(total=told - n)
            raise
        self._update(done=n - told)

    def _update(self, *, done: int = 0, total: int = 0) -> None:
        self.done, self.total = self.done + done, self.total + total
        if self._row is None:
            self._row = self._bar.add_task("")
            self._bar.start()
        self._bar.update(self._row, completed=self.done, total=self.total)

    def close(self) -> None:
        """Leave the bar as it is and give the terminal back."""
        if self._row is not None:
            self._bar.stop()

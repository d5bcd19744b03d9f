"""What the epochs of one fit show, in numbers that rules can weigh.

Losses are measured by the loss of the best constant output: 1 is a net that has learned
nothing, whatever the table.
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from skact.results.data_facts import INPUT_MAX, INPUT_MEDIAN, LOSS_CONSTANT
from skact.results.schema import is_name_of_best_flag

DEAD, SATURATED = 0.4, 0.5  # shares of units from which a layer is worth a word


class Evidence:
    """The epochs of one fit, and the parameters of its net.

    Parameters
    ----------
    rows : DataFrame
        A row for each epoch, with what callbacks recorded.
    params : dict
        Parameters of the net.
    failed : bool, default=False
        Whether the fit has failed.
    n_classes : int or None, default=None
        Number of classes; None: y has numbers, or is not known.
    largest : str, default=""
        The column of X with the greatest values; "" if it is not known.
    """

    def __init__(
        self,
        rows: pd.DataFrame,
        params: Mapping[str, Any],
        *,
        failed: bool = False,
        n_classes: int | None = None,
        largest: str = "",
    ) -> None:
        rows = rows.sort_values("epoch")
        self.params = params
        self.largest = f"column {largest} of X" if largest else "a column of X"
        self.columns: dict[str, np.ndarray] = {
            name: pd.to_numeric(rows[name], errors="coerce").to_numpy(
                float, na_value=np.nan
            )
            for name in rows
            if not is_name_of_best_flag(name)
        }
        self.epochs = self.columns["epoch"]
        losses = self.columns.get("train_loss", np.zeros(0))
        self.has_diverged = failed or (
            len(losses) > 0 and not math.isfinite(float(losses[-1]))
        )
        self.constant = self._last(LOSS_CONSTANT)
        if not self.constant and n_classes is not None and n_classes > 1:
            self.constant = math.log(n_classes)  # no shares of classes have more
        # without either, the first epoch stands for a net that knows nothing
        unit = self.constant or next(iter(losses[np.isfinite(losses)]), 1.0) or 1.0
        self.train = losses[np.isfinite(losses)] / unit
        names = ("fold_loss", "valid_loss")
        self.held_out_name = next((name for name in names if name in self.columns), "")
        held_out = self.columns.get(self.held_out_name, np.zeros(0)) / unit
        self.held_out = held_out[np.isfinite(held_out)]
        self.input_max = self._last(INPUT_MAX)
        self.input_median = self._last(INPUT_MEDIAN)

    def _last(self, name: str) -> float | None:
        values = self.columns.get(name, np.zeros(0))
        known = values[np.isfinite(values)]
        return float(known[-1]) if len(known) else None

    def number(self, name: str, default: float | None = None) -> float | None:
        """Return a parameter that is a number; None: it is not, or not known."""
        value = self.params.get(name, default)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return float(value) if is_number else default

    @property
    def depth(self) -> int:
        """Number of hidden layers."""
        hidden = self.params.get("hidden")
        widths = re.findall(r"\d+", str(hidden)) if hidden is not None else []
        recorded = len(list(self.layers("grad_norm")))
        return len(widths) or recorded or int(self.number("depth") or 1)

    @property
    def narrowest(self) -> int | None:
        """Units of the narrowest hidden layer; None: not known."""
        widths = re.findall(r"\d+", str(self.params.get("hidden")))
        width = self.number("width")
        return (
            min(map(int, widths)) if widths else None if width is None else int(width)
        )

    @property
    def end(self) -> float:
        """The training loss that the net has in the end."""
        if not len(self.train):
            return math.nan
        if self.params.get("early_stopping") and len(self.held_out) == len(self.train):
            return float(self.train[int(self.held_out.argmin())])
        return float(np.median(self.train[-3:]))

    @property
    def first(self) -> float:
        """The training loss of the first epoch."""
        return float(self.train[0]) if len(self.train) else math.nan

    @property
    def jumps(self) -> float:
        """By how much the loss went up, in all, after the first quarter."""
        later = self.train[len(self.train) // 4 :]
        return float(np.maximum(np.diff(later), 0).sum()) if len(later) > 1 else 0.0

    @property
    def fall(self) -> float:
        """By how much the loss fell in the last third.

        A schedule stills any training, so there the second third counts.
        """
        if len(self.train) < 3:
            return 0.0
        thirds = [part.mean() for part in np.array_split(self.train, 3)]
        return float(
            thirds[0] - thirds[1] if self.is_stilled else thirds[1] - thirds[2]
        )

    @property
    def last_fall(self) -> float:
        """By how much the loss fell in the last fifth: what more epochs may bring.

        With a schedule the middle fifth counts; the held-out loss counts, too.
        """
        falls = []
        for losses in (self.train, self.held_out):
            if len(losses) >= 5:
                fifths = [part.mean() for part in np.array_split(losses, 5)]
                before, after = fifths[1:3] if self.is_stilled else fifths[3:]
                falls.append(float(before - after))
        return min(falls, default=0.0)

    @property
    def is_stilled(self) -> bool:
        """Whether a schedule has lowered the rate, so that losses stand still."""
        return str(self.params.get("lr_schedule")) not in ("None", "nan")

    @property
    def best_held_out(self) -> float:
        """The least held-out loss, of medians of three epochs; NaN: none."""
        return float(_smooth(self.held_out).min()) if len(self.held_out) else math.nan

    @property
    def rise(self) -> float:
        """By how much the held-out loss ends above its least; 0: it stopped early."""
        if len(self.held_out) < 5 or self.params.get("early_stopping"):
            return 0.0
        return float(np.median(self.held_out[-3:])) - self.best_held_out

    def layers(self, name: str) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the number of each hidden layer, and its finite values."""
        for key, values in self.columns.items():
            match = re.fullmatch(rf"{name}_(\d+)", key)
            if match is not None and np.isfinite(values).any():
                yield int(match[1]), values[np.isfinite(values)]

    def worst_layer(self, name: str, limit: float) -> tuple[int, float] | None:
        """Return the first layer with most units dead, or saturated, at the end."""
        shares = [(k, float(v[-2:].min())) for k, v in self.layers(name)]
        layer, share = max(shares, key=lambda one: one[1], default=(0, 0.0))
        return (layer, share) if share >= limit else None


def _smooth(losses: np.ndarray) -> np.ndarray:
    """Return medians of three neighbours, so that one lucky epoch is no minimum."""
    if len(losses) < 7:
        return losses
    windows = np.lib.stride_tricks.sliding_window_view(losses, 3)
    return np.median(windows, axis=1)

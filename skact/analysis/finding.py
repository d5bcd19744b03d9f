"""One fault of a training: what shows it, what causes it, and what to change."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Finding:
    """One fault of a fit, or of the fits of a candidate.

    Parameters
    ----------
    cause : str
        What to change, such as "high lr" or "inputs".
    text : str
        What shows the fault, and why this is its cause.
    advice : str
        What to try first.
    change : dict of str to object
        The advice as parameters of the net; ``{"X": "scaled"}`` and
        ``{"y": "scaled"}`` are about the data. Empty if no parameter helps.
    cost : float
        The share of the loss of a constant that is at stake, from 0 to 1. Where a
        search has scores: what its best score lies above this one.
    figures : dict of str to float
        Numbers that show the fault.

    Examples
    --------
    >>> change = {"lr": 0.002}
    >>> print(Finding("high lr", "lr 5 is high", "Try lr=0.002.", change, 1.0, {}))
    lr 5 is high. Try lr=0.002.
    """

    cause: str
    text: str
    advice: str
    change: Mapping[str, Any]
    cost: float
    figures: Mapping[str, float]

    def __str__(self) -> str:
        return f"{self.text}. {self.advice}"

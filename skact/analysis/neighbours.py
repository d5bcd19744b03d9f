"""What a search itself shows of an advice: candidates that differ in it alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from skact.analysis.finding import Finding
from skact.results.frames import to_frame
from skact.results.schema import losses_among, schema_of_frame


@dataclass(frozen=True)
class Neighbours:
    """The candidates of a search, with a score each.

    Parameters
    ----------
    params : dict
        Values of the tried parameters of each candidate, by the candidate's key.
    scores : dict
        The mean score of each candidate: higher is better.
    has_scores : bool
        Whether scores are those of the search, and not losses.
    """

    params: Mapping[Any, Mapping[str, Any]]
    scores: Mapping[Any, float]
    has_scores: bool

    def weigh(
        self, key: Any, finding: Finding, column_of: Mapping[str, str]
    ) -> Finding | None:
        """Return a finding with what the search shows of its advice.

        Parameters
        ----------
        key : object
            The candidate.
        finding : Finding
        column_of : dict of str to str
            The column of each parameter of the net that was tried.

        Returns
        -------
        Finding or None
            None if the search has tried the advice, and it was not better. With the
            best value that was tried, if it was better. Otherwise unchanged.
        """
        own = self.scores.get(key)
        if own is None:
            return finding
        shown = [
            (self.scores[other], name, self.params[other][column])
            for name, value in finding.change.items()
            if (column := column_of.get(name)) is not None
            for other in self._that_differ_in(key, column)
            if _goes_towards(
                self.params[key][column], self.params[other][column], value
            )
        ]
        if not shown:
            return finding
        score, name, value = max(shown, key=lambda one: one[0])
        if not self._is_better(score, own):
            return None
        advice = f"Take {_describe_step(name, value)}: {self._describe(score, own)}."
        return replace(finding, advice=advice, change={name: value})

    def with_best_step(self, key: Any, finding: Finding) -> Finding:
        """Add the best change of one parameter that the search has tried."""
        steps = [
            (self.scores[other], column, self.params[other][column])
            for column in self.params.get(key, ())
            for other in self._that_differ_in(key, column)
        ]
        own = self.scores.get(key, np.inf)
        score, column, value = max(steps, key=lambda one: one[0], default=(own, "", 0))
        # an advice that was weighed has its own figures
        if not self._is_better(score, own) or finding.advice.startswith("Take "):
            return finding
        shown = f"{_describe_step(column, value)} did better: "
        advice = f"{finding.advice} Tried, {shown}{self._describe(score, own)}."
        return replace(finding, advice=advice)

    def _is_better(self, score: float, own: float) -> bool:
        """Whether a score is better by more than a twentieth of all differences."""
        known = [score for score in self.scores.values() if np.isfinite(score)]
        return score > own + 0.05 * (max(known, default=0.0) - min(known, default=0.0))

    def _describe(self, score: float, own: float) -> str:
        measure = "scores" if self.has_scores else "has a held-out loss of"
        a, b = (score, own) if self.has_scores else (-score, -own)
        # a fit that failed has no score
        this = f"this one {b:.3g}" if np.isfinite(own) else "this one none"
        return f"it {measure} {a:.3g}, {this}"

    def cost_of(self, key: Any) -> float | None:
        """Return what the best score lies above a candidate's; None: not known."""
        known = [score for score in self.scores.values() if np.isfinite(score)]
        if not self.has_scores or not known or key not in self.scores:
            return None
        own = self.scores[key]
        return max(known) - (own if np.isfinite(own) else min(known))

    def _that_differ_in(self, key: Any, column: str) -> list[Any]:
        def rest(params: Mapping[str, Any]) -> dict[str, str]:
            return {name: str(v) for name, v in params.items() if name != column}

        own = rest(self.params[key])
        return [
            other
            for other, params in self.params.items()
            if other != key and rest(params) == own and other in self.scores
        ]


def _describe_step(name: str, value: Any) -> str:
    value = value.item() if isinstance(value, np.generic) else value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{name}={value:g}" if is_number else f"{name}={value!r}"


def _goes_towards(own: Any, other: Any, advised: Any) -> bool:
    """Whether another value goes from one's own the way of the advice."""
    numbers = [
        isinstance(value, int | float) and not isinstance(value, bool)
        for value in (own, other, advised)
    ]
    if all(numbers):
        return bool((other - own) * (advised - own) > 0)
    return str(other) == str(advised)


def neighbours_of(
    obj: Any, epochs: pd.DataFrame, ids: Sequence[str], params: Sequence[str]
) -> Neighbours:
    """Read the scores of candidates; without scores, the last held-out losses.

    Parameters
    ----------
    obj : object
        What `diagnose` got.
    epochs : DataFrame
        Its epochs.
    ids : sequence of str
        Columns that tell candidates apart.
    params : sequence of str
        Columns of tried parameters.
    """
    if "candidate" not in ids:
        return Neighbours({}, {}, False)
    values = {
        key: dict(rows.iloc[0]) for key, rows in epochs.groupby(list(ids))[list(params)]
    }
    scores = {} if isinstance(obj, pd.DataFrame) else _scores_of(obj, ids)
    if scores:
        return Neighbours(values, scores, True)
    losses = losses_among(name for name in epochs if name != "train_loss")
    if not losses:
        return Neighbours(values, {}, False)
    last = epochs.groupby([*ids, "fold"] if "fold" in epochs else list(ids)).last()
    means = last.groupby(level=list(ids))[losses[0]].mean()
    known = {_as_key(k): -np.inf if np.isnan(v) else -v for k, v in means.items()}
    return Neighbours(values, known, False)


def _scores_of(obj: Any, ids: Sequence[str]) -> dict[Any, float]:
    try:
        frame = to_frame(obj, level="fold")
    except (TypeError, ValueError):  # a log, or searches together with nets
        return {}
    if not set(ids) <= set(frame):
        return {}
    means = frame.groupby(list(ids))[schema_of_frame(frame, "fold").score].mean()
    return {_as_key(k): -np.inf if np.isnan(v) else v for k, v in means.items()}


def _as_key(key: Any) -> tuple[Any, ...]:
    return key if isinstance(key, tuple) else (key,)

"""The result of a comparison in words."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from skact.results.schema import metric_of_score


def verdict_of(found: Any) -> str:
    """Say which value is best, and how the other values compare with it."""
    means, frame = found.means, found.frame
    best, n = means.index[0], len(found.scores)
    shown = (frame["a"] == best) & (frame["verdict"] == "a better")
    said = ["" if shown.any() else "No winner is shown."]
    said += [
        f"Of {len(means)} values of {found.by}, {best} scores best: "
        f"{means.iloc[0]:.4g} ({metric_of_score(found.metric)}, mean of {n} "
        f"folds)."
    ]
    of_best = frame[frame["a"] == best].set_index("b")
    for kind in ("equivalent", "a better", "undecided"):
        rows = of_best[of_best["verdict"] == kind]
        if len(rows):
            said.append(_sentence_on_values(kind, best, rows, found))
    rest = frame[frame["a"] != best]
    if len(rest):
        counts = rest["verdict"].value_counts()
        kinds = {
            "a better": ("differs", "differ"),
            "equivalent": ("is equivalent", "are equivalent"),
            "undecided": ("cannot be told apart", "cannot be told apart"),
        }
        parts = [
            f"{counts[kind]} {one if counts[kind] == 1 else several}"
            for kind, (one, several) in kinds.items()
            if kind in counts
        ]
        pairs = f"{len(rest)} pairs" if len(rest) > 1 else "pair"
        said.append(f"Of the other {pairs}, {', '.join(parts)}.")
    half = float(((frame["high"] - frame["low"]) / 2).median())
    if half > 0:
        several = f", more after the adjustment for {len(frame)} pairs"
        said.append(
            f"With these {n} folds a difference must reach about {half:.2g} to be told "
            f"from chance{several if len(frame) > 1 else ''}."
        )
    return " ".join(filter(None, [*said, *found.notes]))


def _sentence_on_values(kind: str, best: Any, rows: pd.DataFrame, found: Any) -> str:
    """Say how some values compare with the best value."""
    details = {
        "equivalent": lambda row: f"probability {row.equivalent:.1%}",
        "a better": lambda row: f"by {row.difference:.4g}, p {_format_p(row.p_holm)}",
        "undecided": lambda row: (
            f"{row.difference:.4g} less, p {_format_p(row.p_holm)}"
        ),
    }[kind]
    listed = _join_with_and(
        [f"{row.Index} ({details(row)})" for row in rows.itertuples()]
    )
    are = "is" if len(rows) == 1 else "are"
    if kind == "equivalent":
        return f"{listed} {are} practically equivalent to it, within {found.rope:g}."
    if kind == "a better":
        return f"{listed} {are} worse."
    return f"{listed} {are} neither shown to be worse nor to be equivalent."


def _format_p(value: float) -> str:
    return "< .001" if value < 0.001 else f"= {value:.2g}"


def _join_with_and(parts: Sequence[str]) -> str:
    """Join parts of a sentence with commas and "and"."""
    if len(parts) == 1:
        return parts[0]
    return f"{', '.join(parts[:-1])} and {parts[-1]}"

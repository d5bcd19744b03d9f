"""What a comparison amounts to, in words."""

from collections.abc import Sequence
from typing import Any

import pandas as pd


def verdict_of(found: Any) -> str:
    """Say what became of the best one and all others."""
    means, frame = found.means, found.frame
    best, n = means.index[0], len(found.scores)
    shown = (frame["a"] == best) & (frame["verdict"] == "a better")
    said = ["" if shown.any() else "No winner is shown."]
    said += [
        f"Of {len(means)} values of {found.by}, {best} scores best: "
        f"{means.iloc[0]:.4g} ({found.metric.removeprefix('test_')}, mean of {n} "
        f"folds)."
    ]
    of_best = frame[frame["a"] == best].set_index("b")
    for kind in ("equivalent", "a better", "undecided"):
        rows = of_best[of_best["verdict"] == kind]
        if len(rows):
            said.append(_sentence(kind, best, rows, found))
    rest = frame[frame["a"] != best]
    if len(rest):
        counts = rest["verdict"].value_counts()
        kinds = {
            "a better": "differ",
            "equivalent": "are equivalent",
            "undecided": "cannot be told apart",
        }
        parts = [f"{counts[k]} {text}" for k, text in kinds.items() if k in counts]
        pairs = f"{len(rest)} pairs" if len(rest) > 1 else "pair"
        said.append(f"Of the other {pairs}, {', '.join(parts)}.")
    half = float(((frame["high"] - frame["low"]) / 2).median())
    if half > 0:
        said.append(
            f"With these {n} folds a difference must reach about {half:.2g} to be told "
            f"from chance, more after the adjustment for {len(frame)} pairs."
        )
    return " ".join(filter(None, [*said, *found.notes]))


def _sentence(kind: str, best: Any, rows: pd.DataFrame, found: Any) -> str:
    """Say of some values how they stand to the best one."""
    details = {
        "equivalent": lambda row: f"probability {row.equivalent:.1%}",
        "a better": lambda row: f"by {row.difference:.4g}, p {_p(row.p_holm)}",
        "undecided": lambda row: f"{row.difference:.4g} less, p {_p(row.p_holm)}",
    }[kind]
    listed = _listed([f"{row.Index} ({details(row)})" for row in rows.itertuples()])
    are = "is" if len(rows) == 1 else "are"
    if kind == "equivalent":
        return f"{listed} {are} practically equivalent to it, within {found.rope:g}."
    if kind == "a better":
        return f"{listed} {are} worse."
    return f"{listed} {are} neither shown to be worse nor to be equivalent."


def _p(value: float) -> str:
    return "< .001" if value < 0.001 else f"= {value:.2g}"


def _listed(parts: Sequence[str]) -> str:
    """Join the parts of a sentence."""
    if len(parts) == 1:
        return parts[0]
    return f"{', '.join(parts[:-1])} and {parts[-1]}"

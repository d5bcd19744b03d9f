"""Words for losses and layers that are bad, and what they cost."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from skact.analysis.evidence import DEAD, SATURATED, Evidence
from skact.analysis.finding import Finding


def blame(
    cause: str,
    evidence: Evidence,
    reason: str,
    advice: str,
    change: Mapping[str, Any],
    **figures: float,
) -> Finding:
    """Return a finding: the reason, the losses that are bad, and what they cost."""
    known = {"loss": evidence.end, **figures}
    text = describe_trouble(evidence)
    return Finding(
        cause,
        f"{reason}: {text}" if reason else text,
        advice,
        change,
        cost_of(evidence),
        {name: value for name, value in known.items() if np.isfinite(value)},
    )


def cost_of(evidence: Evidence) -> float:
    """Return the share of the loss of a constant that is at stake."""
    if evidence.has_diverged or not len(evidence.train):
        return 1.0
    worst = max(evidence.end, float(np.nan_to_num(evidence.best_held_out)))
    return float(min(worst + evidence.rise, 1.0))


def describe_trouble(evidence: Evidence) -> str:
    """Describe the losses, and the layer that is worst."""
    said = [_describe_losses(evidence), *_describe_layers(evidence)]
    return "; ".join(said)


def _describe_losses(evidence: Evidence) -> str:
    if evidence.has_diverged:
        return f"the loss became NaN or infinite in epoch {int(evidence.epochs[-1])}"
    if not len(evidence.train):
        return "the training loss is not known"
    end = evidence.end
    if evidence.constant is None:
        return f"the training loss is {end:.2g} times that of the first epoch"
    if evidence.first > 5 and end < 0.5:
        return (
            f"the first training loss was {evidence.first:.2g} times that of a constant"
        )
    if end > 1.1:
        return f"the training loss is {end:.3g} times that of a constant output"
    if end > 0.9:
        return "the training loss is no better than that of a constant output"
    return f"the training loss is {_percent(end)} of that of a constant output"


def _describe_layers(evidence: Evidence) -> list[str]:
    said = []
    for name, limit, word in (
        ("dead", DEAD, "dead"),
        ("saturated", SATURATED, "saturated"),
    ):
        worst = evidence.worst_layer(name, limit)
        if worst is not None:
            layer, share = worst
            said.append(f"{_percent(share)} of layer {layer}'s units are {word}")
    return said


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"

"""Settings far from what is usual, of nets that train badly: each a likely cause.

A setting alone is no fault: each rule also asks for losses that are bad.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

from skact.activations.rate_table import rate_of_name
from skact.analysis.evidence import DEAD, SATURATED, Evidence
from skact.analysis.finding import Finding
from skact.analysis.trouble import blame

_LEARNED = 1e-3  # of the loss of a constant output
HIGH_RATE, LOW_RATE = 8.0, 1 / 8  # times the rate that suits
STRONG_DROPOUT = 0.6
STRONG_DECAY = 1.0  # of AdamW; of others, which add it to the gradient:
STRONG_PENALTY = 0.02
USUAL_MOMENTUM, HIGH_MOMENTUM = 0.9, 0.97
DEEP, NARROW = 5, 2
VANISHING = 1e-2  # grad_ratio

Rule = Callable[[Evidence], Finding | None]


def suiting_rate(evidence: Evidence) -> float | None:
    """Return the rate that suits activation and optimizer; None: not known.

    If the optimizer is not known, as of saved results, that one counts whose rate is
    nearer.
    """
    lr, name = evidence.number("lr"), str(evidence.params.get("optimizer", "adam, sgd"))
    kinds = [kind for kind in ("adam", "sgd") if kind in name.lower()]
    if not lr or not kinds or "activation" not in evidence.params:
        return None
    # of several activations, the first
    first = str(evidence.params["activation"]).strip("('\"").partition("'")[0]
    rates = [rate_of_name(first, kind) for kind in kinds]
    return min(rates, key=lambda rate: abs(math.log(lr / rate)))


def rate_ratio(evidence: Evidence) -> float | None:
    """Return the learning rate over the one that suits; None: not known."""
    lr, suiting = evidence.number("lr"), suiting_rate(evidence)
    return lr / suiting if lr and suiting else None


def unusual_settings(evidence: Evidence) -> Iterator[Finding]:
    """Yield each setting that is unusual and does harm, the likeliest cause first."""
    for rule in _RULES:
        finding = rule(evidence)
        if finding is not None:
            yield finding


def advise_rate(evidence: Evidence, *, lower: bool) -> tuple[str, dict[str, Any]]:
    """Advise the rate that suits, if it is a third or less, or three times or more.

    Otherwise a tenth, or ten times.
    """
    lr, suiting = evidence.number("lr"), suiting_rate(evidence)
    if not lr:
        return f"Try a {'lower' if lower else 'higher'} lr.", {}
    steps = 0.0 if suiting is None else math.log(suiting / lr, 3)
    rate = lr / 10 if lower else lr * 10
    if suiting is not None and (steps <= -1 if lower else steps >= 1):
        rate = suiting
    rate = float(f"{rate:.2g}")
    return f"Try lr={rate:g}.", {"lr": rate}


def _is_harmed(evidence: Evidence, limit: float) -> bool:
    """Whether losses are bad: a net that learns well needs no advice."""
    return (
        evidence.has_diverged
        or evidence.end > limit
        or evidence.best_held_out > 1
        or evidence.rise > 0.3
    )


def _is_restless(evidence: Evidence) -> bool:
    """Whether losses are bad, or were on the way; not if all was learned in the end."""
    was_bad = evidence.first > 1.5 or evidence.jumps > 0.5
    return _is_harmed(evidence, 0.3) or (was_bad and evidence.end > _LEARNED)


def _momentum(evidence: Evidence) -> Finding | None:
    momentum = evidence.number("momentum")
    is_used = str(evidence.params.get("optimizer", "")).lower() == "sgd"
    if not is_used or momentum is None or momentum < HIGH_MOMENTUM:
        return None
    if not _is_restless(evidence):
        return None
    return blame(
        "momentum",
        evidence,
        f"momentum {momentum:g} is high",
        f"Try momentum={USUAL_MOMENTUM}.",
        {"momentum": USUAL_MOMENTUM},
    )


def _high_rate(evidence: Evidence) -> Finding | None:
    ratio = rate_ratio(evidence)
    is_harmed = (
        _is_restless(evidence)
        or evidence.worst_layer("dead", DEAD) is not None
        or evidence.worst_layer("saturated", SATURATED) is not None
    )
    if ratio is None or ratio < HIGH_RATE or not is_harmed:
        return None
    return blame(
        "high lr",
        evidence,
        f"lr {evidence.number('lr'):g} is high, {_times(ratio)} what suits "
        f"{evidence.params['activation']}",
        *advise_rate(evidence, lower=True),
        rate_ratio=ratio,
    )


def _dropout(evidence: Evidence) -> Finding | None:
    dropout = evidence.number("dropout", 0.0) or 0.0
    if dropout < STRONG_DROPOUT or not _is_harmed(evidence, 0.3):
        return None
    reason = f"dropout {dropout:g} is high"
    return blame("dropout", evidence, reason, "Try dropout=0.2.", {"dropout": 0.2})


def _weight_decay(evidence: Evidence) -> Finding | None:
    decay = evidence.number("weight_decay", 0.0) or 0.0
    is_adamw = str(evidence.params.get("optimizer", "")).lower() == "adamw"
    limit = STRONG_DECAY if is_adamw else STRONG_PENALTY
    if decay < limit or not _is_harmed(evidence, 0.1):
        return None
    return blame(
        "weight decay",
        evidence,
        f"weight_decay {decay:g} is high",
        f"Try weight_decay={limit / 100:g}.",
        {"weight_decay": limit / 100},
    )


def _output_activation(evidence: Evidence) -> Finding | None:
    name = str(evidence.params.get("output_activation"))
    if name in ("None", "nan", "identity") or not _is_harmed(evidence, 0.2):
        return None
    return blame(
        "output activation",
        evidence,
        f"output_activation {name} bounds what the loss sees",
        "Try output_activation=None.",
        {"output_activation": None},
    )


def _depth(evidence: Evidence) -> Finding | None:
    ratio = float(evidence.columns.get("grad_ratio", [math.nan])[0])
    vanishes = ratio < VANISHING
    is_stuck = evidence.end > 0.9 or (vanishes and evidence.end > 0.3)
    has_norm = str(evidence.params.get("norm")) not in ("None", "nan")
    if evidence.depth < DEEP or has_norm or not (is_stuck or evidence.has_diverged):
        return None
    seen = ", and gradients vanish on the way" if vanishes else ""
    return blame(
        "depth",
        evidence,
        f"{evidence.depth} hidden layers without norm are hard to train{seen}",
        "Try depth=2, or norm='batch'.",
        {"depth": 2, "hidden": None},
        grad_ratio=ratio,
    )


def _width(evidence: Evidence) -> Finding | None:
    narrowest = evidence.narrowest
    if narrowest is None or narrowest > NARROW or not _is_harmed(evidence, 0.15):
        return None
    units = "one unit" if narrowest == 1 else f"{narrowest} units"
    return blame(
        "width",
        evidence,
        f"a hidden layer of {units} lets little through",
        "Try width=64.",
        {"width": 64, "hidden": None},
    )


def _low_rate(evidence: Evidence) -> Finding | None:
    """Blame a low rate, but never of a training that has converged."""
    ratio = rate_ratio(evidence)
    is_under_way = evidence.end > 0.9 or (evidence.fall > 0.01 and evidence.end > 0.02)
    if ratio is None or ratio > LOW_RATE or not is_under_way:
        return None
    return blame(
        "low lr",
        evidence,
        f"lr {evidence.number('lr'):g} is low, {_times(ratio)} what suits "
        f"{evidence.params['activation']}",
        *advise_rate(evidence, lower=False),
        rate_ratio=ratio,
    )


def _times(ratio: float) -> str:
    """Say how many times: "1/300 of", "30 times"."""
    if ratio < 1:
        return f"1/{float(f'{1 / ratio:.2g}'):,.0f} of"
    return f"{float(f'{ratio:.2g}'):,.0f} times"


_RULES: tuple[Rule, ...] = (
    _momentum,
    _high_rate,
    _dropout,
    _weight_decay,
    _output_activation,
    _depth,
    _width,
    _low_rate,
)

"""Rules of `diagnose`: what is wrong with one fit, the likeliest cause first.

The order: data, settings, initial weights, then what only the losses tell of. Later
groups are asked only where those before them explain nothing.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from skact.analysis.evidence import DEAD, SATURATED, Evidence
from skact.analysis.finding import Finding
from skact.analysis.trouble import blame
from skact.analysis.unusual_settings import (
    HIGH_RATE,
    advise_rate,
    rate_ratio,
    unusual_settings,
)

LARGE_INPUTS, TINY_INPUTS = 20.0, 0.02  # root mean square, deviation
LARGE_Y, TINY_Y = 25.0, 1e-3  # variance
BAD_START, HUGE_START = 5.0, 20.0  # first training loss
WIDE_START = 10.0  # preact_std_1
NO_SIGNAL = 0.98  # least loss
UNDER_WAY = 0.05  # fall in the last fifth; less is not worth many epochs
# training loss: where no rows are held out, it may be noise that is learned by heart
UNDER_WAY_END, UNDER_WAY_UNSEEN = 0.15, 0.8
FEW_EPOCHS, FEW_STEPS = 3, 30
RISE, RISE_RATIO = 0.15, 1.2  # of the held-out loss
SICK = 0.9  # training loss
RESTLESS = 0.05  # mean step upwards


def findings_of_fit(
    evidence: Evidence, weigh: Callable[[Finding], Finding | None] = lambda x: x
) -> list[Finding]:
    """Return the causes that explain what is wrong, the likeliest first.

    Parameters
    ----------
    evidence : Evidence
    weigh : callable
        Returns a finding, perhaps changed; None if other evidence contradicts it.
    """
    for group in (faults_of_data, unusual_settings, faults_of_start):
        found = [x for one in group(evidence) if (x := weigh(one)) is not None]
        if found:
            return found
    others = (weigh(one) for one in faults_of_losses(evidence))
    return [one for one in others if one is not None][:1]


def faults_of_data(evidence: Evidence) -> Iterator[Finding]:
    """Yield what the scale of X and y spoils."""
    large, median = evidence.input_max, evidence.input_median
    reason, figures = "", {}
    if large is not None and large > LARGE_INPUTS:
        reason = f"{evidence.largest} has values of about {large:.3g}"
        figures = {"input_max": large}
    elif median is not None and 0 < median < TINY_INPUTS:
        reason = f"most columns of X vary by {median:.2g} only"
        figures = {"input_median": median}
    elif large is None and _is_bad_start(evidence):
        # the scale of X was not recorded, and little else explains such a start
        reason = "X may not be scaled"
    if reason:
        advice = "Scale X, for example with StandardScaler."
        yield blame("inputs", evidence, reason, advice, {"X": "scaled"}, **figures)
    if _is_y_unscaled(evidence):
        variance = evidence.constant or 0.0
        yield blame(
            "y",
            evidence,
            f"y is not scaled, its variance is {variance:.2g}",
            "Standardise y, for example with TransformedTargetRegressor.",
            {"y": "scaled"},
            loss_constant=variance,
        )


def _is_bad_start(evidence: Evidence) -> bool:
    ratio = rate_ratio(evidence)
    is_bad = evidence.has_diverged or (
        evidence.constant is not None and evidence.first > BAD_START
    )
    return is_bad and ratio is not None and ratio < HIGH_RATE


def _is_y_unscaled(evidence: Evidence) -> bool:
    variance = evidence.constant
    if variance is None or evidence.params.get("criterion", "MSELoss") != "MSELoss":
        return False
    is_learned = evidence.end < 0.5 and evidence.first < BAD_START
    return not is_learned and (variance > LARGE_Y or 0 < variance < TINY_Y)


def faults_of_start(evidence: Evidence) -> Iterator[Finding]:
    """Yield initial weights that are 0, too large, or kill units."""
    spread = float(evidence.columns.get("preact_std_1", np.zeros(1))[0])
    dead = [float(values[0]) for _, values in evidence.layers("dead")]
    if _were_weights_zero(evidence):
        reason = "initial weights are 0"
    elif max(dead, default=0.0) > 0.9:
        reason = "units are dead from the first epoch on"
    elif evidence.constant is not None and (
        evidence.first > HUGE_START or (spread > WIDE_START and evidence.first > 1.5)
    ):
        reason = "initial weights are large"
    else:
        return
    yield blame(
        "initial weights",
        evidence,
        reason,
        "Start from the weights of init='torch', without an Initializer.",
        {"init": "torch"},
        preact_std_1=spread,
    )


def _were_weights_zero(evidence: Evidence) -> bool:
    """Whether all weights were set to 0 before the first step, or stay there."""
    names = [name for name in evidence.columns if name.startswith("update_ratio_")]
    moves = np.array([evidence.columns[name][0] for name in names])
    if not len(moves) or evidence.end < 0.1:
        return False
    # a callback that makes them 0 changes each layer by its own size
    return bool((np.abs(moves - 1) < 0.05).all() or (moves > 1e100).any())


def faults_of_losses(evidence: Evidence) -> Iterator[Finding]:
    """Yield what losses show where all settings are usual, the surest first."""
    for rule in _RULES:
        finding = rule(evidence)
        if finding is not None:
            yield finding


def _divergence(evidence: Evidence) -> Finding | None:
    if not evidence.has_diverged:
        return None
    return blame("high lr", evidence, "", *advise_rate(evidence, lower=True))


def _no_signal(evidence: Evidence) -> Finding | None:
    is_falling = evidence.last_fall > UNDER_WAY
    if evidence.constant is None or _is_short(evidence) or is_falling:
        return None
    best, name = evidence.best_held_out, evidence.held_out_name
    if math.isnan(best):
        best, name = evidence.end, "train_loss"
    if not best > NO_SIGNAL:
        return None
    return blame(
        "no signal",
        evidence,
        f"no setting is unusual, but {name} is {best:.3g} times that of a constant at "
        f"best",
        "Look at the data: does X tell anything of y, do their rows belong together?",
        {},
        best=best,
    )


def _is_short(evidence: Evidence) -> bool:
    """Whether a fit took so few steps that little can be said of its settings."""
    steps_an_epoch = (
        1 if evidence.number("batch_size") == -1 else FEW_STEPS // FEW_EPOCHS
    )
    return len(evidence.train) * steps_an_epoch <= FEW_STEPS


def _overfitting(evidence: Evidence) -> Finding | None:
    low, rise, name = evidence.best_held_out, evidence.rise, evidence.held_out_name
    if not (rise > RISE and rise + low > RISE_RATIO * low):
        return None
    at = int(evidence.held_out.argmin())
    if len(evidence.train) == len(evidence.held_out) and (
        evidence.train[-3:].min() >= evidence.train[at]
    ):
        return None
    epoch = int(evidence.epochs[min(at, len(evidence.epochs) - 1)])
    found = blame(
        "overfitting",
        evidence,
        f"since epoch {epoch} {name} rose by {100 * rise / low:.0f} %",
        "Try early_stopping=True; dropout, weight_decay or fewer units may do more.",
        {"early_stopping": True},
        rise=rise,
        since=float(epoch),
    )
    return replace(found, cost=min(rise, 1.0))  # the best epoch costs nothing


def _sick_layers(evidence: Evidence) -> Finding | None:
    # noisy tables have losses of .8, but a net that is nearly stuck needs a reason
    is_bad = not len(evidence.train) or evidence.end > SICK
    dead = evidence.worst_layer("dead", DEAD)
    worst = dead or evidence.worst_layer("saturated", SATURATED)
    if not is_bad or worst is None:
        return None
    cause, other = "saturated units", "silu"
    if dead is not None:
        cause, other = "dead units", "leaky_relu"
    advice = f"Try activation='{other}', or a lower lr."
    layer, share = worst
    figures = {"layer": float(layer), "share": share}
    return blame(cause, evidence, "", advice, {"activation": other}, **figures)


def _restless(evidence: Evidence) -> Finding | None:
    n = len(evidence.train)
    if n < 5 or evidence.jumps / n < RESTLESS or evidence.end < 0.3:
        return None
    return blame(
        "high lr",
        evidence,
        "the training loss goes up and down",
        *advise_rate(evidence, lower=True),
        jumps=evidence.jumps,
    )


def _under_way(evidence: Evidence) -> Finding | None:
    n, has_stopped = len(evidence.train), bool(evidence.params.get("early_stopping"))
    planned = evidence.number("max_epochs") or n
    if (has_stopped and n < planned) or evidence.rise > 0.02 or not n:
        return None
    batch = evidence.number("batch_size") or 0
    is_short = _is_short(evidence) and evidence.end > 0.3
    limit, level = UNDER_WAY_UNSEEN, evidence.end
    if len(evidence.held_out):  # without dropout, so it may be lower
        limit, level = UNDER_WAY_END, min(level, evidence.best_held_out)
    is_falling = evidence.last_fall > UNDER_WAY and level > limit
    if not (is_short or is_falling):
        return None
    more = max(4 * n, 20)
    advice, change = f"Try max_epochs={more}.", {"max_epochs": more}
    if batch == -1 or batch > 512:
        advice, change = "Try batch_size=64: more steps.", {"batch_size": 64}
    found = blame(
        "epochs",
        evidence,
        f"after {n} epoch{'s' * (n > 1)} the loss still falls",
        advice,
        change,
        fall=evidence.last_fall,
    )
    gain = max(2 * evidence.last_fall, evidence.end / 2 if is_short else 0.0)
    return replace(found, cost=min(gain, 1.0))


_RULES = (
    _divergence,
    _no_signal,
    _overfitting,
    _sick_layers,
    _restless,
    _under_way,
)

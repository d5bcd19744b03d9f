"""The rules of a diagnosis: each reads the epochs of one fit, and may find a fault."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

# The rules; `diagnose` says what they mean.
DEAD = 0.4
SATURATED = 0.5
VANISHING = 1e-2
EXPLODING = 1e2
UNSCALED = 4.0
STUCK = 0.02
SLOW = 1e-3
RISING = 1.5
RISEN = 0.25
OVERFITTING = 1.3
STRONG_DROPOUT = 0.8
STRONG_DECAY = 0.5
DEEP = 5  # layers

FAILED = "(the fit has failed)"  # among the parameters
_ONE_SIDED = ("relu", "ReLU", "threshold", "hardshrink", "softshrink")
_LEAKY = re.compile("leaky|Leaky|prelu|PReLU|rrelu|RReLU|relu6|ReLU6", re.ASCII)


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with one fit, or with the fits of one candidate.

    Parameters
    ----------
    kind : str
        Such as "dead units".
    text : str
        What is wrong, with its figures.
    advice : str
        What to try.
    figures : dict of str to float
        What the finding rests on.
    layer : int or None, default=None
        The hidden layer, counted from 1; None: the net as a whole.

    Examples
    --------
    >>> print(Finding("dead units", "61 % dead", "try leaky_relu", {"dead": 0.61}, 1))
    layer 1: 61 % dead; try leaky_relu
    """

    kind: str
    text: str
    advice: str
    figures: Mapping[str, float]
    layer: int | None = None

    def __str__(self) -> str:
        where = f"layer {self.layer}: " if self.layer is not None else ""
        return f"{where}{self.text}; {self.advice}"


Columns = Mapping[str, np.ndarray]
Rule = Callable[[Columns, Mapping[str, Any]], Iterator[Finding]]


def findings_of_fit(rows: pd.DataFrame, params: Mapping[str, Any]) -> list[Finding]:
    """Apply all rules to the epochs of one fit."""
    rows = rows.sort_values("epoch")
    columns = {
        name: pd.to_numeric(rows[name], errors="coerce").to_numpy(
            float, na_value=np.nan
        )
        for name in rows
        if not name.endswith("_best")
    }
    found = [finding for rule in _RULES for finding in rule(columns, params)]
    kinds = {finding.kind for finding in found}
    why = {"diverged", "dead units", "saturated", "vanishing", "too slow"}
    # what other findings account for
    told = {"no learning"} if kinds & why else set()
    told |= {"vanishing", "too slow"} if "dead units" in kinds else set()
    told |= {"saturated"} if "vanishing" in kinds - told else set()
    return [finding for finding in found if finding.kind not in told]


def _diverged(columns: Columns, params: Mapping[str, Any]) -> Iterator[Finding]:
    losses = columns.get("train_loss", np.full(len(columns["epoch"]), np.nan))
    known = "train_loss" in columns or params.get(FAILED, False)
    if known and not np.isfinite(losses[-1]):
        epoch = int(columns["epoch"][-1])
        yield Finding(
            "diverged",
            f"the loss became NaN or infinite in epoch {epoch}",
            f"{_lower_lr(params)}, or scale the inputs (StandardScaler)",
            figures={"epoch_of_divergence": float(epoch)},
        )


def _dead(columns: Columns, params: Mapping[str, Any]) -> Iterator[Finding]:
    for k, shares in _layers(columns, "dead"):
        if shares[-2:].min() >= DEAD:
            since = _since(columns["epoch"], shares >= DEAD)
            usual = f"{_high_lr(params)}, or {_instead(params)}"
            yield Finding(
                "dead units",
                f"{shares[-1]:.0%} dead units since epoch {since}".replace("%", " %"),
                _cause(columns, params) or usual,
                {"dead": float(shares[-1]), "since": float(since)},
                k,
            )


def _saturated(columns: Columns, params: Mapping[str, Any]) -> Iterator[Finding]:
    for k, shares in _layers(columns, "saturated"):
        if shares[-2:].min() >= SATURATED:
            since = _since(columns["epoch"], shares >= SATURATED)
            usual = f"{_high_lr(params)}, or an activation that does not saturate"
            text = f"{shares[-1]:.0%} saturated units since epoch {since}"
            yield Finding(
                "saturated",
                text.replace("%", " %"),
                _cause(columns, params) or usual,
                {"saturated": float(shares[-1]), "since": float(since)},
                k,
            )


def _cause(columns: Columns, params: Mapping[str, Any]) -> str:
    """Name what is more likely than the learning rate, if something is."""
    spread = columns.get("preact_std_1", np.zeros(1))[0]
    moved = columns.get("update_ratio_1", np.zeros(1))[0]
    if spread > UNSCALED and moved <= 1:
        return (
            f"its inputs spread too widely (preact_std_1 {spread:.3g} after the first "
            f"epoch): scale them, for example with StandardScaler"
        )
    dropout, decay = params.get("dropout", 0), params.get("weight_decay", 0)
    if isinstance(dropout, int | float) and dropout >= STRONG_DROPOUT:
        return f"dropout {dropout:g} is high: try 0.2"
    if isinstance(decay, int | float) and decay >= STRONG_DECAY:
        return f"weight_decay {decay:g} is high: try {decay / 1000:.2g}"
    depth = len(list(_layers(columns, "grad_norm")))
    if params.get("init") == "torch" and depth >= DEEP:
        return f"torch's own weights are too small for {depth} layers: try init='auto'"
    return ""


def _gradients(columns: Columns, params: Mapping[str, Any]) -> Iterator[Finding]:
    ratios = columns.get("grad_ratio", np.zeros(0))
    ratios = ratios[np.isfinite(ratios)]
    if not len(ratios) or "grad_norm_2" not in columns:  # there is no way to vanish
        return
    low, high = sorted([float(ratios[0]), float(np.median(ratios))])
    depth = len(list(_layers(columns, "grad_norm")))
    median = low if low < VANISHING else high
    said = (
        f"that of the first layer was {median:.1g} times that of the output layer, "
        f"over {depth} hidden layers"
    )
    if low < VANISHING:
        yield Finding(
            "vanishing",
            f"gradients vanish: {said}",
            _cause(columns, params)
            or "try relu, silu or selu, norm='batch', or fewer layers",
            figures={"grad_ratio": median},
        )
    elif high > EXPLODING:
        yield Finding(
            "exploding",
            f"gradients explode: {said}",
            "try init='auto', norm='layer', or fewer layers",
            figures={"grad_ratio": median},
        )


def _rising(columns: Columns, params: Mapping[str, Any]) -> Iterator[Finding]:
    losses = _losses(columns, "train_loss")
    if len(losses) < 3:
        return
    # one epoch that went wrong is none of the last three that did
    low, last = float(losses.min()), float(losses[-3:].min())
    if last > max(RISING * low, RISEN * float(losses[0])) and last > 0.01:
        epoch = int(columns["epoch"][int(losses.argmin())])
        yield Finding(
            "rising loss",
            f"the training loss is {last:.3g}, {_times(last, low)} its minimum in "
            f"epoch {epoch}",
            _high_lr(params),
            figures={"train_loss": last, "least_train_loss": low},
        )


def _slow(columns: Columns, params: Mapping[str, Any]) -> Iterator[Finding]:
    updates = [values for _, values in _layers(columns, "update_ratio")]
    if "update_ratio_out" in columns:
        last = columns["update_ratio_out"]
        updates.append(last[np.isfinite(last)])
    largest_of_each = np.max(updates, axis=0) if updates else np.zeros(0)
    known = largest_of_each[np.isfinite(largest_of_each)]
    if not len(known):
        return
    largest = float(np.median(known))
    if largest < SLOW:
        yield Finding(
            "too slow",
            f"no layer changes by more than {largest:.1g} of itself in an epoch",
            _higher_lr(params),
            figures={"update_ratio": largest},
        )


def _no_learning(columns: Columns, params: Mapping[str, Any]) -> Iterator[Finding]:
    losses = _losses(columns, "train_loss")
    first_epoch = columns["epoch"][0] == 1
    if len(losses) >= 3 and first_epoch and losses[0] > 0.01:
        fallen = 1 - float(losses.min()) / float(losses[0])
        if fallen < STUCK:
            yield Finding(
                "no learning",
                f"the training loss fell by {max(fallen, 0):.1%} only, from "
                f"{losses[0]:.3g}",
                _cause(columns, params)
                or f"{_other_lr(params)}, and look at the data: are inputs (and a y of "
                f"numbers) scaled, do they tell anything of y?",
                figures={"fallen": fallen},
            )


def _overfitting(columns: Columns, params: Mapping[str, Any]) -> Iterator[Finding]:
    train = _losses(columns, "train_loss")
    for name in ("fold_loss", "valid_loss"):
        losses = _losses(columns, name)
        if len(losses) < 5 or len(train) != len(losses):
            continue
        low, last, at = float(losses.min()), float(losses[-1]), int(losses.argmin())
        if last > OVERFITTING * low and train[-1] < train[at]:
            epoch = int(columns["epoch"][at])
            yield Finding(
                "overfitting",
                f"{name} has risen from {low:.3g} in epoch {epoch} to {last:.3g}, "
                f"while the training loss fell",
                "try early_stopping=True, dropout, weight_decay, or fewer units",
                figures={"least_" + name: low, name: last, "epoch": float(epoch)},
            )
        return


_RULES: tuple[Rule, ...] = (
    _diverged,
    _dead,
    _saturated,
    _gradients,
    _rising,
    _slow,
    _no_learning,
    _overfitting,
)


# ---------------------------------------------------------------- what they share


def _layers(columns: Columns, name: str) -> Iterator[tuple[int, np.ndarray]]:
    """Yield hidden layers with what was recorded of them in whole epochs."""
    for key, values in columns.items():
        match = re.fullmatch(rf"{name}_(\d+)", key)
        if match is not None:
            known = values[np.isfinite(values)]
            if len(known):
                yield int(match[1]), known


def _losses(columns: Columns, name: str) -> np.ndarray:
    """Return the losses up to the last finite one."""
    losses = columns.get(name, np.zeros(0))
    return losses[np.isfinite(losses)]


def _since(epochs: np.ndarray, holds: np.ndarray) -> int:
    """Return the epoch from which on something has held to the end."""
    fails = np.flatnonzero(~holds)
    return int(epochs[fails[-1] + 1 if len(fails) else 0])


def _times(last: float, low: float) -> str:
    return f"{last / low:.3g} times" if low > 0 else "above"


def _instead(params: Mapping[str, Any]) -> str:
    """Name an activation whose units do not die."""
    name = str(params.get("activation", ""))
    one_sided = any(part in name for part in _ONE_SIDED) and not _LEAKY.search(name)
    return "leaky_relu" if one_sided else "an activation with a slope everywhere"


def _lr(params: Mapping[str, Any]) -> float | None:
    lr = params.get("lr")
    return lr if isinstance(lr, int | float) and lr > 0 else None


def _lower_lr(params: Mapping[str, Any]) -> str:
    lr = _lr(params)
    return f"try lr <= {min(lr / 10, 0.1):.2g}" if lr else "try a lower lr"


def _high_lr(params: Mapping[str, Any]) -> str:
    lr, name = _lr(params), params.get("activation", "this activation")
    if not lr:
        return "try a lower lr"
    return f"lr {lr:g} is high for {name}: {_lower_lr(params)}"


def _higher_lr(params: Mapping[str, Any]) -> str:
    lr = _lr(params)
    return f"lr {lr:g} is low: try lr >= {lr * 10:.2g}" if lr else "try a higher lr"


def _other_lr(params: Mapping[str, Any]) -> str:
    lr = _lr(params)
    return f"try lr={lr * 10:.2g} and lr={lr / 10:.2g}" if lr else "try another lr"

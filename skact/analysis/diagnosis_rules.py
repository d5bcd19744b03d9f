"""Rules of `diagnose`: each rule reads the epochs of one fit and yields faults."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from skact.results.schema import is_name_of_best_flag

# limits of the rules that the docstring of `diagnose` lists
DEAD = 0.4  # share of dead units
SATURATED = 0.5  # share of saturated units
VANISHING = 1e-2  # grad_ratio
EXPLODING = 1e2  # grad_ratio
UNSCALED = 4.0  # preact_std_1
STUCK = 0.02  # fall of the loss over its first value
SLOW = 1e-3  # update_ratio
RISING = 1.5  # loss over its minimum
RISEN = 0.25  # loss over its first value
OVERFITTING = 1.3  # loss over its minimum
STRONG_DROPOUT = 0.8
STRONG_DECAY = 0.5
DEEP = 5  # layers

FAILED = "(the fit has failed)"  # a key among the parameters of a net
_ONE_SIDED = ("relu", "ReLU", "threshold", "hardshrink", "softshrink")
_LEAKY = re.compile("leaky|Leaky|prelu|PReLU|rrelu|RReLU|relu6|ReLU6", re.ASCII)


@dataclass(frozen=True)
class Finding:
    """One fault of a fit, or of the fits of a candidate.

    Parameters
    ----------
    kind : str
        Such as "dead units".
    text : str
        The fault, with its figures.
    advice : str
        What to try.
    figures : dict of str to float
        Numbers that show the fault.
    layer : int or None, default=None
        The hidden layer, counted from 1; None: the whole net.

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
        if not is_name_of_best_flag(name)
    }
    found = [finding for rule in _RULES for finding in rule(columns, params)]
    kinds = {finding.kind for finding in found}
    causes = {"diverged", "dead units", "saturated", "vanishing", "too slow"}
    causes |= {"rising loss"}
    # faults that are only the effect of another fault
    effects = {"no learning"} if kinds & causes else set()
    effects |= {"vanishing", "too slow"} if "dead units" in kinds else set()
    effects |= {"saturated"} if "vanishing" in kinds - effects else set()
    return [finding for finding in found if finding.kind not in effects]


def _find_divergence(columns: Columns, params: Mapping[str, Any]) -> Iterator[Finding]:
    losses = columns.get("train_loss", np.full(len(columns["epoch"]), np.nan))
    is_known = "train_loss" in columns or params.get(FAILED, False)
    if is_known and not np.isfinite(losses[-1]):
        epoch = int(columns["epoch"][-1])
        yield Finding(
            "diverged",
            f"the loss became NaN or infinite in epoch {epoch}",
            f"{_advise_lower_lr(params)}, or scale the inputs (StandardScaler)",
            figures={"epoch_of_divergence": float(epoch)},
        )


def _find_dead_units(columns: Columns, params: Mapping[str, Any]) -> Iterator[Finding]:
    for k, shares in _values_by_layer(columns, "dead"):
        if shares[-2:].min() >= DEAD:
            since = _epoch_from_which_it_holds(columns["epoch"], shares >= DEAD)
            high_lr = _advise_against_high_lr(params)
            other = _name_other_activation(params)
            yield Finding(
                "dead units",
                f"{shares[-1]:.0%} dead units since epoch {since}".replace("%", " %"),
                _name_likelier_cause(columns, params) or f"{high_lr}, or {other}",
                {"dead": float(shares[-1]), "since": float(since)},
                k,
            )


def _find_saturated_units(
    columns: Columns, params: Mapping[str, Any]
) -> Iterator[Finding]:
    for k, shares in _values_by_layer(columns, "saturated"):
        if shares[-2:].min() >= SATURATED:
            since = _epoch_from_which_it_holds(columns["epoch"], shares >= SATURATED)
            high_lr = _advise_against_high_lr(params)
            text = f"{shares[-1]:.0%} saturated units since epoch {since}"
            yield Finding(
                "saturated",
                text.replace("%", " %"),
                _name_likelier_cause(columns, params)
                or f"{high_lr}, or an activation that does not saturate",
                {"saturated": float(shares[-1]), "since": float(since)},
                k,
            )


def _name_likelier_cause(columns: Columns, params: Mapping[str, Any]) -> str:
    """Name a cause that is likelier than the learning rate, or return ""."""
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
    depth = len(list(_values_by_layer(columns, "grad_norm")))
    if params.get("init") == "torch" and depth >= DEEP:
        return f"torch's own weights are too small for {depth} layers: try init='auto'"
    return ""


def _find_bad_gradients(
    columns: Columns, params: Mapping[str, Any]
) -> Iterator[Finding]:
    ratios = columns.get("grad_ratio", np.zeros(0))
    ratios = ratios[np.isfinite(ratios)]
    # gradients need a second layer to vanish or explode on the way
    if not len(ratios) or "grad_norm_2" not in columns:
        return
    low, high = sorted([float(ratios[0]), float(np.median(ratios))])
    depth = len(list(_values_by_layer(columns, "grad_norm")))
    median = low if low < VANISHING else high
    comparison = (
        f"that of the first layer was {median:.1g} times that of the output layer, "
        f"over {depth} hidden layers"
    )
    if low < VANISHING:
        yield Finding(
            "vanishing",
            f"gradients vanish: {comparison}",
            _name_likelier_cause(columns, params)
            or "try relu, silu or selu, norm='batch', or fewer layers",
            figures={"grad_ratio": median},
        )
    elif high > EXPLODING:
        yield Finding(
            "exploding",
            f"gradients explode: {comparison}",
            "try init='auto', norm='layer', or fewer layers",
            figures={"grad_ratio": median},
        )


def _find_rising_loss(columns: Columns, params: Mapping[str, Any]) -> Iterator[Finding]:
    losses = _finite_losses(columns, "train_loss")
    if len(losses) < 3:
        return
    # the least of the last three losses, so that a single bad epoch is no fault
    low, last = float(losses.min()), float(losses[-3:].min())
    if last > max(RISING * low, RISEN * float(losses[0])) and last > 0.01:
        epoch = int(columns["epoch"][int(losses.argmin())])
        yield Finding(
            "rising loss",
            f"the training loss is {last:.3g}, {_format_factor(last, low)} its minimum "
            f"in epoch {epoch}",
            _advise_against_high_lr(params),
            figures={"train_loss": last, "least_train_loss": low},
        )


def _find_slow_training(
    columns: Columns, params: Mapping[str, Any]
) -> Iterator[Finding]:
    updates = [values for _, values in _values_by_layer(columns, "update_ratio")]
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
            _advise_higher_lr(params),
            figures={"update_ratio": largest},
        )


def _find_no_learning(columns: Columns, params: Mapping[str, Any]) -> Iterator[Finding]:
    losses = _finite_losses(columns, "train_loss")
    first_epoch = columns["epoch"][0] == 1
    if len(losses) >= 3 and first_epoch and losses[0] > 0.01:
        fallen = 1 - float(losses.min()) / float(losses[0])
        if fallen < STUCK:
            yield Finding(
                "no learning",
                f"the training loss fell by {max(fallen, 0):.1%} only, from "
                f"{losses[0]:.3g}",
                _name_likelier_cause(columns, params)
                or f"{_advise_other_lr(params)}, and look at the data: are inputs (and "
                f"a y of numbers) scaled, do inputs tell anything of y?",
                figures={"fallen": fallen},
            )


def _find_overfitting(columns: Columns, params: Mapping[str, Any]) -> Iterator[Finding]:
    train = _finite_losses(columns, "train_loss")
    # early stopping goes back to its best epoch by itself: only a large rise matters
    limit = OVERFITTING**3 if params.get("early_stopping") else OVERFITTING
    for name in ("fold_loss", "valid_loss"):
        losses = _finite_losses(columns, name)
        if len(losses) < 5 or len(train) != len(losses):
            continue
        low, last, at = float(losses.min()), float(losses[-1]), int(losses.argmin())
        if last > limit * low and train[-1] < train[at]:
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
    _find_divergence,
    _find_dead_units,
    _find_saturated_units,
    _find_bad_gradients,
    _find_rising_loss,
    _find_slow_training,
    _find_no_learning,
    _find_overfitting,
)


def _values_by_layer(columns: Columns, name: str) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the number of each hidden layer, and its finite values of all epochs."""
    for key, values in columns.items():
        match = re.fullmatch(rf"{name}_(\d+)", key)
        if match is not None:
            known = values[np.isfinite(values)]
            if len(known):
                yield int(match[1]), known


def _finite_losses(columns: Columns, name: str) -> np.ndarray:
    """Return the finite losses of a column; none if the column does not exist."""
    losses = columns.get(name, np.zeros(0))
    return losses[np.isfinite(losses)]


def _epoch_from_which_it_holds(epochs: np.ndarray, holds: np.ndarray) -> int:
    """Return the first epoch from which a condition holds to the last epoch."""
    fails = np.flatnonzero(~holds)
    return int(epochs[fails[-1] + 1 if len(fails) else 0])


def _format_factor(last: float, low: float) -> str:
    return f"{last / low:.3g} times" if low > 0 else "above"


def _name_other_activation(params: Mapping[str, Any]) -> str:
    """Name an activation whose units do not die."""
    name = str(params.get("activation", ""))
    one_sided = any(part in name for part in _ONE_SIDED) and not _LEAKY.search(name)
    return "leaky_relu" if one_sided else "an activation with a slope everywhere"


def _learning_rate_of(params: Mapping[str, Any]) -> float | None:
    lr = params.get("lr")
    return lr if isinstance(lr, int | float) and lr > 0 else None


def _advise_lower_lr(params: Mapping[str, Any]) -> str:
    lr = _learning_rate_of(params)
    return f"try lr <= {min(lr / 10, 0.1):.2g}" if lr else "try a lower lr"


def _advise_against_high_lr(params: Mapping[str, Any]) -> str:
    lr, name = _learning_rate_of(params), params.get("activation", "this activation")
    if not lr:
        return "try a lower lr"
    return f"lr {lr:g} is high for {name}: {_advise_lower_lr(params)}"


def _advise_higher_lr(params: Mapping[str, Any]) -> str:
    lr = _learning_rate_of(params)
    return f"lr {lr:g} is low: try lr >= {lr * 10:.2g}" if lr else "try a higher lr"


def _advise_other_lr(params: Mapping[str, Any]) -> str:
    lr = _learning_rate_of(params)
    return f"try lr={lr * 10:.2g} and lr={lr / 10:.2g}" if lr else "try another lr"

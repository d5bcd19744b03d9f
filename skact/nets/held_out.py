"""Held-out rows of a net: the engine scores them, and the history shows them."""

import warnings
from typing import Any

from skorch.callbacks import (
    BatchScoring,
    Callback,
    EpochScoring,
    LRScheduler,
    PassthroughScoring,
)
from skorch.exceptions import SkorchException, SkorchWarning

from skact._skorch import last_batches_of, overridden_method
from skact.engine.jobs import HeldOut, HeldOutScores
from skact.parameters.rows import Rows

_COLLECTING_HANDLERS = {
    "on_batch_begin": (Callback.on_batch_begin,),
    # LRScheduler leaves held-out rows alone
    "on_batch_end": (
        *(Callback.on_batch_end, EpochScoring.on_batch_end),
        LRScheduler.on_batch_end,
    ),
}


class NoHeldOutRowsError(ValueError, SkorchException):
    """A callback misses held-out rows; both libraries' users catch it."""


def has_no_batch_callbacks(callbacks: list[tuple[str, Any]]) -> bool:
    """Whether callbacks do nothing at a batch, or only collect its rows."""
    return all(
        getattr(type(callback), name) in handlers and name not in vars(callback)
        for _, callback in callbacks
        for name, handlers in _COLLECTING_HANDLERS.items()
    )


def warn_of_missing_rows(net: Any) -> None:
    """Warn if a callback of the user scores held-out rows in a fit that has none."""
    usual = [name for name, _ in net.get_default_callbacks()]
    idle = [
        name
        for name, callback in net.callbacks_
        if type(callback) in (EpochScoring, BatchScoring, PassthroughScoring)
        and not (callback.on_train or name in usual)
    ]
    if idle and overridden_method(net, ["get_split_datasets"]) is None:
        message = (
            f"The callbacks {idle} of {type(net).__name__} record nothing, because no "
            f"rows are held out: set train_split=skorch.dataset.ValidSplit(5) or "
            f"early_stopping=True, or on_train=True of the callback."
        )
        warnings.warn(message, SkorchWarning, stacklevel=2)


def held_out_of(net: Any, rows: Rows | None) -> HeldOut | None:
    """Return the rows that the engine scores, in the batches of the history."""
    if rows is None:
        return None
    batch_size = net.get_params_for("iterator_valid").get("batch_size", net.batch_size)
    weights = rows.sample_weight, rows.given_weight
    return HeldOut(rows.X, rows.targets, *weights, int(batch_size))


def write_held_out(net: Any, scores: HeldOutScores) -> None:
    """Write the batches of held-out rows into the history, as skorch's loop does."""
    batches = zip(
        scores.batch_losses, scores.batch_sizes, scores.batch_weights, strict=True
    )
    last_batches_of(net.history_).extend(
        {"valid_loss": loss, "valid_batch_size": size, "valid_batch_weight": weight}
        for loss, size, weight in batches
    )
    net.history_.record("valid_batch_count", len(scores.batch_sizes))

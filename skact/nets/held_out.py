"""Held-out rows of a net: the engine scores them, and the history shows them."""

from typing import Any

from skorch.callbacks import (
    Callback,
    EpochScoring,
    LRScheduler,
)

from skact._skorch import last_batches_of
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


def has_no_batch_callbacks(callbacks: list[tuple[str, Any]]) -> bool:
    """Whether callbacks do nothing at a batch, or only collect its rows."""
    return all(
        getattr(type(callback), name) in handlers and name not in vars(callback)
        for _, callback in callbacks
        for name, handlers in _COLLECTING_HANDLERS.items()
    )


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

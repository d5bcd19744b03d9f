"""Held-out rows: the network computes their outputs after each epoch.

skorch's loop computes outputs batch by batch. Here a few large batches are faster; the
outputs are then split into the batches that skorch's history contains.
"""

from typing import Any

import torch
from skorch.callbacks import Callback, EpochScoring
from skorch.exceptions import SkorchException
from torch import Tensor

from skact.engine.batches import to_tensor
from skact.nets._skorch import last_batches_of
from skact.nets.divergence import check_held_out_loss
from skact.nets.rows import Rows
from skact.network.forward import n_weights, outputs_in_parts, parts_of

_COLLECTING_HANDLERS = {
    "on_batch_begin": (Callback.on_batch_begin,),
    "on_batch_end": (Callback.on_batch_end, EpochScoring.on_batch_end),
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


class HeldOutRows:
    """The held-out rows of a net, and the outputs of its network for these rows.

    Parameters
    ----------
    net : BaseNet
        Initialized, without custom parts.
    rows : Rows
    batch_size : int
        Rows in a batch of the history; -1: all.
    """

    def __init__(self, net: Any, rows: Rows, batch_size: int) -> None:
        self.net, self.rows, device = net, rows, net.module_.output.weight.device
        weight = rows.sample_weight
        self.targets = to_tensor(rows.targets).to(device)
        self.weight = None if weight is None else to_tensor(weight).to(device)
        size = len(self.targets) if batch_size == -1 else int(batch_size)
        self.sizes = [len(part) for part in self.targets.split(size)]
        self.work = len(self.targets) * n_weights(net.module_)
        self.outputs: Tensor | None = None

    def __call__(self) -> None:
        """Compute the outputs; safe in any thread, beside other fits."""
        net, device = self.net, self.targets.device
        net.module_.eval()

        def forward(part: int, X: Tensor) -> Tensor:
            return net.infer(X.to(device))

        # autocast depends on the thread; outputs must have the dtype of the network
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            X, parts = self.rows.X, parts_of(net.module_, self.rows.X)
            self.outputs = torch.cat(list(outputs_in_parts(parts, X, forward)))

    def write_validation_batches(self) -> None:
        """Write the batches into the history; callbacks collect the rows."""
        net, batches = self.net, self._loss_of_batches()
        last_batches_of(net.history_).extend(batches)
        net.history_.record("valid_batch_count", len(batches))
        batch = self.rows.X, self.rows.y
        for _, callback in net.callbacks_:
            callback.on_batch_end(net, training=False, batch=batch, y_pred=self.outputs)

    def _loss_of_batches(self) -> list[dict[str, float]]:
        """Return the batches of the history, as skorch's loop writes them."""
        assert self.outputs is not None
        with torch.no_grad():
            losses = self.net.losses_of_rows(self.outputs, self.targets)
            weight = torch.ones_like(losses) if self.weight is None else self.weight
            sums = [part.sum() for part in (losses * weight).split(self.sizes)]
            totals = [part.sum() for part in weight.split(self.sizes)]
            # avoids 0 / 0 in a batch of zero weights
            floor = torch.finfo(losses.dtype).tiny
            means = torch.stack(sums) / torch.stack(totals).clamp_min(floor)
        check_held_out_loss(self.net, means.sum().item())
        parts = zip(means.tolist(), self.sizes, totals, strict=True)
        return [
            {
                "valid_loss": mean,
                "valid_batch_size": size,
                "valid_batch_weight": total.item(),
            }
            for mean, size, total in parts
        ]

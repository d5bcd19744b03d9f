"""Rows that are held out: passed through the network after each epoch, and scored.

skorch's loop does so batch by batch, as it trains. Here the network answers in few
large batches, and only what it answered is cut into the batches of the history.
"""

from typing import Any

import torch
from skorch.callbacks import Callback, EpochScoring
from torch import Tensor

from skact.engine.batches import to_tensor
from skact.nets._skorch import batches_of
from skact.nets.forward import n_weights, outputs_in_parts, parts_of
from skact.nets.rows import Rows

_HANDLERS = {
    "on_batch_begin": (Callback.on_batch_begin,),
    "on_batch_end": (Callback.on_batch_end, EpochScoring.on_batch_end),
}


def no_callback_sees_batches(callbacks: list[tuple[str, Any]]) -> bool:
    """Whether callbacks look at batches for nothing but to collect their rows."""
    return all(
        getattr(type(callback), name) in handlers and name not in vars(callback)
        for _, callback in callbacks
        for name, handlers in _HANDLERS.items()
    )


class HeldOutRows:
    """The rows that a net holds out, and what it answers on them.

    Parameters
    ----------
    net : BaseNet
        Initialized, without parts that its user brought.
    rows : Rows
    batch_size : int
        Rows of a batch in the history; -1: all.
    """

    def __init__(self, net: Any, rows: Rows, batch_size: int) -> None:
        self.net, self.rows, device = net, rows, net.module_.output.weight.device
        weight = rows.sample_weight
        self.targets = to_tensor(rows.targets).to(device)
        self.weight = None if weight is None else to_tensor(weight).to(device)
        size = len(self.targets) if batch_size == -1 else batch_size
        self.sizes = [len(part) for part in self.targets.split(size)]
        self.work = len(self.targets) * n_weights(net.module_)
        self.outputs: Tensor | None = None

    def __call__(self) -> None:
        """Let the network answer; touches nothing that other fits have."""
        net, device = self.net, self.targets.device
        net.module_.eval()

        def forward(part: int, X: Tensor) -> Tensor:
            return net.infer(X.to(device))

        # in the dtype of the network, as it trains, and whatever thread this is
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            X, parts = self.rows.X, parts_of(net.module_, self.rows.X)
            self.outputs = torch.cat(list(outputs_in_parts(parts, X, forward)))

    def write_history(self) -> None:
        """Write the batches into the history, and let callbacks collect the rows."""
        net, rows = self.net, self._batches()
        batches_of(net.history_).extend(rows)
        net.history_.record("valid_batch_count", len(rows))
        batch = self.rows.X, self.rows.y
        for _, callback in net.callbacks_:
            callback.on_batch_end(net, training=False, batch=batch, y_pred=self.outputs)

    def _batches(self) -> list[dict[str, float]]:
        """Return the rows of the history that skorch's loop would have written."""
        assert self.outputs is not None
        with torch.no_grad():
            losses = self.net.losses_of_rows(self.outputs, self.targets)
            weight = torch.ones_like(losses) if self.weight is None else self.weight
            sums = [part.sum() for part in (losses * weight).split(self.sizes)]
            totals = [part.sum() for part in weight.split(self.sizes)]
            # the floor is for a batch of zero weights: no 0 / 0
            floor = torch.finfo(losses.dtype).tiny
            means = torch.stack(sums) / torch.stack(totals).clamp_min(floor)
        parts = zip(means.tolist(), self.sizes, totals, strict=True)
        return [
            {
                "valid_loss": mean,
                "valid_batch_size": size,
                "valid_batch_weight": total.item(),
            }
            for mean, size, total in parts
        ]

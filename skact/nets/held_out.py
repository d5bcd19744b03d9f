"""Rows that are held out: passed through the network after each epoch, and scored.

skorch's loop does so batch by batch, as it trains. Here the network answers in few
large batches, and only what it answered is cut into the batches of the history.
"""

from typing import Any

import torch
from skorch.callbacks import Callback, EpochScoring
from torch import Tensor

from skact.engine.batches import to_tensor
from skact.nets.rows import taken_rows

# values that a batch may hold in a layer, or when it was made dense; its rows, at most
_VALUES = 2**22
_ROWS = 1024
_HANDLERS = {
    "on_batch_begin": (Callback.on_batch_begin,),
    "on_batch_end": (Callback.on_batch_end, EpochScoring.on_batch_end),
}


class Validation:
    """The rows that a net holds out, and what it answers on them.

    Parameters
    ----------
    net : EngineLoop
        Initialized, without parts that its user brought.
    dataset : TrainingData or Subset of it
        The rows.
    batch_size : int
        Rows of a batch in the history; -1: all.
    """

    def __init__(self, net: Any, dataset: Any, batch_size: int) -> None:
        self.X, self.y, targets, weight = taken_rows(dataset)
        self.net, device = net, net.module_.output.weight.device
        self.targets = to_tensor(targets).to(device)
        self.weight = None if weight is None else to_tensor(weight).to(device)
        size = len(self.targets) if batch_size == -1 else batch_size
        self.sizes = [len(part) for part in self.targets.split(size)]
        parameters = list(net.module_.parameters())
        widest = max(max(p.shape, default=1) for p in parameters)
        self.rows_at_once = min(_ROWS, max(1, _VALUES // widest))
        weights = sum(p.numel() for p in parameters)
        self.work = len(self.targets) * weights  # multiplications, about
        self.outputs: Tensor | None = None

    @staticmethod
    def suits(callbacks: list[tuple[str, Any]]) -> bool:
        """Whether no callback looks at single batches, but for collecting them."""
        return all(
            getattr(type(callback), name) in handlers and name not in vars(callback)
            for _, callback in callbacks
            for name, handlers in _HANDLERS.items()
        )

    def __call__(self) -> None:
        """Let the network answer; touches nothing that other fits have."""
        net, step, device = self.net, self.rows_at_once, self.targets.device
        net.module_.eval()
        # in the dtype of the network, as it trains, and whatever thread this is
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            # a sparse table may be too large to be dense as a whole
            parts = [
                net.infer(to_tensor(self.X[start : start + step]).to(device))
                for start in range(0, self.X.shape[0], step)
            ]
            self.outputs = torch.cat(parts)

    def tell(self) -> None:
        """Write the batches into the history, and let callbacks collect the rows."""
        net = self.net
        rows = self._rows_of_history()
        net.history_[-1]["batches"] += rows
        net.history_.record("valid_batch_count", len(rows))
        for _, callback in net.callbacks_:
            batch = {"batch": (self.X, self.y), "y_pred": self.outputs}
            callback.on_batch_end(net, training=False, **batch)

    def _rows_of_history(self) -> list[dict[str, float]]:
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

"""The callbacks that every net has, in cheap forms that use sample weights."""

from typing import Any

import numpy as np
from skorch.callbacks import (
    Callback,
    EarlyStopping,
    EpochScoring,
    PassthroughScoring,
    PrintLog,
)
from skorch.utils import noop

from skact.nets.lr_schedule import has_schedule


class WeightedLoss(PassthroughScoring):
    """Records the weighted mean loss over the rows of an epoch."""

    def get_avg_score(self, history: Any) -> float:
        """Return sum(w l) / sum(w) over all batches."""
        key = f"{'train' if self.on_train else 'valid'}_batch_weight"
        losses, weights = zip(*history[-1, "batches", :, (self.name, key)], strict=True)
        if not any(weights):
            return super().get_avg_score(history)
        return float(np.average(losses, weights=weights))


class LearningRate(Callback):
    """Records the learning rate of the last step of an epoch, as skorch names it."""

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Record the rate as "event_lr"."""
        net.history.record("event_lr", float(net.optimizer_.param_groups[0]["lr"]))


class QuietLog(PrintLog):
    """Prints skorch's table, and builds no table that is not printed."""

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Print a line, if the net is verbose or the user has set a sink."""
        if net.verbose or self.sink is not print:
            super().on_epoch_end(net, **kwargs)


def accuracy(net: Any, X: Any, y: Any, sample_weight: Any = None) -> float:
    """Return the share of correct labels, or of their weight.

    The checks of scikit-learn's scorer take longer than an epoch of a small network.
    """
    return float(np.average(net.predict(X) == y, weights=sample_weight))


def score_of(callback: Any) -> tuple[str, str] | None:
    """Return the name of a callback's score, and what the engine measures for it.

    The engine measures "train_loss", and what `HeldOutScores` holds.
    """
    if type(callback) is WeightedLoss:
        return callback.name, "train_loss" if callback.on_train else "loss"
    if type(callback) is EpochScoring:
        return callback.name_, "accuracy"
    return None


def replace_default_callbacks(
    callbacks: list[tuple[str, Any]],
) -> list[tuple[str, Any]]:
    """Replace skorch's default callbacks by those of this module, by name."""
    ours = {
        "train_loss": WeightedLoss(name="train_loss", on_train=True),
        "valid_loss": WeightedLoss(name="valid_loss"),
        "valid_acc": EpochScoring(accuracy, name="valid_acc", lower_is_better=False),
        "print_log": QuietLog(),
    }
    return [(name, ours.get(name, callback)) for name, callback in callbacks]


def callbacks_of_parameters(net: Any) -> list[tuple[str, Any]]:
    """Return the callbacks that hyperparameters of a net ask for, by name."""
    callbacks: list[tuple[str, Any]] = []
    if has_schedule(net):
        callbacks.append(("event_lr", LearningRate()))
    if net.early_stopping:
        callbacks.append(("early_stopping", build_early_stopping(int(net.patience))))
    return callbacks


def build_early_stopping(patience: int) -> EarlyStopping:
    """Build the callback for the parameter `early_stopping`."""
    return EarlyStopping(patience=patience, load_best=True, sink=noop)

"""One fit of a net, while it goes on: what both loops share."""

import math
from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor

from skact._sklearn import callbacks_of
from skact.engine.current_trainer import current_trainer
from skact.engine.jobs import Seeds
from skact.engine.weights import Trajectory, Weights, weights_of
from skact.exceptions import DivergedError
from skact.global_rng import seed_generators
from skact.nets.components import device_of
from skact.nets.eligibility import FitPlan


class StopTraining(Exception):
    """A callback asked to stop; nothing went wrong."""


class Loop(ABC):
    """Trains an initialized net as planned, and tells its callbacks.

    Parameters
    ----------
    net : BaseNet
    plan : FitPlan
    context : sklearn.callback.CallbackContext
        Of the fit.
    """

    lends_generators = False  # whether the global generators are lent for the fit

    def __init__(self, net: Any, plan: FitPlan, context: Any) -> None:
        self.net, self.plan, self.context = net, plan, context
        self.trainer = current_trainer()
        self.batch_weight = 0.0  # sum(w) of the batch whose loss was taken last
        self.epoch_context: Any = None
        callbacks = [*callbacks_of(net), *(one for _, one in net.callbacks_)]
        self.takers = [one for one in callbacks if getattr(one, "wants_weights", False)]
        # of each epoch, if somebody wants them
        self.weights: list[Weights] | None = [] if self.takers else None

    def run(self) -> None:
        """Train; give the weights of each epoch to callbacks that want them."""
        if not self.takers:
            self.train()
            return
        net, rows = self.net, self.plan.train
        first_epoch, initial = len(net.history_), weights_of(net.module_)
        try:
            self.train()
        finally:  # also of a fit that failed: they may tell why
            weights = self.weights or []
            trajectory = Trajectory(first_epoch, initial, weights, rows.X, rows.targets)
            for callback in self.takers:
                callback.receive_weights(net, trajectory)

    @abstractmethod
    def train(self) -> None:
        """Train the epochs of this fit."""

    def begin_epoch(self) -> None:
        """Seed the noise of an epoch, and begin its task of scikit-learn."""
        net = self.net
        seed = Seeds.of_epoch(net.seeds_.noise, len(net.history_))
        net.module_.seed_noise(seed)
        if self.lends_generators:
            seed_generators(seed, device_of(net))
        self.epoch_context = self.context.subcontext(task_name="epoch")
        self.epoch_context.call_on_fit_task_begin(estimator=net)

    def end_epoch(self) -> bool:
        """End the task of an epoch; whether a callback of scikit-learn asks to stop."""
        net, rows = self.net, self.plan.given
        if self.weights is not None:
            self.weights.append(weights_of(net.module_))
        return self.epoch_context.call_on_fit_task_end(
            estimator=net, X=rows.X, y=rows.y, reconstruction_attributes=dict
        )


# ------------------------------------------------------------------ divergence


def loss_diverged(net: Any, loss: float) -> DivergedError:
    """Build the error of a loss that is NaN or infinite."""
    if len(net.history_) == 1 and len(net.history_[0]["batches"]) == 1:
        cure = "No step was taken yet: look at X, y and the activations."
        return _diverged(net, f"the loss was {loss}", cure)
    return _diverged(net, f"the loss became {loss}", _smaller_steps(net))


def check_loss(net: Any, loss: Any) -> None:
    """Raise DivergedError if a loss is NaN or infinite."""
    value = loss.item()
    if not math.isfinite(value):
        raise loss_diverged(net, value)


def check_weights(net: Any) -> None:
    """Catch a last step that overflowed: no loss comes after it."""
    if not all(map(_is_finite, net.module_.parameters())):
        what = "the weights became NaN or infinite"
        raise _diverged(net, what, _smaller_steps(net))


def _is_finite(weight: Tensor) -> bool:
    """Ask the sum first, which is cheaper; it may overflow where no weight does."""
    weight = weight.detach()
    return bool(weight.sum().isfinite() or weight.isfinite().all())


def _smaller_steps(net: Any) -> str:
    return (
        f"Try a smaller lr, for example {min(net.lr / 10, 0.1):g}, or scale X, "
        f"for example with StandardScaler."
    )


def _diverged(net: Any, what: str, cure: str) -> DivergedError:
    epoch = len(net.history_)
    return DivergedError(
        f"{type(net).__name__} diverged: {what} in epoch {epoch} (lr={net.lr}, "
        f"optimizer={net.optimizer!r}, activation={net.activation!r}). {cure}",
        epoch=epoch,
    )

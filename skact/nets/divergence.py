"""Divergence: a loss or weights that are no finite numbers any more."""

import math
from typing import Any

from torch import Tensor

from skact.activations.learning_rates import recommended_lr
from skact.exceptions import DivergedError

_TOO_LARGE = 1e6  # of a weight: a network that learns has none as large


def divergence_error(net: Any, loss: float) -> DivergedError:
    """Build the error for a loss that is NaN or infinite."""
    if len(net.history_) == 1 and len(net.history_[0]["batches"]) == 1:
        advice = "No step was taken yet: look at X, y and the activations."
        return _build_error(net, f"the loss was {loss}", advice)
    return _build_error(net, f"the loss became {loss}", _advise(net))


def check_loss(net: Any, loss: Any, *, is_training: bool = True) -> None:
    """Raise DivergedError if a loss is NaN, or infinite in training."""
    value = loss.item()
    if is_training and not math.isfinite(value):
        raise divergence_error(net, value)
    check_held_out_loss(net, value)


def check_held_out_loss(net: Any, loss: float) -> None:
    """Raise DivergedError if the loss of held-out rows is NaN."""
    if math.isnan(loss):
        event = "the loss of held-out rows became nan"
        raise _build_error(net, event, _advise(net))


def check_weights(net: Any) -> None:
    """Raise DivergedError if the last step, which no loss follows, overflowed."""
    if not all(map(_is_finite_weight, net.module_.parameters())):
        event = "the weights became NaN or infinite"
        raise _build_error(net, event, _advise(net))


def describe_large_weights(net: Any) -> str:
    """Say that a network with weights that no training needs has diverged, or ""."""
    sizes = [weight.detach().abs().max() for weight in net.module_.parameters()]
    largest = max((size.item() for size in sizes), default=0.0)
    if largest < _TOO_LARGE:
        return ""
    return (
        f"the network diverged in fit, whose last steps made weights as large as "
        f"{largest:.0e}. {_advise(net)}"
    )


def _is_finite_weight(weight: Tensor) -> bool:
    """Whether a weight is finite; the sum is the cheap test, but may overflow."""
    weight = weight.detach()
    return bool(weight.sum().isfinite() or weight.isfinite().all())


def _advise(net: Any) -> str:
    """Say which setting is too large: the weight decay, or else the rate."""
    decay = float(vars(net).get("optimizer__weight_decay", net.weight_decay))
    lr = float(net.lr)
    if decay * lr > 1:  # a step takes more of a weight than there is
        return f"Try a smaller weight_decay than {decay:g}."
    several = net.activation
    first = several[0] if isinstance(several, tuple) and several else several
    suiting = recommended_lr(first, "sgd" if net.optimizer == "sgd" else "adam")
    return (
        f"Try a smaller lr, for example {min(lr / 10, suiting):.2g}, or scale X, "
        f"for example with StandardScaler."
    )


def _build_error(net: Any, event: str, advice: str) -> DivergedError:
    epoch = len(net.history_)
    return DivergedError(
        f"{type(net).__name__} diverged: {event} in epoch {epoch} (lr={net.lr}, "
        f"optimizer={net.optimizer!r}, activation={net.activation!r}). {advice}",
        epoch=epoch,
    )

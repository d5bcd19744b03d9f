"""Gradient clipping by skorch's callback, which the engine does for all lanes."""

import math
from numbers import Real
from typing import Any

from skorch.callbacks import GradientNormClipping

from skact.engine.jobs import GradientClipping


def clipping_of(net: Any) -> GradientClipping | None:
    """Return how the callbacks of a net that the engine trains clip its gradients."""
    for _, callback in net.callbacks_:
        if is_stackable(callback) and callback.gradient_clip_value is not None:
            norm_type = float(callback.gradient_clip_norm_type)
            return GradientClipping(float(callback.gradient_clip_value), norm_type)
    return None


def is_stackable(callback: Any) -> bool:
    """Whether a callback is skorch's clipping, by a norm that the engine computes."""
    if type(callback) is not GradientNormClipping:
        return False
    value, norm_type = callback.gradient_clip_value, callback.gradient_clip_norm_type
    return (
        (value is None or isinstance(value, Real))
        and norm_type in (2, math.inf, "inf")
        and "on_grad_computed" not in vars(callback)
    )


def clips_twice(callbacks: list[tuple[str, Any]]) -> bool:
    """Whether several callbacks clip gradients, one after the other."""
    return sum(isinstance(one, GradientNormClipping) for _, one in callbacks) > 1

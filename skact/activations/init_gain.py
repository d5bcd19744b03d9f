"""The weight-initialisation gain of a function, by an integral over a fixed grid."""

import functools
import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn


def gain_of_values(values: np.ndarray | None) -> float:
    """Compute the gain from the values on the grid."""
    if values is None:
        return 1.0
    with np.errstate(all="ignore"):
        second_moment = gaussian_mean(values**2)
    if not (math.isfinite(second_moment) and second_moment > 0):
        return 1.0
    # Vectorised kernels differ by machine in the last bits; six digits do not.
    return float(f"{second_moment**-0.5:.6g}")


@functools.cache
def make_grid() -> np.ndarray:
    """Return 20,000 points on [-10, 10], half a step away from round numbers.

    Kinks lie at round numbers. A jump midway between two points adds no error to the
    trapezoidal rule. torch uses one thread for fewer than 32,768 values, so the number
    of threads changes no result.
    """
    step = 20 / 20_000
    return -10 + step * (np.arange(20_000) + 0.5)


def gaussian_mean(values: np.ndarray) -> float:
    """Return E[f(z)], z ~ N(0, 1), by the trapezoidal rule.

    Points at the ends of the grid weigh less than 1e-22.
    """
    z = make_grid()
    with np.errstate(all="ignore"):
        weighted = values * np.exp(-(z**2) / 2)
        return float(weighted.sum() * (z[1] - z[0]) / math.sqrt(2 * math.pi))


def values_on_grid(
    build: Callable[[], nn.Module], n_inputs: int = 1, *, custom: bool = True
) -> np.ndarray | None:
    """Return a module's first output on the grid, or None if the module fails there.

    The first input runs over the grid; further inputs are zero. A custom module is one
    that users brought.
    """
    x = torch.zeros(len(make_grid()), n_inputs, dtype=torch.float64, device="cpu")
    x[:, 0] = torch.from_numpy(make_grid())  # (n_points, n_inputs)
    # A custom module or function may draw random numbers when built or applied. Only
    # then the generator is saved and restored, because that is not thread-safe.
    with torch.random.fork_rng(devices=[], enabled=custom), torch.no_grad():
        module = build()
        try:
            y = module.to("cpu", torch.float64).eval()(x)
        except Exception:
            # The module expects other inputs (a convolution, a fixed width). If the
            # module is broken, training raises the error.
            return None
    if not (isinstance(y, Tensor) and y.is_floating_point() and y.shape == x.shape):
        return None
    return y[:, 0].double().numpy()

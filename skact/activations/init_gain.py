"""The weight-initialisation gain of a function, by an integral over a fixed grid."""

import functools
import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn


def gain_of_values(values: np.ndarray | None) -> float:
    """Work the gain out from the values on the grid."""
    if values is None:
        return 1.0
    with np.errstate(all="ignore"):
        second_moment = gaussian_mean(values**2)
    if not (math.isfinite(second_moment) and second_moment > 0):
        return 1.0
    # Six digits hide the last bits, where vectorised kernels differ by machine.
    return float(f"{second_moment**-0.5:.6g}")


@functools.cache
def grid() -> np.ndarray:
    """20,000 points on [-10, 10], half a step off every kink at a round number.

    A jump midway between two points costs the trapezoidal rule nothing. So few points
    stay below torch's grain size (32,768), so no number of threads changes a result.
    """
    step = 20 / 20_000
    return -10 + step * (np.arange(20_000) + 0.5)


def gaussian_mean(values: np.ndarray) -> float:
    """E[f(z)], z ~ N(0, 1), by the trapezoidal rule; the ends weigh less than 1e-22."""
    z = grid()
    with np.errstate(all="ignore"):
        weighted = values * np.exp(-(z**2) / 2)
        return float(weighted.sum() * (z[1] - z[0]) / math.sqrt(2 * math.pi))


def values_on_grid(
    build: Callable[[], nn.Module], n_inputs: int = 1, *, custom: bool = True
) -> np.ndarray | None:
    """Apply a module to the grid: its first output, further inputs held at zero.

    None if that is not possible. A custom module is one that users brought.
    """
    x = torch.zeros(len(grid()), n_inputs, dtype=torch.float64, device="cpu")
    x[:, 0] = torch.from_numpy(grid())  # (n_points, n_inputs)
    # A user's module or function may draw random numbers when built or applied. To save
    # and restore the generator is not safe among threads, so only where it is needed.
    with torch.random.fork_rng(devices=[], enabled=custom), torch.no_grad():
        module = build()
        try:
            y = module.to("cpu", torch.float64).eval()(x)
        except Exception:
            # Whatever it raises, it is made for other inputs (a convolution, a width
            # fixed beforehand), and training will tell if it is really broken.
            return None
    if not (isinstance(y, Tensor) and y.is_floating_point() and y.shape == x.shape):
        return None
    return y[:, 0].double().numpy()

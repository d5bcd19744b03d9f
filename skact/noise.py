"""Noise of dropout and RReLU: a function of seed, layer, row and feature alone.

Row and feature are numbers, not values: the row is the number of the row in the epoch.
Philox (Salmon et al. 2011, doi:10.1145/2063384.2063405) is counter-based: a key and a
counter give a block of bits. So there is no state to seed, to copy or to share, and
whoever knows seed, layer and row draws the same noise.
"""

from collections.abc import Hashable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

# Each number has 16 bits, as many as a rate or a slope needs; torch compares signed
# numbers only
LEVELS = 2**16
# numbers in a block of Philox, which has 256 bits; each row begins a new block
_BLOCK = 16


class Noise(NamedTuple):
    """Where the noise of a layer begins, for the rows that come next.

    Parameters
    ----------
    seed : int
        Seed of the epoch.
    layer : int
        Number of the layer in its network; layers have independent noise.
    block : int, default=0
        Blocks that earlier rows of the epoch have used.

    Examples
    --------
    >>> noise = Noise(seed=0, layer=3)
    >>> all_rows = draw_numbers(noise.stream(), n_rows=6, width=5)
    >>> last_rows = draw_numbers(noise.after(2, 5).stream(), n_rows=4, width=5)
    >>> bool((all_rows[2:] == last_rows).all())
    True
    """

    seed: int
    layer: int
    block: int = 0

    def stream(self) -> np.random.Philox:
        """Return the bits of the next rows, for `draw_numbers`."""
        # of a list with a large number, numpy would make floats, and round them
        key = np.array([self.seed, self.layer], dtype=np.uint64)
        return np.random.Philox(key=key, counter=self.block)

    def after(self, n_rows: int, width: int) -> "Noise":
        """Return the noise of the rows that follow."""
        return self._replace(block=self.block + n_rows * _blocks_of_row(width))


def draw_numbers(stream: np.random.Philox, n_rows: int, width: int) -> np.ndarray:
    """Return numbers (n_rows, width), uniform over all values of an int16.

    The numbers of a row do not depend on how many rows are drawn.
    """
    in_row = _BLOCK * _blocks_of_row(width)
    words = stream.random_raw(n_rows * in_row // 4)
    return words.view(np.int16).reshape(n_rows, in_row)[:, :width]


def _blocks_of_row(width: int) -> int:
    return -(-width // _BLOCK)


class NoisyModule:
    """Base of modules that multiply their input by random factors in training.

    Attributes
    ----------
    noise : Noise or None
        The noise of the next rows; None: torch's global generator, as in torch.
    """

    noise: Noise | None = None

    def options(self) -> Hashable:
        """Return what decides the factors, beside the noise."""
        raise NotImplementedError

    def fill_factors(self, numbers: Tensor, out: Tensor) -> Tensor:
        """Fill a tensor with the factors that numbers of `draw_numbers` stand for."""
        raise NotImplementedError

    def draw_factors(self, x: Tensor) -> Tensor:
        """Return factors for all values of x (..., width), and advance the noise."""
        draw = self._draw_factors
        if torch.compiler.is_compiling():  # would compile anew for each new noise
            draw = torch.compiler.disable(draw)
        return draw(x)

    def _draw_factors(self, x: Tensor) -> Tensor:
        assert self.noise is not None
        width = x.shape[-1]
        n_rows = x.numel() // max(width, 1)
        drawn = draw_numbers(self.noise.stream(), n_rows, width)
        self.noise = self.noise.after(n_rows, width)
        numbers = torch.from_numpy(drawn).reshape(x.shape).to(x.device)
        return self.fill_factors(numbers, torch.empty_like(x))


def noisy_modules_of(network: nn.Module) -> list[Any]:
    """Return the parts of a network that are a `NoisyModule`, in order."""
    return [part for part in network.modules() if isinstance(part, NoisyModule)]

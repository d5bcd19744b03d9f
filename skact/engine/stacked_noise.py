"""The random factors of one layer in all lanes, drawn for several steps at once."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skact.engine.plan import runs_of
from skact.noise import Noise, NoisyModule, draw_numbers

# most factors that are drawn at once
_MAX_VALUES = 2**20
# what decides the factors of a lane; lanes of one kind share them
_Kind = tuple[Noise, Hashable]


class StackedNoise:
    """Draws what the module of each lane would draw by itself, in fewer calls.

    Lanes whose noise and options are equal share the factors: the candidates of a
    search usually have one seed.

    Parameters
    ----------
    modules : sequence of NoisyModule
        One for each lane.
    like : Tensor of shape (L, H, B)
        Gives shape, dtype and device of the factors of a step.
    """

    def __init__(self, modules: Sequence[Any], like: Tensor) -> None:
        self.modules, self.like = modules, like
        self.block = like.new_ones(0, 0)  # factors (kinds, steps, H, B)
        self.kind_of_lanes: Tensor | None = None  # None: there is no need to look
        self.steps: Iterator[Tensor] = iter(())

    def begin_steps(self, rows: Sequence[int], n_steps: int) -> None:
        """Begin to draw for steps whose batches have so many true rows in each lane.

        The modules' noise advances at once, as if each module had drawn by itself.
        """
        kinds = [(module.noise, module.options()) for module in self.modules]
        modules = dict(zip(kinds, self.modules, strict=True))
        places = {kind: place for place, kind in enumerate(modules)}
        self.kind_of_lanes = None
        if 1 < len(modules) < len(kinds):
            found = [places[kind] for kind in kinds]
            self.kind_of_lanes = torch.tensor(found, device=self.like.device)
        for module, n_rows in zip(self.modules, rows, strict=True):
            module.noise = module.noise.after(n_steps * n_rows, self.like.shape[1])
        block = self._make_room(len(modules), n_steps)
        self.steps = _draw_steps(modules, block, max(rows), n_steps)

    def next_factors(self) -> Tensor:
        """Return the factors of the next step: (L, H, B), or (1, H, B) for all."""
        factors, kinds = next(self.steps), self.kind_of_lanes
        return factors if kinds is None else factors.index_select(0, kinds)

    def _make_room(self, n_kinds: int, n_steps: int) -> Tensor:
        """Return memory for the factors of as many steps as are drawn at once."""
        width, size = self.like.shape[1:]
        at_once = max(1, min(n_steps, _MAX_VALUES // (n_kinds * width * size)))
        kinds, steps = self.block.shape[:2]
        if kinds != n_kinds or steps < at_once:  # ones for rows that only fill up
            self.block = self.like.new_ones(n_kinds, at_once, width, size)
        return self.block


def _draw_steps(
    modules: Mapping[_Kind, NoisyModule], block: Tensor, n_rows: int, n_steps: int
) -> Iterator[Tensor]:
    """Draw into a block (kinds, steps, H, B); yield the factors of each step.

    No method: a generator of `StackedNoise` would keep it, and its memory, alive.
    """
    at_once, width = block.shape[1:3]
    streams = [noise.stream() for noise, _ in modules]
    members = list(modules.values())
    runs = runs_of([options for _, options in modules])
    for start in range(0, n_steps, at_once):
        n = min(at_once, n_steps - start)
        drawn = np.stack([draw_numbers(s, n * n_rows, width) for s in streams])
        numbers = torch.from_numpy(drawn).view(-1, n, n_rows, width)
        numbers = numbers.mT.contiguous().to(block.device)
        for run in runs:
            out = block[run, :n, :, :n_rows]
            members[run.start].fill_factors(numbers[run], out)
        yield from block[:, :n].unbind(1)

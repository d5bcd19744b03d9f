"""Places of a stack's parameters: in blocks, with one row for each lane.

Each large weight has its own block. There the weights of all lanes are contiguous, so
products can be written into the block. Other parameters share block 0, because fewer
blocks need fewer calls of the optimizer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn

# each parameter starts at a multiple of this many values: see plan.padded_rows
_ALIGNMENT = 64
# weights with fewer values share block 0
_MIN_BLOCK_VALUES = 2048


@dataclass(frozen=True)
class Segment:
    """The columns of a block that hold one parameter of each lane."""

    block: int
    start: int
    shape: tuple[int, ...]

    @property
    def stop(self) -> int:
        """End of the columns, exclusive."""
        return self.start + int(np.prod(self.shape))

    def view_in(self, blocks: Sequence[Tensor]) -> Tensor:
        """View the parameter of all lanes, (L, *shape)."""
        block = blocks[self.block]
        return block[:, self.start : self.stop].view(len(block), *self.shape)


class Layout:
    """The segment of each parameter.

    Parameters
    ----------
    modules : sequence of MLP
        The networks, of one shape.

    Attributes
    ----------
    sizes : list of int
        Columns of each block.
    linear : list of (Segment, Segment)
        Weight and bias, (H, D) and (H, 1), of each linear layer.
    norm : list of (Segment, Segment)
        Gain and bias, (H, 1), of each norm.
    learned : list of Segment
        Parameters of the activation after each linear layer, (E,).
    """

    def __init__(self, modules: Sequence[Any]) -> None:
        self.sizes = [0]
        self.is_lone = len(modules) == 1  # one row is always contiguous
        first = modules[0]
        blocks = [*first.hidden, first]
        self.linear, self.norm, self.learned = [], [], []
        for i, block in enumerate(blocks):
            linear = block.output if block is first else block.linear
            weight = self._add_segment(linear.weight.shape)
            self.linear.append((weight, self._add_segment((linear.out_features, 1))))
            norm = None if block is first else getattr(block.norm, "weight", None)
            if norm is not None:
                columns = (len(norm), 1)
                self.norm.append(
                    (self._add_segment(columns), self._add_segment(columns))
                )
            learns = [activation_of(module, i).parameters() for module in modules]
            most = max(sum(p.numel() for p in of_lane) for of_lane in learns)
            self.learned.append(self._add_segment((most,)))

    @property
    def segments(self) -> list[Segment]:
        """The segments of all parameters."""
        pairs = (*self.linear, *self.norm)
        return [*(segment for pair in pairs for segment in pair), *self.learned]

    def _add_segment(self, shape: Sequence[int]) -> Segment:
        size = int(np.prod(shape))
        if size >= _MIN_BLOCK_VALUES and size % _ALIGNMENT == 0 and not self.is_lone:
            self.sizes.append(size)
            return Segment(len(self.sizes) - 1, 0, tuple(shape))
        segment = Segment(0, self.sizes[0], tuple(shape))
        self.sizes[0] = -(-segment.stop // _ALIGNMENT) * _ALIGNMENT
        return segment

    def parameters_of(self, module: Any) -> Iterator[tuple[nn.Parameter, int, slice]]:
        """Yield each parameter of a network with its block and its columns."""
        for i, (weight, bias) in enumerate(self.linear):
            last = i == len(self.linear) - 1
            linear = module.output if last else module.hidden[i].linear
            pairs = [(linear.weight, weight), (linear.bias, bias)]
            if not last and self.norm:
                norm, (gain, shift) = module.hidden[i].norm, self.norm[i]
                pairs += [(norm.weight, gain), (norm.bias, shift)]
            for parameter, segment in pairs:
                yield parameter, segment.block, slice(segment.start, segment.stop)
            block, start = self.learned[i].block, self.learned[i].start
            for parameter in activation_of(module, i).parameters():
                stop = start + parameter.numel()
                yield parameter, block, slice(start, stop)
                start = stop


def activation_of(module: Any, i: int) -> nn.Module:
    """Return the i-th hidden activation; after the last, the output activation."""
    hidden = module.hidden
    return hidden[i].activation if i < len(hidden) else module.output_activation


def batch_norms_of(module: Any) -> Iterator[Any]:
    """Yield the batch norms of a network."""
    norms = (layer.norm for layer in module.hidden)
    return (norm for norm in norms if isinstance(norm, nn.BatchNorm1d))

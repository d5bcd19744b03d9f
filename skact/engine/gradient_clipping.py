"""Gradient clipping on a stack, as ``torch.nn.utils.clip_grad_norm_`` on a network."""

import functools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from skact.engine.jobs import GradientClipping
from skact.engine.memory_layout import Layout

_TINY = 1e-6  # torch adds it to the norm


class StackedClipping:
    """Scales the gradients of each lane, so that their norm is at most a number.

    The norm of a lane is that of the norms of its parameters, as in torch. It does not
    depend on the other lanes: a parameter fills a contiguous row of a block.

    Parameters
    ----------
    rules : sequence of GradientClipping
        One for each lane, all of one `norm_type`.
    layout : Layout
    grads : sequence of Tensor of shape (L, N)
        Flat gradients, in blocks.
    """

    def __init__(
        self, rules: Sequence[GradientClipping], layout: Layout, grads: Sequence[Tensor]
    ) -> None:
        self.grads, self.norm_type = grads, rules[0].norm_type
        first = grads[0]
        self.max_norms = first.new_tensor([[rule.max_norm] for rule in rules])
        parts = [grads[s.block][:, s.start : s.stop] for s in layout.segments]
        self.parts = [part for part in parts if part.shape[1] > 0]
        self.norms = first.new_empty(len(self.parts), len(rules), 1)
        self.scale = first.new_empty(len(rules), 1)

    def calls(self) -> list[Callable[[], object]]:
        """Return the calls that clip the gradients of a step."""
        norm = functools.partial(torch.linalg.vector_norm, ord=self.norm_type)
        total, scale = self.norms[0], self.scale
        return [
            *(
                functools.partial(norm, part, dim=1, keepdim=True, out=of_part)
                for part, of_part in zip(self.parts, self.norms, strict=True)
            ),
            self._add_norms,
            functools.partial(total.add_, _TINY),
            functools.partial(torch.div, self.max_norms, total, out=scale),
            functools.partial(scale.clamp_, max=1.0),
            *(functools.partial(block.mul_, scale) for block in self.grads),
        ]

    def _add_norms(self) -> None:
        """Put the norm of all parameters into the first row.

        One parameter after another: a lane that lacks one adds an exact zero.
        """
        total, *others = self.norms
        if self.norm_type == 2:
            total.mul_(total)
            for norm in others:
                total.addcmul_(norm, norm)
            total.sqrt_()
            return
        for norm in others:  # NaN stays NaN
            torch.maximum(total, norm, out=total)

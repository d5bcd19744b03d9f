"""SGD, Adam and AdamW on a stack: torch.optim's own steps, one coefficient a lane.

A step is one of torch's fused kernels (those of ``torch.optim`` with ``fused=True``) on
each run of lanes with equal coefficients. A lane's values fill whole vectors of the
processor, so that its step comes out the same wherever it lies in the stack.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from skact.engine._torch import function
from skact.engine.plan import runs_of


def stacked_form(optimizer: torch.optim.Optimizer) -> str | None:
    """Return "sgd", "adam" or "adamw"; None if an optimizer has no stacked form.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer

    Returns
    -------
    str or None
    """
    kind = _KINDS.get(type(optimizer))
    if kind is None or len(optimizer.param_groups) != 1:
        return None
    group = optimizer.param_groups[0]
    unusual = ("dampening", "maximize", "amsgrad", "differentiable", "capturable")
    if any(group.get(option) for option in unusual):
        return None
    numbers = [group["lr"], group["weight_decay"], *group.get("betas", ())]
    if any(isinstance(number, Tensor) for number in numbers):
        return None
    if kind == "adam" and group.get("decoupled_weight_decay"):
        return "adamw"
    return kind


_KINDS = {
    torch.optim.SGD: "sgd",
    torch.optim.Adam: "adam",
    torch.optim.AdamW: "adamw",
}


def coefficients_of(optimizer: torch.optim.Optimizer) -> tuple:
    """Return what a lane's optimizer must share with another's to step in one call."""
    names = STACKED[stacked_form(optimizer)].coefficient_names  # type: ignore[index]
    return _coefficients(optimizer, names)


def _coefficients(optimizer: torch.optim.Optimizer, names: Sequence[str]) -> tuple:
    group = optimizer.param_groups[0]
    return tuple([group[name] for name in names])


class Optimizer:
    """The step of an optimizer on all lanes at once.

    Parameters
    ----------
    optimizers : sequence of torch.optim.Optimizer
        One for each lane, all of one kind.
    values, grads : sequence of Tensor of shape (L, N)
        Flat parameters and gradients, in blocks.
    """

    state_names: tuple[str, ...] = ()  # in torch's words
    coefficient_names: tuple[str, ...] = ()

    def __init__(
        self,
        optimizers: Sequence[torch.optim.Optimizer],
        values: Sequence[Tensor],
        grads: Sequence[Tensor],
    ) -> None:
        self.optimizers, self.values, self.grads = optimizers, values, grads
        self.state = {
            name: [torch.zeros_like(block) for block in values]
            for name in self.state_names
        }
        self.steps = [0] * len(optimizers)  # of each lane, before this epoch
        self.taken = 0  # in this epoch
        self.calls: list[Callable[[int], Any]] = []

    def begin_epoch(self, n_steps: int) -> None:
        """Read the coefficients: callbacks may have changed them."""
        self.steps = [steps + self.taken for steps in self.steps]
        self.taken = 0
        names = self.coefficient_names
        keys = [_coefficients(optimizer, names) for optimizer in self.optimizers]
        runs: dict[tuple, list[slice]] = {}
        for lanes in runs_of(list(zip(keys, self.steps, strict=True))):
            key = keys[lanes.start], self.steps[lanes.start]
            runs.setdefault(key, []).append(lanes)
        self.calls = [
            self._call(lanes, steps, n_steps, *key)
            for (key, steps), lanes in runs.items()
        ]

    def step(self) -> None:
        """Move the values by the gradients."""
        for call in self.calls:
            call(self.taken)
        self.taken += 1

    def _call(
        self, lanes: Sequence[slice], steps: int, n_steps: int, *coefficients: Any
    ) -> Callable[[int], Any]:
        """Bind a kernel to lanes that share coefficients and a number of steps."""
        raise NotImplementedError

    def state_of(self, lane: int) -> Mapping[str, Sequence[Tensor]]:
        """Return the state of a lane, in blocks, by torch's names, without "step"."""
        return {
            name: [block[lane] for block in blocks]
            for name, blocks in self.state.items()
        }

    def steps_of(self, lane: int) -> int | None:
        """Return the number of steps that torch's state shows; None if it has none."""
        return self.steps[lane] + self.taken

    def load_steps(self, lane: int, steps: int) -> None:
        """Take the number of steps from torch's state."""
        self.steps[lane] = steps - self.taken


class SGD(Optimizer):
    """Stochastic gradient descent with momentum, as ``torch.optim.SGD``."""

    state_names = ("momentum_buffer",)
    coefficient_names = ("lr", "weight_decay", "momentum", "nesterov")

    def _call(
        self, lanes: Sequence[slice], steps: int, n_steps: int, *coefficients: Any
    ) -> Callable[[int], Any]:
        lr, weight_decay, momentum, nesterov = coefficients
        buffers = self.state["momentum_buffer"] if momentum else []
        kernel = functools.partial(
            function("_fused_sgd_"),
            *(_cut(blocks, lanes) for blocks in (self.values, self.grads, buffers)),
            lr=lr,
            weight_decay=weight_decay,
            momentum=momentum,
            nesterov=nesterov,
            dampening=0.0,
            maximize=False,
            is_first_step=False,  # buffers of zeros do as well
        )
        return lambda step: kernel()

    def state_of(self, lane: int) -> Mapping[str, Sequence[Tensor]]:
        """Return the state of a lane, in blocks, by torch's names, without "step"."""
        momentum = self.optimizers[lane].param_groups[0]["momentum"]
        return super().state_of(lane) if momentum else {}

    def steps_of(self, lane: int) -> int | None:
        """Return None: torch's SGD counts no steps."""
        return None


class Adam(Optimizer):
    """Adam with L2 penalty, as ``torch.optim.Adam`` (arXiv:1412.6980)."""

    state_names = ("exp_avg", "exp_avg_sq")
    coefficient_names = ("lr", "weight_decay", "betas", "eps")
    kernel_name = "_fused_adam_"

    def _call(
        self, lanes: Sequence[slice], steps: int, n_steps: int, *coefficients: Any
    ) -> Callable[[int], Any]:
        lr, weight_decay, (beta1, beta2), eps = coefficients
        kinds = self.values, self.grads, *self.state.values()
        kernel = functools.partial(
            function(self.kernel_name),
            *(_cut(blocks, lanes) for blocks in kinds),
            [],
            lr=lr,
            weight_decay=weight_decay,
            beta1=beta1,
            beta2=beta2,
            eps=eps,
            amsgrad=False,
            maximize=False,
        )
        first = float(steps + 1)
        counts = torch.arange(first, first + n_steps, device=self.values[0].device)
        n_tensors = len(lanes) * len(self.values)
        of_step = [[count] * n_tensors for count in counts.float().unbind()]
        return lambda step: kernel(of_step[step])


class AdamW(Adam):
    """Adam with decoupled decay, as ``torch.optim.AdamW`` (arXiv:1711.05101)."""

    kernel_name = "_fused_adamw_"


def _cut(blocks: Sequence[Tensor], lanes: Sequence[slice]) -> list[Tensor]:
    return [block[part] for block in blocks for part in lanes]


STACKED: Mapping[str, type[Optimizer]] = {"sgd": SGD, "adam": Adam, "adamw": AdamW}

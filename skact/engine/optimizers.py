"""SGD, Adam and AdamW on a stack: the steps of torch.optim, with coefficients by lane.

A step calls a fused kernel of torch (as ``torch.optim`` does with ``fused=True``) on
each run of lanes with equal coefficients. The values of a lane fill whole vectors of
the processor, so the step of a lane does not depend on its place in the stack.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from skact.engine._torch import find_function
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
    kind = _FORMS.get(type(optimizer))
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


_FORMS = {
    torch.optim.SGD: "sgd",
    torch.optim.Adam: "adam",
    torch.optim.AdamW: "adamw",
}


def coefficients_of(optimizer: torch.optim.Optimizer) -> tuple:
    """Return the coefficients; lanes with equal ones take a step in one call."""
    names = STACKED[stacked_form(optimizer)].coefficient_names  # type: ignore[index]
    return _coefficients(optimizer, names)


def _coefficients(optimizer: torch.optim.Optimizer, names: Sequence[str]) -> tuple:
    group = optimizer.param_groups[0]
    return tuple([group[name] for name in names])


class StackedOptimizer:
    """The step of an optimizer on all lanes at once.

    Parameters
    ----------
    optimizers : sequence of torch.optim.Optimizer
        One for each lane, all of one kind.
    values, grads : sequence of Tensor of shape (L, N)
        Flat parameters and gradients, in blocks.
    """

    state_names: tuple[str, ...] = ()  # names of torch.optim
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
        self.steps = [0] * len(optimizers)  # steps of each lane before this epoch
        self.steps_taken = 0  # steps in this epoch
        self.calls: list[Callable[[int], Any]] = []

    def begin_epoch(self, n_steps: int) -> None:
        """Read the coefficients, which callbacks may have changed."""
        self.steps = [steps + self.steps_taken for steps in self.steps]
        self.steps_taken = 0
        names = self.coefficient_names
        keys = [_coefficients(optimizer, names) for optimizer in self.optimizers]
        runs: dict[tuple, list[slice]] = {}
        for lanes in runs_of(list(zip(keys, self.steps, strict=True))):
            key = keys[lanes.start], self.steps[lanes.start]
            runs.setdefault(key, []).append(lanes)
        self.calls = [
            self._bind_step(lanes, steps, n_steps, *key)
            for (key, steps), lanes in runs.items()
        ]

    def step(self) -> None:
        """Change the values by one step."""
        for call in self.calls:
            call(self.steps_taken)
        self.steps_taken += 1

    def _bind_step(
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
        """Return the "step" of torch's state; None if the state has no "step"."""
        return self.steps[lane] + self.steps_taken

    def set_steps(self, lane: int, steps: int) -> None:
        """Set the number of steps to the "step" of torch's state."""
        self.steps[lane] = steps - self.steps_taken


class StackedSGD(StackedOptimizer):
    """Stochastic gradient descent with momentum, as ``torch.optim.SGD``."""

    state_names = ("momentum_buffer",)
    coefficient_names = ("lr", "weight_decay", "momentum", "nesterov")

    def _bind_step(
        self, lanes: Sequence[slice], steps: int, n_steps: int, *coefficients: Any
    ) -> Callable[[int], Any]:
        lr, weight_decay, momentum, nesterov = coefficients
        buffers = self.state["momentum_buffer"] if momentum else []
        kernel = functools.partial(
            find_function("_fused_sgd_"),
            *(
                _slice_blocks(blocks, lanes)
                for blocks in (self.values, self.grads, buffers)
            ),
            lr=lr,
            weight_decay=weight_decay,
            momentum=momentum,
            nesterov=nesterov,
            dampening=0.0,
            maximize=False,
            is_first_step=False,  # buffers of zeros give the same step
        )
        return lambda step: kernel()

    def state_of(self, lane: int) -> Mapping[str, Sequence[Tensor]]:
        """Return the state of a lane, in blocks, by torch's names, without "step"."""
        momentum = self.optimizers[lane].param_groups[0]["momentum"]
        return super().state_of(lane) if momentum else {}

    def steps_of(self, lane: int) -> int | None:
        """Return None: torch's SGD counts no steps."""
        return None


class StackedAdam(StackedOptimizer):
    """Adam with L2 penalty, as ``torch.optim.Adam`` (arXiv:1412.6980)."""

    state_names = ("exp_avg", "exp_avg_sq")
    coefficient_names = ("lr", "weight_decay", "betas", "eps")
    kernel_name = "_fused_adam_"

    def _bind_step(
        self, lanes: Sequence[slice], steps: int, n_steps: int, *coefficients: Any
    ) -> Callable[[int], Any]:
        lr, weight_decay, (beta1, beta2), eps = coefficients
        kinds = self.values, self.grads, *self.state.values()
        kernel = functools.partial(
            find_function(self.kernel_name),
            *(_slice_blocks(blocks, lanes) for blocks in kinds),
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


class StackedAdamW(StackedAdam):
    """Adam with decoupled decay, as ``torch.optim.AdamW`` (arXiv:1711.05101)."""

    kernel_name = "_fused_adamw_"


def _slice_blocks(blocks: Sequence[Tensor], lanes: Sequence[slice]) -> list[Tensor]:
    return [block[part] for block in blocks for part in lanes]


STACKED: Mapping[str, type[StackedOptimizer]] = {
    "sgd": StackedSGD,
    "adam": StackedAdam,
    "adamw": StackedAdamW,
}

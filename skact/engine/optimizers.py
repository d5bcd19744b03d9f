"""SGD, Adam and AdamW on a stack: torch.optim's own steps, one coefficient a lane.

A lane's values fill whole vectors of the processor, so that a step comes out the same
wherever the lane lies in the stack.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


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


class Optimizer:
    """The step of an optimizer on all lanes at once.

    Parameters
    ----------
    optimizers : sequence of torch.optim.Optimizer
        One for each lane, all of one kind.
    values, grads : Tensor of shape (L, N)
        Flat parameters and gradients.
    """

    names: tuple[str, ...] = ()  # of the state, in torch's words

    def __init__(
        self,
        optimizers: Sequence[torch.optim.Optimizer],
        values: Tensor,
        grads: Tensor,
    ) -> None:
        self.optimizers, self.values, self.grads = optimizers, values, grads
        self.scratch = torch.empty_like(values)
        self.state = {name: torch.zeros_like(values) for name in self.names}
        self.begin_epoch(0)

    @property
    def groups(self) -> list[dict[str, Any]]:
        """The param_groups, one for each lane."""
        return [optimizer.param_groups[0] for optimizer in self.optimizers]

    def _column(self, coefficients: Sequence[float]) -> Tensor:
        column = torch.tensor(coefficients, dtype=torch.float64).unsqueeze(1)
        return column.to(self.values)

    def begin_epoch(self, n_steps: int) -> None:
        """Read the coefficients: callbacks may have changed them."""
        decays = [group["weight_decay"] for group in self.groups]
        self.weight_decay = self._column(decays) if any(decays) else None
        self.lr = self._column([group["lr"] for group in self.groups])

    def step(self) -> None:
        """Move the values by the gradients."""
        raise NotImplementedError

    def state_of(self, lane: int) -> Mapping[str, Tensor]:
        """Return the flat state of a lane by torch's names, without "step"."""
        return {name: tensor[lane] for name, tensor in self.state.items()}

    def steps_of(self, lane: int) -> int | None:
        """Return the number of steps that torch's state shows; None if it has none."""
        return None


class SGD(Optimizer):
    """Stochastic gradient descent with momentum, as ``torch.optim.SGD``."""

    names = ("momentum_buffer",)

    def begin_epoch(self, n_steps: int) -> None:
        """Read the coefficients: callbacks may have changed them."""
        super().begin_epoch(n_steps)
        momenta = [group["momentum"] for group in self.groups]
        self.momentum = self._column(momenta) if any(momenta) else None
        self.nesterov = self.groups[0]["nesterov"]

    def step(self) -> None:
        """Move the values by the gradients."""
        grads = self.grads
        if self.weight_decay is not None:
            grads.addcmul_(self.values, self.weight_decay)
        if self.momentum is not None:
            buffer = self.state["momentum_buffer"]
            buffer.mul_(self.momentum).add_(grads)
            if self.nesterov:
                grads.addcmul_(buffer, self.momentum)
            else:
                grads = buffer
        self.values.addcmul_(grads, self.lr, value=-1)

    def state_of(self, lane: int) -> Mapping[str, Tensor]:
        """Return the flat state of a lane by torch's names, without "step"."""
        return super().state_of(lane) if self.groups[lane]["momentum"] else {}


class Adam(Optimizer):
    """Adam with L2 penalty, as ``torch.optim.Adam`` (arXiv:1412.6980)."""

    names = ("exp_avg", "exp_avg_sq")

    def __init__(self, *args: Any) -> None:
        self.steps = [0] * len(args[0])
        super().__init__(*args)

    def begin_epoch(self, n_steps: int) -> None:
        """Read the coefficients: callbacks may have changed them."""
        super().begin_epoch(n_steps)
        groups = self.groups
        self.towards = [
            self._column([1 - group["betas"][i] for group in groups]) for i in (0, 1)
        ]
        # p -= lr / c1 * m / (sqrt(v / c2) + eps), rearranged to need fewer passes:
        # p -= m / (sqrt(v) * slope + offset)
        slopes, offsets = [], []
        for group, done in zip(groups, self.steps, strict=True):
            beta1, beta2 = group["betas"]
            counts = range(done + 1, done + 1 + n_steps)
            rates = [group["lr"] / (1 - beta1**t) for t in counts]
            roots = [math.sqrt(1 - beta2**t) for t in counts]
            slopes.append([1 / (a * b) for a, b in zip(rates, roots, strict=True)])
            offsets.append([group["eps"] / rate for rate in rates])
        table = torch.tensor([slopes, offsets], dtype=torch.float64).to(self.values)
        self.schedule = iter(table.permute(2, 0, 1).unsqueeze(3).contiguous())
        self.steps = [done + n_steps for done in self.steps]

    def step(self) -> None:
        """Move the values by the gradients."""
        self._decay()
        grads, scratch = self.grads, self.scratch
        mean, square = self.state["exp_avg"], self.state["exp_avg_sq"]
        slope, offset = next(self.schedule)
        torch.mul(grads, grads, out=scratch)
        mean.lerp_(grads, self.towards[0])
        square.lerp_(scratch, self.towards[1])
        torch.sqrt(square, out=scratch)
        torch.addcmul(offset, scratch, slope, out=scratch)
        self.values.addcdiv_(mean, scratch, value=-1)

    def _decay(self) -> None:
        if self.weight_decay is not None:
            self.grads.addcmul_(self.values, self.weight_decay)

    def steps_of(self, lane: int) -> int | None:
        """Return the number of steps that torch's state shows; None if it has none."""
        return self.steps[lane]


class AdamW(Adam):
    """Adam with decoupled decay, as ``torch.optim.AdamW`` (arXiv:1711.05101)."""

    def _decay(self) -> None:
        if self.weight_decay is not None:
            self.values.mul_(1 - self.lr * self.weight_decay)


STACKED: Mapping[str, Callable[..., Optimizer]] = {
    "sgd": SGD,
    "adam": Adam,
    "adamw": AdamW,
}

"""SGD, Adam and AdamW on a stack: the steps of torch.optim, with coefficients by lane.

All lanes take a step in the same few calls, however many learning rates there are: some
calls find the direction of the step, the last adds it times the rate of each lane. A
fit alone does the same. The values of a lane fill whole vectors of the processor, so
the step of a lane does not depend on its place in the stack.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skact._torch import find_function
from skact.engine.plan import runs_of

# a call that is bound to its tensors but for the last argument, and that argument in
# each step of the epoch
Call = tuple[Callable[[Any], Any], Sequence[Any]]


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


def shared_coefficients_of(optimizer: torch.optim.Optimizer) -> tuple:
    """Return the coefficients that lanes must share to take a step in one call."""
    stacked = STACKED[stacked_form(optimizer)]  # type: ignore[index]
    return stacked.shared_coefficients_of(optimizer.param_groups[0])


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
        self.state = {name: self._new_blocks() for name in self.state_names}
        self.steps = [0] * len(optimizers)  # steps of each lane before this epoch
        self.steps_taken = 0  # steps in this epoch
        self.calls: list[Call] = []
        self._bound_to: Any = None  # what the calls were bound to

    @staticmethod
    def shared_coefficients_of(group: Mapping[str, Any]) -> tuple:
        """Return the coefficients that lanes must share to take a step in one call."""
        return ()

    def begin_epoch(
        self, n_steps: int, schedules: Mapping[int, np.ndarray] = MappingProxyType({})
    ) -> None:
        """Read the coefficients, which callbacks may have changed.

        Parameters
        ----------
        n_steps : int
            Steps of this epoch.
        schedules : mapping of int to ndarray of shape (n_steps,)
            Learning rates of the lanes that have a schedule.
        """
        self.steps = [steps + self.steps_taken for steps in self.steps]
        self.steps_taken = 0
        groups = [optimizer.param_groups[0] for optimizer in self.optimizers]
        read = [[group[name] for name in self.coefficient_names] for group in groups]
        leads = [steps - self.steps[0] for steps in self.steps]
        if schedules or self._bound_to != (n_steps, read, leads):
            self._bound_to = n_steps, read, leads
            rates = self._coefficients("lr")
            if schedules:
                rates = np.tile(rates, (n_steps, 1))
                for lane, of_steps in schedules.items():
                    rates[:, lane] = of_steps
                    groups[lane]["lr"] = float(of_steps[-1])  # for callbacks
            self.calls = self._bind_calls(rates, n_steps)

    def step(self) -> None:
        """Change the values by one step."""
        step = self.steps_taken
        for call, arguments in self.calls:
            call(arguments[step])
        self.steps_taken = step + 1

    def _bind_calls(self, rates: np.ndarray, n_steps: int) -> list[Call]:
        """Bind the calls of the steps of an epoch.

        `rates` are learning rates, (n_steps, L), or (1, L) if they stay the same.
        """
        raise NotImplementedError

    def _new_blocks(self) -> list[Tensor]:
        return [torch.zeros_like(block) for block in self.values]

    @functools.cached_property
    def _penalized(self) -> list[Tensor]:
        """Buffers for gradients with penalty: callbacks may read those without."""
        return self._new_blocks()

    def _coefficients(self, name: str) -> np.ndarray:
        """Return a coefficient of each lane, (1, L): the same in each step."""
        groups = (optimizer.param_groups[0] for optimizer in self.optimizers)
        return np.array([[float(group[name]) for group in groups]])

    def _columns(self, numbers: np.ndarray, n_steps: int) -> Sequence[Tensor]:
        """Return numbers (n_steps, L), or (1, L), as a column (L, 1) for each step."""
        columns = torch.from_numpy(numbers).to(self.values[0]).unsqueeze(-1).unbind()
        return columns * n_steps if len(columns) == 1 else columns

    def _penalize(self, n_steps: int) -> tuple[Sequence[Tensor], list[Call]]:
        """Return the gradients with L2 penalty, and the calls that compute them."""
        decay = self._coefficients("weight_decay")
        if not decay.any():
            return self.grads, []
        columns, out = self._columns(decay, n_steps), self._penalized
        return out, _add_products(self.grads, self.values, columns, out=out)

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

    def _bind_calls(self, rates: np.ndarray, n_steps: int) -> list[Call]:
        grads, calls = self._penalize(n_steps)
        momentum = self._coefficients("momentum")
        directions = grads
        if momentum.any():  # a buffer of zeros gives torch's first step
            columns = self._columns(momentum, n_steps)
            directions = self.state["momentum_buffer"]
            calls += _add_products(grads, directions, columns, out=directions)
            is_nesterov = self._coefficients("nesterov")
            if is_nesterov.any():
                ahead = self._ahead
                calls += _add_products(grads, directions, columns, out=ahead)
                if not is_nesterov.all():
                    (mask,) = self._columns(is_nesterov, 1)
                    calls += _choose(mask == 1, ahead, directions, n_steps, out=ahead)
                directions = ahead
        columns = self._columns(-rates, n_steps)
        return calls + _add_products(self.values, directions, columns, out=self.values)

    @functools.cached_property
    def _ahead(self) -> list[Tensor]:
        """Buffers for Nesterov's directions."""
        return self._new_blocks()

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
    _counts: Sequence[tuple[int, Tensor]] = ()  # the first lane of each run

    def begin_epoch(
        self, n_steps: int, schedules: Mapping[int, np.ndarray] = MappingProxyType({})
    ) -> None:
        """Read the coefficients, and count the steps of this epoch in place."""
        super().begin_epoch(n_steps, schedules)
        for lane, counts in self._counts:
            first = self.steps[lane] + 1
            torch.arange(first, first + n_steps, out=counts)

    @staticmethod
    def shared_coefficients_of(group: Mapping[str, Any]) -> tuple:
        """Return the coefficients that lanes must share to take a step in one call."""
        return (*group["betas"], group["eps"])

    def _bind_calls(self, rates: np.ndarray, n_steps: int) -> list[Call]:
        grads, calls = self._penalize(n_steps)
        columns = self._columns(rates, n_steps)
        return [
            *calls,
            *self._find_directions(grads, n_steps),
            *_add_products(self.values, self._directions, columns, out=self.values),
        ]

    @functools.cached_property
    def _directions(self) -> list[Tensor]:
        """Buffers for the steps of lanes whose learning rate is 1."""
        return self._new_blocks()

    def _find_directions(self, grads: Sequence[Tensor], n_steps: int) -> Sequence[Call]:
        """Bind a fused kernel to each run of lanes that share coefficients.

        The kernel takes a step with a learning rate of 1 from 0: a decay of 1 makes the
        last direction 0 first.
        """
        groups = [optimizer.param_groups[0] for optimizer in self.optimizers]
        shared = [self.shared_coefficients_of(group) for group in groups]
        runs: dict[tuple, list[slice]] = {}
        for lanes in runs_of(list(zip(shared, self.steps, strict=True))):
            runs.setdefault(shared[lanes.start], []).append(lanes)
        kinds = self._directions, grads, *self.state.values()
        calls: list[Call] = []
        self._counts = ()
        for (beta1, beta2, eps), slices in runs.items():
            kernel = functools.partial(
                find_function("_fused_adamw_"),
                *([b[lanes] for b in blocks for lanes in slices] for blocks in kinds),
                [],
                lr=1.0,
                weight_decay=1.0,
                beta1=beta1,
                beta2=beta2,
                eps=eps,
                amsgrad=False,
                maximize=False,
            )
            calls.append((kernel, self._counts_of_steps(slices, n_steps)))
        return calls

    def _counts_of_steps(
        self, slices: Sequence[slice], n_steps: int
    ) -> list[list[Tensor]]:
        """Return the "step" of each slice of each block, in each step of an epoch."""
        shape, device = (len(slices), n_steps), self.values[0].device
        counts = torch.empty(shape, dtype=torch.float32, device=device)
        starts = (lanes.start for lanes in slices)
        self._counts = (*self._counts, *zip(starts, counts, strict=True))
        of_slices = [of_slice.unbind() for of_slice in counts]
        n_blocks = len(self.values)
        return [list(of_step) * n_blocks for of_step in zip(*of_slices, strict=True)]


class StackedAdamW(StackedAdam):
    """Adam with decoupled decay, as ``torch.optim.AdamW`` (arXiv:1711.05101)."""

    def _penalize(self, n_steps: int) -> tuple[Sequence[Tensor], list[Call]]:
        return self.grads, []

    def _bind_calls(self, rates: np.ndarray, n_steps: int) -> list[Call]:
        calls = super()._bind_calls(rates, n_steps)
        decay = self._coefficients("weight_decay")
        if not decay.any():
            return calls
        columns = self._columns(1 - rates * decay, n_steps)
        return [*((block.mul_, columns) for block in self.values), *calls]


def _add_products(
    blocks: Sequence[Tensor],
    factors: Sequence[Tensor],
    columns: Sequence[Tensor],
    *,
    out: Sequence[Tensor],
) -> list[Call]:
    """Bind ``out = block + factor * column``, with a column (L, 1) for each step."""
    calls: list[Call] = []
    for block, factor, result in zip(blocks, factors, out, strict=True):
        call = functools.partial(torch.addcmul, block, factor, out=result)
        if result is block:  # the same, and faster
            call = functools.partial(block.addcmul_, factor)
        calls.append((call, columns))
    return calls


def _choose(
    mask: Tensor,
    blocks: Sequence[Tensor],
    others: Sequence[Tensor],
    n_steps: int,
    *,
    out: Sequence[Tensor],
) -> list[Call]:
    """Bind ``out = block if mask else other``."""
    return [
        (functools.partial(torch.where, mask, block, out=result), [other] * n_steps)
        for block, other, result in zip(blocks, others, out, strict=True)
    ]


STACKED: Mapping[str, type[StackedOptimizer]] = {
    "sgd": StackedSGD,
    "adam": StackedAdam,
    "adamw": StackedAdamW,
}

"""Learning rates by a schedule: the numbers of ``torch.optim.lr_scheduler``.

torch's schedulers go from step to step. These closed forms give an epoch of rates at
once; `tests/engine/test_lr_schedule.py` compares them with torch's own.
"""

import copy
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.optim import lr_scheduler

from skact._torch import build_optimizer, note_step

# a warm-up begins at, and "exponential" ends at, these shares of the learning rate
WARMUP_START = 1 / 25
EXPONENTIAL_END = 1 / 100
# of "one_cycle", as in torch
_CYCLE_WARMUP = 0.3
_CYCLE_END = WARMUP_START / 1e4


@dataclass(frozen=True)
class LRSchedule:
    """The learning rate of each step, as a function of the epoch.

    Parameters
    ----------
    name : {"cosine", "one_cycle", "linear", "exponential"} or None
        None keeps the rate after the warm-up.
    warmup : float or None
        Share of the steps, in [0, 1), in which the rate rises. None is 0, and 0.3 for
        "one_cycle".
    lr : float
        The highest rate.
    n_epochs : int
        Epochs from beginning to end; then the schedule begins anew.
    """

    name: str | None
    warmup: float | None
    lr: float
    n_epochs: int

    def rates_of_epoch(self, epoch: int, n_steps: int) -> np.ndarray:
        """Return the rate of each step of an epoch, counted from 0."""
        return self.lr * self.factors_of_epoch(epoch, n_steps)

    def factors_of_epoch(self, epoch: int, n_steps: int) -> np.ndarray:
        """Return the share of the highest rate in each step of an epoch."""
        total = self.n_epochs * n_steps
        steps = epoch % self.n_epochs * n_steps + np.arange(n_steps, dtype=float)
        if self.name == "one_cycle":
            warmup = _CYCLE_WARMUP if self.warmup is None else self.warmup
            return _one_cycle(steps, total, warmup)
        rising = round((self.warmup or 0) * total)  # steps of the warm-up
        rise = WARMUP_START + (1 - WARMUP_START) * steps / max(rising, 1)
        share = np.maximum(steps - rising, 0) / max(total - rising, 1)
        return np.where(steps < rising, rise, _SHAPES[self.name](share))


def _one_cycle(steps: np.ndarray, total: int, warmup: float) -> np.ndarray:
    """Return torch's OneCycleLR, which counts to the last step, not past it."""
    top, last = warmup * total - 1, total - 1
    rise = _anneal(WARMUP_START, 1.0, steps / top if top > 0 else steps * 0 + 1)
    # torch falls from step 0 if no step is left to rise in
    fall = _anneal(1.0, _CYCLE_END, (steps - top) / (last - top))
    return np.where(steps <= top, rise, fall)


def _anneal(start: float, end: float, share: np.ndarray) -> np.ndarray:
    return end + (start - end) / 2 * (1 + np.cos(np.pi * share))


# the rate at a share of the steps after the warm-up
_SHAPES: Mapping[str | None, Callable[[np.ndarray], np.ndarray]] = {
    None: np.ones_like,
    "cosine": lambda share: _anneal(1.0, 0.0, share),
    "linear": lambda share: 1 - share,
    "exponential": lambda share: EXPONENTIAL_END**share,
}
SCHEDULES = ("cosine", "one_cycle", "linear", "exponential")


@dataclass(frozen=True, eq=False)
class RatesOfEpochs:
    """Learning rates of epochs or steps, from one of torch's schedulers.

    Parameters
    ----------
    rates : ndarray of shape (n_epochs, 1) or (n_epochs, n_steps)
        A rate for each epoch, or for each step of each epoch.
    first_epoch : int
        The epoch of the first rates, counted from 0.
    """

    rates: np.ndarray
    first_epoch: int

    @classmethod
    def from_scheduler(
        cls, scheduler: Any, first_epoch: int, n_epochs: int, per_epoch: int = 1
    ) -> "RatesOfEpochs":
        """Step a copy of a scheduler with an optimizer of its own.

        The scheduler is stepped `per_epoch` times an epoch.
        """
        (group,) = scheduler.optimizer.param_groups
        optimizer = build_optimizer(torch.optim.SGD, [torch.zeros(1)])
        lr_scheduler.ConstantLR(optimizer, 1)  # marks the optimizer as scheduled
        note_step(optimizer)
        own = {key: value for key, value in group.items() if key.endswith("lr")}
        optimizer.param_groups[0].update(own)  # some keep further rates there
        twin, rates = copy.copy(scheduler), []
        twin.optimizer = optimizer
        for _ in range(n_epochs * per_epoch):
            rates.append(float(optimizer.param_groups[0]["lr"]))
            twin.step()
        return cls(np.reshape(rates, (n_epochs, per_epoch)), first_epoch)

    def rates_of_epoch(self, epoch: int, n_steps: int) -> np.ndarray:
        """Return the rate of each step of an epoch, counted from 0."""
        return np.full(n_steps, self.rates[epoch - self.first_epoch])


# these set the learning rate alone, look at no metric and call no code of users
_KNOWN_SCHEDULERS = {
    *(lr_scheduler.StepLR, lr_scheduler.MultiStepLR, lr_scheduler.ConstantLR),
    *(lr_scheduler.LinearLR, lr_scheduler.ExponentialLR, lr_scheduler.PolynomialLR),
    lr_scheduler.CosineAnnealingLR,
    lr_scheduler.CosineAnnealingWarmRestarts,
}
# these may set the momentum, too, and the second may call code of users
_CYCLES = {lr_scheduler.OneCycleLR, lr_scheduler.CyclicLR}


def is_known_scheduler(scheduler: Any) -> bool:
    """Whether the rates of a scheduler can be computed before a fit."""
    if type(scheduler) in _CYCLES:
        has_own = getattr(scheduler, "_scale_fn_custom", None) is not None
        return not (scheduler.cycle_momentum or has_own)
    return type(scheduler) in _KNOWN_SCHEDULERS


@contextmanager
def restore_rates(optimizer: Any) -> Iterator[None]:
    """Give an optimizer its learning rates back after a schedule has changed them.

    So that the next fit begins with them. In the block "initial_lr" keeps them, as in
    torch's schedulers: a checkpoint may load the optimizer of the middle of a fit.
    """
    groups = optimizer.param_groups
    initial = [group.setdefault("initial_lr", group["lr"]) for group in groups]
    try:
        yield
    finally:  # a callback may have loaded other groups
        for group, lr in zip(optimizer.param_groups, initial, strict=False):
            group["lr"] = lr
            group.pop("initial_lr", None)


def at_rates(
    factors: np.ndarray, batches: Iterable[Any], optimizer: Any
) -> Iterator[Any]:
    """Yield batches; set the rates of an optimizer before each, by a factor.

    In the block of `restore_rates`.
    """
    # a loader may yield more batches than it says
    rates = itertools.chain(factors.tolist(), itertools.repeat(float(factors[-1])))
    for batch, factor in zip(batches, rates, strict=False):
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor
        yield batch

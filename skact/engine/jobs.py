"""What one fit is, and what becomes of it: plain values, no torch."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np


@dataclass(frozen=True)
class Seeds:
    """One seed for each kind of chance in a fit, so that none disturbs another.

    Order and noise are drawn afresh from ``(seed, epoch)``: the tenth epoch is the same
    whether it follows nine others in one fit or in nine calls of ``partial_fit``.
    """

    weights: int  # initial weights
    order: int  # order of the rows, epoch by epoch
    noise: int  # dropout masks and random activations, epoch by epoch
    split: int  # which rows early stopping holds out

    @classmethod
    def from_random_state(
        cls, random_state: int | np.random.RandomState | None
    ) -> "Seeds":
        """Derive the seeds from scikit-learn's ``random_state``.

        None takes fresh entropy from the operating system, because drawing from
        numpy's global generator, as scikit-learn does, would move it.
        """
        if isinstance(random_state, np.random.RandomState):
            entropy = int(random_state.randint(np.iinfo(np.int32).max))
        else:
            entropy = random_state  # type: ignore[assignment]
        state = np.random.SeedSequence(entropy).generate_state(4, np.uint64)
        # torch takes seeds up to 2**64 - 1, but other tools stop at 2**63 - 1
        return cls(*(int(word >> np.uint64(1)) for word in state))

    @staticmethod
    def of_epoch(seed: int, epoch: int) -> int:
        """Return the seed of one epoch (counted from 0) of a stream."""
        state = np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)
        return int(state[0] >> np.uint64(1))


class Evaluation(Protocol):
    """What looks at a network after each epoch, before the hooks hear of it.

    It runs in any thread, beside those of other fits, so it may touch nothing but what
    is this fit's own.
    """

    work: int  # multiplications, about

    def __call__(self) -> None:
        """Look at the network as it is now."""
        ...


class Hooks(Protocol):
    """What wants to run between the epochs of one fit, such as callbacks of skorch.

    The engine calls them in the thread that called `train`. The module's parameters and
    the optimizer's state are live then: they may be read and, where `changes` is set,
    written.
    """

    changes: bool  # the weights or the optimizer; else hooks get copies to look at
    evaluation: Evaluation | None

    def epoch_begin(self) -> None:
        """Run before an epoch."""
        ...

    def epoch_end(self, record: "EpochRecord") -> bool:
        """Run after an epoch; whether this fit shall stop."""
        ...


@dataclass(frozen=True, eq=False)
class FitJob:
    """All that a trainer has to know about one fit."""

    X: Any  # (n, n_features) array or CSR matrix of the dtype to train in
    targets: np.ndarray  # y as the loss wants it: class codes, 0./1., or floats (n, k)
    sample_weight: np.ndarray | None  # (n,), class weights included; None: all equal
    seeds: Seeds
    n_epochs: int  # epochs to train now
    first_epoch: int  # epochs trained before, in earlier calls
    batch_size: int  # rows in a batch; -1: all
    shuffle: bool
    loss: str  # "cross_entropy", "bce_with_logits" or "squared_error"
    module: Any  # the MLP, initialised; holds the weights when training ends
    optimizer: Any  # from torch.optim: its kind, coefficients and state
    hooks: Hooks | None = None  # None: nobody looks on between epochs
    keeps_weights: bool = False  # of every epoch, in the outcome

    @property
    def nbytes(self) -> int:
        """Bytes of X: what a task that waits with this job keeps in memory."""
        return int(getattr(self.X, "nbytes", getattr(self.X, "data", self.X).nbytes))


@dataclass(frozen=True)
class EpochRecord:
    """What the engine saw in one epoch of one fit."""

    train_loss: float  # sum(w l) / sum(w) over the epoch
    batch_losses: Sequence[float]
    batch_weights: Sequence[float]  # sum(w) of each batch
    batch_sizes: Sequence[int]
    seconds: float  # this fit's share of its stack's time

    @property
    def finite(self) -> bool:
        """Whether no loss was NaN or infinite."""
        return all(map(math.isfinite, self.batch_losses))


@dataclass
class Outcome:
    """What becomes of one job, filled in epoch by epoch."""

    records: list[EpochRecord] = field(default_factory=list)
    error: Exception | None = None  # this fit alone failed
    seconds: float = 0.0  # its share of the time of its stack
    diverged: float | None = None  # the loss that was no longer finite
    weights: list[Any] = field(default_factory=list)  # of each epoch: name -> tensor


@dataclass(frozen=True)
class StackReport:
    """Networks that were trained as one tensor program."""

    lanes: int  # networks in it
    seconds: float
    description: str  # such as "64-32-10, sgd, float32, batches of 128"


@dataclass(frozen=True)
class Training:
    """What `train` returns."""

    outcomes: list[Outcome]  # one for each job, in order
    stacks: list[StackReport]


Progress = Callable[[int], None]  # told of lane-epochs done since it was told last

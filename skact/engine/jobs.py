"""Jobs and their outcomes: plain values, no torch."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from skact.engine.lr_schedule import LRSchedule, RatesOfEpochs


@dataclass(frozen=True)
class Seeds:
    """One seed for each kind of random numbers in a fit, so the kinds are independent.

    Order and noise of an epoch depend on ``(seed, epoch)`` only: the tenth epoch is the
    same after nine epochs of one fit and after nine calls of ``partial_fit``.
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

        None takes entropy from the operating system. scikit-learn draws from numpy's
        global generator then, but a draw would change its state.
        """
        if isinstance(random_state, np.random.RandomState):
            entropy = int(random_state.randint(np.iinfo(np.int32).max))
        else:
            entropy = random_state  # type: ignore[assignment]
        state = np.random.SeedSequence(entropy).generate_state(4, np.uint64)
        # torch takes seeds up to 2**64 - 1, other tools up to 2**63 - 1
        return cls(*(int(word >> np.uint64(1)) for word in state))

    @staticmethod
    def of_epoch(seed: int, epoch: int) -> int:
        """Return the seed of one epoch, counted from 0."""
        state = np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)
        return int(state[0] >> np.uint64(1))


class Evaluation(Protocol):
    """A function that looks at a network after each epoch, before the hooks run.

    It runs in any thread, at the same time as the evaluations of other fits. So it may
    read and write only objects that belong to its own fit.
    """

    work: int  # approximate number of multiplications

    def __call__(self) -> None:
        """Look at the network as it is now."""
        ...


class Hooks(Protocol):
    """Functions that run between the epochs of one fit, such as callbacks of skorch.

    The engine calls the hooks in the thread that called `train`. Hooks may read the
    module's parameters and the optimizer's state, and may write them if
    `needs_live_network` is set.
    """

    needs_live_network: bool  # else hooks get copies of the weights, to read only
    wants_gradients: bool  # whether hooks may read those of the last batch
    evaluation: Evaluation | None

    def epoch_begin(self) -> bool:
        """Run before an epoch; return whether this fit should stop."""
        ...

    def epoch_end(self, record: "EpochRecord") -> bool:
        """Run after an epoch; return whether this fit should stop."""
        ...


@dataclass(frozen=True, eq=False)
class FitJob:
    """All that the engine must know about one fit."""

    X: Any  # (n, n_features) array or CSR matrix of the dtype to train in
    targets: np.ndarray  # y for the loss: class codes, 0./1., or floats (n, k)
    sample_weight: np.ndarray | None  # (n,), class weights included; None: all equal
    seeds: Seeds
    n_epochs: int  # epochs to train in this call
    first_epoch: int  # epochs trained in earlier calls
    batch_size: int  # rows in a batch; -1: all
    shuffle: bool
    loss: str  # "cross_entropy", "bce_with_logits" or "squared_error"
    module: Any  # the initialised MLP; it holds the weights when training ends
    optimizer: Any  # from torch.optim: its kind, coefficients and state
    lr_schedule: LRSchedule | RatesOfEpochs | None = None  # None: as in the optimizer
    hooks: Hooks | None = None  # None: nothing runs between epochs
    keeps_weights: bool = False  # whether the outcome gets the weights of each epoch
    kept_epochs: int = 0  # epochs whose weights the fit keeps, here or by its hooks


@dataclass(frozen=True)
class EpochRecord:
    """Losses, weights and time of one epoch of one fit."""

    train_loss: float  # sum(w l) / sum(w) over the epoch
    batch_losses: Sequence[float]
    batch_weights: Sequence[float]  # sum(w) of each batch
    batch_sizes: Sequence[int]
    seconds: float  # this fit's share of its stack's time
    lr: float = math.nan  # the learning rate of the last step

    @property
    def is_finite(self) -> bool:
        """Whether no loss was NaN or infinite."""
        return all(map(math.isfinite, self.batch_losses))


@dataclass
class Outcome:
    """Result of one job, filled in epoch by epoch."""

    records: list[EpochRecord] = field(default_factory=list)
    error: Exception | None = None  # the error of this fit
    seconds: float = 0.0  # share of this fit in the time of its stack
    diverged_loss: float | None = None  # the first loss that was not finite
    weights: list[Any] = field(default_factory=list)  # name -> tensor, of each epoch
    is_over: bool = False  # whether this fit needs no more epochs


@dataclass(frozen=True)
class StackReport:
    """Size and time of one stack."""

    lanes: int  # number of lanes
    seconds: float
    traits: Mapping[str, str]  # what all its lanes share: name -> words, or ""

    @property
    def description(self) -> str:
        """The traits in one line, such as "64-32-10, cross_entropy, sgd, ..."."""
        rest = dict(self.traits)
        sizes = [rest.pop(name, "") for name in ("columns", "widths", "outputs")]
        return ", ".join(filter(None, ["-".join(filter(None, sizes)), *rest.values()]))


@dataclass(frozen=True)
class Training:
    """Result of `train`."""

    outcomes: list[Outcome]  # one for each job, in order
    stacks: list[StackReport]


Progress = Callable[[int], None]  # called with the lane-epochs since its last call

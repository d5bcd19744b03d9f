"""Jobs and their outcomes: plain values, no torch."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from skact.lr_schedules import LRSchedule, RatesOfEpochs


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


class Hooks(Protocol):
    """Functions that run between the epochs of one fit, such as callbacks of skorch.

    The engine calls the hooks in the thread that called `train`. Hooks may read the
    module's parameters and the optimizer's state, and may write them if
    `needs_live_network` is set.
    """

    needs_live_network: bool  # else hooks get copies of the weights, to read only
    wants_gradients: bool  # whether hooks may read those of the last batch

    def epoch_begin(self) -> bool:
        """Run before an epoch; return whether this fit should stop."""
        ...

    def epoch_end(self, record: "EpochRecord") -> bool:
        """Run after an epoch; return whether this fit should stop."""
        ...


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Rows that do not train, and are scored after each epoch."""

    X: Any  # as in FitJob
    targets: np.ndarray  # as in FitJob
    sample_weight: np.ndarray | None  # (n,), for the loss: class weights included
    score_weight: np.ndarray | None  # (n,), for the accuracy: as the user gave it
    batch_size: int  # rows in a batch of the history; -1: all


@dataclass(frozen=True)
class StoppingRule:
    """When a fit stops early: the options of skorch's EarlyStopping."""

    monitor: str  # "train_loss", or a score of HeldOutScores
    patience: int
    threshold: float
    threshold_mode: str  # "rel" or "abs"
    lower_is_better: bool
    load_best: bool  # whether the outcome gets the weights of the best epoch


@dataclass(frozen=True)
class GradientClipping:
    """The largest norm of a network's gradients: see ``clip_grad_norm_`` of torch."""

    max_norm: float
    norm_type: float  # 2 or infinity


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
    clipping: GradientClipping | None = None  # None: gradients are taken as they are
    hooks: Hooks | None = None  # None: nothing runs between epochs
    keeps_weights: bool = False  # whether the outcome gets the weights of each epoch
    kept_epochs: int = 0  # epochs whose weights the fit keeps, here or by its hooks
    held_out: HeldOut | None = None  # None: the engine scores no rows
    stopping: StoppingRule | None = None  # None: only hooks stop the fit early
    is_repeatable: bool = True  # whether another fit may have the same seeds


@dataclass(frozen=True)
class HeldOutScores:
    """Losses and accuracies of held-out rows after one epoch of one fit."""

    loss: float  # sum(w l) / sum(w)
    accuracy: float | None  # the weight of rows with the true label; None: no labels
    batch_losses: Sequence[float]
    batch_weights: Sequence[float]  # sum(w) of each batch
    batch_sizes: Sequence[int]
    outputs: Any = None  # (n, C) tensor for the hooks of this fit


@dataclass
class StoppingState:
    """What a rule has seen of a fit, in the words of skorch's EarlyStopping."""

    rule: StoppingRule
    dynamic_threshold: float  # a better score than this one counts as an improvement
    misses: int = 0  # epochs since the last improvement
    best_epoch: int = 0  # counted from 1, over all fits of the network; 0: none
    best_weights: dict[str, Any] | None = None  # name -> tensor


@dataclass(frozen=True)
class EpochRecord:
    """Losses, weights and time of one epoch of one fit."""

    train_loss: float  # sum(w l) / sum(w) over the epoch
    batch_losses: Sequence[float]
    batch_weights: Sequence[float]  # sum(w) of each batch
    batch_sizes: Sequence[int]
    seconds: float  # this fit's share of its stack's time
    held_out: HeldOutScores | None = None  # None: no rows are held out
    lr: float = math.nan  # the learning rate of the last step

    @property
    def is_finite(self) -> bool:
        """Whether no loss was NaN or infinite."""
        return all(map(math.isfinite, self.batch_losses))

    @property
    def diverged_loss(self) -> float | None:
        """The loss that ends the fit: of a batch, or NaN of held-out rows."""
        if not self.is_finite:
            return next(x for x in self.batch_losses if not math.isfinite(x))
        is_nan = self.held_out is not None and math.isnan(self.held_out.loss)
        return math.nan if is_nan else None

    def measure(self, name: str) -> float | None:
        """Return the "train_loss", or a score of held-out rows; None without them."""
        if name == "train_loss":
            return self.train_loss
        return None if self.held_out is None else getattr(self.held_out, name)


@dataclass
class Outcome:
    """Result of one job, filled in epoch by epoch."""

    records: list[EpochRecord] = field(default_factory=list)
    error: Exception | None = None  # the error of this fit
    seconds: float = 0.0  # share of this fit in the time of its stack
    diverged_loss: float | None = None  # the loss that ended this fit
    weights: list[Any] = field(default_factory=list)  # name -> tensor, of each epoch
    is_over: bool = False  # whether this fit needs no more epochs
    stopping: StoppingState | None = None  # of the rule of the job, if it has one
    name: str | None = None  # of this fit and those that give the same numbers
    why_unnamed: str | None = None  # why the fit has no name; continues "because"
    restored_epochs: int = 0  # epochs that an earlier fit of this name has trained
    is_torn: bool = False  # whether the network may stand elsewhere than the records

    @property
    def is_restored(self) -> bool:
        """Whether an earlier fit of this name has trained all epochs."""
        return self.is_over and len(self.records) == self.restored_epochs > 0


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
    n_elsewhere: int = 0  # jobs that helpers have trained, at least in part
    n_lost: int = 0  # of these, jobs whose helper died: they were trained again


Progress = Callable[[int], None]  # called with the lane-epochs since its last call

"""What one fit is, and which fits train in one stack: plain values, no torch."""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
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


class Hooks(Protocol):
    """What wants to run between the epochs of one fit, such as callbacks of skorch.

    The engine calls them in the thread that called `train`. The module's parameters and
    the optimizer's state are live then: they may be read and written.
    """

    def epoch_begin(self) -> None:
        """Run before an epoch."""
        ...

    def epoch_end(self, record: "EpochRecord") -> bool:
        """Run after an epoch; whether this fit shall stop."""
        ...


class Evaluation(Protocol):
    """What looks at a network after each epoch, before the hooks hear of it.

    It runs in any thread, beside those of other fits, so it may touch nothing but what
    is this fit's own.
    """

    work: int  # multiplications, about

    def __call__(self) -> None:
        """Look at the network as it is now."""
        ...


@dataclass(frozen=True, eq=False)
class FitJob:
    """All that a trainer has to know about one fit."""

    X: Any  # (n, n_features) array or CSR matrix of the dtype to train in
    y: np.ndarray  # (n,) or (n, n_outputs) as the user gave it: labels, not codes
    targets: np.ndarray  # y as the loss wants it: class codes, 0./1., or floats (n, k)
    sample_weight: np.ndarray | None  # (n,), class weights included; None: all equal
    seeds: Seeds
    n_epochs: int  # epochs to train now
    first_epoch: int = 0  # epochs trained before, in earlier calls
    batch_size: int = -1  # rows in a batch; -1: all
    shuffle: bool = True
    loss: str = "cross_entropy"  # or "bce_with_logits", "squared_error"
    module: Any = None  # the MLP, initialised; holds the weights when training ends
    optimizer: Any = None  # from torch.optim: its kind, coefficients and state
    hooks: Hooks | None = None
    evaluation: Evaluation | None = None  # for the hooks, which must be there
    hooks_only_look: bool = False  # at the weights, and leave the optimizer alone
    keeps_weights: bool = False  # of every epoch, in the outcome
    outcome: "Outcome" = field(default_factory=lambda: Outcome())

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
    """What became of one job."""

    records: list[EpochRecord] = field(default_factory=list)
    error: Exception | None = None  # this fit alone failed
    seconds: float = 0.0  # its share of the time of its stack
    diverged: float | None = None  # the loss that was no longer finite
    weights: list[Any] = field(default_factory=list)  # of each epoch: name -> tensor


@dataclass(frozen=True)
class StackReport:
    """One stack that was trained."""

    jobs: tuple[int, ...]  # positions in the list given to `train`
    seconds: float
    description: str  # such as "64-32-10, sgd, float32, batches of 128"


@dataclass(frozen=True)
class Training:
    """What `train` returns."""

    outcomes: list[Outcome]  # one for each job, in order
    stacks: list[StackReport]


Progress = Callable[[int], None]  # told of lane-epochs done since it was told last


# ------------------------------------------------------------------ batches

# lanes start at multiples of this many rows, so that no vector of the processor spans
# two networks, and a network comes out the same wherever it lies in a stack
_ROW_QUANTUM = 32


def padded_rows(n_rows: int, quantum: int = _ROW_QUANTUM) -> int:
    """Return the rows of a batch when it is filled up.

    Examples
    --------
    >>> padded_rows(32), padded_rows(50)
    (32, 64)
    """
    return -(-n_rows // quantum) * quantum


@dataclass(frozen=True)
class BatchShape:
    """How the rows of a job fall into batches: a function of the job alone."""

    batch_size: int  # rows asked for
    n_steps: int  # batches an epoch
    padded: int  # rows of a batch in the tensor program
    last: int  # those of the last batch

    @classmethod
    def of(cls, n_rows: int, batch_size: int) -> "BatchShape":
        """Cut `n_rows` into batches of `batch_size` (-1: all in one).

        Examples
        --------
        >>> BatchShape.of(200, 128)
        BatchShape(batch_size=128, n_steps=2, padded=128, last=96)
        """
        size = n_rows if batch_size == -1 else min(batch_size, n_rows)
        steps = -(-n_rows // size)
        padded = padded_rows(size)
        # a last batch filled up costs little among many; folds that differ by a row
        # seldom fall apart if it is rounded coarsely
        left = n_rows - (steps - 1) * size
        coarse = padded if steps >= 8 else padded_rows(max(padded // 4, 1))
        last = min(padded, padded_rows(left, coarse))
        if steps == 1:
            size = padded  # so that folds of 99 and 100 rows share a stack
        return cls(batch_size=size, n_steps=steps, padded=padded, last=last)

    def size_of_step(self, step: int) -> int:
        """Return the rows of a batch in the tensor program."""
        return self.last if step == self.n_steps - 1 else self.padded

    def rows_of_step(self, n_rows: int) -> list[int]:
        """Return the true rows of each batch."""
        whole = [self.batch_size] * (self.n_steps - 1)
        return [*whole, n_rows - sum(whole)]


# ------------------------------------------------------------------ stacks


@dataclass(frozen=True)
class Lane:
    """What planning has to know about a job."""

    group: Hashable  # what lanes of one stack must share
    order: tuple[Hashable, ...]  # what neighbours had best share, the weightiest first
    nbytes: int = 0  # of its parameters and of a batch on its way through


def plan_stacks(
    lanes: Sequence[Lane], max_lanes: int = 96, max_bytes: int = 2**28
) -> list[tuple[int, ...]]:
    """Say which lanes train together.

    Parameters
    ----------
    lanes : sequence of Lane
    max_lanes : int, default=96
        Most lanes in a stack: higher ones outgrow the caches.
    max_bytes : int, default=2**28
        Most bytes in a stack of more than four lanes: large networks gain nothing from
        a higher stack, and memory is not for nothing.

    Returns
    -------
    list of tuple of int
        Positions in `lanes`; each appears once.

    Examples
    --------
    >>> lanes = [Lane("a", ("relu",)), Lane("a", ("tanh",)), Lane("a", ("relu",))]
    >>> plan_stacks(lanes)
    [(0, 2, 1)]
    >>> plan_stacks(lanes, max_lanes=2)
    [(0, 2), (1,)]
    """
    groups: dict[Hashable, list[int]] = {}
    for position, lane in enumerate(lanes):
        groups.setdefault(lane.group, []).append(position)
    stacks: list[tuple[int, ...]] = []
    for members in groups.values():
        ranks: dict[tuple[int, Hashable], int] = {}  # in order of appearance
        keys = {
            position: [
                ranks.setdefault((place, key), len(ranks))
                for place, key in enumerate(lanes[position].order)
            ]
            for position in members
        }
        members.sort(key=lambda position: keys[position])
        members = _to_and_fro(members, keys)
        largest = max(1, *(lanes[position].nbytes for position in members))
        most = min(max_lanes, max(4, max_bytes // largest))
        pieces = -(-len(members) // most)
        small, rest = divmod(len(members), pieces)
        start = 0
        for piece in range(pieces):
            stop = start + small + (piece < rest)
            stacks.append(tuple(members[start:stop]))
            start = stop
    return stacks


def _to_and_fro(members: list[int], keys: Mapping[int, list[int]]) -> list[int]:
    """Turn every other run around: at their seams, neighbours share the last key."""
    runs = runs_of([tuple(keys[position][:-1]) for position in members])
    ordered = []
    for number, run in enumerate(runs):
        ordered += members[run][:: -1 if number % 2 else 1]
    return ordered


def runs_of(keys: Sequence[Hashable]) -> list[slice]:
    """Return the slices of equal neighbours.

    Examples
    --------
    >>> runs_of(["relu", "relu", "tanh"])
    [slice(0, 2, None), slice(2, 3, None)]
    """
    starts = [i for i in range(len(keys)) if i == 0 or keys[i] != keys[i - 1]]
    return [slice(a, b) for a, b in zip(starts, [*starts[1:], len(keys)], strict=True)]


# a product of fewer multiplications than this is as fast on one thread; a stack, all of
# whose operations may be cut, gains from threads much earlier
WORTH_THREADS = 2**22
STACK_WORTH_THREADS = 2**18

# torch cuts elementwise work of more values than this among threads, in equal parts
_VALUES_FOR_THREADS = 32768
# a part must be whole vectors: what is left over is computed another way, and rounds so
_VECTORS = 32


def safe_threads(available: int, n_lanes: int, sizes: Sequence[int]) -> int:
    """Return how many threads may compute a stack without changing a bit of it.

    Parameters
    ----------
    available : int
        Threads there are.
    n_lanes : int
        A product of matrices stays whole if there are as many as threads.
    sizes : sequence of int
        Values in the tensors that elementwise operations pass over.

    Returns
    -------
    int

    Examples
    --------
    >>> safe_threads(4, n_lanes=60, sizes=[60 * 64 * 32])
    4
    >>> safe_threads(4, n_lanes=61, sizes=[61 * 33 * 32])
    1
    >>> safe_threads(4, n_lanes=1, sizes=[64 * 32])
    1
    """
    for threads in range(min(available, n_lanes), 1, -1):
        parts = [min(threads, -(-size // _VALUES_FOR_THREADS)) for size in sizes]
        cuts = zip(sizes, parts, strict=True)
        if all(part <= 1 or size % (part * _VECTORS) == 0 for size, part in cuts):
            return threads
    return 1

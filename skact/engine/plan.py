"""Plan stacks and batches. No torch here."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

# each lane starts at a multiple of this many rows: then no vector of the processor
# holds values of two networks, and a lane's result does not depend on its place
_ROW_QUANTUM = 32


def padded_rows(n_rows: int, quantum: int = _ROW_QUANTUM) -> int:
    """Return the rows of a batch after it was filled up.

    Examples
    --------
    >>> padded_rows(32), padded_rows(50)
    (32, 64)
    """
    return -(-n_rows // quantum) * quantum


@dataclass(frozen=True)
class BatchShape:
    """Sizes of a job's batches. They depend on the job only."""

    batch_size: int  # true rows of a batch
    n_steps: int  # batches in an epoch
    padded: int  # rows of a batch in the tensor program
    last: int  # rows of the last batch in the tensor program

    @classmethod
    def from_rows(cls, n_rows: int, batch_size: int) -> "BatchShape":
        """Cut `n_rows` into batches of `batch_size` (-1: all in one).

        Examples
        --------
        >>> BatchShape.from_rows(200, 128)
        BatchShape(batch_size=128, n_steps=2, padded=128, last=96)
        """
        size = n_rows if batch_size == -1 else min(batch_size, n_rows)
        steps = -(-n_rows // size)
        padded = padded_rows(size)
        # a coarse size of the last batch lets folds that differ by a row share a stack;
        # among many batches the extra rows cost little
        left = n_rows - (steps - 1) * size
        coarse = padded if steps >= 8 else padded_rows(max(padded // 4, 1))
        last = min(padded, padded_rows(left, coarse))
        if steps == 1:
            size = padded  # then folds of 99 and 100 rows share a stack
        return cls(batch_size=size, n_steps=steps, padded=padded, last=last)

    def size_of_step(self, step: int) -> int:
        """Return the rows of one batch in the tensor program."""
        return self.last if step == self.n_steps - 1 else self.padded

    def true_rows_of_steps(self, n_rows: int) -> list[int]:
        """Return the true rows of each batch."""
        whole = [self.batch_size] * (self.n_steps - 1)
        return [*whole, n_rows - sum(whole)]


# ------------------------------------------------------------------ stacks


@dataclass(frozen=True)
class Lane:
    """Facts about a job that planning needs."""

    group: Hashable  # lanes of one stack have equal groups
    order: tuple[Hashable, ...]  # keys to sort lanes by, the most important first
    nbytes: int = 0  # bytes of the parameters and of one batch in all layers
    is_large: bool = False  # whether it trains as fast alone as in a stack


def plan_stacks(
    lanes: Sequence[Lane], max_lanes: int = 96, max_bytes: int = 2**24
) -> list[tuple[int, ...]]:
    """Group lanes into stacks.

    Parameters
    ----------
    lanes : sequence of Lane
    max_lanes : int, default=96
        Most lanes in a stack.
    max_bytes : int, default=2**24
        Most bytes in a stack of more than one lane: about half of what a cache holds.
        Larger stacks wait for memory, by up to a tenth of their time.

    Returns
    -------
    list of tuple of int
        Positions in `lanes`, each of them once.

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
        members = _reverse_every_other_run(members, keys)
        largest = max(1, *(lanes[position].nbytes for position in members))
        most = min(max_lanes, max(1, max_bytes // largest))
        if lanes[members[0]].is_large:  # each task goes on when its own is over
            most = 1
        pieces = -(-len(members) // most)
        small, rest = divmod(len(members), pieces)
        start = 0
        for piece in range(pieces):
            stop = start + small + (piece < rest)
            stacks.append(tuple(members[start:stop]))
            start = stop
    return stacks


def _reverse_every_other_run(
    members: list[int], keys: Mapping[int, list[int]]
) -> list[int]:
    """Reverse every second run, so that neighbours at its ends share the last key."""
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


# a product of fewer multiplications is as fast on one thread
WORTH_THREADS = 2**22

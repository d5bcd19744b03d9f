"""Which fits train in one stack, in which batches, on how many threads: no torch."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

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

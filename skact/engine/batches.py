"""Batches of a stack: which rows come when, fetched for all lanes at once.

Lanes that share a table and a seed share a *stream*, the order of its rows. Every batch
is padded to a canonical number of rows, which depends on the job alone: rows that only
fill it up are copies of the first, and weigh nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from skact.engine.layers import Batch
from skact.engine.plan import BatchShape, FitJob, Seeds

# up to this size a lane's batch is copied along with its neighbours' in one call
_ONE_GATHER = 2**16
# a sparse table up to this size is made dense once
_DENSE_ONCE = 2**28


class Tables:
    """Arrays of jobs, equal ones stored once."""

    def __init__(self) -> None:
        self.arrays: list[Any] = []
        self._ids: dict[int, int] = {}
        self._by_shape: dict[tuple, list[int]] = {}

    def add(self, array: Any) -> int:
        """Return the position of an array equal to this one."""
        if id(array) in self._ids:
            return self._ids[id(array)]
        same = self._by_shape.setdefault((type(array), array.shape, array.dtype), [])
        for position in same:
            if _equal(self.arrays[position], array):
                break
        else:
            position = len(self.arrays)
            self.arrays.append(array)
            same.append(position)
        self._ids[id(array)] = position
        return position


def _equal(a: Any, b: Any) -> bool:
    if sp.issparse(a):
        return a.nnz == b.nnz and (a != b).nnz == 0
    step = max(1, len(a) // 16)  # most arrays that differ do so at once
    return np.array_equal(a[::step], b[::step]) and np.array_equal(a, b)


def to_tensor(array: Any) -> Tensor:
    """Turn an array or CSR matrix into a dense tensor, without a copy if possible."""
    array = array.toarray() if sp.issparse(array) else np.ascontiguousarray(array)
    # memory-mapped input is read-only, which torch warns of
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def row_order(n_rows: int, seed: int, epoch: int) -> Tensor:
    """Return the order of the rows in an epoch."""
    generator = torch.Generator().manual_seed(Seeds.of_epoch(seed, epoch))
    return torch.randperm(n_rows, generator=generator)


@dataclass
class Step:
    """One batch of every lane."""

    batch: Batch
    index: Tensor  # (L, B) rows of each lane's table
    targets: Tensor  # (L, 1, B) codes, or (L, C, B)
    weight: Tensor  # (L, 1, B), divided by its sum
    size: int  # B


class Batches:
    """Serve the batches of a stack, epoch by epoch.

    Parameters
    ----------
    jobs : sequence of FitJob
        One for each lane, of one `BatchShape`.
    shape : BatchShape
    tables : Tables
        Shared by all stacks.
    dtype : torch.dtype
    device : torch.device
    """

    def __init__(
        self,
        jobs: Sequence[FitJob],
        shape: BatchShape,
        tables: Tables,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.jobs, self.shape = jobs, shape
        self.dtype, self.device = dtype, device
        self._load(tables)
        self.rows = [shape.rows_of_step(job.X.shape[0]) for job in jobs]
        self._fixed = [self._fixed_parts(step) for step in range(shape.n_steps)]

    def _load(self, tables: Tables) -> None:
        """Bring the data to the device, once for all lanes that share it."""
        used = [tables.add(job.X) for job in self.jobs]
        unique = list(dict.fromkeys(used))
        arrays = [tables.arrays[i] for i in unique]
        of_lane = [unique.index(i) for i in used]
        self.n_features = arrays[0].shape[1]
        lane_bytes = self.shape.padded * self.n_features * self.dtype.itemsize
        whole = all(_fits(array) for array in arrays)
        if whole and (len(arrays) == 1 or lane_bytes <= _ONE_GATHER):
            tensors = [to_tensor(array) for array in arrays]
            table = tensors[0] if len(tensors) == 1 else torch.cat(tensors)
            self.table: Any = table.to(self.device)
            starts = np.cumsum([0, *(len(t) for t in tensors[:-1])])
            self.offsets = [int(starts[i]) for i in of_lane]
            self.lane_tables: Any = None
        else:
            loaded = [
                to_tensor(array).to(self.device) if _fits(array) else array
                for array in arrays
            ]
            self.lane_tables = [loaded[i] for i in of_lane]
            self.offsets = [0] * len(self.jobs)
        self.targets = self._load_targets(tables)
        self.weights = [
            None
            if job.sample_weight is None
            else to_tensor(job.sample_weight).to(self.dtype)
            for job in self.jobs
        ]

    def _load_targets(self, tables: Tables) -> list[Tensor]:
        loaded: dict[int, Tensor] = {}
        lanes = []
        for job in self.jobs:
            key = tables.add(job.targets)
            if key not in loaded:
                targets = to_tensor(tables.arrays[key])
                codes = not targets.is_floating_point()
                targets = targets.long() if codes else targets.to(self.dtype)
                loaded[key] = targets.reshape(len(targets), -1)
            lanes.append(loaded[key])
        return lanes

    def _fixed_parts(self, step: int) -> tuple[Batch, int]:
        """Return what a step has in every epoch."""
        size = self.shape.size_of_step(step)
        rows = [of_lane[step] for of_lane in self.rows]
        count = torch.tensor(rows).view(-1, 1, 1)
        valid = (torch.arange(size) < count).to(self.device, self.dtype)
        return Batch(rows, valid, count.to(self.device, self.dtype)), size

    def epoch(self, epochs: Sequence[int]) -> Iterator[Step]:
        """Yield the steps of an epoch; each lane has its own count of epochs."""
        index, targets, weight = self._epoch_parts(epochs)
        self.batch_weights = weight.sum(3)[..., 0]  # (steps, L)
        floor = torch.finfo(self.dtype).tiny
        weight = weight / weight.sum(3, keepdim=True).clamp_min(floor)
        parts = zip(
            index.unbind(0),
            targets.unbind(0),
            weight.unbind(0),
            self._fixed,
            strict=True,
        )
        for rows, wanted, weighs, (batch, size) in parts:
            if size < self.shape.padded:
                rows = rows[:, :size].contiguous()
                wanted = wanted[..., :size].contiguous()
                weighs = weighs[..., :size].contiguous()
            yield Step(batch, rows, wanted, weighs, size)

    def _epoch_parts(self, epochs: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Return index (S, L, B), targets (S, L, C, B) and weights (S, L, 1, B)."""
        orders: dict[tuple, Tensor] = {}
        wanted: dict[tuple, Tensor] = {}
        index, targets, weights = [], [], []
        for lane, job in enumerate(self.jobs):
            n = job.X.shape[0]
            key = (n, job.seeds.order if job.shuffle else None, epochs[lane])
            if key not in orders:
                order = row_order(n, key[1], epochs[lane]) if job.shuffle else None
                orders[key] = self._padded(n, order)
            order = orders[key]
            columns = self.targets[lane]
            if (*key, id(columns)) not in wanted:
                # (S, B, C) -> (S, C, B)
                wanted[*key, id(columns)] = columns[order].mT
            index.append(order + self.offsets[lane])
            targets.append(wanted[*key, id(columns)])
            weights.append(self._row_weights(lane, order))
        return (
            torch.stack(index, 1).to(self.device),
            torch.stack(targets, 1).to(self.device),
            torch.stack(weights, 1).unsqueeze(2).to(self.device),
        )

    def _padded(self, n: int, order: Tensor | None) -> Tensor:
        """Cut an order into batches (S, B), filled up with the first row."""
        order = torch.arange(n) if order is None else order
        steps, size, padded = (
            self.shape.n_steps,
            self.shape.batch_size,
            self.shape.padded,
        )
        whole = torch.zeros(steps * size, dtype=torch.int64)
        whole[:n] = order
        cut = torch.zeros(steps, padded, dtype=torch.int64)
        cut[:, :size] = whole.view(steps, size)
        return cut

    def _row_weights(self, lane: int, order: Tensor) -> Tensor:
        weight = self.weights[lane]
        rows = torch.tensor(self.rows[lane]).unsqueeze(1)
        valid = (torch.arange(self.shape.padded) < rows).to(self.dtype)
        return valid if weight is None else weight[order].mul_(valid)

    def fetch(self, step: Step, out: Tensor) -> None:
        """Copy the rows of a step into ``(L, B, D)``."""
        if self.lane_tables is None:
            flat = out.view(-1, self.n_features)
            torch.index_select(self.table, 0, step.index.view(-1), out=flat)
            return
        for table, rows, place in zip(self.lane_tables, step.index, out, strict=True):
            if isinstance(table, Tensor):
                torch.index_select(table, 0, rows, out=place)
            else:
                place.copy_(to_tensor(table[rows.cpu().numpy()]))


def _fits(array: Any) -> bool:
    """Whether a table may be dense as a whole."""
    if not sp.issparse(array):
        return True
    return array.shape[0] * array.shape[1] * array.dtype.itemsize <= _DENSE_ONCE

"""Batches of a stack: the order of the rows, and fetching rows for all lanes at once.

A *stream* is a sequence of rows. Lanes that share data, weights and the seed of the
order share a stream. Every batch is filled up to a number of rows that depends on the
job only. The rows that fill it up are copies of the first row, with weight 0.
"""

import itertools
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from skact.engine.jobs import FitJob, Seeds
from skact.engine.layers import Batch, BoundCall
from skact.engine.plan import BatchShape

# up to this size of a batch, one call copies the batches of all lanes
_MAX_GATHERED_BYTES = 2**16
# a sparse table up to this size is made dense before training
_MAX_DENSE_BYTES = 2**28


class Tables:
    """Arrays of jobs; equal arrays are stored once."""

    def __init__(self) -> None:
        self.arrays: list[Any] = []
        # an identity alone may be that of an array that is gone
        self._known: dict[int, tuple[weakref.ref, int]] = {}
        self._by_shape: dict[tuple, list[int]] = {}

    def add_array(self, array: Any) -> int:
        """Return the position of an array equal to this one."""
        reference, position = self._known.get(id(array), (None, 0))
        if reference is not None and reference() is array:
            return position
        same = self._by_shape.setdefault((type(array), array.shape, array.dtype), [])
        for position in same:
            if _are_equal(self.arrays[position], array):
                break
        else:
            position = len(self.arrays)
            self.arrays.append(array)
            same.append(position)
        self._known[id(array)] = weakref.ref(array), position
        return position


def _are_equal(a: Any, b: Any) -> bool:
    if sp.issparse(a):
        return a.nnz == b.nnz and (a != b).nnz == 0
    step = max(1, len(a) // 16)  # most arrays that differ, differ in these rows
    return np.array_equal(a[::step], b[::step]) and np.array_equal(a, b)


def to_tensor(array: Any) -> Tensor:
    """Turn an array or CSR matrix into a dense tensor, without a copy if possible."""
    array = array.toarray() if sp.issparse(array) else np.ascontiguousarray(array)
    # torch warns of arrays that are read-only, such as memory-mapped ones
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def row_order(n_rows: int, seed: int, epoch: int) -> Tensor:
    """Return the order of the rows in an epoch."""
    generator = torch.Generator().manual_seed(Seeds.of_epoch(seed, epoch))
    return torch.randperm(n_rows, generator=generator)


@dataclass
class Steps:
    """Successive batches of every lane, all of one size B."""

    is_last: bool  # whether it is the last batch of an epoch, which may be smaller
    index: Tensor  # (n, L, B) rows in the table of each lane
    targets: Tensor  # (n, L, 1, B) codes, or (n, L, C, B)
    weight: Tensor  # (n, L, 1, B), divided by the sum over the batch


class Batches:
    """The batches of a stack, epoch by epoch.

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
        self._load_rows(tables)
        self.rows = [shape.true_rows_of_steps(job.X.shape[0]) for job in jobs]
        self.failed: dict[int, Exception] = {}

    def _load_rows(self, tables: Tables) -> None:
        """Copy the data to the device, once for all lanes that share it."""
        used = [tables.add_array(job.X) for job in self.jobs]
        unique = list(dict.fromkeys(used))
        arrays = [tables.arrays[i] for i in unique]
        of_lane = [unique.index(i) for i in used]
        self.n_features = arrays[0].shape[1]
        lane_bytes = self.shape.padded * self.n_features * self.dtype.itemsize
        whole = all(is_dense_allowed(array) for array in arrays)
        if whole and (len(arrays) == 1 or lane_bytes <= _MAX_GATHERED_BYTES):
            tensors = [to_tensor(array) for array in arrays]
            table = tensors[0] if len(tensors) == 1 else torch.cat(tensors)
            self.table: Any = table.to(self.device)
            starts = np.cumsum([0, *(len(t) for t in tensors[:-1])])
            self.offsets = [int(starts[i]) for i in of_lane]
            self.lane_tables: Any = None
        else:
            loaded = [
                to_tensor(array).to(self.device) if is_dense_allowed(array) else array
                for array in arrays
            ]
            self.lane_tables = [loaded[i] for i in of_lane]
            self.offsets = [0] * len(self.jobs)
        self.table_ids = used
        self._load_targets(tables)
        self._load_weights(tables)

    def _load_targets(self, tables: Tables) -> None:
        """Join all targets in one table, once for all lanes that share them."""
        self.target_ids = [tables.add_array(job.targets) for job in self.jobs]
        starts, parts, n_rows = {}, [], 0
        for key in dict.fromkeys(self.target_ids):
            targets = to_tensor(tables.arrays[key])
            codes = not targets.is_floating_point()
            targets = targets.long() if codes else targets.to(self.dtype)
            parts.append(targets.reshape(len(targets), -1))
            starts[key], n_rows = n_rows, n_rows + len(targets)
        self.targets = parts[0] if len(parts) == 1 else torch.cat(parts)  # (rows, C)
        self.target_offsets = [starts[key] for key in self.target_ids]

    def _load_weights(self, tables: Tables) -> None:
        self.weight_ids: list[int | None] = []
        self.weights: list[Any] = []
        for job in self.jobs:
            if job.sample_weight is None:
                self.weight_ids.append(None)
                self.weights.append(None)
            else:
                self.weight_ids.append(tables.add_array(job.sample_weight))
                weight = tables.arrays[tables.add_array(job.sample_weight)]
                self.weights.append(to_tensor(weight).to(self.dtype))

    def describe_batch(self, *, is_last: bool) -> tuple[int, Batch]:
        """Return the size and the facts of the last batch, or of all others."""
        step = self.shape.n_steps - 1 if is_last else 0
        size = self.shape.size_of_step(step)
        rows = [of_lane[step] for of_lane in self.rows]
        count = torch.tensor(rows).view(-1, 1, 1)
        valid = (torch.arange(size) < count).to(self.device, self.dtype)
        count = count.to(self.device, self.dtype)
        return size, Batch(rows, valid, count, self.failed)

    def steps_of_epoch(self, epochs: Sequence[int], max_steps: int) -> Iterator[Steps]:
        """Yield the steps of an epoch, at most `max_steps` at once.

        The last step is yielded by itself. `epochs` number the lanes' epochs.
        """
        index, targets, weight, of_lane = self._find_streams(epochs)
        self.streams = of_lane.tolist()
        total = weight.sum(3, keepdim=True)  # (steps, S, 1, 1)
        self.batch_weights = total[:, of_lane, 0, 0]
        weight = weight / total.clamp_min(torch.finfo(self.dtype).tiny)
        one_each = self.streams == list(range(index.shape[1]))
        whole = self.shape.n_steps - 1
        cuts = [*range(0, whole, max_steps), whole]
        parts = [slice(a, b) for a, b in itertools.pairwise(cuts)]
        for steps in (*parts, slice(whole, None)):
            tensors = [tensor[steps] for tensor in (index, targets, weight)]
            is_last = steps.stop is None
            if is_last and self.shape.last < self.shape.padded:
                tensors = [tensor[..., : self.shape.last] for tensor in tensors]
            if not one_each:
                tensors = [tensor.index_select(1, of_lane) for tensor in tensors]
            yield Steps(is_last, *tensors)

    def _find_streams(
        self, epochs: Sequence[int]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the batches of each stream, and the stream of each lane.

        Index (steps, S, B), targets (steps, S, C, B), weights (steps, S, 1, B).
        """
        streams: dict[tuple, int] = {}
        lanes: list[int] = []  # the first lane of each stream
        of_lane = []
        for lane, job in enumerate(self.jobs):
            data = (self.table_ids[lane], self.target_ids[lane], self.weight_ids[lane])
            drawn = (job.seeds.order, epochs[lane]) if job.shuffle else ()
            stream = streams.setdefault((*data, *drawn), len(streams))
            of_lane.append(stream)
            if stream == len(lanes):
                lanes.append(lane)
        n_steps, size = self.shape.n_steps, self.shape.batch_size
        rows = torch.zeros(len(lanes), n_steps * size, dtype=torch.int64)
        weights = torch.zeros(rows.shape, dtype=self.dtype)
        for lane, of_rows, of_weights in zip(lanes, rows, weights, strict=True):
            job, n = self.jobs[lane], self.jobs[lane].X.shape[0]
            order = torch.arange(n)
            if job.shuffle:
                order = row_order(n, job.seeds.order, epochs[lane])
            of_rows[:n] = order
            own = self.weights[lane]
            of_weights[:n] = 1 if own is None else own[order]
        index = self._cut_into_batches(rows)  # (steps, S, B)
        starts, target_starts = (
            torch.tensor([of_all[lane] for lane in lanes]).unsqueeze(1)
            for of_all in (self.offsets, self.target_offsets)
        )
        targets = self.targets[index + target_starts].mT  # (steps, S, C, B)
        found = index + starts, targets, self._cut_into_batches(weights).unsqueeze(2)
        index, targets, weights = (tensor.to(self.device) for tensor in found)
        return index, targets, weights, torch.tensor(of_lane, device=self.device)

    def _cut_into_batches(self, values: Tensor) -> Tensor:
        """Cut values (S, rows) into batches (steps, S, B); fill them up with zeros."""
        steps, size = self.shape.n_steps, self.shape.batch_size
        cut = values.new_zeros(steps, len(values), self.shape.padded)
        cut[:, :, :size] = values.view(len(values), steps, size).transpose(0, 1)
        return cut

    def bind_fetch(self, index: Tensor, out: Tensor) -> BoundCall:
        """Return the call that copies rows `index` (L, B) into `out` (L * B, D)."""
        if self.lane_tables is None:
            return partial(torch.index_select, self.table, 0, index.view(-1), out=out)
        return partial(self._fetch_by_lane, index, out.view(*index.shape, -1))

    def _fetch_by_lane(self, index: Tensor, out: Tensor) -> None:
        fetched: dict[int, Tensor] = {}
        lanes = zip(self.streams, self.lane_tables, index, out, strict=True)
        for stream, table, rows, place in lanes:
            if stream in fetched:
                place.copy_(fetched[stream])
            elif isinstance(table, Tensor):
                torch.index_select(table, 0, rows, out=place)
            else:
                place.copy_(to_tensor(table[rows.cpu().numpy()]))
            fetched[stream] = place


def is_dense_allowed(array: Any) -> bool:
    """Whether the whole table may be dense."""
    if not sp.issparse(array):
        return True
    return array.shape[0] * array.shape[1] * array.dtype.itemsize <= _MAX_DENSE_BYTES

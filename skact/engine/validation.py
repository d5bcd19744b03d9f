"""Held-out rows of a stack: after each epoch, one forward pass in evaluation mode.

All lanes of a stack have as many rows, but for the rows that fill up their last part:
the rows of a part depend on the job only. So the scores of a lane are the same, bit for
bit, in any stack. Lanes that share a table share its rows.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from skact.activations.modules import RReLU
from skact.engine.activation_layers import ActivationLayer, is_custom
from skact.engine.batches import Tables, is_dense_allowed, to_tensor
from skact.engine.jobs import HeldOut, HeldOutScores
from skact.engine.layers import BoundCall, StackedLayerNorm, linear_call
from skact.engine.losses import LOSSES
from skact.engine.memory_layout import activation_of
from skact.engine.plan import BatchShape, runs_of

# most rows in one pass: a few MB for a stack of small networks
_ROWS_AT_ONCE = 256
# in evaluation mode no layer asks which rows fill a batch up
_NO_BATCH: Any = None


def shape_of_held_out(rows: HeldOut | None) -> tuple[tuple[int, ...], int]:
    """Return what all lanes of a stack share: rows of each pass, and of a batch."""
    if rows is None:
        return (), 0
    shape = BatchShape.from_rows(len(rows.targets), _ROWS_AT_ONCE)
    sizes = tuple(map(shape.size_of_step, range(shape.n_steps)))
    return sizes, rows.batch_size


def can_validate(module: Any) -> bool:
    """Whether a stack computes all activations of a network in evaluation mode."""
    layers = range(len(module.hidden) + 1)
    return not any(is_custom(activation_of(module, i)) for i in layers)


class Validation:
    """The held-out rows of a stack, and their scores.

    Parameters
    ----------
    stack : Stack
        Its jobs have held-out rows of one shape.
    tables : Tables
        Shared by all stacks.
    """

    def __init__(self, stack: Any, tables: Tables) -> None:
        held_out: list[HeldOut] = [job.held_out for job in stack.jobs]
        self.device, self.dtype = stack.device, stack.dtype
        self.sizes, batch_size = shape_of_held_out(held_out[0])
        self.loss = LOSSES[stack.jobs[0].loss]
        # hooks of a lane get the outputs of its rows
        self.watched = [
            (lane, len(job.held_out.targets))
            for lane, job in enumerate(stack.jobs)
            if job.hooks is not None
        ]
        ids = [tables.add_array(rows.X) for rows in held_out]
        self.runs = [(run, ids[run.start]) for run in runs_of(ids)]
        self.arrays = {i: tables.arrays[i] for i in ids}
        self.dense = {
            i: [self._load_part(array, part) for part in range(len(self.sizes))]
            for i, array in self.arrays.items()
            if is_dense_allowed(array)
        }
        self.targets, self.target_places = self._load_targets(held_out, tables)
        self.programs = {
            size: _ForwardPass(stack, size) for size in sorted({*self.sizes})[::-1]
        }
        self.batches = _HistoryBatches(
            held_out, sum(self.sizes), batch_size, torch.finfo(stack.dtype).tiny
        )

    def _load_targets(
        self, held_out: Sequence[HeldOut], tables: Tables
    ) -> tuple[Tensor, Tensor]:
        """Return all targets (U, C, rows), each once, and the place of each lane's."""
        ids = [tables.add_array(rows.targets) for rows in held_out]
        unique, loaded = list(dict.fromkeys(ids)), []
        for i in unique:
            targets = to_tensor(tables.arrays[i])
            codes = not targets.is_floating_point()
            targets = targets.long() if codes else targets.to(self.dtype)
            targets = targets.reshape(len(targets), -1)
            padded = targets.new_zeros(targets.shape[1], sum(self.sizes))
            padded[:, : len(targets)] = targets.T
            loaded.append(padded)
        places = torch.tensor([unique.index(i) for i in ids])
        return torch.stack(loaded).to(self.device), places.to(self.device)

    def _load_part(self, array: Any, part: int) -> Tensor:
        """Return the rows of one pass, (1, D, B): zeros fill them up.

        Each begins at its own aligned memory, because a product rounds otherwise where
        its operands begin elsewhere.
        """
        start, size = part * self.sizes[0], self.sizes[part]
        rows = to_tensor(array[start : start + size])
        padded = rows.new_zeros(size, rows.shape[1])
        padded[: len(rows)] = rows
        return padded.to(self.device).T[None]

    def scores(self) -> list[HeldOutScores]:
        """Return the scores of each lane with the present weights."""
        losses, correct = [], []
        watched: dict[int, list[Tensor]] = {lane: [] for lane, _ in self.watched}
        for part, size in enumerate(self.sizes):
            outputs = self._outputs_of_part(part)
            start = part * self.sizes[0]
            targets = self.targets[..., start : start + size]
            targets = targets.index_select(0, self.target_places)
            losses.append(self.loss.losses_of_outputs(outputs, targets)[:, 0])
            found = self.loss.find_correct(outputs, targets)
            if found is not None:
                correct.append(found[:, 0])
            with torch.inference_mode(False):  # hooks may do all with their outputs
                for lane, outputs_of_lane in watched.items():
                    outputs_of_lane.append(outputs[lane].T.clone())
        scores = self.batches.scores(
            torch.cat(losses, 1).double().cpu().numpy(),
            torch.cat(correct, 1).cpu().numpy() if correct else None,
        )
        with torch.inference_mode(False):
            for lane, n_rows in self.watched:
                joined = torch.cat(watched[lane])[:n_rows].contiguous()
                scores[lane] = replace(scores[lane], outputs=joined)
        return scores

    def _outputs_of_part(self, part: int) -> Tensor:
        """Return the outputs (L, C, B) for one part of the rows."""
        rows = {
            i: self.dense[i][part] if i in self.dense else self._load_part(array, part)
            for i, array in self.arrays.items()
        }
        of_runs = [(run, rows[i]) for run, i in self.runs]
        return self.programs[self.sizes[part]].outputs(of_runs)


class _ForwardPass:
    """The calls of a forward pass in evaluation mode, for B rows of every lane."""

    def __init__(self, stack: Any, size: int) -> None:
        self.calls: list[BoundCall] = []
        source: Any = None
        for i, segments in enumerate(stack.layout.linear):
            weight, bias = (stack.parameter_at(one).value for one in segments)
            z = stack.scratch_buffer(f"z{i}", len(weight), weight.shape[1], size)
            if i == 0:
                self.first = bias, weight, z
            else:
                self.calls.append(linear_call(bias, weight, source, z))
            source = self._add_after_linear(stack, i, z)
        self.result: Tensor = source

    def _add_after_linear(self, stack: Any, i: int, z: Tensor) -> Tensor:
        if i < len(stack.layout.norm):
            z = self._add_norm(stack, i, z)
        modules = [_without_noise(activation_of(one, i)) for one in stack.modules]
        if all(type(module) is nn.Identity for module in modules):
            return z
        out = stack.scratch_buffer(f"out{i}", *z.shape)
        learned = stack.parameter_at(stack.layout.learned[i])
        layer = ActivationLayer(modules, z, out, z, learned)
        self.calls += layer.calls(_NO_BATCH)[0]
        return out

    def _add_norm(self, stack: Any, i: int, z: Tensor) -> Tensor:
        norm = stack.modules[0].hidden[i].norm
        weight, bias = map(stack.parameter_at, stack.layout.norm[i])
        out = stack.scratch_buffer(f"normed{i}", *z.shape)
        if stack.running:
            statistics, eps = stack.running[i], norm.eps
            parts = (weight.value, bias.value, statistics, eps, z, out)
            self.calls.append(partial(_normalise, *parts))
        else:
            layer = StackedLayerNorm(weight, bias, z, out, z, norm.eps)
            self.calls.append(partial(layer.forward, _NO_BATCH))
        return out

    def outputs(self, rows: Sequence[tuple[slice, Tensor]]) -> Tensor:
        """Return the outputs (L, C, B) for the rows (1, D, B) of runs of lanes."""
        bias, weight, z = self.first
        for run, X in rows:
            shared = X.expand(run.stop - run.start, -1, -1)
            linear_call(bias[run], weight[run], shared, z[run])()
        for call in self.calls:
            call()
        return self.result


def _without_noise(module: nn.Module) -> nn.Module:
    if type(module) is RReLU:
        return nn.LeakyReLU((module.lower + module.upper) / 2)
    return module


def _normalise(
    weight: Tensor, bias: Tensor, running: Tensor, eps: float, z: Tensor, out: Tensor
) -> None:
    """Normalise z by the running mean and variance of batch norms."""
    scale = (running[1] + eps).rsqrt_().mul_(weight)
    torch.mul(z, scale, out=out).add_(bias - running[0] * scale)


class _HistoryBatches:
    """The batches that the history has of held-out rows: their sums, for all lanes.

    Sums are of float64. Their number of summands depends on the job only, because it
    decides how numpy rounds.
    """

    def __init__(
        self, held_out: Sequence[HeldOut], n_columns: int, batch_size: int, floor: float
    ) -> None:
        self.size = n_columns if batch_size == -1 else min(batch_size, n_columns)
        self.rows = np.array([len(rows.targets) for rows in held_out])
        self.is_true = np.arange(n_columns) < self.rows[:, None]
        self.floor = floor  # avoids 0 / 0 in a batch of zero weights
        self.weights = self._stack([rows.sample_weight for rows in held_out])
        given = [rows.score_weight for rows in held_out]
        # without any weight, rows count alike
        given = [None if w is None or not w.any() else w for w in given]
        self.score_weights = self._stack(given)
        self.batch_weights = self._sum_batches(self.weights)
        self.batch_sizes = self._sum_batches(self.is_true * 1.0)
        totals = self.batch_weights.sum(1, keepdims=True)
        # the mean over rows, where no row has a weight
        self.shares = np.where(totals > 0, self.batch_weights, self.batch_sizes)
        self.shares /= self.shares.sum(1, keepdims=True)

    def _stack(self, weights: Sequence[np.ndarray | None]) -> np.ndarray:
        """Return the weights of all lanes, (L, columns): 1 for a lane without."""
        stacked = self.is_true * 1.0
        for of_lane, weight in zip(stacked, weights, strict=True):
            if weight is not None:
                of_lane[: len(weight)] = weight
        return stacked

    def _sum_batches(self, values: np.ndarray) -> np.ndarray:
        """Sum (L, columns) over the rows of each batch, (L, batches)."""
        n_lanes, n_columns = values.shape
        n_batches = -(-n_columns // self.size)
        filled = np.zeros((n_lanes, n_batches * self.size))
        filled[:, :n_columns] = values
        return filled.reshape(n_lanes, n_batches, self.size).sum(2)

    def scores(
        self, losses: np.ndarray, correct: np.ndarray | None
    ) -> list[HeldOutScores]:
        """Return the scores of each lane from its rows, (L, columns)."""
        with np.errstate(all="ignore"):  # losses may be infinite
            weighted = np.where(self.is_true, losses * self.weights, 0)
            means = self._sum_batches(weighted)
            means /= np.maximum(self.batch_weights, self.floor)
            mean = (means * self.shares).sum(1)
        n_lanes = len(mean)
        accuracies: list[Any] = [None] * n_lanes
        if correct is not None:
            total = self.score_weights.sum(1)
            accuracies = ((correct * self.score_weights).sum(1) / total).tolist()
        of_batches = means, self.batch_weights, self.batch_sizes.astype(int)
        batches = zip(*(values.tolist() for values in of_batches), strict=True)
        n_batches = -(-self.rows // self.size)
        return [
            HeldOutScores(*of_lane, *(values[:n] for values in of_lane_batches))
            for n, of_lane, of_lane_batches in zip(
                n_batches,
                zip(mean.tolist(), accuracies, strict=True),
                batches,
                strict=True,
            )
        ]

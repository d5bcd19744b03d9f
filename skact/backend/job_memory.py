"""Memory that a job needs, in bytes: what waits, and what its training adds."""

import math
from typing import Any

import scipy.sparse as sp

from skact.engine.batches import is_dense_allowed
from skact.engine.jobs import FitJob
from skact.engine.plan import BatchShape

# a task keeps its rows of X, and a transformer in front of the net keeps a copy; a fit
# cannot know the number of transformers
_COPIES_OF_X = 2
# likewise its rows of a y of several columns, perhaps of a wider dtype, and predictions
_COPIES_OF_COLUMNS = 5
# parameters, gradients, directions and two states of the optimizer in the stack;
# parameters and states again, when the network leaves the stack
_COPIES_OF_NETWORK = 8
# the order of the rows in an epoch, and the batches cut from it
_BYTES_OF_ROW = 32


def bytes_of_arrays(job: FitJob) -> dict[int, int]:
    """Return the bytes of X, targets and weights, by the identity of the array.

    Jobs may share an array. A sparse X counts as the table that trains, too; so does
    the X of held-out rows as the table that is scored.
    """
    held_out = job.held_out
    arrays = [job.targets, job.sample_weight]
    if held_out is not None:
        arrays += [held_out.targets, held_out.sample_weight, held_out.score_weight]
    sizes = {id(array): _bytes_of(array) for array in arrays if array is not None}
    if job.targets.ndim == 2 and job.targets.shape[1] > 1:
        sizes[id(job.targets)] *= _COPIES_OF_COLUMNS
    sizes[id(job.X)] = _COPIES_OF_X * _bytes_of(job.X)
    if sp.issparse(job.X):
        sizes[id(job.X)] += _bytes_of_table(job.X)
    if held_out is not None:
        sizes[id(held_out.X)] = _bytes_of(held_out.X) + _bytes_of_table(held_out.X)
    return sizes


def _bytes_of_table(X: Any) -> int:
    return math.prod(X.shape) * X.dtype.itemsize if is_dense_allowed(X) else 0


def bytes_of_training(job: FitJob) -> int:
    """Return the bytes of the network, its training, and the weights that are kept."""
    parameters = list(job.module.parameters())
    network = sum(p.numel() * p.element_size() for p in parameters)
    n_rows, n_features = job.X.shape
    # input, and four tensors of each layer, for one batch
    widths = [p.shape[0] for p in parameters if p.ndim == 2]
    batch = BatchShape.from_rows(n_rows, job.batch_size).padded
    values = batch * (n_features + 4 * sum(widths))
    # the best weights in the stack, and when the network leaves the stack
    best = 2 if job.stopping is not None and job.stopping.load_best else 0
    return (
        (_COPIES_OF_NETWORK + job.kept_epochs + best) * network
        + values * job.X.dtype.itemsize
        + n_rows * _BYTES_OF_ROW
    )


def _bytes_of(array: Any) -> int:
    parts = ("data", "indices", "indptr") if sp.issparse(array) else ()
    return sum(getattr(array, part).nbytes for part in parts) or int(array.nbytes)

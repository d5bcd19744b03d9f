"""The batches of a stack hold every row of each lane once, in the lane's own order."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from skact.engine import batches as module
from skact.engine.batches import Batches, Tables, row_order, to_tensor
from skact.engine.plan import BatchShape

RNG = np.random.default_rng(2)
ROWS = RNG.normal(size=(43, 3))


def build(jobs, size=16):
    shape = BatchShape.from_rows(jobs[0].X.shape[0], size)
    cpu = torch.device("cpu")
    return Batches(jobs, shape, Tables(), torch.float64, cpu)


def take_epoch(batches, epochs, max_steps=64):
    """Return the rows, targets and weights of each lane, batch by batch."""
    lanes: list = [[] for _ in epochs]
    for steps in batches.steps_of_epoch(epochs, max_steps):
        n, n_lanes, size = steps.index.shape
        for i in range(n):
            out = torch.empty(n_lanes * size, batches.n_features, dtype=torch.float64)
            batches.bind_fetch(steps.index[i], out)()
            rows = out.view(n_lanes, size, -1)
            for lane in range(n_lanes):
                found = rows[lane], steps.targets[i, lane], steps.weight[i, lane, 0]
                lanes[lane].append(found)
    return lanes


def assert_is_epoch_of(job, found, epoch):
    """Assert that batches hold the job's rows, in the order of its seed."""
    order = torch.arange(len(ROWS))
    if job.shuffle:
        order = row_order(len(ROWS), job.seeds.order, epoch)
    X = torch.from_numpy(job.X.toarray() if sp.issparse(job.X) else job.X)
    targets = torch.from_numpy(job.targets).view(len(ROWS), -1)
    weight = torch.ones(len(ROWS), dtype=torch.float64)
    if job.sample_weight is not None:
        weight = torch.from_numpy(job.sample_weight)
    for part, (rows, codes, weights) in zip(order.split(16), found, strict=True):
        n = len(part)
        assert torch.equal(rows[:n], X[part].double())
        assert torch.equal(codes[:, :n].T, targets[part])
        torch.testing.assert_close(weights[:n], weight[part] / weight[part].sum())
        assert not weights[n:].any()


def turned(job):
    """Return the job with rows and targets in another order, each by itself."""
    return replace(job, X=job.X[::-1].copy(), targets=np.roll(job.targets, 1, 0))


def make_jobs(make_job, **fields):
    common = {"X": ROWS, "n_epochs": 2, **fields}
    weight = RNG.choice([0.5, 1.0, 3.0], len(ROWS))
    return [
        make_job(seed=0, **common),
        make_job(seed=1, **common),
        make_job(seed=1, sample_weight=weight, **common),
        turned(make_job(seed=0, **common)),
        make_job(seed=0, **common),
    ]


@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("max_steps", [1, 2, 64])
def test_each_lane_gets_its_rows_targets_and_weights(
    make_job, loss, shuffle, max_steps
):
    jobs = make_jobs(make_job, loss=loss, shuffle=shuffle)
    epochs = [0, 1, 0, 0, 3]
    lanes = take_epoch(build(jobs), epochs, max_steps)
    for job, epoch, found in zip(jobs, epochs, lanes, strict=True):
        assert_is_epoch_of(job, found, epoch)


@pytest.mark.parametrize("limit", ["_MAX_GATHERED_BYTES", "_MAX_DENSE_BYTES"])
@pytest.mark.parametrize("is_sparse", [True, False])
def test_large_tables_give_the_same_rows(make_job, monkeypatch, limit, is_sparse):
    jobs = make_jobs(make_job)
    if is_sparse:
        jobs = [replace(job, X=sp.csr_matrix(job.X * (job.X > 0))) for job in jobs]
    monkeypatch.setattr(module, limit, 8)
    batches = build(jobs)
    assert (batches.lane_tables is not None) == (
        is_sparse or limit == "_MAX_GATHERED_BYTES"
    )
    for job, found in zip(jobs, take_epoch(batches, [0] * 5), strict=True):
        assert_is_epoch_of(job, found, 0)


def test_the_last_batch_comes_by_itself_and_steps_come_in_portions(make_job):
    batches = build(make_jobs(make_job), size=8)  # 43 rows: 6 batches
    found = [
        (len(steps.index), steps.is_last)
        for steps in batches.steps_of_epoch([0] * 5, max_steps=2)
    ]
    assert found == [(2, False), (2, False), (1, False), (1, True)]


def test_lanes_share_a_stream_if_data_weights_and_order_are_equal(make_job):
    batches = build(make_jobs(make_job))
    take_epoch(batches, [0] * 5)
    assert batches.streams == [0, 1, 2, 3, 0]
    take_epoch(batches, [0, 0, 0, 0, 1])  # another epoch has another order
    assert batches.streams == [0, 1, 2, 3, 4]


def test_without_shuffling_the_seed_makes_no_streams(make_job):
    jobs = [make_job(X=ROWS, seed=i, shuffle=False) for i in range(3)]
    batches = build(jobs)
    take_epoch(batches, [0, 1, 2])
    assert batches.streams == [0, 0, 0]


def test_the_weight_of_a_batch_is_the_sum_of_its_rows(make_job):
    jobs = make_jobs(make_job)
    batches = build(jobs)
    take_epoch(batches, [0] * 5)
    assert batches.batch_weights.shape == (3, 5)
    assert batches.batch_weights[:, 0].tolist() == [16, 16, 11]
    total = batches.batch_weights[:, 2].sum().item()
    assert total == pytest.approx(jobs[2].sample_weight.sum())


def test_a_batch_of_zero_weights_has_weights_of_zero(make_job):
    job = make_job(X=ROWS, sample_weight=np.zeros(len(ROWS)))
    for *_, weights in take_epoch(build([job]), [0])[0]:
        assert weights.tolist() == [0.0] * len(weights)


@pytest.mark.parametrize("is_last", [True, False])
def test_a_batch_knows_its_true_rows(make_job, is_last):
    jobs = make_jobs(make_job)
    size, batch = build(jobs).describe_batch(is_last=is_last)
    assert size == 32
    assert batch.rows == [11 if is_last else 16] * 5
    assert batch.valid.sum(2).flatten().tolist() == batch.rows
    assert batch.count.flatten().tolist() == batch.rows


# ------------------------------------------------------------------ tables


def test_equal_arrays_are_stored_once():
    tables = Tables()
    one, sparse = ROWS.copy(), sp.csr_matrix(ROWS)
    found = [
        tables.add_array(array)
        for array in (one, ROWS, sparse, one, ROWS[:20], sp.csr_matrix(ROWS), -ROWS)
    ]
    assert found == [0, 0, 1, 0, 2, 1, 3]
    assert len(tables.arrays) == 4


def test_arrays_that_differ_in_one_value_or_the_dtype_are_not_equal():
    tables = Tables()
    other = ROWS.copy()
    other[1, 1] += 1e-12
    arrays = ROWS, other, ROWS.astype(np.float32)
    assert [tables.add_array(array) for array in arrays] == [0, 1, 2]


def test_a_writeable_array_is_not_copied_and_a_read_only_one_is():
    writeable, frozen = ROWS.copy(), ROWS.copy()
    frozen.flags.writeable = False
    assert to_tensor(writeable).data_ptr() == writeable.ctypes.data
    assert to_tensor(frozen).data_ptr() != frozen.ctypes.data
    for array in (frozen, ROWS[:, ::2], sp.csr_matrix(ROWS)):
        dense = array.toarray() if sp.issparse(array) else array
        assert np.array_equal(to_tensor(array).numpy(), dense)


def test_the_order_of_an_epoch_is_a_permutation_of_its_own():
    orders = [row_order(50, seed, epoch) for seed in (0, 1) for epoch in (0, 1)]
    for order in orders:
        assert sorted(order.tolist()) == list(range(50))
    assert len({tuple(order.tolist()) for order in orders}) == 4
    assert torch.equal(orders[1], row_order(50, 0, 1))

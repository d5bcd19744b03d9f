"""What a job needs is counted whole."""

import numpy as np
import pytest
import scipy.sparse as sp

from skact.backend.job_memory import bytes_of_arrays, bytes_of_training
from skact.engine.jobs import HeldOut, StoppingRule

X = np.zeros((20, 3))


def test_arrays_count_by_identity_and_X_twice(make_job):
    weight = np.ones(20)
    job = make_job(X=X, sample_weight=weight)
    sizes = bytes_of_arrays(job)
    assert sizes == {id(X): 2 * 480, id(job.targets): 160, id(weight): 160}
    assert id(None) not in bytes_of_arrays(make_job(X=X))


def test_a_y_of_several_columns_counts_with_its_copies(make_job):
    job = make_job(X=X, targets=np.zeros((20, 7)))
    assert bytes_of_arrays(job)[id(job.targets)] == 5 * 20 * 7 * 8


def test_a_sparse_X_counts_as_the_table_that_trains_too(make_job, monkeypatch):
    sparse = sp.csr_matrix(np.eye(20))
    stored = sparse.data.nbytes + sparse.indices.nbytes + sparse.indptr.nbytes
    job = make_job(X=sparse)
    assert bytes_of_arrays(job)[id(sparse)] == 2 * stored + 20 * 20 * 8
    monkeypatch.setattr("skact.engine.batches._MAX_DENSE_BYTES", 0)
    assert bytes_of_arrays(job)[id(sparse)] == 2 * stored


def test_held_out_rows_count_as_arrays_and_as_the_table_that_is_scored(make_job):
    rows = HeldOut(np.zeros((6, 3)), np.zeros(6), np.ones(6), None, 4)
    job = make_job(X=X, held_out=rows)
    sizes, without = bytes_of_arrays(job), bytes_of_arrays(make_job(X=X))
    assert sizes[id(rows.X)] == 2 * 6 * 3 * 8
    assert sizes[id(rows.targets)] == sizes[id(rows.sample_weight)] == 48
    assert len(sizes) == len(without) + 3


def test_the_network_counts_with_gradients_states_and_kept_weights(make_job):
    def needed(**params):
        return bytes_of_training(make_job(X=X, hidden=(100,), **params))

    network = (3 * 100 + 100 + 100 + 1) * 8
    assert needed(kept_epochs=5) - needed() == 5 * network
    for load_best in (False, True):
        rule = StoppingRule("train_loss", 1, 0, "abs", True, load_best)
        assert needed(stopping=rule) - needed() == 2 * load_best * network
    assert needed() >= 8 * network


@pytest.mark.parametrize(("batch_size", "rows"), [(16, 32), (-1, 2048)])
def test_a_batch_counts_in_every_layer(make_job, batch_size, rows):
    many = np.zeros((2040, 3))
    small, large = (
        bytes_of_training(make_job(X=many, hidden=(w,), batch_size=batch_size))
        for w in (10, 20)
    )
    network = 10 * (3 + 1 + 1) * 8
    assert large - small == 8 * network + 4 * 10 * rows * 8

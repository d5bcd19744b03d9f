"""A worker trains what it finds in a file, and leaves the results in it."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris

from skact import ActMLP
from skact.backend.engine_worker import (
    MOST_PIECES,
    STOP,
    message_file,
    open_counters,
    settings_of_process,
    train_piece,
)
from skact.backend.shared_arrays import dump, load
from skact.engine.jobs import FitJob, Outcome
from skact.resuming.fit_state import set_network

X, y = load_iris(return_X_y=True)
X = X.astype(np.float32)


def a_job(n_epochs=4):
    net = ActMLP(width=8, dropout=0.2, norm="batch", random_state=0).initialize(X, y)
    options = {"n_epochs": n_epochs, "first_epoch": 0, "batch_size": 32}
    options |= {"shuffle": True, "loss": "cross_entropy", "sample_weight": None}
    parts = {"module": net.module_, "optimizer": net.optimizer_}
    return net, FitJob(X, y, seeds=net.seeds_, **options, **parts)


@pytest.fixture
def folder(tmp_path):
    counters = open_counters(tmp_path, create=True)
    net, job = a_job()
    message = ([(job, Outcome())], settings_of_process(), None)
    message_file(tmp_path, 3).write_bytes(dump(message))
    return tmp_path, counters, net, job


def test_the_results_are_those_of_a_fit_and_go_into_the_network(folder):
    path, counters, net, job = folder
    train_piece(str(path), 3)
    ((outcome, state),), (report,), n_done = load(
        message_file(path, 3).read_bytes(), path
    )
    assert (len(outcome.records), outcome.is_over, n_done) == (4, True, 4)
    assert (report.lanes, int(counters[3])) == (1, 4)
    set_network(job, state)
    alone = ActMLP(
        width=8, dropout=0.2, norm="batch", random_state=0, max_epochs=4, batch_size=32
    ).fit(X, y)
    for name, value in alone.module_.state_dict().items():
        assert torch.equal(net.module_.state_dict()[name], value), name
    pairs = zip(net.module_.parameters(), alone.module_.parameters(), strict=True)
    for one, other in pairs:
        for key, value in alone.optimizer_.state[other].items():
            assert torch.equal(net.optimizer_.state[one][key], value), key


@pytest.mark.parametrize("order", [STOP, MOST_PIECES + 3])
def test_an_order_ends_the_training_after_an_epoch_and_keeps_it(folder, order):
    path, counters, *_ = folder
    counters[order] = 1
    train_piece(str(path), 3)
    ((outcome, _),), _, n_done = load(message_file(path, 3).read_bytes(), path)
    assert (len(outcome.records), outcome.is_over, n_done) == (1, False, 1)


def test_a_worker_computes_as_its_process_of_the_search_does(folder):
    path, *_ = folder
    before = settings_of_process()
    torch.set_float32_matmul_precision("high")
    try:
        _, job = a_job()
        message = ([(job, Outcome())], settings_of_process(), None)
        message_file(path, 3).write_bytes(dump(message))
        torch.set_float32_matmul_precision(before[0])
        train_piece(str(path), 3)
        assert settings_of_process() == ("high", before[1])
    finally:
        torch.set_float32_matmul_precision(before[0])

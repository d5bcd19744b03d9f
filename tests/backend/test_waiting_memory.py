"""What started tasks hold is counted, once for what they share, until they end."""

import subprocess
import sys

import numpy as np
import pytest

from skact.backend.waiting_memory import WaitingMemory, default_memory
from skact.engine.jobs import FitJob, Seeds

pytestmark = pytest.mark.once


class Network:
    def parameters(self):
        return []


def job_of(X, y):
    return FitJob(
        X=X,
        targets=y,
        sample_weight=None,
        seeds=Seeds(0, 0, 0, 0),
        n_epochs=1,
        first_epoch=0,
        batch_size=-1,
        shuffle=True,
        loss="cross_entropy",
        module=Network(),
        optimizer=None,
    )


@pytest.fixture
def tables():
    return [(np.zeros((4000, 50)), np.zeros(4000, int)) for _ in range(2)]


def test_jobs_of_one_array_count_it_once(tables):
    held = WaitingMemory()
    held.hold("a", job_of(*tables[0]))
    alone = held.total
    assert alone >= 2 * tables[0][0].nbytes
    held.hold("b", job_of(*tables[0]))
    shared = held.total - alone
    assert shared < alone / 2
    held.hold("c", job_of(*tables[1]))
    assert held.total == 2 * alone + shared


def test_what_ended_tasks_held_is_free_in_any_order(tables):
    held = WaitingMemory()
    for task in "abc":
        held.hold(task, job_of(*tables[0]))
    held.hold("d", job_of(*tables[1]))
    for task in ("a", "d", "c", "b", "never started"):
        held.release(task)
    assert held.total == 0


def test_a_task_that_fits_again_holds_its_last_job(tables):
    held = WaitingMemory()
    held.hold("a", job_of(*tables[0]))
    alone = held.total
    held.hold("a", job_of(*tables[1]))
    assert held.total == alone


def test_a_task_without_a_job_yet_counts_as_the_largest(tables):
    held = WaitingMemory()
    assert held.has_room_for_a_task(0, limit=1)  # nothing is known
    held.hold("a", job_of(*tables[0]))
    one = held.total
    assert held.has_room_for_a_task(1, limit=2 * one)
    assert not held.has_room_for_a_task(1, limit=2 * one - 1)
    assert not held.has_room_for_a_task(2, limit=2 * one)  # the other one waits
    held.release("a")
    assert held.has_room_for_a_task(0, limit=one)
    assert not held.has_room_for_a_task(0, limit=one - 1)


_SEARCH = """
import sys
import resource
import numpy as np
from sklearn.model_selection import GridSearchCV
from skact import ActMLP, fused

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

X, y = np.random.default_rng(0).normal(size=(60, 4000)).astype("f"), np.arange(60) % 2
ActMLP(max_epochs=1, width=4).fit(X[:, :50], y)
net = ActMLP(width=256, batch_size=16, max_epochs=1, random_state=0)
search = GridSearchCV(net, {"lr": np.logspace(-4, -2, 8)}, cv=5, refit=False)
before = peak()
with fused(memory=2**27, n_jobs=int(sys.argv[1])) as session:
    search.fit(X, y)
assert session.report.early_waves > 0
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has other units")
@pytest.mark.parametrize("n_jobs", ["1", "2"])
def test_networks_that_wait_stay_within_the_memory_that_is_allowed(n_jobs):
    # 40 networks of 4 MB with gradients and two states are 640 MB
    run = subprocess.run(
        [sys.executable, "-c", _SEARCH, n_jobs],
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(run.stdout) < 3 * 128


def test_a_wave_counts_what_has_left_it(tables):
    held = WaitingMemory()
    held.begin_wave()
    held.hold("a", job_of(*tables[0]))
    one = held.total
    held.release("a")  # scored, and yet the wave has its arrays
    assert held.has_room_in_wave(2 * one)
    assert not held.has_room_in_wave(2 * one - 1)
    held.begin_wave()
    assert held.has_room_in_wave(one)


def test_the_default_is_a_quarter_of_memory(monkeypatch):
    monkeypatch.setattr("os.sysconf", lambda name: 2**20)
    assert default_memory() <= 2**38
    monkeypatch.delattr("os.sysconf")
    assert default_memory() <= 2**30

"""State of the thread: each greenlet finds its own."""

import contextlib
import io
import os
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import greenlet
import joblib
import numpy as np
import pytest
import sklearn
import torch
from skorch.callbacks import Callback

from skact import ActMLP
from skact.backend.context import fused
from skact.backend.joblib_backends import FusingBackend
from skact.backend.session import Session
from skact.backend.tasks import Group, ParallelCall, Task
from skact.backend.thread_state import preserve_thread_state, switch_surroundings


def test_what_another_greenlet_sets_is_restored(state):
    def leave_a_mess():
        sklearn.set_config(assume_finite=True)
        warnings.filterwarnings("ignore", message="a mess")
        torch.set_grad_enabled(False)
        torch.set_autocast_enabled("cpu", True)
        torch.set_autocast_dtype("cpu", torch.float16)
        torch.set_autocast_cache_enabled(False)
        torch.set_default_dtype(torch.float64)
        torch.set_default_device("meta")
        torch.set_num_threads(3)
        torch.use_deterministic_algorithms(True)
        torch.utils.deterministic.fill_uninitialized_memory = False
        torch.autograd.set_detect_anomaly(True)
        torch.set_float32_matmul_precision("medium")
        np.seterr(divide="raise")  # greenlets have context variables of their own

    before, is_cached = state(), torch.is_autocast_cache_enabled()
    with preserve_thread_state():
        greenlet.greenlet(leave_a_mess).switch()
    assert state() == before
    assert torch.is_autocast_cache_enabled() == is_cached


def test_a_greenlet_finds_the_state_in_which_it_switched(state, peculiar_state):
    found = []

    def work(a):
        with peculiar_state(a):
            inside = state()
            for _ in range(2):
                with preserve_thread_state():
                    greenlet.getcurrent().parent.switch()
                found.append(state() == inside)

    before = state()
    workers = [greenlet.greenlet(work) for _ in range(6)]
    tasks = [Task(int, Group(), ParallelCall()) for _ in workers]
    for _ in range(3):  # all in turns
        for a, (worker, task) in enumerate(zip(workers, tasks, strict=True)):
            with preserve_thread_state(), switch_surroundings(task):
                worker.switch(a) if not worker else worker.switch()
            assert state() == before
    assert found == [True] * 12
    assert all(worker.dead for worker in workers)


def test_torch_modes_of_the_caller_hold_in_tasks(session):
    def modes():
        return torch.is_grad_enabled(), torch.is_inference_mode_enabled()

    def seen():
        return joblib.Parallel()(joblib.delayed(modes)() for _ in range(3))

    with torch.no_grad():
        assert seen() == [(False, False)] * 3
    with torch.inference_mode():
        assert seen() == [(False, True)] * 3
    assert seen() == [(True, False)] * 3


def test_each_task_has_its_own_working_directory(session, data, Toy, tmp_path):
    def task(i):
        folder = tmp_path / str(i)
        folder.mkdir()
        with contextlib.chdir(folder):
            Toy(i).fit(*data)
            return Path.cwd() == folder

    before = Path.cwd()
    assert all(joblib.Parallel()(joblib.delayed(task)(i) for i in range(3)))
    assert Path.cwd() == before


def test_a_working_directory_that_is_gone_disturbs_nothing(data, Toy, tmp_path, engine):
    with contextlib.chdir(tmp_path):
        folder = tmp_path / "gone"
        folder.mkdir()
        os.chdir(folder)
        folder.rmdir()
        with joblib.parallel_config(backend=FusingBackend(Session(engine))):
            joblib.Parallel()(joblib.delayed(Toy(i).fit)(*data) for i in range(2))
    assert engine.sizes == [2]


def test_what_a_task_redirects_is_its_own(session, data, Toy):
    def task(i):
        with contextlib.redirect_stdout(io.StringIO()) as own:
            sys.stdout.write(f"before {i}, ")
            Toy(i).fit(*data)
            sys.stdout.write(f"after {i}")
        return own.getvalue()

    found = joblib.Parallel()(joblib.delayed(task)(i) for i in range(3))
    assert found == [f"before {i}, after {i}" for i in range(3)]


def test_a_task_prints_where_the_others_do_if_it_redirects_nothing(monkeypatch):
    """A live bar of rich may begin while it waits, and draws below what is printed."""

    def work():
        sys.stdout.write("before")
        greenlet.getcurrent().parent.switch()
        sys.stdout.write("after")

    worker, task = greenlet.greenlet(work), Task(int, Group(), ParallelCall())
    streams = [io.StringIO(), io.StringIO()]
    for stream in streams:
        monkeypatch.setattr(sys, "stdout", stream)
        with switch_surroundings(task):
            worker.switch()
    assert [stream.getvalue() for stream in streams] == ["before", "after"]


def test_tasks_in_another_thread_leave_the_streams_to_the_main_thread(monkeypatch):
    def work():
        with switch_surroundings(Task(int, Group(), ParallelCall())):
            monkeypatch.setattr(sys, "stdout", stream)  # as the main thread may do

    stream = io.StringIO()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()
    assert sys.stdout is stream


@pytest.fixture
def settings_come_back():
    dtype, threads = torch.get_default_dtype(), torch.get_num_threads()
    yield
    torch.set_default_dtype(dtype)
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


@pytest.mark.usefixtures("settings_come_back")
def test_nets_come_out_as_alone_where_each_task_has_settings_of_its_own(iris):
    class Seeing(Callback):
        def on_epoch_end(self, net, **kwargs):
            seen.append((net.get_params()["max_epochs"], torch.get_default_dtype()))
            assert torch.get_num_threads() == 1  # as in a lone fit

    def predict(a):
        torch.set_default_dtype(dtypes[a % 2])
        torch.set_num_threads(1 + a)
        torch.use_deterministic_algorithms(a == 2)
        net = ActMLP(
            activation=["relu", lambda x: x * torch.tanh(x)][a % 2],
            max_epochs=3 + a,
            random_state=0,
            callbacks=[Seeing()],
        )
        probabilities = net.fit(*iris).predict_proba(iris[0])
        assert (torch.get_default_dtype(), torch.get_num_threads()) == (
            dtypes[a % 2],
            1 + a,
        )
        return probabilities

    dtypes, seen = [torch.float32, torch.float64], []
    alone = [predict(a) for a in range(3)]
    seen_alone = sorted(seen, key=str)
    torch.set_default_dtype(torch.float32)
    torch.use_deterministic_algorithms(False)
    seen.clear()
    with fused() as session:
        together = joblib.Parallel()(joblib.delayed(predict)(a) for a in range(3))
    np.testing.assert_array_equal(together, alone)
    assert sorted(seen, key=str) == seen_alone
    assert session.report.n_fused == 3

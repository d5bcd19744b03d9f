"""State of the thread: each greenlet finds its own."""

import warnings

import greenlet
import joblib
import numpy as np
import sklearn
import torch

from skact.backend.thread_state import preserve_thread_state


def test_what_another_greenlet_sets_is_restored(state):
    def leave_a_mess():
        sklearn.set_config(assume_finite=True)
        warnings.filterwarnings("ignore", message="a mess")
        torch.set_grad_enabled(False)
        torch.set_autocast_enabled("cpu", True)
        torch.set_autocast_dtype("cpu", torch.float16)
        torch.set_autocast_cache_enabled(False)
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
    for _ in range(3):  # all in turns
        for a, worker in enumerate(workers):
            with preserve_thread_state():
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

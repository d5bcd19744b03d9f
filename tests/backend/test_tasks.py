"""Tasks: contexts, hooks and times of their own, while many wait for each other."""

import time

import joblib
import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate

from skact.backend.joblib_backends import FusingBackend
from skact.backend.session import Session
from skact.backend.tasks import (
    Group,
    HooksOfTask,
    ParallelCall,
    Pause,
    Reply,
    Task,
    correct_times,
)


def new_task(func=lambda: 0, group=None):
    return Task(func, group or Group(), ParallelCall())


def test_a_group_is_over_when_all_have_ended_but_those_that_wait_for_it():
    group = Group()
    assert group.is_over()
    task, waiter = new_task(group=group), new_task(group=group)
    group.unfinished |= dict.fromkeys([task, waiter])
    group.waiters.add(waiter)
    assert not group.is_over()
    del group.unfinished[task]
    assert group.is_over()


def test_a_task_keeps_what_its_function_returned_or_raised():
    task = new_task(lambda: 3)
    task.run()
    assert (task.result, task.error) == (3, None)
    assert task.cost >= 0
    error = ValueError("three")

    def fail():
        raise error

    task = new_task(fail)
    task.run()
    assert (task.result, task.error) == (None, error)


def test_ctrl_c_in_a_task_is_not_its_result():
    def interrupt():
        raise KeyboardInterrupt

    task = new_task(interrupt)
    with pytest.raises(KeyboardInterrupt):
        task.run()
    assert task.error is None


def test_the_cost_of_a_task_leaves_the_work_for_others_out():
    task = new_task(lambda: time.sleep(0.01))
    now = time.perf_counter()
    # of an hour of waiting, ten minutes were work for this task
    task.pauses.append(Pause(now - 3600, now, cost=600))
    task.run()
    assert task.cost == pytest.approx(0.01 - 3000, abs=60)


def test_a_cancelled_task_has_an_error_as_its_result():
    task = new_task()
    task.mark_cancelled()
    assert task.is_cancelled
    with pytest.raises(RuntimeError, match="was cancelled, because another task"):
        raise task.error


def test_tasks_begin_in_the_context_of_their_parallel(session):
    def inside(i):
        before = np.geterr()["divide"]
        np.seterr(divide="call")  # must not reach the next task
        return before

    with np.errstate(divide="raise"):
        seen = joblib.Parallel()(joblib.delayed(inside)(i) for i in range(600))
        assert np.geterr()["divide"] == "raise"
    assert set(seen) == {"raise"}


# ---------------------------------------------------------------- hooks


class EpochHooks:
    """Hooks that return their record, or raise it."""

    needs_live_network = False
    wants_gradients = False

    def epoch_begin(self):
        pass

    def epoch_end(self, record):
        if isinstance(record, BaseException):
            raise record
        return record


def test_hooks_of_a_task_hand_over_calls_results_and_errors():
    hooks, calls = EpochHooks(), []

    def run_in_task(hook):
        calls.append(hook)
        return Reply.from_hook(hook)

    of_task = HooksOfTask(hooks, run_in_task)
    assert of_task.needs_live_network is False
    assert of_task.epoch_begin() is None
    assert of_task.epoch_end(True) is True
    for error in (ValueError("three"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as info:
            of_task.epoch_end(error)
        assert info.value is error
    assert len(calls) == 4


@pytest.fixture
def recorder(state):
    """A new class of hooks, for each test."""

    class Recorder:
        """Hooks that note where they run, and stop after one epoch."""

        needs_live_network = True
        wants_gradients = False
        error, seen = None, []

        def __init__(self, net):
            self.net = net

        def epoch_begin(self):
            # of the fit: it entered this state before it parked
            expected = {**self.net.state_, "threads": 1}
            self.seen.append((self.net.a, state() == expected))

        def epoch_end(self, record):
            if self.error is not None:
                raise self.error
            assert record.train_loss == 0.5
            return True

    return Recorder


def test_hooks_run_in_the_state_of_their_own_fit(session, data, recorder, Toy):
    grid = {"a": [0, 1, 2, 3]}
    GridSearchCV(Toy(hooks=recorder, epochs=5), grid, cv=2, refit=False).fit(*data)
    # one epoch each, because epoch_end said so
    assert sorted(recorder.seen) == [(a, True) for a in range(4) for _ in range(2)]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:One or more of the test scores:UserWarning")
def test_an_error_in_a_hook_fails_its_own_fit(session, data, recorder, Toy):
    recorder.error = RuntimeError("callback")
    grid = {"hooks": [None, recorder]}
    search = GridSearchCV(Toy(), grid, cv=2, refit=False).fit(*data)
    assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [False, True]
    assert session.report.failed == {"RuntimeError": 2}


def test_ctrl_c_in_a_hook_reaches_the_caller(session, data, recorder, search):
    recorder.error = KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        search(data, hooks=recorder)()
    recorder.error = None
    search(data, hooks=recorder)()


def test_hooks_may_fit_other_nets(session, engine, data, Toy):
    class Fitting:
        """Hooks that fit, alone and in a Parallel, while training waits for them."""

        needs_live_network = True
        wants_gradients = False

        def __init__(self, net):
            self.X = np.arange(12.0).reshape(6, 2)

        def epoch_begin(self):
            Toy(5).fit(self.X, np.arange(6) % 2)

        def epoch_end(self, record):
            with joblib.parallel_config(backend="skact"):
                cross_val_score(Toy(6), self.X, np.arange(6) % 2, cv=3)
            return False

    GridSearchCV(Toy(hooks=Fitting), {"a": [1, 2]}, cv=2, refit=False).fit(*data)
    assert engine.sizes == [4] + [1, 3] * 2 * 4
    assert len(session.report.alone_seconds) == 8
    assert session.report.alone == {"in a callback of another fit": 8}


# ---------------------------------------------------------------- times


def test_waiting_is_taken_out_of_the_phase_it_was_in():
    # from 10.1: 5 s of fitting, 2 s of scoring; then scores of the training rows
    measured = {"fit_time": 5.0, "score_time": 2.0, "fit_error": None}
    measured["test_scores"] = 1.0
    pauses = [
        Pause(11.0, 12.0, cost=0.25),
        Pause(12.0, 14.0, cost=2.0),
        Pause(15.2, 16.2, cost=0.5),
        Pause(18.0, 20.0, cost=0.0),
    ]
    correct_times([measured], pauses, begin=10.0)
    assert measured["fit_time"] == 4.25
    assert measured["score_time"] == 1.5


def test_fit_time_has_a_fits_share_of_training(session, engine, data, Toy):
    engine.seconds = 0.2
    result = cross_validate(Toy(), *data, cv=5, return_train_score=True)
    assert np.all(result["fit_time"] > 0.19)


def test_waiting_for_others_is_not_fit_time(data, Toy, hour_engine):
    session = Session(hour_engine)
    with joblib.parallel_config(backend=FusingBackend(session)):
        flat = cross_validate(Toy(), *data, cv=3)
        inner = GridSearchCV(Toy(), {"a": [1, 2]}, cv=2)
        nested = cross_validate(inner, *data, cv=2)
    assert np.all(flat["fit_time"] < 1800)
    assert np.all(nested["fit_time"] < 1800)
    assert session.report.seconds > 3 * 3600 - 1


def test_waiting_in_scoring_is_not_score_time(data, Toy, hour_engine):
    def scoring(net, X, y):
        return cross_val_score(Toy(), X, y, cv=2).mean()

    session = Session(hour_engine)
    with joblib.parallel_config(backend=FusingBackend(session)):
        result = cross_validate(Toy(), *data, cv=2, scoring=scoring)
    assert np.all(result["fit_time"] < 1800)
    assert np.all(result["score_time"] < 1800)


def test_results_of_others_are_left_alone(data, Toy, hour_engine):
    def task():
        Toy().fit(*data)
        return {"fit_time": 7.0, "score_time": 5.0}

    session = Session(hour_engine)
    with joblib.parallel_config(backend=FusingBackend(session)):
        results = joblib.Parallel()(joblib.delayed(task)() for _ in range(2))
    assert results == [{"fit_time": 7.0, "score_time": 5.0}] * 2

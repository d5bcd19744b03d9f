"""A task goes on when its fit is over, while other fits are still in training."""

from collections.abc import Sequence

import pytest
from joblib import Parallel, delayed, parallel_config

from skact.backend.joblib_backends import FusingBackend
from skact.backend.session import Session
from skact.backend.wave import Wave
from skact.engine.current_trainer import current_trainer, hand_fits_to
from skact.engine.jobs import Outcome, Training

events: list[object] = []


class OneByOne:
    """Stands for the engine: trains the fits one by one, and calls `when_over`."""

    outcomes: Sequence[Outcome] = ()

    def __call__(self, jobs, *, outcomes, stacks=None, when_over=None, **_):
        self.outcomes = outcomes
        for job, outcome in zip(jobs, outcomes, strict=True):
            events.append(f"trains {job}")
            outcome.is_over = True
            when_over()
        events.append("wave ends")
        return Training(list(outcomes), stacks or [])

    def begin(self, job, outcome, n_processes):
        """Let nobody begin with a fit before its wave."""

    def forget(self, outcome):
        """Know of no such fit."""

    def close(self):
        """End nothing."""


class Job:
    """Stands for a job that the session only counts."""

    hooks, n_epochs = None, 1

    def __init__(self, name):
        self.name = name

    def __str__(self):
        return self.name


@pytest.fixture
def session(monkeypatch):
    events.clear()
    monkeypatch.setattr(
        "skact.backend.session.WaitingMemory.hold", lambda self, task, job: None
    )
    return Session(OneByOne(), n_processes=2)


def fit(i, *, fails=False):
    try:
        current_trainer().fit(Job(f"fit {i}"), Outcome())
    except BaseException:
        events.append(f"cancelled {i}")
        raise
    events.append(f"scores {i}")
    if fails:
        raise ValueError(f"score {i}")
    return i


def run(session, tasks):
    with parallel_config(FusingBackend(session)), hand_fits_to(session):
        return Parallel()(tasks)


def test_a_network_is_scored_before_the_next_is_trained(session):
    assert run(session, (delayed(fit)(i) for i in range(3))) == [0, 1, 2]
    expected = [f"{what} {i}" for i in range(3) for what in ("trains fit", "scores")]
    assert events == [*expected, "wave ends"]


def test_a_score_that_fails_ends_the_others_after_the_wave(session):
    with pytest.raises(ValueError, match="score 0"):
        run(session, (delayed(fit)(i, fails=i == 0) for i in range(3)))
    trained = ["trains fit 0", "scores 0", "trains fit 1", "trains fit 2", "wave ends"]
    assert events == [*trained, "cancelled 1", "cancelled 2"]
    report = session.report
    assert (report.tasks, report.cancelled, report.waves) == (1, 2, 1)


def test_an_error_of_joblib_is_not_blamed_on_a_fit(session, monkeypatch):
    def broken(task):
        raise RuntimeError("no more tasks")

    monkeypatch.setattr(session, "_end_task", broken)
    with pytest.raises(RuntimeError, match="no more tasks"):
        run(session, (delayed(fit)(i) for i in range(2)))
    assert [outcome.error for outcome in session.train.outcomes] == [None, None]
    assert events.index("wave ends") < events.index("cancelled 1")


def test_a_task_that_joblib_has_cancelled_meanwhile_does_not_go_on():
    class Gone:
        own_greenlet = None

    outcome = Outcome(is_over=True)
    switched: list = []
    wave = Wave([(Gone(), Job("x"), outcome)], switched.append, switched.append)
    wave.let_ended_go_on()
    assert (wave.end(), switched) == ([], [])

"""A task goes on when its fit is over, while other fits are still in training.

In a wave of large networks, tasks that end make room for others, which join it.
"""

from collections.abc import Sequence
from io import StringIO

import pytest
import torch
from joblib import Parallel, delayed, parallel_config
from rich.console import Console
from torch import nn

from skact.backend.joblib_backends import FusingBackend
from skact.backend.progress import ProgressBar
from skact.backend.session import Session
from skact.backend.wave import Parked, Wave
from skact.engine.current_trainer import current_trainer, hand_fits_to
from skact.engine.jobs import Outcome, Training
from skact.threads import use_threads

events: list[object] = []


class OneByOne:
    """Stands for the engine: trains the fits one by one, and asks for more."""

    outcomes: Sequence[Outcome] = ()

    def __call__(self, jobs, *, outcomes, stacks=None, supply=None, progress=None, **_):
        self.outcomes = outcomes
        pairs = list(zip(jobs, outcomes, strict=True))
        while pairs:
            job, outcome = pairs.pop(0)
            events.append(f"trains {job}")
            outcome.is_over = True
            if progress is not None:
                progress(job.n_epochs)
            with use_threads(1):
                pairs += supply.more()
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

    def __init__(self, name, width):
        self.name = name
        self.module = nn.Module()
        self.module.output = nn.Linear(width, 64)

    def __str__(self):
        return self.name


@pytest.fixture
def session(monkeypatch):
    events.clear()
    monkeypatch.setattr(
        "skact.backend.session.WaitingMemory.hold", lambda self, task, job: None
    )
    return Session(OneByOne(), n_processes=2)


def fit(i, *, fails=False, is_large=False):
    if is_large:
        events.append(f"starts {i} on {torch.get_num_threads()}")
    try:
        job = Job(f"fit {i}", 1024 if is_large else 1)
        current_trainer().fit(job, Outcome())
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
    parked = Parked(Gone(), Job("x", 1), outcome)
    wave = Wave([parked], switched.append, switched.append)
    assert (wave.more(), wave.n_to_come) == ([], 0)
    assert (wave.end(), switched) == ([], [])


# ------------------------------------------------------------ large networks


def large(i, **options):
    return delayed(fit)(i, is_large=True, **options)


@pytest.fixture
def two_threads():
    with use_threads(2):
        yield


@pytest.mark.usefixtures("two_threads")
def test_a_large_network_joins_the_wave_when_another_is_over(session):
    assert run(session, map(large, range(7))) == list(range(7))
    # two for each of two processes; then one begins for each that has ended, with the
    # threads of the search and not of the engine
    begin = [f"starts {i} on 2" for i in range(4)]
    turn = [
        line
        for i in range(3)
        for line in (f"trains fit {i}", f"scores {i}", f"starts {i + 4} on 2")
    ]
    end = [line for i in range(3, 7) for line in (f"trains fit {i}", f"scores {i}")]
    assert events == [*begin, *turn, *end, "wave ends"]
    report = session.report
    assert (report.tasks, report.waves, report.early_waves) == (7, 1, 0)
    assert report.n_fused == 7


def test_small_networks_wait_for_all_of_their_kind(session):
    tasks = [large(i) if i % 2 else delayed(fit)(i) for i in range(12)]
    assert run(session, tasks) == list(range(12))
    trained = [int(line.split()[-1]) for line in events if line.startswith("trains")]
    assert trained == [*range(1, 12, 2), *range(0, 12, 2)]
    assert events.count("wave ends") == session.report.waves == 2


def test_a_failed_task_lets_no_other_join(session):
    with pytest.raises(ValueError, match="score 1"):
        run(session, (large(i, fails=i == 1) for i in range(9)))
    started = [line for line in events if line.startswith("starts")]
    assert len(started) == 5  # four, and one when the first has ended
    assert session.report.cancelled == 9 - 2
    assert events.index("wave ends") < events.index("cancelled 2")


def test_a_task_that_fails_before_its_fit_ends_the_others_after_the_wave(session):
    def refuse():
        raise ValueError("refused")

    with pytest.raises(ValueError, match="refused"):
        run(session, [*map(large, range(4)), delayed(refuse)(), large(5)])
    assert [line for line in events if "5" in line] == []
    assert events.index("wave ends") < events.index("cancelled 1")


def test_nested_searches_go_on_within_the_wave(session):
    def outer(i):
        return sum(Parallel()(large(10 * i + k) for k in range(3)))

    expected = [sum(10 * i + k for k in range(3)) for i in range(4)]
    assert run(session, (delayed(outer)(i) for i in range(4))) == expected
    trained = [line for line in events if line.startswith("trains")]
    assert len(trained) == len(set(trained)) == 12
    assert session.report.waves == 1


def test_memory_bounds_what_joins(monkeypatch):
    events.clear()
    monkeypatch.setattr("skact.backend.waiting_memory.bytes_of_training", lambda _: 10)
    monkeypatch.setattr("skact.backend.waiting_memory.bytes_of_arrays", lambda _: {})
    session = Session(OneByOne(), n_processes=2, memory=20)
    assert run(session, map(large, range(5))) == list(range(5))
    open_at_once = n_open = 0
    for line in events:
        n_open += line.startswith("starts") - line.startswith("scores")
        open_at_once = max(open_at_once, n_open)
    assert open_at_once == 2
    # a wave shares its arrays to its end: two fits in each, and the last one alone
    assert (session.report.waves, session.report.early_waves) == (3, 2)


def test_the_bar_counts_what_has_joined(monkeypatch):
    monkeypatch.setattr(
        "skact.backend.session.WaitingMemory.hold", lambda self, task, job: None
    )
    bar = ProgressBar(console=Console(file=StringIO()))
    session = Session(OneByOne(), n_processes=2, progress=bar)
    run(session, map(large, range(7)))
    assert (bar.done, bar.total) == (7, 7)

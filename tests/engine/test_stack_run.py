"""A stack in training can part with lanes between two epochs; nothing else changes."""

import signal
from collections import deque

import pytest
import torch

from skact.engine import stack_run
from skact.engine.batches import Tables
from skact.engine.jobs import Outcome, StoppingRule
from skact.engine.stack_run import StackRun, is_portable
from skact.engine.train import train


@pytest.fixture
def make_run(make_job):
    def make(n_lanes, **settings):
        jobs = [make_job(seed=i, **{"n_epochs": 6, **settings}) for i in range(n_lanes)]
        return StackRun(jobs, [Outcome() for _ in jobs], Tables(), 1)

    return make


class SplitOften:
    """Takes a lane of a stack after each epoch, and gives all back at the end."""

    def __init__(self):
        self.taken = []

    @property
    def is_busy(self):
        return bool(self.taken)

    def share(self, waiting, run):
        part = run.split(run.cost_left / len(run.active))
        if part is not None:
            self.taken.append(part)

    def collect(self):
        return [self.taken.pop()]


def states_of(jobs):
    return [
        (job.module.state_dict(), job.optimizer.state_dict()["state"]) for job in jobs
    ]


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam])
@pytest.mark.parametrize("norm", [None, "batch"])
def test_a_lane_goes_on_elsewhere_as_if_nothing_had_happened(make_job, optimizer, norm):
    def build():
        return [
            make_job(seed=i, n_epochs=7, dropout=0.2, optimizer=optimizer, norm=norm)
            for i in range(4)
        ]

    whole, parts = build(), build()
    expected = train(whole).outcomes
    helpers = SplitOften()
    found = train(parts, helpers=helpers).outcomes
    for one, other in zip(expected, found, strict=True):
        assert [r.train_loss for r in one.records] == [
            r.train_loss for r in other.records
        ]
        assert other.is_over
    for (state, of_opt), (state_2, of_opt_2) in zip(
        states_of(whole), states_of(parts), strict=True
    ):
        assert all(torch.equal(state[name], state_2[name]) for name in state)
        assert str(of_opt) == str(of_opt_2)


def test_a_stack_keeps_at_least_one_lane(make_run):
    run = make_run(3)
    part = run.split(1e30)
    assert (len(run.active), len(part.active)) == (1, 2)
    assert run.split(1e30) is None


def test_the_work_left_is_divided_and_none_of_it_lost(make_run):
    run = make_run(10)
    part = run.split(run.cost_left / 2)
    assert len(run.active) == len(part.active) == 5


def test_a_lane_that_ended_has_no_work_left(make_run):
    run = make_run(2)
    run.train(None)
    assert run.cost_left == 0
    assert run.report.lanes == 2


def test_hooks_and_custom_activations_stay_in_their_process(make_job):
    assert is_portable(make_job("relu"))
    assert not is_portable(make_job(torch.sin))
    assert not is_portable(make_job("relu", hooks=object()))


def test_only_lanes_that_can_be_given_away_are(make_job):
    kinds = ["relu", torch.sin, "relu", torch.sin]
    jobs = [make_job(kind, seed=i, n_epochs=3) for i, kind in enumerate(kinds)]
    run = StackRun(jobs, [Outcome() for _ in jobs], Tables(), 1)
    part = run.split(1e30)
    assert all(map(is_portable, part.jobs))
    assert len(part.jobs) == 2


def test_stacks_that_wait_can_be_taken_whole(make_job):
    class TakeAll(SplitOften):
        def share(self, waiting: deque, run):
            self.taken += waiting
            waiting.clear()

    jobs = [make_job(hidden=(width,), seed=0) for width in (4, 5, 6)]
    alone = [make_job(hidden=(width,), seed=0) for width in (4, 5, 6)]
    train(jobs, helpers=TakeAll())
    for job, other in zip(jobs, alone, strict=True):
        train([other])
        assert torch.equal(job.module.output.weight, other.module.output.weight)


def test_a_rule_remembers_elsewhere_what_it_has_seen(make_job):
    # of a loss that falls, a rule that wants it to rise sees the best in epoch 1
    rule = StoppingRule("train_loss", 3, 0.0, "abs", False, True)
    jobs = [
        make_job(seed=i, n_epochs=9, lr=0.001 * (i + 1), stopping=rule)
        for i in range(4)
    ]
    outcomes = train(jobs, helpers=SplitOften()).outcomes
    assert [len(outcome.records) for outcome in outcomes] == [4] * 4
    assert [outcome.stopping.best_epoch for outcome in outcomes] == [1] * 4


class Interrupt:
    """Presses Ctrl-C in the middle of the third epoch, so many times."""

    def __init__(self, run, times):
        self.run, self.times, self.train = run, times, run.train_epoch

    def __call__(self):
        records = self.train()
        if len(self.run.outcomes[0].records) == 2:
            for _ in range(self.times):
                signal.raise_signal(signal.SIGINT)
        return records


@pytest.mark.parametrize(("times", "n_epochs"), [(1, 3), (2, 2)])
def test_ctrl_c_waits_for_an_epoch_to_end_or_its_networks_are_torn(
    make_run, monkeypatch, times, n_epochs
):
    run = make_run(2)
    monkeypatch.setattr(run, "train_epoch", Interrupt(run, times))
    with pytest.raises(KeyboardInterrupt):
        run.train(None)
    assert [len(outcome.records) for outcome in run.outcomes] == [n_epochs] * 2
    assert [outcome.is_torn for outcome in run.outcomes] == [times == 2] * 2


def test_a_long_epoch_is_not_waited_for(make_run, monkeypatch):
    run = make_run(2)
    monkeypatch.setattr(stack_run, "_MOST_SECONDS_TO_HOLD", 0.0)
    monkeypatch.setattr(run, "train_epoch", Interrupt(run, 1))
    with pytest.raises(KeyboardInterrupt):
        run.train(None)
    assert all(outcome.is_torn for outcome in run.outcomes)


def test_networks_that_end_or_go_elsewhere_between_epochs_are_whole(make_run):
    run = make_run(4)
    parts = []
    run.train(None, lambda one: parts.append(one.split(one.cost_left / 2)))
    assert not any(outcome.is_torn for outcome in run.outcomes)
    assert any(parts)

"""Training of jobs: stacks, lanes that finish or fail, hooks and evaluations."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from skact.engine.jobs import Outcome, StackReport
from skact.engine.stack_run import traits_of_stack
from skact.engine.train import lane_of, train
from skact.threads import use_threads


def assert_equal(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name


# ------------------------------------------------------------------ one lane fails


class Tires(nn.Module):
    """A module that fails in the second epoch."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x):
        self.calls += self.training
        if self.calls > 8:
            raise ValueError("tired")
        return x.tanh()


class FailsBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.tanh()

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        if not x.abs().max() < 50:
            raise RuntimeError("too steep")
        return grad / torch.cosh(x) ** 2


def strict(x):
    if not torch.isfinite(x).all():
        raise FloatingPointError("no number")
    return x.tanh()


def test_a_lane_that_fails_or_diverges_leaves_its_neighbours_as_they_are_alone(
    make_job,
):
    def build():
        return [
            make_job("relu"),
            make_job(Tires()),
            make_job(strict),
            make_job(strict, lr=1e200),
            make_job(strict, lr=0.02, seed=1),
            make_job(FailsBackward),
            make_job(FailsBackward, lr=1e4),
            make_job("relu", lr=1e300),
            make_job("tanh", n_epochs=6),
        ]

    fused = build()
    outcomes = train(fused).outcomes
    for job, alone, ours in zip(fused, build(), outcomes, strict=True):
        (lone,) = train([alone]).outcomes
        assert repr(ours.error) == repr(lone.error)
        assert repr(ours.diverged_loss) == repr(lone.diverged_loss)
        assert [r.train_loss for r in ours.records[:-1]] == [
            r.train_loss for r in lone.records[:-1]
        ]
        if ours.error is None and ours.diverged_loss is None:
            assert_equal(job.module.state_dict(), alone.module.state_dict())
    failed = [type(o.error).__name__ for o in outcomes if o.error is not None]
    assert failed == ["ValueError", "FloatingPointError", "RuntimeError"]
    assert [len(o.records) for o in outcomes] == [4, 1, 4, 0, 4, 4, 0, 1, 6]


def test_a_stack_that_fails_leaves_other_stacks_alone(make_job, monkeypatch):
    jobs = [make_job(seed=0), make_job(seed=1), make_job(norm="layer")]
    monkeypatch.setattr(type(jobs[0].seeds), "of_epoch", failing_for(jobs[0].seeds))
    outcomes = train([jobs[0], jobs[2], jobs[1]]).outcomes
    assert [type(o.error) for o in outcomes] == [OSError, type(None), OSError]
    assert outcomes[0].error is not outcomes[2].error  # each is raised on its own
    for job in jobs:
        for parameter in job.module.parameters():
            size = parameter.numel() * parameter.element_size()
            assert parameter.untyped_storage().nbytes() == size


def failing_for(seeds):
    of_epoch = type(seeds).of_epoch

    def fail(seed, epoch):
        if seed == seeds.order and not fail.done:
            fail.done = True
            raise OSError("no such epoch")
        return of_epoch(seed, epoch)

    fail.done = False
    return staticmethod(fail)


# ------------------------------------------------------------------ epochs and hooks


class Watch:
    """Hooks that note when they are called, and may stop the fit."""

    wants_gradients = False

    def __init__(self, calls, name, stop_after=99, needs_live_network=True):
        self.calls, self.name, self.stop_after = calls, name, stop_after
        self.needs_live_network, self.n_epochs = needs_live_network, 0

    def epoch_begin(self):
        self.calls.append((self.name, "begin", self.n_epochs))

    def epoch_end(self, record):
        self.n_epochs += 1
        self.calls.append((self.name, "end", self.n_epochs))
        return self.n_epochs >= self.stop_after


def test_each_job_trains_its_own_number_of_epochs(make_job):
    jobs = [make_job(seed=i, n_epochs=n) for i, n in enumerate((3, 1, 2))]
    done: list = []
    training = train(jobs, progress=done.append)
    assert [len(o.records) for o in training.outcomes] == [3, 1, 2]
    assert done == [3, 2, 1]  # lanes in each epoch
    assert [stack.lanes for stack in training.stacks] == [3]


def test_outcomes_that_are_given_are_filled(make_job):
    outcomes = [Outcome(), Outcome()]
    jobs = [make_job(seed=i, n_epochs=2) for i in (0, 1)]
    training = train(jobs, outcomes=outcomes)
    assert all(a is b for a, b in zip(training.outcomes, outcomes, strict=True))
    assert [len(outcome.records) for outcome in outcomes] == [2, 2]


def test_a_hook_that_stops_its_fit_leaves_the_others_alone(make_job):
    calls: list = []
    jobs = [make_job(seed=i, hooks=Watch(calls, i, 3 - 2 * i)) for i in (0, 1)]
    outcomes = train(jobs).outcomes
    assert [len(outcome.records) for outcome in outcomes] == [3, 1]
    assert [call for call in calls if call[0] == 1] == [(1, "begin", 0), (1, "end", 1)]
    stopped, alone = jobs[1].module, make_job(seed=1, n_epochs=1)
    train([alone])
    assert_equal(stopped.state_dict(), alone.module.state_dict())


class Fails(Watch):
    def epoch_end(self, record):
        super().epoch_end(record)
        raise OSError("disk full")


def test_a_hook_that_raises_fails_its_own_fit(make_job):
    calls: list = []
    jobs = [make_job(hooks=Fails(calls, 0)), make_job(seed=1)]
    failed, other = train(jobs).outcomes
    assert repr(failed.error) == "OSError('disk full')"
    assert (other.error, len(other.records)) == (None, 4)


@pytest.mark.parametrize("needs_live_network", [True, False])
def test_hooks_see_the_weights_of_each_epoch(make_job, needs_live_network):
    class Sees(Watch):
        def epoch_end(self, record):
            seen.append(self.module.output.weight.detach().clone())
            return super().epoch_end(record)

    seen: list = []
    jobs = [make_job(seed=i, keeps_weights=i == 1) for i in (0, 1)]
    watch = Sees([], 0, needs_live_network=needs_live_network)
    watch.module = jobs[1].module
    outcomes = train([jobs[0], replace(jobs[1], hooks=watch)]).outcomes
    kept = [weights["output.weight"] for weights in outcomes[1].weights]
    assert outcomes[0].weights == []
    assert len(kept) == len(seen) == 4
    assert all(torch.equal(a, b) for a, b in zip(kept, seen, strict=True))
    assert not torch.equal(kept[0], kept[1])


def test_what_hooks_write_trains_on(make_job):
    class Writes(Watch):
        def epoch_begin(self):
            with torch.no_grad():
                self.module.output.bias.fill_(self.n_epochs)
            super().epoch_begin()

    job = make_job(n_epochs=2, lr=0.0)
    watch = Writes([], 0)
    watch.module = job.module
    train([replace(job, hooks=watch), make_job(seed=1)])
    assert job.module.output.bias.item() == 1.0


def test_an_interrupt_leaves_networks_with_their_own_storage(make_job):
    class Interrupts(Watch):
        def epoch_end(self, record):
            raise KeyboardInterrupt

    jobs, outcomes = [make_job(), make_job(seed=1)], [Outcome(), Outcome()]
    with pytest.raises(KeyboardInterrupt):
        train([replace(jobs[0], hooks=Interrupts([], 0)), jobs[1]], outcomes=outcomes)
    assert len(outcomes[0].records) == 1
    for job in jobs:
        for parameter in job.module.parameters():
            size = parameter.numel() * parameter.element_size()
            assert parameter.untyped_storage().nbytes() == size


def test_the_callers_number_of_threads_comes_back(make_job):
    with use_threads(3):
        train([make_job(n_epochs=1)])
        assert torch.get_num_threads() == 3


# ------------------------------------------------------------------ planning


def test_only_jobs_of_one_shape_share_a_stack(make_job):
    group = lane_of(make_job()).group
    for other in (
        {"activation": "tanh"},
        {"lr": 0.5, "seed": 3},
        {"options": {"momentum": 0.9}},
        {"n_epochs": 9},
    ):
        assert lane_of(make_job(**other)).group == group
    for other in (
        {"hidden": (7,)},
        {"norm": "batch"},
        {"dropout": 0.1},
        {"loss": "bce_with_logits"},
        {"dtype": torch.float32},
        {"batch_size": 8},
        {"optimizer": torch.optim.Adam},
        {"X": np.zeros((83, 4))},
    ):
        assert lane_of(make_job(**other)).group != group


def test_lanes_are_sorted_by_what_needs_a_call_of_its_own(make_job):
    def order(activation="tanh", **keywords):
        job = make_job(activation, optimizer=torch.optim.Adam, **keywords)
        return lane_of(job).order

    assert order() == order(seed=3, n_epochs=1) == order(lr=0.5)
    assert order() not in (order("relu"), order(options={"betas": (0.8, 0.9)}))


def test_a_larger_network_takes_more_bytes(make_job):
    small, large = lane_of(make_job()).nbytes, lane_of(make_job(hidden=(60,))).nbytes
    assert 0 < small < large
    single = make_job(dtype=torch.float32, X=np.zeros((83, 5), np.float32))
    assert lane_of(single).nbytes == small // 2


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (
            {},
            "5-6-1, squared_error, sgd, 6 batches of 16, float64 on cpu",
        ),
        (
            {"norm": "batch", "dropout": 0.1, "hidden": (6, 7), "batch_size": 64},
            "5-6-7-1, batch norm, dropout, squared_error, sgd, 2 batches of 64, the "
            "last of up to 32, float64 on cpu",
        ),
        (
            {"norm": "layer", "batch_size": -1, "hidden": (3,)},
            "5-3-1, layer norm, squared_error, sgd, full batches of up to 96, "
            "float64 on cpu",
        ),
        (
            {"hidden": (), "optimizer": torch.optim.AdamW, "loss": "cross_entropy"},
            "5-3, cross_entropy, adamw, 6 batches of 16, float64 on cpu",
        ),
    ],
)
def test_a_stack_is_described_in_words(make_job, fields, text):
    traits = traits_of_stack(make_job(**fields))
    assert StackReport(1, 0.0, traits).description == text


def test_an_interrupted_training_tells_what_it_has_trained(make_job):
    """The first stack ends; Ctrl-C comes in the second epoch of the other one."""

    class Pressing:
        needs_live_network = False
        wants_gradients = False

        def epoch_begin(self):
            pass

        def epoch_end(self, record):
            if len(outcomes[2].records) == 2:
                raise KeyboardInterrupt

    jobs = [make_job(), make_job(n_epochs=1, hidden=(7,)), make_job(hidden=(7,))]
    jobs[2] = replace(jobs[2], hooks=Pressing(), n_epochs=9)
    outcomes, stacks = [Outcome() for _ in jobs], []
    with pytest.raises(KeyboardInterrupt):
        train(jobs, outcomes=outcomes, stacks=stacks)
    assert [outcome.is_over for outcome in outcomes] == [True, True, False]
    assert len(outcomes[2].records) == 2
    assert [stack.lanes for stack in stacks] == [1, 2]

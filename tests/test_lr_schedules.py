"""A schedule gives the learning rates of torch's own schedulers."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from skact.lr_schedules import (
    SCHEDULES,
    LRSchedule,
    RatesOfEpochs,
    at_rates,
    is_known_scheduler,
    restore_rates,
)


def rates_by_torch(name, warmup, lr, total):
    """Step torch's own schedulers, as the documentation of `lr_schedule` names them."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=lr)
    if name == "one_cycle":
        share = 0.3 if warmup is None else float(warmup)
        options = {"pct_start": share, "cycle_momentum": False}
        scheduler = lr_scheduler.OneCycleLR(optimizer, lr, total, **options)
    else:
        rising = round((warmup or 0) * total)
        left = max(total - rising, 1)
        scheduler = {
            None: lambda: lr_scheduler.ConstantLR(optimizer, 1, 0),
            "cosine": lambda: lr_scheduler.CosineAnnealingLR(optimizer, left),
            "linear": lambda: lr_scheduler.LinearLR(optimizer, 1, 0, left),
            "exponential": lambda: lr_scheduler.ExponentialLR(
                optimizer, 0.01 ** (1 / left)
            ),
        }[name]()
        if rising:
            rise = lr_scheduler.LinearLR(optimizer, 1 / 25, 1, rising)
            parts = [rise, scheduler]
            scheduler = lr_scheduler.SequentialLR(optimizer, parts, [rising])
    rates = []
    for _ in range(total):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        with warnings.catch_warnings():  # SequentialLR gives its parts an epoch
            warnings.simplefilter("ignore")
            scheduler.step()
    return rates


def rates_of(schedule, n_steps, epochs):
    return np.concatenate([schedule.rates_of_epoch(e, n_steps) for e in epochs])


@given(
    name=st.sampled_from([None, *SCHEDULES]),
    warmup=st.one_of(st.none(), st.floats(0, 0.99), st.sampled_from([0.1, 0.5])),
    lr=st.floats(1e-5, 1),
    n_epochs=st.integers(1, 12),
    n_steps=st.integers(1, 30),
)
def test_the_rates_are_those_of_torchs_schedulers(name, warmup, lr, n_epochs, n_steps):
    total = n_epochs * n_steps
    if name == "one_cycle" and (warmup is not None and warmup * total == 1):
        return  # torch divides by zero
    ours = rates_of(LRSchedule(name, warmup, lr, n_epochs), n_steps, range(n_epochs))
    theirs = rates_by_torch(name, warmup, lr, total)
    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


def test_one_cycle_begins_at_the_highest_rate_where_torch_divides_by_zero():
    with pytest.raises(ZeroDivisionError):
        rates_by_torch("one_cycle", 0.1, 1.0, 10)
    rates = LRSchedule("one_cycle", 0.1, 1.0, 1).rates_of_epoch(0, 10)
    assert rates[0] == 1
    assert np.all(np.diff(rates) < 0)


@pytest.mark.parametrize("name", [None, *SCHEDULES])
@pytest.mark.parametrize("warmup", [None, 0.0, 0.25, 0.999])
def test_no_rate_is_above_lr_or_below_zero(name, warmup):
    rates = rates_of(LRSchedule(name, warmup, 0.5, 4), 5, range(4))
    assert np.all((rates > 0) & (rates <= 0.5))


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_begins_anew_after_its_epochs(name):
    schedule = LRSchedule(name, 0.1, 0.1, 3)
    first, second = (rates_of(schedule, 7, range(n, n + 3)) for n in (0, 3))
    np.testing.assert_array_equal(first, second)


def test_batches_come_at_their_rates_and_the_optimizer_gets_its_rates_back():
    groups = [{"params": [torch.zeros(1)], "lr": lr} for lr in (1.0, 0.1)]
    optimizer = torch.optim.SGD(groups, lr=1.0)

    def rates():
        return [group["lr"] for group in optimizer.param_groups]

    with restore_rates(optimizer):
        batches = at_rates(np.array([0.5, 0.25]), "abc", optimizer)
        seen = [(batch, rates()) for batch in batches]
    assert seen == [("a", [0.5, 0.05]), ("b", [0.25, 0.025]), ("c", [0.25, 0.025])]
    assert rates() == [1.0, 0.1]
    assert all("initial_lr" not in group for group in optimizer.param_groups)


# classes -> what they need
KNOWN = {
    lr_scheduler.StepLR: {"step_size": 2},
    lr_scheduler.MultiStepLR: {"milestones": [1, 3]},
    lr_scheduler.ConstantLR: {},
    lr_scheduler.LinearLR: {},
    lr_scheduler.ExponentialLR: {"gamma": 0.5},
    lr_scheduler.PolynomialLR: {},
    lr_scheduler.CosineAnnealingLR: {"T_max": 4},
    lr_scheduler.CosineAnnealingWarmRestarts: {"T_0": 2},
    lr_scheduler.OneCycleLR: {
        **{"max_lr": 0.5, "total_steps": 12},
        "cycle_momentum": False,
    },
    lr_scheduler.CyclicLR: {
        **{"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 3},
        "cycle_momentum": False,
    },
}


def test_cycles_of_the_momentum_and_functions_of_the_user_are_not_known_beforehand():
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.5, momentum=0.9)
    for kind, params in (
        (lr_scheduler.OneCycleLR, {"max_lr": 0.5, "total_steps": 12}),
        (lr_scheduler.CyclicLR, {"base_lr": 0.1, "max_lr": 0.5}),
        (
            lr_scheduler.CyclicLR,
            {"base_lr": 0.1, "max_lr": 0.5, "cycle_momentum": False, "scale_fn": abs},
        ),
        (lr_scheduler.LambdaLR, {"lr_lambda": float}),
        (lr_scheduler.ReduceLROnPlateau, {}),
    ):
        assert not is_known_scheduler(kind(optimizer, **params))


@pytest.mark.parametrize("per_epoch", [1, 2])
@pytest.mark.parametrize("kind", KNOWN, ids=lambda kind: kind.__name__)
def test_a_scheduler_is_not_stepped_to_find_its_rates(kind, per_epoch):
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.5, momentum=0.9)
    scheduler = kind(optimizer, **KNOWN[kind])
    assert is_known_scheduler(scheduler)
    before = repr((scheduler.state_dict(), optimizer.state_dict()))
    found = RatesOfEpochs.from_scheduler(scheduler, 3, 6, per_epoch)
    assert repr((scheduler.state_dict(), optimizer.state_dict())) == before
    for epoch in range(6):
        rates = found.rates_of_epoch(3 + epoch, n_steps=2).tolist()
        assert len(rates) == 2
        for rate in rates[:per_epoch]:
            assert rate == optimizer.param_groups[0]["lr"]
            optimizer.step()
            scheduler.step()
        assert per_epoch == 2 or rates[0] == rates[1]

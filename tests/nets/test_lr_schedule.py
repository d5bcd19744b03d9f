"""`lr_schedule`, `warmup` and skorch's scheduler: the rates of a fit, in both loops."""

import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback, LRScheduler
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader

from skact import ActMLP, DivergedError, fused
from skact.lr_schedules import LRSchedule
from skact.nets.lr_schedule import has_schedule, known_rates, schedule_of

X = np.random.default_rng(0).normal(size=(83, 5))
y = np.arange(83) % 3


class OnSkorch(ActMLP):
    def train_step(self, *args, **kwargs):
        return super().train_step(*args, **kwargs)


LOOPS = pytest.mark.parametrize("kind", [ActMLP, OnSkorch])


def a_net(kind=ActMLP, **params):
    usual = {"max_epochs": 4, "batch_size": 20, "lr": 0.1, "random_state": 0}
    return kind(**{**usual, "lr_schedule": "cosine", "width": 8, **params})


def assert_same_network(one, other):
    pairs = zip(one.module_.parameters(), other.module_.parameters(), strict=True)
    for a, b in pairs:
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_a_net_has_a_schedule_if_a_parameter_asks_for_one():
    assert not has_schedule(ActMLP())
    assert not has_schedule(ActMLP(warmup=0.0))
    assert has_schedule(ActMLP(lr_schedule="linear"))
    assert has_schedule(ActMLP(warmup=0.1))


def test_the_schedule_spans_max_epochs_from_the_rate_of_the_optimizer():
    net = a_net(optimizer__lr=0.5, warmup=0.25).initialize(X, y)
    assert schedule_of(net, 9) == LRSchedule("cosine", 0.25, 0.5, 4)
    net = a_net(max_epochs=0).initialize(X, y)
    assert schedule_of(net, 9) == LRSchedule("cosine", None, 0.1, 9)
    assert schedule_of(a_net(lr_schedule=None).initialize(X, y), 9) is None


@LOOPS
def test_the_history_has_the_last_rate_of_each_epoch(kind):
    net = a_net(kind).fit(X, y)
    schedule = LRSchedule("cosine", None, 0.1, 4)
    expected = [schedule.rates_of_epoch(epoch, 5)[-1] for epoch in range(4)]
    assert net.history[:, "event_lr"] == pytest.approx(expected, rel=1e-12)
    assert "event_lr" not in a_net(kind, lr_schedule=None).fit(X, y).history[-1]


@LOOPS
def test_callbacks_see_the_rate_of_the_last_step(kind):
    class Watch(Callback):
        def on_epoch_end(self, net, **kwargs):
            seen.append(net.optimizer_.param_groups[0]["lr"])

    seen: list = []
    net = a_net(kind, callbacks=[Watch()]).fit(X, y)
    assert seen == net.history[:, "event_lr"]
    assert_same_network(net, a_net(kind).fit(X, y))


@LOOPS
def test_a_schedule_needs_no_callbacks(kind):
    net = a_net(kind, callbacks="disable").fit(X, y)
    assert_same_network(net, a_net(kind).fit(X, y))


@LOOPS
def test_partial_fit_goes_on_in_the_schedule_and_begins_anew_after_it(kind):
    whole = a_net(kind, max_epochs=3).fit(X, y, epochs=6)
    parts = a_net(kind, max_epochs=3)
    for _ in range(6):
        parts.partial_fit(X, y, epochs=1)
    assert_same_network(whole, parts)
    rates = whole.history[:, "event_lr"]
    assert rates == parts.history[:, "event_lr"]
    assert rates[:3] == rates[3:]


@LOOPS
def test_the_optimizer_has_its_rate_back_after_a_fit(kind):
    net = a_net(kind).fit(X, y)
    (group,) = net.optimizer_.param_groups
    assert group["lr"] == 0.1
    assert "initial_lr" not in group
    net.set_params(lr=0.2).partial_fit(X, y)
    first, second = np.split(np.array(net.history[:, "event_lr"]), 2)
    np.testing.assert_allclose(second, 2 * first)


@LOOPS
def test_an_optimizer_saved_in_the_middle_of_a_fit_goes_on_in_the_schedule(kind):
    class Keep(Callback):
        def on_epoch_end(self, net, **kwargs):
            states.append(net.optimizer_.state_dict()["param_groups"])

    states: list = []
    net = a_net(kind, callbacks=[Keep()]).fit(X, y)
    (group,) = states[2]
    assert group["lr"] < group["initial_lr"] == 0.1
    net.optimizer_.param_groups[0].update(group, params=list(net.module_.parameters()))
    assert schedule_of(net, 4).lr == 0.1


def test_each_group_of_parameters_follows_the_schedule():
    class Watch(Callback):
        def on_epoch_end(self, net, **kwargs):
            seen.append([group["lr"] for group in net.optimizer_.param_groups])

    seen: list = []
    groups = [("output.*", {"lr": 0.01})]
    net = a_net(callbacks=[Watch()], optimizer__param_groups=groups).fit(X, y)
    assert "skorch" in net.trained_by_
    rates = np.array(seen)
    np.testing.assert_allclose(rates[:, 0] * 10, rates[:, 1])
    assert sorted(g["lr"] for g in net.optimizer_.param_groups) == [0.01, 0.1]


@LOOPS
@pytest.mark.parametrize(
    "params", [{"lr_schedule": "linear"}, {"warmup": 0.2}], ids=str
)
def test_a_schedule_and_skorchs_scheduler_are_refused_together(kind, params):
    net = a_net(kind, lr_schedule=None, callbacks=[LRScheduler("StepLR", step_size=2)])
    with pytest.raises(ValueError, match=r"with the callback 'LRScheduler': both set"):
        net.set_params(**params).fit(X, y)


class Endless(DataLoader):
    """Does not say how many batches it has."""

    def __len__(self):
        raise TypeError


class Generous(DataLoader):
    """Has more batches than it says."""

    def __len__(self):
        return super().__len__() - 2


def test_a_loader_without_a_length_is_refused():
    net = a_net(iterator_train=Endless)
    with pytest.raises(ValueError, match="iterator_train that has no length"):
        net.fit(X, y)


def test_batches_beyond_the_length_of_a_loader_have_the_last_rate():
    net = a_net(iterator_train=Generous).fit(X, y)
    last = LRSchedule("cosine", None, 0.1, 4).rates_of_epoch(3, 3)[-1]
    assert net.history[-1, "event_lr"] == pytest.approx(last)
    assert net.history[-1, "train_batch_count"] == 5


def test_schedules_are_searched_in_one_stack():
    grid = {"lr_schedule": [None, "cosine", "one_cycle"], "warmup": [None, 0.2]}
    searches = [GridSearchCV(a_net(), grid, cv=2) for _ in range(2)]
    plain = searches[0].fit(X, y)
    with fused() as session:
        together = searches[1].fit(X, y)
    assert len(session.report.stacks) == 1
    key = "mean_test_score"
    np.testing.assert_array_equal(plain.cv_results_[key], together.cv_results_[key])
    assert_same_network(plain.best_estimator_, together.best_estimator_)


@LOOPS
def test_the_schedule_knows_which_rows_train(kind):
    net = a_net(kind, early_stopping=True, validation_fraction=0.5).fit(X, y)
    assert net.history[-1, "train_batch_count"] == 3
    schedule = LRSchedule("cosine", None, 0.1, 4)
    assert net.history[0, "event_lr"] == pytest.approx(
        schedule.rates_of_epoch(0, 3)[-1]
    )


# ------------------------------------------------------------------ skorch's scheduler

KNOWN = {
    "StepLR": {"step_size": 2, "gamma": 0.5},
    "MultiStepLR": {"milestones": [1, 3]},
    "ExponentialLR": {"gamma": 0.8},
    "CosineAnnealingLR": {"T_max": 3},
    "WarmRestartLR": {"base_period": 2},
    lr_scheduler.ConstantLR: {"total_iters": 2},
    lr_scheduler.LinearLR: {"total_iters": 4},
    lr_scheduler.PolynomialLR: {"total_iters": 5},
    lr_scheduler.CosineAnnealingWarmRestarts: {"T_0": 2},
}
by_policy = pytest.mark.parametrize(
    "policy", KNOWN, ids=lambda policy: getattr(policy, "__name__", policy)
)


def scheduled(policy, kind=ActMLP, **params):
    callback = LRScheduler(policy, **KNOWN[policy])
    return a_net(kind, lr_schedule=None, callbacks=[callback], **params)


def final_state(net):
    (callback,) = (c for _, c in net.callbacks_ if isinstance(c, LRScheduler))
    state = callback.lr_scheduler_.state_dict()
    return repr(state), callback.batch_idx_, net.optimizer_.param_groups[0]["lr"]


@by_policy
@pytest.mark.parametrize("params", [{}, {"early_stopping": True}], ids=str)
def test_a_known_scheduler_trains_and_ends_as_on_skorchs_loop(policy, params):
    ours, theirs = (scheduled(policy, kind, **params) for kind in (ActMLP, OnSkorch))
    for _ in range(2):  # the second call goes on from the rate of the first
        for net in (ours, theirs):
            net.partial_fit(X, y)
        assert ours.history[:, "event_lr"] == theirs.history[:, "event_lr"]
        assert final_state(ours) == final_state(theirs)
        for a, b in zip(*(n.module_.parameters() for n in (ours, theirs)), strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-8)


@by_policy
def test_the_rates_of_a_known_scheduler_are_found_without_stepping_it(policy):
    net = scheduled(policy).initialize(X, y)
    net.notify("on_train_begin", X=X, y=y)
    before = final_state(net)
    rates = known_rates(net, 4, len(X))
    assert final_state(net) == before
    fitted = scheduled(policy).fit(X, y)
    assert rates.rates[:, 0].tolist() == fitted.history[:, "event_lr"]


OF_BATCHES = {
    "StepLR": {"step_size": 7},
    "ExponentialLR": {"gamma": 0.97},
    "WarmRestartLR": {},
    "CyclicLR": {
        **{"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 3},
        "cycle_momentum": False,
    },
    lr_scheduler.OneCycleLR: {
        **{"max_lr": 0.1, "total_steps": 200},
        "cycle_momentum": False,
    },
}


@pytest.mark.parametrize(
    "policy", OF_BATCHES, ids=lambda policy: getattr(policy, "__name__", policy)
)
@pytest.mark.parametrize("params", [{}, {"early_stopping": True}], ids=str)
def test_rates_of_batches_are_those_of_skorchs_loop(policy, params):
    def net(kind):
        callback = LRScheduler(policy, step_every="batch", **OF_BATCHES[policy])
        return a_net(kind, lr_schedule=None, callbacks=[callback], **params)

    ours, theirs = net(ActMLP), net(OnSkorch)
    for _ in range(2):  # the second call goes on from the rate of the first
        for one in (ours, theirs):
            one.partial_fit(X, y)
        assert ours.trained_by_ == "the engine"
        rates = [
            [batch.get("event_lr") for batch in epoch["batches"]]
            for one in (ours, theirs)
            for epoch in one.history
        ]
        assert rates[: len(rates) // 2] == rates[len(rates) // 2 :]
        assert len({rate for epoch in rates for rate in epoch} - {None}) > 1
        assert final_state(ours) == final_state(theirs)
        for a, b in zip(*(n.module_.parameters() for n in (ours, theirs)), strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-8)


def test_rates_of_batches_that_a_callback_may_see_are_set_as_they_come():
    class Looks(Callback):
        def on_epoch_end(self, net, **kwargs):
            net.history.record("rate", net.optimizer_.param_groups[0]["lr"])

    callbacks = [LRScheduler("StepLR", step_size=7, step_every="batch"), Looks()]
    net = a_net(lr_schedule=None, callbacks=callbacks).fit(X, y)
    assert "sets rates of batches, and others look on" in net.trained_by_
    last = [epoch["batches"][-1]["event_lr"] for epoch in net.history]
    assert len({*last}) > 1


def test_a_scheduler_that_ends_before_the_fit_is_named():
    scheduler = LRScheduler(
        lr_scheduler.OneCycleLR,
        **{"step_every": "batch", "max_lr": 0.1, "total_steps": 3},
        cycle_momentum=False,
    )
    with pytest.raises(
        ValueError, match="'LRScheduler' of ActMLP cannot set rates: On"
    ):
        a_net(lr_schedule=None, callbacks=[scheduler]).fit(X, y)


def test_no_code_of_a_user_runs_beforehand():
    class Own(lr_scheduler.StepLR):
        pass

    for policy, params in (
        (Own, {"step_size": 1}),
        ("LambdaLR", {"lr_lambda": lambda epoch: 0.5}),
        ("ReduceLROnPlateau", {}),
        (lr_scheduler.OneCycleLR, {"max_lr": 0.1, "total_steps": 99}),
        ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.2, "scale_fn": float}),
    ):
        net = a_net(lr_schedule=None, callbacks=[LRScheduler(policy, **params)])
        net.initialize(X, y).notify("on_train_begin", X=X, y=y)
        assert known_rates(net, 4, len(X)) is None


def test_a_fit_that_diverges_has_the_rates_of_the_epochs_before():
    net = a_net(
        lr_schedule=None,
        optimizer="sgd",
        max_epochs=5,
        callbacks=[LRScheduler("ExponentialLR", gamma=1e200)],
    )
    with pytest.raises(DivergedError):
        net.fit(X, y)
    recorded = [row["event_lr"] for row in net.history if "event_lr" in row]
    assert recorded == [0.1]
    assert net.optimizer_.param_groups[0]["lr"] == 0.1 * 1e200


def test_known_schedulers_fuse_with_all_others():
    callbacks = [
        None,
        [LRScheduler("StepLR", step_size=1)],
        [LRScheduler("CosineAnnealingLR", T_max=4)],
    ]
    grid = {"callbacks": callbacks, "lr": [0.1, 0.01]}
    plain = GridSearchCV(a_net(lr_schedule=None), grid, cv=2).fit(X, y)
    with fused() as session:
        together = GridSearchCV(a_net(lr_schedule=None), grid, cv=2).fit(X, y)
    assert len(session.report.stacks) == 1
    key = "mean_test_score"
    np.testing.assert_array_equal(plain.cv_results_[key], together.cv_results_[key])
    assert_same_network(plain.best_estimator_, together.best_estimator_)

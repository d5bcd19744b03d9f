"""skorch's callbacks work on the engine as on skorch's own loop.

They read and write weights, the history and the state of the optimizer. Results equal
those of skorch's loop to 1e-8 in float64.
"""

import copy
import io

import joblib
import numpy as np
import pytest
import torch
from skorch.callbacks import (
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    Initializer,
    LoadInitState,
    LRScheduler,
    ParamMapper,
    TrainEndCheckpoint,
)
from skorch.dataset import ValidSplit
from torch import nn

from skact import ActMLP
from skact.engine.jobs import FitJob, Seeds
from skact.engine.train import train
from skact.network.mlp import MLP

rng = np.random.default_rng(0)
X = rng.normal(size=(83, 5))
y = np.array(["setosa", "versicolor", "virginica"])[np.arange(83) % 3]

OPTIMIZERS = [
    {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.01},
    # eps is not tiny: a bias before a batch norm has no gradient but rounding errors
    {"optimizer": "adam", "optimizer__eps": 1e-4},
    {"optimizer": "adamw", "weight_decay": 0.1, "optimizer__eps": 1e-4},
]
by_optimizer = pytest.mark.parametrize(
    "params", OPTIMIZERS, ids=[params["optimizer"] for params in OPTIMIZERS]
)


# ------------------------------------------------------------------ history


@pytest.mark.parametrize(
    "callbacks", [None, "disable", [Callback()]], ids=["none", "disable", "one"]
)
@pytest.mark.parametrize("split", [None, ValidSplit(4)], ids=["all", "split"])
def test_history_has_the_keys_and_values_of_skorchs_loop(callbacks, split, both_loops):
    weight = np.linspace(0, 2, 83)
    net = both_loops(callbacks, weight=weight, train_split=split)
    assert [row["epoch"] for row in net.history] == [1, 2, 3, 4]


def test_durations_are_those_of_training_not_of_other_lanes(fit):
    net = fit([Callback()])
    assert all(0 < duration < 5 for duration in net.history[:, "dur"])


# ------------------------------------------------------------------ LRScheduler

POLICIES = {
    "StepLR": {"step_size": 2, "gamma": 0.5},
    "ReduceLROnPlateau": {"monitor": "train_loss", "patience": 0, "threshold": 0.5},
    "CosineAnnealingLR": {"T_max": 2},  # in the middle the rate is 0
    "ExponentialLR": {"gamma": 1e-40},  # and soon less than any float32
    "LambdaLR": {"lr_lambda": lambda epoch: epoch / 4},  # it begins at 0
}


@by_optimizer
@pytest.mark.parametrize("policy", POLICIES)
def test_a_scheduled_rate_trains_as_on_skorchs_loop(policy, params, both_loops):
    def scheduler():
        return [("lr_scheduler", LRScheduler(policy, **POLICIES[policy]))]

    net = both_loops(scheduler, **params)
    assert len(set(net.history[:, "event_lr"])) > 1


def test_a_rate_of_zero_leaves_float32_weights_as_they_are(fit):
    schedule = LRScheduler("LambdaLR", lr_lambda=lambda epoch: 10.0 ** (-40 * epoch))
    one = fit(max_epochs=1, optimizer="adam", dtype="float32")
    net = fit([schedule], max_epochs=3, optimizer="adam", dtype="float32")
    assert torch.equal(net.module_.output.weight, one.module_.output.weight)


# ------------------------------------------------------------------ checkpoints


@by_optimizer
@pytest.mark.parametrize("kind", [Checkpoint, TrainEndCheckpoint])
def test_what_a_checkpoint_saved_trains_on_as_if_never_stopped(
    kind, params, tmp_path, assert_same, assert_same_history, fit, net_params
):
    options = {"dirname": tmp_path}
    if kind is Checkpoint:
        options["monitor"] = None  # save after each epoch
    # the loss falls in each epoch: which loss was the best, skorch begins anew
    params = {"lr": 0.01, **params}
    whole = fit(max_epochs=5, dropout=0.2, **params)
    fit([kind(**options)], max_epochs=2, dropout=0.2, **params)
    other = ActMLP(**{**net_params, "max_epochs": 3, "dropout": 0.2, **params})
    prefix = "train_end_" if kind is TrainEndCheckpoint else ""
    other.initialize(X, y).load_params(
        f_params=tmp_path / f"{prefix}params.pt",
        f_optimizer=tmp_path / f"{prefix}optimizer.pt",
        f_criterion=tmp_path / f"{prefix}criterion.pt",
        f_history=tmp_path / f"{prefix}history.json",
    )
    other.partial_fit(X, y)
    assert_same(other, whole)
    for row in other.history:
        row.pop("event_cp", None)
    assert_same_history(other, whole)


def test_checkpoints_of_the_best_epoch_are_those_of_skorchs_loop(
    tmp_path, both_loops, fit
):
    def checkpoint():
        return [Checkpoint(monitor="valid_loss_best", dirname=tmp_path, load_best=True)]

    params = {"train_split": ValidSplit(3), "lr": 2.0, "max_epochs": 8}
    net = both_loops(checkpoint, **params)
    best = int(np.argmin(net.history[:, "valid_loss"]))
    assert 0 < best + 1 < 8  # or there was nothing to load
    shorter = fit(**{**params, "max_epochs": best + 1})
    np.testing.assert_array_equal(net.predict_proba(X), shorter.predict_proba(X))


def test_a_checkpoint_in_mid_training_is_loaded_on_the_way(tmp_path, assert_same, fit):
    saved = TrainEndCheckpoint(dirname=tmp_path)
    whole = fit(max_epochs=4, optimizer="adam")
    for _ in range(2):
        net = fit([LoadInitState(saved), saved], max_epochs=2, optimizer="adam")
    assert len(net.history) == 4
    assert_same(net, whole)


# ------------------------------------------------------------------ stopping


@pytest.mark.parametrize("load_best", [True, False])
@pytest.mark.parametrize("monitor", ["train_loss", "valid_loss"])
def test_early_stopping_stops_where_it_does_on_skorchs_loop(
    monitor, load_best, both_loops
):
    def stopping():
        return [
            EarlyStopping(
                monitor=monitor,
                patience=2,
                threshold=0.05,
                load_best=load_best,
                sink=lambda *args: None,
            )
        ]

    net = both_loops(stopping, train_split=ValidSplit(3), max_epochs=40, lr=0.3)
    assert len(net.history) < 40


def test_the_best_weights_are_loaded_when_the_last_epoch_comes_before_patience(
    both_loops, fit
):
    params = {"early_stopping": True, "patience": 50, "lr": 1.0, "max_epochs": 30}
    net = both_loops(**params)
    best = int(np.argmin(net.history[:, "valid_loss"]))
    assert best < 29
    shorter = fit(**{**params, "max_epochs": best + 1})
    np.testing.assert_array_equal(net.predict_proba(X), shorter.predict_proba(X))


# ------------------------------------------------------------------ scoring


def test_scores_of_training_rows_without_caching_stay_on_the_engine(both_loops):
    def scoring():
        return [
            EpochScoring("accuracy", name="acc", on_train=True, use_caching=False),
            EpochScoring("f1_macro", name="f1", on_train=True, use_caching=False),
        ]

    net = both_loops(scoring)
    assert net.history[-1, "acc"] == net.score(X, y)  # of the weights after the epoch


# ------------------------------------------------------------------ parameters


def test_an_initializer_sets_weights_before_the_first_epoch(
    assert_same, both_loops, fit
):
    def halve():
        return [Initializer("*output.weight", fn=lambda p: nn.init.constant_(p, 0.5))]

    assert_same(both_loops(halve), fit(halve()))


def test_freezing_in_mid_training_says_what_to_do_instead(fit):
    def freeze(parameter):
        parameter.requires_grad_(False)

    late = ParamMapper("output.*", fn=freeze, at=2)
    with pytest.raises(ValueError, match=r"output.weight is not trained.*on_train_beg"):
        fit([late])
    batchwise = Callback()
    batchwise.on_batch_begin = lambda net, **kwargs: None
    assert "skorch's loop" in fit([late, batchwise]).trained_by_  # as the message says


# ------------------------------------------------------- what users' callbacks write


def weights_in_place(net):
    with torch.no_grad():
        net.module_.output.weight.mul_(0.5)


def weights_replaced(net):
    net.module_.output.weight.data = net.module_.output.weight.data * 0.5


def state_dict_loaded(net):
    state = net.module_.state_dict()
    state["output.bias"] = state["output.bias"] + 1
    net.module_.load_state_dict(state)


def statistics_replaced(net):
    norm = net.module_.hidden[0].norm
    norm.running_mean = norm.running_mean * 0 + 3


def rate_halved(net):
    net.optimizer_.param_groups[0]["lr"] *= 0.5


def rate_halved_by_set_params(net):
    net.set_params(lr=net.optimizer_.param_groups[0]["lr"] * 0.5)


def momentum_comes_and_goes(net):
    group = net.optimizer_.param_groups[0]
    if "momentum" in group:
        group["momentum"] = 0.9 - group["momentum"]
    else:
        group["betas"] = (group["betas"][1] - 0.1, group["betas"][0])


def decay_changed(net):
    net.optimizer_.param_groups[0]["weight_decay"] += 0.1


def state_in_place(net):
    for state in net.optimizer_.state.values():
        for name, value in state.items():
            value.mul_(0 if name == "step" else 0.5)


def state_replaced(net):
    for state in net.optimizer_.state.values():
        for name in state:
            state[name] = state[name] * (2 if name == "step" else 0.5)


def state_forgotten(net):
    net.optimizer_.state.clear()


def optimizer_state_loaded(net):
    saved = copy.deepcopy(net.optimizer_.state_dict())
    for state in saved["state"].values():
        for name, value in state.items():
            state[name] = value * (3 if name == "step" else 0.5)
    net.optimizer_.load_state_dict(saved)


def gradients_left_behind(net):
    net.module_.eval()(torch.from_numpy(X)).sum().backward()


def predictions(net):
    assert set(net.predict(X)) <= set(y)
    net.score(X, y)


def evaluation_mode(net):
    net.module_.eval()


ACTIONS = [
    weights_in_place,
    weights_replaced,
    state_dict_loaded,
    statistics_replaced,
    rate_halved,
    rate_halved_by_set_params,
    momentum_comes_and_goes,
    decay_changed,
    state_in_place,
    state_replaced,
    state_forgotten,
    optimizer_state_loaded,
    gradients_left_behind,
    predictions,
    evaluation_mode,
]


@by_optimizer
@pytest.mark.parametrize("hook", ["on_epoch_begin", "on_epoch_end"])
@pytest.mark.parametrize("action", ACTIONS)
def test_what_a_callback_does_counts_as_on_skorchs_loop(
    action, hook, params, at, both_loops
):
    both_loops(lambda: [at(hook, action)], dropout=0.2, **params)


@pytest.mark.parametrize(
    "change",
    [
        lambda net: net.initialize_optimizer(),
        lambda net: net.initialize_module(),
        lambda net: net.optimizer_.param_groups[0].update(maximize=True),
        lambda net: net.module_.output.weight.register_hook(lambda g: g * 0.5),
        lambda net: setattr(net.module_, "output", nn.Linear(9, 3).double()),
    ],
    ids=["optimizer", "module", "maximize", "hook", "layer"],
)
def test_what_the_engine_cannot_follow_in_mid_training_is_an_error(change, at, fit):
    with pytest.raises(
        ValueError, match=r"changed in mid-training what .* on_train_begin"
    ):
        fit([at("on_epoch_end", change)])


# ------------------------------------------------------------------ training on


# ------------------------------------------------------------------ storage


class Keep:
    """Hooks that save a network after each epoch, as Checkpoint does."""

    needs_live_network = True
    wants_gradients = False

    def __init__(self):
        self.sizes = []

    def epoch_begin(self):
        pass

    def epoch_end(self, record):
        file = io.BytesIO()
        torch.save(
            [self.job.module.state_dict(), self.job.optimizer.state_dict()], file
        )
        self.sizes.append(len(file.getvalue()))
        return False


def make_job(seed, *, hooks=None, n_epochs=2, dtype=torch.float32):
    seeds = Seeds.from_random_state(seed)
    module = MLP(
        5, 3, hidden=(30, 20), norm="batch", seed=seeds.weights, dtype=dtype,
        activation=("prelu", "relu"),
    )  # fmt: skip
    codes = np.unique(y, return_inverse=True)[1]
    job = FitJob(
        X=X.astype(str(dtype).removeprefix("torch.")),
        targets=codes,
        sample_weight=None,
        seeds=seeds,
        n_epochs=n_epochs,
        first_epoch=0,
        batch_size=20,
        shuffle=True,
        loss="cross_entropy",
        module=module,
        optimizer=torch.optim.Adam(module.parameters()),
        hooks=hooks,
    )
    if hooks is not None:
        hooks.job = job
    return job


def own_bytes(tensor):
    return tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()


def test_after_a_fit_each_tensor_has_its_own_storage(fit, state_of):
    for params in OPTIMIZERS:
        net = fit(**params)
        tensors = state_of(net)
        tensors = {**net.module_.state_dict()}
        for state in net.optimizer_.state.values():
            tensors.update({id(value): value for value in state.values()})
        assert all(own_bytes(value) for value in tensors.values())
        pointers = {value.data_ptr() for value in tensors.values()}
        assert len(pointers) == len(tensors)


def test_a_net_from_a_stack_of_sixty_pickles_as_small_as_one_alone():
    jobs = [make_job(seed) for seed in range(60)]
    train(jobs)
    alone = make_job(0)
    train([alone])

    def size(job):
        file = io.BytesIO()
        joblib.dump((job.module, job.optimizer), file)
        return len(file.getvalue())

    assert all(size(job) <= size(alone) + 200 for job in jobs)
    for parameter in jobs[7].module.parameters():
        assert own_bytes(parameter)
        assert all(own_bytes(v) for v in jobs[7].optimizer.state[parameter].values())


def test_a_checkpoint_in_a_stack_of_many_is_as_small_as_one_alone():
    alone, several = Keep(), [Keep() for _ in range(20)]
    train([make_job(0, hooks=alone)])
    train([make_job(seed, hooks=hooks) for seed, hooks in enumerate(several)])
    assert all(max(hooks.sizes) <= max(alone.sizes) + 200 for hooks in several)


# ------------------------------------------------------------------ in a stack


class Act:
    """Hooks that do something to a network's training in mid-training."""

    needs_live_network = True
    wants_gradients = False

    def __init__(self, begin=None, end=None):
        self.begin, self.end, self.epochs = begin, end, 0

    def epoch_begin(self):
        if self.begin is not None:
            self.begin(self)

    def epoch_end(self, record):
        self.epochs += 1
        return bool(self.end is not None and self.end(self))


def halve(hooks):
    hooks.job.module.output.weight.data = hooks.job.module.output.weight.data / 2


def rate(hooks):
    hooks.job.optimizer.param_groups[0]["lr"] *= 3


def forget(hooks):
    hooks.job.optimizer.state.clear()


def stop(hooks):
    return hooks.epochs == 2


def stumble(hooks):
    if hooks.epochs == 2:
        raise OSError("disk full")


def test_what_hooks_do_to_one_lane_no_other_lane_sees():
    def build():
        hooks = [
            None,
            Act(halve),
            Act(end=rate),
            Act(forget, rate),
            Act(end=stop),
            Act(),
            Act(end=stumble),
            Act(stumble),
            None,
        ]
        epochs = [4, 5, 6, 5, 5, 3, 6, 6, 5]
        return [
            make_job(i, hooks=h, n_epochs=n)
            for i, (h, n) in enumerate(zip(hooks, epochs, strict=True))
        ]

    fused = build()
    outcomes = train(fused).outcomes
    for job, alone, outcome in zip(fused, build(), outcomes, strict=True):
        (lone,) = train([alone]).outcomes
        assert (str(outcome.error), outcome.diverged_loss) == (str(lone.error), None)
        records = [[r.train_loss for r in o.records] for o in (outcome, lone)]
        assert records[0] == records[1]
        for name, value in job.module.state_dict().items():
            assert torch.equal(value, alone.module.state_dict()[name]), name
        ours, theirs = (j.optimizer.state_dict()["state"] for j in (job, alone))
        for number, state in ours.items():
            for name, value in state.items():
                assert torch.equal(value, theirs[number][name])
    assert [len(o.records) for o in outcomes] == [4, 5, 6, 5, 2, 3, 2, 2, 5]


def test_momentum_switched_on_in_one_lane_starts_from_nothing():
    # its neighbours have had momentum all along
    def switch(hooks):
        hooks.job.optimizer.param_groups[0]["momentum"] = 0.9 * (hooks.epochs % 2)

    def build(momentum, hooks):
        job = make_job(0, hooks=hooks, n_epochs=5, dtype=torch.float64)
        sgd = torch.optim.SGD(job.module.parameters(), lr=0.1, momentum=momentum)
        vars(job)["optimizer"] = sgd
        return job

    alone, fused = build(0.0, Act(switch)), build(0.0, Act(switch))
    train([alone])
    train([build(0.9, None), fused])
    for ours, theirs in zip(
        fused.module.parameters(), alone.module.parameters(), strict=True
    ):
        assert torch.equal(ours, theirs)

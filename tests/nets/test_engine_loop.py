"""skorch's callbacks see a net on the engine as they would on skorch's own loop.

Live weights, a true history, and an `optimizer_` whose state and param_groups are read
and written. "The same as on skorch's loop" means to 1e-8 in float64; what one training
leaves to another is the same bit for bit.
"""

import copy
import io
import pickle

import joblib
import numpy as np
import pytest
import scipy.sparse as sp
import torch
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid
from skorch.callbacks import (
    BatchScoring,
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    Freezer,
    Initializer,
    LoadInitState,
    LRScheduler,
    ParamMapper,
    TrainEndCheckpoint,
)
from skorch.dataset import ValidSplit
from torch import nn

from skact import ActMLP, ActMLPRegressor, fused
from skact.engine.batches import to_tensor
from skact.engine.jobs import FitJob, Seeds
from skact.engine.train import train
from skact.nets.mlp import MLP
from skact.threads import threads

rng = np.random.default_rng(0)
X = rng.normal(size=(83, 5))
y = np.array(["setosa", "versicolor", "virginica"])[np.arange(83) % 3]

BASE = {
    "width": 9,
    "depth": 2,
    "batch_size": 20,
    "max_epochs": 4,
    "optimizer": "sgd",
    "lr": 0.05,
    "norm": "batch",
    "random_state": 3,
}
OPTIMIZERS = [
    {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.01},
    # eps is not tiny: a bias before a batch norm has no gradient but rounding errors
    {"optimizer": "adam", "optimizer__eps": 1e-4},
    {"optimizer": "adamw", "weight_decay": 0.1, "optimizer__eps": 1e-4},
]
by_optimizer = pytest.mark.parametrize(
    "params", OPTIMIZERS, ids=[params["optimizer"] for params in OPTIMIZERS]
)


class OnSkorch(ActMLP):
    """The same net, made to train by skorch's loop."""

    def train_step(self, *args, **kwargs):
        return super().train_step(*args, **kwargs)


def state_of(net):
    """Return everything that training changes: weights, buffers, optimizer state."""
    tensors = dict(net.module_.state_dict())
    for number, state in net.optimizer_.state_dict()["state"].items():
        for name, value in state.items():
            tensors[f"{number}.{name}"] = value
    return {name: value.clone() for name, value in tensors.items()}


def assert_same(net, other, atol=0.0):
    ours, theirs = state_of(net), state_of(other)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert value.dtype == theirs[name].dtype
        torch.testing.assert_close(value, theirs[name], rtol=0, atol=atol, msg=name)
    ours, theirs = (n.optimizer_.state_dict()["param_groups"] for n in (net, other))
    assert str(ours) == str(theirs)


def assert_same_history(net, other, leave_out=()):
    assert len(net.history) == len(other.history)
    for row, theirs in zip(net.history, other.history, strict=True):
        assert row.keys() == theirs.keys()
        for key in row.keys() - {"batches", "dur", *leave_out}:
            assert row[key] == pytest.approx(theirs[key], abs=1e-8), key
        for batch, their in zip(row["batches"], theirs["batches"], strict=True):
            assert batch == pytest.approx(their, abs=1e-8)


def both_loops(callbacks=None, *, weight=None, **params):
    """Fit a net on the engine and one on skorch's loop, and check that they agree."""
    nets = []
    for kind in (ActMLP, OnSkorch):
        given = callbacks() if callable(callbacks) else callbacks
        nets.append(kind(callbacks=given, **{**BASE, **params}).fit(X, y, weight))
    ours, theirs = nets
    assert ours.trained_by_ == "the engine"
    assert "OnSkorch overrides train_step" in theirs.trained_by_
    assert_same(ours, theirs, atol=1e-8)
    assert_same_history(ours, theirs)
    return ours


def fit(callbacks=None, **params):
    return ActMLP(callbacks=callbacks, **{**BASE, **params}).fit(X, y)


class At(Callback):
    """Do something with the net at each call of a hook."""

    def __init__(self, hook, action):
        self.hook, self.action = hook, action

    def on_train_begin(self, net, **kwargs):
        self._maybe("on_train_begin", net)

    def on_epoch_begin(self, net, **kwargs):
        self._maybe("on_epoch_begin", net)

    def on_epoch_end(self, net, **kwargs):
        self._maybe("on_epoch_end", net)

    def _maybe(self, hook, net):
        if hook == self.hook:
            self.action(net)


# ------------------------------------------------------------------ history


@pytest.mark.parametrize(
    "callbacks", [None, "disable", [Callback()]], ids=["none", "disable", "one"]
)
@pytest.mark.parametrize("split", [None, ValidSplit(4)], ids=["all", "split"])
def test_history_has_the_keys_and_values_of_skorchs_loop(callbacks, split):
    weight = np.linspace(0, 2, 83)
    net = both_loops(callbacks, weight=weight, train_split=split)
    assert [row["epoch"] for row in net.history] == [1, 2, 3, 4]


def test_durations_are_those_of_training_not_of_other_lanes():
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
def test_a_scheduled_rate_trains_as_on_skorchs_loop(policy, params):
    def scheduler():
        return [("lr_scheduler", LRScheduler(policy, **POLICIES[policy]))]

    net = both_loops(scheduler, **params)
    assert len(set(net.history[:, "event_lr"])) > 1


def test_a_rate_of_zero_leaves_float32_weights_as_they_are():
    schedule = LRScheduler("LambdaLR", lr_lambda=lambda epoch: 10.0 ** (-40 * epoch))
    one = fit(max_epochs=1, optimizer="adam", dtype="float32")
    net = fit([schedule], max_epochs=3, optimizer="adam", dtype="float32")
    assert torch.equal(net.module_.output.weight, one.module_.output.weight)


def test_a_rate_scheduled_by_batches_trains_by_skorchs_loop():
    cyclic = LRScheduler(
        "CyclicLR", base_lr=0.01, max_lr=0.1, step_every="batch", step_size_up=3
    )
    net = fit([("lr_scheduler", cyclic)])
    why = "skorch's loop, because the callback 'lr_scheduler' works batch by batch"
    assert net.trained_by_ == why
    assert len(set(net.history[-1, "batches", :, "event_lr"])) > 1


# ------------------------------------------------------------------ checkpoints


@by_optimizer
@pytest.mark.parametrize("kind", [Checkpoint, TrainEndCheckpoint])
def test_what_a_checkpoint_saved_trains_on_as_if_never_stopped(kind, params, tmp_path):
    options = {"dirname": tmp_path}
    if kind is Checkpoint:
        options["monitor"] = None  # save after each epoch
    whole = fit(max_epochs=5, dropout=0.2, **params)
    fit([kind(**options)], max_epochs=2, dropout=0.2, **params)
    other = ActMLP(**{**BASE, "max_epochs": 3, "dropout": 0.2, **params})
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


def test_checkpoints_of_the_best_epoch_are_those_of_skorchs_loop(tmp_path):
    def checkpoint():
        return [Checkpoint(monitor="valid_loss_best", dirname=tmp_path, load_best=True)]

    params = {"train_split": ValidSplit(3), "lr": 2.0, "max_epochs": 8}
    net = both_loops(checkpoint, **params)
    best = int(np.argmin(net.history[:, "valid_loss"]))
    assert 0 < best + 1 < 8  # or there was nothing to load
    shorter = fit(**{**params, "max_epochs": best + 1})
    np.testing.assert_array_equal(net.predict_proba(X), shorter.predict_proba(X))


def test_a_checkpoint_in_mid_training_is_loaded_on_the_way(tmp_path):
    saved = TrainEndCheckpoint(dirname=tmp_path)
    whole = fit(max_epochs=4, optimizer="adam")
    for _ in range(2):
        net = fit([LoadInitState(saved), saved], max_epochs=2, optimizer="adam")
    assert len(net.history) == 4
    assert_same(net, whole)


# ------------------------------------------------------------------ stopping


@pytest.mark.parametrize("load_best", [True, False])
@pytest.mark.parametrize("monitor", ["train_loss", "valid_loss"])
def test_early_stopping_stops_where_it_does_on_skorchs_loop(monitor, load_best):
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


def test_the_best_weights_are_loaded_when_the_last_epoch_comes_before_patience():
    params = {"early_stopping": True, "patience": 50, "lr": 1.0, "max_epochs": 30}
    net = both_loops(**params)
    best = int(np.argmin(net.history[:, "valid_loss"]))
    assert best < 29
    shorter = fit(**{**params, "max_epochs": best + 1})
    np.testing.assert_array_equal(net.predict_proba(X), shorter.predict_proba(X))


# ------------------------------------------------------------------ scoring


@pytest.mark.parametrize("use_caching", [True, False, "auto"])
def test_scores_of_validation_rows_are_those_of_skorchs_loop(use_caching):
    def scoring():
        return [
            EpochScoring("f1_macro", name="f1", lower_is_better=False),
            EpochScoring("neg_log_loss", name="log_loss", lower_is_better=False),
            BatchScoring("accuracy", name="batch_acc", lower_is_better=False),
        ]

    both_loops(scoring, train_split=ValidSplit(3), use_caching=use_caching)


def test_scores_of_training_rows_without_caching_stay_on_the_engine():
    def scoring():
        return [
            EpochScoring("accuracy", name="acc", on_train=True, use_caching=False),
            EpochScoring("f1_macro", name="f1", on_train=True, use_caching=False),
        ]

    net = both_loops(scoring)
    assert net.history[-1, "acc"] == net.score(X, y)  # of the weights after the epoch


@pytest.mark.parametrize("kind", [EpochScoring, BatchScoring])
def test_scores_of_training_batches_are_for_skorchs_loop(kind):
    net = fit([("acc", kind("accuracy", name="acc", on_train=True))])
    why = "skorch's loop, because the callback 'acc' works batch by batch"
    assert net.trained_by_ == why
    assert 0 < net.history[-1, "acc"] <= 1


def test_a_batch_hook_set_on_an_instance_is_called():
    seen = []
    callback = Callback()
    callback.on_batch_end = lambda net, **kwargs: seen.append(net.module_.training)
    assert "works batch by batch" in fit([callback]).trained_by_
    assert len(seen) == 4 * 5


# ------------------------------------------------------------------ parameters


def test_an_initializer_sets_weights_before_the_first_epoch():
    def halve():
        return [Initializer("*output.weight", fn=lambda p: nn.init.constant_(p, 0.5))]

    assert_same(both_loops(halve), fit(halve()))


def test_a_freezer_trains_by_skorchs_loop_and_freezes():
    net = fit([("freezer", Freezer("output.*"))])
    assert net.trained_by_ == (
        "skorch's loop, because the callback 'freezer' freezes parameters"
    )
    start = ActMLP(**BASE).initialize(X, y).module_.output.weight
    assert torch.equal(net.module_.output.weight, start)


def test_freezing_in_mid_training_says_what_to_do_instead():
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


def copies(net):
    twin = copy.deepcopy(net)
    np.testing.assert_array_equal(twin.predict_proba(X), net.predict_proba(X))
    clone(net).set_params(callbacks=None).fit(X[:20], y[:20])


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
def test_what_a_callback_does_counts_as_on_skorchs_loop(action, hook, params):
    both_loops(lambda: [At(hook, action)], dropout=0.2, **params)


@by_optimizer
def test_copies_made_in_mid_training_leave_the_net_as_it_is(params):
    assert_same(fit([At("on_epoch_end", copies)], **params), fit(**params))


@by_optimizer
def test_a_net_pickled_in_mid_training_trains_on_as_the_original(params):
    keep = PickleEpochs()
    net = fit([keep], **params)
    early = pickle.loads(keep.pickles[1])
    assert len(early.history) == 2
    early.set_params(max_epochs=2).partial_fit(X, y)
    assert_same(early, net)


class PickleEpochs(Callback):
    """Keep the net as it is after each epoch."""

    def __init__(self):
        self.pickles = []

    def on_epoch_end(self, net, **kwargs):
        self.pickles.append(pickle.dumps(net))

    def __getstate__(self):
        return {"pickles": []}


@pytest.mark.parametrize("hook", ["on_train_begin", "on_epoch_begin", "on_epoch_end"])
def test_what_a_callback_raises_reaches_the_caller(hook):
    class Odd(Exception):
        pass

    def stumble(net):
        if len(net.history) in (0, 2):
            raise Odd(hook)

    with pytest.raises(Odd, match=hook):
        fit([At(hook, stumble)])


def test_a_net_whose_callback_raised_can_train_on():
    def stumble(net):
        if len(net.history) == 2:
            raise OSError("disk full")

    net = ActMLP(callbacks=[At("on_epoch_end", stumble)], **BASE)
    with pytest.raises(OSError, match="disk full"):
        net.fit(X, y)
    net.partial_fit(X, y)
    assert_same(net, fit(max_epochs=6))


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
def test_what_the_engine_cannot_follow_in_mid_training_is_an_error(change):
    with pytest.raises(ValueError, match=r"changed in mid-training .* on_train_begin"):
        fit([At("on_epoch_end", change)])


@pytest.mark.parametrize(
    "change",
    [
        lambda net: net.module_.output.register_forward_hook(lambda m, i, o: o * 0.5),
        lambda net: net.module_.register_forward_pre_hook(lambda m, i: (i[0] * 0.5,)),
        lambda net: net.module_.output.weight.register_hook(lambda g: g.clamp(-1, 0)),
        lambda net: net.optimizer_.register_step_pre_hook(lambda *args: None),
        lambda net: vars(net.module_.hidden[0].norm).update(momentum=0.5),
        lambda net: net.optimizer_.param_groups[0].update(maximize=True),
    ],
    ids=["module", "network", "gradient", "optimizer", "momentum", "maximize"],
)
def test_what_a_callback_prepares_for_training_is_for_skorchs_loop(change):
    callbacks = [At("on_train_begin", change)]
    net = fit(callbacks)
    assert net.trained_by_.startswith("skorch's loop, because ")
    theirs = OnSkorch(callbacks=callbacks, **BASE).fit(X, y)
    assert_same(net, theirs)


# ------------------------------------------------------------------ training on


@by_optimizer
@pytest.mark.parametrize("callbacks", [None, [Callback()]], ids=["plain", "hooks"])
def test_two_epochs_and_two_more_are_four_bit_for_bit(callbacks, params):
    params = {**params, "dropout": 0.3, "activation": ("prelu", "rrelu")}
    whole = fit(callbacks, **params)
    parts = fit(callbacks, **params, max_epochs=2).partial_fit(X, y)
    assert_same(parts, whole)
    assert_same_history(parts, whole)
    warm = fit(callbacks, **params, max_epochs=2, warm_start=True).fit(X, y)
    assert_same(warm, whole)
    by_copy = pickle.loads(pickle.dumps(fit(callbacks, **params, max_epochs=2)))
    assert_same(copy.deepcopy(by_copy).partial_fit(X, y), whole)


@by_optimizer
def test_engine_and_skorchs_loop_hand_over_to_each_other(params):
    # what one loop leaves in the optimizer, the other goes on with
    batchwise = Callback()
    batchwise.on_batch_end = lambda net, **kwargs: None
    net = fit(max_epochs=1, **params)
    for callback in (batchwise, Callback(), batchwise):
        net.callbacks_[-1] = ("mine", callback)
        net.partial_fit(X, y)
    theirs = OnSkorch(**{**BASE, **params}).fit(X, y)
    assert_same(net, theirs, atol=1e-8)


def test_a_rate_set_between_two_trainings_counts():
    nets = [kind(**BASE).fit(X, y) for kind in (ActMLP, OnSkorch)]
    for net in nets:
        net.set_params(lr=0.5, optimizer__momentum=0.1).partial_fit(X, y)
    assert_same(*nets, atol=1e-8)
    assert nets[0].optimizer_.param_groups[0]["lr"] == 0.5


@by_optimizer
def test_saved_parameters_and_optimizer_make_a_training_go_on(params):
    net = fit(max_epochs=2, **params)
    files = [io.BytesIO(), io.BytesIO()]
    net.save_params(f_params=files[0], f_optimizer=files[1])
    other = ActMLP(**{**BASE, **params, "max_epochs": 2}).initialize(X, y)
    for file in files:
        file.seek(0)
    other.load_params(f_params=files[0], f_optimizer=files[1])
    other.history_ = net.history_
    assert_same(other.partial_fit(X, y), fit(max_epochs=4, **params))


def test_scikit_learns_callbacks_see_each_epoch_with_its_weights():
    class Watch:
        def setup(self, estimator, context):
            pass

        def teardown(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context):
            if context.task_name == "epoch":
                seen.append([len(estimator.history), None])

        def on_fit_task_end(self, estimator, context):
            if context.task_name == "epoch":
                seen[-1][1] = estimator.score(X, y), estimator.history[-1, "train_loss"]

    expected = [
        (net.score(X, y), net.history[-1, "train_loss"])
        for net in (fit(max_epochs=epochs) for epochs in (1, 2, 3))
    ]
    seen: list = []
    net = ActMLP(**{**BASE, "max_epochs": 3}).set_callbacks(Watch()).fit(X, y)
    assert net.trained_by_ == "the engine"
    assert [row[1] for row in seen] == expected
    assert_same(net, fit(max_epochs=3))


# ------------------------------------------------------------------ storage


class Keep:
    """Hooks that save a network after each epoch, as Checkpoint does."""

    changes, evaluation = True, None

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


def test_after_a_fit_each_tensor_has_its_own_storage():
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

    changes, evaluation = True, None

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
        assert (str(outcome.error), outcome.diverged) == (str(lone.error), None)
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


def test_a_regressors_callbacks_see_numbers():
    target = X @ np.arange(5)
    scoring = EpochScoring("r2", name="r2", lower_is_better=False)
    net = ActMLPRegressor(callbacks=[scoring], train_split=ValidSplit(3), max_epochs=3)
    assert net.fit(X, target).trained_by_ == "the engine"
    assert len(net.history[:, "r2"]) == 3


@pytest.mark.parametrize("n_threads", [1, 2])
def test_held_out_rows_of_many_fits_are_scored_as_those_of_one(n_threads):
    table = rng.normal(size=(6000, 100)).astype(np.float32)
    labels = np.arange(6000) % 7
    net = ActMLP(
        hidden=(128,), max_epochs=2, early_stopping=True, validation_fraction=0.5
    )
    params = {"activation": ["relu", "tanh"], "random_state": [0, 1]}
    fitted = []
    for parameters in ParameterGrid(params):
        with threads(1):
            fitted.append(clone(net).set_params(**parameters).fit(table, labels))
    with threads(n_threads), fused():
        together = Parallel()(
            delayed(clone(net).set_params(**parameters).fit)(table, labels)
            for parameters in ParameterGrid(params)
        )
    for one, other in zip(fitted, together, strict=True):
        assert other.trained_by_ == "the engine"
        keys = ("valid_loss", "valid_acc", "valid_loss_best", "valid_batch_count")
        assert one.history[:, keys] == other.history[:, keys]
        keys = ("valid_loss", "valid_batch_size", "valid_batch_weight")
        batches = [net.history[:, "batches", :, keys] for net in (one, other)]
        assert batches[0] == batches[1]


def test_a_failure_while_held_out_rows_are_scored_is_one_of_that_fit():
    def fit(fails):
        net = ActMLP(max_epochs=3, early_stopping=True, random_state=0)
        net.callbacks = [("breaks", Breaks())] if fails else None
        try:
            return net.fit(X, y)
        except RuntimeError as error:
            return str(error)

    with fused():
        good, bad = Parallel()(delayed(fit)(fails) for fails in (False, True))
    assert len(good.history) == 3
    assert "removed" in bad


class Breaks(Callback):
    """Takes the network's output layer away after an epoch."""

    def on_epoch_end(self, net, **kwargs):
        def forward(x):
            raise RuntimeError("removed")

        net.module_.forward = forward


def test_sparse_rows_that_are_held_out_are_made_dense_little_by_little(monkeypatch):
    def dense(array):
        sizes.append(array.shape)
        return to_tensor(array)

    sizes: list = []
    table = rng.normal(size=(400, 50)) * (rng.random((400, 50)) < 0.1)
    labels = np.arange(400) % 3
    net = ActMLP(max_epochs=2, early_stopping=True, validation_fraction=0.5)
    net.set_params(random_state=0, width=8)
    plain = clone(net).fit(table, labels)
    monkeypatch.setattr("skact.nets.forward.to_tensor", dense)
    monkeypatch.setattr("skact.nets.forward._VALUES_OF_A_LAYER", 50 * 64)
    monkeypatch.setattr("skact.nets.forward._LEAST_ROWS", 1)
    sparse = clone(net).fit(sp.csr_matrix(table), labels)
    assert max(shape[0] for shape in sizes if shape[1:]) == 64
    keys = ("valid_acc", "valid_batch_count")
    assert sparse.history[:, keys] == plain.history[:, keys]
    np.testing.assert_allclose(
        sparse.history[:, "valid_loss"], plain.history[:, "valid_loss"], rtol=1e-9
    )

"""One lane is torch, a lane in a stack is the lane alone, and the engine is skorch.

The equalities on which everything else rests: (a) the engine's closed forms are torch's
autograd and torch.optim; (b) what a network becomes does not depend on its neighbours,
bit for bit; (c) a fit is the same on the engine and on skorch's own loop; (d) a search
is the same, fused or not.
"""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import GradientNormClipping
from skorch.dataset import ValidSplit
from torch import nn
from torch.nn import functional as F

from skact import ActMLP, ActMLPBinary, ActMLPRegressor, fused, list_activations
from skact.engine.batches import Tables, row_order
from skact.engine.jobs import FitJob, GradientClipping, Seeds
from skact.engine.stack import Stack
from skact.engine.train import train
from skact.lr_schedules import SCHEDULES, LRSchedule
from skact.network.mlp import MLP

OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.05),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=0.01),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.8, nesterov=True),
    # eps is not tiny: where a bias has no gradient (before a batch norm), Adam divides
    # rounding errors by it
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.02, eps=1e-4),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, betas=(0.8, 0.95), eps=1e-6),
}


def data(n, d, kind, rng, dtype):
    X = rng.normal(size=(n, d)).astype(dtype)
    if kind == "cross_entropy":
        return X, rng.integers(0, 3, n), 3
    if kind == "bce_with_logits":
        return X, rng.integers(0, 2, n).astype(dtype), 1
    return X, rng.normal(size=(n, 2)).astype(dtype), 2


def make_job(
    *,
    n=43,
    d=4,
    kind="cross_entropy",
    hidden=(5, 6),
    optimizer="momentum",
    dtype="float64",
    seed=0,
    n_epochs=2,
    batch_size=16,
    shuffle=True,
    weights=False,
    data_seed=0,
    lr_schedule=None,
    clipping=None,
    **network,
):
    rng = np.random.default_rng(data_seed)
    X, targets, n_outputs = data(n, d, kind, rng, dtype)
    weight = None
    if weights:
        weight = rng.choice([0.0, 0.5, 1.0, 3.0], n).astype(dtype)
    seeds = Seeds.from_random_state(seed)
    module = MLP(
        d,
        n_outputs,
        hidden=hidden,
        dtype=getattr(torch, dtype),
        seed=seeds.weights,
        **network,
    )
    build = OPTIMIZERS[optimizer] if isinstance(optimizer, str) else optimizer
    return FitJob(
        X=X,
        targets=targets,
        sample_weight=weight,
        seeds=seeds,
        n_epochs=n_epochs,
        first_epoch=0,
        batch_size=batch_size,
        shuffle=shuffle,
        loss=kind,
        module=module,
        optimizer=build(module.parameters()),
        lr_schedule=lr_schedule,
        clipping=clipping,
    )


def losses_of(kind, outputs, targets):
    if kind == "cross_entropy":
        return F.cross_entropy(outputs, targets, reduction="none")
    if kind == "bce_with_logits":
        return F.binary_cross_entropy_with_logits(
            outputs[:, 0], targets, reduction="none"
        )
    return (outputs - targets).square().mean(1)


def train_by_torch(job):
    """Train as anyone would by hand, with autograd and torch.optim."""
    X, targets = torch.from_numpy(job.X), torch.from_numpy(job.targets)
    weight = torch.ones(len(X), dtype=X.dtype)
    if job.sample_weight is not None:
        weight = torch.from_numpy(job.sample_weight)
    size = len(X) if job.batch_size == -1 else job.batch_size
    history = []
    for epoch in range(job.n_epochs):
        job.module.seed_noise(Seeds.of_epoch(job.seeds.noise, epoch))
        order = row_order(len(X), job.seeds.order, epoch)
        total = 0.0
        for rows in order.split(size):
            losses = losses_of(job.loss, job.module(X[rows]), targets[rows])
            tiny = torch.finfo(X.dtype).tiny
            loss = (losses * weight[rows]).sum() / weight[rows].sum().clamp_min(tiny)
            job.optimizer.zero_grad()
            loss.backward()
            if job.clipping is not None:
                nn.utils.clip_grad_norm_(
                    job.module.parameters(),
                    job.clipping.max_norm,
                    job.clipping.norm_type,
                )
            job.optimizer.step()
            total += float(loss.detach()) * float(weight[rows].sum())
        history.append(total / float(weight.sum()))
    return history


def state(job):
    """Everything that training changes: parameters, buffers, the optimizer's state."""
    tensors = dict(job.module.state_dict())
    for name, parameter in job.module.named_parameters():
        for key, value in job.optimizer.state.get(parameter, {}).items():
            if value is not None:
                tensors[f"{name}.{key}"] = torch.as_tensor(value)
    return tensors


def noise_of(module):
    """Where the noise of each layer stands, as a later forward pass would draw it."""
    return [part.noise for part in module.modules() if hasattr(part, "noise")]


def assert_same(job, other, *, atol=None):
    assert noise_of(job.module) == noise_of(other.module)
    ours, theirs = state(job), state(other)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        if atol is None:
            same = torch.equal(value.nan_to_num(77.0), theirs[name].nan_to_num(77.0))
            assert same, name
        else:
            gap = (value.double() - theirs[name].double()).abs().max().item()
            assert gap <= atol, (name, gap)


# ------------------------------------------------------- (a) the engine is torch


@pytest.mark.parametrize("activation", list_activations())
def test_a_lane_is_autograd_and_torch_optim(activation):
    cases = itertools.product(OPTIMIZERS, (None, "batch", "layer"), (0.0, 0.3))
    settings = [
        {"optimizer": o, "norm": norm, "dropout": rate} for o, norm, rate in cases
    ]
    jobs = [make_job(activation=activation, **s) for s in settings]
    outcomes = train(jobs).outcomes
    for job, outcome, s in zip(jobs, outcomes, settings, strict=True):
        by_hand = make_job(activation=activation, **s)
        losses = train_by_torch(by_hand)
        assert_same(job, by_hand, atol=1e-9)
        ours = [record.train_loss for record in outcome.records]
        np.testing.assert_allclose(ours, losses, rtol=0, atol=1e-9, err_msg=str(s))


@pytest.mark.parametrize("kind", ["cross_entropy", "bce_with_logits", "squared_error"])
@pytest.mark.parametrize("output_activation", [None, "sigmoid", "tanh", "softmax"])
@pytest.mark.parametrize("hidden", [(), (7,)])
def test_every_loss_and_output_is_autograd(kind, output_activation, hidden):
    for weights, batch_size in ((False, 16), (True, 10), (True, -1)):
        keywords = {
            "kind": kind,
            "hidden": hidden,
            "output_activation": output_activation,
            "weights": weights,
            "batch_size": batch_size,
        }
        job, by_hand = make_job(**keywords), make_job(**keywords)
        train([job])
        train_by_torch(by_hand)
        assert_same(job, by_hand, atol=1e-9)


@pytest.mark.parametrize("norm_type", [2.0, math.inf])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_clipped_gradients_are_those_of_torch(optimizer, norm_type):
    def build(max_norm):
        return make_job(
            optimizer=optimizer,
            norm="layer",
            activation="prelu",
            clipping=GradientClipping(max_norm, norm_type),
        )

    numbers = [0.01, 0.3, 1e9]
    jobs = [build(number) for number in numbers]
    train(jobs)
    for job, number in zip(jobs, numbers, strict=True):
        by_hand = build(number)
        train_by_torch(by_hand)
        assert_same(job, by_hand, atol=1e-9)


class HandRelu(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        grad = grad.clone()
        grad[x < 0] = 0
        return grad


class Scaled(nn.Module):
    """A module of the user's, learnable."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.5))

    def forward(self, x):
        return torch.tanh(x) * self.scale


def centred(x):
    """A function that is not elementwise: it looks at the other rows."""
    return x - x.mean(0)


def detached(x):
    return (x.detach() > 0).to(x.dtype)


CUSTOM = {
    "autograd.Function": HandRelu,
    "function": torch.sin,
    "lambda": lambda x: x * torch.sigmoid(1.5 * x),
    "in place": lambda x: x.clamp_(min=0.0),
    "over rows": centred,
    "no gradient": detached,
    "learnable": Scaled(),
    "sequence": nn.Sequential(nn.Tanh(), nn.BatchNorm1d(6), nn.PReLU()),
    "prelu of columns": nn.PReLU(6),
    "softmax of rows": nn.Softmax(dim=0),
}


@pytest.mark.parametrize("name", CUSTOM)
def test_what_users_bring_is_differentiated_by_autograd(name):
    keywords = {"activation": CUSTOM[name], "hidden": (6,), "batch_size": 11}
    jobs = [make_job(seed=s, optimizer=o, **keywords) for s in (0, 1) for o in ("sgd",)]
    train(jobs)
    for seed, job in enumerate(jobs):
        by_hand = make_job(seed=seed, optimizer="sgd", **keywords)
        train_by_torch(by_hand)
        assert_same(job, by_hand, atol=1e-9)


def gradient_of(job):
    """Return a differentiable loss of one batch whose gradient is the engine's."""
    stack = Stack([job], Tables())
    for module in stack.modules:
        module.seed_noise(0)
    (steps,) = stack.batches.steps_of_epoch([0], max_steps=1)
    program = stack._program_for(is_last=True)
    ((fetch, calls),) = program.steps

    class Loss(torch.autograd.Function):
        @staticmethod
        def forward(ctx, values):
            with torch.no_grad():
                stack.values[0].copy_(values)
                stack.modules[0].seed_noise(0)
                stack.grads[0].zero_()
                program.load_steps(steps)
                for call in (fetch, *calls):
                    call()
            ctx.save_for_backward(stack.grads[0].clone())
            return program.losses_of_batches(steps).sum()

        @staticmethod
        def backward(ctx, grad):
            return ctx.saved_tensors[0] * grad

    return Loss.apply, stack.values[0].clone().requires_grad_()


SMOOTH = [
    "tanh",
    "sigmoid",
    "gelu",
    "silu",
    "mish",
    "softplus",
    "swish_beta",
    "softmax",
]


@pytest.mark.parametrize("kind", ["cross_entropy", "bce_with_logits", "squared_error"])
@pytest.mark.parametrize("norm", [None, "batch", "layer"])
@pytest.mark.parametrize("activation", SMOOTH)
def test_gradients_are_those_of_finite_differences(kind, norm, activation):
    job = make_job(
        kind=kind,
        norm=norm,
        activation=activation,
        dropout=0.2,
        n=9,
        d=2,
        hidden=(3, 2),
        batch_size=-1,
        weights=True,
    )
    loss, values = gradient_of(job)
    assert torch.autograd.gradcheck(
        loss, (values,), eps=1e-6, atol=1e-6, fast_mode=True
    )


# -------------------------------------------- (b) a lane does not know its neighbours

ACTIVATIONS = [
    *list_activations(),
    "leaky_relu(0.3)",
    ("relu", "tanh"),
    ("prelu", "swish_beta"),
    HandRelu,
    torch.sin,
    Scaled(),
    centred,
]

lanes = st.fixed_dictionaries(
    {
        "activation": st.sampled_from(ACTIVATIONS),
        "seed": st.integers(0, 3),
        "n": st.sampled_from([60, 61, 62]),
        "data_seed": st.integers(0, 1),
        "n_epochs": st.integers(1, 3),
        "weights": st.booleans(),
        "lr": st.sampled_from([0.5, 0.1, 0.01]),
        "decay": st.sampled_from([0.0, 0.1]),
        "rate": st.sampled_from([0.1, 0.5]),
        "schedule": st.sampled_from([None, *SCHEDULES]),
        "warmup": st.sampled_from([None, 0.0, 0.4]),
        "max_norm": st.sampled_from([None, 0.01, 0.3]),
    }
)
groups = st.fixed_dictionaries(
    {
        "d": st.sampled_from([1, 2, 5, 13]),
        "hidden": st.tuples(st.integers(1, 9), st.sampled_from([1, 3, 8, 17])),
        "kind": st.sampled_from(["cross_entropy", "bce_with_logits", "squared_error"]),
        "norm": st.sampled_from([None, "batch", "layer"]),
        "dtype": st.sampled_from(["float32", "float64"]),
        "batch_size": st.sampled_from([7, 16, 20, 59, 60, 61, -1]),
        "dropout": st.booleans(),
        "optimizer": st.sampled_from(["sgd", "nesterov", "adam", "adamw"]),
        "norm_type": st.sampled_from([2.0, math.inf]),
    }
)
BUILDERS = {
    "sgd": lambda p, lr, decay: torch.optim.SGD(
        p, lr=lr, momentum=0.0 if lr == 0.5 else lr, weight_decay=decay
    ),
    "nesterov": lambda p, lr, decay: torch.optim.SGD(
        p, lr=lr, momentum=0.5 + lr / 2, nesterov=True, weight_decay=decay
    ),
    "adam": lambda p, lr, decay: torch.optim.Adam(
        p, lr=lr / 10, betas=(1 - lr, 0.99), eps=1e-6 * lr, weight_decay=decay
    ),
    "adamw": lambda p, lr, decay: torch.optim.AdamW(p, lr=lr / 10, weight_decay=decay),
}


def build_lane(group, lane):
    group, lane = dict(group), dict(lane)
    kind, lr, decay = group.pop("optimizer"), lane.pop("lr"), lane.pop("decay")
    rate, name, warmup = lane.pop("rate"), lane.pop("schedule"), lane.pop("warmup")
    schedule = LRSchedule(name, warmup, lr / 10, 2) if name or warmup else None
    max_norm, norm_type = lane.pop("max_norm"), group.pop("norm_type")
    return make_job(
        lr_schedule=schedule,
        clipping=max_norm and GradientClipping(max_norm, norm_type),
        **{**group, "dropout": rate if group["dropout"] else 0.0},
        **lane,
        optimizer=lambda p: BUILDERS[kind](p, lr, decay),
    )


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(group=groups, members=st.lists(lanes, min_size=2, max_size=5))
def test_a_lane_in_a_stack_is_the_lane_alone_bit_for_bit(group, members):
    fused = [build_lane(group, lane) for lane in members]
    outcomes = train(fused, n_threads=1).outcomes
    for job, outcome, lane in zip(fused, outcomes, members, strict=True):
        alone = build_lane(group, lane)
        (lone,) = train([alone], n_threads=1).outcomes
        assert_same(job, alone)
        assert [r.train_loss for r in outcome.records] == pytest.approx(
            [r.train_loss for r in lone.records], rel=0, abs=0, nan_ok=True
        )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_lanes", [1, 2, 7, 12])
def test_the_number_of_threads_changes_nothing(n_lanes, dtype):
    def build():
        return [
            make_job(
                n=900 + i % 2,
                d=400,
                hidden=(96, 33),  # large enough for threads, also alone
                dtype=dtype,
                batch_size=100,
                seed=i,
                activation=["relu", "tanh", "mish"][i % 3],
                optimizer="adam",
            )
            for i in range(n_lanes)
        ]

    one = build()
    train(one, n_threads=1)
    for n_threads in (2, 3, 4):
        several = build()
        train(several, n_threads=n_threads)
        for job, other in zip(one, several, strict=True):
            assert_same(job, other)


# ------------------------------------------------- (c) the engine is skorch's own loop


def on_skorchs_loop(cls):
    """Return the estimator, made to train by skorch's loop."""

    class OnSkorch(cls):
        def train_step(self, *args, **kwargs):
            return super().train_step(*args, **kwargs)

    return OnSkorch


ESTIMATORS = {ActMLP: 3, ActMLPBinary: 2, ActMLPRegressor: None}


@pytest.mark.parametrize("cls", ESTIMATORS)
@pytest.mark.parametrize(
    "params",
    [
        {"optimizer": "sgd", "dropout": 0.2},
        {"optimizer": "sgd", "dropout": 0.2, "activation": "rrelu", "batch_size": 83},
        {"optimizer": "adam", "norm": "batch", "activation": ("tanh", "rrelu")},
        {"optimizer": "adamw", "weight_decay": 0.1, "norm": "layer", "shuffle": False},
        {"early_stopping": True, "patience": 2, "activation": "prelu"},
        {"train_split": ValidSplit(3), "nesterov": True, "optimizer": "sgd"},
        {"activation": HandRelu, "batch_size": -1, "dropout": 0.5},
        {"activation": nn.Sequential(nn.Tanh(), nn.Dropout(0.3))},
        {"lr_schedule": "one_cycle", "optimizer": "adamw", "weight_decay": 0.1},
        {"lr_schedule": "linear", "warmup": 0.3, "early_stopping": True},
        {"lr_schedule": "cosine", "optimizer": "sgd"},
        {"callbacks": [GradientNormClipping(0.2)], "activation": "prelu"},
        {"callbacks": [GradientNormClipping(0.1, "inf")], "norm": "batch"},
    ],
    ids=lambda params: "-".join(params),
)
def test_a_fit_is_the_same_on_the_engine_and_on_skorchs_loop(cls, params):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(83, 5))
    y = (
        rng.normal(size=83)
        if ESTIMATORS[cls] is None
        else np.arange(83) % ESTIMATORS[cls]
    )
    weight = rng.choice([0.0, 1.0, 2.0], 83)
    params = {"depth": 2, "width": 9, "batch_size": 20, "max_epochs": 5, **params}
    ours = cls(random_state=3, **params).fit(X, y, weight)
    theirs = on_skorchs_loop(cls)(random_state=3, **params).fit(X, y, weight)
    assert "skorch" in theirs.trained_by_
    assert noise_of(ours.module_) == noise_of(theirs.module_)
    for name, value in ours.module_.state_dict().items():
        other = theirs.module_.state_dict()[name]
        torch.testing.assert_close(value, other, rtol=0, atol=1e-8, msg=name)
    assert len(ours.history_) == len(theirs.history_)
    for row, other in zip(ours.history_, theirs.history_, strict=True):
        assert row.keys() == other.keys()
        assert len(row["batches"]) == len(other["batches"])
        for key in set(row) - {"batches", "dur"}:
            assert row[key] == pytest.approx(other[key], abs=1e-8), key


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_one_step_in_float32_is_equal_to_rounding(optimizer):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 5)).astype(np.float32), np.arange(30) % 3
    params = {"batch_size": -1, "max_epochs": 1, "optimizer": optimizer, "lr": 0.01}
    ours = ActMLP(random_state=0, **params).fit(X, y)
    theirs = on_skorchs_loop(ActMLP)(random_state=0, **params).fit(X, y)
    for a, b in zip(
        ours.module_.parameters(), theirs.module_.parameters(), strict=True
    ):
        if optimizer == "sgd":
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)
        else:  # Adam's first step is lr * sign(g): a gradient near 0 may turn
            assert ((a - b).abs() > 1e-4).float().mean() < 0.01


# ------------------------------------------------------ (d) a search does not know it


def assert_same_results(one, other):
    """Every key of cv_results_ is equal, but for the times."""
    assert one.keys() == other.keys()
    for key in one:
        if not key.endswith("_time"):
            np.testing.assert_array_equal(one[key], other[key], err_msg=key)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_search_is_the_same_fused_and_not(n_jobs, iris):
    X, y = iris
    pipe = make_pipeline(StandardScaler(), ActMLP(max_epochs=3, random_state=0))
    grid = {
        "actmlp__activation": ["relu", "tanh", ("prelu",)],
        "actmlp__lr": [0.1, 0.001],
        "actmlp__lr_schedule": [None, "cosine"],
        "actmlp__width": [4, 9],
        "actmlp__dropout": [0.0, 0.2],
    }
    options = {"cv": 3, "return_train_score": True, "n_jobs": n_jobs}
    plain = GridSearchCV(pipe, grid, **options).fit(X, y)
    with fused() as session:
        together = GridSearchCV(pipe, grid, **options).fit(X, y)
    assert session.report.n_fused == 3 * 2 * 2 * 2 * 2 * 3
    assert len(session.report.stacks) == 2 * 2
    assert_same_results(plain.cv_results_, together.cv_results_)
    assert plain.best_params_ == together.best_params_
    ours, theirs = plain.best_estimator_[-1], together.best_estimator_[-1]
    pairs = zip(ours.module_.parameters(), theirs.module_.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    np.testing.assert_array_equal(plain.predict_proba(X), together.predict_proba(X))

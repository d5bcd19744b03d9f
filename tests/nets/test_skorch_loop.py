"""skorch's loop trains as a loop written by hand, and does so where it must."""

import numpy as np
import pytest
import torch
from skorch.callbacks import (
    BatchScoring,
    Callback,
    EpochScoring,
    Freezer,
    LRScheduler,
)
from torch import nn

from skact import ActMLP, ActMLPBinary, ActMLPRegressor
from skact.engine.jobs import Seeds

X = np.random.default_rng(0).normal(size=(83, 5))
y = np.array(["setosa", "versicolor", "virginica"])[np.arange(83) % 3]

bce = nn.functional.binary_cross_entropy_with_logits

OPTIMIZERS = {
    "sgd": (
        {"optimizer": "sgd", "lr": 0.05, "momentum": 0.8, "weight_decay": 0.01},
        lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.8, weight_decay=0.01),
    ),
    "nesterov": (
        {"optimizer": "sgd", "lr": 0.05, "nesterov": True},
        lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
    ),
    "adam": (
        {"optimizer": "adam", "optimizer__betas": (0.8, 0.99), "weight_decay": 0.01},
        lambda p: torch.optim.Adam(p, lr=0.002, betas=(0.8, 0.99), weight_decay=0.01),
    ),
    "adamw": (
        {"optimizer": "adamw", "weight_decay": 0.1},
        lambda p: torch.optim.AdamW(p, lr=0.002, weight_decay=0.1),
    ),
    "adamw without decay": (
        {"optimizer": "adamw"},
        lambda p: torch.optim.AdamW(p, lr=0.002, weight_decay=0),
    ),
    "a class": (
        {
            "optimizer": torch.optim.RMSprop,
            "optimizer__alpha": 0.9,
            "weight_decay": 0.01,
        },
        lambda p: torch.optim.RMSprop(p, lr=0.002, alpha=0.9, weight_decay=0.01),
    ),
    "SGD as a class": (
        {"optimizer": torch.optim.SGD, "lr": 0.05, "optimizer__momentum": 0.95},
        lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.95),
    ),
}
LOSSES = {
    ActMLP: lambda out, y, w: (
        w * nn.functional.cross_entropy(out, y, reduction="none")
    ).sum() / w.sum(),
    ActMLPBinary: lambda out, y, w: (
        w * bce(out[:, 0], y.double(), reduction="none")
    ).sum() / w.sum(),
    ActMLPRegressor: lambda out, y, w: (w * (out[:, 0] - y) ** 2).sum() / w.sum(),
}  # fmt: skip


def train_by_hand(net, make_optimizer, X, y, w):
    """A plain torch loop from the net's own initial weights and batches."""
    module = net.initialize(X, y).module_
    optimizer = make_optimizer(module.parameters())
    X, y, w = (torch.from_numpy(np.asarray(array)) for array in (X, y, w))
    for epoch in range(net.max_epochs):
        generator = torch.Generator().manual_seed(
            Seeds.of_epoch(net.seeds_.order, epoch)
        )
        module.seed_noise(Seeds.of_epoch(net.seeds_.noise, epoch))
        for rows in torch.randperm(len(X), generator=generator).split(net.batch_size):
            optimizer.zero_grad()
            LOSSES[type(net)](module(X[rows]), y[rows], w[rows]).backward()
            optimizer.step()
    return module


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("kind", LOSSES)
def test_a_fit_is_the_loop_one_would_write(kind, optimizer, iris):
    X, y = iris
    X, y = X[y < 2], y[y < 2]
    w = np.random.default_rng(0).uniform(0, 2, len(X))
    params, make_optimizer = OPTIMIZERS[optimizer]
    options = {
        "max_epochs": 3,
        "batch_size": 30,
        "dropout": 0.2,
        "norm": "batch",
        "depth": 2,
    }
    by_hand = train_by_hand(
        kind(random_state=0, **options, **params), make_optimizer, X, y * 1, w
    )
    net = kind(random_state=0, **options, **params).fit(X, y, sample_weight=w)
    for ours, theirs in zip(
        net.module_.parameters(), by_hand.parameters(), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_nll_loss_takes_probabilities_as_in_skorch(iris):
    X, y = iris
    options = {"max_epochs": 5, "random_state": 0, "depth": 0}
    nll = ActMLP(criterion=nn.NLLLoss, output_activation="softmax", **options).fit(X, y)
    cross_entropy = ActMLP(**options).fit(X, y)
    np.testing.assert_allclose(
        nll.predict_proba(X), cross_entropy.predict_proba(X), atol=1e-6
    )


def test_a_rate_scheduled_by_batches_trains_by_skorchs_loop(fit):
    cyclic = LRScheduler(
        "CyclicLR", base_lr=0.01, max_lr=0.1, step_every="batch", step_size_up=3
    )
    net = fit([("lr_scheduler", cyclic)])
    why = "skorch's loop, because the callback 'lr_scheduler' works batch by batch"
    assert net.trained_by_ == why
    assert len(set(net.history[-1, "batches", :, "event_lr"])) > 1


@pytest.mark.parametrize("kind", [EpochScoring, BatchScoring])
def test_scores_of_training_batches_are_for_skorchs_loop(kind, fit):
    net = fit([("acc", kind("accuracy", name="acc", on_train=True))])
    why = "skorch's loop, because the callback 'acc' works batch by batch"
    assert net.trained_by_ == why
    assert 0 < net.history[-1, "acc"] <= 1


def test_a_batch_hook_set_on_an_instance_is_called(fit):
    seen = []
    callback = Callback()
    callback.on_batch_end = lambda net, **kwargs: seen.append(net.module_.training)
    assert "works batch by batch" in fit([callback]).trained_by_
    assert len(seen) == 4 * 5


def test_a_freezer_trains_by_skorchs_loop_and_freezes(fit, net_params):
    net = fit([("freezer", Freezer("output.*"))])
    assert net.trained_by_ == (
        "skorch's loop, because the callback 'freezer' freezes parameters"
    )
    start = ActMLP(**net_params).initialize(X, y).module_.output.weight
    assert torch.equal(net.module_.output.weight, start)


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
def test_what_a_callback_prepares_for_training_is_for_skorchs_loop(
    change, at, assert_same, fit, net_params, on_skorch
):
    callbacks = [at("on_train_begin", change)]
    net = fit(callbacks)
    assert net.trained_by_.startswith("skorch's loop, because ")
    theirs = on_skorch(callbacks=callbacks, **net_params).fit(X, y)
    assert_same(net, theirs)

"""skorch's loop trains what a loop written by hand trains."""

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from skorch.dataset import ValidSplit
from torch import nn

from skact import ActMLP, ActMLPBinary, ActMLPRegressor, DivergedError
from skact.engine.jobs import Seeds

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
        lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.99), weight_decay=0.01),
    ),
    "adamw": (
        {"optimizer": "adamw", "weight_decay": 0.1},
        lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1),
    ),
    "adamw without decay": (
        {"optimizer": "adamw"},
        lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0),
    ),
    "a class": (
        {
            "optimizer": torch.optim.RMSprop,
            "optimizer__alpha": 0.9,
            "weight_decay": 0.01,
        },
        lambda p: torch.optim.RMSprop(p, lr=0.01, alpha=0.9, weight_decay=0.01),
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


def test_the_recorded_loss_is_the_mean_over_the_rows(iris):
    X, y = iris
    net = ActMLP(max_epochs=1, random_state=0, lr=1e-30, batch_size=40).fit(X, y)
    start = ActMLP(random_state=0).initialize(X, y)
    expected = nn.functional.cross_entropy(start.forward(X), torch.from_numpy(y)).item()
    assert net.history[-1, "train_loss"] == pytest.approx(expected)


def test_weights_of_a_criterion_count_as_torchs_mean_counts_them(iris):
    X, y = iris
    weight = torch.tensor([1.0, 2.0, 5.0])
    options = {"max_epochs": 1, "random_state": 0, "lr": 1e-30, "batch_size": -1}
    net = ActMLP(**options, criterion__weight=weight).fit(X, y)
    logits = ActMLP(random_state=0).initialize(X, y).forward(X)
    expected = nn.CrossEntropyLoss(weight=weight.double())(logits, torch.from_numpy(y))
    assert net.history[-1, "train_loss"] == pytest.approx(expected.item())


def test_the_loss_of_an_epoch_is_weighted_over_batches_too(iris):
    X, y = iris
    weight = np.where(np.arange(150) < 50, 1.0, 0.01)
    split = ValidSplit(5, stratified=True)
    options = {"max_epochs": 1, "lr": 1e-30, "shuffle": False, "random_state": 0}
    recorded = [
        ActMLP(train_split=split, batch_size=size, **options)
        .fit(X, y, sample_weight=weight)
        .history[-1, ("train_loss", "valid_loss")]
        for size in (10, 50, -1)
    ]
    np.testing.assert_allclose(recorded[0], recorded[2])
    np.testing.assert_allclose(recorded[1], recorded[2])
    logits = ActMLP(random_state=0).initialize(X, y).forward(X)
    losses = nn.functional.cross_entropy(logits, torch.from_numpy(y), reduction="none")
    train, valid = next(split.check_cv(y).split(X, y))
    expected = [
        np.average(losses[rows], weights=weight[rows]) for rows in (train, valid)
    ]
    np.testing.assert_allclose(recorded[2], expected)


def test_labels_that_the_criterion_ignores_do_not_count(iris):
    X, y = iris
    options = {"max_epochs": 1, "random_state": 0, "lr": 1e-30, "batch_size": -1}
    net = ActMLP(**options, criterion__ignore_index=1).fit(X, y)
    logits = ActMLP(random_state=0).initialize(X, y).forward(X)
    expected = nn.CrossEntropyLoss(ignore_index=1)(logits, torch.from_numpy(y))
    assert net.history[-1, "train_loss"] == pytest.approx(expected.item())


def test_weights_in_a_binary_criterion_are_not_class_weights(cancer):
    X, y = cancer
    options = {"max_epochs": 1, "random_state": 0, "lr": 1e-30, "batch_size": -1}
    pos_weight = torch.tensor(3.0)
    net = ActMLPBinary(**options, criterion__pos_weight=pos_weight).fit(X, y)
    logits = ActMLPBinary(random_state=0).initialize(X, y).forward(X)
    loss = nn.BCEWithLogitsLoss(pos_weight=pos_weight.double())
    expected = loss(logits, torch.from_numpy(y).double())
    assert net.history[-1, "train_loss"] == pytest.approx(expected.item())


def test_a_criterion_instance_is_copied_and_rebuilt_for_parameters_as_in_skorch(iris):
    mine = nn.CrossEntropyLoss()
    net = ActMLP(criterion=mine, max_epochs=1).fit(*iris)
    assert (mine.reduction, net.criterion_.reduction) == ("mean", "none")
    rebuilt = ActMLP(criterion=mine, criterion__label_smoothing=0.2, max_epochs=1)
    assert rebuilt.fit(*iris).criterion_.label_smoothing == 0.2


def test_a_criterion_that_averages_by_itself_works_but_takes_no_weights(iris):
    class MeanMargin(nn.Module):
        def forward(self, logits, y):
            return nn.functional.multi_margin_loss(logits, y)

    X, y = iris
    net = ActMLP(criterion=MeanMargin, max_epochs=10, random_state=0)
    assert net.fit(X, y).score(X, y) > 0.8
    with pytest.raises(ValueError, match="returns one value for the whole batch"):
        net.fit(X, y, sample_weight=np.ones(len(X)))


def test_nll_loss_takes_probabilities_as_in_skorch(iris):
    X, y = iris
    options = {"max_epochs": 5, "random_state": 0, "depth": 0}
    nll = ActMLP(criterion=nn.NLLLoss, output_activation="softmax", **options).fit(X, y)
    cross_entropy = ActMLP(**options).fit(X, y)
    np.testing.assert_allclose(
        nll.predict_proba(X), cross_entropy.predict_proba(X), atol=1e-6
    )


@pytest.mark.parametrize(("lr", "epochs"), [(1e3, 50), (1e200, 1)])
def test_a_fit_that_diverges_says_when_and_what_to_try(lr, epochs, diabetes):
    X, y = diabetes
    net = ActMLPRegressor(optimizer="sgd", lr=lr, max_epochs=epochs, random_state=0)
    with pytest.raises(DivergedError, match="Try a smaller lr, for example") as caught:
        net.fit(X, y)
    assert caught.value.epoch == len(net.history)
    assert f"in epoch {caught.value.epoch} (lr={lr}" in str(caught.value)


def test_a_loss_that_is_nan_from_the_start_does_not_blame_the_rate(iris):
    net = ActMLP(torch.log, max_epochs=2, init="torch", random_state=0)
    with pytest.raises(DivergedError, match="No step was taken yet") as caught:
        net.fit(*iris)
    assert caught.value.epoch == 1


def test_a_net_that_diverged_does_not_answer_and_starts_afresh(diabetes):
    X, y = diabetes
    net = ActMLPRegressor(optimizer="sgd", lr=1e3, warm_start=True, random_state=0)
    with pytest.raises(DivergedError):
        net.fit(X, y)
    assert len(net.history) >= 1  # up to the failure
    with pytest.raises(NotFittedError):
        net.predict(X)
    assert np.isfinite(net.set_params(lr=0.001).fit(X, y).predict(X)).all()


def test_weights_that_overflow_in_the_very_last_step_are_found(diabetes):
    X, y = diabetes
    net = ActMLPRegressor(
        optimizer="sgd",
        lr=1e307,
        max_epochs=1,
        batch_size=-1,
        random_state=0,
        dropout=0.1,
    )
    with pytest.raises(
        DivergedError, match="the weights became NaN or infinite in epoch 1"
    ):
        net.fit(X * 1e3, y)


def test_diverged_errors_come_home_from_a_worker():
    import pickle

    error = pickle.loads(pickle.dumps(DivergedError("why", epoch=7)))
    assert (str(error), error.epoch) == ("why", 7)

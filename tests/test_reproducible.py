"""random_state decides everything, and nothing else is touched."""

import copy
import pickle
import random

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_predict
from skorch.dataset import ValidSplit
from torch import nn
from torch.utils.data import DataLoader, WeightedRandomSampler

from skact import (
    ActMLP,
    ActMLPBinary,
    ActMLPRegressor,
    register_activation,
    unregister_activation,
)

NETS = [ActMLP, ActMLPBinary, ActMLPRegressor]
# all that is drawn at random: weights, order, masks, slopes, held-out rows
NOISY = {"activation": "rrelu", "dropout": 0.3, "early_stopping": True, "max_epochs": 4}


def weights(net):
    return torch.cat([p.detach().flatten() for p in net.module_.parameters()]).numpy()


def two_classes(data):
    X, y = data
    return X[y < 2], y[y < 2]


@pytest.mark.parametrize("kind", NETS)
def test_the_same_int_gives_the_same_network_whatever_ran_before(kind, digits):
    X, y = two_classes(digits)
    first = kind(**NOISY, random_state=3).fit(X, y)
    kind(random_state=8).fit(X, y)
    torch.rand(17)
    np.testing.assert_array_equal(
        weights(first), weights(kind(**NOISY, random_state=3).fit(X, y))
    )
    assert not np.array_equal(
        weights(first), weights(kind(**NOISY, random_state=4).fit(X, y))
    )


def test_a_second_fit_of_the_same_net_starts_afresh(digits):
    net = ActMLP(**NOISY, random_state=3).fit(*digits)
    first = weights(net)
    np.testing.assert_array_equal(first, weights(net.fit(*digits)))


@pytest.mark.parametrize("kind", NETS)
def test_no_global_generator_is_touched(kind, digits):
    X, y = two_classes(digits)

    def state():
        legacy = np.random.get_state()  # noqa: NPY002
        return (
            torch.get_rng_state().tolist(),
            legacy[1].tolist(),
            legacy[2],
            random.getstate(),
        )

    before = state()
    for random_state in (0, None):
        net = kind(**NOISY, norm="batch", random_state=random_state).fit(X, y)
        net.partial_fit(X, y)
        net.predict(X)
        net.forward(X, training=True)
    assert state() == before


class Noise(nn.Module):
    def __init__(self):
        super().__init__()
        self.shift = nn.Parameter(torch.randn(()))

    def forward(self, x):
        noise = torch.randn_like(x) if self.training else 0
        return torch.relu(x + self.shift + noise)


@pytest.mark.parametrize(
    "activation",
    [Noise, nn.Sequential(nn.ReLU(), nn.Dropout(0.3)), "noise"],
    ids=["class", "sequence", "registered"],
)
def test_parts_of_the_users_own_may_draw_at_random_and_are_seeded_too(
    activation, digits
):
    register_activation("noise", Noise)
    try:
        before = torch.get_rng_state()
        first = ActMLP(activation, random_state=0, max_epochs=2).fit(*digits)
        assert torch.equal(before, torch.get_rng_state())
        with torch.random.fork_rng():
            torch.rand(3)
            second = ActMLP(activation, random_state=0, max_epochs=2).fit(*digits)
        other = ActMLP(activation, random_state=1, max_epochs=2).fit(*digits)
    finally:
        unregister_activation("noise")
    np.testing.assert_array_equal(weights(first), weights(second))
    assert not np.array_equal(weights(first), weights(other))


def test_what_users_bring_moves_no_global_generator_and_follows_the_seed(digits):
    class Drawing(nn.Module):  # a loss that draws when it is built
        def __init__(self):
            super().__init__()
            self.scale = torch.rand(())

        def forward(self, logits, y):
            return self.scale * nn.functional.cross_entropy(logits, y, reduction="none")

    class Loader(DataLoader):
        pass

    sampler = WeightedRandomSampler(torch.ones(300), 300)
    before = torch.get_rng_state().tolist(), np.random.get_state()[1].tolist()  # noqa: NPY002
    for params in (
        {"train_split": ValidSplit(0.2)},
        {"criterion": Drawing},
        {"iterator_train": Loader},
        {"iterator_train__sampler": sampler},
        {"activation": lambda x: torch.relu(x + torch.randn_like(x))},
    ):
        first, second, other = (
            ActMLP(**params, max_epochs=2, random_state=seed).fit(*digits)
            for seed in (0, 0, 1)
        )
        np.testing.assert_array_equal(weights(first), weights(second))
        assert not np.array_equal(weights(first), weights(other))
        np.testing.assert_array_equal(
            first.predict_proba(digits[0]), second.predict_proba(digits[0])
        )
        after = torch.get_rng_state().tolist(), np.random.get_state()[1].tolist()  # noqa: NPY002
        assert before == after, params
    start = ActMLP(dropout=0.5).initialize(*digits)
    start.forward(digits[0], training=True)
    assert before[0] == torch.get_rng_state().tolist()


def test_threads_that_fit_users_modules_leave_the_generator_as_it_was(digits):
    before = torch.get_rng_state()
    fit = joblib.delayed(
        lambda seed: ActMLP(Noise, max_epochs=2, random_state=seed).fit(*digits)
    )
    nets = joblib.Parallel(n_jobs=4, prefer="threads")(
        fit(seed % 2) for seed in range(6)
    )
    assert torch.equal(before, torch.get_rng_state())
    np.testing.assert_array_equal(weights(nets[0]), weights(nets[4]))


@pytest.mark.parametrize("spelling", ["shuffle", "iterator_train__shuffle"])
def test_the_order_follows_the_seed_however_shuffling_is_spelt(spelling, digits):
    first, second, other = (
        ActMLP(**{spelling: True}, max_epochs=2, random_state=seed).fit(*digits)
        for seed in (0, 0, 1)
    )
    plain = ActMLP(max_epochs=2, random_state=0).fit(*digits)
    np.testing.assert_array_equal(weights(first), weights(second))
    np.testing.assert_array_equal(weights(first), weights(plain))
    assert not np.array_equal(weights(first), weights(other))


def test_each_kind_of_chance_is_there(digits):
    X, y = digits
    plain = ActMLP(random_state=0, max_epochs=2)
    base = weights(clone(plain).fit(X, y))
    for change in (
        {"dropout": 0.5},
        {"activation": "rrelu(0.1, 0.9)"},
        {"shuffle": False},
    ):
        assert not np.array_equal(
            base, weights(clone(plain).set_params(**change).fit(X, y))
        )


def test_epochs_come_in_a_new_order_each(digits):
    X, y = digits
    seen = []

    class Spy(ActMLP):
        def on_batch_begin(self, net, batch=None, training=False, **params):
            super().on_batch_begin(net, batch=batch, training=training, **params)
            seen.append(batch[1].clone())

    Spy(random_state=0, max_epochs=2, batch_size=-1).fit(X, y)
    first, second = seen
    assert not torch.equal(first, second)
    assert torch.equal(first.sort().values, second.sort().values)


def test_epochs_are_the_same_in_one_fit_and_in_many_partial_fits(digits):
    X, y = digits
    options = {"activation": "rrelu", "dropout": 0.3, "random_state": 5}
    whole = ActMLP(**options, max_epochs=4).fit(X, y)
    parts = ActMLP(**options, max_epochs=1)
    for _ in range(4):
        parts.partial_fit(X, y)
    np.testing.assert_array_equal(weights(whole), weights(parts))
    assert [row["epoch"] for row in parts.history] == [1, 2, 3, 4]


def test_users_random_modules_draw_epoch_by_epoch_too(digits):
    whole = ActMLP(Noise, max_epochs=3, random_state=5).fit(*digits)
    parts = ActMLP(Noise, max_epochs=1, random_state=5)
    for _ in range(3):
        parts.partial_fit(*digits)
    np.testing.assert_array_equal(weights(whole), weights(parts))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_number_of_processes_and_threads_changes_no_bit(dtype, digits):
    # MKL rounds float32 products otherwise on two threads than on one, as workers have
    X, y = digits
    grid = {"activation": ["relu", "rrelu"], "dropout": [0.0, 0.3]}
    net = ActMLP(width=200, dtype=dtype, random_state=0, max_epochs=3)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        alone = GridSearchCV(net, grid, cv=2, scoring="neg_log_loss").fit(X, y)
    finally:
        torch.set_num_threads(threads)
    processes = GridSearchCV(net, grid, cv=2, scoring="neg_log_loss", n_jobs=2).fit(
        X, y
    )
    for key, values in alone.cv_results_.items():
        if "time" not in key and key != "params":
            np.testing.assert_array_equal(
                values, processes.cv_results_[key], err_msg=key
            )
    np.testing.assert_array_equal(
        weights(alone.best_estimator_), weights(processes.best_estimator_)
    )


def test_processes_give_the_nets_that_one_process_gives(digits):
    X, y = digits
    fit = joblib.delayed(lambda seed: ActMLP(**NOISY, random_state=seed).fit(X, y))
    there = joblib.Parallel(n_jobs=2)(fit(seed) for seed in range(2))
    for seed, net in enumerate(there):
        here = ActMLP(**NOISY, random_state=seed).fit(X, y)
        np.testing.assert_array_equal(weights(net), weights(here))
        np.testing.assert_array_equal(net.predict_proba(X), here.predict_proba(X))


def test_a_fit_leaves_the_number_of_threads_as_it_was(digits):
    before = torch.get_num_threads()
    ActMLP(max_epochs=1).fit(*digits).predict(digits[0])
    assert torch.get_num_threads() == before


def test_none_gives_another_network_each_time(digits):
    first, second = (ActMLP(max_epochs=1).fit(*digits) for _ in range(2))
    assert not np.array_equal(weights(first), weights(second))


@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize("fitted", [False, True])
def test_copies_of_every_kind_are_equal_and_train_on_alike(
    kind, fitted, digits, tmp_path
):
    X, y = two_classes(digits)
    net = kind(activation=nn.PReLU(), dropout=0.2, max_epochs=2, random_state=0)
    if fitted:
        net.fit(X, y)
    joblib.dump(net, tmp_path / "net.joblib")
    copies = [
        copy.deepcopy(net),
        pickle.loads(pickle.dumps(net)),
        joblib.load(tmp_path / "net.joblib"),
    ]
    expected = clone(net).fit(X, y) if not fitted else net
    for other in copies:
        if not fitted:
            other.fit(X, y)
        np.testing.assert_array_equal(other.predict(X), expected.predict(X))
    expected.partial_fit(X, y)
    for other in copies:
        np.testing.assert_array_equal(
            weights(other.partial_fit(X, y)), weights(expected)
        )


@pytest.mark.parametrize("kind", NETS)
def test_a_clone_is_unfitted_and_has_the_same_parameters(kind, digits):
    X, y = two_classes(digits)
    net = kind(activation=nn.Tanh(), max_epochs=1, optimizer__eps=1e-6).fit(X, y)
    other = clone(net)
    assert not other.__sklearn_is_fitted__()
    assert not hasattr(other, "module_")
    assert repr(other) == repr(net)
    assert other.activation is not net.activation
    assert other.get_params()["optimizer__eps"] == 1e-6


def test_cross_val_predict_is_the_same_alone_and_in_processes(digits):
    X, y = digits
    net = ActMLP(random_state=0, max_epochs=2)
    np.testing.assert_array_equal(
        cross_val_predict(net, X, y, cv=2, method="predict_proba"),
        cross_val_predict(net, X, y, cv=2, method="predict_proba", n_jobs=2),
    )

"""Fits have one name exactly if they give the same numbers, however long they are."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skorch.callbacks import GradientNormClipping, LRScheduler

from skact import ActMLP, ActMLPRegressor
from skact.resuming import fit_name
from skact.resuming.fit_name import FitNames, reason_without_name

CHANGES = {
    "activation": "tanh",
    "output_activation": "tanh",
    "width": 9,
    "depth": 2,
    "init": "auto",
    "dropout": 0.1,
    "norm": "layer",
    "lr": 0.02,
    "weight_decay": 0.01,
    "optimizer": "sgd",
    "optimizer__betas": (0.8, 0.999),
    "batch_size": 30,
    "shuffle": False,
    "random_state": 1,
    "class_weight": "balanced",
    "dtype": "float64",
    "lr_schedule": "linear",
    "warmup": 0.1,
    "early_stopping": True,
    "callbacks": [GradientNormClipping(1.0)],
}
AGAIN = {  # of those that early stopping, a schedule or clipping has
    "early_stopping": {"patience": 3, "validation_fraction": 0.2},
    "lr_schedule": {"lr_schedule": "cosine", "warmup": 0.3, "max_epochs": 7},
    "norm": {"norm": "batch"},
    "activation": {"activation": "leaky_relu(0.2)"},
}


@pytest.fixture
def name_of(fits):
    def name(data=None, **params):
        X, y = fits.data_of("adam") if data is None else data
        return FitNames().name_of(fits.job_of(fits.net_of("adam", **params), X, y))

    return name


def test_the_same_fit_has_the_same_name(kind, fits):
    X, y = fits.data_of(kind)
    jobs = [fits.job_of(fits.net_of(kind), X.copy(), y) for _ in range(2)]
    assert reason_without_name(jobs[0]) is None
    names = FitNames()
    one, other = map(names.name_of, jobs)
    assert one == other == FitNames().name_of(jobs[0])
    assert len(one) == 40


def test_each_parameter_that_changes_numbers_changes_the_name(name_of):
    names = {"nothing": name_of()}
    for parameter, value in CHANGES.items():
        names[parameter] = name_of(**{parameter: value})
        for other, another in AGAIN.get(parameter, {}).items():
            changed = {parameter: value, other: another}
            names[f"{parameter}, {other}"] = name_of(**changed)
    assert len(set(names.values())) == len(names)


def test_rows_and_targets_and_weights_are_part_of_the_name(fits, name_of):
    X, y = fits.data_of("adam")
    other_X, other_y = X.copy(), y.copy()
    other_X[7, 3] += 1e-6
    other_y[[0, 1]] = other_y[[1, 0]]
    names = [name_of((X, y)), name_of((other_X, y)), name_of((X, other_y))]
    for weights in (np.ones(90), np.arange(90.0) + 1):
        job = fits.job_of(fits.net_of("adam"), X, y, sample_weight=weights)
        names.append(FitNames().name_of(job))
    names.append(name_of((X[::-1].copy(), y)))
    assert len(set(names)) == len(names)


def test_the_number_of_epochs_is_none_of_the_name_unless_a_schedule_ends(name_of):
    assert name_of(max_epochs=3) == name_of(max_epochs=30)
    for name in ("cosine", "linear", "one_cycle", "exponential"):
        short, long = (name_of(lr_schedule=name, max_epochs=n) for n in (3, 30))
        assert short != long
    short, long = (
        name_of(callbacks=[LRScheduler("CosineAnnealingLR", T_max=9)], max_epochs=n)
        for n in (3, 30)
    )
    assert short != long


def test_a_fit_that_trains_on_has_a_name_of_its_own(fits):
    X, y = fits.data_of("adam")
    net = fits.net_of("adam").fit(X, y)
    first = FitNames().name_of(fits.job_of(fits.net_of("adam"), X, y))
    on = FitNames().name_of(fits.job_of(net, X, y, method="partial_fit"))
    assert first != on


def test_equal_rows_are_hashed_once(fits, monkeypatch):
    X, y = fits.data_of("adam")
    hashed = []
    monkeypatch.setattr(
        fit_name, "_arrays_of", lambda array: hashed.append(array.shape) or [array]
    )
    names = FitNames()
    for _ in range(3):
        names.name_of(fits.job_of(fits.net_of("adam"), X.copy(), y.copy()))
    assert sorted(hashed) == [(90,), (90, 5)]


def test_another_version_of_torch_or_of_the_arithmetic_finds_nothing(
    name_of, monkeypatch
):
    names = [name_of()]
    monkeypatch.setattr(fit_name, "ARITHMETIC", -1)
    names.append(name_of())
    monkeypatch.setattr(torch, "__version__", "9.9")
    names.append(name_of())
    assert len(set(names)) == 3


def test_what_cannot_be_named_says_why(fits):
    X, y = fits.data_of("adam")
    reasons = [
        reason_without_name(fits.job_of(net, X, y))
        for net in (
            ActMLP(max_epochs=2),
            ActMLP(lambda x: x.relu(), random_state=0),
            ActMLP(verbose=1, random_state=0),
            ActMLP(random_state=np.random.RandomState(0)),
        )
    ]
    expected = ["random_state=None", "the user's own code", "callbacks run", None]
    for reason, words in zip(reasons, expected, strict=True):
        assert words is None if reason is None else words in reason


PARAMS = st.fixed_dictionaries(
    {
        "lr": st.sampled_from([0.01, 0.1]),
        "width": st.sampled_from([3, 8]),
        "activation": st.sampled_from(["relu", "tanh", "elu(0.5)", "elu"]),
        "optimizer": st.sampled_from(["sgd", "adam"]),
        "batch_size": st.sampled_from([20, -1]),
        "random_state": st.sampled_from([0, 1]),
    }
)


@settings(max_examples=40)
@given(PARAMS, PARAMS, st.integers(1, 9), st.integers(1, 9))
def test_names_are_equal_exactly_if_the_parameters_are(fits, one, other, n, m):
    X, y = fits.data_of("adam")
    names = [
        FitNames().name_of(
            fits.job_of(fits.net_of("adam", **params, max_epochs=epochs), X, y)
        )
        for params, epochs in ((one, n), (other, m))
    ]
    assert (names[0] == names[1]) is (one == other)


# Losses of the last of five epochs, on rows that no generator draws. Whoever changes
# them changes the arithmetic: then `ARITHMETIC` must be increased, so that checkpoints
# of before are not continued, and these numbers written anew.
GOLDEN_ARITHMETIC = 1
GOLDEN = [
    ({}, 2.2296487305193677),
    ({"dropout": 0.25}, 2.644227547526397),
    ({"activation": "rrelu"}, 2.2728771762383047),
    ({"norm": "batch", "optimizer": "adamw"}, 2.2775172836144093),
    ({"optimizer": "sgd", "momentum": 0.9, "lr": 0.01}, 0.2584744762255421),
    ({"depth": 3, "activation": "mish", "init": "torch"}, 1.285984520206007),
    ({"lr_schedule": "cosine", "warmup": 0.2}, 3.004418686862705),
    ({"early_stopping": True, "norm": "layer"}, 1.9126967764224512),
]


def golden_loss(options):
    i = np.arange(60.0)
    X = np.stack([np.sin(i), np.cos(3 * i), (i % 7) / 7], axis=1)
    y = X @ [1.0, -2.0, 0.5]
    settings = {"width": 8, "batch_size": 16, "max_epochs": 5, "random_state": 0}
    settings |= {"lr": 0.01, "init": "auto"}
    net = ActMLPRegressor(**{**settings, "dtype": "float64", **options})
    return net.fit(X, y).history_[-1, "train_loss"]


@pytest.mark.parametrize(("options", "loss"), GOLDEN)
def test_the_version_of_the_arithmetic_is_that_of_the_code(options, loss):
    assert golden_loss(options) == pytest.approx(loss, rel=1e-9), (
        "the arithmetic has changed: increase skact.resuming.fit_name.ARITHMETIC"
    )
    assert fit_name.ARITHMETIC == GOLDEN_ARITHMETIC

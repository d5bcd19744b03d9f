"""A number of any spelling trains as the same number of Python does."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from skact import ActMLP
from skact.parameters.plain_numbers import (
    plain_number,
    plain_optimizer_options,
    plain_options,
)

OPTIM = torch.optim
HALF = Fraction(1, 2)
X, Y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.int8(70), 70),
        (np.uint8(200), 200),
        (np.float16(0.5), 0.5),
        (np.longdouble(0.5), 0.5),
        (np.float64(0.5), 0.5),
        (HALF, 0.5),
        (True, True),
        (3, 3),
    ],
    ids=repr,
)
def test_a_number_becomes_pythons_own(value, plain):
    assert plain_number(value) == plain
    assert type(plain_number(value)) is type(plain)


@pytest.mark.parametrize("value", ["1", None, np.bool_(True), [HALF], 1j])
def test_what_is_no_number_stays(value):
    assert plain_number(value) is value


def test_tuples_and_tensors_of_an_optimizer_become_numbers_where_a_step_needs_them():
    lr, one = torch.tensor(0.1), torch.tensor([0.5])
    weights = [torch.zeros(2)]
    given = {"params": weights, "lr": lr, "eps": one, "betas": np.array([0.5, 0.9])}
    plain = plain_optimizer_options(given)
    assert plain["params"] is weights
    assert plain["lr"] is lr
    assert plain_optimizer_options({"max_eval": np.array(3)}) == {"max_eval": 3}
    assert (plain["eps"], plain["betas"]) == (0.5, (0.5, 0.9))
    assert plain_options({"a": HALF, "b": [HALF]}) == {"a": 0.5, "b": [HALF]}


def fitted(**params):
    with_defaults = {"max_epochs": 2, "width": 4, "random_state": 0, **params}
    return ActMLP(**with_defaults).fit(X, Y)


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        *(
            (
                {"max_epochs": np.int8(70), "lr_schedule": schedule},
                {"max_epochs": 70, "lr_schedule": schedule},
            )
            for schedule in ("cosine", "one_cycle", "linear", "exponential")
        ),
        (
            {"max_epochs": np.int8(70), "warmup": np.float16(0.5)},
            {"max_epochs": 70, "warmup": 0.5},
        ),
        ({"dropout": np.float16(0.5)}, {"dropout": 0.5}),
        ({"dropout": HALF}, {"dropout": 0.5}),
        *(
            ({"optimizer": kind, name: value}, {"optimizer": kind, name: float(value)})
            for kind in (OPTIM.RMSprop, OPTIM.ASGD, OPTIM.NAdam, OPTIM.RAdam, "adam")
            for name in ("lr", "optimizer__lr", "weight_decay")
            for value in (Fraction(1, 100), np.longdouble(0.01), np.float16(0.01))
        ),
        *(
            ({"optimizer": kind, "lr": HALF}, {"optimizer": kind, "lr": 0.5})
            for kind in (OPTIM.LBFGS, OPTIM.Rprop, OPTIM.Adadelta, OPTIM.Adafactor)
        ),
        ({"optimizer__eps": HALF}, {"optimizer__eps": 0.5}),
        ({"optimizer__eps": torch.tensor([0.5])}, {"optimizer__eps": 0.5}),
        (
            {"optimizer__weight_decay": torch.tensor([0.5])},
            {"optimizer__weight_decay": 0.5},
        ),
        (
            {"optimizer": "sgd", "optimizer__dampening": HALF},
            {"optimizer": "sgd", "optimizer__dampening": 0.5},
        ),
        (
            {"optimizer": "sgd", "optimizer__dampening": torch.tensor([0.5])},
            {"optimizer": "sgd", "optimizer__dampening": 0.5},
        ),
        (
            {"optimizer": OPTIM.RMSprop, "optimizer__alpha": torch.tensor([0.5])},
            {"optimizer": OPTIM.RMSprop, "optimizer__alpha": 0.5},
        ),
        (
            {"optimizer__betas": (HALF, np.float32(0.5))},
            {"optimizer__betas": (0.5, 0.5)},
        ),
        (
            {"optimizer__param_groups": [("*bias", {"lr": HALF})]},
            {"optimizer__param_groups": [("*bias", {"lr": 0.5})]},
        ),
        (
            {"early_stopping": True, "validation_fraction": HALF},
            {"early_stopping": True, "validation_fraction": 0.5},
        ),
        ({"criterion__label_smoothing": HALF}, {"criterion__label_smoothing": 0.5}),
    ],
    ids=str,
)
def test_a_net_trains_with_a_number_of_any_spelling_as_with_pythons_own(given, plain):
    np.testing.assert_array_equal(
        fitted(**given).predict_proba(X), fitted(**plain).predict_proba(X)
    )


def test_a_fraction_set_on_a_fitted_net_trains_on_as_the_float_does():
    nets = [
        fitted(optimizer=OPTIM.RMSprop)
        .set_params(lr=value, optimizer__weight_decay=value)
        .partial_fit(X, Y, epochs=np.int8(2))
        for value in (HALF, 0.5)
    ]
    first, second = (net.predict_proba(X) for net in nets)
    np.testing.assert_array_equal(first, second)

"""What a fit would use late, or not at all, is refused when it begins."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from skact import ActMLP, ActMLPBinary, ActMLPRegressor
from skact.nets.trial import has_late_parts

X, Y = np.random.default_rng(0).normal(size=(24, 3)), np.arange(24) % 2
BINARY_LOSSES = [
    *(nn.MSELoss, nn.L1Loss, nn.HuberLoss, nn.SoftMarginLoss, nn.CrossEntropyLoss)
]


def of_the_fit_alone(net, message, kind=ValueError):
    """The error comes from fit, before the first epoch; the net has none."""
    before = torch.get_rng_state()
    with pytest.raises(kind, match=re.escape(message)):
        net.set_params(max_epochs=2, random_state=0).fit(X, Y)
    assert not net.__sklearn_is_fitted__()
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("criterion", BINARY_LOSSES)
def test_a_loss_whose_outputs_are_no_probabilities_is_refused_by_fit(criterion):
    message = f"must give 2 columns, got criterion={criterion.__name__} and predict_non"
    of_the_fit_alone(ActMLPBinary(criterion=criterion), message)


def test_such_a_loss_trains_with_a_nonlinearity_that_gives_probabilities():
    def both(output):
        share = output.sigmoid()
        return torch.stack([1 - share, share], dim=1)

    net = ActMLPBinary(
        criterion=nn.MSELoss, predict_nonlinearity=both, max_epochs=1, random_state=0
    )
    assert net.fit(X, Y).predict_proba(X).shape == (24, 2)


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (ActMLPBinary(predict_nonlinearity=None), "and predict_nonlinearity=None."),
        (ActMLPRegressor(criterion=nn.BCEWithLogitsLoss), "criterion=BCEWithLogitsL"),
        (
            ActMLP(predict_nonlinearity=lambda x: x * float("nan")),
            "'predict_nonlinearity' parameter of ActMLP must give finite values, but",
        ),
        (
            ActMLPRegressor(predict_nonlinearity=lambda x: x / 0),
            "'predict_nonlinearity' parameter of ActMLPRegressor must give finite",
        ),
    ],
    ids=lambda value: str(value)[:28],
)
def test_a_fit_whose_net_could_not_predict_is_refused(net, message):
    of_the_fit_alone(net, message)


def test_a_class_in_place_of_a_nonlinearity_is_refused_by_fit():
    net = ActMLP(predict_nonlinearity=nn.Softmax)
    of_the_fit_alone(net, "ActMLP cannot use predict_nonlinearity=Softmax", TypeError)


def test_values_that_a_nonlinearity_makes_nan_are_its_own_and_not_those_of_x():
    net = ActMLP(predict_nonlinearity=torch.log, max_epochs=1, random_state=0)
    with pytest.warns(RuntimeWarning, match=r"see predict_nonlinearity=log\.$"):
        net.fit(X, Y).predict_proba(X)


@pytest.mark.parametrize("kind", [ActMLP, ActMLPRegressor])
def test_the_trial_changes_nothing(kind):
    def draws(output):
        torch.rand(3)
        return output

    params = {"dropout": 0.5, "norm": "batch", "max_epochs": 2, "random_state": 0}
    nets = [kind(predict_nonlinearity=f, **params).fit(X, Y) for f in (draws, None)]
    weights = [[*net.module_.state_dict().values()] for net in nets]
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))
    assert nets[0].module_.training == nets[1].module_.training


def test_a_loader_that_no_fit_uses_is_built_on_trial():
    message = "ActMLP cannot use iterator_valid__prefetch_factor=2: ValueError: prefetc"
    of_the_fit_alone(ActMLP(iterator_valid__prefetch_factor=2), message)


def test_a_usual_net_has_nothing_to_try():
    usual = ActMLP(early_stopping=True, optimizer__eps=1e-3)
    assert not has_late_parts(usual)
    for params in (
        {"criterion": nn.NLLLoss},
        {"criterion__ignore_index": 1},
        {"predict_nonlinearity": None},
        {"iterator_valid__sampler": None},
    ):
        assert has_late_parts(ActMLP(**params))
    own = SimpleNamespace(_engine_criterion=3, criterion=3, predict_nonlinearity="auto")
    assert not has_late_parts(own)

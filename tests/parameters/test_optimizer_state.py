"""An option that is set on a trained net takes effect when the net trains on."""

import numpy as np
import pytest
import torch

from skact import ActMLP
from skact.parameters.optimizer_state import complete_optimizer

X, Y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
RMS, LBFGS = torch.optim.RMSprop, torch.optim.LBFGS


def fitted(optimizer, **params):
    params = {"max_epochs": 2, "width": 4, "random_state": 0, **params}
    return ActMLP(optimizer=optimizer, **params).fit(X, Y)


@pytest.mark.parametrize(
    ("optimizer", "option", "value"),
    [
        ("adam", "amsgrad", True),
        ("adamw", "amsgrad", True),
        (RMS, "centered", True),
        (RMS, "momentum", 0.9),
        ("sgd", "momentum", 0.5),
        ("sgd", "dampening", 0.1),
        (torch.optim.NAdam, "decoupled_weight_decay", True),
        (LBFGS, "history_size", 1),
    ],
)
def test_an_option_set_after_a_fit_takes_effect_when_the_net_trains_on(
    optimizer, option, value
):
    # with which these options change anything
    needs = {"decoupled_weight_decay": {"weight_decay": 0.1}}
    needs["amsgrad"] = {"optimizer__betas": (0.5, 0.5), "batch_size": 9}
    net, plain = (fitted(optimizer, **needs.get(option, {})) for _ in "12")
    net.set_params(**{f"optimizer__{option}": value}).partial_fit(X, Y)
    assert np.isfinite(net.predict_proba(X)).all()
    assert net.optimizer_.param_groups[0][option] == value
    plain.partial_fit(X, Y)
    assert not np.array_equal(net.predict_proba(X), plain.predict_proba(X))


def test_buffers_that_an_option_needs_begin_with_zeros():
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.Adam([weight])
    complete_optimizer(optimizer)
    assert not optimizer.state[weight]  # no step was taken yet
    weight.grad = torch.ones(2)
    optimizer.step()
    optimizer.param_groups[0]["amsgrad"] = True
    complete_optimizer(optimizer)
    assert optimizer.state[weight]["max_exp_avg_sq"].tolist() == [0, 0]
    optimizer.step()
    assert optimizer.state[weight]["max_exp_avg_sq"].all()

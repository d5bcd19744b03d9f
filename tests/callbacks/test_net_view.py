"""Callbacks see of a fitted net what its own methods return."""

import numpy as np
import pytest
import torch
from torch import nn

from skact import ActMLP, ActMLPBinary, ActMLPRegressor
from skact.callbacks.net_view import NetView
from skact.engine.weights import weights_of

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3)).astype(np.float32)
LABELS = {
    ActMLP: np.array(["a", "b", "c"])[np.arange(40) % 3],
    ActMLPBinary: np.array(["no", "yes"])[np.arange(40) % 2],
    ActMLPRegressor: X @ np.ones(3, np.float32),
}


def fitted(kind=ActMLP, **params):
    params = {"width": 5, "max_epochs": 3, "random_state": 0, **params}
    return kind(**params).fit(X, LABELS[kind])


@pytest.mark.parametrize("kind", LABELS)
def test_outputs_of_the_last_epoch_give_the_losses_that_a_fit_would_record(kind):
    net = fitted(kind)
    view = NetView(net)
    checked, targets = view.read_X_and_targets(X, LABELS[kind])
    (outputs,) = view.outputs_of_epochs([weights_of(net.module_)], checked)
    with torch.no_grad():
        mean = view.losses_of_rows(outputs[0], targets).mean()
    # one step of next to nothing, so that the loss recorded is that of these weights
    net.set_params(lr=1e-30).partial_fit(X, LABELS[kind])
    assert net.history[-4, "train_loss"] != net.history[-1, "train_loss"]
    still = fitted(kind, max_epochs=3).set_params(lr=1e-30, max_epochs=1)
    recorded = still.partial_fit(X, LABELS[kind]).history[-1, "train_loss"]
    assert mean.item() == pytest.approx(recorded, rel=1e-5)


@pytest.mark.parametrize("kind", [ActMLP, ActMLPBinary])
def test_the_most_probable_labels_are_the_predictions(kind):
    net = fitted(kind, max_epochs=20)
    view = NetView(net)
    (outputs,) = view.outputs_of_epochs([weights_of(net.module_)], X)
    np.testing.assert_array_equal(view.predicted_labels(outputs[0]), net.predict(X))
    np.testing.assert_array_equal(view.classes, net.classes_)


def test_a_regressor_has_no_classes():
    assert NetView(fitted(ActMLPRegressor)).classes is None


def test_unseen_labels_have_no_targets_and_x_is_read_all_the_same():
    view = NetView(fitted(dtype="float64"))
    unseen = np.where(np.arange(40) == 7, "d", LABELS[ActMLP])
    checked, targets = view.read_X_and_targets(X, unseen)
    assert targets is None
    assert checked.dtype == np.float64
    with pytest.raises(ValueError, match="NaN at row 0"):
        view.read_X_and_targets(np.full_like(X, np.nan), unseen)


def test_targets_are_codes_in_the_order_of_the_classes():
    view = NetView(fitted())
    _, targets = view.read_X_and_targets(X, LABELS[ActMLP])
    np.testing.assert_array_equal(targets, np.arange(40) % 3)


def test_reading_changes_nothing_of_the_net():
    net = fitted()
    before = {name: value.clone() for name, value in weights_of(net.module_).items()}
    view = NetView(net)
    view.read_X_and_targets(X[:, :], LABELS[ActMLP])
    list(view.outputs_of_epochs([before] * 4, X))
    assert net.module_ is view.module
    assert net.n_features_in_ == 3
    for name, value in weights_of(net.module_).items():
        assert torch.equal(value, before[name])


def test_noise_of_custom_parts_comes_from_the_seed_and_moves_no_global_generator():
    class Noisy(nn.Module):
        def forward(self, x):
            return x + torch.randn_like(x)

    net = fitted(activation=Noisy)
    view = NetView(net)
    assert view.has_custom_parts
    assert not NetView(fitted()).has_custom_parts
    before = torch.get_rng_state()
    runs = [
        torch.cat(list(view.outputs_of_epochs([weights_of(net.module_)] * 2, X)))
        for _ in range(2)
    ]
    assert torch.equal(runs[0], runs[1])
    assert torch.equal(runs[0][0], runs[0][1])  # each epoch draws the same noise
    assert torch.equal(before, torch.get_rng_state())

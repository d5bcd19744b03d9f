"""The network: its stages, its seeded start, its behaviour on odd batches."""

import copy
import math
import pickle
import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from skact import MLP, ActMLP, activation_gain
from skact.network.mlp import activation_per_layer

X, Y = np.arange(20.0).reshape(10, 2), np.tile([0, 1], 5)


def weights(module):
    return torch.cat([p.detach().flatten() for p in module.parameters()])


@given(
    st.integers(1, 5),
    st.integers(1, 4),
    st.lists(st.integers(1, 6), max_size=3),
    st.integers(1, 5),
)
def test_shapes_are_those_of_hidden(n_features, n_outputs, hidden, rows):
    mlp = MLP(n_features, n_outputs, hidden=hidden, seed=0)
    assert mlp(torch.zeros(rows, n_features)).shape == (rows, n_outputs)
    widths = [layer.linear.out_features for layer in mlp.hidden]
    assert widths == hidden


def test_a_hidden_layer_is_linear_norm_activation_dropout_in_this_order():
    mlp = MLP(
        3, 2, hidden=(4,), activation="tanh", norm="layer", dropout=0.5, seed=0
    ).eval()
    x = torch.randn(5, 3)
    layer = mlp.hidden[0]
    by_hand = torch.tanh(nn.functional.layer_norm(layer.linear(x), (4,)))
    torch.testing.assert_close(mlp(x), mlp.output(by_hand))


def test_each_layer_has_its_own_activation_and_never_the_users_instance():
    mine = nn.PReLU()
    mlp = MLP(3, 2, hidden=(4, 4), activation=mine, seed=0)
    first, second = (layer.activation for layer in mlp.hidden)
    assert first is not second
    assert mine is not first
    assert first.weight is not second.weight


def test_a_tuple_names_one_activation_for_each_layer():
    mlp = MLP(3, 2, hidden=(4, 4), activation=("relu", nn.Tanh), seed=0)
    assert [type(layer.activation) for layer in mlp.hidden] == [nn.ReLU, nn.Tanh]


def test_a_tuple_of_another_length_is_refused():
    with pytest.raises(
        ValueError, match=re.escape("names 2 activations, but the number of hidden")
    ):
        activation_per_layer(("relu", "tanh"), 1)


def test_the_output_activation_comes_last():
    mlp = MLP(3, 2, output_activation="softmax", seed=0)
    torch.testing.assert_close(mlp(torch.randn(5, 3)).sum(1), torch.ones(5))


def test_the_same_seed_gives_the_same_weights_whatever_ran_before():
    one = MLP(5, 3, seed=1)
    torch.rand(100)
    assert torch.equal(weights(one), weights(MLP(5, 3, seed=1)))
    assert not torch.equal(weights(one), weights(MLP(5, 3, seed=2)))


def test_a_seed_leaves_the_global_generator_alone_and_no_seed_uses_it():
    before = torch.get_rng_state()
    MLP(5, 3, hidden=(4, 4), norm="batch", dropout=0.1, activation="prelu", seed=1)
    assert torch.equal(before, torch.get_rng_state())
    with torch.random.fork_rng():
        torch.manual_seed(0)
        one = weights(MLP(5, 3))
        torch.manual_seed(0)
        assert torch.equal(one, weights(MLP(5, 3)))


def test_float32_starts_from_the_float64_network_rounded():
    double = MLP(5, 3, dtype=torch.float64, seed=4)
    single = MLP(5, 3, seed=4)
    assert torch.equal(weights(double).float(), weights(single))


@pytest.mark.parametrize("activation", ["relu", "tanh", "silu", "selu"])
def test_auto_init_has_the_standard_deviation_that_suits_the_activation(activation):
    linear = MLP(200, 3, hidden=(500,), activation=activation, seed=0).hidden[0].linear
    expected = activation_gain(activation) / math.sqrt(200)
    assert linear.weight.std().item() == pytest.approx(expected, rel=0.02)


def test_auto_init_keeps_the_signal_alive_through_many_layers():
    x = torch.randn(200, 100)
    for activation in ("relu", "tanh", "selu", "gelu"):
        mlp = MLP(100, 1, hidden=(100,) * 12, activation=activation, seed=0)
        with torch.no_grad():
            for layer in mlp.hidden:
                x_out = layer(x)
                x = x_out
        assert 0.2 < x.square().mean().sqrt() < 5, activation
        x = torch.randn(200, 100)


def test_torch_init_has_the_distribution_of_nn_linear():
    linear = MLP(200, 3, hidden=(500,), init="torch", seed=0).hidden[0].linear
    reference = nn.Linear(200, 500)
    bound = 1 / math.sqrt(200)
    for parameter in (linear.weight, linear.bias):
        assert parameter.abs().max() <= bound
    assert linear.weight.std().item() == pytest.approx(
        reference.weight.std().item(), rel=0.02
    )


def test_dropout_zeroes_the_stated_share_and_keeps_the_mean():
    mlp = MLP(10, 1, hidden=(1000,), activation="sigmoid", dropout=0.3, seed=0)
    mlp.seed_noise(0)
    x = torch.randn(100, 10)
    dropped, kept = mlp.hidden[0](x), mlp.eval().hidden[0](x)
    assert (dropped == 0).float().mean().item() == pytest.approx(0.3, abs=0.01)
    assert dropped.mean().item() == pytest.approx(kept.mean().item(), rel=0.02)


@pytest.mark.parametrize("noisy", [{"dropout": 0.5}, {"activation": "rrelu"}])
def test_noise_comes_from_the_seeded_generator_alone(noisy):
    mlp, x = MLP(4, 2, seed=0, **noisy), torch.randn(50, 4)
    before = torch.get_rng_state()
    mlp.seed_noise(1)
    one, two = mlp(x), mlp(x)
    mlp.seed_noise(1)
    assert torch.equal(one, mlp(x))
    assert not torch.equal(one, two)
    assert torch.equal(before, torch.get_rng_state())


def test_batch_norm_lets_one_row_pass_and_learns_nothing_from_it():
    mlp = MLP(4, 2, norm="batch", seed=0)
    mlp(torch.randn(20, 4))
    norm = mlp.hidden[0].norm
    mean, seen = norm.running_mean.clone(), norm.num_batches_tracked.clone()
    assert mlp(torch.randn(1, 4)).isfinite().all()
    assert torch.equal(mean, norm.running_mean)
    assert torch.equal(seen, norm.num_batches_tracked)


def test_batch_norm_is_torchs_for_two_rows_and_more():
    mlp, x = MLP(4, 3, norm="batch", seed=0), torch.randn(7, 4)
    reference = nn.BatchNorm1d(100)
    pre = mlp.hidden[0].linear(x)
    torch.testing.assert_close(mlp.hidden[0].norm(pre), reference(pre))


def test_copies_and_pickles_are_equal_and_independent():
    mlp = MLP(4, 2, activation="rrelu", dropout=0.2, norm="batch", seed=0)
    mlp.seed_noise(0)
    for other in (copy.deepcopy(mlp), pickle.loads(pickle.dumps(mlp))):
        assert torch.equal(weights(mlp), weights(other))
        with torch.no_grad():
            other.output.bias.add_(1)
        assert not torch.equal(weights(mlp), weights(other))


@pytest.mark.parametrize(
    ("activation", "message"),
    [
        (lambda x: x.sum(), "into one of the same shape, got () for (2, 5)"),
        (lambda x: x[:, :3], "into one of the same shape, got (2, 3) for (2, 5)"),
        (lambda x: x.detach().numpy(), "same shape, got ndarray for (2, 5)"),
        (np.tanh, "activation=tanh must turn a tensor of shape (rows, width) into"),
        (nn.PReLU(7), "activation=PReLU(num_parameters=7) must turn a tensor"),
    ],
    ids=["scalar", "narrow", "ndarray", "numpy", "another width"],
)
def test_an_activation_that_does_not_keep_the_shape_is_named(activation, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ActMLP(activation, width=5).fit(X, Y)

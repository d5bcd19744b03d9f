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
from skact.network.mlp import Dropout, activation_per_layer
from skact.noise import Noise

X, Y = np.arange(20.0).reshape(10, 2), np.tile([0, 1], 5)


def noise_of(module):
    return [part.noise for part in module.modules() if hasattr(part, "noise")]


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
    mlp = MLP(200, 3, hidden=(500,), activation=activation, init="auto", seed=0)
    linear = mlp.hidden[0].linear
    expected = activation_gain(activation) / math.sqrt(200)
    assert linear.weight.std().item() == pytest.approx(expected, rel=0.02)


def test_auto_init_keeps_the_signal_alive_through_many_layers():
    x = torch.randn(200, 100)
    for activation in ("relu", "tanh", "selu", "gelu"):
        hidden = (100,) * 12
        mlp = MLP(100, 1, hidden=hidden, activation=activation, init="auto", seed=0)
        with torch.no_grad():
            for layer in mlp.hidden:
                x_out = layer(x)
                x = x_out
        assert 0.2 < x.square().mean().sqrt() < 5, activation
        x = torch.randn(200, 100)


def test_the_default_init_has_the_distribution_of_nn_linear():
    linear = MLP(200, 3, hidden=(500,), seed=0).hidden[0].linear
    reference = nn.Linear(200, 500)
    bound = 1 / math.sqrt(200)
    for parameter in (linear.weight, linear.bias):
        assert parameter.abs().max() <= bound
    assert linear.weight.std().item() == pytest.approx(
        reference.weight.std().item(), rel=0.02
    )


def dropout_with_noise(rate, seed=0):
    module = Dropout(rate)
    module.noise = Noise(seed, layer=0)
    return module


@pytest.mark.parametrize("rate", [0.001, 0.1, 0.2, 0.5, 0.9, 0.999])
def test_the_mean_rate_of_dropout_is_the_stated_one(rate):
    """Within four standard errors of a million draws."""
    masks = dropout_with_noise(rate)(torch.ones(1000, 1000, dtype=torch.float64))
    error = math.sqrt(rate * (1 - rate) / 1e6)
    assert (masks == 0).double().mean().item() == pytest.approx(rate, abs=4 * error)
    assert len(masks.unique()) == 2


@pytest.mark.parametrize("rate", [1e-300, 1e-9, 0.2, 1 - 1e-9])
def test_dropout_keeps_the_expected_value_also_at_extreme_rates(rate):
    """Over all numbers that 16 bits can be, the mean of the factors is one."""
    levels = torch.arange(-(2**15), 2**15).to(torch.int16)
    out = torch.empty(2**16, dtype=torch.float64)
    factors = Dropout(rate).fill_factors(levels, out)
    assert factors.mean().item() == pytest.approx(1, rel=1e-12)
    dropped = (factors == 0).sum().item()
    assert 1 <= dropped <= 2**16 - 1
    assert dropped == pytest.approx(rate * 2**16, abs=1)


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_a_rate_of_zero_or_one_is_exact(rate):
    factors = dropout_with_noise(rate)(torch.ones(100, 100))
    assert torch.equal(factors, torch.full((100, 100), 1 - rate))


def test_dropout_without_noise_is_torchs():
    x = torch.ones(50, 4)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ours = Dropout(0.3)(x)
        torch.manual_seed(0)
        assert torch.equal(ours, nn.Dropout(0.3)(x))


def test_dropout_changes_nothing_in_evaluation_mode():
    module, x = dropout_with_noise(0.5).eval(), torch.randn(5, 4)
    assert module(x) is x
    assert module.noise == Noise(0, layer=0)


def test_layers_epochs_and_steps_have_independent_masks():
    mlp = MLP(4, 2, hidden=(64, 64), activation="rrelu", dropout=0.5, seed=0)
    masks = []
    for seed in (0, 1):
        mlp.seed_noise(seed)
        for _ in range(3):
            for layer in mlp.hidden:
                masks.append((layer.dropout(torch.ones(32, 64)) > 0).flatten().float())
                slopes = layer.activation(-torch.ones(32, 64))
                masks.append(slopes.flatten().float())
    between = torch.corrcoef(torch.stack(masks))[*torch.triu_indices(24, 24, 1)]
    assert between.abs().max() < 5 / math.sqrt(32 * 64)


def test_batches_have_the_noise_of_their_rows():
    """The noise of a row does not depend on how rows are cut into batches."""
    mlp = MLP(4, 2, hidden=(7, 20), activation="rrelu", dropout=0.5, seed=0)
    mlp, x = mlp.double(), torch.randn(10, 4, dtype=torch.float64)
    mlp.seed_noise(5)
    together = mlp(x)
    mlp.seed_noise(5)
    torch.testing.assert_close(together, torch.cat([mlp(b) for b in x.split(4)]))


@torch.no_grad()  # the compiler would meet a warning of its own
def test_a_compiled_network_has_the_same_noise_and_is_compiled_once():
    mlp = MLP(4, 2, hidden=(5, 6), activation="rrelu", dropout=0.5, seed=0)
    x = torch.randn(9, 4)
    mlp.seed_noise(0)
    expected = [mlp(x) for _ in range(4)]
    compiled = torch.compile(mlp, backend="eager")
    mlp.seed_noise(0)
    found = [compiled(x) for _ in range(2)]
    with torch.compiler.set_stance("fail_on_recompile"):
        found += [compiled(x) for _ in range(2)]
    torch.testing.assert_close(found, expected)
    torch.compiler.reset()


def test_dropout_zeroes_the_stated_share_and_keeps_the_mean():
    mlp = MLP(10, 1, hidden=(1000,), activation="sigmoid", dropout=0.3, seed=0)
    mlp.seed_noise(0)
    x = torch.randn(100, 10)
    dropped, kept = mlp.hidden[0](x), mlp.eval().hidden[0](x)
    assert (dropped == 0).float().mean().item() == pytest.approx(0.3, abs=0.01)
    assert dropped.mean().item() == pytest.approx(kept.mean().item(), rel=0.02)


@pytest.mark.parametrize("noisy", [{"dropout": 0.5}, {"activation": "rrelu"}])
def test_noise_comes_from_the_seed_alone(noisy):
    mlp, x = MLP(4, 2, seed=0, **noisy), torch.randn(50, 4)
    before, of_numpy = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002
    mlp.seed_noise(1)
    one, two = mlp(x), mlp(x)
    mlp.seed_noise(1)
    assert torch.equal(one, mlp(x))
    assert not torch.equal(one, two)
    assert torch.equal(before, torch.get_rng_state())
    assert str(of_numpy) == str(np.random.get_state())  # noqa: NPY002


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
    mlp(torch.randn(20, 4))
    for other in (copy.deepcopy(mlp), pickle.loads(pickle.dumps(mlp))):
        assert torch.equal(weights(mlp), weights(other))
        assert noise_of(mlp) == noise_of(other)
        with torch.no_grad():
            other.output.bias.add_(1)
        assert not torch.equal(weights(mlp), weights(other))


@pytest.mark.parametrize(
    ("activation", "message"),
    [
        (lambda x: x.sum(), "into one of the same shape, got () for (12, 5)"),
        (lambda x: x[:, :3], "into one of the same shape, got (12, 3) for (12, 5)"),
        (lambda x: x.detach().numpy(), "same shape, got ndarray for (12, 5)"),
        (np.tanh, "activation=tanh must turn a tensor of shape (rows, width) into"),
        (nn.PReLU(7), "activation=PReLU(num_parameters=7) must turn a tensor"),
    ],
    ids=["scalar", "narrow", "ndarray", "numpy", "another width"],
)
def test_an_activation_that_does_not_keep_the_shape_is_named(activation, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ActMLP(activation, width=5).fit(X, Y)

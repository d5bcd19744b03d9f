"""The loss of a batch is the mean over its rows, by their weights."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skorch.callbacks import Callback, Freezer
from torch import nn

from skact import ActMLP, ActMLPBinary, ActMLPRegressor
from skact.nets.batch_loss import mean_of_outputs, weighted_mean

CLASSIFIERS = [ActMLP, ActMLPBinary]


def params_of(net):
    return [p.detach().numpy().copy() for p in net.module_.parameters()]


def two_classes(X, y):
    return X[y < 2], y[y < 2]


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


def test_a_criterion_that_averages_by_itself_works_but_takes_no_weights(iris):
    class MeanMargin(nn.Module):
        def forward(self, logits, y):
            return nn.functional.multi_margin_loss(logits, y)

    X, y = iris
    net = ActMLP(criterion=MeanMargin, max_epochs=10, random_state=0)
    assert net.fit(X, y).score(X, y) > 0.8
    with pytest.raises(ValueError, match="returns one value for the whole batch"):
        net.fit(X, y, sample_weight=np.ones(len(X)))


@pytest.mark.parametrize("net", [*CLASSIFIERS, ActMLPRegressor])
def test_a_weight_is_a_repetition(net, iris):
    X, y = two_classes(*iris)
    weight = np.random.default_rng(0).integers(0, 4, len(X))
    options = {"max_epochs": 20, "random_state": 0, "batch_size": -1, "shuffle": False}
    weighted = net(**options).fit(X, y, sample_weight=weight)
    repeated = net(**options).fit(X.repeat(weight, 0), y.repeat(weight))
    for one, other in zip(params_of(weighted), params_of(repeated), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-7, atol=1e-9)


def test_equal_weights_are_no_weights(iris):
    X, y = iris
    plain = ActMLP(max_epochs=3, random_state=0).fit(X, y)
    ones = ActMLP(max_epochs=3, random_state=0).fit(X, y, sample_weight=1)
    for one, other in zip(params_of(plain), params_of(ones), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


def test_a_batch_of_zero_weights_moves_nothing(iris, same):
    X, y = iris
    weight = np.ones(len(X))
    weight[128:] = 0
    options = {
        "max_epochs": 1,
        "random_state": 0,
        "shuffle": False,
        "optimizer": "sgd",
        "momentum": 0.0,
    }
    expected = ActMLP(**options).fit(X[:128], y[:128])
    assert same(expected, ActMLP(**options).fit(X, y, sample_weight=weight))


def test_several_outputs_share_the_loss_equally(diabetes):
    X, y = diabetes
    Y = np.column_stack([y, -y])
    net = ActMLPRegressor(max_epochs=1, random_state=0, batch_size=-1).fit(X, Y)
    start = ActMLPRegressor(random_state=0).initialize(X, Y)
    expected = ((start.predict(X) - Y) ** 2).mean()
    assert net.history[0, "train_loss"] == pytest.approx(expected)


@given(
    st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10)), min_size=1, max_size=20),
    st.booleans(),
)
def test_the_mean_of_a_batch_is_that_of_numpy(rows, weighted):
    losses, weight = np.array(rows).T
    net = SimpleNamespace(criterion_=nn.MSELoss(reduction="none"))
    X = {"X": None, "sample_weight": torch.from_numpy(weight)} if weighted else None
    mean, total = weighted_mean(
        net, torch.from_numpy(losses), torch.zeros(len(rows)), X
    )
    weight = weight if weighted else np.ones(len(rows))
    assert total == pytest.approx(weight.sum())
    if weight.sum() > 1e-9:
        assert mean.item() == pytest.approx(np.average(losses, weights=weight))


def test_a_row_with_several_outputs_has_the_mean_of_their_losses():
    losses = torch.tensor([[1.0, 3.0], [5.0, 5.0]])
    assert mean_of_outputs(losses).tolist() == [2.0, 5.0]
    assert mean_of_outputs(losses[:, 0]).tolist() == [1.0, 5.0]


def test_zero_weights_give_zero_loss_and_zero_gradient():
    losses = torch.tensor([1.0, 2.0], requires_grad=True)
    net = SimpleNamespace(criterion_=nn.MSELoss(reduction="none"))
    X = {"X": None, "sample_weight": torch.zeros(2)}
    mean, total = weighted_mean(net, losses, torch.zeros(2), X)
    mean.backward()
    assert (mean.item(), total) == (0.0, 0.0)
    assert losses.grad.tolist() == [0.0, 0.0]


class Freezes(Callback):
    """Freezes all parameters by hand."""

    def on_train_begin(self, net, **kwargs):
        net.module_.requires_grad_(False)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"callbacks": [Freezer("*")]}, r"all parameters .* frozen \(callbacks: Freez"),
        ({"callbacks": [("mine", Freezer("*"))]}, r"frozen \(callbacks: mine\)"),
        ({"callbacks": [Freezes()]}, "all parameters of the network are frozen"),
        ({"output_activation": torch.Tensor.detach}, "output_activation or criterion"),
    ],
    ids=["freezer", "named", "by hand", "detached"],
)
@pytest.mark.parametrize("loop", [{}, {"optimizer": torch.optim.RMSprop}])
def test_a_net_with_nothing_to_train_says_why(params, message, loop, iris):
    with pytest.raises(ValueError, match="has nothing to train, because.*" + message):
        ActMLP(max_epochs=2, **params, **loop).fit(*iris)


class ReturnsTuple(nn.Module):
    """Returns its input beside its output."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, X):
        return self.linear(X), X


class OfTuples(ActMLP):
    """A net with a module of one's own."""

    def initialize_module(self):
        with torch.random.fork_rng():
            torch.manual_seed(0)  # else a score depends on the tests before
            self.module_ = ReturnsTuple()
        return self


class ChoosesFromTuple(OfTuples):
    """Hands the first output to the loss, as one does in skorch."""

    def get_loss(self, y_pred, *args, **kwargs):
        return super().get_loss(y_pred[0], *args, **kwargs)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_module_that_returns_a_tuple_trains_as_in_skorch(early_stopping, iris):
    X, y = iris
    params = {"early_stopping": early_stopping, "max_epochs": 20, "random_state": 0}
    net = ChoosesFromTuple(lr=0.01, **params).fit(X, y)
    outputs, inputs = net.forward(X)
    assert torch.equal(inputs, torch.from_numpy(X))
    assert np.array_equal(net.predict(X), outputs.argmax(1).numpy())
    assert net.score(X, y) > 0.6
    with pytest.raises(TypeError, match=r"returns a tuple, and the loss CrossEntropyL"):
        OfTuples(**params).fit(X, y)

"""The parts of a net are built from its parameters, and from its own seeds."""

import copy
import re

import numpy as np
import pytest
import torch
from skorch.dataset import Dataset
from skorch.helper import predefined_split
from torch import nn
from torch.utils.data import DataLoader, Subset

from skact import MLP, ActMLP, ActMLPRegressor
from skact.nets import components
from skact.parameters.rows import Rows, TrainingData

X, Y = np.arange(20.0).reshape(10, 2), np.tile([0, 1], 5)


def test_a_criterion_instance_is_copied_and_rebuilt_for_parameters_as_in_skorch(iris):
    mine = nn.CrossEntropyLoss()
    net = ActMLP(criterion=mine, max_epochs=1).fit(*iris)
    assert (mine.reduction, net.criterion_.reduction) == ("mean", "none")
    rebuilt = ActMLP(criterion=mine, criterion__label_smoothing=0.2, max_epochs=1)
    assert rebuilt.fit(*iris).criterion_.label_smoothing == 0.2


def test_early_stopping_on_too_few_rows_names_its_parameters():
    message = "early_stopping=True cannot hold out validation_fraction=0.1 of 1 rows: "
    with pytest.raises(ValueError, match=re.escape(message)):
        ActMLP(early_stopping=True).fit(X[:1], Y[:1])


@pytest.mark.filterwarnings("ignore:The number of unique classes is greater")
@pytest.mark.parametrize("n_classes", [2, 5, 30, 60])
def test_early_stopping_holds_out_rows_however_rare_the_classes(n_classes):
    X = np.random.default_rng(0).normal(size=(60, 3))
    y = np.arange(60) % n_classes
    y[0] = 99  # the only row of its class
    net = ActMLP(early_stopping=True, max_epochs=2, random_state=0).fit(X, y)
    train, held_out = net.get_split_datasets(
        TrainingData.of_rows(Rows(X, y, np.searchsorted(net.classes_, y))), y
    )
    rows = np.concatenate([train.indices, held_out.indices])
    assert sorted(rows.tolist()) == list(range(60))
    assert len(held_out) == 6
    if n_classes < 60:
        assert 0 in train.indices
    if n_classes <= 6:  # each class on both sides
        assert set(y[held_out.indices]) == set(y) - {99}


@pytest.mark.parametrize("train_on", ["fit", "partial_fit"])
def test_a_network_is_not_trained_on_under_other_parameters(train_on):
    net = ActMLP(max_epochs=1, warm_start=True).fit(X, Y)
    net.set_params(width=5, activation="tanh")
    message = "it was built with hidden=(100,), activation='relu': set that back"
    with pytest.raises(ValueError, match=re.escape(message)):
        getattr(net, train_on)(X, Y)
    assert (
        len(net.set_params(width=100, activation="relu", lr=0.1).fit(X, Y).history) == 2
    )
    for change in ({"optimizer": "sgd"}, {"early_stopping": True}):
        with pytest.raises(
            ValueError, match="cannot train on, because it was built with"
        ):
            copy.deepcopy(net).set_params(**change).fit(X, Y)
    net.set_params(width=5, warm_start=False).fit(X, Y)
    assert net.module_.output.in_features == 5


def test_an_equal_module_is_no_other_architecture():
    net = ActMLP(nn.PReLU(), max_epochs=1, warm_start=True).fit(X, Y)
    assert len(net.set_params(activation=nn.PReLU()).fit(X, Y).history) == 2


def built(**params):
    """Return a net that is initialized, and not trained."""
    return ActMLP(random_state=0, **params).initialize(X, Y)


def test_the_network_is_built_from_the_parameters_and_the_data():
    net = built(width=7, depth=2, dropout=0.2, norm="layer", dtype="float32")
    assert components.network_arguments(net)["hidden"] == (7, 7)
    expected = MLP(
        2, 2, hidden=(7, 7), dropout=0.2, norm="layer", seed=net.seeds_.weights
    )
    assert repr(net.module_) == repr(expected)
    for ours, theirs in zip(
        net.module_.parameters(), expected.parameters(), strict=True
    ):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"optimizer": "sgd"}, {"momentum": 0.9, "nesterov": False, "lr": 0.002}),
        ({"optimizer": "sgd", "optimizer__momentum": 0.5}, {"momentum": 0.5}),
        ({"optimizer": "adamw"}, {"weight_decay": 0.0}),
        ({"optimizer": torch.optim.AdamW}, {"weight_decay": 0.01}),
        ({"optimizer": torch.optim.AdamW, "weight_decay": 0.2}, {"weight_decay": 0.2}),
    ],
)
def test_names_take_the_flat_parameters_and_classes_keep_their_defaults(
    params, expected
):
    group = built(**params).optimizer_.param_groups[0]
    assert {name: group[name] for name in expected} == expected


def test_a_criterion_gives_a_loss_for_each_row_in_the_dtype_of_the_network():
    net = built(criterion__weight=torch.tensor([1.0, 2.0]), dtype="float64")
    assert net.criterion_.reduction == "none"
    assert net.criterion_.weight.dtype == torch.float64


class Custom(nn.ReLU):
    pass


@pytest.mark.parametrize(
    ("params", "is_custom"),
    [
        ({}, False),
        ({"activation": nn.Tanh()}, False),
        ({"iterator_train__shuffle": False}, False),
        ({"activation": Custom}, True),
        ({"output_activation": Custom}, True),
        ({"criterion": type("Mine", (nn.CrossEntropyLoss,), {})}, True),
        ({"iterator_valid": type("Mine", (DataLoader,), {})}, True),
        ({"dataset": type("Mine", (Dataset,), {})}, True),
        ({"iterator_train__sampler": [0, 1]}, True),
    ],
    ids=lambda value: next(iter(value), "") if isinstance(value, dict) else None,
)
def test_custom_parts_get_the_global_generators_seeded_and_no_others_do(
    params, is_custom
):
    net = built(**params)
    assert components.has_custom_parts(net) == is_custom
    before = torch.get_rng_state()
    draws = []
    for seed in (5, 5, 6):
        with components.lend_generators(net, seed):
            if is_custom:
                draws.append(torch.rand(3))
            else:
                assert torch.equal(before, torch.get_rng_state())
    if is_custom:
        assert torch.equal(draws[0], draws[1])
        assert not torch.equal(draws[0], draws[2])
    assert torch.equal(before, torch.get_rng_state())


def test_a_parameter_that_is_set_later_makes_no_built_network_custom():
    net = built().set_params(activation=Custom)
    assert not components.has_custom_parts(net)


@pytest.mark.parametrize("kind", [ActMLP, ActMLPRegressor])
@pytest.mark.parametrize("fraction", [0.2, 0.5])
def test_early_stopping_holds_out_a_fraction_that_the_seed_determines(kind, fraction):
    labels = np.repeat([0, 1], [80, 20])
    table = np.random.default_rng(0).normal(size=(100, 2))
    net = kind(early_stopping=True, validation_fraction=fraction, random_state=0)
    net.initialize(table, labels)
    splits = [components.split_for_early_stopping(net, table, labels) for _ in "12"]
    (train, valid), again = splits
    assert np.array_equal(valid.indices, again[1].indices)
    assert sorted([*train.indices, *valid.indices]) == list(range(100))
    assert len(valid) == 100 * fraction
    if kind is ActMLP:  # by class
        assert labels[valid.indices].sum() == 20 * fraction


def rows():
    return Rows(X, Y, Y)


def test_rows_of_a_predefined_split_are_encoded_and_cast():
    labels = np.array(["a", "b"])[Y]
    valid = Dataset(X[:3], labels[:3])
    net = ActMLP(train_split=predefined_split(valid), dtype="float32", random_state=0)
    net.initialize(X, labels)
    train, held_out = net.get_split_datasets(TrainingData.of_rows(rows()), labels)
    assert isinstance(train, TrainingData)
    assert held_out.rows.X.dtype == np.float32
    assert held_out.rows.targets.tolist() == [0, 1, 0]


def test_a_split_draws_from_the_seed_of_the_net_and_moves_no_global_generator():
    def split(dataset, y=None):
        chosen = np.random.permutation(10)  # noqa: NPY002
        return Subset(dataset, chosen[:5]), Subset(dataset, chosen[5:])

    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    net = built(train_split=split)
    data = TrainingData.of_rows(rows())
    halves = [net.get_split_datasets(data, Y)[0] for _ in range(2)]
    assert np.array_equal(halves[0].indices, halves[1].indices)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002
    assert components.has_held_out_rows(net)
    assert not components.has_held_out_rows(built())


def test_the_device_is_that_of_the_network_or_the_cpu_before_there_is_one():
    assert components.device_of(ActMLP()).type == "cpu"
    net = built()
    net.module_.to("meta")
    assert components.device_of(net).type == "meta"

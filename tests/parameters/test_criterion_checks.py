"""A loss in which no row counts is refused."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import Subset

from skact import ActMLP, ActMLPBinary
from skact.parameters.criterion_checks import (
    check_some_row_counts,
    has_options_of_loss,
)

X, Y = np.random.default_rng(0).normal(size=(24, 3)), np.arange(24) % 3
NO_ROW = "All rows have weight 0 in the criterion of ActMLP (criterion__weight"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"criterion__weight": torch.zeros(3)}, "finite numbers >= 0, not all 0, got"),
        (
            {"criterion": nn.CrossEntropyLoss(torch.zeros(3))},
            "'criterion: weight' parameter of ActMLP must be None or a tensor of",
        ),
        ({"criterion__ignore_index": 0, "class_weight": {1: 0, 2: 0}}, NO_ROW),
        (
            {
                "criterion": nn.CrossEntropyLoss(ignore_index=0),
                "class_weight": {1: 0, 2: 0},
            },
            NO_ROW,
        ),
        (
            {
                "criterion__weight": torch.tensor([1.0, 0.0, 0.0]),
                "class_weight": {0: 0},
            },
            NO_ROW,
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_loss_in_which_all_rows_weigh_nothing_is_refused(params, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ActMLP(max_epochs=1, **params).fit(X, Y)


def test_a_binary_loss_of_weight_zero_is_refused():
    with pytest.raises(ValueError, match="'criterion__weight' parameter of ActMLPBin"):
        ActMLPBinary(max_epochs=1, criterion__weight=torch.zeros(1)).fit(X, Y % 2)


def test_a_loss_of_which_some_row_counts_trains():
    params = {"criterion__ignore_index": 0, "class_weight": {1: 0, 2: 2}}
    net = ActMLP(max_epochs=1, random_state=0, **params).fit(X, Y)
    assert np.isfinite(net.predict_proba(X)).all()


def test_only_losses_that_weigh_classes_are_looked_at():
    net = SimpleNamespace(criterion_=nn.MSELoss())
    check_some_row_counts(net, np.zeros(3), np.zeros(3))
    wrong = SimpleNamespace(criterion_=nn.CrossEntropyLoss(torch.zeros(3, 3)))
    check_some_row_counts(wrong, np.zeros(3, int), None)  # torch names its shape


def test_a_split_that_leaves_no_row_that_counts_to_train_is_refused():
    def split(dataset, y):
        return Subset(dataset, np.flatnonzero(y == 0)), Subset(dataset, [1, 2])

    params = {"train_split": split, "max_epochs": 1}
    with pytest.raises(ValueError, match=re.escape(NO_ROW)):
        ActMLP(criterion__ignore_index=0, **params).fit(X, Y)
    assert has_options_of_loss(ActMLP(criterion=nn.NLLLoss()))
    assert not has_options_of_loss(ActMLP())

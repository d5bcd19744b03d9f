"""Keywords of parts: unknown names, other kinds and numbers that are none raise."""

import math
import re

import numpy as np
import pytest
import torch
from skorch.dataset import Dataset
from torch import nn
from torch.utils.data import DataLoader

from skact import ActMLP, ActMLPBinary
from skact.parameters.keywords import check_keywords

X, Y = np.random.default_rng(0).normal(size=(24, 3)), np.tile([0, 1], 12)
NAN, INF = math.nan, math.inf
SGD = {"optimizer": "sgd"}


class OwnLoss(nn.CrossEntropyLoss):
    """A loss of a user."""


class OwnLoader(DataLoader):
    """A loader of a user, that takes a keyword of its own."""

    def __init__(self, dataset, own=None, **params):
        super().__init__(dataset, **params)


WRONG = [
    (
        {"iterator_valid__nosuch": 1},
        "ActMLP got an unexpected parameter 'iterator_valid__nosuch'",
    ),
    (
        {"iterator_train__shufle": True},
        "'iterator_train__shufle'; did you mean 'iterator_train__shuffle'? "
        "iterator_train takes batch_size, shuffle, sampler",
    ),
    ({"compile__backen": 1}, "did you mean 'compile__backend'"),
    (
        {"optimizer__weight_decay": INF},
        "'optimizer__weight_decay' parameter of ActMLP must be a finite number, got i",
    ),
    ({**SGD, "optimizer__momentum": NAN}, "'optimizer__momentum' parameter of ActMLP"),
    (
        {**SGD, "optimizer__dampening": NAN},
        "'optimizer__dampening' parameter of ActMLP",
    ),
    ({**SGD, "optimizer__dampening": "a"}, "must be a finite number, got 'a'."),
    (
        {"optimizer__lr": True},
        "'optimizer__lr' parameter of ActMLP must be a finite nu",
    ),
    (
        {"optimizer__betas": (0.9, NAN)},
        "must be a tuple of 2 finite numbers, got (0.9, n",
    ),
    (
        {"optimizer__amsgrad": "no"},
        "'optimizer__amsgrad' parameter of ActMLP must be Tr",
    ),
    (
        {"optimizer__param_groups": [("*", {"amsgrad": "no"})]},
        "'optimizer__param_groups: amsgrad' parameter of ActMLP must be True or False",
    ),
    (
        {"optimizer": torch.optim.LBFGS, "optimizer__line_search_fn": "wolfe"},
        "'optimizer__line_search_fn' parameter of ActMLP must be one of None, 'strong",
    ),
    (
        {"criterion__weight": torch.tensor([1.0, NAN])},
        "'criterion__weight' parameter of ActMLP must be None or a tensor of finite n",
    ),
    (
        {"criterion__weight": torch.tensor([1.0, -1.0])},
        "finite numbers >= 0, not all 0, got tensor",
    ),
    (
        {"criterion": nn.CrossEntropyLoss(torch.tensor([1.0, INF]))},
        "'criterion: weight' parameter of ActMLP must be None or a tensor of finite n",
    ),
    (
        {"criterion": OwnLoss, "criterion__weight": torch.tensor([1.0, NAN])},
        "'criterion__weight' parameter of ActMLP must be finite, got tensor([1., nan]",
    ),
    (
        {"criterion__label_smoothing": NAN},
        "'criterion__label_smoothing' parameter of A",
    ),
    (
        {"iterator_train__pin_memory": "yes"},
        "'iterator_train__pin_memory' parameter of",
    ),
    ({"iterator_train__in_order": "a"}, "must be True or False, got 'a'."),
    ({"iterator_train__drop_last": "no"}, "must be True or False, got 'no'."),
    ({"iterator_valid__persistent_workers": "x"}, "must be True or False, got 'x'."),
    ({"iterator_train__timeout": "x"}, "must be a finite number, got 'x'."),
    ({"iterator_train__batch_sampler": 3}, "must be None or an iterable, got 3."),
    (
        {"criterion": nn.CrossEntropyLoss(reduction="sum")},
        "ActMLP takes the loss of a batch as sum(w * l) / sum(w), so reduction='sum' "
        "of 'criterion' would have no effect.",
    ),
    ({"criterion__reduce": True}, "so 'criterion__reduce' would have no effect."),
    *(
        ({"optimizer__params": value}, "ActMLP gives its optimizer the parameters of")
        for value in ([], 3)
    ),
    (
        {"optimizer__param_groups": [("*weight", {"params": []})]},
        "so it cannot take 'optimizer__param_groups: params', got [].",
    ),
    ({"optimizer__lr__x": 3}, "got an unexpected parameter 'optimizer__lr__x'."),
    *(
        ({"criterion__label_smoothing": value}, "must be a number in [0, 1], got ")
        for value in (-1, 1.5, torch.ones(3))
    ),
    (
        {"criterion": nn.CrossEntropyLoss(label_smoothing=-1)},
        "'criterion: label_smoothing' parameter of ActMLP must be a number in [0, 1]",
    ),
    ({"criterion__ignore_index": torch.ones(3)}, "must be an int, got tensor([1., 1"),
    *(
        ({"criterion__weight": weight}, "'criterion__weight' parameter of ActMLP must")
        for weight in (
            torch.ones(2, dtype=torch.complex64),
            torch.ones(2).to_sparse(),
            torch.ones(2, device="meta"),
        )
    ),
    *(
        (
            {"optimizer": torch.optim.LBFGS, f"optimizer__{name}": value},
            f"'optimizer__{name}' parameter of ActMLP must be an int >= 1, got {value}",
        )
        for name in ("history_size", "max_iter")
        for value in (0, -1)
    ),
    ({"optimizer__lr": torch.ones(2)}, "must be a finite number, got tensor([1., 1"),
    ({"optimizer__betas": np.array(0.5)}, "a tuple of 2 finite numbers, got array(0."),
    *(
        ({"optimizer": torch.optim.Rprop, f"optimizer__{name}": (0.5,)}, "of 2 finite")
        for name in ("step_sizes", "etas")
    ),
    ({"compile__mode": 3}, "must be None or the name of a mode such as 'reduce-ov"),
    ({"compile__backend": 3}, "'compile__backend' parameter of ActMLP must be the"),
    ({"compile__dynamic": "x"}, "must be None, True or False, got 'x'."),
    ({"iterator_train__worker_init_fn": "x"}, "must be None or a callable, got 'x'."),
    ({"iterator_train__sampler": np.array(3)}, "must be None or an iterable, got arr"),
    ({"criterion__size_average": False}, "'criterion__size_average' would have no eff"),
]


@pytest.mark.parametrize(
    ("params", "message"), WRONG, ids=lambda value: str(value)[:20]
)
def test_a_keyword_of_a_part_that_is_wrong_is_named(params, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ActMLP(max_epochs=1, **params).fit(X, Y)


@pytest.mark.parametrize(
    "params",
    [
        {"optimizer__lr": torch.tensor(0.1)},
        {"optimizer__betas": [0.8, np.float64(0.9)]},
        {"optimizer__foreach": None},
        {"optimizer": torch.optim.LBFGS, "optimizer__line_search_fn": "strong_wolfe"},
        {"optimizer": torch.optim.RMSprop, "optimizer__centered": np.True_},
        {"criterion__weight": torch.tensor([0.0, 2.0])},
        {"criterion": nn.CrossEntropyLoss(reduction="none")},
        {"iterator_train__in_order": False, "iterator_valid__drop_last": True},
        {"iterator_train": OwnLoader, "iterator_train__own": "any"},
        {"iterator_train__batch_sampler": [[0, 1, 2], [3, 4]]},
    ],
    ids=lambda params: "-".join(params),
)
def test_a_keyword_of_the_kind_of_its_default_is_taken(params):
    net = ActMLP(max_epochs=1, random_state=0, **params).fit(X, Y)
    assert np.isfinite(net.predict_proba(X)).all()


@pytest.mark.parametrize("weight", [-1.0, NAN, INF])
def test_weights_of_classes_in_a_loss_are_finite_and_none_is_negative(weight):
    net = ActMLPBinary(max_epochs=1, criterion__pos_weight=torch.tensor(weight))
    with pytest.raises(
        ValueError, match="'criterion__pos_weight' parameter of ActMLPB"
    ):
        net.fit(X, Y)


def test_a_class_of_a_user_gives_its_keywords_any_meaning():
    def build(weights, lr, style="plain"):
        return torch.optim.SGD(weights, lr=lr)

    parts = {
        "optimizer": build,
        "criterion": OwnLoss,
        "iterator_train": OwnLoader,
        "iterator_valid": DataLoader,
        "dataset": Dataset,
    }
    check_keywords("ActMLP", {**parts, "optimizer__style": "x", "optimizer__on": True})
    with pytest.raises(
        ValueError, match=r"'optimizer__style' .* must be finite, got nan"
    ):
        check_keywords("ActMLP", {**parts, "optimizer__style": NAN})


class OwnLoss(torch.nn.Module):
    reduction = "sum"  # means something to its author

    def forward(self, output, target):
        return torch.nn.functional.cross_entropy(output, target, reduction="none")


class OwnOptimizer(torch.optim.SGD):
    def __init__(self, params, lr, alpha):
        super().__init__(params, lr * alpha)


@pytest.mark.parametrize(
    "params",
    [
        {"optimizer": torch.optim.Adafactor, "optimizer__eps": (None, 1e-3)},
        {"optimizer": OwnOptimizer, "optimizer__alpha": 3},
        {"optimizer": torch.optim.Adam, "optimizer__betas": np.array([0.9, 0.99])},
        {"criterion": OwnLoss()},
    ],
    ids=str,
)
def test_what_torch_takes_and_what_a_user_defines_is_taken(params):
    X, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
    assert len(ActMLP(max_epochs=2, random_state=0, **params).fit(X, y).history) == 2

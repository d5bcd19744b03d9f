"""Errors of parts name the parameters that the parts were built from."""

import re

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from torch import nn
from torch.utils.data import WeightedRandomSampler

from skact import ActMLP, DivergedError
from skact.parameters.blame import blame, blaming, read_batches

X, y = np.random.default_rng(0).normal(size=(24, 3)), np.arange(24) % 2


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"optimizer__eps": -1}, ValueError, "cannot use optimizer__eps=-1: ValueErr"),
        ({"optimizer__lr": -1}, ValueError, "optimizer__lr=-1"),
        ({"optimizer__lr": 10**400}, ValueError, "'optimizer__lr' parameter of ActMLP"),
        ({"lr": 10**400}, ValueError, "'lr' parameter of ActMLP"),
        ({"width": 10**12}, ValueError, "width=1000000000000"),
        (
            {"depth": 10**12},
            ValueError,
            "'depth' parameter of ActMLP must be an int fr",
        ),
        ({"optimizer": torch.relu}, TypeError, "optimizer="),
        ({"criterion": nn.MSELoss}, ValueError, "criterion=MSELoss"),
        ({"callbacks": [int]}, ValueError, "callbacks="),
        ({"callbacks__print_log": 3}, ValueError, "callbacks__print_log=3"),
        ({"train_split": nn.ReLU()}, TypeError, "train_split="),
        (
            {"predict_nonlinearity": nn.Linear(9, 9)},
            ValueError,
            "predict_nonlinearity=",
        ),
        ({"iterator_train__batch_size": 0}, ValueError, "iterator_train__batch_size"),
        ({"iterator_train__num_workers": 10**12}, ValueError, "an int from 0 to 256"),
        ({"iterator_train__nosuch": 0}, ValueError, "nosuch"),
        ({"iterator_train__generator": 0}, ValueError, "or a torch.Generator, got 0"),
        ({"torch_load_kwargs": 3}, ValueError, "or a dict of arguments of torch.load"),
        (
            {"optimizer__param_groups": [("*weight", {"lrr": 0.1})]},
            TypeError,
            "optimizer__param_groups=[('*weight', {'lrr': 0.1})]",
        ),
        (
            {"optimizer__param_groups": [("*bias", {"lr": -0.1})]},
            ValueError,
            "optimizer__param_groups=[('*bias', {'lr': -0.1})]",
        ),
        (
            {"optimizer__param_groups": [("*", {"lr": "a"})]},
            ValueError,
            "'optimizer__param_groups: lr' parameter of ActMLP must be a finite number",
        ),
        ({"dataset__length": 99}, ValueError, "dataset__length"),
        ({"optimizer": nn.LayerNorm(8)}, TypeError, "ActMLP cannot use optimizer=Lay"),
        ({"optimizer": lambda *a: None}, TypeError, "ActMLP cannot use optimizer=lam"),
        (
            {"optimizer": torch.optim.lr_scheduler.StepLR},
            TypeError,
            "ActMLP cannot use optimizer=StepLR: TypeError",
        ),
        *(
            (
                {"optimizer": kind, "weight_decay": 0.1},
                TypeError,
                f"ActMLP cannot use optimizer={kind.__name__}, weight_decay=0.1: Type",
            )
            for kind in (torch.optim.Rprop, torch.optim.LBFGS)
        ),
        (
            {"optimizer__weight_decay": -1},
            ValueError,
            "ActMLP cannot use optimizer__weight_decay=-1: ValueError",
        ),
        (
            {"optimizer": "sgd", "optimizer__momentum": -1},
            ValueError,
            "ActMLP cannot use optimizer='sgd', optimizer__momentum=-1: ValueError",
        ),
        (
            {"optimizer": "sgd", "nesterov": True, "optimizer__momentum": 0},
            ValueError,
            "ActMLP cannot use optimizer='sgd', nesterov=True, optimizer__momentum=0:",
        ),
        (
            {"optimizer__lr": torch.tensor(0.1), "optimizer__foreach": True},
            ValueError,
            "ActMLP cannot use optimizer__lr=tensor(0.1000), optimizer__foreach=True:",
        ),
        (
            {"optimizer__param_groups": [("*weight", {"momentum": 0.5})]},
            TypeError,
            "ActMLP cannot use optimizer__param_groups=[('*weight', {'momentum': 0.5})",
        ),
        (
            {"criterion": lambda reduction: lambda a, b: 3.0},
            TypeError,
            "ActMLP cannot use criterion=lambda: TypeError: a loss must be a tensor, g",
        ),
        ({"output_activation": len}, ValueError, "of the same shape, got int"),
        ({"optimizer__betas": (0.9, 0.99, 0.9)}, ValueError, "optimizer__betas"),
        (
            {"activation": "elu(alpha=1e39)", "dtype": "float32"},
            ValueError,
            "activation=elu(alpha=1e39)",
        ),
        (
            {"output_activation": lambda x: torch.cat([x, x], 1)},
            ValueError,
            "output_activation=lambda must turn a tensor",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_error_of_a_part_names_its_parameter(params, error, message):
    with pytest.raises(error, match=re.escape(message)):
        ActMLP(max_epochs=1, **params).fit(X, y).predict(X)


def test_the_error_of_the_part_is_the_cause():
    def build(weights, lr):
        return torch.optim.SGD(weights, (lr,)[1])

    with pytest.raises(ValueError, match="tuple index out of range") as caught:
        ActMLP(optimizer=build).fit(X, y)
    assert isinstance(caught.value.__cause__, IndexError)


def test_an_error_that_names_the_parameter_or_tells_divergence_stays_as_it_is():
    net = ActMLP(lr=3)
    for error in (ValueError("lr is wrong"), DivergedError("nan", epoch=1)):
        with pytest.raises(type(error), match="^" + str(error)), blame(net, "lr"):
            raise error


def test_a_method_is_decorated_and_keeps_its_name():
    class Net(ActMLP):
        @blaming("width")
        def broken(self):
            """Break."""
            raise KeyError("x")

    assert Net.broken.__doc__ == "Break."
    with pytest.raises(ValueError, match="Net cannot use width=7: KeyError: 'x'"):
        Net(width=7).broken()


SPLIT = {"early_stopping": True}


@pytest.mark.parametrize(
    ("params", "kind", "message"),
    [
        (
            {"iterator_train__sampler": WeightedRandomSampler(np.ones(60), 60)},
            ValueError,
            "ActMLP cannot use iterator_train__sampler=WeightedRandomSampler(): IndexE",
        ),
        ({"iterator_train__sampler": ["a"]}, ValueError, "iterator_train__sampler=["),
        (
            {"iterator_valid__sampler": [500], **SPLIT},
            ValueError,
            "ActMLP cannot use iterator_valid__sampler=[500]: IndexError: index 500",
        ),
        ({"iterator_train__batch_sampler": 3}, ValueError, "batch_sampler' parameter"),
        ({"iterator_train": lambda data, **_: 3}, TypeError, "iterator_train=lambda"),
        (
            {"iterator_train__collate_fn": lambda rows: None},
            TypeError,
            "iterator_train__collate_fn=lambda: TypeError: a batch must be X and y, go",
        ),
        (
            {"iterator_train__collate_fn": lambda rows: 1},
            TypeError,
            "iterator_train__collate_fn=lambda: TypeError: a batch must be X and y, go",
        ),
        (
            {"iterator_train": lambda dataset, **params: [1, 2]},
            TypeError,
            "iterator_train=lambda: TypeError: a batch must be X and y, got 1.",
        ),
        (
            {"dataset": lambda *args, **params: [1, 2]},
            TypeError,
            "dataset=lambda: TypeError: the X of a batch must have 3 columns, got Tens",
        ),
        ({"dataset": lambda X, y=None: 3}, TypeError, "dataset=lambda: TypeError: ob"),
        (
            {"iterator_valid__drop_last": True, **SPLIT},
            ValueError,
            "would validate on no batch: iterator_valid gives none",
        ),
    ],
    ids=lambda value: str(value)[:18],
)
def test_an_error_in_reading_batches_names_what_reads_them(params, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        ActMLP(max_epochs=1, random_state=0, **params).fit(X, y)


def test_an_error_in_a_step_is_none_of_the_loaders():
    class Raises(Callback):
        def on_batch_begin(self, net, **kwargs):
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match=r"^mine$"):
        ActMLP(max_epochs=1, callbacks=[Raises()]).fit(X, y)


def test_batches_are_read_one_by_one():
    seen = []
    batches = read_batches(
        ActMLP(), (seen.append(i) or (i, i) for i in "ab"), training=True
    )
    assert next(batches) == ("a", "a")
    assert seen == ["a"]
    assert list(batches) == [("b", "b")]


def test_an_error_that_arises_in_a_step_of_an_optimizer_names_it():
    class Breaks(torch.optim.SGD):
        def step(self, closure):
            closure()
            torch.optim.lr_scheduler.LambdaLR(self, 3).step()

    net = ActMLP(max_epochs=1, optimizer=Breaks, optimizer__lr=0.1)
    with pytest.raises(TypeError, match="cannot use optimizer=Breaks, optimizer__lr=0"):
        net.fit(X, y)


def test_an_error_of_the_compiler_in_the_first_batch_names_it():
    class BackendCompilerFailed(RuntimeError):
        __module__ = "torch._dynamo.exc"

    class Network(nn.Module):
        def __init__(self, module):
            super().__init__()
            self.module = module

        def forward(self, x):
            raise BackendCompilerFailed("division by zero")

    net = ActMLP(compile=True, compile__backend=lambda *args: 1 / 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "compile", lambda module, *, backend: Network(module))
        with pytest.raises(
            ValueError, match="compile=True, compile__backend=lambda: B"
        ):
            net.fit(X, y)


def test_a_backend_of_the_compiler_that_is_not_there_is_named():
    def compile_no_module(module, *, backend):
        raise RuntimeError(f"no {backend}")

    net = ActMLP(compile=True, compile__backend="nosuch")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "compile", compile_no_module)
        with pytest.raises(ValueError, match="compile__backend='nosuch': RuntimeError"):
            net.fit(X, y)

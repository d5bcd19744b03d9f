"""The same network in five ways: each peer set up as one who knows it would.

All torch peers start from `nn.Linear`'s own initial weights, so ActMLP gets
``init="torch"``; scikit-learn has its own rule (Glorot), which cannot be changed. All
shuffle the rows each epoch and train on all of them, except skorch as shipped.
"""

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from skorch import NeuralNetClassifier
from skorch.dataset import Dataset
from threadpoolctl import threadpool_limits
from torch import Tensor, nn
from torch.nn import functional as F

from skact import ActMLP

TORCH_ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}
SKLEARN_ACTIVATIONS = {"relu": "relu", "tanh": "tanh", "sigmoid": "logistic"}


@dataclass(frozen=True)
class Task:
    """One network and how it is trained."""

    n_features: int
    n_outputs: int
    hidden: tuple[int, ...]
    epochs: int
    batch_size: int
    optimizer: str = "adam"  # or "sgd"
    lr: float = 0.01
    momentum: float = 0.9  # of "sgd"
    activation: str = "relu"  # or "tanh", "sigmoid"
    dtype: str = "float32"
    device: str = "cpu"

    @property
    def widths(self) -> tuple[int, ...]:
        return (self.n_features, *self.hidden, self.n_outputs)

    def __str__(self) -> str:
        momentum = f", momentum {self.momentum}" if self.optimizer == "sgd" else ""
        return (
            f"{'-'.join(map(str, self.widths))}, {self.activation}, {self.optimizer} "
            f"with lr {self.lr}{momentum}, batches of {self.batch_size}, "
            f"{self.epochs} epochs, {self.dtype}"
        )

    def as_float64(self) -> "Task":
        return replace(self, dtype="float64")


def network(
    n_features: int, n_outputs: int, hidden: tuple, activation: str, dtype: str
) -> nn.Sequential:
    """Build the network in plain torch."""
    widths = [n_features, *hidden]
    layers: list[nn.Module] = []
    for d_in, d_out in zip(widths, hidden, strict=False):
        layers += [nn.Linear(d_in, d_out), TORCH_ACTIVATIONS[activation]()]
    layers.append(nn.Linear(widths[-1], n_outputs))
    return nn.Sequential(*layers).to(getattr(torch, dtype))


class Network(nn.Module):
    """The same as a class, which skorch builds from its `module__` parameters."""

    def __init__(self, **shape: Any) -> None:
        super().__init__()
        self.layers = network(**shape)

    def forward(self, X: Tensor) -> Tensor:
        return self.layers(X)


# ---------------------------------------------------------------------- skorch


class QuietNet(NeuralNetClassifier):
    """skorch's own classifier; what it prints goes nowhere, also in worker processes.

    Printing to a terminal would cost more. The seed makes the accuracy repeatable.
    """

    def fit(self, X: Any, y: Any, **fit_params: Any) -> "QuietNet":
        torch.manual_seed(0)
        with Path(os.devnull).open("w") as sink, contextlib.redirect_stdout(sink):
            return super().fit(X, y, **fit_params)


class WholeBatches(Dataset):
    """Hands torch's loader a whole batch, where skorch's own fetches row by row."""

    def __init__(self, X: Any, y: Any = None) -> None:
        super().__init__(X, y)
        self.rows = torch.as_tensor(X)
        codes = np.zeros(len(X), np.int64) if y is None else y
        self.targets = torch.as_tensor(codes)

    def __getitems__(self, indices: list[int]) -> tuple[Tensor, Tensor]:
        rows = torch.as_tensor(indices)
        return self.rows.index_select(0, rows), self.targets.index_select(0, rows)


def as_is(batch: Any) -> Any:
    """Collate nothing: the batch is whole. (A lambda could not go to a worker.)"""
    return batch


def _skorch_arguments(task: Task) -> dict[str, Any]:
    arguments = {
        "module": Network,
        "module__n_features": task.n_features,
        "module__n_outputs": task.n_outputs,
        "module__hidden": task.hidden,
        "module__activation": task.activation,
        "module__dtype": task.dtype,
        "criterion": nn.CrossEntropyLoss,
        "optimizer": torch.optim.Adam if task.optimizer == "adam" else torch.optim.SGD,
        "lr": task.lr,
        "max_epochs": task.epochs,
        "batch_size": task.batch_size,
        "device": task.device,
    }
    if task.optimizer == "sgd":
        arguments["optimizer__momentum"] = task.momentum
    return arguments


def skorch_shipped(task: Task) -> QuietNet:
    """Take skorch's defaults: callbacks, no shuffling, a fifth held out and scored.

    So it trains on four fifths of the rows, and passes over the last fifth.
    """
    return QuietNet(**_skorch_arguments(task))


def skorch_tuned(task: Task) -> QuietNet:
    """Do what skorch's maintainers advise: no callbacks, no split, whole batches."""
    return QuietNet(
        **_skorch_arguments(task),
        callbacks="disable",
        verbose=0,
        train_split=None,
        dataset=WholeBatches,
        iterator_train__shuffle=True,
        iterator_train__collate_fn=as_is,
        iterator_valid__collate_fn=as_is,
        iterator_valid__batch_size=4096,  # training's small batches cost predict dear
    )


# ---------------------------------------------------------------------- plain torch


class HandWritten(ClassifierMixin, BaseEstimator):
    """The training loop that one writes by hand: autograd, tensors, torch.optim."""

    def __init__(self, task: Task) -> None:
        self.task = task

    def fit(self, X: np.ndarray, y: np.ndarray) -> "HandWritten":
        task = self.task
        torch.manual_seed(0)
        self.classes_ = np.arange(task.n_outputs)
        self.model_ = model = network(
            task.n_features, task.n_outputs, task.hidden, task.activation, task.dtype
        )
        if task.optimizer == "adam":
            optimizer: Any = torch.optim.Adam(model.parameters(), lr=task.lr)
        else:
            optimizer = torch.optim.SGD(
                model.parameters(), lr=task.lr, momentum=task.momentum
            )
        rows, codes = torch.from_numpy(X), torch.from_numpy(y)
        for _ in range(task.epochs):
            order = torch.randperm(len(rows))
            # one gather an epoch; the batches are views of it
            batches = zip(
                rows.index_select(0, order).split(task.batch_size),
                codes.index_select(0, order).split(task.batch_size),
                strict=True,
            )
            for batch, labels in batches:
                loss = F.cross_entropy(model(batch), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return self.model_(torch.from_numpy(X)).argmax(1).numpy()


# ---------------------------------------------------------------------- the others


def sklearn_mlp(task: Task) -> MLPClassifier:
    """Make MLPClassifier train every epoch, with no penalty."""
    return MLPClassifier(
        task.hidden,
        activation=SKLEARN_ACTIVATIONS[task.activation],
        solver=task.optimizer,
        alpha=0.0,
        batch_size=task.batch_size,
        learning_rate_init=task.lr,
        momentum=task.momentum,
        nesterovs_momentum=False,
        max_iter=task.epochs,
        tol=0.0,
        n_iter_no_change=10**6,
        random_state=0,
    )


def act_mlp(task: Task) -> ActMLP:
    """Describe the task to ActMLP; dtype "auto" follows X."""
    return ActMLP(
        task.activation,
        hidden=task.hidden,
        init="torch",
        optimizer=task.optimizer,
        lr=task.lr,
        momentum=task.momentum,
        batch_size=task.batch_size,
        max_epochs=task.epochs,
        device=task.device,
        random_state=0,
    )


PEERS: dict[str, Callable[[Task], Any]] = {
    "skorch, as shipped": skorch_shipped,
    "skorch, tuned": skorch_tuned,
    "hand-written loop": HandWritten,
    "scikit-learn MLP": sklearn_mlp,
    "ActMLP": act_mlp,
}


@contextlib.contextmanager
def limited_threads(n: int | None) -> Iterator[None]:
    """Compute on n threads within the block, in torch and in numpy; None: as it is."""
    if n is None:
        yield
        return
    before = torch.get_num_threads()
    with threadpool_limits(n):
        torch.set_num_threads(n)
        try:
            yield
        finally:
            torch.set_num_threads(before)


@contextlib.contextmanager
def unconverged() -> Iterator[None]:
    """Let MLPClassifier stop after the epochs that were asked for, in silence."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield

"""The plan of a fit: tables of nets, and the loop and the callbacks of each."""

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.callback import ScoringMonitor
from skorch.callbacks import (
    BatchScoring,
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    Freezer,
    LRScheduler,
    ProgressBar,
)
from skorch.dataset import Dataset, ValidSplit
from skorch.helper import predefined_split
from torch import nn
from torch.utils.data import Subset

from skact import ActivationMonitor, ActMLP, TrainingLog
from skact.nets.eligibility import plan_fit
from skact.nets.inputs import read_inputs
from skact.parameters.fit_params import FitOptions

RNG = np.random.default_rng(0)
X, y = RNG.normal(size=(60, 3)), np.arange(60) % 3


class Epochs(Callback):
    """Does something at each epoch; who knows what."""

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        pass


class OwnStopping(EarlyStopping):
    pass


class Batches(Callback):
    def on_batch_end(self, net: Any, **kwargs: Any) -> None:
        pass


class OwnLoss(ActMLP):
    def get_loss(self, *args: Any, **kwargs: Any) -> Any:
        return super().get_loss(*args, **kwargs)


class OwnEpochs(ActMLP):
    def on_epoch_end(self, net: Any, *args: Any, **kwargs: Any) -> None:
        pass


class OwnPredict(ActMLP):
    def predict(self, X: Any) -> Any:
        return super().predict(X)


class OwnDataset(Dataset):
    pass


def planned(kind: Any = ActMLP, before: Any = None, **params: Any) -> Any:
    net = kind(width=4, max_epochs=2, random_state=0, **params)
    rows = read_inputs(net, X, y, None, reset=True)
    net.initialize()
    if before is not None:
        before(net)
    for _, callback in net.callbacks_:
        if isinstance(callback, LRScheduler):  # as a fit does with all callbacks
            callback.on_train_begin(net)
    return plan_fit(net, rows, FitOptions(net.max_epochs, {}))


def own_split(dataset: Any, y: Any = None) -> tuple:
    return OwnDataset(X[:40], y[:40]), OwnDataset(X[40:], y[40:])


def noisy(x: Any) -> Any:
    return x + torch.randn_like(x)


def half(dataset: Any, y: Any = None) -> tuple:
    return Subset(dataset, range(30)), Subset(dataset, range(30, 60))


# parameters of a net -> what happens between the epochs that the engine trains
ON_THE_ENGINE: list[tuple[str, dict[str, Any], str]] = [
    ("nothing set", {}, "nobody"),
    ("callbacks=[]", {"callbacks": []}, "nobody"),
    ("a monitor", {"callbacks": [ActivationMonitor()]}, "nobody"),
    ("verbose", {"verbose": 1}, "looks"),
    ("early stopping", {"early_stopping": True}, "nobody"),
    ("verbose early stopping", {"early_stopping": True, "verbose": 1}, "looks"),
    ("train_split", {"train_split": ValidSplit(3)}, "nobody"),
    ("a loader", {"train_split": ValidSplit(3), "iterator_valid__timeout": 0}, "looks"),
    ("custom parts", {"early_stopping": True, "activation": torch.sin}, "looks"),
    ("batch-wise", {"early_stopping": True, "activation": nn.Softmax(0)}, "looks"),
    ("stops by training loss", {"callbacks": [EarlyStopping("train_loss")]}, "nobody"),
    ("stops by no loss", {"callbacks": [EarlyStopping("valid_loss")]}, "looks"),
    ("stops twice", {"early_stopping": True, "callbacks": [EarlyStopping()]}, "looks"),
    ("own stopping", {"early_stopping": True, "callbacks": [OwnStopping()]}, "changes"),
    (
        "stops by accuracy",
        {
            "train_split": ValidSplit(3),
            "callbacks": [EarlyStopping("valid_acc", lower_is_better=False)],
        },
        "nobody",
    ),
    (
        "stops by a score of its own",
        {
            "train_split": ValidSplit(3),
            "callbacks": [EpochScoring("accuracy", name="a"), EarlyStopping("a")],
        },
        "nobody",
    ),
    (
        "stops by a loss that nobody writes",
        {"early_stopping": True, "callbacks__valid_loss": None},
        "looks",
    ),
    (
        "scores after it stops",
        {
            "train_split": ValidSplit(3),
            "callbacks": [EarlyStopping(), EpochScoring("accuracy")],
        },
        "looks",
    ),
    (
        "two scores of one name",
        {
            "train_split": ValidSplit(3),
            "callbacks": [EpochScoring("accuracy", name="valid_acc")],
        },
        "looks",
    ),
    (
        "scores by epoch",
        {"train_split": ValidSplit(3), "callbacks": [EpochScoring("accuracy")]},
        "nobody",
    ),
    (
        "other scores",
        {"train_split": ValidSplit(3), "callbacks": [EpochScoring("f1_macro")]},
        "looks",
    ),
    (
        "another valid_acc",
        {"early_stopping": True, "callbacks__valid_acc__scoring": "f1_macro"},
        "looks",
    ),
    (
        "predicts otherwise, and scores",
        {"kind": OwnPredict, "early_stopping": True},
        "looks",
    ),
    (
        "other probabilities",
        {"early_stopping": True, "predict_nonlinearity": None},
        "looks",
    ),
    ("a schedule", {"callbacks": [LRScheduler("StepLR", step_size=1)]}, "nobody"),
    ("rates of steps", {"lr_schedule": "cosine"}, "nobody"),
    (
        "rates of batches",
        {"callbacks": [LRScheduler("StepLR", step_size=1, step_every="batch")]},
        "nobody",
    ),
    (
        "a function of the user",
        {"callbacks": [LRScheduler("LambdaLR", lr_lambda=lambda epoch: 1.0)]},
        "changes",
    ),
    (
        "two schedules",
        {"callbacks": [LRScheduler("StepLR", step_size=n) for n in (1, 2)]},
        "looks",
    ),
    ("prints elsewhere", {"callbacks__print_log__sink": lambda line: None}, "looks"),
    ("a callback", {"callbacks": [Epochs()]}, "changes"),
    ("a subclass that looks on", {"kind": OwnEpochs}, "changes"),
    ("a subclass that predicts", {"kind": OwnPredict}, "nobody"),
    ("no callbacks", {"callbacks": "disable"}, "nobody"),
    ("full batch", {"batch_size": -1, "iterator_train__shuffle": False}, "nobody"),
]


@pytest.mark.parametrize(
    ("params", "between"),
    [row[1:] for row in ON_THE_ENGINE],
    ids=[row[0] for row in ON_THE_ENGINE],
)
def test_the_engine_serves(params: dict[str, Any], between: str) -> None:
    plan = planned(**params)
    assert (plan.loop, plan.why_skorch) == ("engine", None)
    assert plan.trained_by == "the engine"
    assert plan.between_epochs == between
    # callbacks get datasets; where nobody looks on, none is made
    assert (plan.train_set is None) == (between == "nobody")


# parameters of a net -> why it trains by skorch's own loop
BY_SKORCH: list[tuple[dict[str, Any], str]] = [
    ({"iterator_train": type("Own", (torch.utils.data.DataLoader,), {})}, "iterator"),
    ({"dataset": OwnDataset}, "the iterator or dataset is a custom class"),
    ({"dataset__length": 60}, "dataset__* is set"),
    ({"iterator_train__drop_last": True}, "iterator_train__drop_last is set"),
    ({"kind": OwnLoss}, "OwnLoss overrides get_loss"),
    ({"callbacks": [Freezer("output.*")]}, "freezes parameters"),
    ({"callbacks": [Batches()]}, "works batch by batch"),
    ({"callbacks": [ProgressBar()]}, "works batch by batch"),
    (
        {"callbacks": [EpochScoring("accuracy", on_train=True)]},
        "works batch by batch",
    ),
    (
        {"callbacks": [BatchScoring("accuracy", on_train=True, name="acc")]},
        "works batch by batch",
    ),
    (
        {"callbacks": [LRScheduler("LambdaLR", lr_lambda=float, step_every="batch")]},
        "works batch by batch",
    ),
    (
        {
            "callbacks": [
                LRScheduler("StepLR", step_size=1, step_every="batch"),
                Epochs(),
            ]
        },
        "sets rates of batches, and others look on",
    ),
    (
        {"criterion": nn.NLLLoss, "output_activation": "softmax"},
        "the criterion NLLLoss has no stacked form",
    ),
    ({"criterion__label_smoothing": 0.1}, "options (label_smoothing)"),
    ({"optimizer": torch.optim.RMSprop}, "the optimizer RMSprop has no stacked form"),
    ({"optimizer__amsgrad": True}, "Adam(amsgrad=True) has no stacked form"),
    ({"activation": noisy}, "draws from a global generator"),
    ({"train_split": own_split}, "train_split returns a custom dataset"),
]


@pytest.mark.parametrize(("params", "why"), BY_SKORCH)
def test_skorchs_loop_trains(params: dict[str, Any], why: str) -> None:
    plan = planned(**params)
    assert plan.loop == "skorch"
    assert why in plan.why_skorch
    assert plan.trained_by == f"skorch's loop, because {plan.why_skorch}"


def test_what_callbacks_did_before_the_fit_counts() -> None:
    def freeze(net: Any) -> None:
        net.module_.output.weight.requires_grad_(False)

    def hook(net: Any) -> None:
        net.module_.register_forward_hook(lambda *_: None)

    def replace(net: Any) -> None:
        net.module_.hidden[0].dropout = nn.Dropout(0.1)

    def patch(net: Any) -> None:
        net.train_step = net.train_step

    def compile_it(net: Any) -> None:
        net.compile = True  # compiling itself takes a compiler, and long

    for before, why in (
        (compile_it, "compile=True compiles the module"),
        (freeze, "the parameter output.weight is not trained"),
        (hook, "a hook is registered on the module"),
        (replace, "hidden.0.dropout is Dropout"),
        (patch, "ActMLP overrides train_step"),
    ):
        assert why in planned(before=before).why_skorch


def test_nothing_is_held_out_unless_asked() -> None:
    plan = planned()
    assert plan.train is plan.given
    assert (plan.train_set, plan.valid_set, plan.held_out) == (None, None, None)


@pytest.mark.parametrize(
    "params",
    [{"early_stopping": True, "validation_fraction": 0.5}, {"train_split": half}],
    ids=["early stopping", "train_split"],
)
def test_rows_that_are_held_out_do_not_train(params: dict[str, Any]) -> None:
    plan = planned(**params)
    assert len(plan.train) == len(plan.held_out) == 30
    both = np.concatenate([plan.train.X, plan.held_out.X])
    assert {row.tobytes() for row in both} == {row.tobytes() for row in X}


def test_a_split_that_was_made_before_is_held_out_as_it_is() -> None:
    plan = planned(train_split=predefined_split(Dataset(X[:7], y[:7])))
    assert len(plan.train) == 60
    np.testing.assert_array_equal(plan.held_out.X, X[:7])


@pytest.mark.parametrize(
    "params",
    [
        {"callbacks": [BatchScoring("accuracy", name="acc")]},
        {"iterator_valid__num_workers": 0},
        {"activation": nn.Sequential(nn.Tanh())},
    ],
    ids=["a callback sees batches", "a loader is set up", "parts of the user's own"],
)
def test_what_somebody_would_notice_goes_through_the_loader(
    params: dict[str, Any],
) -> None:
    plan = planned(early_stopping=True, **params)
    assert plan.loop == "engine"
    assert plan.valid_set is not None
    assert plan.held_out is None


def test_fits_that_share_files_train_alone(tmp_path: Any) -> None:
    plan = planned(callbacks=[Checkpoint(dirname=tmp_path, monitor=None)])
    assert plan.loop == "engine"
    assert "files that all fits would share" in plan.why_alone
    assert planned().why_alone is None


def test_a_callback_of_scikit_learn_is_taken_to_change_the_net() -> None:
    def watch(net: Any) -> None:
        net.set_callbacks(ScoringMonitor(scoring="accuracy"))

    def log(net: Any) -> None:
        net.set_callbacks(TrainingLog())

    assert planned(before=watch).between_epochs == "changes"
    assert planned(before=log).between_epochs == "nobody"


def test_the_net_says_how_it_was_trained() -> None:
    for params in ({}, {"iterator_train__drop_last": True, "batch_size": 8}):
        net = ActMLP(width=4, max_epochs=1, random_state=0, **params).fit(X, y)
        assert net.trained_by_ == planned(**params).trained_by

"""How a fit is to run: which loop trains it, alone or not, and who looks on.

`plan_fit` decides all of it before the first epoch, in one frozen `FitPlan`.
"""

import copy
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from skorch.callbacks import (
    BatchScoring,
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    EpochTimer,
    Freezer,
    LoadInitState,
    LRScheduler,
    TrainEndCheckpoint,
    Unfreezer,
)
from skorch.dataset import Dataset
from torch import nn
from torch.utils.data import DataLoader

from skact._sklearn import callbacks_of
from skact.engine._torch import has_hooks
from skact.engine.activation_layers import activation_key
from skact.engine.optimizers import stacked_form
from skact.global_rng import borrowed_generators
from skact.nets._skorch import EPOCH_METHODS, TRAINING_METHODS, overridden
from skact.nets.components import has_custom_parts, holds_out_rows
from skact.nets.default_callbacks import QuietLog, WeightedLoss
from skact.nets.held_out import no_callback_sees_batches
from skact.nets.mlp import MLP, BatchNorm, Dropout, Linear
from skact.nets.rows import Rows, TrainingData, rows_of

_BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_grad_computed")
_DEFAULTS = {
    "epoch_timer": EpochTimer,
    "train_loss": WeightedLoss,
    "valid_loss": WeightedLoss,
    "valid_acc": EpochScoring,
    "print_log": QuietLog,
}
# callbacks that leave the network and the optimizer alone between epochs
_ONLOOKERS = {*_DEFAULTS.values(), EarlyStopping}
# the layers that have a stacked form, and options that must be so
_USUAL_LAYERS: dict[type, dict[str, Any]] = {
    Linear: {},
    Dropout: {},
    nn.Identity: {},
    nn.LayerNorm: {"eps": 1e-5},
    BatchNorm: {"eps": 1e-5, "momentum": 0.1, "track_running_stats": True},
}

# Between epochs nobody looks at the net; or somebody looks, such as a callback that
# scores; or somebody may change it.
BetweenEpochs = Literal["nobody", "looks", "changes"]


@dataclass(frozen=True, eq=False)
class FitPlan:
    """How a fit is to run."""

    loop: Literal["engine", "skorch"]
    given: Rows  # to the fit
    train: Rows  # of these, that train; skorch's loop splits them itself
    why_skorch: str | None = None  # as the end of a sentence that begins with "because"
    why_alone: str | None = None  # and not with the fits of other tasks
    between_epochs: BetweenEpochs = "changes"
    train_set: Any = None  # the rows that train as a dataset, for callbacks
    valid_set: Any = None  # the dataset that is held out; None: there is none
    held_out: Rows | None = None  # the same as rows, to be scored in few large batches

    @property
    def trained_by(self) -> str:
        """What the net says of itself."""
        if self.why_skorch is None:
            return "the engine"
        return f"skorch's loop, because {self.why_skorch}"


def plan_fit(net: Any, rows: Rows) -> FitPlan:
    """Decide how an initialized net is to train on rows.

    Parameters
    ----------
    net : BaseNet
        Its callbacks have heard ``on_train_begin``: they may have frozen parameters.
    rows : Rows

    Returns
    -------
    FitPlan
    """
    why = why_skorch(net)
    if why is not None:
        return FitPlan("skorch", rows, rows, why_skorch=why)
    train, train_set, valid_set = rows, None, None
    if holds_out_rows(net):
        train_set, valid_set = net.get_split_datasets(TrainingData(rows), rows.y)
        chosen = rows_of(train_set)
        if chosen is None:
            why = "train_split gives a dataset of its own to train on"
            return FitPlan("skorch", rows, rows, why_skorch=why)
        train = chosen
    between = between_epochs(net, valid_set)
    if between != "nobody" and train_set is None:
        train_set = TrainingData(rows)
    return FitPlan(
        "engine",
        rows,
        train,
        why_alone=why_alone(net),
        between_epochs=between,
        train_set=train_set,
        valid_set=valid_set,
        held_out=_rows_to_score(net, valid_set),
    )


# ------------------------------------------------------------------ which loop


def why_skorch(net: Any) -> str | None:
    """Return why the engine cannot serve a fit, or None if it can."""
    return (
        _unusual_loading(net)
        or _unusual_method(net)
        or _unusual_callback(net)
        or _unusual_criterion(net)
        or why_no_stack(net.module_, net.optimizer_)
    )


def _unusual_loading(net: Any) -> str | None:
    loading = (net.iterator_train, net.iterator_valid, net.dataset)
    if loading != (DataLoader, DataLoader, Dataset):
        return "the iterator or dataset is a class of the user's own"
    if net.get_params_for("dataset"):
        return "dataset__* is set"
    for name in net.get_params_for("iterator_train"):
        if name not in ("shuffle", "batch_size"):
            return f"iterator_train__{name} is set"
    if net.compile:
        return "compile=True compiles the module for it"
    return None


def _unusual_method(net: Any) -> str | None:
    name = overridden(net, TRAINING_METHODS)
    return None if name is None else f"{type(net).__name__} overrides {name}"


def _unusual_callback(net: Any) -> str | None:
    for name, callback in net.callbacks_:
        if isinstance(callback, Freezer | Unfreezer):
            return f"the callback {name!r} freezes parameters"
        if _wants_training_batches(callback, net.use_caching):
            return f"the callback {name!r} works batch by batch"
    return None


def _wants_training_batches(callback: Any, use_caching: Any) -> bool:
    if isinstance(callback, EpochScoring) and type(callback).on_batch_end is (
        EpochScoring.on_batch_end
    ):
        cached = callback.use_caching if use_caching == "auto" else use_caching
        return bool(callback.on_train and cached)
    if isinstance(callback, BatchScoring):
        return bool(callback.on_train)
    if type(callback) is LRScheduler:
        return callback.step_every != "epoch"
    methods = [(getattr(callback, name), name) for name in _BATCH_HOOKS]
    return any(
        getattr(method, "__func__", method) is not getattr(Callback, name)
        for method, name in methods
    )


def _unusual_criterion(net: Any) -> str | None:
    criterion, usual = net.criterion_, net._usual_criterion
    name = type(criterion).__name__
    if type(criterion) is not usual:
        return f"the criterion {name} has no stacked form"
    options = [option for option, _ in criterion.named_buffers()]
    for option, default in vars(usual(reduction="none")).items():
        public = not option.startswith("_") and option != "training"
        if public and getattr(criterion, option) != default:
            options.append(option)
    return f"the criterion has options ({', '.join(options)})" if options else None


def why_no_stack(module: Any, optimizer: torch.optim.Optimizer) -> str | None:
    """Return why a network cannot train in a stack; None if it can."""
    reason = why_no_longer(module, optimizer)
    if reason is not None:
        return reason
    layers: list[Any] = list(module.hidden)
    places = [(layer.activation, layer.linear.out_features) for layer in layers]
    places.append((module.output_activation, module.output.out_features))
    for activation, width in places:
        ramp = torch.linspace(-3, 3, 2 * width).view(2, width).to(module.output.weight)
        why = _unusual_activation(activation, ramp)
        if why is not None:
            return f"the activation {activation!r} {why}"
    return None


def why_no_longer(module: Any, optimizer: torch.optim.Optimizer) -> str | None:
    """Return what callbacks have done to a network that no stack allows for, or None.

    Parameters
    ----------
    module : MLP
    optimizer : torch.optim.Optimizer
        Over the parameters of `module`.

    Returns
    -------
    str or None
        As the end of a sentence that begins with "because".
    """
    if stacked_form(optimizer) is None:
        return f"the optimizer {_optimizer_in_words(optimizer)} has no stacked form"
    if type(module) is not MLP:
        return f"the module is a {type(module).__name__}"
    if module.output.weight.device.type not in ("cpu", "cuda"):
        return f"the device {module.output.weight.device} is not served"
    return (
        _unusual_layer(module)
        or _untrained_parameter(module, optimizer)
        or _hooked_part(module, optimizer)
    )


def _unusual_layer(module: Any) -> str | None:
    """Say which layer is not as MLP builds it: users may have put in their own."""
    parts: list[tuple[str, Any]] = [("output", module.output)]
    for i, layer in enumerate(module.hidden):
        names = ("linear", "norm", "dropout")
        parts += [(f"hidden.{i}.{name}", getattr(layer, name)) for name in names]
    for name, part in parts:
        usual = _USUAL_LAYERS.get(type(part))
        if usual is None or any(getattr(part, k) != v for k, v in usual.items()):
            return f"{name} is {part!r}"
    return None


def _untrained_parameter(module: Any, optimizer: torch.optim.Optimizer) -> str | None:
    held = {id(p) for p in optimizer.param_groups[0]["params"]}
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad or id(parameter) not in held:
            return f"the parameter {name} is not trained"
    return None


def _hooked_part(module: Any, optimizer: torch.optim.Optimizer) -> str | None:
    """Say what has a hook: no stack would call it."""
    for name, part in (*module.named_modules(), *module.named_parameters()):
        if has_hooks(part):
            return f"a hook is registered on {name or 'the module'}"
    if has_hooks(optimizer):
        return "a hook is registered on the optimizer"
    return None


def _optimizer_in_words(optimizer: torch.optim.Optimizer) -> str:
    name = type(optimizer).__name__
    options = ("dampening", "maximize", "amsgrad", "differentiable", "capturable")
    groups = optimizer.param_groups
    given = [f"{o}={groups[0][o]!r}" for o in options if groups[0].get(o)]
    if len(groups) > 1:
        given.append(f"{len(groups)} parameter groups")
    return f"{name}({', '.join(given)})" if given else name


def _unusual_activation(activation: nn.Module, x: torch.Tensor) -> str | None:
    """Say why what a user brought cannot be in a stack; None if it can."""
    key = activation_key(activation)
    if not (isinstance(key, tuple) and key[0] in ("function", "module")):
        return None
    try:
        activation = copy.deepcopy(activation).train()  # it may keep statistics
    except Exception as error:
        return f"cannot be copied ({error!r})"
    learned = list(activation.parameters())
    with borrowed_generators(0, torch.device("cpu")), torch.enable_grad():
        before = _global_state()
        try:
            y = activation(x.requires_grad_() * 1)
            if _global_state() != before:
                return "draws from a global generator"
            found: Sequence[Any] = [None]
            if y.requires_grad:
                found = torch.autograd.grad(y.sum(), [x, *learned], allow_unused=True)
        except Exception:
            return None  # training will say what is wrong with it
    if any(gradient is None for gradient in found):
        return "leaves out a gradient, and torch's optimizers what has none"
    return None


def _global_state() -> tuple:
    of_numpy: Any = np.random.get_state()  # noqa: NPY002
    return (
        torch.get_rng_state().numpy().tobytes(),
        of_numpy[1].tobytes(),
        of_numpy[2],
        random.getstate(),
    )


# ------------------------------------------------------------------ who looks on


def why_alone(net: Any) -> str | None:
    """Say what fits that train at the same time would take from each other."""
    for name, callback in net.callbacks_:
        if isinstance(callback, Checkpoint | TrainEndCheckpoint | LoadInitState):
            return f"the callback {name!r} has files that all fits would share"
    return None


def between_epochs(net: Any, valid_set: Any) -> BetweenEpochs:
    """Say what happens to a net between the epochs that the engine trains."""
    alone = (
        all(map(_ignores_epochs, callbacks_of(net)))
        and overridden(net, EPOCH_METHODS) is None
        and all(
            type(callback) in _ONLOOKERS or _ignores_epochs(callback)
            for _, callback in net.callbacks_
        )
    )
    if not alone:
        return "changes"
    unseen = valid_set is None and not net.verbose
    if unseen and all(
        _is_default(name, callback) or _ignores_epochs(callback)
        for name, callback in net.callbacks_
    ):
        return "nobody"
    return "looks"


def _ignores_epochs(callback: Any) -> bool:
    """Whether a callback says so of itself: it neither looks nor changes anything."""
    return bool(getattr(callback, "ignores_epochs", False))


def _is_default(name: str, callback: Any) -> bool:
    """Whether a callback is one of skorch's own, as skorch sets it."""
    if type(callback) is not _DEFAULTS.get(name):
        return False
    if isinstance(callback, WeightedLoss):
        return callback.name == name and callback.lower_is_better is True
    return not getattr(callback, "on_train", False)


def _rows_to_score(net: Any, valid_set: Any) -> Rows | None:
    """Return the rows to score in few large batches, if nobody can tell."""
    loading = {*net.get_params_for("iterator_valid")} - {"batch_size"}
    if loading or has_custom_parts(net):
        return None
    return rows_of(valid_set) if no_callback_sees_batches(net.callbacks_) else None

"""What skact uses of skorch that skorch's documentation does not promise.

`tests/test_seams.py` tests each use, and `pyproject.toml` caps the version of skorch.
"""

import functools
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from skorch import NeuralNet
from skorch.utils import _identity, _make_2d_probs, _sigmoid_then_2d

# Methods by which skorch's loop trains. The engine trains without them; its hooks call
# some of them between epochs. So a subclass that overrides one trains by skorch's loop.
TRAINING_METHODS = frozenset(
    {
        *("fit_loop", "run_single_epoch", "notify"),
        *("train_step", "train_step_single", "validation_step"),
        *("get_train_step_accumulator", "_set_training"),
        *("_step_optimizer", "_zero_grad_optimizer"),
        *("get_dataset", "get_split_datasets", "get_iterator"),
        *("infer", "get_loss"),
        *("initialize_module", "initialize_criterion", "initialize_optimizer"),
        *("on_batch_begin", "on_batch_end", "on_grad_computed"),
    }
)
# methods that compute a prediction from the module
PREDICTION_METHODS = frozenset({"evaluation_step", "infer", "_set_training"})
# methods that the engine calls between epochs
EPOCH_METHODS = frozenset({"on_epoch_begin", "on_epoch_end"})
# all other methods of a net: both loops leave them as they are
OTHER_METHODS = frozenset(
    {
        *("fit", "partial_fit", "predict", "predict_proba", "evaluation_step"),
        *("forward", "forward_iter", "history", "on_train_begin", "on_train_end"),
        *("check_data", "check_is_fitted", "check_training_readiness"),
        *("get_params", "set_params", "get_params_for", "get_params_for_optimizer"),
        *("get_metadata_routing", "set_fit_request", "set_partial_fit_request"),
        *("get_all_learnable_params", "get_default_callbacks"),
        *("initialize", "initialize_callbacks", "initialize_history"),
        *("initialize_virtual_params", "initialized_instance"),
        *("save_params", "load_params", "trim_for_prediction", "torch_compile"),
    }
)
# attributes that skorch's constructor sets; skact does not call it
CONSTRUCTOR_ATTRIBUTES: Mapping[str, Any] = {
    "initialized_": False,
    "history_": None,
    "virtual_params_": {},
}


def overridden_method(net: NeuralNet, names: Iterable[str]) -> str | None:
    """Return the first of these methods that a user has overridden, or None.

    A user may override it in a subclass, in a mixin, or on the instance.
    """
    custom = [
        vars(kind)
        for kind in type(net).__mro__
        if kind.__module__.partition(".")[0] not in ("skact", "skorch")
    ]
    for name in sorted(names):
        if any(name in methods for methods in (vars(net), *custom)):
            return name
    return None


def callback_names(net: NeuralNet) -> list[str]:
    """Return the names of all callbacks, also of those that are set to None."""
    if isinstance(net.callbacks, str) and net.callbacks == "disable":
        return [name for name, _ in net.get_default_callbacks()]
    return [name for name, _ in net._uniquely_named_callbacks()]


def nonlinearity_of(net: NeuralNet) -> Any:
    """Return the function that `predict_nonlinearity` stands for."""
    return net._get_predict_nonlinearity()


def name_of_nonlinearity(function: Any) -> str | None:
    """Return what a function of `nonlinearity_of` does; None: it is a user's own.

    Returns
    -------
    {"identity", "softmax", "sigmoid", "stack"} or None
        "stack" puts 1 - p beside p; "sigmoid" makes p first.
    """
    if isinstance(function, functools.partial):
        is_softmax = function.func is torch.softmax and not function.args
        return "softmax" if is_softmax and function.keywords == {"dim": -1} else None
    known = {_identity: "identity", _sigmoid_then_2d: "sigmoid"}
    known[_make_2d_probs] = "stack"
    return next((name for one, name in known.items() if one is function), None)


def set_evaluation_mode(net: NeuralNet) -> None:
    """Set the modules and criteria of a net to evaluation mode."""
    net._set_training(False)


def last_batches_of(history: Any) -> list[dict[str, Any]]:
    """Return the list of the batches of the last epoch; callers may append to it."""
    return history[-1]["batches"]


def write_score(history: Any, callback: Any, name: str, score: float) -> None:
    """Record a score of the last epoch, and whether it is the callback's best."""
    is_best = callback._is_best_score(score)
    history.record(name, score)
    if is_best is not None:
        history.record(f"{name}_best", bool(is_best))
    if is_best:
        callback.best_score_ = score


def scoring_of(callback: Any) -> Any:
    """Return what a scoring callback calls, after it is initialized."""
    return getattr(callback, "scoring_", None)


def replace_scoring(callback: Any, scoring: Any) -> None:
    """Set what a scoring callback calls, until it is initialized again."""
    callback.scoring_ = scoring


def write_epoch_start(timer: Any, seconds: float) -> None:
    """Set the time at which the epoch began in an EpochTimer."""
    timer.epoch_start_time_ = seconds


def names_optimizer(args: tuple, params: Mapping[str, Any]) -> bool:
    """Whether arguments of `save_params` or `load_params` are about an optimizer."""
    return len(args) > 1 or not {"f_optimizer", "checkpoint"}.isdisjoint(params)

"""What skact leans on in skorch that its documentation does not promise.

`tests/test_seams.py` tries each of them, and `pyproject.toml` caps the version.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from skorch import NeuralNet

# Methods by which skorch's loop trains. The engine calls none of them, so a subclass
# that overrides one is trained by skorch's loop.
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
# methods that an output passes through on its way from the module
PREDICTION_METHODS = frozenset({"evaluation_step", "infer", "_set_training"})
# methods that run between epochs
EPOCH_METHODS = frozenset({"on_epoch_begin", "on_epoch_end"})
# all others of a net: whichever loop trains, they are called as ever
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
# what skorch's constructor, which skact does not call, sets
CONSTRUCTED: Mapping[str, Any] = {
    "initialized_": False,
    "history_": None,
    "virtual_params_": {},
}


def overridden(net: NeuralNet, names: Iterable[str]) -> str | None:
    """Return the first of skorch's methods that is the user's own in a net, or None.

    It may be defined in a subclass, in a class mixed in, or set on the instance.
    """
    theirs = [
        vars(kind)
        for kind in type(net).__mro__
        if kind.__module__.partition(".")[0] not in ("skact", "skorch")
    ]
    for name in sorted(names):
        if any(name in methods for methods in (vars(net), *theirs)):
            return name
    return None


def predict_nonlinearity(net: NeuralNet) -> Any:
    """Return what turns outputs into predictions, inferred where it is "auto"."""
    return net._get_predict_nonlinearity()


def set_evaluating(net: NeuralNet) -> None:
    """Bring the modules and criteria of a net into evaluation mode."""
    net._set_training(False)


def batches_of(history: Any) -> list[dict[str, Any]]:
    """Return the list of the batches of the last epoch, to be written to."""
    return history[-1]["batches"]


def write_best_score(callback: Any, score: float) -> None:
    """Tell a callback that scores what the best score was so far."""
    callback.best_score_ = score


def begin_epoch_at(timer: Any, seconds: float) -> None:
    """Tell an EpochTimer when the epoch began."""
    timer.epoch_start_time_ = seconds

"""The plan of a fit: its loop, its rows, and what callbacks do between its epochs.

`plan_fit` decides all of this before the first epoch and returns a frozen `FitPlan`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sklearn.base import is_classifier
from skorch.callbacks import (
    BatchScoring,
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    EpochTimer,
    Freezer,
    GradientNormClipping,
    LoadInitState,
    LRScheduler,
    TrainEndCheckpoint,
    Unfreezer,
)
from skorch.dataset import Dataset
from skorch.utils import to_numpy
from torch.utils.data import DataLoader

from skact._sklearn import callbacks_of
from skact._skorch import (
    EPOCH_METHODS,
    PREDICTION_METHODS,
    TRAINING_METHODS,
    overridden_method,
)
from skact.engine.validation import can_validate
from skact.lr_schedules import LRSchedule, RatesOfEpochs
from skact.nets.components import has_custom_parts, has_held_out_rows
from skact.nets.default_callbacks import (
    LearningRate,
    QuietLog,
    WeightedLoss,
    accuracy,
    score_of,
)
from skact.nets.gradient_clipping import clips_twice, is_stackable
from skact.nets.held_out import has_no_batch_callbacks
from skact.nets.lr_schedule import (
    has_known_rates,
    known_rates,
    schedule_of,
    sets_rates_of_batches,
)
from skact.nets.stacked_forms import reason_against_stack
from skact.parameters.callback_checks import warn_of_missing_rows
from skact.parameters.fit_params import FitOptions
from skact.parameters.loader_options import given_loader_options
from skact.parameters.rows import Rows, TrainingData, rows_of

_BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_grad_computed")
_DEFAULT_CALLBACKS = {
    "epoch_timer": EpochTimer,
    "train_loss": WeightedLoss,
    "valid_loss": WeightedLoss,
    "event_lr": LearningRate,
    "print_log": QuietLog,
}
# callbacks that read the network and the optimizer between epochs, and change neither
_READ_ONLY_CALLBACKS = {
    *_DEFAULT_CALLBACKS.values(),
    *(EpochScoring, EarlyStopping, GradientNormClipping),
}

# What callbacks do with a net between epochs. "nobody": no callback reads the net, and
# the engine scores held-out rows and stops early as the callbacks would;
# "looks": a callback reads it, for example to score; "changes": a callback may
# change it.
BetweenEpochs = Literal["nobody", "looks", "changes"]


@dataclass(frozen=True, eq=False)
class FitPlan:
    """The plan of one fit."""

    loop: Literal["engine", "skorch"]
    n_epochs: int  # of this fit
    given: Rows  # all rows of the fit
    train: Rows  # the rows that train; all rows in skorch's loop, which splits them
    # the reasons continue a sentence after "because"
    why_skorch: str | None = None  # why the engine cannot train; None: it can
    why_alone: str | None = None  # why no other fit may train at the same time
    between_epochs: BetweenEpochs = "changes"
    train_set: Any = None  # `train` as a dataset, for callbacks
    valid_set: Any = None  # the validation dataset; None: no rows are held out
    held_out: Rows | None = None  # rows of `valid_set`, if scored in large batches
    lr_schedule: LRSchedule | RatesOfEpochs | None = None
    # keywords for `train_split`, such as groups
    split_params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def trained_by(self) -> str:
        """The loop and its reason, for the attribute `trained_by_` of the net."""
        if self.why_skorch is None:
            return "the engine"
        return f"skorch's loop, because {self.why_skorch}"


def plan_fit(net: Any, rows: Rows, options: FitOptions) -> FitPlan:
    """Decide how an initialized net is to train on rows.

    Parameters
    ----------
    net : BaseNet
        The callbacks must have run ``on_train_begin``: it may freeze parameters.
    rows : Rows
    options : FitOptions

    Returns
    -------
    FitPlan
    """
    n_epochs, split_params = options.n_epochs, options.split_params
    schedule: LRSchedule | RatesOfEpochs | None = schedule_of(net, n_epochs)
    reason = reason_for_skorch_loop(net)
    train: Rows | None = rows
    train_set, valid_set = None, None
    if not has_held_out_rows(net):
        warn_of_missing_rows(net)
    elif reason is None:
        train_set, valid_set = net.get_split_datasets(
            TrainingData.of_rows(rows), rows.y, **split_params
        )
        train = rows_of(train_set)
        if train is None:
            reason = "train_split returns a custom dataset to train on"
    held_out: Rows | None = None
    activity: BetweenEpochs = "changes"
    if reason is None:
        held_out = _rows_to_score(net, valid_set)
        activity = activity_between_epochs(net, valid_set, held_out)
        reason = None if activity == "nobody" else _rates_that_others_see(net)
    if reason is not None or train is None:
        return FitPlan(
            "skorch",
            n_epochs,
            rows,
            rows,
            why_skorch=reason,
            lr_schedule=schedule,
            split_params=split_params,
        )
    if activity == "nobody":
        train_set = None
        schedule = schedule or known_rates(net, n_epochs, len(train))
    elif train_set is None:
        train_set = TrainingData.of_rows(rows)
    return FitPlan(
        "engine",
        n_epochs,
        rows,
        train,
        why_alone=reason_to_train_alone(net),
        between_epochs=activity,
        train_set=train_set,
        valid_set=valid_set,
        held_out=held_out,
        lr_schedule=schedule,
    )


# ------------------------------------------------------------------ the loop


def reason_for_skorch_loop(net: Any) -> str | None:
    """Return why the engine cannot train a net, or None if it can."""
    return (
        _unusual_loading(net)
        or _unusual_method(net)
        or _unusual_callback(net)
        or _unusual_criterion(net)
        or reason_against_stack(net.module_, net.optimizer_)
    )


def _unusual_loading(net: Any) -> str | None:
    loading = (net.iterator_train, net.iterator_valid, net.dataset)
    if loading != (DataLoader, DataLoader, Dataset):
        return "the iterator or dataset is a custom class"
    if net.get_params_for("dataset"):
        return "dataset__* is set"
    for name in given_loader_options(net, training=True):
        if name not in ("shuffle", "batch_size"):
            return f"iterator_train__{name} is set"
    if net.compile:
        return "compile=True compiles the module for it"
    return None


def _unusual_method(net: Any) -> str | None:
    name = overridden_method(net, TRAINING_METHODS)
    return None if name is None else f"{type(net).__name__} overrides {name}"


def _unusual_callback(net: Any) -> str | None:
    for name, callback in net.callbacks_:
        if isinstance(callback, Freezer | Unfreezer):
            return f"the callback {name!r} freezes parameters"
        if _is_batchwise(callback, net.use_caching):
            return f"the callback {name!r} works batch by batch"
    return "two callbacks clip gradients" if clips_twice(net.callbacks_) else None


def _is_batchwise(callback: Any, use_caching: Any) -> bool:
    if isinstance(callback, EpochScoring) and type(callback).on_batch_end is (
        EpochScoring.on_batch_end
    ):
        cached = callback.use_caching if use_caching == "auto" else use_caching
        return bool(callback.on_train and cached)
    if isinstance(callback, BatchScoring):
        return bool(callback.on_train)
    if is_stackable(callback):
        return False
    if type(callback) is LRScheduler:
        return callback.step_every != "epoch" and not has_known_rates(callback)
    methods = [(getattr(callback, name), name) for name in _BATCH_HOOKS]
    return any(
        getattr(method, "__func__", method) is not getattr(Callback, name)
        for method, name in methods
    )


def _rates_that_others_see(net: Any) -> str | None:
    """Return why rates of batches must be set as they come: the engine is later."""
    for name, callback in net.callbacks_:
        if sets_rates_of_batches(callback):
            return f"the callback {name!r} sets rates of batches, and others look on"
    return None


def _unusual_criterion(net: Any) -> str | None:
    criterion, usual = net.criterion_, net._engine_criterion
    name = type(criterion).__name__
    if type(criterion) is not usual:
        return f"the criterion {name} has no stacked form"
    options = [option for option, _ in criterion.named_buffers()]
    for option, default in vars(usual(reduction="none")).items():
        public = not option.startswith("_") and option != "training"
        if public and getattr(criterion, option) != default:
            options.append(option)
    return f"the criterion has options ({', '.join(options)})" if options else None


# ------------------------------------------------------------------ callbacks


def reason_to_train_alone(net: Any) -> str | None:
    """Return why no other fit may train at the same time, or None."""
    for name, callback in net.callbacks_:
        if isinstance(callback, Checkpoint | TrainEndCheckpoint | LoadInitState):
            return f"the callback {name!r} has files that all fits would share"
    return None


def activity_between_epochs(
    net: Any, valid_set: Any, held_out: Rows | None
) -> BetweenEpochs:
    """Return what callbacks do with a net between the epochs of the engine."""
    is_unchanged = (
        all(map(_is_idle_between_epochs, callbacks_of(net)))
        and overridden_method(net, EPOCH_METHODS) is None
        and all(
            type(callback) in _READ_ONLY_CALLBACKS
            or _is_idle_between_epochs(callback)
            or has_known_rates(callback)
            for _, callback in net.callbacks_
        )
    )
    if not is_unchanged:
        return "changes"
    is_scored = valid_set is None or bool(held_out and _predicts_as_usual(net))
    if is_scored and not net.verbose and _are_replaced(net, held_out is not None):
        return "nobody"
    return "looks"


def _predicts_as_usual(net: Any) -> bool:
    """Whether accuracies are those of the outputs of the network."""
    names = PREDICTION_METHODS | {"predict", "predict_proba", "forward_iter"}
    is_usual = overridden_method(net, names) is None
    return is_usual and net.predict_nonlinearity == "auto"


def _are_replaced(net: Any, has_held_out: bool) -> bool:
    """Whether the engine does the work of all callbacks of a net."""
    scores: list[str] = []  # their names in the history
    monitors: list[Any] = []
    n_schedulers = 0
    for name, callback in net.callbacks_:
        if _is_idle_between_epochs(callback):
            continue
        if not EPOCH_METHODS.isdisjoint(vars(callback)):
            return False
        if type(callback) is EarlyStopping:
            monitors.append(callback.monitor)
        elif has_known_rates(callback):
            n_schedulers += 1
        elif is_stackable(callback):
            continue
        elif not (_is_default_callback(name, callback) or _is_accuracy(net, callback)):
            return False
        elif (score := score_of(callback)) is not None:
            if monitors:  # skorch stops before this score of the last epoch
                return False
            scores.append(score[0])
    known = [name for name in scores if has_held_out or name == "train_loss"]
    is_known = all(monitor in known for monitor in monitors)
    # two stop each other, two schedulers change each other's rates
    is_one = len(monitors) <= 1 and n_schedulers <= 1
    return is_known and is_one and len(scores) == len({*scores})


def _is_accuracy(net: Any, callback: Any) -> bool:
    """Whether a callback scores the accuracy of held-out rows, and nothing else."""
    return (
        type(callback) is EpochScoring
        and (callback.scoring is accuracy or str(callback.scoring) == "accuracy")
        and not callback.on_train
        and callback.target_extractor is to_numpy
        and is_classifier(net)
    )


def has_custom_scoring(net: Any) -> bool:
    """Whether a scoring callback calls a function that may read all of the net."""
    return any(
        isinstance(callback, EpochScoring)
        and callable(callback.scoring)
        and callback.scoring is not accuracy
        for _, callback in net.callbacks_
    )


def _is_idle_between_epochs(callback: Any) -> bool:
    """Whether the callback declares that it needs no call between epochs."""
    return bool(getattr(callback, "ignores_epochs", False))


def _is_default_callback(name: str, callback: Any) -> bool:
    """Whether a callback is a default callback with default settings."""
    if type(callback) is not _DEFAULT_CALLBACKS.get(name):
        return False
    if isinstance(callback, WeightedLoss):
        return callback.name == name and callback.lower_is_better is True
    return callback.sink is print if isinstance(callback, QuietLog) else True


def _rows_to_score(net: Any, valid_set: Any) -> Rows | None:
    """Return the rows that the engine scores after each epoch, or None for the loader.

    A custom part or a callback could notice the size of the batches.
    """
    is_known = (
        {*given_loader_options(net, training=False)} <= {"batch_size"}
        and not has_custom_parts(net)
        and can_validate(net.module_)
        and has_no_batch_callbacks(net.callbacks_)
    )
    return (rows_of(valid_set) or None) if is_known else None

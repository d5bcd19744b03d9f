"""The allowed values of the parameters of skorch's callbacks, all taken by skorch.

With some of them a callback would do nothing, and say nothing: ``patience="3"`` never
stops a fit.
"""

import fnmatch
import math
import warnings
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any

import torch
from sklearn.metrics import get_scorer_names
from skorch.callbacks import (
    BatchScoring,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    Freezer,
    GradientNormClipping,
    Initializer,
    LoadInitState,
    LRScheduler,
    ParamMapper,
    PassthroughScoring,
    PrintLog,
    ProgressBar,
    TrainEndCheckpoint,
    Unfreezer,
)
from skorch.exceptions import SkorchWarning

from skact._skorch import overridden_method
from skact.parameters.allowed import (
    BOOL,
    Allowed,
    allow_one_of,
    is_finite_number,
    is_int,
)
from skact.parameters.hints import nearest
from skact.parameters.keywords import OPTIONAL_BOOL


def _is_positive(value: Any) -> bool:
    """Whether a value is a number >= 0, also infinity, but no NaN."""
    is_number = isinstance(value, Real | torch.Tensor) and not isinstance(value, bool)
    return is_number and bool(value >= 0)


def _is_float_format(value: Any) -> bool:
    try:
        return bool(format(1.0, value))
    except (TypeError, ValueError):
        return False


def _is_count(value: Any) -> bool:
    if is_int(value, 0):
        return True
    is_float = isinstance(value, Real) and not isinstance(value, Integral)
    return is_float and value >= 0 and (math.isinf(value) or value == int(value))


def _is_step(value: Any) -> bool:
    return is_int(value, 0)


_NAME = Allowed(lambda value: isinstance(value, str), "the name of a recorded value")
_MONITOR = Allowed(
    lambda value: value is None or isinstance(value, str) or callable(value),
    "None, the name of a recorded value or a callable",
)
_OPTIONAL_NAME = Allowed(
    lambda value: value is None or isinstance(value, str), "None or a name"
)
_FLAGS = {"lower_is_better": OPTIONAL_BOOL, "on_train": BOOL}
_SCORING = {
    **_FLAGS,
    "name": _OPTIONAL_NAME,
    "use_caching": BOOL,
    "scoring": Allowed(
        lambda value: value is None or isinstance(value, str) or callable(value),
        "None, the name of a scorer or a callable",
    ),
}
_CHECKPOINT = Allowed(
    lambda value: isinstance(value, Checkpoint | TrainEndCheckpoint),
    "a Checkpoint or a TrainEndCheckpoint",
)
# of these very classes, and of skact's own subclasses: in a user's subclass a parameter
# may mean something else
_PARAMETERS: Mapping[type, Mapping[str, Allowed]] = {
    EarlyStopping: {
        "monitor": _NAME,
        "patience": Allowed(_is_count, "a number of epochs >= 0"),
        "threshold": Allowed(is_finite_number, "a finite number"),
        "lower_is_better": BOOL,
        "load_best": BOOL,
        "threshold_mode": allow_one_of("rel", "abs"),
    },
    LRScheduler: {
        "monitor": _MONITOR,
        "step_every": allow_one_of("epoch", "batch"),
        "milestones": Allowed(
            lambda value: isinstance(value, Iterable) and all(map(_is_step, value)),
            "a list of ints >= 0",
        ),
    },
    GradientNormClipping: {
        "gradient_clip_value": Allowed(
            lambda value: value is None or _is_positive(value), "None or a number >= 0"
        ),
        "gradient_clip_norm_type": Allowed(
            lambda value: _is_positive(value) or value in ("inf", -math.inf),
            "a number or 'inf'",
        ),
    },
    EpochScoring: _SCORING,
    BatchScoring: _SCORING,
    LoadInitState: {"checkpoint": _CHECKPOINT, "use_safetensors": BOOL},
    PrintLog: {
        "floatfmt": Allowed(_is_float_format, "a format of numbers such as '.4f'"),
    },
    PassthroughScoring: {**_FLAGS, "name": _NAME},
    Checkpoint: {"monitor": _MONITOR},
    ProgressBar: {
        "batches_per_epoch": Allowed(
            lambda value: (
                value is None
                or is_int(value, 1)
                or (isinstance(value, str) and value in ("auto", "count"))
            ),
            "None, 'auto', 'count' or an int >= 1",
        )
    },
}


# what a history has without a callback's score
_OF_HISTORY = {
    *("epoch", "batches", "dur", "event_lr"),
    *("train_batch_count", "valid_batch_count"),
}


def check_callbacks(net: Any) -> None:
    """Check the parameters of skorch's callbacks of a net, and what they would do.

    Parameters
    ----------
    net : BaseNet
        Initialized.

    Raises
    ------
    ValueError
        The message names the parameter, its value and the allowed values.

    Warns
    -----
    SkorchWarning
        If a callback such as `Freezer` would change no parameter.
    """
    name = type(net).__name__
    for of_callback, callback in net.callbacks_:
        if not _is_callback(callback):
            raise ValueError(
                f"The callback {of_callback!r} of {name} must be an instance of a "
                f"callback of skorch, or None, got {callback!r}."
            )
        kind = _kind_of(callback)
        for key, allowed in _PARAMETERS.get(kind, {}).items():
            value = getattr(callback, key, _NOT_GIVEN)
            if value is not _NOT_GIVEN and not allowed.is_met_by(value):
                raise ValueError(
                    f"The {key!r} parameter of {kind.__name__}, the callback "
                    f"{of_callback!r} of {name}, must be {allowed.description}, got "
                    f"{value!r}."
                )
        if kind in (ParamMapper, Freezer, Unfreezer, Initializer):
            _warn_of_idle_patterns(net, of_callback, callback)
    _check_names_of_scores(name, net.callbacks_)


_NOT_GIVEN = object()


def _is_callback(value: Any) -> bool:
    return hasattr(value, "on_train_begin") and not isinstance(value, type)


def initialize_callback(callback: Any) -> None:
    """Initialize a callback that was set on a net; what is none, a fit refuses."""
    if _is_callback(callback) and hasattr(callback, "initialize"):
        callback.initialize()


def _kind_of(callback: Any) -> type:
    """Return the class of a callback; of skact's own, the class of skorch."""
    return next(
        kind
        for kind in type(callback).__mro__
        if kind.__module__.partition(".")[0] != "skact"
    )


def _warn_of_idle_patterns(net: Any, of_callback: str, callback: Any) -> None:
    """Warn of patterns that match no parameter of the network."""
    names = [name for name, _ in net.get_all_learnable_params()]
    for pattern in callback.patterns:
        if isinstance(pattern, str) and not fnmatch.filter(names, pattern):
            message = (
                f"The pattern {pattern!r} of the callback {of_callback!r} of "
                f"{type(net).__name__} matches no parameter of the network: "
                f"{', '.join(names)}."
            )
            warnings.warn(message, SkorchWarning, stacklevel=2)


def _check_names_of_scores(name: str, callbacks: Iterable[tuple[str, Any]]) -> None:
    """Raise if a score would be written over a loss or another part of the history.

    Several scores may have one name, as in skorch: of these the last is recorded.
    """
    writers: dict[str, str] = dict.fromkeys(_OF_HISTORY, "the history")
    for of_callback, callback in callbacks:
        if _kind_of(callback) not in (EpochScoring, BatchScoring, PassthroughScoring):
            continue
        score = getattr(callback, "name_", None) or callback.name
        names = [score]
        if callback.lower_is_better is not None:
            names.append(f"{score}_best")
        if type(callback) is not _kind_of(callback):  # a loss by a callback of skact
            writers |= dict.fromkeys(names, f"the callback {of_callback!r}")
            continue
        for one in names:
            if one in writers:
                raise ValueError(
                    f"The callback {of_callback!r} of {name} records {one!r}, which "
                    f"{writers[one]} records, too: give it another name."
                )


def check_scorers(net: Any) -> None:
    """Raise at a name of no scorer, also of a callback that a fit does not call."""
    for of_callback, callback in net.callbacks_:
        scoring = getattr(callback, "scoring", None)
        if _kind_of(callback) in (EpochScoring, BatchScoring) and (
            isinstance(scoring, str) and scoring not in get_scorer_names()
        ):
            near = nearest(scoring, get_scorer_names())
            raise ValueError(
                f"The 'scoring' parameter of {_kind_of(callback).__name__}, the "
                f"callback {of_callback!r} of {type(net).__name__}, must be the name "
                f"of a scorer of scikit-learn, got {scoring!r}{near.rstrip('?')}."
            )


def warn_of_missing_rows(net: Any) -> None:
    """Warn if a callback of the user scores held-out rows in a fit that has none."""
    usual = [name for name, _ in net.get_default_callbacks()]
    idle = [
        name
        for name, callback in net.callbacks_
        if type(callback) in (EpochScoring, BatchScoring, PassthroughScoring)
        and not (callback.on_train or name in usual)
    ]
    if idle and overridden_method(net, ["get_split_datasets"]) is None:
        message = (
            f"The callbacks {idle} of {type(net).__name__} record nothing, because no "
            f"rows are held out: set train_split=skorch.dataset.ValidSplit(5) or "
            f"early_stopping=True, or on_train=True of the callback."
        )
        warnings.warn(message, SkorchWarning, stacklevel=2)


def check_recorded(
    name: str, callbacks: Iterable[tuple[str, Any]], epoch: Mapping[str, Any]
) -> None:
    """Raise if a callback that passes a value on has found none in an epoch.

    Parameters
    ----------
    name : str
        Class of the estimator, for the message.
    callbacks : iterable of (str, callback)
    epoch : mapping
        The row of the history.

    Raises
    ------
    ValueError
    """
    for of_callback, callback in callbacks:
        if type(callback) is PassthroughScoring and callback.name not in epoch:
            # those that train come first
            batch = (epoch.get("batches") or [{}])[0 if callback.on_train else -1]
            if not (callback.on_train or "valid_batch_size" in batch):
                continue  # no rows are held out, as `warn_of_missing_rows` says
            raise ValueError(
                f"The callback {of_callback!r} of {name} records nothing, because no "
                f"batch has a {callback.name!r}; batches have "
                f"{', '.join(map(repr, batch))}."
            )

"""The allowed values of the parameters of skorch's callbacks, all taken by skorch.

With some of them a callback would do nothing, and say nothing: ``patience="3"`` never
stops a fit.
"""

import math
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

from skorch.callbacks import (
    BatchScoring,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    LRScheduler,
    PassthroughScoring,
    ProgressBar,
)

from skact.parameters.allowed import (
    BOOL,
    Allowed,
    allow_one_of,
    is_finite_number,
    is_int,
)
from skact.parameters.keywords import OPTIONAL_BOOL


def _is_count(value: Any) -> bool:
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    return is_number and value >= 0 and (math.isinf(value) or value == int(value))


_NAME = Allowed(lambda value: isinstance(value, str), "the name of a recorded value")
_MONITOR = Allowed(
    lambda value: value is None or isinstance(value, str) or callable(value),
    "None, the name of a recorded value or a callable",
)
_SCORING = {"lower_is_better": OPTIONAL_BOOL, "on_train": BOOL}
# of these very classes: in a subclass a parameter may mean something else
_PARAMETERS: Mapping[type, Mapping[str, Allowed]] = {
    EarlyStopping: {
        "monitor": _NAME,
        "patience": Allowed(_is_count, "a number of epochs >= 0"),
        "threshold": Allowed(is_finite_number, "a finite number"),
        "lower_is_better": BOOL,
        "load_best": BOOL,
    },
    LRScheduler: {"monitor": _MONITOR, "step_every": allow_one_of("epoch", "batch")},
    EpochScoring: _SCORING,
    BatchScoring: _SCORING,
    PassthroughScoring: _SCORING,
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


def check_callbacks(name: str, callbacks: Iterable[tuple[str, Any]]) -> None:
    """Check the parameters of skorch's callbacks.

    Parameters
    ----------
    name : str
        Class of the estimator, for the message.
    callbacks : iterable of (str, callback)

    Raises
    ------
    ValueError
        The message names the parameter, its value and the allowed values.
    """
    for of_callback, callback in callbacks:
        for key, allowed in _PARAMETERS.get(type(callback), {}).items():
            value = getattr(callback, key)
            if not allowed.is_met_by(value):
                raise ValueError(
                    f"The {key!r} parameter of {type(callback).__name__}, the callback "
                    f"{of_callback!r} of {name}, must be {allowed.description}, got "
                    f"{value!r}."
                )

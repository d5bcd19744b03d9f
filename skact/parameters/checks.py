"""The allowed values of each hyperparameter, and the errors for all others."""

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from numbers import Integral
from typing import Any

import numpy as np
import torch
from skorch.callbacks import InputShapeSetter
from skorch.dataset import Dataset
from torch.utils.data import DataLoader

from skact.activations.build import is_custom, make_activation
from skact.global_rng import seed_generators_temporarily
from skact.lr_schedules import SCHEDULES
from skact.network.mlp import INITS, NORMS, activation_per_layer
from skact.parameters.allowed import (
    BOOL,
    Allowed,
    allow_int_from,
    allow_one_of,
    is_finite_number,
    is_int,
    is_iterable,
)
from skact.parameters.hints import PREFIXES, nearest, suggest_parameter
from skact.parameters.keywords import BATCH_SIZE, KEYWORDS, check_keywords
from skact.parameters.loader_options import check_loader_class

OPTIMIZERS = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}
DTYPES = {"float32": torch.float32, "float64": torch.float64}
_MAX_DEPTH = 10_000  # without a bound, a slip would fill the memory with layers
# other ways to write a dtype, such as np.float32
_DTYPE_NAMES = {
    form: name
    for name, torch_dtype in DTYPES.items()
    for form in (torch_dtype, np.dtype(name), np.dtype(name).type)
}


def _is_callback(value: Any) -> bool:
    """Whether skorch accepts it: an instance, a class, or a pair with a name."""
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str):
        value = value[1]
    return isinstance(value, type) or hasattr(value, "set_params")


def _is_optimizer(value: Any) -> bool:
    """Whether it is a class of optimizers, or a function that builds one."""
    if isinstance(value, type):
        abstract_or_sparse = torch.optim.Optimizer, torch.optim.SparseAdam
        return hasattr(value, "step") and value not in abstract_or_sparse
    return callable(value)


def _is_false(value: Any) -> bool:
    return isinstance(value, bool | np.bool_) and not value


def optimizer_class(value: Any) -> Any:
    """Return the class of an optimizer that is named in any case; else the value."""
    return OPTIMIZERS.get(value.lower(), value) if isinstance(value, str) else value


def dtype_name(value: Any) -> Any:
    """Return the name of a dtype, such as "float32" for np.float32; else the value."""
    try:
        return _DTYPE_NAMES.get(value, value)
    except TypeError:  # not hashable
        return value


_FRACTION = Allowed(lambda v: is_finite_number(v) and 0 <= v < 1, "a number in [0, 1)")

PARAMETERS: Mapping[str, Allowed] = {
    "width": allow_int_from(1),
    "depth": Allowed(
        lambda value: is_int(value, 0) and value <= _MAX_DEPTH,
        f"an int from 0 to {_MAX_DEPTH}",
    ),
    "hidden": Allowed(
        lambda value: (
            value is None
            or is_int(value, 1)
            or (
                isinstance(value, tuple | list | np.ndarray)
                and is_iterable(value)
                and all(is_int(width, 1) for width in value)
            )
        ),
        "None, an int >= 1 or a tuple of them",
    ),
    "dropout": _FRACTION,
    "norm": allow_one_of(None, *NORMS),
    "init": allow_one_of(*INITS),
    "optimizer": Allowed(
        lambda value: _is_optimizer(optimizer_class(value)),
        f"one of {', '.join(map(repr, OPTIMIZERS))} or a class from torch.optim",
    ),
    "lr": Allowed(
        lambda value: is_finite_number(value) and value >= 0, "a finite number >= 0"
    ),
    "lr_schedule": allow_one_of(None, *SCHEDULES),
    "warmup": Allowed(
        lambda value: value is None or _FRACTION.is_met_by(value),
        "None or a number in [0, 1)",
    ),
    "momentum": _FRACTION,
    "nesterov": BOOL,
    "weight_decay": Allowed(
        lambda value: is_finite_number(value) and value >= 0, "a finite number >= 0"
    ),
    "batch_size": BATCH_SIZE,
    "shuffle": BOOL,
    "max_epochs": allow_int_from(0),
    "early_stopping": BOOL,
    "validation_fraction": Allowed(
        lambda value: is_finite_number(value) and 0 < value < 1, "a number in (0, 1)"
    ),
    "patience": allow_int_from(1),
    "class_weight": Allowed(
        lambda value: (
            value is None
            or isinstance(value, Mapping)
            or (isinstance(value, str) and value == "balanced")
        ),
        "None, 'balanced' or a dict from class label to weight",
    ),
    "dtype": Allowed(
        lambda value: (
            isinstance(dtype_name(value), str)
            and dtype_name(value) in ("auto", *DTYPES)
        ),
        "'auto', 'float32' or 'float64'",
    ),
    "random_state": Allowed(
        lambda value: (
            value is None
            or is_int(value, 0)
            or isinstance(value, np.random.RandomState)
        ),
        "None, an int >= 0 or a numpy.random.RandomState",
    ),
    "callbacks": Allowed(
        lambda value: (
            value is None
            or (isinstance(value, list) and all(map(_is_callback, value)))
            or (isinstance(value, str) and value == "disable")
        ),
        "None, a list of skorch callbacks (or of pairs of name and callback) or "
        "'disable' (scikit-learn's, such as a TrainingLog, go to set_callbacks)",
    ),
    "train_split": Allowed(
        lambda value: value is None or callable(value) or _is_false(value),
        "None, False or a callable such as skorch.dataset.ValidSplit(5)",
    ),
    "warm_start": BOOL,
    "verbose": Allowed(lambda value: isinstance(value, Integral), "an int or a bool"),
    "criterion": Allowed(
        lambda value: callable(value) and not isinstance(value, str),
        "a loss class such as torch.nn.CrossEntropyLoss, or an instance",
    ),
    "iterator_train": Allowed(callable, "a class such as torch.utils.data.DataLoader"),
    "iterator_valid": Allowed(callable, "a class such as torch.utils.data.DataLoader"),
    "dataset": Allowed(callable, "a class such as skorch.dataset.Dataset"),
    "compile": BOOL,
    "torch_load_kwargs": Allowed(
        lambda value: value is None or isinstance(value, Mapping),
        "None or a dict of arguments of torch.load",
    ),
    "use_caching": Allowed(
        lambda value: (
            isinstance(value, bool | np.bool_)
            or (isinstance(value, str) and value == "auto")
        ),
        "'auto', True or False",
    ),
    "predict_nonlinearity": Allowed(
        lambda value: (
            value is None
            or callable(value)
            or (isinstance(value, str) and value == "auto")
        ),
        "'auto', None or a callable",
    ),
}


def check_parameters(
    name: str, params: Mapping[str, Any], signature_names: frozenset[str]
) -> None:
    """Check the hyperparameters of an estimator.

    Parameters
    ----------
    name : str
        Class of the estimator, for the message.
    params : mapping
        Parameter names and values, with skorch's ``prefix__name``.
    signature_names : frozenset of str
        Names in the signature of the constructor.

    Raises
    ------
    ValueError
        The message names the parameter, its value and the allowed values.
    """
    for key, value in params.items():
        if key not in signature_names:
            _check_keyword(name, key, signature_names)
        allowed = PARAMETERS.get(key) or KEYWORDS.get(key)
        if allowed is not None and not allowed.is_met_by(value):
            raise ValueError(
                f"The {key!r} parameter of {name} must be {allowed.description}, got "
                f"{value!r}{_hint(key, value)}."
            )
    check_keywords(name, {**params, "optimizer": optimizer_class(params["optimizer"])})
    for key in ("iterator_train", "iterator_valid"):
        if params[key] is not DataLoader:
            check_loader_class(name, key, params[key])
    _check_device(name, params["device"])
    _check_combinations(name, params)
    activation = params["activation"]
    if isinstance(activation, tuple | list) and any(is_int(a, 0) for a in activation):
        raise ValueError(
            f"The 'activation' parameter of {name} got {activation!r}: give widths of "
            f"layers as hidden={tuple(activation)}."
        )
    # also one that no layer uses
    specs = activation_per_layer(activation, len(hidden_widths(params)))
    for spec in specs if isinstance(activation, tuple | list) else [activation]:
        _check_activation(spec)
    if params["output_activation"] is not None:
        try:
            _check_activation(params["output_activation"])
        except (TypeError, ValueError) as error:
            message = str(error).replace("activation=", "output_activation=", 1)
            raise type(error)(message) from None


def _check_activation(spec: Any) -> None:
    # a custom class may draw initial values when it is built
    has_draws = is_custom(spec)
    with (
        seed_generators_temporarily(0, torch.device("cpu"))
        if has_draws
        else nullcontext()
    ):
        make_activation(spec)


def hidden_widths(params: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the width of each hidden layer: `hidden`, or `depth` times `width`."""
    hidden = params["hidden"]
    if isinstance(hidden, Integral):
        return (int(hidden),)
    if hidden is not None:
        return tuple(int(width) for width in hidden)
    return (int(params["width"]),) * int(params["depth"])


def _check_keyword(name: str, key: str, signature_names: frozenset[str]) -> None:
    prefix, separator, rest = key.partition("__")
    if prefix == "module":  # also `module` without a suffix
        raise ValueError(
            f"{name} builds its own module, so {key!r} would have no effect: use the "
            f"flat parameters, such as activation, width and depth."
        )
    if separator and rest and prefix in PREFIXES:
        return
    hint = suggest_parameter(key, signature_names)
    raise ValueError(f"{name} got an unexpected parameter {key!r}{hint}")


def _hint(key: str, value: Any) -> str:
    """Return the likely meaning of a value that is not allowed."""
    if not isinstance(value, str):
        return ""
    known: Mapping[str, Iterable[str]] = {
        "optimizer": OPTIMIZERS,
        "norm": NORMS,
        "init": INITS,
        "lr_schedule": SCHEDULES,
    }
    return nearest(value, known.get(key, ())).rstrip("?")


def _check_device(name: str, device: Any) -> None:
    if device is None:
        return
    try:
        wanted = torch.device(device)
    except (RuntimeError, TypeError, ValueError) as error:
        raise ValueError(
            f"The 'device' parameter of {name} must be a torch device such as 'cpu' or "
            f"'cuda', got {device!r}."
        ) from error
    if wanted.type == "cpu":
        return
    backend = getattr(torch, wanted.type, None)
    count = getattr(backend, "device_count", lambda: 0)()
    if (wanted.index or 0) >= count:
        raise ValueError(
            f"The 'device' parameter of {name} is {device!r}, but torch finds "
            f"{count} {wanted.type} devices here: use 'cpu', or install the driver and "
            f"a build of torch for that hardware."
        )


def check_device_of_network(name: str, device: Any, built_on: torch.device) -> None:
    """Raise if a net was given another device since its network was built.

    Parameters
    ----------
    name : str
        Class of the estimator, for the message.
    device : object
        The parameter; None leaves the network where it is.
    built_on : torch.device

    Raises
    ------
    ValueError
    """
    if device is None or device == "cpu" == built_on.type:
        return
    _check_device(name, device)
    wanted = torch.device(device)
    if wanted.type != built_on.type or (wanted.index or 0) != (built_on.index or 0):
        raise ValueError(
            f"The 'device' parameter of {name} is {device!r}, but its network is on "
            f"{built_on}: set that back, or fit anew with warm_start=False."
        )


def _check_combinations(name: str, params: Mapping[str, Any]) -> None:
    """Raise at values that are valid alone, and not together."""
    is_sgd = isinstance(params["optimizer"], str) and (
        optimizer_class(params["optimizer"]) is torch.optim.SGD
    )
    if params["nesterov"] and is_sgd and not params["momentum"]:
        raise ValueError(f"{name} cannot use nesterov=True with momentum=0.")
    if params["use_caching"] is False and params["dataset"] is not Dataset:
        raise ValueError(
            f"{name} cannot use use_caching=False with a custom dataset class: "
            f"scoring callbacks would read class codes from it instead of labels."
        )
    if isinstance(params["callbacks"], list):
        for given in params["callbacks"]:
            callback = given[1] if isinstance(given, tuple) else given
            kind = callback if isinstance(callback, type) else type(callback)
            if issubclass(kind, InputShapeSetter):
                raise ValueError(
                    f"{name} reads the number of columns from X: leave the "
                    f"{kind.__name__} out of its callbacks."
                )
    if params["early_stopping"] and params["callbacks"] == "disable":
        raise ValueError(
            f"{name} cannot use early_stopping=True with callbacks='disable': it stops "
            f"by a callback."
        )

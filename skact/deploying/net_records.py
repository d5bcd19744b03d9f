"""A net as a record of plain JSON and tensors, and a net of the same numbers from them.

The record holds the parameters and what `fit` has learned; the tensors are the weights
and what the optimizer keeps for each of them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import astuple
from typing import Any

import torch
from sklearn import config_context
from skorch.dataset import Dataset
from skorch.history import History
from skorch.utils import get_map_location
from torch import Tensor
from torch.utils.data import DataLoader

from skact._skorch import nonlinearity_of
from skact._torch import has_hooks
from skact.activations.build import is_custom
from skact.deploying.plain_values import NotPlainError, from_json, to_json
from skact.engine.jobs import Seeds
from skact.nets.base import BaseNet
from skact.nets.components import changed_settings
from skact.nets.estimators import ActMLP, ActMLPBinary, ActMLPRegressor
from skact.nets.labels import LabelNet
from skact.network.mlp import MLP, activation_per_layer
from skact.parameters.checks import hidden_widths
from skact.parameters.hints import PREFIXES
from skact.parameters.signatures import defaults_of

Record = dict[str, Any]
_KINDS = {kind.__name__: kind for kind in (ActMLP, ActMLPBinary, ActMLPRegressor)}
# what `fit` learns, beside what `initialize` builds from it
_LEARNED = (
    *("n_features_in_", "feature_names_in_", "n_outputs_", "dtype_"),
    *("classes_inferred_", "_is_y_1d", "trained_by_"),
)
_TYPES = {"n_features_in_": int, "n_outputs_": int, "dtype_": str, "_is_y_1d": bool}
_METHODS = ("fit", "partial_fit", "score")  # that can ask for metadata
_ACTIVATIONS = ("activation", "output_activation")
# parameters with one value in a file: other ones run code when a net is loaded or used
_FIXED: Mapping[str, tuple] = {
    "compile": (False,),
    "torch_load_kwargs": (None,),
    "predict_nonlinearity": ("auto", None),
    "callbacks": (None, "disable"),
    "dataset": (Dataset,),
    "iterator_train": (DataLoader,),
    "iterator_valid": (DataLoader,),
}
_ADVICE = {
    "activation": "Give the name of an activation, or a class of torch.nn.",
    "output_activation": "Give the name of an activation, or a class of torch.nn.",
    "train_split": "Set it to None, if the model is to predict only.",
    "compile": "Fit with compile=False.",
}


class CannotSaveError(ValueError):
    """A net has a part that no file can hold."""


# ------------------------------------------------------------------ to a record


def record_of(net: BaseNet) -> tuple[Record, dict[str, Tensor]]:
    """Return the record and the tensors of a net, fitted or not.

    Raises
    ------
    CannotSaveError
        If a part is the user's own code, which is then named.
    """
    if type(net) not in _KINDS.values():
        raise CannotSaveError(
            f"it is of the class {type(net).__qualname__}, which is not skact's."
        )
    is_trimmed = _is_trimmed(net)
    params = _parameters_of(net, is_trimmed=is_trimmed)
    record: Record = {"class": type(net).__name__}
    record["parameters"] = {name: _written(name, one) for name, one in params.items()}
    record["requests"] = _requests_of(net)
    if not net.__sklearn_is_fitted__():
        return {**record, "fit": None}, {}
    _check_module(net)
    changed = [name for name in changed_settings(net) if name not in _given_up(net)]
    if changed:
        raise CannotSaveError(
            f"its network was built with another {', '.join(changed)} than it has now: "
            f"fit it anew, or set that back."
        )
    tensors = {f"module.{k}": one for k, one in net.module_.state_dict().items()}
    fit: Record = {"trimmed": is_trimmed, "seeds": list(astuple(net.seeds_))}
    fit["learned"] = {
        name: _written(name, vars(net)[name]) for name in _LEARNED if name in vars(net)
    }
    named = net.module_.named_parameters()
    fit["frozen"] = [name for name, one in named if not one.requires_grad]
    fit["history"] = [] if is_trimmed else [*_rows_of(net.history_)]
    fit["optimizer"] = None
    if not is_trimmed:
        fit["optimizer"], of_optimizer = _optimizer_of(net)
        tensors |= of_optimizer
    tensors = {k: one.detach().cpu().contiguous() for k, one in tensors.items()}
    return {**record, "fit": fit}, tensors


def _is_trimmed(net: BaseNet) -> bool:
    return bool(vars(net).get("_trimmed_for_prediction", False))


def _given_up(net: BaseNet) -> set[str]:
    """Return the settings that a loaded net need not have as they are."""
    given_up = {"callbacks"}  # they are left out
    if _is_trimmed(net):  # skorch has set them to None
        given_up |= {"optimizer", "criterion"}
    return given_up


def _parameters_of(net: BaseNet, *, is_trimmed: bool) -> dict[str, Any]:
    """Return the parameters of a net, without callbacks."""
    params = net.get_params(deep=False)
    defaults = defaults_of(type(net))
    keeps_callbacks = params["callbacks"] in _FIXED["callbacks"]
    if not keeps_callbacks:
        params["callbacks"] = None
    for name in [name for name in params if name.startswith("callbacks__")]:
        if not keeps_callbacks or params[name] is not None:
            del params[name]
    if is_trimmed:
        params |= {name: net.built_with_[name] for name in ("optimizer", "criterion")}
        params["iterator_train"] = defaults["iterator_train"]
        params["predict_nonlinearity"] = _nonlinearity_before_trimming(net, params)
    return params


def _nonlinearity_before_trimming(net: BaseNet, params: dict[str, Any]) -> Any:
    """Return the `predict_nonlinearity` that a trimmed net had before."""
    given = params["criterion"]
    untrimmed: Any = object.__new__(type(net))
    vars(untrimmed).update(vars(net))
    untrimmed.criterion_ = given() if isinstance(given, type) else given
    for value in _FIXED["predict_nonlinearity"]:
        untrimmed.predict_nonlinearity = value
        if repr(nonlinearity_of(untrimmed)) == repr(net.predict_nonlinearity):
            return value
    return net.predict_nonlinearity  # of the user, and refused as such


def _written(name: str, value: Any) -> Any:
    """Return a value as JSON; an error names the parameter."""
    advice = _ADVICE.get(name, "")
    if not _is_allowed(name, value):
        allowed = " or ".join(map(repr, _FIXED[name]))
        raise CannotSaveError(
            f"its {name!r} is {value!r:.200}, and must be {allowed}. {advice}".strip()
        )
    if name in _ACTIVATIONS and _is_users_name(value):
        raise CannotSaveError(
            f"its {name!r} is {value!r:.200}, which names your own code. {advice}"
        )
    try:
        return to_json(value)
    except NotPlainError as error:
        raise CannotSaveError(
            f"its {name!r} holds {error}: a file cannot hold it. {advice}".strip()
        ) from error


def _is_allowed(name: str, value: Any) -> bool:
    return name not in _FIXED or value in _FIXED[name]


def _is_users_name(activation: Any) -> bool:
    specs = activation if isinstance(activation, tuple | list) else [activation]
    return any(isinstance(one, str) and is_custom(one) for one in specs)


def _check_module(net: BaseNet) -> None:
    """Raise if the network is not the one that the parameters build."""
    module = net.module_
    if type(module) is not MLP:
        raise CannotSaveError(f"its module_ is of your own class: {module!r:.200}.")
    parts: list[Any] = [*module.modules(), *module.parameters()]
    if any("forward" in vars(one) for one in module.modules()) or any(
        map(has_hooks, parts)
    ):
        raise CannotSaveError("its module_ has hooks, or a forward of its own.")


def _requests_of(net: BaseNet) -> Record:
    """Return what a user made the methods ask for, such as ``set_fit_request``."""
    if "_metadata_request" not in vars(net):
        return {}
    asked = vars(net)["_metadata_request"]
    return {name: dict(getattr(asked, name).requests) for name in _METHODS}


def _rows_of(history: History) -> Iterator[Record]:
    """Yield the numbers of each epoch, without those of its batches."""
    for epoch in history:
        row = {}
        for name, value in epoch.items():
            if name != "batches":
                row[name] = _written("history", value)
        yield row


def _optimizer_of(net: BaseNet) -> tuple[Record, dict[str, Tensor]]:
    """Return the options and numbers of an optimizer, and its tensors."""
    optimizer = net.optimizer_
    if has_hooks(optimizer):
        raise CannotSaveError("its optimizer_ has hooks.")
    groups = [
        {name: _written("optimizer", one) for name, one in group.items()}
        for group in _options_of(optimizer)
    ]
    tensors, numbers = {}, []
    for i, parameter in enumerate(_weights_of(optimizer)):
        known = optimizer.state.get(parameter, {})
        found = {}
        for name, value in known.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{i}.{name}"] = value
            else:
                found[name] = _written("optimizer", value)
        numbers.append(found)
    return {"groups": groups, "numbers": numbers}, tensors


def _options_of(optimizer: torch.optim.Optimizer) -> Iterator[Record]:
    for group in optimizer.param_groups:
        yield {k: one for k, one in group.items() if k not in ("params", "param_names")}


def _weights_of(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [weight for group in optimizer.param_groups for weight in group["params"]]


# ------------------------------------------------------------------ from a record


def net_of(record: Record, tensors: Mapping[str, Tensor]) -> BaseNet:
    """Return the net that `record_of` wrote.

    Raises
    ------
    ValueError
        If record and tensors are not of one net.
    """
    kind = _KINDS.get(record["class"])
    if kind is None:
        raise ValueError(f"a net is of the class {record['class']!r:.100}")
    params = _read_parameters(kind, record["parameters"])
    fit = record["fit"]
    # a RandomState would be drawn from, when the network is built
    net: Any = kind(**({**params, "random_state": 0} if fit else params))
    with config_context(enable_metadata_routing=True):
        for name, requests in record["requests"].items():
            if name not in _METHODS:
                raise ValueError(f"a method {name!r:.100} asks for metadata")
            getattr(net, f"set_{name}_request")(**requests)
    if fit is None:
        return net
    net.device = _device_here(net.device)
    vars(net).update(_read_learned(fit["learned"]))
    _check_sizes(net, tensors)
    net.initialize()
    _fill_module(net, fit, tensors)
    net.seeds_ = Seeds(*map(int, fit["seeds"]))
    net.module_.seed_noise(Seeds.of_epoch(net.seeds_.noise, 0))
    net.trained_by_ = str(vars(net).get("trained_by_"))
    net.random_state = params["random_state"]
    if fit["trimmed"]:
        net.trim_for_prediction()
    else:
        net.history_ = History(
            {**{name: from_json(one) for name, one in row.items()}, "batches": []}
            for row in fit["history"]
        )
        _fill_optimizer(net.optimizer_, fit["optimizer"], tensors)
    return net


def _read_parameters(kind: type[BaseNet], written: Record) -> dict[str, Any]:
    params = {name: from_json(value) for name, value in written.items()}
    known = defaults_of(kind)
    for name, value in params.items():
        prefix, separator, rest = name.partition("__")
        if name not in known and not (separator and rest and prefix in PREFIXES):
            raise ValueError(f"a net has the parameter {name!r:.100}, which is unknown")
        if not _is_allowed(name, value):
            raise ValueError(f"the parameter {name!r} is {value!r:.100}")
        if name in _ACTIVATIONS and _is_users_name(value):
            raise ValueError(f"the parameter {name!r} is {value!r:.100}: not of skact")
    missing = sorted(known.keys() - params.keys())
    if missing:
        raise ValueError(f"a net lacks the parameter {missing[0]!r}")
    return params


def _read_learned(written: Record) -> dict[str, Any]:
    learned = {name: from_json(value) for name, value in written.items()}
    for name, value in learned.items():
        if name not in _LEARNED:
            raise ValueError(f"a net has the attribute {name!r:.100}, which is unknown")
        if name in _TYPES and type(value) is not _TYPES[name]:
            raise ValueError(f"the attribute {name!r} is {value!r:.100}")
    return learned


def _device_here(device: Any) -> Any:
    """Return the device of a net; the CPU, with skorch's warning, if it is not here."""
    if device is None:
        return None
    found = get_map_location(device)
    return device if torch.device(device) == found else str(found)


def _check_sizes(net: BaseNet, tensors: Mapping[str, Tensor]) -> None:
    """Raise if the layers of the record have other sizes than the tensors.

    It is done before anything is built: a record can claim layers of any size.
    """
    names = [name for name in tensors if name.startswith("module.hidden.")]
    n_layers = len({name.split(".")[2] for name in names})
    if net.hidden is None and net.depth != n_layers:
        raise ValueError(f"a net has depth={net.depth!r:.100}, and {n_layers} layers")
    widths = [net.n_features_in_, *hidden_widths(vars(net)), net.n_outputs_]
    if len(widths) != n_layers + 2:
        raise ValueError(f"a net has {len(widths) - 2} widths, and {n_layers} layers")
    layers = [f"module.hidden.{i}.linear.weight" for i in range(n_layers)]
    for i, name in enumerate([*layers, "module.output.weight"]):
        shape = tuple(tensors[name].shape) if name in tensors else None
        if shape != (widths[i + 1], widths[i]):
            raise ValueError(
                f"the tensor {name!r} has the shape {shape}, and the record of the net "
                f"says {(widths[i + 1], widths[i])!r:.100}"
            )
    activation_per_layer(net.activation, n_layers)  # raises at another number
    if isinstance(net, LabelNet):
        shape = getattr(vars(net).get("classes_inferred_"), "shape", None)
        allowed = [(net.n_outputs_,)] if isinstance(net, ActMLP) else [(1,), (2,)]
        if shape not in allowed:
            raise ValueError(f"the classes of a net are of the shape {shape}")


def _fill_module(net: BaseNet, fit: Record, tensors: Mapping[str, Tensor]) -> None:
    own = {f"module.{name}": one for name, one in net.module_.state_dict().items()}
    given = {name: one for name, one in tensors.items() if name.startswith("module.")}
    for name in sorted(own.keys() ^ given.keys()):
        what = "lacks" if name in own else "has an unknown"
        raise ValueError(f"a net {what} the tensor {name!r:.200}")
    for name, one in given.items():
        _check_like(name, one, own[name])
        own[name].copy_(one)  # the very storage of the network
    for name, parameter in net.module_.named_parameters():
        parameter.requires_grad_(name not in fit["frozen"])


def _check_like(name: str, given: Tensor, own: Tensor) -> None:
    if given.shape != own.shape or given.dtype != own.dtype:
        raise ValueError(
            f"the tensor {name!r} is of {given.dtype} and the shape "
            f"{tuple(given.shape)}, and must be of {own.dtype} and {tuple(own.shape)}"
        )


def _fill_optimizer(
    optimizer: torch.optim.Optimizer, written: Record, tensors: Mapping[str, Tensor]
) -> None:
    groups, weights = optimizer.param_groups, _weights_of(optimizer)
    most = sum(weight.numel() for weight in weights)  # LBFGS has vectors of all
    if len(written["groups"]) != len(groups) or len(written["numbers"]) != len(weights):
        raise ValueError("the optimizer of a net is of another network")
    for group, options, own in zip(
        groups, written["groups"], _options_of(optimizer), strict=True
    ):
        if options.keys() != own.keys():
            raise ValueError("the optimizer of a net has other options")
        group.update({name: from_json(one) for name, one in options.items()})
    for i, (weight, numbers) in enumerate(
        zip(weights, written["numbers"], strict=True)
    ):
        state = {name: from_json(one) for name, one in numbers.items()}
        prefix = f"optimizer.{i}."
        for name, one in tensors.items():
            if name.startswith(prefix):
                if one.numel() > most:
                    raise ValueError(f"the tensor {name!r:.200} is too large")
                # the number of steps stays on the CPU, as torch has it
                place = weight.device if one.dim() else one.device
                state[name.removeprefix(prefix)] = one.to(place)
        if state:
            optimizer.state[weight] = state

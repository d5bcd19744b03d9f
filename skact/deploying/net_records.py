"""A net as a record of plain values and a file of weights, and back."""

from collections.abc import Mapping
from typing import Any

import torch
from sklearn.base import BaseEstimator

from skact.deploying.plain_values import from_json, to_json
from skact.engine.jobs import Seeds
from skact.nets.base import BaseNet
from skact.nets.estimators import ActMLP, ActMLPBinary, ActMLPRegressor
from skact.parameters.checks import DTYPES, hidden_widths

CLASSES: dict[str, Any] = {
    kind.__name__: kind for kind in (ActMLP, ActMLPBinary, ActMLPRegressor)
}
# what a prediction does not need: code of the user's, and states of a training
LEFT_OUT = ("callbacks", "train_split")
# fitted attributes, of those that have them
_FITTED = ("n_features_in_", "feature_names_in_", "dtype_", "n_outputs_", "trained_by_")
_FITTED_OF_KIND = ("classes_inferred_", "_is_y_1d")


class SavedNet(BaseEstimator):
    """Stands for a net in a saved estimator.

    Parameters
    ----------
    number : int
        Of its record.
    """

    def __init__(self, number: int = 0) -> None:
        self.number = number


def record_of(net: BaseNet) -> dict[str, Any]:
    """Return all of a net but its weights, as JSON.

    Raises
    ------
    ValueError
        If a parameter has no form in JSON; the message names it.
    """
    kind = type(net)
    if CLASSES.get(kind.__name__) is not kind:
        raise ValueError(
            f"save_model knows {', '.join(CLASSES)}; {kind.__module__}."
            f"{kind.__name__} is a class of your own."
        )
    params = {}
    for name, value in net.get_params(deep=False).items():
        if name in LEFT_OUT or name.startswith("callbacks__"):
            continue
        try:
            params[name] = to_json(value)
        except TypeError as error:
            raise ValueError(
                f"save_model cannot write {name}={error} of {kind.__name__}: it is "
                f"code, and loading runs no code of a file. "
                f"{_ADVICE.get(name, _OTHER_ADVICE)}"
            ) from None
    record: dict[str, Any] = {"class": kind.__name__, "params": params}
    if net.__sklearn_is_fitted__():
        record |= _fitted_part(net)
    return record


_OF_ACTIVATION = (
    "Name it by register_activation, pass the name, and register it before load_model."
)
_ADVICE = {"activation": _OF_ACTIVATION, "output_activation": _OF_ACTIVATION}
_OTHER_ADVICE = "Use a class of torch."


def _fitted_part(net: Any) -> dict[str, Any]:
    names = [n for n in (*_FITTED, *_FITTED_OF_KIND) if n in vars(net)]
    epochs = [
        {k: to_json(v) for k, v in epoch.items() if k != "batches" and _is_plain(v)}
        for epoch in net.history_
    ]
    return {
        "fitted": {name: to_json(getattr(net, name)) for name in names},
        "seeds": vars(net.seeds_),
        "history": epochs,
    }


def _is_plain(value: Any) -> bool:
    try:
        to_json(value)
    except TypeError:
        return False
    return True


def weights_of(net: Any) -> dict[str, torch.Tensor]:
    """Return copies of weights, and of statistics of norms, on the CPU."""
    state = net.module_.state_dict()
    return {name: one.detach().cpu().clone() for name, one in state.items()}


def net_of_record(
    record: Mapping[str, Any], weights: Mapping[str, torch.Tensor] | None
) -> BaseNet:
    """Build a net from its record.

    Raises
    ------
    ValueError, TypeError, KeyError
        If the record or the weights are not those of a net.
    """
    params = {name: from_json(value) for name, value in record["params"].items()}
    net = CLASSES[record["class"]](**params)
    if "fitted" not in record:
        return net
    if weights is None:
        raise ValueError("the weights of a fitted net are missing")
    for name, value in record["fitted"].items():
        if name not in (*_FITTED, *_FITTED_OF_KIND):
            raise ValueError(f"{name!r} is no attribute of a fitted net")
        setattr(net, name, from_json(value))
    _check_sizes(net, weights)
    device, net.device = net.device, "cpu"
    net.initialize()
    net.device = device
    net.module_.load_state_dict(dict(weights), strict=True)
    net.module_.train(False)
    net.module_.to(device)
    net.seeds_ = Seeds(**record["seeds"])
    del net.optimizer_  # its state is not saved, so no fit can go on from it
    for epoch in record["history"]:
        net.history_.new_epoch()
        for name, value in epoch.items():
            net.history_.record(name, from_json(value))
    return net


def _check_sizes(net: Any, weights: Mapping[str, torch.Tensor]) -> None:
    """Raise if the weights are not of the sizes named; before any memory is taken."""
    widths = [net.n_features_in_, *hidden_widths(vars(net)), net.n_outputs_]
    names = [f"hidden.{i}.linear.weight" for i in range(len(widths) - 2)]
    dtype = DTYPES[net.dtype_]
    for name, d_in, d_out in zip(
        [*names, "output.weight"], widths[:-1], widths[1:], strict=True
    ):
        if name not in weights or tuple(weights[name].shape) != (d_out, d_in):
            found = tuple(weights[name].shape) if name in weights else "missing"
            raise ValueError(f"{name} must have the shape {(d_out, d_in)}, is {found}")
        if weights[name].dtype != dtype:
            raise ValueError(f"{name} must be {dtype}, is {weights[name].dtype}")

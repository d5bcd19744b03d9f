"""What `fit` takes beside the rows: keywords of `train_split`, and the epochs."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from sklearn import get_config
from sklearn.utils.metadata_routing import process_routing

from skact.parameters.plain_numbers import plain_number


@dataclass(frozen=True)
class FitOptions:
    """The keywords of one fit."""

    n_epochs: int
    split_params: Mapping[str, Any]  # for `train_split`, such as groups


def read_fit_params(net: Any, method: str, fit_params: dict[str, Any]) -> FitOptions:
    """Sort the keywords of ``fit`` or ``partial_fit``; raise at one that none takes.

    Parameters
    ----------
    net : BaseNet
    method : {"fit", "partial_fit"}
    fit_params : dict
        Keywords as the user gave them.

    Returns
    -------
    FitOptions

    Raises
    ------
    TypeError
        If neither the net nor its `train_split` takes a keyword.
    ValueError
        If the number of epochs is not valid.
    """
    params = dict(fit_params)
    n_epochs = params.pop("epochs", None)
    if n_epochs is None:
        n_epochs = net.max_epochs
    elif not _is_count(n_epochs):
        raise ValueError(
            f"The 'epochs' keyword of {type(net).__name__}.{method} must be None or an "
            f"int >= 0, got {n_epochs!r}."
        )
    taken = _keywords_of_split(net.train_split)
    for name in params:
        if taken is not None and name not in taken:
            also = f", {', '.join(sorted(taken))} (for train_split)" if taken else ""
            raise TypeError(
                f"{type(net).__name__}.{method}() got an unexpected keyword {name!r}; "
                f"beside the rows it takes epochs{also}."
            )
    # with routing, scikit-learn decides what its own splitter gets, as in skorch
    if get_config()["enable_metadata_routing"] and hasattr(net.train_split, "cv"):
        params = process_routing(net, method, **params)["splitter"]["split"]
    return FitOptions(plain_number(n_epochs), params)


def _is_count(value: Any) -> bool:
    is_integer = isinstance(value, Integral) and not isinstance(value, bool)
    return is_integer and int(value) >= 0


def _keywords_of_split(split: Any) -> set[str] | None:
    """Return what `train_split` takes beside dataset and y; None: any keyword."""
    if not callable(split):
        return set()
    parameters = list(inspect.signature(split).parameters.values())
    if any(parameter.kind == parameter.VAR_KEYWORD for parameter in parameters):
        return None
    return {parameter.name for parameter in parameters[2:]}

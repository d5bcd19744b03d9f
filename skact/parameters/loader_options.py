"""What the loaders of a net are built with.

None is torch's default of several options: to give it is to give nothing.
"""

import inspect
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from skact.naming import short_name
from skact.parameters.allowed import is_iterable
from skact.parameters.plain_numbers import plain_options
from skact.parameters.rows import EpochOrder, collate_rows, has_collated_rows

# to a keyword of a user's own class None may mean something else
_NONE_BY_DEFAULT = {
    name
    for name, parameter in inspect.signature(DataLoader).parameters.items()
    if parameter.default is None
}


def check_loader_class(name: str, key: str, build: Any) -> None:
    """Raise at a class or function that takes no dataset and size of a batch.

    Parameters
    ----------
    name : str
        Class of the estimator, for the message.
    key : {"iterator_train", "iterator_valid"}
    build : callable
        The parameter.

    Raises
    ------
    ValueError
    """
    called = build.forward if isinstance(build, nn.Module) else build
    try:
        inspect.signature(called).bind(None, batch_size=1)
        return
    except TypeError:
        pass
    except ValueError:  # without a signature
        if getattr(build, "__module__", None) != "builtins":
            return
    raise ValueError(
        f"The {key!r} parameter of {name} must take a dataset and the keyword "
        f"batch_size, as torch.utils.data.DataLoader does, got {short_name(build)}."
    )


def given_loader_options(net: Any, *, training: bool) -> dict[str, Any]:
    """Return the options that a net gives its loader, ``iterator_train__*``.

    Parameters
    ----------
    net : BaseNet
    training : bool
        Whether it is ``iterator_train``, else ``iterator_valid``.

    Returns
    -------
    dict
        Without those that are None, as they are by default.
    """
    given = net.get_params_for("iterator_train" if training else "iterator_valid")
    return {
        name: value
        for name, value in given.items()
        if value is not None or name not in _NONE_BY_DEFAULT
    }


def check_loader(loader: Any) -> Any:
    """Return what a function of a user has built; raise if it is no loader."""
    if not (is_iterable(loader) or hasattr(loader, "__getitem__")):
        kind = ValueError if loader is None else TypeError
        raise kind(f"a loader must give batches, got {short_name(loader)}.")
    return loader


def check_has_batches(net: Any, n_batches: int, *, training: bool) -> None:
    """Raise if an epoch of skorch's loop has no batch."""
    if n_batches:
        return
    verb, loader = ("train", "train") if training else ("validate", "valid")
    epoch = len(net.history_)
    raise ValueError(
        f"{type(net).__name__} would {verb} on no batch: iterator_{loader} gives none "
        f"in epoch {epoch}. If it drops the last one, "
        f"batch_size={net.batch_size} is more than there are rows; an iterator, as "
        f"iterator_{loader}__sampler, gives its rows only once."
    )


def loader_options(net: Any, dataset: Any, *, training: bool) -> dict[str, Any]:
    """Return the options of a loader of whole batches, shuffled in training.

    Parameters
    ----------
    net : BaseNet
    dataset : Dataset
    training : bool

    Returns
    -------
    dict
        For a class of loaders, after the dataset.
    """
    params = plain_options(given_loader_options(net, training=training))
    ordered = {"sampler", "batch_sampler"} & set(params)
    if training and not ordered and params.pop("shuffle", net.shuffle):
        epoch = len(net.history_)
        params["sampler"] = EpochOrder(len(dataset), net.seeds_.order, epoch)
    if has_collated_rows(dataset):
        params.setdefault("collate_fn", collate_rows)
    if "batch_sampler" not in params:
        size = int(params.get("batch_size", net.batch_size))
        params["batch_size"] = len(dataset) if size == -1 else size
    # a loader draws a seed for its workers, by default from the global generator
    generator = torch.Generator().manual_seed(net.seeds_.order)
    params.setdefault("generator", generator)
    return params

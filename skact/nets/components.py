"""The parts of a net: the network, the loss, the optimizer, splits, loaders."""

import copy
import functools
import inspect
import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from sklearn.base import is_classifier
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit
from skorch.dataset import Dataset, get_len
from torch import nn
from torch.utils.data import DataLoader, Subset

from skact._torch import build_optimizer as build_torch_optimizer
from skact._torch import load_compiler
from skact.activations.build import is_custom
from skact.engine.jobs import Seeds
from skact.global_rng import seed_generators_temporarily
from skact.network.mlp import MLP, activation_per_layer
from skact.parameters.blame import blame
from skact.parameters.callback_checks import check_callbacks
from skact.parameters.checks import (
    DTYPES,
    check_device_of_network,
    dtype_name,
    hidden_widths,
    optimizer_class,
)
from skact.parameters.loader_options import given_loader_options
from skact.parameters.optimizer_checks import (
    OPTIMIZER_PARAMETERS,
    check_groups,
    check_patterns,
    given_options,
    is_of_torch,
)
from skact.parameters.optimizer_state import complete_optimizer
from skact.parameters.plain_numbers import plain_optimizer_options, plain_options

# ------------------------------------------------------------------ the network


def network_arguments(net: Any) -> dict[str, Any]:
    """Return the arguments of MLP, from the parameters and the data of a net."""
    return {
        "n_features": net.n_features_in_,
        "n_outputs": net.n_outputs_,
        "hidden": hidden_widths(vars(net)),
        "activation": net.activation,
        "output_activation": net.output_activation,
        "dropout": float(net.dropout),
        "norm": net.norm,
        "init": net.init,
        "dtype": DTYPES[net.dtype_],
    }


def fixed_settings(net: Any) -> dict[str, Any]:
    """Return the settings that must stay the same while a network trains on."""
    fixed = ["optimizer", "momentum", "nesterov", "weight_decay", "criterion"]
    fixed += ["early_stopping", "patience", "callbacks", "optimizer__param_groups"]
    settings = {name: getattr(net, name, None) for name in [*fixed, "compile"]}
    if net.compile:
        options = net.get_params_for("compile").items()
        settings |= {f"compile__{name}": value for name, value in options}
    settings["device"] = net.device
    settings["dtype"] = DTYPES.get(dtype_name(net.dtype), DTYPES[net.dtype_])
    return {**network_arguments(net), **settings}


def check_can_train_on(net: Any) -> None:
    """Check what may have changed since a net was built: all that a fit uses anew."""
    check_same_network(net)
    check_device_of_network(type(net).__name__, net.device, device_of(net))
    check_callbacks(net)
    with blame(net, *OPTIMIZER_PARAMETERS):
        check_options(net, net.optimizer_)
    complete_optimizer(net.optimizer_)


def changed_settings(net: Any) -> list[str]:
    """Return the settings that have changed since the network was built."""
    current, built = fixed_settings(net), net.built_with_
    return [
        name
        for name in {**built, **current}
        if name != "device"  # checked by itself: a pickle may change it
        and not _is_same_setting(current.get(name), built.get(name))
    ]


def check_same_network(net: Any) -> None:
    """Raise if settings have changed since the network was built."""
    changed = changed_settings(net)
    if changed:
        before = ", ".join(f"{name}={net.built_with_.get(name)!r}" for name in changed)
        raise ValueError(
            f"{type(net).__name__} cannot train on, because it was built with "
            f"{before}: set that back, or fit anew with warm_start=False."
        )


def settings_to_pickle(net: Any) -> dict[str, Any]:
    """Return `built_with_`, without callbacks that were taken off the net since.

    They are often taken off because they cannot be pickled; their repr can.
    """
    if "built_with_" not in vars(net):
        return {}
    built, current = net.built_with_["callbacks"], net.callbacks
    kept = current if _is_same_setting(current, built) else repr(built)
    return {"built_with_": {**net.built_with_, "callbacks": kept}}


def _is_same_setting(current: Any, built: Any) -> bool:
    """Whether two values of a parameter have the same repr; modules have no ==."""
    return current is built or repr(current) == repr(built)


def build_module(net: Any) -> MLP:
    """Build the network, with initial weights from the seed of the net."""
    seed = net.seeds_.weights
    if net.compile:
        load_compiler()
    with lend_generators(net, seed):
        module = MLP(**network_arguments(net), seed=seed)
    module.seed_noise(Seeds.of_epoch(net.seeds_.noise, 0))
    return module


def device_of(net: Any) -> torch.device:
    """Return the device of the network; the CPU while no network is built."""
    module = getattr(net, "module_", None)
    parameter = None if module is None else next(module.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device


def build_criterion(net: Any) -> Any:
    """Build the loss with one value for each row; `weighted_mean` takes the mean."""
    given, params = net.criterion, net.get_params_for("criterion")
    if isinstance(given, nn.Module) and not params:
        criterion = copy.deepcopy(given)
        if hasattr(criterion, "reduction"):
            vars(criterion)["reduction"] = "none"
    else:  # as in skorch, `criterion__*` build a new instance
        build = type(given) if isinstance(given, nn.Module) else given
        if _has_reduction_argument(build):  # type: ignore[arg-type]
            params["reduction"] = "none"
        with lend_generators(net, net.seeds_.weights):
            criterion = build(**plain_options(params))
    if isinstance(criterion, nn.NLLLoss) and _returns_logits(net):
        raise ValueError(
            f"The 'criterion' parameter of {type(net).__name__} is NLLLoss, which "
            f"needs probabilities: set output_activation='softmax', or leave criterion "
            f"at CrossEntropyLoss, which is both."
        )
    if isinstance(criterion, nn.Module):
        criterion = criterion.to(DTYPES[net.dtype_])
    return criterion


def _returns_logits(net: Any) -> bool:
    module = getattr(net, "module_", None)  # a subclass may give it another name
    return type(module) is MLP and isinstance(module.output_activation, nn.Identity)


@functools.lru_cache(64)
def _has_reduction_argument(loss: Any) -> bool:
    return "reduction" in inspect.signature(loss).parameters


def build_optimizer(net: Any) -> torch.optim.Optimizer:
    """Build the optimizer; ``optimizer__*`` override the flat parameters."""
    weights = list(net.get_all_learnable_params())
    groups = vars(net).get("optimizer__param_groups", ())
    check_patterns(groups, [name for name, _ in weights])
    args, params = net.get_params_for_optimizer("optimizer", weights)
    named = isinstance(net.optimizer, str)
    flat: dict[str, Any] = {}
    if named or net.weight_decay:  # a zero leaves the default of a class
        flat["weight_decay"] = net.weight_decay
    build = optimizer_class(net.optimizer)
    if named and build is torch.optim.SGD:
        flat.update(momentum=net.momentum, nesterov=bool(net.nesterov))
    groups = [plain_optimizer_options(g) if isinstance(g, dict) else g for g in args[0]]
    options = plain_optimizer_options({**flat, **params})
    optimizer = build_torch_optimizer(build, groups, **options)
    if not hasattr(optimizer, "param_groups"):
        raise TypeError(f"it builds {optimizer!r}, which has no param_groups.")
    if given_options(vars(net)):
        check_options(net, optimizer)
    return optimizer


def check_options(net: Any, optimizer: torch.optim.Optimizer) -> None:
    """Let torch check what an optimizer was given, also after it was built."""
    if is_of_torch(type(optimizer)):  # others may keep options under other names
        check_groups(optimizer, given_options(vars(net)))


# ------------------------------------------------------------------ custom parts


def is_built_of_custom_parts(net: Any) -> bool:
    """Whether activations or the criterion of the network are custom.

    Reads `built_with_`, because parameters may be set after the network is built.
    """
    built = net.built_with_
    specs = activation_per_layer(built["activation"], len(built["hidden"]))
    parts = (*specs, built["output_activation"], built["criterion"])
    return any(map(is_custom, parts))


def has_custom_parts(net: Any) -> bool:
    """Whether a custom part may draw from a global generator."""
    loading = (net.iterator_train, net.iterator_valid, net.dataset)
    samplers = {"sampler", "batch_sampler"}
    return (
        net.built_of_custom_parts_
        or loading != (DataLoader, DataLoader, Dataset)
        or not samplers.isdisjoint(given_loader_options(net, training=True))
    )


def lend_generators(net: Any, seed: int) -> AbstractContextManager[None]:
    """Seed the global generators for custom parts in the block, then restore."""
    if has_custom_parts(net):
        return seed_generators_temporarily(seed, device_of(net))
    return nullcontext()


# ------------------------------------------------------------------ rows for skorch


def has_held_out_rows(net: Any) -> bool:
    """Whether a fit holds out some of its rows for validation."""
    return bool(net.train_split) or net.early_stopping


def seed_split(net: Any) -> AbstractContextManager[None]:
    """Seed the global generators in the block: ValidSplit(0.2) draws from numpy's."""
    return seed_generators_temporarily(net.seeds_.split, torch.device("cpu"))


def split_for_early_stopping(net: Any, X: Any, y: Any) -> tuple[Subset, Subset]:
    """Hold out `validation_fraction` of a dataset, stratified by class where possible.

    A row that is the only one of its class trains. With fewer held-out rows than
    classes, rows are drawn regardless of class.
    """
    n_rows = get_len(X)
    rows, splitter = np.arange(n_rows), ShuffleSplit
    fraction = float(net.validation_fraction)
    n_held_out = math.ceil(fraction * n_rows)
    if is_classifier(net):
        _, group, counts = np.unique(y, return_inverse=True, return_counts=True)
        is_drawn = counts[group] > 1
        if is_drawn.sum() > n_held_out:
            rows = rows[is_drawn]
            n_classes = np.sum(counts > 1)
            if n_classes <= min(n_held_out, len(rows) - n_held_out):
                splitter = StratifiedShuffleSplit
    seed = net.seeds_.split % 2**32  # numpy's RandomState takes no more
    # a share, where all rows are drawn, rounds as scikit-learn does
    size = fraction if len(rows) == n_rows else n_held_out
    split = splitter(1, test_size=size, random_state=seed)
    try:
        train, held_out = next(split.split(rows, np.asarray(y)[rows]))
    except ValueError as error:
        raise ValueError(
            f"early_stopping=True cannot hold out "
            f"validation_fraction={net.validation_fraction} of {n_rows} rows: "
            f"{error}"
        ) from error
    never_drawn = np.setdiff1d(np.arange(n_rows), rows)
    in_training: Any = np.concatenate([rows[train], never_drawn])
    return Subset(X, in_training), Subset(X, rows[held_out])

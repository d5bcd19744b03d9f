"""Which networks and optimizers have a stacked form."""

import copy
import random
from typing import Any

import numpy as np
import torch
from torch import nn

from skact.engine.activations import activation_key
from skact.engine.optimizers import stacked_form
from skact.generators import borrowed_generators
from skact.mlp import MLP


def why_not(module: Any, optimizer: torch.optim.Optimizer) -> str | None:
    """Return why a network cannot train in a stack; None if it can.

    Parameters
    ----------
    module : MLP
    optimizer : torch.optim.Optimizer
        Over the parameters of `module`.

    Returns
    -------
    str or None
        As the end of a sentence that begins with "because".
    """
    if stacked_form(optimizer) is None:
        return f"the optimizer {_shown(optimizer)} has no stacked form"
    if type(module) is not MLP:
        return f"the module is a {type(module).__name__}"
    if module.output.weight.device.type not in ("cpu", "cuda"):
        return f"the device {module.output.weight.device} is not served"
    held = {id(p) for p in optimizer.param_groups[0]["params"]}
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad or id(parameter) not in held:
            return f"the parameter {name} is not trained"
    layers: list[Any] = list(module.hidden)
    places = [(layer.activation, layer.linear.out_features) for layer in layers]
    places.append((module.output_activation, module.output.out_features))
    for activation, width in places:
        if draws_globally(activation, module.output.weight.new_zeros(2, width)):
            return f"the activation {activation!r} draws from a global generator"
    return None


def _shown(optimizer: torch.optim.Optimizer) -> str:
    name = type(optimizer).__name__
    options = ("dampening", "maximize", "amsgrad", "differentiable", "capturable")
    groups = optimizer.param_groups
    given = [f"{o}={groups[0][o]!r}" for o in options if groups[0].get(o)]
    if len(groups) > 1:
        given.append(f"{len(groups)} parameter groups")
    return f"{name}({', '.join(given)})" if given else name


def draws_globally(activation: nn.Module, x: torch.Tensor) -> bool:
    """Whether an activation draws from a global generator in training."""
    key = activation_key(activation)
    if not (isinstance(key, tuple) and key[0] in ("function", "module")):
        return False
    activation = copy.deepcopy(activation).train()  # it may keep statistics
    with borrowed_generators(0, torch.device("cpu")), torch.no_grad():
        before = _global_state()
        try:
            activation(x)
        except Exception:
            return False  # training will say what is wrong with it
        return _global_state() != before


def _global_state() -> tuple:
    of_numpy: Any = np.random.get_state()  # noqa: NPY002
    return (
        torch.get_rng_state().numpy().tobytes(),
        of_numpy[1].tobytes(),
        of_numpy[2],
        random.getstate(),
    )

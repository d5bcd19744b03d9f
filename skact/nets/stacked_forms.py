"""Which networks and optimizers can train in a stack, and why others cannot."""

from typing import Any

import torch
from torch import nn

from skact._torch import has_hooks
from skact.engine.activation_layers import is_custom
from skact.engine.custom_activations import fault_of_activation
from skact.engine.optimizers import stacked_form
from skact.network.mlp import MLP, BatchNorm, Dropout, Linear

# the layers that have a stacked form, and the values that their options must have
_STACKED_LAYERS: dict[type, dict[str, Any]] = {
    Linear: {},
    Dropout: {},
    nn.Identity: {},
    nn.LayerNorm: {"eps": 1e-5},
    BatchNorm: {"eps": 1e-5, "momentum": 0.1, "track_running_stats": True},
}


def reason_against_stack(module: Any, optimizer: torch.optim.Optimizer) -> str | None:
    """Return why a network cannot train in a stack, or None if it can."""
    reason = unstackable_part(module, optimizer)
    if reason is not None:
        return reason
    layers: list[Any] = list(module.hidden)
    activations = [(layer.activation, layer.linear.out_features) for layer in layers]
    activations.append((module.output_activation, module.output.out_features))
    for activation, width in activations:
        if not is_custom(activation):
            continue
        x = torch.linspace(-3, 3, 2 * width).view(2, width).to(module.output.weight)
        fault = fault_of_activation(activation, x)
        if fault is not None:
            return f"the activation {activation!r} {fault}"
    return None


def unstackable_part(module: Any, optimizer: torch.optim.Optimizer) -> str | None:
    """Return which part of a network or an optimizer no stack supports, or None.

    Parameters
    ----------
    module : MLP
    optimizer : torch.optim.Optimizer
        Over the parameters of `module`.

    Returns
    -------
    str or None
        The end of a sentence that begins with "because".
    """
    if stacked_form(optimizer) is None:
        return f"the optimizer {_describe_optimizer(optimizer)} has no stacked form"
    if type(module) is not MLP:
        return f"the module is a {type(module).__name__}"
    if module.output.weight.device.type not in ("cpu", "cuda"):
        return f"the device {module.output.weight.device} is not supported"
    return (
        _unusual_layer(module)
        or _untrained_parameter(module, optimizer)
        or _hooked_part(module, optimizer)
    )


def _unusual_layer(module: Any) -> str | None:
    """Name the first layer that differs from those of MLP, or return None."""
    parts: list[tuple[str, Any]] = [("output", module.output)]
    for i, layer in enumerate(module.hidden):
        names = ("linear", "norm", "dropout")
        parts += [(f"hidden.{i}.{name}", getattr(layer, name)) for name in names]
    for name, part in parts:
        usual = _STACKED_LAYERS.get(type(part))
        if usual is None or any(getattr(part, k) != v for k, v in usual.items()):
            return f"{name} is {part!r}"
    return None


def _untrained_parameter(module: Any, optimizer: torch.optim.Optimizer) -> str | None:
    held = {id(p) for p in optimizer.param_groups[0]["params"]}
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad or id(parameter) not in held:
            return f"the parameter {name} is not trained"
    return None


def _hooked_part(module: Any, optimizer: torch.optim.Optimizer) -> str | None:
    """Name the first part with code of a user, which no stack calls, or return None."""
    for name, part in (*module.named_modules(), *module.named_parameters()):
        if has_hooks(part):
            return f"a hook is registered on {name or 'the module'}"
        if "forward" in vars(part):
            return f"forward of {name or 'the module'} was replaced"
    if has_hooks(optimizer):
        return "a hook is registered on the optimizer"
    return None


def _describe_optimizer(optimizer: torch.optim.Optimizer) -> str:
    name = type(optimizer).__name__
    options = ("dampening", "maximize", "amsgrad", "differentiable", "capturable")
    groups = optimizer.param_groups
    given = [f"{o}={groups[0][o]!r}" for o in options if groups[0].get(o)]
    if len(groups) > 1:
        given.append(f"{len(groups)} parameter groups")
    return f"{name}({', '.join(given)})" if given else name

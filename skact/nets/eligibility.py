"""Which networks and optimizers have a stacked form."""

import copy
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from skact.engine.activation_layers import activation_key
from skact.engine.optimizers import stacked_form
from skact.global_rng import borrowed_generators
from skact.nets.mlp import MLP, BatchNorm, Dropout, Linear


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
    reason = why_no_longer(module, optimizer)
    if reason is not None:
        return reason
    layers: list[Any] = list(module.hidden)
    places = [(layer.activation, layer.linear.out_features) for layer in layers]
    places.append((module.output_activation, module.output.out_features))
    for activation, width in places:
        ramp = torch.linspace(-3, 3, 2 * width).view(2, width).to(module.output.weight)
        why = _why_not_activation(activation, ramp)
        if why is not None:
            return f"the activation {activation!r} {why}"
    return None


def why_no_longer(module: Any, optimizer: torch.optim.Optimizer) -> str | None:
    """Return what callbacks have done to a network that no stack allows for, or None.

    Parameters
    ----------
    module : MLP
    optimizer : torch.optim.Optimizer

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
    return (
        _unusual_layer(module)
        or _unusual_parameter(module, optimizer)
        or _hooked(module, optimizer)
    )


# the layers that have a stacked form, and options that must be so
_USUAL: dict[type, dict[str, Any]] = {
    Linear: {},
    Dropout: {},
    nn.Identity: {},
    nn.LayerNorm: {"eps": 1e-5},
    BatchNorm: {"eps": 1e-5, "momentum": 0.1, "track_running_stats": True},
}


def _unusual_layer(module: Any) -> str | None:
    """Say which layer is not as MLP builds it: users may have put in their own."""
    parts: list[tuple[str, Any]] = [("output", module.output)]
    for i, layer in enumerate(module.hidden):
        names = ("linear", "norm", "dropout")
        parts += [(f"hidden.{i}.{name}", getattr(layer, name)) for name in names]
    for name, part in parts:
        usual = _USUAL.get(type(part))
        if usual is None or any(getattr(part, k) != v for k, v in usual.items()):
            return f"{name} is {part!r}"
    return None


def _unusual_parameter(module: Any, optimizer: torch.optim.Optimizer) -> str | None:
    held = {id(p) for p in optimizer.param_groups[0]["params"]}
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad or id(parameter) not in held:
            return f"the parameter {name} is not trained"
    return None


def _hooked(module: Any, optimizer: torch.optim.Optimizer) -> str | None:
    """Say what has a hook: no stack would call it."""
    kinds = ["forward_hooks", "forward_pre_hooks", "backward_hooks"]
    kinds += ["backward_pre_hooks", "post_accumulate_grad_hooks"]
    named = [*module.named_modules(), *module.named_parameters()]
    for name, part in named:
        if any(getattr(part, f"_{kind}", None) for kind in kinds):
            return f"a hook is registered on {name or 'the module'}"
    if any(getattr(optimizer, f"_optimizer_step_{k}_hooks") for k in ("pre", "post")):
        return "a hook is registered on the optimizer"
    return None


def _shown(optimizer: torch.optim.Optimizer) -> str:
    name = type(optimizer).__name__
    options = ("dampening", "maximize", "amsgrad", "differentiable", "capturable")
    groups = optimizer.param_groups
    given = [f"{o}={groups[0][o]!r}" for o in options if groups[0].get(o)]
    if len(groups) > 1:
        given.append(f"{len(groups)} parameter groups")
    return f"{name}({', '.join(given)})" if given else name


def _why_not_activation(activation: nn.Module, x: torch.Tensor) -> str | None:
    """Say why what a user brought cannot be in a stack; None if it can."""
    key = activation_key(activation)
    if not (isinstance(key, tuple) and key[0] in ("function", "module")):
        return None
    try:
        activation = copy.deepcopy(activation).train()  # it may keep statistics
    except Exception as error:
        return f"cannot be copied ({error!r})"
    learned = list(activation.parameters())
    with borrowed_generators(0, torch.device("cpu")), torch.enable_grad():
        before = _global_state()
        try:
            y = activation(x.requires_grad_() * 1)
            if _global_state() != before:
                return "draws from a global generator"
            found: Sequence[Any] = [None]
            if y.requires_grad:
                found = torch.autograd.grad(y.sum(), [x, *learned], allow_unused=True)
        except Exception:
            return None  # training will say what is wrong with it
    if any(gradient is None for gradient in found):
        return "leaves out a gradient, and torch's optimizers what has none"
    return None


def _global_state() -> tuple:
    of_numpy: Any = np.random.get_state()  # noqa: NPY002
    return (
        torch.get_rng_state().numpy().tobytes(),
        of_numpy[1].tobytes(),
        of_numpy[2],
        random.getstate(),
    )

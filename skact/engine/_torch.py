"""Names of torch that the engine needs and that torch's documentation does not promise.

A name is looked up at its first use. So skact can be imported with a torch that lacks
the name; the error at the first use names it. `tests/test_seams.py` tries all names.
"""

import functools
from collections.abc import Callable
from operator import attrgetter
from typing import Any

import torch
from torch import nn

# in-place kernels that step many parameters in one call, and the derivative of a loss
FUNCTIONS = (
    *("_fused_sgd_", "_fused_adam_", "_fused_adamw_"),
    "_log_softmax_backward_data",
)
# overloads that write into a given tensor, and the derivatives of activations
OPERATIONS = (
    *("elu.out", "elu_backward.grad_input"),
    *("gelu.out", "gelu_backward.grad_input"),
    *("hardshrink.out", "hardshrink_backward.grad_input"),
    *("hardsigmoid.out", "hardsigmoid_backward.grad_input"),
    *("hardswish.out", "hardswish_backward.default"),
    *("hardtanh.out", "hardtanh_backward.grad_input"),
    *("leaky_relu.out", "leaky_relu_backward.grad_input"),
    *("log_sigmoid.out", "sigmoid_backward.grad_input", "tanh_backward.grad_input"),
    *("mish.out", "mish_backward.default"),
    *("silu.out", "silu_backward.grad_input"),
    *("softplus.out", "softplus_backward.grad_input"),
    *("softshrink.out", "softshrink_backward.grad_input"),
    *("threshold.out", "threshold_backward.grad_input"),
    *("_softmax_backward_data.default", "_log_softmax_backward_data.default"),
)
_MODULE_HOOKS = attrgetter(
    *("_forward_hooks", "_forward_pre_hooks"),
    *("_backward_hooks", "_backward_pre_hooks"),
)
_PARAMETER_HOOKS = attrgetter("_backward_hooks", "_post_accumulate_grad_hooks")
_OPTIMIZER_HOOKS = attrgetter("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks")


@functools.cache
def find_function(name: str) -> Callable[..., Any]:
    """Return one of `FUNCTIONS`."""
    return _find_attribute(torch, name, f"torch.{name}")


@functools.cache
def find_operation(name: str) -> Callable[..., Any]:
    """Return one of `OPERATIONS`: a name and an overload of ``torch.ops.aten``."""
    packet, _, overload = name.partition(".")
    full_name = f"torch.ops.aten.{name}"
    return _find_attribute(
        _find_attribute(torch.ops.aten, packet, full_name), overload, full_name
    )


def has_hooks(part: nn.Module | nn.Parameter | torch.optim.Optimizer) -> bool:
    """Whether a module, a parameter or an optimizer has hooks of users."""
    hooks: Callable[..., tuple] = _MODULE_HOOKS
    if isinstance(part, nn.Parameter):
        hooks = _PARAMETER_HOOKS
    elif isinstance(part, torch.optim.Optimizer):
        hooks = _OPTIMIZER_HOOKS
    try:
        return any(hooks(part))
    except AttributeError as error:
        raise _missing_name_error(str(error)) from None


def is_watched() -> bool:
    """Whether global hooks, or modes, autocast or a profiler of this thread, are on."""
    has_global_hooks = _find_attribute(
        torch.nn.modules.module,
        "_has_any_global_hook",
        "torch.nn.modules.module._has_any_global_hook",
    )
    c, autograd = torch._C, torch.autograd
    dispatch = "_len_torch_dispatch_stack", "_len_torch_function_stack"
    return bool(
        has_global_hooks()
        or any(_find_attribute(c, name, f"torch._C.{name}")() for name in dispatch)
        or torch.is_autocast_enabled("cpu")
        or _find_attribute(
            autograd, "_profiler_enabled", "torch.autograd._profiler_enabled"
        )()
    )


def _find_attribute(where: Any, name: str, full_name: str) -> Any:
    try:
        return getattr(where, name)
    except AttributeError:
        raise _missing_name_error(f"there is no {full_name}") from None


def _missing_name_error(what: str) -> RuntimeError:
    return RuntimeError(
        f"skact needs a name that this torch, {torch.__version__}, lacks: {what}. "
        f"Install a version that skact's pyproject.toml names."
    )

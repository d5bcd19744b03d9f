"""Names of torch that the engine needs and that torch's documentation does not promise.

A name is looked up at its first use. So skact can be imported with a torch that lacks
the name; the error at the first use names it. `tests/test_seams.py` tries all names.
"""

import functools
import importlib
from collections.abc import Callable
from concurrent.futures import Future
from operator import attrgetter
from threading import Thread
from typing import Any

import torch
from torch import nn
from torch.utils import _python_dispatch

# a kernel that steps many parameters in one call, and the derivative of a loss
FUNCTIONS = ("_fused_adamw_", "_log_softmax_backward_data")
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


def uncompiled(module: nn.Module) -> nn.Module:
    """Return the module that ``torch.compile`` has wrapped, or the module itself."""
    return getattr(module, "_orig_mod", module)


def modes_of_thread() -> tuple:
    """Return the function and dispatch modes of this thread, and its default device.

    ``with torch.device(...)`` is such a mode, too.
    """
    c, default = torch._C, getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)
    if not (c._len_torch_function_stack() or c._len_torch_dispatch_stack()):
        return [], [], default  # the usual case, which each switch of tasks meets
    functions = torch.overrides._get_current_function_mode_stack()
    return functions, _python_dispatch._get_current_dispatch_mode_stack(), default


def restore_modes_of_thread(modes: tuple) -> None:
    """Make the result of `modes_of_thread` the modes of this thread."""
    stacks = (
        (torch._C._len_torch_function_stack, torch.overrides),
        (torch._C._len_torch_dispatch_stack, _python_dispatch),
    )
    *wanted, default = modes
    for (length, module), stack in zip(stacks, wanted, strict=True):
        while length():
            module._pop_mode()
        for mode in stack:
            module._push_mode(mode)
    torch._GLOBAL_DEVICE_CONTEXT.device_context = default


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


# ------------------------------------------------------------------ late imports


def build_optimizer(build: Any, *args: Any, **params: Any) -> torch.optim.Optimizer:
    """Build an optimizer, without loading torch's compiler if that is possible.

    ``Optimizer.add_param_group`` loads the compiler, only to switch it off for itself:
    about a second, half a minute on a slow machine, in the first fit of a process.
    """
    plain = getattr(torch.optim.Optimizer.add_param_group, "__wrapped__", None)
    if plain is None or not _is_plain_optimizer(build):
        load_compiler()
        return build(*args, **params)
    optimizer = build.__new__(build)
    optimizer.add_param_group = functools.partial(plain, optimizer)
    optimizer.__init__(*args, **params)
    del optimizer.add_param_group
    return optimizer


def _is_plain_optimizer(build: Any) -> bool:
    if not (isinstance(build, type) and issubclass(build, torch.optim.Optimizer)):
        return False
    inherited = torch.optim.Optimizer.add_param_group
    return build.add_param_group is inherited and build.__new__ is object.__new__


def note_step(optimizer: torch.optim.Optimizer) -> None:
    """Tell torch's schedulers that the optimizer has taken a step; else they warn."""
    optimizer._opt_called = True  # type: ignore[attr-defined]


def load_compiler() -> None:
    """Load what ``optimizer.step``, and the state of an optimizer, load at first."""
    _begin_loading("torch._dynamo").result()


def load_gradients() -> None:
    """Load what ``torch.autograd.grad`` loads at first, if it is given gradients."""
    _begin_loading("torch.fx.experimental.symbolic_shapes").result()


@functools.cache
def _begin_loading(module: str) -> "Future[None]":
    """Begin an import that Ctrl-C cannot break off.

    Half an import of such a large module leaves torch, or sympy, broken for the whole
    process. Python interrupts the main thread only, so another thread imports.
    """
    loaded: Future[None] = Future()

    def load() -> None:
        try:
            importlib.import_module(module)
            loaded.set_result(None)
        except BaseException as error:
            loaded.set_exception(error)

    Thread(target=load, name="skact-import").start()
    return loaded


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

"""Activation modules that torch does not have."""

import functools
from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from skact.noise import LEVELS, NoisyModule

Value: TypeAlias = bool | int | float | str
ActivationSpec: TypeAlias = (
    str
    | nn.Module
    | type[nn.Module]
    | type[torch.autograd.Function]
    | Callable[[Tensor], Tensor]
)


class RReLU(NoisyModule, nn.RReLU):
    """Randomised leaky ReLU that can draw its slopes from noise of its own.

    `torch.nn.RReLU` draws from torch's global generator, so the training of a network
    would depend on what else runs in the process. `MLP.seed_noise` gives the module
    noise of its own. In evaluation the slope is the mean, as in torch.

    Parameters
    ----------
    lower : float, default=1/8
        Smallest slope for negative inputs.
    upper : float, default=1/3
        Largest slope for negative inputs.

    Examples
    --------
    >>> RReLU(0.1, 0.3)
    RReLU(lower=0.1, upper=0.3)
    """

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3) -> None:
        super().__init__(lower, upper)

    def forward(self, input: Tensor) -> Tensor:
        """Apply a new slope to each element in training, the mean slope otherwise."""
        if not self.training:  # equal to nn.RReLU, which torch.vmap does not support
            return nn.functional.leaky_relu(input, (self.lower + self.upper) / 2)
        if self.noise is None:
            return super().forward(input)
        return torch.where(input >= 0, input, self.draw_factors(input) * input)

    def options(self) -> tuple[float, float]:
        """Return the bounds of the slopes."""
        return self.lower, self.upper

    def fill_factors(self, numbers: Tensor, out: Tensor) -> Tensor:
        """Fill a tensor with slopes, uniform between the bounds."""
        step = (self.upper - self.lower) / LEVELS
        mean = (self.lower + self.upper) / 2
        return out.copy_(numbers).mul_(step).add_(mean + step / 2)


class SwishBeta(nn.Module):
    """Swish with a learnable sharpness, ``x * sigmoid(beta * x)``.

    Parameters
    ----------
    beta : float, default=1.0
        Initial value of the learnable `beta`: 0 is the line x / 2, 1 is SiLU, and
        large values approach ReLU.

    Examples
    --------
    >>> SwishBeta(1.5).beta.item()
    1.5
    """

    def __init__(self, beta: float = 1.0) -> None:
        super().__init__()
        self.init = beta
        self.beta = nn.Parameter(torch.tensor(float(beta)))

    def forward(self, input: Tensor) -> Tensor:
        """Apply the activation elementwise."""
        return input * torch.sigmoid(self.beta * input)

    def extra_repr(self) -> str:
        """Show the initial value of `beta`."""
        return f"init={self.init}"


class FunctionActivation(nn.Module):
    """A function on tensors, or a `torch.autograd.Function`, as a module.

    Copies share the function. A function with state should be an `nn.Module`.

    Parameters
    ----------
    function : callable or torch.autograd.Function subclass
        Called with the input (through ``.apply`` for an autograd function).
    **arguments : bool, int, float or str
        Passed by keyword to a callable, and in order to ``.apply``.

    Examples
    --------
    >>> import torch
    >>> FunctionActivation(torch.nn.functional.elu, alpha=0.5)
    FunctionActivation(elu, alpha=0.5)
    """

    def __init__(
        self,
        function: Callable[..., Tensor] | type[torch.autograd.Function],
        **arguments: Value,
    ) -> None:
        super().__init__()
        self.function = function
        self.arguments = arguments

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function."""
        if isinstance(self.function, type):
            function: Any = self.function  # mypy knows no more than `type`
            return function.apply(input, *self.arguments.values())
        return self.function(input, **self.arguments)

    def extra_repr(self) -> str:
        """Show the function's name and its arguments."""
        given = [f"{name}={value!r}" for name, value in self.arguments.items()]
        return ", ".join([activation_name(self.function), *given])


def activation_name(spec: ActivationSpec) -> str:
    """Return a short name of an activation for tables and plots.

    Parameters
    ----------
    spec : str, nn.Module class or instance, torch.autograd.Function subclass, callable
        What `make_activation` takes.

    Returns
    -------
    str
        A string as given, a class's or function's name, a module's repr on one line.

    Examples
    --------
    >>> from torch import nn
    >>> activation_name(nn.LeakyReLU(0.2))
    'LeakyReLU(negative_slope=0.2)'
    """
    if isinstance(spec, str):
        return " ".join(spec.split())
    if isinstance(spec, nn.Module):
        return " ".join(repr(spec).split())
    if isinstance(spec, functools.partial):
        given = [repr(value) for value in spec.args]
        given += [f"{name}={value!r}" for name, value in spec.keywords.items()]
        return f"{activation_name(spec.func)}({', '.join(given)})"
    return getattr(spec, "__name__", type(spec).__name__).strip("<>")

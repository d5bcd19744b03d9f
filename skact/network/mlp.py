"""The network itself: a multilayer perceptron, built in labelled stages."""

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skact.activations.build import activation_gain, is_custom, make_activation
from skact.activations.modules import activation_name
from skact.noise import LEVELS, Noise, NoisyModule

NORMS = ("batch", "layer")
INITS = ("auto", "torch")
_ROWS_TO_CHECK = 12  # of what activations are tried with


class Linear(nn.Linear):
    """``nn.Linear`` without initial values: MLP draws them from its seed."""

    def reset_parameters(self) -> None:
        """Draw nothing; MLP draws the values."""


class Dropout(NoisyModule, nn.Dropout):
    """``nn.Dropout`` that can draw its masks from noise of its own.

    Numbers of 16 bits decide, so the rate is one of 1/65536, ..., 65535/65536: the
    nearest to p, if p is neither 0 nor 1. Units that are kept are rescaled by the rate
    that is really used, so the expected value of an output is its input.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Zero entries of x with probability p in training, and rescale the rest."""
        if not self.training or self.p == 0:
            return x
        return super().forward(x) if self.noise is None else x * self.draw_factors(x)

    def options(self) -> float:
        """Return the rate."""
        return self.p

    def fill_factors(self, numbers: Tensor, out: Tensor) -> Tensor:
        """Fill a tensor with 0 for units that are dropped, a constant for others."""
        if self.p in (0, 1):
            return out.fill_(1 - self.p)
        dropped = min(max(round(self.p * LEVELS), 1), LEVELS - 1)  # of all levels
        torch.ge(numbers, dropped - LEVELS // 2, out=out)
        return out.mul_(LEVELS / (LEVELS - dropped))


class BatchNorm(nn.BatchNorm1d):
    """``nn.BatchNorm1d`` that accepts a batch of one row.

    One row has no variance, so torch raises an error. Here the running statistics
    normalise the row and stay unchanged.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise each column of x."""
        if self.training and x.shape[0] == 1:
            return F.batch_norm(
                x,
                self.running_mean,
                self.running_var,
                self.weight,
                self.bias,
                eps=self.eps,
            )
        return super().forward(x)


class Hidden(nn.Module):
    """One hidden layer: linear, norm, activation, dropout."""

    def __init__(
        self,
        d_in: int,
        d_out: int,
        activation: Any,
        norm: str | None,
        dropout: float,
        dtype: torch.dtype,
    ) -> None:
        super().__init__()
        self.linear = Linear(d_in, d_out, dtype=dtype)
        self.norm = _build_norm(norm, d_out, dtype)
        self.activation = make_activation(activation).to(dtype)
        self.dropout = Dropout(dropout) if dropout else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, d_in) to (B, d_out)."""
        return self.dropout(self.activation(self.norm(self.linear(x))))


class MLP(nn.Module):
    r"""Multilayer perceptron with any activation in each hidden layer.

    A hidden layer computes

    .. math:: h_{l} = \text{dropout}(f_l(\text{norm}(W_l h_{l-1} + b_l)))

    and the output is :math:`g(W h + b)`, where g is `output_activation`.

    Parameters
    ----------
    n_features : int
        Columns of the input.
    n_outputs : int
        Columns of the output.
    hidden : sequence of int, default=(100,)
        Width of each hidden layer; empty for a linear model.
    activation : activation spec or tuple of them, default="relu"
        See :func:`skact.make_activation`. A tuple names one for each hidden layer.
    output_activation : activation spec or None, default=None
        Applied to the output; None leaves it linear.
    dropout : float, default=0.0
        Probability in [0, 1) with which a hidden unit is zeroed in training; the
        nearest of 1/65536, ..., 65535/65536 is used.
    norm : {"batch", "layer"} or None, default=None
        Normalisation before each hidden activation.
    init : {"torch", "auto"}, default="torch"
        "torch" draws the weights of a layer as ``nn.Linear`` does, uniform within
        1 / sqrt(fan_in), so the signal shrinks from layer to layer. "auto" gives them
        the standard deviation gain / sqrt(fan_in), with the gain of the layer's
        activation (:func:`skact.activation_gain`; He et al. 2015, arXiv:1502.01852).
        Biases are uniform within 1 / sqrt(fan_in) in both.
    dtype : torch.dtype, default=torch.float32
        Dtype of parameters and input. A seed gives the same weights, rounded.
    seed : int or None, default=None
        Seed of the initial weights; None takes torch's global generator, as torch does.

    Raises
    ------
    ValueError
        If there are not as many activations as hidden layers, or one is unknown.

    Examples
    --------
    >>> import torch
    >>> from skact import MLP
    >>> mlp = MLP(4, 3, hidden=(16, 8), activation=("relu", "tanh"), seed=0)
    >>> mlp(torch.zeros(5, 4)).shape
    torch.Size([5, 3])
    """

    def __init__(
        self,
        n_features: int,
        n_outputs: int,
        *,
        hidden: Sequence[int] = (100,),
        activation: Any = "relu",
        output_activation: Any = None,
        dropout: float = 0.0,
        norm: str | None = None,
        init: str = "torch",
        dtype: torch.dtype = torch.float32,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        widths = [n_features, *hidden, n_outputs]
        activations = activation_per_layer(activation, len(hidden))
        self.hidden = nn.ModuleList(
            Hidden(d_in, d_out, spec, norm, dropout, dtype)
            for d_in, d_out, spec in zip(widths, hidden, activations, strict=False)
        )
        self.output = Linear(widths[-2], n_outputs, dtype=dtype)
        self.output_activation = (
            nn.Identity()
            if output_activation is None
            else make_activation(output_activation).to(dtype)
        )

        generator = None if seed is None else torch.Generator().manual_seed(seed)
        gains = [activation_gain(spec) for spec in activations]
        linears: list[Any] = [*(layer.linear for layer in self.hidden), self.output]
        for linear, gain in zip(linears, [*gains, 1.0], strict=True):
            _init_linear(linear, gain if init == "auto" else None, generator)
        built = [(layer.activation, "activation") for layer in self.hidden]
        built.append((self.output_activation, "output_activation"))
        specs = zip(built, [*activations, output_activation], widths[1:], strict=True)
        for (module, name), spec, width in specs:
            if _needs_check(spec):
                x = torch.zeros(_ROWS_TO_CHECK, width, dtype=dtype)
                _check_output_shape(name, module, spec, x)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, n_features) to (B, n_outputs)."""
        for layer in self.hidden:
            x = layer(x)
        return self.output_activation(self.output(x))

    def seed_noise(self, seed: int) -> None:
        """Seed the noise of dropout and random activations.

        Called once an epoch in training, each time with another seed. The noise of a
        layer depends on the seed, the layer, and the number of the row since this call.

        Parameters
        ----------
        seed : int
            From 0 to 2**64 - 1.
        """
        for layer, module in enumerate(self.modules()):
            if isinstance(module, NoisyModule):
                module.noise = Noise(seed, layer)


def activation_per_layer(activation: Any, n_layers: int) -> tuple:
    """Return one activation spec for each hidden layer.

    Parameters
    ----------
    activation : activation spec or tuple (or list) of them
        One for all layers, or one for each.
    n_layers : int
        Number of hidden layers.

    Returns
    -------
    tuple
        Of length n_layers.

    Raises
    ------
    ValueError
        If a tuple of another length is given.

    Examples
    --------
    >>> activation_per_layer("relu", 2)
    ('relu', 'relu')
    """
    if not isinstance(activation, tuple | list):
        return (activation,) * n_layers
    if len(activation) != n_layers:
        raise ValueError(
            f"activation={activation!r} names {len(activation)} activations, but the "
            f"number of hidden layers (depth, or the length of hidden) is {n_layers}: "
            f"give one for each, or a single one for all"
        )
    return tuple(activation)


def _needs_check(spec: Any) -> bool:
    """Whether an activation is a user's, or has parameters of a user's."""
    if isinstance(spec, str) and not is_custom(spec):
        return "(" in spec
    return spec is not None


def _check_output_shape(name: str, activation: Any, spec: Any, x: Tensor) -> None:
    """Raise if the activation changes the shape or the dtype of a tensor."""
    requirement = (
        f"{name}={activation_name(spec)} must turn a tensor of shape (rows, width)"
    )
    try:
        with torch.random.fork_rng(devices=[]):  # it may draw in eval mode, too
            # not a leaf, as in training: in-place functions work, numpy's fail
            y = copy.deepcopy(activation).eval()(x.requires_grad_() * 1)
    except Exception as error:
        raise ValueError(f"{requirement} into another; it raised {error!r}") from error
    if not isinstance(y, Tensor) or y.shape != x.shape:
        got = tuple(y.shape) if isinstance(y, Tensor) else type(y).__name__
        raise ValueError(
            f"{requirement} into one of the same shape, got {got} for {tuple(x.shape)}"
        )
    if y.dtype != x.dtype:
        raise ValueError(
            f"{requirement} into one of the same dtype, got {y.dtype} for {x.dtype}"
        )


def _build_norm(norm: str | None, width: int, dtype: torch.dtype) -> nn.Module:
    if norm is None:
        return nn.Identity()
    kind = BatchNorm if norm == "batch" else nn.LayerNorm
    return kind(width, dtype=dtype)


def _init_linear(
    linear: nn.Linear, gain: float | None, generator: torch.Generator | None
) -> None:
    """Draw weights and bias; None as gain gives the rule of nn.Linear."""
    bias_bound = 1 / math.sqrt(linear.in_features)
    # nn.Linear: kaiming_uniform_ with a = sqrt(5), which equals 1 / sqrt(fan_in)
    weight_bound = bias_bound if gain is None else gain * math.sqrt(3) * bias_bound
    with torch.no_grad():
        for part, bound in ((linear.weight, weight_bound), (linear.bias, bias_bound)):
            # a float32 network has the weights of the float64 network, rounded
            drawn = torch.empty_like(part, dtype=torch.float64)
            part.copy_(drawn.uniform_(-bound, bound, generator=generator))

"""The catalogue of activation functions: one table that serves everything else.

Each entry states what a reader wants to know before choosing (formula, derivative,
range, kinks, what it is good and bad at, the paper) beside what the estimator needs
(how to build a fresh module, which parameters it takes, its weight-initialisation
gain). What can be worked out from an entry is worked out (`Activation.bounded`,
`smooth`, `monotonic`, `zero_centred`, `gain`), so that it cannot contradict the code.

>>> from skact import get_activation
>>> swish = get_activation("swish")
>>> print(swish.formula, swish.range(), swish.gain)
x * sigmoid(x) [-0.278465, inf) 1.67653
"""

import dataclasses
import difflib
import functools
import math
import re
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from math import inf
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from skact.activation_modules import FunctionActivation, RReLU, SwishBeta, Value
from skact.gains import gain_of_values, gaussian_mean, values_on_grid


@dataclasses.dataclass(frozen=True)
class Range:
    """The smallest interval that holds every value of a function.

    Parameters
    ----------
    low : float
        Infimum.
    high : float
        Supremum.
    closed_low : bool, default=False
        Whether `low` is attained.
    closed_high : bool, default=False
        Whether `high` is attained.

    Examples
    --------
    >>> print(Range(0.0, float("inf"), closed_low=True))
    [0, inf)
    >>> 0.0 in Range(0.0, 1.0)
    False
    """

    low: float
    high: float
    closed_low: bool = False
    closed_high: bool = False

    def __str__(self) -> str:
        left, right = "[" if self.closed_low else "(", "]" if self.closed_high else ")"
        return f"{left}{self.low:g}, {self.high:g}{right}"

    def __contains__(self, value: float) -> bool:
        return (
            self.low < value < self.high
            or (self.closed_low and value == self.low)
            or (self.closed_high and value == self.high)
        )


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Activation:
    """What is known of one activation function.

    `derivative`, `range` and `kinks` take the entry's parameters as keywords and use
    the defaults for those not given; the properties below speak of the defaults.
    For a stochastic entry all of them describe evaluation mode. Softmax and log-softmax
    mix the last axis: they are described by one output as a function of its own input
    (`derivative` is the Jacobian's diagonal), over at least two outputs.

    A registered entry may leave out what it does not know (None or an empty text).

    Parameters
    ----------
    name : str
        Canonical name, an identifier.
    factory : callable
        Returns a fresh module, given the parameters as keywords.
    parameters : mapping of str to bool, int, float or str
        Default value by parameter name, in positional order; the type of the default
        is the type allowed (a float's place takes integers too).
    aliases : tuple of str, default=()
        Other names.
    constraint : tuple of (str, callable) or None, default=None
        What parameter values must satisfy, in words and as a test of the keywords.
    formula : str, default=""
        Definition as Python would write it; what its terms mean follows a semicolon.
    latex : str, default=""
        Definition in LaTeX.
    derivative : callable or None, default=None
        ``derivative(x, **parameters)`` in closed form, of the shape and dtype of x.
    derivative_formula : str, default=""
        The derivative, written as `formula` is.
    range : callable or None, default=None
        ``range(**parameters)``, the `Range` of the values.
    kinks : callable or None, default=None
        ``kinks(**parameters)``, the tuple of points where the derivative does not
        exist. Jumps too small for float32 to see are left out (softplus at its
        threshold jumps by 2e-9).
    elementwise : bool, default=True
        Whether each output depends on its own input only.
    stochastic : bool, default=False
        Whether the module draws random numbers in training.
    learnable : tuple of str, default=()
        Names of the module's learnable parameters.
    good : str, default=""
        What it is good at, one sentence.
    bad : str, default=""
        What it is bad at, one sentence.
    paper : str, default=""
        Authors, year, title, and arXiv number or venue.

    Examples
    --------
    >>> relu = get_activation("relu")
    >>> print(relu.formula, relu.range(), relu.kinks(), relu.gain)
    max(0, x) [0, inf) (0.0,) 1.41421
    """

    name: str
    factory: Callable[..., nn.Module]
    parameters: Mapping[str, Value]
    aliases: tuple[str, ...] = ()
    constraint: tuple[str, Callable[..., bool]] | None = None
    formula: str = ""
    latex: str = ""
    derivative: Callable[..., Tensor] | None = None
    derivative_formula: str = ""
    range: Callable[..., Range] | None = None
    kinks: Callable[..., tuple[float, ...]] | None = None
    elementwise: bool = True
    stochastic: bool = False
    learnable: tuple[str, ...] = ()
    good: str = ""
    bad: str = ""
    paper: str = ""

    def __repr__(self) -> str:
        about = f" = {self.formula}" if self.formula else ""
        return f"<Activation {self.name}(x){about}>"

    def __reduce__(self) -> tuple[Callable[[str], "Activation"], tuple[str]]:
        # By name: the table's functions do not pickle, and a copy would be no entry.
        return get_activation, (self.name,)

    def _default_values(self) -> np.ndarray | None:
        """Values of the default module on the grid."""
        return values_on_grid(
            functools.partial(self.factory, **self.parameters),
            n_inputs=1 if self.elementwise else 2,
        )

    @property
    def bounded(self) -> bool | None:
        """Whether both ends of the range are finite."""
        if self.range is None:
            return None
        value_range = self.range()
        return math.isfinite(value_range.low) and math.isfinite(value_range.high)

    @property
    def smooth(self) -> bool | None:
        """Whether it is continuously differentiable (C1), that is, has no kinks."""
        return None if self.kinks is None else not self.kinks()

    @property
    def monotonic(self) -> bool | None:
        """Whether it never decreases (on [-10, 10])."""
        values = self._default_values()
        # The slack is for rounding; a true decrease is larger on so wide a grid.
        return None if values is None else bool((np.diff(values) >= -1e-12).all())

    @property
    def zero_centred(self) -> bool | None:
        """Whether E[f(z)] = 0 for z ~ N(0, 1): it adds no mean shift to its layer.

        Odd functions have it, and SELU by the choice of its constants. Taking both
        signs is not enough: ELU and leaky ReLU shift the mean up.
        """
        values = self._default_values()
        return None if values is None else abs(gaussian_mean(values)) < 1e-6

    @property
    def gain(self) -> float:
        """The weight-initialisation gain, see `activation_gain`."""
        return gain_of_values(self._default_values()) if self.elementwise else 1.0


def _entry(
    name: str,
    factory: Callable[..., nn.Module],
    *,
    parameters: Mapping[str, Value] | None = None,
    **fields: Any,
) -> Activation:
    """Build an entry, its functions of the parameters completed by the defaults."""
    defaults = dict(parameters or {})
    for field in ("derivative", "range", "kinks"):
        given = fields.get(field)
        if given is not None:
            function = given if callable(given) else _always(given)
            fields[field] = functools.partial(function, **defaults)
    return Activation(
        name=name,
        factory=factory,
        parameters=types.MappingProxyType(defaults),
        **fields,
    )


def _always(value: Any) -> Callable[..., Any]:
    """Return a function of any parameters that gives `value`."""
    return lambda **_: value


def _inside(x: Tensor, low: float, high: float) -> Tensor:
    """1 strictly between `low` and `high`, 0 elsewhere, in the dtype of x."""
    return ((x > low) & (x < high)).to(x)


def _leak_derivative(x: Tensor, slope: float) -> Tensor:
    """1 right of zero, `slope` elsewhere."""
    return torch.where(x > 0, torch.ones_like(x), slope)


def _leak_range(slope: float) -> Range:
    """All reals if the left branch falls below zero."""
    return Range(-inf, inf) if slope > 0 else Range(0.0, inf, closed_low=True)


def _leak_kinks(slope: float) -> tuple[float, ...]:
    return () if slope == 1 else (0.0,)


def _gelu_derivative(x: Tensor, approximate: str) -> Tensor:
    """Differentiate x * cdf(x), with the exact or the approximate normal cdf."""
    if approximate == "none":
        density = torch.exp(-x.square() / 2) / math.sqrt(2 * math.pi)
        return torch.special.ndtr(x) + x * density
    scale, cubic = math.sqrt(2 / math.pi), 0.044715
    t = torch.tanh(scale * (x + cubic * x**3))
    return (1 + t) / 2 + x / 2 * (1 - t**2) * scale * (1 + 3 * cubic * x**2)


def _swish_derivative(x: Tensor, beta: float) -> Tensor:
    s = torch.sigmoid(beta * x)
    return s + beta * x * s * (1 - s)


# The minimum of x * sigmoid(x), at x = -1.278464542761074: -W(1/e), W Lambert's.
_SWISH_MINIMUM = -0.2784645427610738


def _swish_range(beta: float) -> Range:
    """Scale the range of beta = 1 by 1 / beta, as the curve itself scales."""
    if beta == 0:
        return Range(-inf, inf)
    extreme = _SWISH_MINIMUM / beta
    if beta > 0:
        return Range(extreme, inf, closed_low=True)
    return Range(-inf, extreme, closed_high=True)


def _mish_derivative(x: Tensor) -> Tensor:
    t = torch.tanh(nn.functional.softplus(x))
    return t + x * torch.sigmoid(x) * (1 - t**2)


def _softplus_kinks(beta: float, threshold: float) -> tuple[float, ...]:
    """Past the threshold torch returns x: the slope jumps by about exp(-threshold)."""
    invisible = threshold > -math.log(torch.finfo(torch.float32).eps)
    return () if invisible else (threshold / beta,)


_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


_TABLE = (
    _entry(
        "identity",
        nn.Identity,
        aliases=("linear",),
        formula="x",
        latex=r"x",
        derivative=torch.ones_like,
        derivative_formula="1",
        range=Range(-inf, inf),
        kinks=(),
        good="Outputs of regression nets, and the linear baseline.",
        bad="Adds nothing to depth: a stack of linear layers is one linear layer.",
        paper="Baldi & Hornik (1989), Neural Networks and Principal Component "
        "Analysis: Learning from Examples Without Local Minima, Neural Networks 2",
    ),
    _entry(
        "relu",
        nn.ReLU,
        formula="max(0, x)",
        latex=r"\max(0, x)",
        derivative=lambda x: _inside(x, 0.0, inf),
        derivative_formula="1 if x > 0 else 0",
        range=Range(0.0, inf, closed_low=True),
        kinks=(0.0,),
        good="Cheap, sparse, and passes the gradient unchanged: the default to beat.",
        bad="A unit whose inputs are all negative gets no gradient and stays dead.",
        paper="Nair & Hinton (2010), Rectified Linear Units Improve Restricted "
        "Boltzmann Machines, ICML",
    ),
    _entry(
        "relu6",
        nn.ReLU6,
        formula="min(max(0, x), 6)",
        latex=r"\min(\max(0, x), 6)",
        derivative=lambda x: _inside(x, 0.0, 6.0),
        derivative_formula="1 if 0 < x < 6 else 0",
        range=Range(0.0, 6.0, closed_low=True, closed_high=True),
        kinks=(0.0, 6.0),
        good="Outputs that fit low-precision arithmetic.",
        bad="No gradient on either side: units can die at 6 as well as at 0.",
        paper="Krizhevsky (2010), Convolutional Deep Belief Networks on CIFAR-10, "
        "unpublished manuscript",
    ),
    _entry(
        "leaky_relu",
        nn.LeakyReLU,
        parameters={"negative_slope": 0.01},
        formula="x if x > 0 else negative_slope * x",
        latex=r"\max(0, x) + a \min(0, x)",
        derivative=lambda x, negative_slope: _leak_derivative(x, negative_slope),
        derivative_formula="1 if x > 0 else negative_slope",
        range=lambda negative_slope: _leak_range(negative_slope),
        kinks=lambda negative_slope: _leak_kinks(negative_slope),
        good="As cheap as ReLU, and no unit dies.",
        bad="One more number to choose, for gains over ReLU that are often small.",
        paper="Maas, Hannun & Ng (2013), Rectifier Nonlinearities Improve Neural "
        "Network Acoustic Models, ICML Workshop on Deep Learning for Audio, Speech "
        "and Language Processing",
    ),
    # torch's num_parameters is left out: one slope a layer needs no width to be known.
    _entry(
        "prelu",
        nn.PReLU,
        parameters={"init": 0.25},
        formula="x if x > 0 else a * x; a is learnt, from init",
        latex=r"\max(0, x) + a \min(0, x)",
        derivative=lambda x, init: _leak_derivative(x, init),
        derivative_formula="1 if x > 0 else a; a is learnt, from init",
        range=lambda init: _leak_range(init),
        kinks=lambda init: _leak_kinks(init),
        learnable=("weight",),
        good="Learns its own leak, for one parameter a layer.",
        bad="Weight decay pulls the slope to 0; small data can overfit it.",
        paper="He, Zhang, Ren & Sun (2015), Delving Deep into Rectifiers: Surpassing "
        "Human-Level Performance on ImageNet Classification, arXiv:1502.01852",
    ),
    _entry(
        "rrelu",
        RReLU,
        parameters={"lower": 1 / 8, "upper": 1 / 3},
        constraint=("lower <= upper", lambda lower, upper: lower <= upper),
        formula="x if x >= 0 else a * x; a ~ U(lower, upper), or their mean in eval",
        latex=r"\max(0, x) + a \min(0, x), \quad a \sim U(l, u)",
        derivative=lambda x, lower, upper: _leak_derivative(x, (lower + upper) / 2),
        derivative_formula="1 if x > 0 else (lower + upper) / 2",
        range=lambda lower, upper: _leak_range((lower + upper) / 2),
        kinks=lambda lower, upper: _leak_kinks((lower + upper) / 2),
        stochastic=True,
        good="The random slope regularises, which helps on small data.",
        bad="Noisy training, and slower than a fixed leak.",
        paper="Xu, Wang, Chen & Li (2015), Empirical Evaluation of Rectified "
        "Activations in Convolutional Network, arXiv:1505.00853",
    ),
    _entry(
        "elu",
        nn.ELU,
        parameters={"alpha": 1.0},
        formula="x if x > 0 else alpha * (exp(x) - 1)",
        latex=r"\max(0, x) + \min(0, \alpha (e^x - 1))",
        derivative=lambda x, alpha: torch.where(
            x > 0, torch.ones_like(x), alpha * torch.exp(x)
        ),
        derivative_formula="1 if x > 0 else alpha * exp(x)",
        range=lambda alpha: (
            Range(-alpha, inf) if alpha > 0 else Range(0.0, inf, closed_low=True)
        ),
        kinks=lambda alpha: () if alpha == 1 else (0.0,),
        good="Negative outputs bring the mean closer to zero; saturates softly.",
        bad="An exponential per unit, and slow learning deep in the negative side.",
        paper="Clevert, Unterthiner & Hochreiter (2016), Fast and Accurate Deep "
        "Network Learning by Exponential Linear Units (ELUs), arXiv:1511.07289",
    ),
    _entry(
        "celu",
        nn.CELU,
        parameters={"alpha": 1.0},
        constraint=("alpha > 0", lambda alpha: alpha > 0),
        formula="x if x > 0 else alpha * (exp(x / alpha) - 1)",
        latex=r"\max(0, x) + \min(0, \alpha (e^{x / \alpha} - 1))",
        derivative=lambda x, alpha: torch.where(
            x > 0, torch.ones_like(x), torch.exp(x / alpha)
        ),
        derivative_formula="1 if x > 0 else exp(x / alpha)",
        range=lambda alpha: Range(-alpha, inf),
        kinks=(),
        good="ELU that stays smooth for every alpha.",
        bad="An exponential per unit; equal to ELU at the default alpha.",
        paper="Barron (2017), Continuously Differentiable Exponential Linear Units, "
        "arXiv:1704.07483",
    ),
    _entry(
        "selu",
        nn.SELU,
        formula="scale * (x if x > 0 else alpha * (exp(x) - 1)); "
        "scale = 1.0507009873554805; alpha = 1.6732632423543772",
        latex=r"\lambda (\max(0, x) + \min(0, \alpha (e^x - 1)))",
        derivative=lambda x: (
            _SELU_SCALE
            * torch.where(x > 0, torch.ones_like(x), _SELU_ALPHA * torch.exp(x))
        ),
        derivative_formula="scale * (1 if x > 0 else alpha * exp(x)); "
        "scale = 1.0507009873554805; alpha = 1.6732632423543772",
        range=Range(-_SELU_SCALE * _SELU_ALPHA, inf),
        kinks=(0.0,),
        good="Keeps mean 0 and variance 1 through deep plain nets, unnormalised.",
        bad="Holds only with LeCun initialisation, scaled inputs and alpha dropout.",
        paper="Klambauer, Unterthiner, Mayr & Hochreiter (2017), Self-Normalizing "
        "Neural Networks, arXiv:1706.02515",
    ),
    _entry(
        "gelu",
        nn.GELU,
        parameters={"approximate": "none"},
        constraint=(
            "approximate 'none' or 'tanh'",
            lambda approximate: approximate in ("none", "tanh"),
        ),
        formula="x * Phi(x); Phi is the normal cdf, with approximate='tanh' "
        "Phi(x) = (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))) / 2",
        latex=r"x \, \Phi(x)",
        derivative=_gelu_derivative,
        derivative_formula="Phi(x) + x * phi(x); phi is the derivative of Phi",
        # Attained at x = -0.7517915246935645 and x = -0.7524614220710163.
        range=lambda approximate: Range(
            -0.16997120747990366 if approximate == "none" else -0.17004075057125406,
            inf,
            closed_low=True,
        ),
        kinks=(),
        good="Smooth and rarely worse than ReLU: the usual choice in transformers.",
        bad="Costlier than ReLU, and not monotonic.",
        paper="Hendrycks & Gimpel (2016), Gaussian Error Linear Units (GELUs), "
        "arXiv:1606.08415",
    ),
    _entry(
        "silu",
        nn.SiLU,
        aliases=("swish",),
        formula="x * sigmoid(x)",
        latex=r"x \, \sigma(x)",
        derivative=lambda x: _swish_derivative(x, 1.0),
        derivative_formula="s + x * s * (1 - s); s = sigmoid(x)",
        range=_swish_range(1.0),
        kinks=(),
        good="Smooth, with a gradient nearly everywhere; good in deep nets.",
        bad="Costlier than ReLU, and not monotonic.",
        paper="Elfwing, Uchibe & Doya (2018), Sigmoid-Weighted Linear Units for Neural "
        "Network Function Approximation in Reinforcement Learning, arXiv:1702.03118",
    ),
    _entry(
        "swish_beta",
        SwishBeta,
        parameters={"beta": 1.0},
        formula="x * sigmoid(beta * x); beta is learnt, from the value given",
        latex=r"x \, \sigma(\beta x)",
        derivative=_swish_derivative,
        derivative_formula="s + beta * x * s * (1 - s); s = sigmoid(beta * x)",
        range=_swish_range,
        kinks=(),
        learnable=("beta",),
        good="Learns how sharp to be, between a line and ReLU.",
        bad="One more parameter a layer, seldom better than SiLU.",
        paper="Ramachandran, Zoph & Le (2017), Searching for Activation Functions, "
        "arXiv:1710.05941",
    ),
    _entry(
        "mish",
        nn.Mish,
        formula="x * tanh(softplus(x))",
        latex=r"x \tanh(\ln(1 + e^x))",
        derivative=_mish_derivative,
        derivative_formula="t + x * sigmoid(x) * (1 - t**2); t = tanh(softplus(x))",
        # Attained at x = -1.192431214515495.
        range=Range(-0.30884341301725043, inf, closed_low=True),
        kinks=(),
        good="Smooth, much like SiLU with a slightly deeper dip.",
        bad="The costliest here to evaluate, and not monotonic.",
        paper="Misra (2019), Mish: A Self Regularized Non-Monotonic Activation "
        "Function, arXiv:1908.08681",
    ),
    _entry(
        "hardswish",
        nn.Hardswish,
        formula="x * min(max(0, x + 3), 6) / 6",
        latex=r"x \min(\max(0, x + 3), 6) / 6",
        derivative=lambda x: torch.where(
            x >= 3, torch.ones_like(x), (2 * x + 3) / 6 * _inside(x, -3.0, inf)
        ),
        derivative_formula="0 if x < -3 else 1 if x > 3 else (2 * x + 3) / 6",
        # Attained at x = -1.5.
        range=Range(-0.375, inf, closed_low=True),
        kinks=(-3.0, 3.0),
        good="SiLU without the exponential, for small devices.",
        bad="No gradient below -3, and jumps in its derivative.",
        paper="Howard et al. (2019), Searching for MobileNetV3, arXiv:1905.02244",
    ),
    _entry(
        "sigmoid",
        nn.Sigmoid,
        aliases=("logistic",),
        formula="1 / (1 + exp(-x))",
        latex=r"\sigma(x) = 1 / (1 + e^{-x})",
        derivative=lambda x: torch.sigmoid(x) * torch.sigmoid(-x),
        derivative_formula="s * (1 - s); s = sigmoid(x)",
        range=Range(0.0, 1.0),
        kinks=(),
        good="Probabilities and gates.",
        bad="The gradient is at most 1/4 and vanishes in deep nets; not zero-centred.",
        paper="Rumelhart, Hinton & Williams (1986), Learning Representations by "
        "Back-propagating Errors, Nature 323",
    ),
    _entry(
        "hardsigmoid",
        nn.Hardsigmoid,
        formula="min(max(0, x + 3), 6) / 6",
        latex=r"\min(\max(0, x + 3), 6) / 6",
        derivative=lambda x: _inside(x, -3.0, 3.0) / 6,
        derivative_formula="1/6 if -3 < x < 3 else 0",
        range=Range(0.0, 1.0, closed_low=True, closed_high=True),
        kinks=(-3.0, 3.0),
        good="A gate without the exponential.",
        bad="No gradient at all outside (-3, 3).",
        paper="Howard et al. (2019), Searching for MobileNetV3, arXiv:1905.02244",
    ),
    _entry(
        "logsigmoid",
        nn.LogSigmoid,
        formula="log(1 / (1 + exp(-x)))",
        latex=r"\ln \sigma(x)",
        derivative=lambda x: torch.sigmoid(-x),
        derivative_formula="sigmoid(-x)",
        range=Range(-inf, 0.0),
        kinks=(),
        good="Log-probabilities of a binary output, without underflow.",
        bad="Only negative outputs: a poor hidden layer.",
        paper="Goodfellow, Bengio & Courville (2016), Deep Learning, section 3.10, "
        "MIT Press",
    ),
    _entry(
        "tanh",
        nn.Tanh,
        formula="(exp(x) - exp(-x)) / (exp(x) + exp(-x))",
        latex=r"\tanh(x)",
        derivative=lambda x: 1 - torch.tanh(x) ** 2,
        derivative_formula="1 - tanh(x)**2",
        range=Range(-1.0, 1.0),
        kinks=(),
        good="Odd, bounded and smooth: small nets and recurrent ones.",
        bad="Saturates on both sides, so that deep nets learn slowly.",
        paper="LeCun, Bottou, Orr & Müller (1998), Efficient BackProp, Neural "
        "Networks: Tricks of the Trade, Springer",
    ),
    _entry(
        "hardtanh",
        nn.Hardtanh,
        parameters={"min_val": -1.0, "max_val": 1.0},
        constraint=("min_val < max_val", lambda min_val, max_val: min_val < max_val),
        formula="min(max(min_val, x), max_val)",
        latex=r"\min(\max(m, x), M)",
        derivative=lambda x, min_val, max_val: _inside(x, min_val, max_val),
        derivative_formula="1 if min_val < x < max_val else 0",
        range=lambda min_val, max_val: Range(min_val, max_val, True, True),
        kinks=lambda min_val, max_val: (min_val, max_val),
        good="Tanh without the exponentials, for small devices.",
        bad="No gradient at all outside the bounds.",
        paper="Collobert (2004), Large Scale Machine Learning, PhD thesis, "
        "Université Paris VI",
    ),
    _entry(
        "softsign",
        nn.Softsign,
        formula="x / (1 + abs(x))",
        latex=r"x / (1 + |x|)",
        derivative=lambda x: (1 + x.abs()) ** -2,
        derivative_formula="1 / (1 + abs(x))**2",
        range=Range(-1.0, 1.0),
        kinks=(),
        good="Tanh with polynomial tails: it saturates far more slowly.",
        bad="Still saturates, and its slope falls off quickly around zero.",
        paper="Bergstra, Desjardins, Lamblin & Bengio (2009), Quadratic Polynomials "
        "Learn Better Image Features, TR 1337, Université de Montréal",
    ),
    _entry(
        "softplus",
        nn.Softplus,
        parameters={"beta": 1.0, "threshold": 20.0},
        constraint=("beta > 0", lambda beta, threshold: beta > 0),
        formula="x if beta * x > threshold else log(1 + exp(beta * x)) / beta",
        latex=r"\ln(1 + e^{\beta x}) / \beta",
        derivative=lambda x, beta, threshold: torch.where(
            beta * x > threshold, torch.ones_like(x), torch.sigmoid(beta * x)
        ),
        derivative_formula="1 if beta * x > threshold else sigmoid(beta * x)",
        # A negative threshold lets the line through below zero, never onto its end.
        range=lambda beta, threshold: Range(min(0.0, threshold / beta), inf),
        kinks=_softplus_kinks,
        good="A smooth ReLU; positive outputs such as scales and variances.",
        bad="Never zero, so not sparse, and its outputs are far from zero-centred.",
        paper="Dugas, Bengio, Bélisle, Nadeau & Garcia (2000), Incorporating "
        "Second-Order Functional Knowledge for Better Option Pricing, NIPS",
    ),
    _entry(
        "hardshrink",
        nn.Hardshrink,
        parameters={"lambd": 0.5},
        constraint=("lambd >= 0", lambda lambd: lambd >= 0),
        formula="0 if -lambd <= x <= lambd else x",
        latex=r"x \, [|x| > \lambda]",
        derivative=lambda x, lambd: 1 - (x.abs() <= lambd).to(x),
        derivative_formula="0 if -lambd < x < lambd else 1",
        range=Range(-inf, inf),
        kinks=lambda lambd: (-lambd, lambd) if lambd > 0 else (),
        good="Sparse codes that keep large values as they are.",
        bad="Not continuous, and no gradient near zero.",
        paper="Donoho & Johnstone (1994), Ideal Spatial Adaptation by Wavelet "
        "Shrinkage, Biometrika 81(3)",
    ),
    _entry(
        "softshrink",
        nn.Softshrink,
        parameters={"lambd": 0.5},
        constraint=("lambd >= 0", lambda lambd: lambd >= 0),
        formula="sign(x) * max(0, abs(x) - lambd)",
        latex=r"\mathrm{sign}(x) \max(0, |x| - \lambda)",
        derivative=lambda x, lambd: 1 - (x.abs() <= lambd).to(x),
        derivative_formula="0 if -lambd < x < lambd else 1",
        range=Range(-inf, inf),
        kinks=lambda lambd: (-lambd, lambd) if lambd > 0 else (),
        good="Sparse codes and denoising: the proximal step of an L1 penalty.",
        bad="Shrinks large values too, and no gradient near zero.",
        paper="Donoho (1995), De-noising by Soft-Thresholding, IEEE Transactions on "
        "Information Theory 41(3)",
    ),
    _entry(
        "tanhshrink",
        nn.Tanhshrink,
        formula="x - tanh(x)",
        latex=r"x - \tanh(x)",
        derivative=lambda x: torch.tanh(x) ** 2,
        derivative_formula="tanh(x)**2",
        range=Range(-inf, inf),
        kinks=(),
        good="A smooth shrinkage, for sparse coding.",
        bad="Flat at zero, where most inputs are: training starts slowly.",
        paper="Collobert, Kavukcuoglu & Farabet (2011), Torch7: A Matlab-like "
        "Environment for Machine Learning, NIPS BigLearn Workshop",
    ),
    # torch has no defaults here; with these it is ReLU, its best-known case.
    _entry(
        "threshold",
        nn.Threshold,
        parameters={"threshold": 0.0, "value": 0.0},
        formula="x if x > threshold else value",
        latex=r"x \, [x > \theta] + v \, [x \leq \theta]",
        derivative=lambda x, threshold, value: _inside(x, threshold, inf),
        derivative_formula="1 if x > threshold else 0",
        range=lambda threshold, value: Range(
            min(threshold, value), inf, closed_low=value <= threshold
        ),
        kinks=lambda threshold, value: (threshold,),
        good="Sparse codes without biases: only strong inputs pass.",
        bad="Jumps unless value equals threshold, and units die as with ReLU.",
        paper="Konda, Memisevic & Krueger (2015), Zero-bias Autoencoders and the "
        "Benefits of Co-adapting Features, arXiv:1402.3337",
    ),
    _entry(
        "softmax",
        functools.partial(nn.Softmax, dim=-1),
        formula="exp(x) / sum(exp(x)); the sum is over the last axis",
        latex=r"e^{x_i} / \sum_j e^{x_j}",
        derivative=lambda x: (s := torch.softmax(x, dim=-1)) * (1 - s),
        derivative_formula="s * (1 - s); s = softmax(x); the Jacobian's diagonal",
        range=Range(0.0, 1.0),
        kinks=(),
        elementwise=False,
        good="Class probabilities as outputs.",
        bad="Ties the units of a layer together: for outputs, not hidden layers.",
        paper="Bridle (1990), Probabilistic Interpretation of Feedforward "
        "Classification Network Outputs, with Relationships to Statistical Pattern "
        "Recognition, Neurocomputing, Springer",
    ),
    _entry(
        "log_softmax",
        functools.partial(nn.LogSoftmax, dim=-1),
        formula="x - log(sum(exp(x))); the sum is over the last axis",
        latex=r"x_i - \ln \sum_j e^{x_j}",
        derivative=lambda x: 1 - torch.softmax(x, dim=-1),
        derivative_formula="1 - softmax(x); the Jacobian's diagonal",
        range=Range(-inf, 0.0),
        kinks=(),
        elementwise=False,
        good="Class log-probabilities as outputs, without underflow.",
        bad="Ties the units of a layer together: for outputs, not hidden layers.",
        paper="Goodfellow, Bengio & Courville (2016), Deep Learning, section 6.2.2.3, "
        "MIT Press",
    ),
)


def folded(name: str) -> str:
    """Fold case and drop separators: LeakyReLU, leaky-relu and leaky_relu are one."""
    return re.sub(r"[\s_-]", "", name).lower()


_CATALOGUE = {
    folded(name): entry for entry in _TABLE for name in (entry.name, *entry.aliases)
}


BUILT_IN = frozenset(_TABLE)


def list_activations() -> list[str]:
    """Return the canonical names of all activations, sorted.

    Returns
    -------
    list of str
        Names that `get_activation` and `make_activation` take.

    Examples
    --------
    >>> "gelu" in list_activations()
    True
    """
    return sorted({entry.name for entry in _CATALOGUE.values()})


def get_activation(name: str) -> Activation:
    """Look an activation up in the catalogue.

    Parameters
    ----------
    name : str
        Name or alias; case, spaces, hyphens and underscores do not matter.

    Returns
    -------
    Activation
        The catalogue's entry.

    Raises
    ------
    ValueError
        If the name is unknown; the message names the nearest ones.

    Examples
    --------
    >>> get_activation("Swish").name
    'silu'
    """
    if not isinstance(name, str):
        raise TypeError(f"name={name!r} must be a string")
    return look_up(name, quoted_spec(name))


def look_up(name: str, quoted: str) -> Activation:
    """Find the entry called `name`, or say which names are near."""
    entry = _CATALOGUE.get(folded(name))
    if entry is not None:
        return entry
    spelt = {folded(n): n for e in _CATALOGUE.values() for n in (e.name, *e.aliases)}
    near = difflib.get_close_matches(folded(name), spelt)
    hint = f"did you mean {', '.join(repr(spelt[key]) for key in near)}? " * bool(near)
    raise ValueError(
        f"activation={quoted} is unknown; {hint}list_activations() names all that "
        "this process knows (a registered name is not known in worker processes, nor "
        "after loading: pass the function or class itself)"
    )


def quoted_spec(spec: str) -> str:
    """Quote a spec in a message, cut if it is absurdly long."""
    text = str(spec)
    return repr(text if len(text) <= 80 else text[:77] + "...")


def register_activation(
    name: str,
    factory: Callable[..., Any] | type[nn.Module] | type[torch.autograd.Function],
    *,
    aliases: Iterable[str] = (),
    parameters: Mapping[str, Value] | None = None,
    overwrite: bool = False,
    **fields: Any,
) -> Activation:
    """Add an activation to the catalogue of this process.

    Worker processes do not inherit the entry unless they register it too; passing the
    module class or function itself as an activation works everywhere.

    Parameters
    ----------
    name : str
        An identifier.
    factory : nn.Module class, torch.autograd.Function subclass or callable
        A class is called with the parameters as keywords; a callable is a function
        of a tensor, called with them as keywords; ``.apply`` gets them in order.
    aliases : iterable of str, default=()
        Other names, identifiers too.
    parameters : mapping of str to bool, int, float or str, default=None
        Default value by parameter name.
    overwrite : bool, default=False
        Whether to replace registered entries of the same name or alias. Built-in
        entries cannot be replaced: ``"relu"`` is ReLU in everybody's results.
    **fields : Any
        Other fields of `Activation`. `range` and `kinks` may be given as values
        when they do not depend on the parameters.

    Returns
    -------
    Activation
        The new entry.

    Examples
    --------
    >>> import torch
    >>> entry = register_activation("sine", torch.sin, range=Range(-1, 1, True, True))
    >>> entry.factory(), entry.bounded, entry.zero_centred
    (FunctionActivation(sin), True, True)
    >>> unregister_activation("sine")
    """
    if isinstance(aliases, str):
        raise TypeError(f"aliases={aliases!r} must be a tuple of names, not one string")
    aliases = tuple(aliases)
    for given in (name, *aliases):
        if not (isinstance(given, str) and given.isidentifier() and folded(given)):
            raise ValueError(f"name={given!r} must be an identifier, such as 'my_relu'")
    for parameter, default in (parameters or {}).items():
        if type(default) not in ALLOWED_VALUES or not fits(default, default):
            raise ValueError(
                f"{name}: the default of {parameter!r} must be a finite number, a "
                f"string or a bool, got {default!r}"
            )
    entry = _entry(
        name, as_factory(factory), parameters=parameters, aliases=aliases, **fields
    )
    _make_room((name, *aliases), overwrite)
    _CATALOGUE.update({folded(given): entry for given in (name, *aliases)})
    return entry


def _make_room(names: tuple[str, ...], overwrite: bool) -> None:
    """Remove the registered entries in the way, or refuse."""
    taken = {n: _CATALOGUE[folded(n)] for n in names if folded(n) in _CATALOGUE}
    for given, entry in taken.items():
        if entry in BUILT_IN:
            raise ValueError(f"{given!r} is the built-in {entry.name}: choose another")
        if not overwrite:
            raise ValueError(
                f"{given!r} is already registered (as {entry.name}); "
                "give overwrite=True to replace it"
            )
    for entry in set(taken.values()):
        unregister_activation(entry.name)


def unregister_activation(name: str) -> None:
    """Remove a registered activation, with its aliases.

    Parameters
    ----------
    name : str
        Name or alias of an entry made by `register_activation`.

    Raises
    ------
    ValueError
        If the name is unknown or built in.

    Examples
    --------
    >>> import torch
    >>> _ = register_activation("sine", torch.sin)
    >>> unregister_activation("sine")
    >>> "sine" in list_activations()
    False
    """
    entry = get_activation(name)
    if entry in BUILT_IN:
        raise ValueError(f"{name!r} is the built-in {entry.name}: it cannot be removed")
    for key in [key for key, other in _CATALOGUE.items() if other is entry]:
        del _CATALOGUE[key]


def as_factory(given: Any) -> Callable[..., nn.Module]:
    """Turn what a user registers into a callable that returns a fresh module."""
    if isinstance(given, type) and issubclass(given, nn.Module):
        return RReLU if given is nn.RReLU else given
    is_function = isinstance(given, type) and issubclass(given, torch.autograd.Function)
    is_class = isinstance(given, type | nn.Module)
    if is_function or (callable(given) and not is_class):
        return functools.partial(FunctionActivation, given)
    raise TypeError(
        f"factory={given!r} must be an nn.Module class, a torch.autograd.Function "
        "subclass or a function of a tensor"
    )


# What a parameter takes, by the type of its default.
ALLOWED_VALUES: dict[type, str] = {
    float: "a finite number",
    int: "an integer",
    str: "a string",
    bool: "True or False",
}


def fits(value: Any, default: Value) -> bool:
    """Whether `value` may replace `default`."""
    if isinstance(default, float) and type(value) in (int, float):
        # Comparing refuses nan, inf, and integers that float() cannot hold.
        return abs(value) <= sys.float_info.max
    return type(value) is type(default)

"""Activations that are curved: sigmoids, exponential and smooth units, softmax."""

import functools
import math
from math import inf

import torch
from torch import Tensor, nn

from skact.activations.entry import Range, make_entry
from skact.activations.modules import SwishBeta


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
    """Return the range of beta = 1 divided by beta, because the curve scales so."""
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
    """Return where the slope jumps: beyond the threshold torch returns x.

    The jump is about exp(-threshold); float32 cannot represent a smaller one.
    """
    invisible = threshold > -math.log(torch.finfo(torch.float32).eps)
    return () if invisible else (threshold / beta,)


_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


CURVED = (
    make_entry(
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
    make_entry(
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
    make_entry(
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
    make_entry(
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
    make_entry(
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
    make_entry(
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
    make_entry(
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
    make_entry(
        "hardswish",
        nn.Hardswish,
        formula="x * min(max(0, x + 3), 6) / 6",
        latex=r"x \min(\max(0, x + 3), 6) / 6",
        derivative=lambda x: torch.where(
            x >= 3, torch.ones_like(x), (2 * x + 3) / 6 * (x > -3)
        ),
        derivative_formula="0 if x < -3 else 1 if x > 3 else (2 * x + 3) / 6",
        # Attained at x = -1.5.
        range=Range(-0.375, inf, closed_low=True),
        kinks=(-3.0, 3.0),
        good="SiLU without the exponential, for small devices.",
        bad="No gradient below -3, and jumps in its derivative.",
        paper="Howard et al. (2019), Searching for MobileNetV3, arXiv:1905.02244",
    ),
    make_entry(
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
    make_entry(
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
    make_entry(
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
    make_entry(
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
    make_entry(
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
    make_entry(
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
    make_entry(
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
    make_entry(
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

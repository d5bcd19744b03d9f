"""Activations made of straight lines: ReLU and similar functions."""

from math import inf

import torch
from torch import Tensor, nn

from skact.activations.entry import Range, make_entry
from skact.activations.modules import RReLU


def _indicator(x: Tensor, low: float, high: float) -> Tensor:
    """Return 1 strictly between `low` and `high`, 0 elsewhere, in the dtype of x."""
    return ((x > low) & (x < high)).to(x)


def _leak_derivative(x: Tensor, slope: float) -> Tensor:
    """Return 1 for x > 0, `slope` elsewhere."""
    return torch.where(x > 0, torch.ones_like(x), slope)


def _leak_range(slope: float) -> Range:
    """Return all reals if the left branch falls below zero."""
    return Range(-inf, inf) if slope > 0 else Range(0.0, inf, closed_low=True)


def _leak_kinks(slope: float) -> tuple[float, ...]:
    return () if slope == 1 else (0.0,)


STRAIGHT = (
    make_entry(
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
    make_entry(
        "relu",
        nn.ReLU,
        formula="max(0, x)",
        latex=r"\max(0, x)",
        derivative=lambda x: _indicator(x, 0.0, inf),
        derivative_formula="1 if x > 0 else 0",
        range=Range(0.0, inf, closed_low=True),
        kinks=(0.0,),
        good="Cheap, sparse, and passes the gradient unchanged: the default to beat.",
        bad="A unit whose inputs are all negative gets no gradient and stays dead.",
        paper="Nair & Hinton (2010), Rectified Linear Units Improve Restricted "
        "Boltzmann Machines, ICML",
    ),
    make_entry(
        "relu6",
        nn.ReLU6,
        formula="min(max(0, x), 6)",
        latex=r"\min(\max(0, x), 6)",
        derivative=lambda x: _indicator(x, 0.0, 6.0),
        derivative_formula="1 if 0 < x < 6 else 0",
        range=Range(0.0, 6.0, closed_low=True, closed_high=True),
        kinks=(0.0, 6.0),
        good="Outputs that fit low-precision arithmetic.",
        bad="No gradient on either side: units can die at 6 as well as at 0.",
        paper="Krizhevsky (2010), Convolutional Deep Belief Networks on CIFAR-10, "
        "unpublished manuscript",
    ),
    make_entry(
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
    # num_parameters of torch is left out: the entry does not know a layer's width.
    make_entry(
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
    make_entry(
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
    make_entry(
        "hardsigmoid",
        nn.Hardsigmoid,
        formula="min(max(0, x + 3), 6) / 6",
        latex=r"\min(\max(0, x + 3), 6) / 6",
        derivative=lambda x: _indicator(x, -3.0, 3.0) / 6,
        derivative_formula="1/6 if -3 < x < 3 else 0",
        range=Range(0.0, 1.0, closed_low=True, closed_high=True),
        kinks=(-3.0, 3.0),
        good="A gate without the exponential.",
        bad="No gradient at all outside (-3, 3).",
        paper="Howard et al. (2019), Searching for MobileNetV3, arXiv:1905.02244",
    ),
    make_entry(
        "hardtanh",
        nn.Hardtanh,
        parameters={"min_val": -1.0, "max_val": 1.0},
        constraint=("min_val < max_val", lambda min_val, max_val: min_val < max_val),
        formula="min(max(min_val, x), max_val)",
        latex=r"\min(\max(m, x), M)",
        derivative=lambda x, min_val, max_val: _indicator(x, min_val, max_val),
        derivative_formula="1 if min_val < x < max_val else 0",
        range=lambda min_val, max_val: Range(min_val, max_val, True, True),
        kinks=lambda min_val, max_val: (min_val, max_val),
        good="Tanh without the exponentials, for small devices.",
        bad="No gradient at all outside the bounds.",
        paper="Collobert (2004), Large Scale Machine Learning, PhD thesis, "
        "Université Paris VI",
    ),
    make_entry(
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
    make_entry(
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
    # torch has no defaults here; with these values it equals ReLU.
    make_entry(
        "threshold",
        nn.Threshold,
        parameters={"threshold": 0.0, "value": 0.0},
        formula="x if x > threshold else value",
        latex=r"x \, [x > \theta] + v \, [x \leq \theta]",
        derivative=lambda x, threshold, value: _indicator(x, threshold, inf),
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
)

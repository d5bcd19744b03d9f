"""Ranks that become values of a normal distribution, as nodes of ONNX.

What scikit-learn's ``QuantileTransformer(output_distribution="normal")`` computes.
"""

from typing import Any

import numpy as np

from skact.deploying.onnx_nodes import Nodes, UnconvertibleError

_BOUND = 1e-7  # scikit-learn's: values nearer to an end are the end, and so are shares
# Wichura (1988), Algorithm AS 241: The Percentage Points of the Normal Distribution,
# Applied Statistics 37(3); numerators and denominators from the constant on
_MIDDLE = (
    (
        *(3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3),
        *(1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4),
        *(3.3430575583588128105e4, 2.5090809287301226727e3),
    ),
    (
        *(1.0, 4.2313330701600911252e1, 6.8718700749205790830e2),
        *(5.3941960214247511077e3, 2.1213794301586595867e4, 3.9307895800092710610e4),
        *(2.8729085735721942674e4, 5.2264952788528545610e3),
    ),
)
_TAIL = (
    (
        *(1.42343711074968357734, 4.63033784615654529590, 5.76949722146069140550),
        *(3.64784832476320460504, 1.27045825245236838258, 2.41780725177450611770e-1),
        *(2.27238449892691845833e-2, 7.74545014278341407640e-4),
    ),
    (
        *(1.0, 2.05319162663775882187, 1.67638483018380384940),
        *(6.89767334985100004550e-1, 1.48103976427480074590e-1),
        *(1.51986665636164571966e-2, 5.47593808499534494600e-4),
        1.05075007164441684324e-9,
    ),
)


def add_quantiles(nodes: Nodes, x: str, transformer: Any) -> str:
    """Add a fitted QuantileTransformer to the columns x, and return its output.

    Raises
    ------
    UnconvertibleError
        If the numbers are float32: where several rows were equal, the last digit of a
        float64 decides which of their ranks a row gets.
    """
    if nodes.dtype != np.float64:
        raise UnconvertibleError(
            "numbers='quantile' compares all digits of float64: pass dtype='float64'"
        )
    quantiles = transformer.quantiles_.T
    ends = [_add_share(nodes, x, quantiles, is_right) for is_right in (True, False)]
    share = nodes.add("Mul", nodes.add("Add", *ends), 0.5)
    is_last = nodes.add("Greater", nodes.add("Add", x, _BOUND), quantiles[:, -1])
    share = nodes.add("Where", is_last, 1.0, share)
    is_first = nodes.add("Less", nodes.add("Sub", x, _BOUND), quantiles[:, 0])
    share = nodes.add("Where", is_first, 0.0, share)
    share = nodes.add("Clip", share, _BOUND, 1 - _BOUND)
    return _add_normal_quantile(nodes, share)


def _add_share(nodes: Nodes, x: str, quantiles: np.ndarray, is_right: bool) -> str:
    """Add the share of the rows below x, from a line between two quantiles.

    Where x is a quantile several times, the share is the largest or the smallest.
    """
    n_columns, n = quantiles.shape
    size = 2 ** n.bit_length()
    shares = np.linspace(0, 1, n)
    gaps = np.diff(quantiles)
    slopes = np.diff(shares) / np.where(gaps > 0, gaps, np.inf)
    # lines by the number of quantiles below: none, 1 to n - 1, all
    start, base = np.zeros((2, n_columns, size))
    slope = np.zeros((n_columns, size))
    chosen = slice(0, n - 1) if is_right else slice(1, n)
    start[:, 1:n], base[:, 1:n] = quantiles[:, chosen], shares[chosen]
    slope[:, 1:n] = slopes
    base[:, n:] = 1
    padded = np.full((n_columns, size), np.inf)
    padded[:, :n] = quantiles

    first = nodes.constant(np.arange(n_columns) * size, np.int64)
    operator = "LessOrEqual" if is_right else "Less"
    place = _add_count(nodes, x, nodes.constant(padded.ravel()), first, size, operator)
    place = nodes.add("Add", place, first)
    origin, height, rise = (
        nodes.add("Gather", nodes.constant(values.ravel()), place)
        for values in (start, base, slope)
    )
    distance = nodes.add("Sub", x, origin)
    return nodes.add("Add", height, nodes.add("Mul", distance, rise))


def _add_count(
    nodes: Nodes, x: str, quantiles: str, first: str, size: int, operator: str
) -> str:
    """Add the number of quantiles below x, by bisection."""
    place = nodes.constant(0, np.int64)
    step = size // 2
    while step:
        farther = nodes.add("Add", place, nodes.constant(step, np.int64))
        last = nodes.add("Sub", farther, nodes.constant(1, np.int64))
        quantile = nodes.add("Gather", quantiles, nodes.add("Add", last, first))
        is_below = nodes.add(operator, quantile, x)
        place = nodes.add("Where", is_below, farther, place)
        step //= 2
    return place


def _add_normal_quantile(nodes: Nodes, share: str) -> str:
    """Add the value below which a share of a normal distribution is."""
    centred = nodes.add("Sub", share, 0.5)
    rest = nodes.add("Sub", 0.180625, nodes.add("Mul", centred, centred))
    middle = nodes.add("Mul", centred, _add_ratio(nodes, rest, _MIDDLE))
    smaller = nodes.add("Min", share, nodes.add("Sub", 1.0, share))
    root = nodes.add("Sqrt", nodes.add("Neg", nodes.add("Log", smaller)))
    size = _add_ratio(nodes, nodes.add("Sub", root, 1.6), _TAIL)
    tail = nodes.add("Mul", nodes.add("Sign", centred), size)
    is_middle = nodes.add("LessOrEqual", nodes.add("Abs", centred), 0.425)
    return nodes.add("Where", is_middle, middle, tail)


def _add_ratio(nodes: Nodes, x: str, coefficients: Any) -> str:
    above, below = (_add_polynomial(nodes, x, one) for one in coefficients)
    return nodes.add("Div", above, below)


def _add_polynomial(nodes: Nodes, x: str, coefficients: tuple[float, ...]) -> str:
    *lower, highest = coefficients
    value: Any = highest
    for coefficient in reversed(lower):
        value = nodes.add("Add", nodes.add("Mul", value, x), coefficient)
    return value

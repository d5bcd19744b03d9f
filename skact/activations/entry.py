"""What is known of one activation function: an entry of the catalogue."""

import dataclasses
import functools
import math
import types
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from torch import Tensor, nn

from skact.activations.init_gain import gain_of_values, gaussian_mean, values_on_grid
from skact.activations.modules import Value


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

    `derivative`, `range` and `kinks` take the entry's parameters as keywords; a
    parameter that is not given has its default. The properties below hold for the
    defaults. For a stochastic entry all of them describe evaluation mode. Softmax and
    log-softmax mix the last axis: the entry describes one output as a function of its
    own input (`derivative` is the Jacobian's diagonal), over at least two outputs.

    A registered entry may leave out facts that are unknown (None or an empty text).

    Parameters
    ----------
    name : str
        Canonical name, an identifier.
    factory : callable
        Returns a fresh module, given the parameters as keywords.
    parameters : mapping of str to bool, int, float or str
        Default value by parameter name, in positional order. A value must have the
        type of its default (an integer may replace a float).
    aliases : tuple of str, default=()
        Other names.
    constraint : tuple of (str, callable) or None, default=None
        Condition on the parameter values, in words and as a function of keywords.
    formula : str, default=""
        Definition as a Python expression; definitions of its terms follow a semicolon.
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
        exist. Jumps that float32 cannot represent are left out (softplus jumps by 2e-9
        at its threshold).
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
    >>> from skact import get_activation
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

    def _values_with_defaults(self) -> np.ndarray | None:
        """Values of the module with default parameters, on the grid."""
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
        values = self._values_with_defaults()
        # 1e-12 allows for rounding; a true decrease is larger on this grid.
        return None if values is None else bool((np.diff(values) >= -1e-12).all())

    @property
    def zero_centred(self) -> bool | None:
        """Whether E[f(z)] = 0 for z ~ N(0, 1), so that f shifts no mean.

        It holds for odd functions, and for SELU by the choice of its constants. Values
        of both signs are not enough: ELU and leaky ReLU shift the mean up.
        """
        values = self._values_with_defaults()
        return None if values is None else abs(gaussian_mean(values)) < 1e-6

    @property
    def gain(self) -> float:
        """The weight-initialisation gain, see `activation_gain`."""
        return gain_of_values(self._values_with_defaults()) if self.elementwise else 1.0


def make_entry(
    name: str,
    factory: Callable[..., nn.Module],
    *,
    parameters: Mapping[str, Value] | None = None,
    **fields: Any,
) -> Activation:
    """Build an entry; its functions of the parameters get the defaults."""
    defaults = dict(parameters or {})
    for field in ("derivative", "range", "kinks"):
        given = fields.get(field)
        if given is not None:
            function = given if callable(given) else _constant_function(given)
            fields[field] = functools.partial(function, **defaults)
    return Activation(
        name=name,
        factory=factory,
        parameters=types.MappingProxyType(defaults),
        **fields,
    )


def _constant_function(value: Any) -> Callable[..., Any]:
    """Return a function of any keywords that returns `value`."""
    return lambda **_: value

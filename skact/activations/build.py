"""Build the module that an activation parameter names; text is never evaluated."""

import ast
import copy
import functools
from typing import Any

from torch import nn

from skact.activations.catalogue import (
    ALLOWED_VALUES,
    BUILT_IN,
    find_entry,
    fold_name,
    is_allowed_value,
    make_factory,
    quote_spec,
)
from skact.activations.entry import Activation
from skact.activations.init_gain import gain_of_values, values_on_grid
from skact.activations.modules import ActivationSpec, RReLU, Value, activation_name

# Python modules whose classes draw no random numbers. RReLU does, but `make_activation`
# replaces it. A class stands for its module: torch may move the module.
_MODULES_WITHOUT_NOISE = {
    kind.__module__ for kind in (nn.ReLU, nn.Linear, nn.MSELoss, RReLU)
}


def make_activation(spec: ActivationSpec) -> nn.Module:
    """Build a new module from an activation parameter.

    Parameters
    ----------
    spec : str, nn.Module class or instance, torch.autograd.Function subclass, callable
        A name, with parameters in brackets where they differ from the defaults
        (parsed as literals, never evaluated); a module class, called without
        arguments; a module, copied; or a function of one tensor, wrapped. All copies
        share a function, so a function should hold no state. `torch.nn.RReLU` gives
        `RReLU`.

    Returns
    -------
    nn.Module
        A module that shares no parameter or buffer with any other.

    Raises
    ------
    ValueError
        If a string is not of that form, or the catalogue does not have the name.
    TypeError
        If `spec` is of another type, or a class cannot be called without arguments.

    Examples
    --------
    >>> from torch import nn
    >>> make_activation("gelu(approximate='tanh')")
    GELU(approximate='tanh')
    >>> make_activation(nn.ReLU)
    ReLU()
    """
    if isinstance(spec, str):
        return _build_module(*_parse_spec(spec), quote_spec(spec))
    if type(spec) is nn.RReLU:
        return RReLU(spec.lower, spec.upper).train(spec.training)
    if isinstance(spec, nn.Module):
        return copy.deepcopy(spec)
    if isinstance(spec, list | tuple):
        raise TypeError(
            f"activation={spec!r} must be a single activation here; one per hidden "
            "layer is for the estimator's parameter activation"
        )
    try:
        factory = make_factory(spec)
    except TypeError:
        raise TypeError(
            f"activation={spec!r} must be a name such as 'relu' (list_activations() "
            "names all), an nn.Module class or instance, a torch.autograd.Function "
            "subclass or a function of a tensor"
            + ("; widths of layers go to hidden=" if isinstance(spec, int) else "")
        ) from None
    try:
        return factory()
    except TypeError as error:
        raise TypeError(
            f"activation={activation_name(spec)} cannot be built without arguments "
            f"({error}); give an instance, which is copied"
        ) from error


def _parse_spec(spec: str) -> tuple[Activation, dict[str, Value]]:
    """Read ``name`` or ``name(literals)`` into an entry and the parameters given."""
    quoted = quote_spec(spec)
    malformed = ValueError(
        f"activation={quoted} must be a name with literal parameters, such as 'relu', "
        "'leaky_relu(0.2)' or \"gelu(approximate='tanh')\""
    )
    head, bracket, _ = spec.partition("(")
    # No real spec is as long: the limit protects Python's parser from hostile input.
    if len(spec) > 1000 or not fold_name(head).isidentifier():
        raise malformed
    entry = find_entry(head, quoted)
    if not bracket:
        return entry, {}
    try:
        # "f" replaces the name, because the name may hold hyphens or be a keyword.
        call = ast.parse(f"f{spec[len(head) :]}", mode="eval").body
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
            raise malformed
        positional = [ast.literal_eval(node) for node in call.args]
        named = [(word.arg, ast.literal_eval(word.value)) for word in call.keywords]
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        raise malformed from None
    if any(word is None for word, _ in named):
        raise malformed
    return entry, _match_parameters(entry, positional, named, quoted)


def _match_parameters(
    entry: Activation,
    positional: list[Any],
    named: list[tuple[Any, Any]],
    quoted: str,
) -> dict[str, Value]:
    """Match literals to the entry's parameters; convert each to its default's type."""
    names = list(entry.parameters)
    defaults = [f"{name} (default {entry.parameters[name]!r})" for name in names]
    expected = f"it takes {', '.join(defaults) or 'no parameters'}"
    prefix = f"activation={quoted}: {entry.name}"
    if len(positional) > len(names):
        raise ValueError(f"{prefix} was given {len(positional)} parameters; {expected}")
    given: dict[str, Value] = {}
    for name, value in [*zip(names, positional, strict=False), *named]:
        if name not in entry.parameters:
            raise ValueError(f"{prefix} has no parameter {name!r}; {expected}")
        if name in given:
            raise ValueError(f"{prefix} was given {name!r} twice; {expected}")
        default = entry.parameters[name]
        if not is_allowed_value(value, default):
            allowed = ALLOWED_VALUES[type(default)]
            raise ValueError(f"{prefix} needs {name} to be {allowed}, got {value!r}")
        given[name] = type(default)(value)
    return given


def _build_module(entry: Activation, given: dict[str, Value], quoted: str) -> nn.Module:
    """Call the entry's factory; errors quote the spec."""
    values = {**entry.parameters, **given}
    if entry.constraint is not None:
        words, holds = entry.constraint
        if not holds(**values):
            got = ", ".join(f"{name}={value!r}" for name, value in values.items())
            raise ValueError(
                f"activation={quoted}: {entry.name} needs {words}, got {got}"
            )
    try:
        return entry.factory(**values)
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:
        raise ValueError(
            f"activation={quoted}: {entry.name} could not be built: {error}"
        ) from error


def is_custom(part: Any) -> bool:
    """Whether users brought this part; it may then draw from a global generator.

    Parameters
    ----------
    part : activation spec, loss class or instance, or None
        Activations and losses of torch and skact are not custom. A module that holds
        other modules, such as ``nn.Sequential``, is custom.

    Returns
    -------
    bool

    Examples
    --------
    >>> from torch import nn
    >>> [is_custom(part) for part in ("relu", nn.Tanh(), nn.MSELoss, nn.Dropout)]
    [False, False, False, True]
    """
    if part is None:
        return False
    if isinstance(part, str):
        return _parse_spec(part)[0] not in BUILT_IN
    kind = part if isinstance(part, type) else type(part)
    return kind.__module__ not in _MODULES_WITHOUT_NOISE


def activation_gain(spec: ActivationSpec) -> float:
    r"""Return the weight-initialisation gain of an activation.

    .. math:: g = 1 / \sqrt{E[f(z)^2]}, \quad z \sim N(0, 1)

    Weights of standard deviation ``g / sqrt(fan_in)`` keep the second moment of the
    signal from layer to layer. He et al. [1]_ derive this for ReLU: identity 1, ReLU
    sqrt(2), leaky ReLU sqrt(2 / (1 + slope**2)), SELU 1.

    Parameters
    ----------
    spec : str, nn.Module class or instance, torch.autograd.Function subclass, callable
        What `make_activation` takes; a module is measured in evaluation mode.

    Returns
    -------
    float
        The gain to 6 significant digits. 1.0 where the integral does not apply: for
        softmax and log-softmax, and for a module or function that cannot be applied
        to one float64 column, or whose second moment is zero or not finite.

    References
    ----------
    .. [1] He, Zhang, Ren & Sun (2015), Delving Deep into Rectifiers,
       arXiv:1502.01852.

    Examples
    --------
    >>> activation_gain("relu"), activation_gain("tanh")
    (1.41421, 1.59254)
    """
    if isinstance(spec, str):
        entry, given = _parse_spec(spec)
        return _gain_of_entry(entry, tuple(given.items()), quote_spec(spec))
    return gain_of_values(values_on_grid(functools.partial(make_activation, spec)))


@functools.lru_cache(maxsize=256)
def _gain_of_entry(
    entry: Activation, given: tuple[tuple[str, Value], ...], quoted: str
) -> float:
    if not entry.elementwise:
        return 1.0
    build = functools.partial(_build_module, entry, dict(given), quoted)
    return gain_of_values(values_on_grid(build, custom=entry not in BUILT_IN))

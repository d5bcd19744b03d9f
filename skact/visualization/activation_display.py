"""Activation functions and their derivatives in matplotlib."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from skact.activations.build import make_activation
from skact.activations.catalogue import get_activation
from skact.activations.modules import activation_name
from skact.results.histories import net_of
from skact.visualization._matplotlib import (
    colors_of,
    escape_dollars,
    open_axes,
    open_grid,
)

_N_POINTS = 1001
_MAX_ON_ONE_AXES = 4  # activations; more have axes of their own


@dataclass(frozen=True)
class Curve:
    """An activation at some points; a column for each unit if units differ."""

    label: str
    values: np.ndarray  # (n_points, n_units)
    slopes: np.ndarray  # (n_points, n_units)


class ActivationDisplay:
    """Plot activation functions and their derivatives.

    Create one with :meth:`from_activations` or :meth:`from_estimator`. Derivatives are
    those that training uses: torch's, or a function's own. A line is interrupted where
    the function jumps. A random activation is drawn in evaluation mode. Softmax is
    drawn as one output over its own input, with a second input of 0.

    Parameters
    ----------
    x : ndarray of shape (n_points,)
        Points where the functions were evaluated.
    curves : sequence of Curve
        Values of the functions at these points.
    derivative : bool or "only", default=False
        Whether to draw derivatives, too, as dashed lines.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes, or the first of several axes.
    axes_ : ndarray of matplotlib.axes.Axes
        All axes.
    figure_ : matplotlib.figure.Figure
        The figure.
    lines_ : list of matplotlib.lines.Line2D
        Lines of the functions.
    derivative_lines_ : list of matplotlib.lines.Line2D
        Lines of the derivatives.

    Examples
    --------
    >>> from skact import ActivationDisplay
    >>> display = ActivationDisplay.from_activations(
    ...     ["sigmoid", "tanh", "leaky_relu(0.2)"], derivative=True
    ... )
    >>> len(display.lines_), len(display.derivative_lines_)
    (3, 3)
    """

    def __init__(
        self, x: np.ndarray, curves: Sequence[Curve], *, derivative: bool | str = False
    ) -> None:
        if derivative not in (True, False, "only"):
            raise ValueError(
                f"derivative must be True, False or 'only', got {derivative!r}."
            )
        self.x, self.curves, self.derivative = x, list(curves), derivative

    @classmethod
    def from_activations(
        cls,
        activations: Any,
        *,
        derivative: bool | str = False,
        x: Any = (-5.0, 5.0),
        multiples: bool | None = None,
        ax: Any = None,
        line_kw: Mapping[str, Any] | None = None,
    ) -> "ActivationDisplay":
        """Draw activations: all that an estimator takes as `activation`.

        Parameters
        ----------
        activations : activation spec or list of them
            Names with or without parameters, ``nn.Module`` classes or instances,
            functions, as the parameter `activation` takes them; or a dict from labels
            to these.
        derivative : bool or "only", default=False
            Whether to draw derivatives, too.
        x : tuple of two floats or array of shape (n_points,), default=(-5, 5)
            The ends of the interval, or the points.
        multiples : bool or None, default=None
            Whether each activation has its own axes. None: if there are more than four.
        ax : matplotlib.axes.Axes, default=None
            Where to draw, all in one; None opens a new figure.
        line_kw : dict, default=None
            Keywords of ``plot``.

        Returns
        -------
        ActivationDisplay

        Raises
        ------
        ValueError, TypeError
            If a value is no activation, or x is not increasing and finite.
        """
        if isinstance(activations, Mapping):
            labels, specs = [*map(str, activations)], [*activations.values()]
        elif isinstance(activations, Iterable) and not isinstance(activations, str):
            specs = list(activations)
            labels = [activation_name(spec) for spec in specs]
        else:
            labels, specs = [activation_name(activations)], [activations]
        if not specs:
            raise ValueError("activations must name at least one; got none.")
        points = _evaluation_points(x)
        curves = [
            _evaluate_curve(
                label, make_activation(spec), points, _number_of_inputs(spec)
            )
            for label, spec in zip(labels, specs, strict=True)
        ]
        display = cls(points, curves, derivative=derivative)
        return display.plot(ax, multiples=multiples, line_kw=line_kw)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        derivative: bool | str = False,
        x: Any = (-5.0, 5.0),
        multiples: bool | None = None,
        ax: Any = None,
        line_kw: Mapping[str, Any] | None = None,
    ) -> "ActivationDisplay":
        """Draw the activations of a fitted net with their learned parameters.

        Layers with equal activations share a line. An activation that differs between
        units has a thin line for each unit, and a thick line for their mean.

        Parameters
        ----------
        estimator : fitted net of skact, or pipeline that ends in one
            With at least one hidden layer.
        derivative, x, multiples, ax, line_kw
            As in :meth:`from_activations`.

        Returns
        -------
        ActivationDisplay
        """
        net = net_of(estimator)
        check_is_fitted(net)
        if not len(net.module_.hidden):
            raise ValueError("estimator has no hidden layer, and so no activation.")
        points = _evaluation_points(x)
        found: list[tuple[Curve, list[str]]] = []  # curves, and the layers of each
        for i, layer in enumerate(net.module_.hidden, start=1):
            # a copy on the CPU, because the curve is computed in float64
            module = copy.deepcopy(layer.activation).cpu()
            label = _name_with_parameters(layer.activation)
            curve = _evaluate_curve(label, module, points, layer.linear.out_features)
            alike = (
                layers
                for known, layers in found
                if known.label == label and np.array_equal(known.values, curve.values)
            )
            layers = next(alike, None)
            if layers is None:
                found.append((curve, layers := []))
            layers.append(str(i))
        curves = [
            replace(
                curve,
                label=f"layer{'s' if len(layers) > 1 else ''} {', '.join(layers)}: "
                f"{curve.label}",
            )
            for curve, layers in found
        ]
        display = cls(points, curves, derivative=derivative)
        return display.plot(ax, multiples=multiples, line_kw=line_kw)

    def plot(
        self,
        ax: Any = None,
        *,
        multiples: bool | None = None,
        line_kw: Mapping[str, Any] | None = None,
    ) -> "ActivationDisplay":
        """Draw the functions.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw, all in one; None opens a new figure.
        multiples : bool or None, default=None
            Whether each activation has its own axes. None: if there are more than four.
        line_kw : dict, default=None
            Keywords of ``plot``.

        Returns
        -------
        ActivationDisplay
            This display.
        """
        name = type(self).__name__
        if multiples is None:
            multiples = ax is None and len(self.curves) > _MAX_ON_ONE_AXES
        if multiples and ax is None:
            self.figure_, self.axes_ = open_grid(len(self.curves), name)
        else:
            self.figure_, ax = open_axes(ax, name)
            self.axes_ = np.array([ax])
        self.ax_ = self.axes_[0]
        self.lines_: list[Any] = []
        self.derivative_lines_: list[Any] = []
        is_grid = len(self.axes_) > 1
        colors = colors_of([curve.label for curve in self.curves])
        for i, (curve, color) in enumerate(zip(self.curves, colors, strict=True)):
            look = {"color": "C0" if is_grid else color, **(line_kw or {})}
            self._draw_curve(self.axes_[i if is_grid else 0], curve, look)
        for one, curve in zip(self.axes_, self.curves, strict=False):
            one.axhline(0, color="0.8", linewidth=0.8, zorder=0)
            one.axvline(0, color="0.8", linewidth=0.8, zorder=0)
            if is_grid:
                one.set_title(escape_dollars(curve.label), fontsize="medium")
        self._label_axes(is_grid)
        return self

    def _draw_curve(self, ax: Any, curve: Curve, look: dict[str, Any]) -> None:
        kinds = []
        if self.derivative != "only":
            kinds.append((curve.values, "-", escape_dollars(curve.label), self.lines_))
        if self.derivative:
            label = f"{escape_dollars(curve.label)}'"
            kinds.append((curve.slopes, "--", label, self.derivative_lines_))
        for jumping, style, label, lines in kinds:
            heights = _break_at_jumps(jumping)
            if heights.shape[1] > 1:
                thin = {**look, "linewidth": 0.5, "alpha": 0.3}
                ax.plot(self.x, heights, linestyle=style, **thin)
            thick = {"linewidth": 2.0, "linestyle": style, "label": label, **look}
            lines += ax.plot(self.x, heights.mean(axis=1), **thick)

    def _label_axes(self, is_grid: bool) -> None:
        """Name the axes, and say which lines are functions and which derivatives."""
        first = self.axes_[0]
        if not is_grid:
            first.set_xlabel("x")
            first.legend()
            return
        if self.derivative and self.lines_:
            handles = [self.lines_[0], self.derivative_lines_[0]]
            self.figure_.legend(
                handles, ["f(x)", "f'(x)"], loc="outside lower center", ncols=2
            )


def _evaluation_points(x: Any) -> np.ndarray:
    points = np.asarray(x, dtype=float)
    if points.shape == (2,) and np.isfinite(points).all():
        points = np.linspace(points[0], points[1], _N_POINTS)
    is_good = points.ndim == 1 and len(points) > 1 and np.isfinite(points).all()
    if not is_good or (np.diff(points) <= 0).any():
        raise ValueError(
            f"x must be two finite numbers, the smaller one first, or increasing "
            f"points; got {x!r}."
        )
    return points


def _number_of_inputs(spec: Any) -> int:
    """Return the number of inputs that an activation needs."""
    if isinstance(spec, nn.PReLU):
        return spec.num_parameters
    name = spec.partition("(")[0] if isinstance(spec, str) else ""
    kind = spec if isinstance(spec, type) else type(spec)
    mixing = issubclass(kind, nn.Softmax | nn.LogSoftmax | nn.Softmin)
    return 2 if mixing or (name and not get_activation(name).elementwise) else 1


def _evaluate_curve(
    label: str, module: nn.Module, x: np.ndarray, n_units: int
) -> Curve:
    """Evaluate a module with the same input for each of its units."""
    module = module.double().eval()
    column = torch.from_numpy(x)[:, None]
    try:
        results = _outputs_and_derivatives(
            module, column.expand(-1, n_units).clone(), label
        )
    except RuntimeError as error:
        raise ValueError(f"{label} could not be applied to a column: {error}") from None
    if n_units > 1:
        # an activation that mixes inputs is drawn as one output over its own input
        zeros = torch.zeros(len(x), n_units, dtype=torch.float64)
        zeros[:, :1] = column
        first = _outputs_and_derivatives(module, zeros, label)
        if not np.allclose(first[0][:, 0], results[0][:, 0], equal_nan=True):
            return Curve(label, first[0][:, :1], first[1][:, :1])
    values, slopes = results
    if (values == values[:, :1]).all():
        values, slopes = values[:, :1], slopes[:, :1]
    return Curve(label, values, slopes)


def _outputs_and_derivatives(
    module: nn.Module, x: Tensor, label: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return outputs, and the derivative of each output by its own input."""
    x = x.requires_grad_()
    values = module(x)
    if values.shape != x.shape:
        raise ValueError(
            f"{label} must give one value for each it gets: {tuple(x.shape)} became "
            f"{tuple(values.shape)}."
        )
    slopes = torch.zeros_like(x)
    for i in range(x.shape[1]):
        if values.requires_grad:
            (grad,) = torch.autograd.grad(values[:, i].sum(), x, retain_graph=True)
            slopes[:, i] = grad[:, i]
    return values.detach().numpy().copy(), slopes.numpy()


def _break_at_jumps(curve: np.ndarray) -> np.ndarray:
    """Put NaN where a curve jumps, so that no line joins both sides."""
    steps = np.abs(np.diff(curve, axis=0))
    before, after = (
        np.vstack([steps[:1], steps[:-1]]),
        np.vstack([steps[1:], steps[-1:]]),
    )
    curve = curve.copy()
    curve[1:][(steps > 0.02) & (steps > 5 * np.maximum(before, after))] = np.nan
    return curve


def _name_with_parameters(module: nn.Module) -> str:
    """Return the name of an activation with its learned parameters."""
    name = type(module).__name__
    parameters = list(module.named_parameters())
    if not parameters:
        return activation_name(module)
    learned = [
        f"{key}={value.item():.3g}" if value.numel() == 1 else f"{value.numel()} {key}s"
        for key, value in parameters
    ]
    return f"{name} ({', '.join(learned)})"

"""Activations in matplotlib: functions, and their derivatives."""

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
from skact.visualization._matplotlib import axes_of, colors_of, grid_of, plain

_POINTS = 1001
_MOST_TOGETHER = 4  # activations that one pair of axes holds, unless told otherwise


@dataclass(frozen=True)
class Curve:
    """An activation at some points; a column for each unit, if they differ."""

    label: str
    values: np.ndarray  # (n_points, n_units)
    slopes: np.ndarray  # (n_points, n_units)


class ActivationDisplay:
    """Activation functions, and their derivatives.

    Make one with :meth:`from_activations` or :meth:`from_estimator`. Derivatives are
    those that training uses: torch's, or a function's own. Where a curve jumps, its
    line is interrupted. What draws random numbers is drawn as it is in evaluation mode,
    and softmax as one output by its own input, beside another that stays 0.

    Parameters
    ----------
    x : ndarray of shape (n_points,)
        Where the functions were evaluated.
    curves : sequence of Curve
        What they gave there.
    derivative : bool or "only", default=False
        Whether to draw derivatives, too: dashed.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes, or the first of several.
    axes_ : ndarray of matplotlib.axes.Axes
        All of them.
    figure_ : matplotlib.figure.Figure
        Their figure.
    lines_ : list of matplotlib.lines.Line2D
        The functions.
    derivative_lines_ : list of matplotlib.lines.Line2D
        Their derivatives.

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
        """Draw what may be given to an estimator as an activation.

        Parameters
        ----------
        activations : activation spec or list of them
            Names with or without parameters, ``nn.Module`` classes or instances,
            functions, as the parameter `activation` takes them; or a dict of such, by
            label.
        derivative : bool or "only", default=False
            Whether to draw derivatives, too.
        x : tuple of two floats or array of shape (n_points,), default=(-5, 5)
            Where: between these ends, or at these points.
        multiples : bool or None, default=None
            Whether each activation has axes of its own; None: more than four have.
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
            If something is no activation, or x is not increasing and finite.
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
        points = _points(x)
        curves = [
            _curve(label, make_activation(spec), points, _units(spec))
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
        """Draw the activations of a fitted net, as they have become.

        Layers whose activations are alike share a line. One that has learned a shape of
        its own for each unit has a thin line for each, and their mean.

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
        points = _points(x)
        found: list[tuple[Curve, list[str]]] = []  # and the layers that have it
        for i, layer in enumerate(net.module_.hidden, start=1):
            # a copy on the CPU: what is drawn is the function itself, in float64
            module = copy.deepcopy(layer.activation).cpu()
            label = _learned(layer.activation)
            curve = _curve(label, module, points, layer.linear.out_features)
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
                label=f"layer{'s' * (len(layers) > 1)} {', '.join(layers)}: "
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
            Whether each has axes of its own; None: more than four have.
        line_kw : dict, default=None
            Keywords of ``plot``.

        Returns
        -------
        ActivationDisplay
            This one.
        """
        who = type(self).__name__
        if multiples is None:
            multiples = ax is None and len(self.curves) > _MOST_TOGETHER
        if multiples and ax is None:
            self.figure_, self.axes_ = grid_of(len(self.curves), who)
        else:
            self.figure_, ax = axes_of(ax, who)
            self.axes_ = np.array([ax])
        self.ax_ = self.axes_[0]
        self.lines_: list[Any] = []
        self.derivative_lines_: list[Any] = []
        apart = len(self.axes_) > 1
        colors = colors_of([curve.label for curve in self.curves])
        for i, (curve, color) in enumerate(zip(self.curves, colors, strict=True)):
            look = {"color": "C0" if apart else color, **(line_kw or {})}
            self._draw(self.axes_[i if apart else 0], curve, look)
        for one, curve in zip(self.axes_, self.curves, strict=False):
            one.axhline(0, color="0.8", linewidth=0.8, zorder=0)
            one.axvline(0, color="0.8", linewidth=0.8, zorder=0)
            if apart:
                one.set_title(plain(curve.label), fontsize="medium")
        self._explain(apart)
        return self

    def _draw(self, ax: Any, curve: Curve, look: dict[str, Any]) -> None:
        kinds = []
        if self.derivative != "only":
            kinds.append((curve.values, "-", plain(curve.label), self.lines_))
        if self.derivative:
            label = f"{plain(curve.label)}'"
            kinds.append((curve.slopes, "--", label, self.derivative_lines_))
        for jumping, style, label, lines in kinds:
            heights = _interrupted(jumping)
            if heights.shape[1] > 1:
                thin = {**look, "linewidth": 0.5, "alpha": 0.3}
                ax.plot(self.x, heights, linestyle=style, **thin)
            thick = {"linewidth": 2.0, "linestyle": style, "label": label, **look}
            lines += ax.plot(self.x, heights.mean(axis=1), **thick)

    def _explain(self, apart: bool) -> None:
        """Name the axes, and what is solid and dashed."""
        first = self.axes_[0]
        if not apart:
            first.set_xlabel("x")
            first.legend()
            return
        if self.derivative and self.lines_:
            handles = [self.lines_[0], self.derivative_lines_[0]]
            self.figure_.legend(
                handles, ["f(x)", "f'(x)"], loc="outside lower center", ncols=2
            )


def _points(x: Any) -> np.ndarray:
    points = np.asarray(x, dtype=float)
    if points.shape == (2,) and np.isfinite(points).all():
        points = np.linspace(points[0], points[1], _POINTS)
    good = points.ndim == 1 and len(points) > 1 and np.isfinite(points).all()
    if not good or (np.diff(points) <= 0).any():
        raise ValueError(
            f"x must be two finite numbers, the smaller one first, or increasing "
            f"points; got {x!r}."
        )
    return points


def _units(spec: Any) -> int:
    """Return how many inputs an activation needs to be drawn."""
    if isinstance(spec, nn.PReLU):
        return spec.num_parameters
    name = spec.partition("(")[0] if isinstance(spec, str) else ""
    kind = spec if isinstance(spec, type) else type(spec)
    mixing = issubclass(kind, nn.Softmax | nn.LogSoftmax | nn.Softmin)
    return 2 if mixing or (name and not get_activation(name).elementwise) else 1


def _curve(label: str, module: nn.Module, x: np.ndarray, n_units: int) -> Curve:
    """Evaluate a module in each of its units: all get the same input."""
    module = module.double().eval()
    column = torch.from_numpy(x)[:, None]
    try:
        alone = _evaluated(module, column.expand(-1, n_units).clone(), label)
    except RuntimeError as error:
        raise ValueError(f"{label} could not be applied to a column: {error}") from None
    if n_units > 1:
        # one that mixes its inputs is drawn as one output by its own input
        zeros = torch.zeros(len(x), n_units, dtype=torch.float64)
        zeros[:, :1] = column
        beside = _evaluated(module, zeros, label)
        if not np.allclose(beside[0][:, 0], alone[0][:, 0], equal_nan=True):
            return Curve(label, beside[0][:, :1], beside[1][:, :1])
    values, slopes = alone
    if (values == values[:, :1]).all():
        values, slopes = values[:, :1], slopes[:, :1]
    return Curve(label, values, slopes)


def _evaluated(
    module: nn.Module, x: Tensor, label: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return values and derivatives, each output's by its own input."""
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


def _interrupted(curve: np.ndarray) -> np.ndarray:
    """Put a gap where a curve jumps: no line should stand there."""
    steps = np.abs(np.diff(curve, axis=0))
    before, after = (
        np.vstack([steps[:1], steps[:-1]]),
        np.vstack([steps[1:], steps[-1:]]),
    )
    curve = curve.copy()
    curve[1:][(steps > 0.02) & (steps > 5 * np.maximum(before, after))] = np.nan
    return curve


def _learned(module: nn.Module) -> str:
    """Name an activation by what it has learned."""
    name = type(module).__name__
    parameters = list(module.named_parameters())
    if not parameters:
        return activation_name(module)
    said = [
        f"{key}={value.item():.3g}" if value.numel() == 1 else f"{value.numel()} {key}s"
        for key, value in parameters
    ]
    return f"{name} ({', '.join(said)})"

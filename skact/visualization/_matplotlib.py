"""Figures, axes and colours for all displays; matplotlib is imported at first use."""

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np

# a legend with more labels would cover curves, but beside axes that the user gave there
# may be no room
_MAX_LABELS_INSIDE = {"own": 5, "given": 10}
_MAX_NUMBERS_IN_LEGEND = 8  # more numbers have a bar of colours


def open_axes(ax: Any, display: str) -> tuple[Any, Any]:
    """Return a figure and the axes to draw in.

    Parameters
    ----------
    ax : matplotlib.axes.Axes or None
        None opens a new figure.
    display : str
        Name of the display, for the message of the error.

    Returns
    -------
    tuple
        The figure and its axes.

    Raises
    ------
    ImportError
        If matplotlib is missing.
    """
    plt = _import_pyplot(display)
    if ax is None:
        return plt.subplots(layout="constrained")
    return ax.figure, ax


def open_panels(ax: Any, n: int, display: str) -> tuple[Any, Any]:
    """Return a figure and n axes, one below the other, which share the epochs.

    Parameters
    ----------
    ax : matplotlib.axes.Axes, sequence of n of them, or None
        The place of one axes is divided; None opens a new figure.
    n : int
        Number of axes.
    display : str
        Name of the display, for the message of the error.
    """
    plt = _import_pyplot(display)
    if ax is None:
        size = (6.4, 4.8 if n == 1 else 1.2 + 2.6 * n)
        figure, axes = plt.subplots(
            n, 1, sharex=True, figsize=size, layout="constrained", squeeze=False
        )
        return figure, axes.ravel()
    given = np.ravel(np.asarray(ax, dtype=object))
    if len(given) == 1 < n and given[0].get_subplotspec() is not None:
        whole, figure = given[0], given[0].figure
        whole.set_axis_off()
        places = whole.get_subplotspec().subgridspec(n, 1)
        first = figure.add_subplot(places[0])
        rest = [figure.add_subplot(places[i], sharex=first) for i in range(1, n)]
        for one in [first, *rest][:-1]:
            one.tick_params(labelbottom=False)
        given = np.array([first, *rest], dtype=object)
    if len(given) != n:
        raise ValueError(
            f"ax must be one axes of a grid, or as many as the metrics have units: "
            f"{n}; got {len(given)}."
        )
    return given[0].figure, given


def open_grid(n: int, display: str) -> tuple[Any, Any]:
    """Return a new figure and its n axes in rows; all axes have the same scales."""
    plt = _import_pyplot(display)
    n_rows = -(-n // (4 if n <= 12 else 6))
    n_columns = -(-n // n_rows)  # as few as these rows need: five are three and two
    figure, axes = plt.subplots(
        n_rows,
        n_columns,
        figsize=(2.2 * n_columns, 1.9 * n_rows + 0.3),
        sharex=True,
        sharey=True,
        layout="constrained",
        squeeze=False,
    )
    for i in range(n, axes.size):
        axes.flat[i].remove()
        axes.flat[i - n_columns].tick_params(labelbottom=True)  # it is the lowest now
    return figure, axes.ravel()[:n]


def draw_legend(
    ax: Any,
    handles: Sequence[Any],
    labels: Sequence[str],
    title: str | None = None,
    *,
    is_own: bool = False,
) -> None:
    """Draw a legend inside the axes; one of many labels stands outside.

    A figure of the display's own (`is_own`) gets wider by what stands outside.
    """
    if not handles:
        return
    if len(handles) <= _MAX_LABELS_INSIDE["own" if is_own else "given"]:
        ax.legend(handles, labels, title=title)
        return
    columns = -(-len(handles) // 22)
    place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0)}
    place["fontsize"] = 8 if columns > 1 else None
    legend = ax.legend(handles, labels, title=title, ncols=columns, **place)
    if is_own:
        ax.figure.canvas.draw()  # before, a legend has no size
        width, height = ax.figure.get_size_inches()
        width += legend.get_window_extent().width / ax.figure.dpi
        ax.figure.set_size_inches(width, height)


def has_color_bar(values: Sequence[Any]) -> bool:
    """Whether a bar of colours says more than a legend: many values, all numbers."""
    return len(values) > _MAX_NUMBERS_IN_LEGEND and are_numbers(values)


def draw_color_bar(axes: Sequence[Any], values: Sequence[Any], name: str) -> None:
    """Draw a bar of colours beside axes, if it says more than a legend."""
    if has_color_bar(values):
        bar = axes[0].figure.colorbar(color_scale_of(values), ax=list(axes))
        bar.set_label(name)


def _import_pyplot(display: str) -> Any:
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{display} draws with matplotlib, which is not installed: "
            f'pip install "skact[plot]".'
        ) from error
    return plt


def escape_dollars(text: Any) -> str:
    """Escape dollars, which matplotlib would read as the start of a formula."""
    return str(text).replace("$", r"\$")


def are_numbers(values: Sequence[Any]) -> bool:
    """Whether all values are numbers and no value is a boolean."""
    return all(isinstance(v, Real) and not isinstance(v, bool) for v in values)


def colors_of(values: Sequence[Any]) -> list[Any]:
    """Return a colour for each value: numbers from dark to light, words by the cycle.

    Words get their colours in alphabetical order, so that the same words have the same
    colours in every picture.
    """
    import matplotlib as mpl

    if are_numbers(values):
        scale = color_scale_of(values)
        return [scale.to_rgba(value) for value in values]
    cycle = mpl.rcParams["axes.prop_cycle"].by_key().get("color", ["C0"])
    if len(values) > len(cycle):
        cycle = [mpl.colormaps["tab20"](i) for i in range(20)]
    found: list[Any] = [None] * len(values)
    order = sorted(range(len(values)), key=lambda i: str(values[i]))
    for place, i in enumerate(order):
        found[i] = cycle[place % len(cycle)]
    return found


def color_scale_of(values: Sequence[Any]) -> Any:
    """Return a scale of colours over numbers; logarithmic if they span a factor of ten.

    The scale has no yellow, because yellow lines are hard to see on white.
    """
    import matplotlib as mpl
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize

    low, high = float(min(values)), float(max(values))
    dark = mpl.colormaps["viridis"]([i / 255 * 0.85 for i in range(256)])
    colors = LinearSegmentedColormap.from_list("viridis_dark", dark)
    norm = LogNorm if 0 < 10 * low <= high else Normalize
    return ScalarMappable(norm(low, high if high > low else low + 1), colors)

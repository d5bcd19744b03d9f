"""Figures, axes and colours for all displays; matplotlib is imported at first use."""

from collections.abc import Sequence
from numbers import Real
from typing import Any


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


def open_grid(n: int, display: str) -> tuple[Any, Any]:
    """Return a new figure and its n axes in rows; all axes have the same scales."""
    plt = _import_pyplot(display)
    n_columns = min(n, 4 if n <= 12 else 6)
    n_rows = -(-n // n_columns)
    figure, axes = plt.subplots(
        n_rows,
        n_columns,
        figsize=(2.2 * n_columns, 1.9 * n_rows + 0.3),
        sharex=True,
        sharey=True,
        layout="constrained",
        squeeze=False,
    )
    for ax in axes.flat[n:]:
        ax.remove()
    return figure, axes.ravel()[:n]


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

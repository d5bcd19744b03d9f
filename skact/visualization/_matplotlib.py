"""What all displays share: matplotlib, imported when something is drawn."""

from collections.abc import Sequence
from numbers import Real
from typing import Any


def axes_of(ax: Any, who: str) -> tuple[Any, Any]:
    """Return a figure and the axes to draw in.

    Parameters
    ----------
    ax : matplotlib.axes.Axes or None
        None opens a new figure.
    who : str
        Who draws, for the message.

    Returns
    -------
    tuple
        The figure and its axes.

    Raises
    ------
    ImportError
        If matplotlib is missing.
    """
    plt = _pyplot(who)
    if ax is None:
        return plt.subplots(layout="constrained")
    return ax.figure, ax


def grid_of(n: int, who: str) -> tuple[Any, Any]:
    """Return a new figure and n axes of it, in rows, with common scales."""
    plt = _pyplot(who)
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


def _pyplot(who: str) -> Any:
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{who} draws with matplotlib, which is not installed: "
            f'pip install "skact[plot]".'
        ) from error
    return plt


def plain(text: Any) -> str:
    """Make a text that matplotlib draws as it is: dollars would begin mathematics."""
    return str(text).replace("$", r"\$")


def are_numbers(values: Sequence[Any]) -> bool:
    """Whether all values are numbers, and none a boolean."""
    return all(isinstance(v, Real) and not isinstance(v, bool) for v in values)


def colors_of(values: Sequence[Any]) -> list[Any]:
    """Give each value a colour: numbers from dark to light, words from the cycle.

    Words are coloured in their order by letters, so that the same words have the same
    colours in another picture, whatever came first there.
    """
    import matplotlib as mpl

    if are_numbers(values):
        scale = scale_of(values)
        return [scale.to_rgba(value) for value in values]
    cycle = mpl.rcParams["axes.prop_cycle"].by_key().get("color", ["C0"])
    if len(values) > len(cycle):
        cycle = [mpl.colormaps["tab20"](i) for i in range(20)]
    found: list[Any] = [None] * len(values)
    order = sorted(range(len(values)), key=lambda i: str(values[i]))
    for place, i in enumerate(order):
        found[i] = cycle[place % len(cycle)]
    return found


def scale_of(values: Sequence[Any]) -> Any:
    """Return a scale of colours over numbers; logarithmic if they span a factor of ten.

    Its light end is left out: yellow lines are hard to see on white.
    """
    import matplotlib as mpl
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize

    low, high = float(min(values)), float(max(values))
    dark = mpl.colormaps["viridis"]([i / 255 * 0.85 for i in range(256)])
    colors = LinearSegmentedColormap.from_list("viridis_dark", dark)
    norm = LogNorm if 0 < 10 * low <= high else Normalize
    return ScalarMappable(norm(low, high if high > low else low + 1), colors)

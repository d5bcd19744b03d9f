"""What all displays share: matplotlib, imported when something is drawn."""

from collections.abc import Sequence
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


def colors_of(values: Sequence[Any]) -> list[Any]:
    """Give each value a colour: numbers from dark to light, words from the cycle."""
    import matplotlib as mpl

    numbers = all(
        isinstance(v, int | float) and not isinstance(v, bool) for v in values
    )
    cycle = mpl.rcParams["axes.prop_cycle"].by_key().get("color", ["C0"])
    if numbers or len(values) > len(cycle):
        order = sorted(range(len(values)), key=lambda i: values[i]) if numbers else None
        places = {i: rank for rank, i in enumerate(order or range(len(values)))}
        scale = mpl.colormaps["viridis"].resampled(max(2, len(values) + 1))
        return [scale(places[i]) for i in range(len(values))]
    return list(cycle[: len(values)])

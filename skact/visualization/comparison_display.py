"""The critical-difference diagram of a comparison."""

from collections.abc import Iterator, Sequence
from typing import Any

from skact.analysis.comparison import Comparison, compare
from skact.analysis.pair_verdicts import BETTER
from skact.results.schema import metric_of_score
from skact.visualization._matplotlib import escape_dollars, open_axes

_SPACE = 0.45  # between two bars, in rows of names


class ComparisonDisplay:
    """Plot mean scores on an axis; a bar joins values that do not differ.

    The diagram of Demsar (2006), with mean scores instead of ranks: the best value is
    on the right. A bar joins the values that have a dot on it: the verdict parts no
    pair of them. Two values without a common bar differ.

    Create one with :meth:`from_search` or :meth:`from_comparison`.

    Parameters
    ----------
    comparison : Comparison
        The result of :func:`~skact.compare`.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes.
    figure_ : matplotlib.figure.Figure
        The figure.
    bars_ : list of matplotlib.lines.Line2D
        The bars, with a dot for each value that they join.
    groups_ : list of list
        The values that each bar joins.

    References
    ----------
    Demsar (2006), Statistical Comparisons of Classifiers over Multiple Data Sets,
    JMLR 7.

    Examples
    --------
    >>> from skact import ComparisonDisplay, compare
    >>> results = {
    ...     "param_activation": ["relu", "tanh", "sigmoid"],
    ...     "split0_test_score": [0.95, 0.94, 0.80],
    ...     "split1_test_score": [0.94, 0.95, 0.81],
    ...     "split2_test_score": [0.96, 0.95, 0.79],
    ...     "mean_test_score": [0.95, 0.947, 0.80],
    ...     "rank_test_score": [1, 2, 3],
    ...     "params": [{}, {}, {}],
    ... }
    >>> ComparisonDisplay.from_comparison(compare(results)).groups_
    [['tanh', 'relu']]
    """

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison

    @classmethod
    def from_comparison(
        cls, comparison: Comparison, *, ax: Any = None
    ) -> "ComparisonDisplay":
        """Draw a comparison.

        Parameters
        ----------
        comparison : Comparison
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None opens a new figure.

        Returns
        -------
        ComparisonDisplay
        """
        return cls(comparison).plot(ax)

    @classmethod
    def from_search(
        cls, search: Any, by: Any = "activation", *, ax: Any = None, **options: Any
    ) -> "ComparisonDisplay":
        """Compare the values of a search, and draw the comparison.

        Parameters
        ----------
        search, by, **options
            As for :func:`~skact.compare`.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None opens a new figure.

        Returns
        -------
        ComparisonDisplay
        """
        return cls.from_comparison(compare(search, by, **options), ax=ax)

    def plot(self, ax: Any = None) -> "ComparisonDisplay":
        """Draw the diagram.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None opens a new figure.

        Returns
        -------
        ComparisonDisplay
            This display.
        """
        is_new = ax is None
        self.figure_, ax = open_axes(ax, type(self).__name__)
        self.ax_ = ax
        means = self.comparison.means[::-1]  # the worst first, from left to right
        n_left = len(means) // 2
        rows = max(n_left, len(means) - n_left)
        self.groups_ = _groups_without_difference(self.comparison)
        bars = _SPACE * len(self.groups_)
        if is_new:
            self.figure_.set_size_inches(6.4, 1.1 + 0.26 * (rows + bars))
        low, high = float(means.min()), float(means.max())
        room = (high - low or 1.0) * 0.08
        ax.set_xlim(low - room, high + room)
        ax.set_ylim(-(rows + bars + 1.3), 0)
        for place, (value, mean) in enumerate(means.items()):
            is_left = place < n_left
            row = place if is_left else len(means) - 1 - place
            self._draw_label(
                escape_dollars(value), float(mean), -(row + bars + 0.8), is_left
            )
        self.bars_ = []
        for i, group in enumerate(self.groups_):
            height = -_SPACE * (i + 1)
            self.bars_ += ax.plot(
                [float(means[value]) for value in group],
                [height] * len(group),
                color="0.15",
                linewidth=3,
                marker="o",
                markersize=6,
            )
        self._style_axes()
        return self

    def _draw_label(self, text: str, mean: float, height: float, is_left: bool) -> None:
        """Draw a line from the axis to a name at the side."""
        ax = self.ax_
        edge = ax.get_xlim()[0 if is_left else 1]
        ax.plot([mean, mean, edge], [0, height, height], color="0.4", linewidth=0.9)
        ax.annotate(
            f"{text}  {mean:#.4g}" if is_left else f"{mean:#.4g}  {text}",
            (edge, height),
            xytext=(-4 if is_left else 4, 0),
            textcoords="offset points",
            ha="right" if is_left else "left",
            va="center",
            annotation_clip=False,
        )

    def _style_axes(self) -> None:
        from matplotlib.ticker import MaxNLocator

        ax, found = self.ax_, self.comparison
        ax.xaxis.set_major_locator(MaxNLocator(5))  # few, because labels are long
        ax.xaxis.tick_top()
        ax.xaxis.set_label_position("top")
        name = found.metric_name or metric_of_score(found.metric)
        ax.set_xlabel(escape_dollars(f"mean {name} of {len(found.scores)} folds"))
        if self.groups_:
            ax.annotate(
                "Dots on one bar: no difference is shown.",
                (0.5, 0),
                xycoords="axes fraction",
                ha="center",
                va="bottom",
                fontsize="small",
                color="0.4",
            )
        ax.yaxis.set_visible(False)
        for side in ("left", "right", "bottom"):
            ax.spines[side].set_visible(False)


def _groups_without_difference(found: Comparison) -> list[list[Any]]:
    """Return the largest groups in which the verdict parts no pair, the best last."""
    order = list(found.means.index[::-1])
    parted = {
        frozenset((row.a, row.b))
        for row in found.frame.itertuples()
        if row.verdict == BETTER
    }
    joined = [
        {j for j, b in enumerate(order) if j != i and frozenset((a, b)) not in parted}
        for i, a in enumerate(order)
    ]
    groups = _largest_groups(set(), set(range(len(order))), set(), joined)
    return [[order[i] for i in sorted(group)] for group in sorted(map(sorted, groups))]


def _largest_groups(
    group: set[int], left: set[int], done: set[int], joined: Sequence[set[int]]
) -> Iterator[set[int]]:
    """Yield all groups of two or more that are joined to each other, and in no larger.

    The algorithm of Bron and Kerbosch (1973), with a pivot.
    """
    if not left and not done:
        if len(group) > 1:
            yield group
        return
    pivot = max(left | done, key=lambda i: len(joined[i] & left))
    for i in sorted(left - joined[pivot]):
        yield from _largest_groups(
            group | {i}, left & joined[i], done & joined[i], joined
        )
        left = left - {i}
        done = done | {i}

"""The scores of a search against a parameter, such as the learning rate."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from skact.analysis.compared_metric import name_of_metric
from skact.results.cv_results_frames import is_cv_results_frame
from skact.results.frames import to_frame
from skact.results.schema import MODEL, schema_of_frame, score_of_metric
from skact.visualization._matplotlib import (
    are_numbers,
    colors_of,
    draw_color_bar,
    draw_legend,
    escape_dollars,
    has_color_bar,
    open_axes,
)
from skact.visualization.display_groups import as_list, check_column_names
from skact.visualization.hiplot_columns import natural_sort_key, suits_log_axis
from skact.visualization.search_points import (
    RATES,
    average_seeds,
    best_points,
    choose_hue,
    choose_x,
    rows_with_place,
    rows_with_scores,
    table_of_scores,
)

_MARKERS = "osD^vP*X<>hp8d"
_LOG_FROM = 4  # rates that span this factor have a logarithmic axis
_MAX_TICKS = 9  # more values than these have no tick each
_MAX_DODGED, _MAX_STRONG = 6, 8  # groups beside each other; groups with strong bars
_MAX_PLACES = 20  # with more places, points of groups do not lie above each other


class SearchDisplay:
    """Plot mean scores of a search against a parameter, with the spread of the folds.

    A point is a candidate: its mean score, and a bar of one standard deviation of its
    folds to both sides. If the search tried other parameters, too, a point is the best
    of all candidates with its values of `x` and `hue`; the axis says so. Lines join
    the numbers of a grid. A ring marks the best candidate, and the title describes it.
    Points far below all others are triangles at the lower edge.

    Create one with :meth:`from_estimator`.

    Parameters
    ----------
    points : DataFrame
        A row for each point, the best first: ``x``; ``hue``, the label of its group;
        ``color``, the value that colours the group; ``mean`` and ``std``; ``params``,
        which describes the candidate.
    x : str
        Name of the parameter on the horizontal axis.
    hue : str, default=""
        Name of the parameter that makes the groups.
    metric : str, default="score"
        Name of the metric.
    metric_name : str or None, default=None
        What the axis calls it; None: `metric`.
    others : sequence of str, default=()
        Parameters over which a point is the best.
    n_folds : int, default=0
        Number of folds; 0 if it is not known.
    is_grid : bool, default=True
        Whether the search tried a grid: lines join the points of a group if they have
        numbers on the axis.
    notes : sequence of str, default=()
        What else to say below the axis.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes.
    figure_ : matplotlib.figure.Figure
        The figure.
    lines_ : list of matplotlib.lines.Line2D
        The points of each group, the best group first.
    bars_ : list of matplotlib.container.ErrorbarContainer
        The points of each group with their bars.
    best_ : matplotlib.lines.Line2D
        The ring around the best candidate.

    See Also
    --------
    skact.to_hiplot : All parameters at once, on an interactive page.
    skact.compare : Whether differences are more than chance.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skact import ActMLP, SearchDisplay
    >>> grid = {"activation": ["relu", "tanh"], "lr": [0.1, 0.01, 0.001]}
    >>> search = GridSearchCV(ActMLP(max_epochs=3, random_state=0), grid, cv=3)
    >>> display = SearchDisplay.from_estimator(
    ...     search.fit(*load_iris(return_X_y=True))
    ... )
    >>> display.x, display.hue, len(display.points)
    ('lr', 'activation', 6)
    """

    def __init__(
        self,
        points: pd.DataFrame,
        *,
        x: str,
        hue: str = "",
        metric: str = "score",
        metric_name: str | None = None,
        others: Sequence[str] = (),
        n_folds: int = 0,
        is_grid: bool = True,
        notes: Sequence[str] = (),
    ) -> None:
        self.points, self.x, self.hue, self.metric = points, x, hue, metric
        self.metric_name = metric if metric_name is None else metric_name
        self.others, self.notes = tuple(others), tuple(notes)
        self.n_folds, self.is_grid = n_folds, is_grid

    @classmethod
    def from_estimator(
        cls,
        search: Any,
        *,
        x: str | None = None,
        hue: str | Iterable[str] | None = None,
        metric: str | None = None,
        metric_name: str | None = None,
        ax: Any = None,
        line_kw: Mapping[str, Any] | None = None,
        bar_kw: Mapping[str, Any] | None = None,
    ) -> "SearchDisplay":
        """Draw the scores of a search.

        Parameters
        ----------
        search : fitted search, ``cv_results_``, frame, or several of them
            All that :func:`~skact.to_frame` takes for candidates: a search such as
            ``GridSearchCV`` or ``HalvingRandomSearchCV``, its ``cv_results_``, results
            from :func:`~skact.load_results`, a study of Optuna, or a list or dict of
            these. Also a frame from ``to_frame`` with a row for each candidate or fold,
            filtered.
        x : str, default=None
            The parameter on the horizontal axis. None: the learning rate if it varies,
            otherwise the first parameter of numbers that varies, otherwise the first
            parameter that varies. Candidates that differ in `random_state` alone are
            averaged, unless `x` or `hue` names it.
        hue : str or list of str, default=None
            The parameters that make the groups; ``[]`` makes one group. None:
            ``activation`` if it varies, and the search if there are several; otherwise
            another parameter that varies, if it has few values.
        metric : str, default=None
            Name of a metric, such as ``"accuracy"``. None: the metric that ranks.
        metric_name : str, default=None
            What the axis calls the metric. None: its name, or what the score of the
            estimator is, such as accuracy or R2.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None opens a new figure.
        line_kw, bar_kw : dict, default=None
            Keywords of ``errorbar`` for the points and lines, and for the bars alone
            (``elinewidth``, ``capsize``, ...).

        Returns
        -------
        SearchDisplay

        Raises
        ------
        ValueError
            If no parameter varies, a column does not exist, or all scores are missing.
        """
        frame = search
        if not isinstance(search, pd.DataFrame) or is_cv_results_frame(search):
            frame = to_frame(search, "candidate")
        schema = schema_of_frame(frame)
        params = [MODEL] * schema.has_models + list(schema.params)
        groups = None if hue is None else as_list(hue)
        groups = None if groups is None else [schema.column_of(n) for n in groups]
        x = None if x is None else schema.column_of(x)
        check_column_names("x", [] if x is None else [x], params)
        check_column_names("hue", groups or [], params)
        table, metric, n_folds = table_of_scores(frame, schema, metric)
        table, kept = average_seeds(table, params, [x, *(groups or [])], schema)
        table, notes = rows_with_scores(table, schema, metric)
        varying = [p for p in kept if table[p].nunique(dropna=False) > 1]
        x = choose_x(table, varying, groups or []) if x is None else x
        table, more = rows_with_place(table, x)
        varying = [p for p in varying if table[p].nunique(dropna=False) > 1]
        groups = choose_hue(table, varying, x) if groups is None else groups
        notes += more + [f"mean over {p}" for p in params if p not in kept]
        others = [name for name in varying if name not in (x, *groups)]
        points, is_grid = best_points(table, x, groups, others, varying)
        if metric_name is None:
            metric_name = name_of_metric(search, score_of_metric(metric))
        display = cls(
            points,
            x=x,
            hue=", ".join(groups),
            metric=metric,
            metric_name=metric_name,
            others=others,
            n_folds=n_folds,
            is_grid=is_grid,
            notes=notes,
        )
        return display.plot(ax, line_kw=line_kw, bar_kw=bar_kw)

    def plot(
        self,
        ax: Any = None,
        *,
        line_kw: Mapping[str, Any] | None = None,
        bar_kw: Mapping[str, Any] | None = None,
    ) -> "SearchDisplay":
        """Draw the scores.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None opens a new figure.
        line_kw, bar_kw : dict, default=None
            Keywords of ``errorbar`` for the points and lines, and for the bars alone.

        Returns
        -------
        SearchDisplay
            This display, with `ax_`, `figure_`, `lines_`, `bars_` and `best_`.
        """
        self.figure_, self.ax_ = open_axes(ax, type(self).__name__)
        places = self._place_values()
        groups = self.points.groupby("hue", sort=False)["color"].first()
        colors = dict(zip(groups.index, colors_of(list(groups)), strict=True))
        names = sorted(groups.index)
        is_joined = self.is_grid and are_numbers(self.points["x"])
        self.bars_ = []
        for label in groups.index:
            rows = self.points[self.points["hue"] == label]
            rows = rows.assign(at=rows["x"].map(places)).sort_values("at")
            look = {
                "color": colors[label],
                "marker": _MARKERS[names.index(label) % len(_MARKERS)],
                "linestyle": "-" if is_joined else "none",
                "linewidth": 1.4,
                "markersize": 5,
                "label": escape_dollars(label),
                "elinewidth": 1.2 if len(names) <= _MAX_STRONG else 0.5,
                "capsize": 2.5 if len(names) <= _MAX_STRONG else 0,
                **(line_kw or {}),
                **(bar_kw or {}),
            }
            at = self._dodge(rows["at"].to_numpy(float), names.index(label), places)
            spread = None if rows["std"].isna().all() else rows["std"]
            self.bars_.append(self.ax_.errorbar(at, rows["mean"], spread, **look))
        self.lines_ = [bars.lines[0] for bars in self.bars_]
        self._mark_best(places, names)
        self._name_axes(list(groups), self._show_points_far_below(), is_own=ax is None)
        return self

    def _place_values(self) -> dict[Any, float]:
        """Scale the horizontal axis; return the place of each value on it."""
        ax, values = self.ax_, list(self.points["x"].unique())
        if not are_numbers(values):
            values.sort(key=lambda value: natural_sort_key((type(value), value)))
            return self._place_evenly(values)
        values.sort()
        positive = [value for value in values if value > 0]
        low, high = (positive[0], positive[-1]) if positive else (1, 1)
        is_rate = self.x in RATES and high >= _LOG_FROM * low
        if is_rate or suits_log_axis(self.x, low, high):
            if len(positive) == len(values):
                ax.set_xscale("log")
            elif len(values) <= _MAX_PLACES:  # 0 has no place on a log axis
                return self._place_evenly(values)
            is_apart = all(b >= 1.4 * a for a, b in itertools.pairwise(values))
            if len(values) <= _MAX_TICKS and is_apart:
                ax.set_xticks(values, [f"{value:g}" for value in values])
                ax.xaxis.set_minor_locator(_no_ticks())
            elif len(values) == len(positive):
                self._mark_decades()
        elif len(values) <= 3:
            ax.set_xticks(values, [f"{value:g}" for value in values])
        return {value: float(value) for value in values}

    def _mark_decades(self) -> None:
        """Write rates as .001, .002, .005: matplotlib's 3 x 10^-4 run together."""
        from matplotlib.ticker import FuncFormatter, LogLocator

        low, high = self.points["x"].min(), self.points["x"].max()
        subs = (1, 2, 5) if high < 1_000 * low else (1,)
        axis = self.ax_.xaxis
        axis.set_major_locator(LogLocator(subs=subs))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_locator(_no_ticks())

    def _place_evenly(self, values: Sequence[Any]) -> dict[Any, float]:
        """Give each value a place of its own, one beside the other."""
        labels = [escape_dollars(f"{v:g}" if are_numbers([v]) else v) for v in values]
        self.ax_.set_xticks(range(len(values)), labels)
        if sum(map(len, labels)) + 2 * len(labels) > 60:
            turned = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"}
            self.ax_.set_xticks(range(len(values)), labels, **turned)
        return {value: float(i) for i, value in enumerate(values)}

    def _dodge(self, at: np.ndarray, i: int, places: Mapping[Any, float]) -> np.ndarray:
        """Move the points of a group a little, so that bars lie beside each other."""
        n_groups = self.points["hue"].nunique()
        is_random = len(places) > _MAX_PLACES
        if is_random or not 1 < n_groups <= _MAX_DODGED or len(places) < 2:
            return at
        step = 0.07 * (i - (n_groups - 1) / 2)
        all_places = np.sort(np.array(list(places.values())))
        if self.ax_.get_xscale() == "log":
            return at * np.min(all_places[1:] / all_places[:-1]) ** step
        return at + step * np.diff(all_places).min()

    def _mark_best(self, places: Mapping[Any, float], names: Sequence[str]) -> None:
        best = self.points.iloc[0]
        at = self._dodge(
            np.array([places[best["x"]]]), names.index(best["hue"]), places
        )
        ring = {"marker": "o", "markersize": 13, "markerfacecolor": "none"}
        look = {"color": "0.1", "linestyle": "none", "markeredgewidth": 1.6, **ring}
        (self.best_,) = self.ax_.plot(at, [best["mean"]], **look, zorder=5)

    def _show_points_far_below(self) -> str:
        """Keep points that lie far below all others from pressing these together.

        The axis begins where the others begin, if they fill less than a quarter of it.
        Return how many points lie below.
        """
        means, std = (self.points[name].to_numpy(float) for name in ("mean", "std"))
        low, high = np.quantile(means, [0.25, 0.75])
        far = means < low - 3 * (high - low)
        bottom, top = means[~far].min(), (means + np.nan_to_num(std))[~far].max()
        if not far.any() or top == bottom or 4 * (top - bottom) > top - means.min():
            return ""
        height = top - bottom or abs(top) or 1
        foot = max((means - np.nan_to_num(std))[~far].min(), bottom - height)
        self.ax_.set_ylim(foot - 0.1 * height, top + 0.1 * height)
        edge = self.ax_.get_xaxis_transform()
        for line in self.lines_:
            x, y = (np.asarray(values, dtype=float) for values in line.get_data())
            x = x[y < bottom]
            look = {"color": line.get_color(), "linestyle": "none", "marker": "v"}
            self.ax_.plot(x, np.full(len(x), 0.02), transform=edge, **look)
        verb = "point lies" if far.sum() == 1 else "points lie"
        return f"{far.sum()} {verb} below, down to {means.min():.3g}"

    def _name_axes(
        self, values: Sequence[Any], far_below: str, *, is_own: bool
    ) -> None:
        ax, best = self.ax_, self.points.iloc[0]
        others = ", ".join(self.others)
        if others and self.is_grid:
            others = f"at each point the best over {others}"
        elif others:
            others = f"points differ in {others}, too"
        notes = [note for note in (others, *self.notes, far_below) if note]
        ax.set_xlabel(escape_dollars("\n".join([self.x, *notes])))
        spread = f": mean ± std of {self.n_folds} folds" if self.n_folds > 1 else ""
        ax.set_ylabel(escape_dollars(f"test {self.metric_name}{spread}"))
        score = f"{best['mean']:.4g}"
        if not pd.isna(best["std"]):
            score += f" ± {best['std']:.2g}"
        title = f"best: {score} with {best['params']}"
        ax.set_title(escape_dollars(title), fontsize="medium", wrap=True)
        ax.grid(True, color="0.92", linewidth=0.8)
        ax.set_axisbelow(True)
        draw_color_bar([ax], values, self.hue)
        if len(values) > 1 and not has_color_bar(values):
            labels = [escape_dollars(x) for x in self.points["hue"].unique()]
            title = escape_dollars(self.hue)
            draw_legend(ax, self.bars_, labels, title, is_own=is_own)


def _no_ticks() -> Any:
    from matplotlib.ticker import NullLocator

    return NullLocator()

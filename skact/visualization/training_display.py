"""Training curves in matplotlib: a thin line for each fit, a thick one for the mean."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from skact.results.frames import to_frame
from skact.results.logged_fit import FitLog
from skact.results.schema import MODEL, is_name_of_loss, losses_among, schema_of_frame
from skact.visualization._matplotlib import (
    colors_of,
    draw_color_bar,
    draw_legend,
    escape_dollars,
    has_color_bar,
    open_panels,
)
from skact.visualization.display_groups import (
    PREFERRED_GROUPS,
    as_list,
    check_column_names,
    describe_row,
)
from skact.visualization.metric_lines import line_styles_of, unit_of

_SEED = "random_state"  # candidates that differ only in it are repetitions


class TrainingDisplay:
    """Plot training curves, grouped by activation or another hyperparameter.

    A thin line is one fit, such as a fold. A thick line is the mean of the fits of a
    candidate, up to the epoch that all these fits reach. Candidates that differ only in
    `random_state` count as one. A group may have several candidates, such as an
    activation with several learning rates. Then one candidate is drawn, and the legend
    says which: the candidate that the search ranks first; for a log, which has no
    ranks, the candidate with the best mean in the last epochs. Metrics of one unit,
    such as losses, share an axis. Lines of held-out rows are solid, those of training
    rows dashed. Losses that span a factor of ten have a logarithmic axis. More than
    eight numbers have a colour bar.

    Create one with :meth:`from_estimator` or :meth:`from_log`.

    Parameters
    ----------
    curves : DataFrame
        A row for each epoch of each fit: ``group`` (its label), ``fit``, ``epoch``, and
        a column for each metric.
    metrics : sequence of str
        The columns to draw.
    groups : mapping of str to object
        From labels, in the order of the legend, to the values that colour them.
    by : str, default=""
        Name of the column that makes the groups, for the legend.
    chosen : bool, default=False
        Whether a group has candidates that are not drawn; the legend says it.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes of the first metric.
    axes_ : ndarray of matplotlib.axes.Axes
        All axes, one for each unit.
    figure_ : matplotlib.figure.Figure
        The figure.
    lines_ : list of matplotlib.lines.Line2D
        The thick lines.
    fit_lines_ : list of matplotlib.lines.Line2D
        The thin lines.

    See Also
    --------
    skact.to_hiplot : The same curves on an interactive page.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skact import ActMLP, TrainingDisplay, TrainingLog
    >>> log = TrainingLog()
    >>> net = ActMLP(max_epochs=3, random_state=0).set_callbacks(log)
    >>> search = GridSearchCV(net, {"activation": ["relu", "tanh"]}, cv=3)
    >>> display = TrainingDisplay.from_estimator(
    ...     search.fit(*load_iris(return_X_y=True))
    ... )
    >>> sorted(display.groups)
    ['relu', 'tanh']
    """

    def __init__(
        self,
        curves: pd.DataFrame,
        *,
        metrics: Sequence[str],
        groups: Mapping[str, Any],
        by: str = "",
        chosen: bool = False,
    ) -> None:
        self.curves, self.metrics, self.groups = curves, list(metrics), dict(groups)
        self.by, self.chosen = by, chosen

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        metrics: str | Iterable[str] | None = None,
        by: str | Iterable[str] | None = None,
        ax: Any = None,
        fit_kw: Mapping[str, Any] | None = None,
        mean_kw: Mapping[str, Any] | None = None,
    ) -> "TrainingDisplay":
        """Draw the history of a fitted net, or of a search with a log.

        Parameters
        ----------
        estimator : fitted net, pipeline or search, or several of them
            All that :func:`~skact.to_frame` takes with ``level="epoch"``: a net of
            skact or skorch, a pipeline that ends in one, a search whose net has a
            :class:`~skact.TrainingLog`, results from :func:`~skact.load_results`, or a
            list or dict of these. Also a frame from ``to_frame``, filtered.
        metrics : str or list of str, default=None
            Columns of the history. None: the training loss, and the loss on the
            search's fold or, without that, on validation rows.
        by : str or list of str, default=None
            The columns that make the groups. None: ``activation`` if it varies,
            otherwise the first column that varies.
        ax : matplotlib.axes.Axes or sequence of them, default=None
            Where to draw: an axes for each unit of the metrics, or one whose place they
            divide; None opens a new figure.
        fit_kw, mean_kw : dict, default=None
            Keywords of ``plot`` for the thin and the thick lines.

        Returns
        -------
        TrainingDisplay

        Raises
        ------
        ValueError
            If there is no history, or a column does not exist.
        """
        if isinstance(estimator, FitLog):
            return cls.from_log(
                estimator, metrics=metrics, by=by, ax=ax, fit_kw=fit_kw, mean_kw=mean_kw
            )
        frame = estimator
        if not isinstance(frame, pd.DataFrame):
            frame = to_frame(estimator, level="epoch")
        return cls._from_frame(frame, metrics, by).plot(
            ax, fit_kw=fit_kw, mean_kw=mean_kw
        )

    @classmethod
    def from_log(
        cls,
        log: FitLog,
        *,
        metrics: str | Iterable[str] | None = None,
        by: str | Iterable[str] | None = None,
        ax: Any = None,
        fit_kw: Mapping[str, Any] | None = None,
        mean_kw: Mapping[str, Any] | None = None,
    ) -> "TrainingDisplay":
        """Draw all fits of a log except refits.

        Fits with the same parameters count as folds of one candidate, as in
        ``cross_validate``.

        Parameters
        ----------
        log : TrainingLog
            A log with at least one fit.
        metrics, by, ax, fit_kw, mean_kw
            As in :meth:`from_estimator`.

        Returns
        -------
        TrainingDisplay
        """
        if not isinstance(log, FitLog):
            raise TypeError(
                f"log must be a TrainingLog, got {type(log).__name__}: searches and "
                f"nets are for TrainingDisplay.from_estimator."
            )
        frame = log.to_frame()
        if len(frame) and not frame["refit"].all():
            frame = frame[~frame["refit"]]
        return cls._from_frame(frame, metrics, by).plot(
            ax, fit_kw=fit_kw, mean_kw=mean_kw
        )

    @classmethod
    def _from_frame(
        cls, frame: pd.DataFrame, metrics: Any, by: Any
    ) -> "TrainingDisplay":
        columns = list(frame.columns)
        schema = schema_of_frame(frame, "epoch")
        if not len(frame) or "epoch" not in schema.ids:
            raise ValueError(
                "There is no epoch to draw: a frame must have a column 'epoch' and at "
                "least one row, and a log at least one fit."
            )
        frame = frame.reset_index(drop=True)  # users may have joined several frames
        recorded = [name for name in schema.results if frame[name].notna().any()]
        named = [name for name in columns if name == MODEL or name in schema.params]
        varying = [name for name in named if frame[name].nunique(dropna=False) > 1]
        if metrics is None:
            losses = losses_among(recorded)
            metrics = list(dict.fromkeys([*losses[:1], *losses[-1:]]))
        metrics = as_list(metrics)
        check_column_names("metrics", metrics, recorded)
        if not metrics:
            raise ValueError(f"metrics must name some of {recorded!r}; got none.")
        if by is None:
            by = [name for name in (*PREFERRED_GROUPS, *varying) if name in varying][:1]
        by = [schema.column_of(name) for name in as_list(by)]
        known = [name for name in columns if name not in ("epoch", *schema.results)]
        check_column_names("by", by, known)
        curves, groups, chosen = _choose_candidates(frame, metrics, by, varying)
        label = ", ".join(by)
        return cls(curves, metrics=metrics, groups=groups, by=label, chosen=chosen)

    def plot(
        self,
        ax: Any = None,
        *,
        fit_kw: Mapping[str, Any] | None = None,
        mean_kw: Mapping[str, Any] | None = None,
    ) -> "TrainingDisplay":
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or sequence of them, default=None
            Where to draw: an axes for each unit of the metrics, or one whose place they
            divide; None opens a new figure.
        fit_kw, mean_kw : dict, default=None
            Keywords of ``plot`` for the thin and the thick lines.

        Returns
        -------
        TrainingDisplay
            This display, with `ax_`, `figure_`, `lines_` and `fit_lines_`.
        """
        units = list(dict.fromkeys(map(unit_of, self.metrics)))
        self.figure_, self.axes_ = open_panels(ax, len(units), type(self).__name__)
        self.ax_ = self.axes_[0]
        self.lines_: list[Any] = []
        self.fit_lines_: list[Any] = []
        colors = colors_of(list(self.groups.values()))
        styles = line_styles_of(self.metrics, list(self.curves))
        for label, color in zip(self.groups, colors, strict=True):
            rows = self.curves[self.curves["group"] == label]
            for metric in self.metrics:
                panel = self.axes_[units.index(unit_of(metric))]
                look = {"color": color, "linestyle": styles[metric]}
                is_first = metric == self._metrics_of(unit_of(metric))[0]
                thick = {"label": escape_dollars(label) if is_first else "_", **look}
                wide = rows.pivot(index="epoch", columns="fit", values=metric)
                if wide.shape[1] > 1:
                    thin = {**look, "linewidth": 0.7, "alpha": 0.5, **(fit_kw or {})}
                    for _, curve in wide.items():
                        self.fit_lines_ += panel.plot(wide.index, curve, **thin)
                mean = wide.mean(axis=1, skipna=False)
                thick = {**thick, "linewidth": 2, **(mean_kw or {})}
                self.lines_ += panel.plot(mean.index, mean, **thick)
        for panel, unit in zip(self.axes_, units, strict=True):
            self._name_panel(panel, unit, styles, is_own=ax is None)
        self.axes_[-1].set_xlabel("epoch")
        draw_color_bar(self.axes_, list(self.groups.values()), self.by)
        return self

    def _metrics_of(self, unit: str) -> list[str]:
        return [metric for metric in self.metrics if unit_of(metric) == unit]

    def _name_panel(
        self, ax: Any, unit: str, styles: Mapping[str, Any], *, is_own: bool
    ) -> None:
        """Name the height of a panel, and say what its lines are."""
        from matplotlib.lines import Line2D
        from matplotlib.ticker import MaxNLocator

        names = self._metrics_of(unit)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set_ylabel(names[0] if len(names) == 1 else unit)
        heights = self.curves[names].stack()
        positive = heights[heights > 0]
        if is_name_of_loss(names[0]) and 10 * positive.min() < positive.max():
            ax.set_yscale("log")  # on a linear axis the last epochs would be one line
        handles = self._group_handles() if ax is self.ax_ else {}
        title = f"best of each {self.by}" if handles and self.chosen else None
        if len(names) > 1:
            for name in names:
                handles[name] = Line2D([], [], color="0.3", linestyle=styles[name])
        draw_legend(ax, list(handles.values()), list(handles), title, is_own=is_own)

    def _group_handles(self) -> dict[str, Any]:
        """Return a line for each group that has values, unless colours have a bar."""
        from matplotlib.lines import Line2D

        if len(self.groups) < 2 or has_color_bar(list(self.groups.values())):
            return {}
        n, found = len(self.metrics), {}
        for i, label in enumerate(self.groups):
            lines = self.lines_[n * i : n * (i + 1)]
            if any(map(_has_values, lines)):
                color = lines[0].get_color()
                found[escape_dollars(label)] = Line2D([], [], color=color, linewidth=2)
        return found


def _has_values(line: Any) -> bool:
    return bool(np.isfinite(np.asarray(line.get_ydata(), dtype=float)).any())


def _choose_candidates(
    frame: pd.DataFrame, metrics: list[str], by: list[str], varying: list[str]
) -> tuple[pd.DataFrame, dict[str, Any], bool]:
    """Choose one candidate of each group, and number its fits."""
    keys = ["candidate"] if "candidate" in frame else varying
    if _SEED in varying and _SEED not in by:  # they are fits of one candidate
        varying = [name for name in varying if name != _SEED]
        keys = varying
    keys = [MODEL, *keys] if MODEL in frame and MODEL not in keys else keys
    fits = [name for name in ("run", "fit", "fold", _SEED) if name in frame]
    curves = frame[["epoch", *(name for name in frame if name in metrics)]].copy()
    curves["candidate"] = _number_combinations(frame, keys)
    curves["fit"] = _number_combinations(frame, [*keys, *fits])
    if "fold" in by:  # folds of several candidates would not be comparable
        curves = curves[
            curves["candidate"] == _best_candidate(frame, curves, metrics[0])
        ]
        frame = frame.loc[curves.index]
    curves["group"] = _number_combinations(frame, by)
    groups: dict[str, Any] = {}
    parts, chosen = [], False
    for _, rows in curves.groupby("group"):
        one = rows[rows["candidate"] == _best_candidate(frame, rows, metrics[0])]
        first = frame.loc[one.index[0]]
        label = describe_row(first, by) or "all"
        if rows["candidate"].nunique() > 1:
            chosen = True
            others = describe_row(first, [name for name in varying if name not in by])
            label += f" ({others})" if others else ""
        groups[label] = first[by[0]] if len(by) == 1 else label
        parts.append(one.assign(group=label))
    return pd.concat(parts), groups, chosen


def _best_candidate(frame: pd.DataFrame, rows: pd.DataFrame, metric: str) -> Any:
    """Return the candidate that ranks first, or whose last epochs are best."""
    if "candidate" in frame:  # frames of searches are sorted by rank
        return rows["candidate"].iloc[0]
    ends = rows.sort_values("epoch").groupby(["candidate", "fit"])[metric].last()
    means = ends.groupby("candidate").mean().dropna()
    if not len(means):
        return rows["candidate"].iloc[0]
    return means.idxmin() if is_name_of_loss(metric) else means.idxmax()


def _number_combinations(frame: pd.DataFrame, names: list[str]) -> pd.Series:
    """Return a number for each combination of values, in the order of first rows."""
    if not names:
        return pd.Series(0, index=frame.index)
    return frame.groupby(names, sort=False, dropna=False).ngroup()

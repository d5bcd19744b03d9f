"""Training curves in matplotlib: folds as thin lines, their mean as a thick one."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from skact.results.frames import to_frame
from skact.results.logged_fit import FitLog
from skact.results.schema import MODEL, best_losses, schema_of
from skact.visualization._matplotlib import (
    are_numbers,
    axes_of,
    colors_of,
    plain,
    scale_of,
)

# what groups are told apart by, if nobody says
_TELLING = ("activation", MODEL, "hidden", "width", "depth", "lr")
_MOST_NUMBERS = 8  # groups of numbers in a legend; more have a bar of colours
_MOST_INSIDE = 10  # entries of a legend inside the axes
_REPEATS = "random_state"  # candidates that differ in it alone are repetitions
_STYLES: tuple[Any, ...] = ("-", "--", ":", "-.")  # of metrics


class TrainingDisplay:
    """Curves of a training history, by activation or whatever else was tried.

    A thin line is one fit, such as a fold; a thick one is the mean of the fits of a
    candidate, as far as all of them have come; candidates that differ in their
    `random_state` alone count as one. Where a group has several candidates,
    such as an activation with several learning rates, one of them is drawn, and the
    legend says so: the one that the search ranks first; of a log, which knows no
    ranks, the one whose fits end best on the mean. Losses that span a factor of ten
    have a logarithmic axis. More than eight numbers have a bar of colours.

    Make one with :meth:`from_estimator` or :meth:`from_log`.

    Parameters
    ----------
    curves : DataFrame
        A row an epoch of a fit: ``group`` (its label), ``fit``, ``epoch``, and a column
        for each metric.
    metrics : sequence of str
        The columns to draw: the first solid, the second dashed, ...
    groups : mapping of str to object
        Labels in the order of the legend, and the values that colour them.
    by : str, default=""
        What tells the groups apart, for the legend.
    chosen : bool, default=False
        Whether groups had other candidates, too, which the legend says then.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it was drawn.
    figure_ : matplotlib.figure.Figure
        Its figure.
    lines_ : list of matplotlib.lines.Line2D
        The thick lines.
    fit_lines_ : list of matplotlib.lines.Line2D
        The thin lines.

    See Also
    --------
    skact.to_hiplot : The same curves on a page, to brush.

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
        """Draw what a fitted net, or a search with a log, has recorded.

        Parameters
        ----------
        estimator : fitted net, pipeline or search, or several of them
            Whatever :func:`~skact.to_frame` takes with ``level="epoch"``: a net of
            skact or skorch, a pipeline that ends in one, a search whose net has a
            :class:`~skact.TrainingLog`, what :func:`~skact.load_results` gave, or a
            list or dict of several. Also a frame of ``to_frame``, filtered.
        metrics : str or list of str, default=None
            Columns of the history. None: the loss on the search's fold if there is one,
            else that on validation rows, and the training loss.
        by : str or list of str, default=None
            The columns that tell the groups apart. None: ``activation``, if it varies,
            else the first thing that does.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None opens a new figure.
        fit_kw, mean_kw : dict, default=None
            Keywords of ``plot`` for the thin and the thick lines.

        Returns
        -------
        TrainingDisplay

        Raises
        ------
        ValueError
            If there is no history, or none of these columns.
        """
        if isinstance(estimator, FitLog):
            return cls.from_log(
                estimator, metrics=metrics, by=by, ax=ax, fit_kw=fit_kw, mean_kw=mean_kw
            )
        frame = estimator
        if not isinstance(frame, pd.DataFrame):
            frame = to_frame(estimator, level="epoch")
        return cls._of(frame, metrics, by).plot(ax, fit_kw=fit_kw, mean_kw=mean_kw)

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
        """Draw every fit that a log knows but the refits, whatever they were part of.

        Fits with the same parameters count as folds of each other: those of
        ``cross_validate`` are.

        Parameters
        ----------
        log : TrainingLog
            With at least one fit.
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
        return cls._of(frame, metrics, by).plot(ax, fit_kw=fit_kw, mean_kw=mean_kw)

    @classmethod
    def _of(cls, frame: pd.DataFrame, metrics: Any, by: Any) -> "TrainingDisplay":
        columns = list(frame.columns)
        schema = schema_of(columns, "epoch")
        if not len(frame) or "epoch" not in schema.ids:
            raise ValueError(
                "There is no epoch to draw: a frame must have a column 'epoch' and at "
                "least one row, and a log at least one fit."
            )
        frame = frame.reset_index(drop=True)  # it may be put together of several
        recorded = [name for name in schema.results if frame[name].notna().any()]
        named = [name for name in columns if name == MODEL or name in schema.params]
        varying = [name for name in named if frame[name].nunique(dropna=False) > 1]
        if metrics is None:
            losses = best_losses(recorded)
            metrics = list(dict.fromkeys([*losses[:1], *losses[-1:]]))
        metrics = [metrics] if isinstance(metrics, str) else list(metrics)
        _check("metrics", metrics, recorded)
        if by is None:
            by = [name for name in (*_TELLING, *varying) if name in varying][:1]
        by = [by] if isinstance(by, str) else list(by)
        by = [x if x in columns else x.rpartition("__")[2] for x in by]
        known = [name for name in columns if name not in ("epoch", *schema.results)]
        _check("by", by, known)
        curves, groups, chosen = _grouped(frame, metrics, by, varying)
        said = ", ".join(by)
        return cls(curves, metrics=metrics, groups=groups, by=said, chosen=chosen)

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
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None opens a new figure.
        fit_kw, mean_kw : dict, default=None
            Keywords of ``plot`` for the thin and the thick lines.

        Returns
        -------
        TrainingDisplay
            This one, with `ax_`, `figure_`, `lines_` and `fit_lines_`.
        """
        self.figure_, self.ax_ = axes_of(ax, type(self).__name__)
        self.lines_: list[Any] = []
        self.fit_lines_: list[Any] = []
        colors = colors_of(list(self.groups.values()))
        for label, color in zip(self.groups, colors, strict=True):
            rows = self.curves[self.curves["group"] == label]
            for metric, style in zip(self.metrics, _STYLES * 9, strict=False):
                wide = rows.pivot(index="epoch", columns="fit", values=metric)
                look = {"color": color, "linestyle": style}
                self._draw(wide, label if style == "-" else "_", look, fit_kw, mean_kw)
        self._name_axes()
        return self

    def _draw(
        self, wide: pd.DataFrame, label: str, look: dict, fit_kw: Any, mean_kw: Any
    ) -> None:
        """Draw a metric of a group: (epochs, fits)."""
        if wide.shape[1] > 1:
            thin = {**look, "linewidth": 0.7, "alpha": 0.5, **(fit_kw or {})}
            for _, curve in wide.items():
                self.fit_lines_ += self.ax_.plot(wide.index, curve, **thin)
        thick = {**look, "linewidth": 2, "label": plain(label), **(mean_kw or {})}
        mean = wide.mean(axis=1, skipna=False)
        self.lines_ += self.ax_.plot(mean.index, mean, **thick)

    def _name_axes(self) -> None:
        from matplotlib.ticker import MaxNLocator

        ax, names = self.ax_, self.metrics
        ax.set_xlabel("epoch")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        losses = all(name.endswith("_loss") for name in names)
        ax.set_ylabel("loss" if losses and len(names) > 1 else ", ".join(names))
        heights = self.curves[names].stack()
        positive = heights[heights > 0]
        if losses and 10 * positive.min() < positive.max():
            ax.set_yscale("log")  # or the ends, which matter, would be one line
        self._explain()

    def _explain(self) -> None:
        """Say what is what: by a legend, or by a bar of colours for many numbers."""
        from matplotlib.lines import Line2D

        ax, names, values = self.ax_, self.metrics, list(self.groups.values())
        handles: list[Any] = []
        labels: list[str] = []
        if len(self.groups) > _MOST_NUMBERS and are_numbers(values):
            bar = self.figure_.colorbar(scale_of(values), ax=ax)
            bar.set_label(self.by)
        elif len(self.groups) > 1:
            drawn = dict(zip(self.groups, self.lines_[:: len(names)], strict=True))
            drawn = {label: line for label, line in drawn.items() if _has_values(line)}
            labels, handles = [*map(plain, drawn)], [*drawn.values()]
        if len(names) > 1:
            for name, style in zip(names, _STYLES * 9, strict=False):
                handles.append(Line2D([], [], color="0.3", linestyle=style))
                labels.append(name)
        if not handles:
            return
        title = f"best of each {self.by}" if self.chosen else None
        if len(handles) <= _MOST_INSIDE:
            ax.legend(handles, labels, title=title)
            return
        columns = -(-len(handles) // 22)
        place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0)}
        ax.legend(handles, labels, title=title, ncols=columns, fontsize=8, **place)


def _has_values(line: Any) -> bool:
    return bool(np.isfinite(np.asarray(line.get_ydata(), dtype=float)).any())


def _check(name: str, wanted: Sequence[str], known: Sequence[str]) -> None:
    for column in wanted:
        if column not in known:
            hint = "; fold_* are there with log.scorer() in the search"
            raise ValueError(
                f"{name} must name some of {list(known)!r}; got {column!r}"
                f"{hint * column.startswith('fold_')}."
            )
    if name == "metrics" and not wanted:
        raise ValueError(f"metrics must name some of {list(known)!r}; got none.")


def _grouped(
    frame: pd.DataFrame, metrics: list[str], by: list[str], varying: list[str]
) -> tuple[pd.DataFrame, dict[str, Any], bool]:
    """Choose a candidate of each group, and number its fits."""
    keys = ["candidate"] if "candidate" in frame else varying
    if _REPEATS in varying and _REPEATS not in by:  # fits of one candidate
        varying = [name for name in varying if name != _REPEATS]
        keys = varying
    keys = [MODEL, *keys] if MODEL in frame and MODEL not in keys else keys
    fits = [name for name in ("run", "fit", "fold", _REPEATS) if name in frame]
    curves = frame[["epoch", *metrics]].copy()
    curves["candidate"] = _numbers(frame, keys)
    curves["fit"] = _numbers(frame, [*keys, *fits])
    if "fold" in by:  # of one candidate: those of several would not be comparable
        curves = curves[curves["candidate"] == _best(frame, curves, metrics[0])]
        frame = frame.loc[curves.index]
    curves["group"] = _numbers(frame, by)
    groups: dict[str, Any] = {}
    parts, chosen = [], False
    for _, rows in curves.groupby("group"):
        one = rows[rows["candidate"] == _best(frame, rows, metrics[0])]
        first = frame.loc[one.index[0]]
        label = _said(first, by) or "all"
        if rows["candidate"].nunique() > 1:
            chosen = True
            others = _said(first, [name for name in varying if name not in by])
            label += f" ({others})" if others else ""
        groups[label] = first[by[0]] if len(by) == 1 else label
        parts.append(one.assign(group=label))
    return pd.concat(parts), groups, chosen


def _best(frame: pd.DataFrame, rows: pd.DataFrame, metric: str) -> Any:
    """Return the candidate that a search ranks first, or whose fits end best."""
    if "candidate" in frame:  # frames of searches are in the order of the ranks
        return rows["candidate"].iloc[0]
    ends = rows.sort_values("epoch").groupby(["candidate", "fit"])[metric].last()
    means = ends.groupby("candidate").mean().dropna()
    if not len(means):
        return rows["candidate"].iloc[0]
    return means.idxmin() if metric.endswith("_loss") else means.idxmax()


def _said(row: pd.Series, names: Sequence[str]) -> str:
    """Name values; activations and models speak for themselves."""
    said = []
    for name in names:
        value = row[name]
        if pd.isna(value):  # not in the candidate's grid
            continue
        if isinstance(value, float):
            value = f"{value:.3g}"
        own = isinstance(value, str) and name in ("activation", MODEL)
        said.append(value if own else f"{name}={value}")
    return ", ".join(said)


def _numbers(frame: pd.DataFrame, names: list[str]) -> pd.Series:
    """Give combinations of values numbers, in the order in which they appear."""
    if not names:
        return pd.Series(0, index=frame.index)
    return frame.groupby(names, sort=False, dropna=False).ngroup()

"""Frames of results as HiPlot pages that are right, safe and offline.

HiPlot 0.1.33 is frozen and full of traps: `hiplot_page` decides what a page shows, and
this module and `hiplot_server` alone import HiPlot.
"""

import html
import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import hiplot
import pandas as pd

from skact.results.frames import table_of
from skact.results.schema import check_level, schema_of
from skact.visualization.hiplot_page import Options, PlotInfo, cells_of, plot_info

# A page needs its own scripts, eval, and nothing from anywhere else. HiPlot cuts words
# off at the edges, shrinks the last label, and scrolls the whole page with the table.
_HEAD = """<head>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:;
script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; font-src data:"/>
<style>
html { overflow-y: scroll }
div:has(> div > .pplot-root) { margin: 0 80px 0 LEFTpx }
div:has(> .pplot-root) { box-sizing: content-box !important; padding-bottom: 8px }
.pplot-root svg { overflow: visible !important }
.pplot-root .label-name { font-size: 15px !important }
.sample-table-container { overflow-x: auto }
.skact-notice { margin: 0; padding: 6px 12px; background: #fff3cd; color: #664d03 }
</style>"""


# how HiPlot draws curves
_CURVES: dict[str, Any] = {
    "lines_thickness": 1.5,
    "lines_opacity": 0.8,
    "dots_thickness": 1.5,
    "height": 420,
}
# pixels of a notebook that they take; other plots are not there until asked for
_HEIGHTS = {hiplot.Displays.PARALLEL_PLOT: 650, hiplot.Displays.TABLE: 520}


class Experiment(hiplot.Experiment):
    """A :class:`hiplot.Experiment` with pages that keep their axes and stay at home.

    A reload does not mirror the axes, nothing is loaded from outside, and a notebook
    shows the page in a sandbox.

    Examples
    --------
    >>> results = {"mean_test_score": [0.9, 0.8], "rank_test_score": [1, 2]}
    >>> isinstance(to_hiplot(results), hiplot.Experiment)
    True
    >>> page = to_hiplot(results).to_html()  # or .to_html("search.html"), or .display()
    """

    notice = ""  # what a page says of itself, above all else
    letters = 0  # of the longest word on the left, which needs room

    def to_html(self, file: Any = None, **opts: Any) -> str | None:  # type: ignore[override]
        """Write the page to a path or open file; without one, return it.

        The page needs nothing else. It is over a megabyte long, so a cell that ends
        with ``to_html(path)`` had better not show it.
        """
        # A page that kept its state in its address would mirror its axes on reload.
        opts.setdefault("persistentState", None)
        with warnings.catch_warnings():
            # HiPlot never closes the file of the icon that it embeds.
            warnings.filterwarnings("ignore", "unclosed file", ResourceWarning)
            head = _HEAD.replace("LEFT", str(max(70, 7 * self.letters - 35)))
            page = super().to_html(None, **opts).replace("<head>", head, 1)
        if self.notice:
            said = f'<p class="skact-notice">{html.escape(self.notice)}</p>'
            page = re.sub("<body[^>]*>", lambda tag: tag[0] + said, page, count=1)
        if file is None:
            return page
        if isinstance(file, str | Path):
            Path(file).write_text(page, encoding="utf-8")
        else:
            file.write(page)
        return None

    def display(self, **opts: Any) -> None:  # type: ignore[override]
        """Show the page in a notebook; elsewhere there is :meth:`to_html`."""
        import IPython.display  # here, for it is slow and only notebooks need it

        if not hasattr(IPython.get_ipython(), "kernel"):
            raise RuntimeError(
                "display() needs a notebook. Elsewhere write the page with "
                ".to_html(path) and open it in a browser."
            )
        IPython.display.display(IPython.display.HTML(self._repr_html_(**opts)))

    def _repr_html_(self, **opts: Any) -> str:
        height = sum(_HEIGHTS.get(display, 0) for display in self.enabledDisplays)
        if self.enabledDisplays[0] == hiplot.Displays.XY:
            height += 30 + _CURVES["height"]
        style = f"width: 100%; height: {height}px; border: 0"
        page = html.escape(self.to_html(**opts) or "")
        frame = f'<iframe sandbox="allow-scripts" style="{style}" srcdoc="{page}">'
        return f"<div>{frame}</iframe></div>"  # IPython warns of HTML that is an iframe


def to_hiplot(
    obj: Any,
    level: str | None = None,
    *,
    color: str | None = None,
    order: str | Iterable[str] = (),
    hide: str | Iterable[str] = (),
    log: str | Iterable[str] = (),
    max_rows: int | None = 20_000,
) -> Experiment:
    """Draw results: a line through parameters and scores for each row of `to_frame`.

    From left to right the axes of a search are the parameters, the time, the rank and
    the mean test score; what does not vary, or is a detail, is only in the table below.
    A page of epochs begins with the curves: the loss against the epoch, a curve for
    each net.

    Parameters
    ----------
    obj : fitted search, dict, fitted net or pipeline, several of them, or DataFrame
        As for :func:`~skact.to_frame`, or a frame that it has made, perhaps with
        columns of yours or without some rows.
    level : {"candidate", "fold", "epoch"}, default=None
        What a line is, as for :func:`~skact.to_frame`; a frame tells by its columns.
    color : str, default=None
        The column that colours the lines; None for the mean test score, and on a page
        of epochs for what tells the curves apart.
    order : str or iterable of str, default=()
        Columns whose axes come first, from left to right; they have one even if they
        are a detail. The others follow as usual.
    hide : str or iterable of str, default=()
        Further columns without an axis. The table keeps them.
    log : str or iterable of str, default=()
        Columns with a logarithmic axis, besides those parameters and times that are
        positive and span a factor of 100 or more (10 for ``lr`` and its like).
    max_rows : int or None, default=20000
        Rows shown at most, spread over all; then the page says so. More lines are a
        solid block. None shows all.

    Returns
    -------
    Experiment
        A :class:`hiplot.Experiment` that shows itself as the last line of a cell, or by
        ``display()``; its ``to_html(path)`` writes a page.

    Raises
    ------
    NotFittedError, TypeError, ValueError
        As :func:`~skact.to_frame`; or if an option names a column that is not there, a
        logarithmic axis would have to show 0, or there is no row.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.svm import SVC
    >>> search = GridSearchCV(SVC(), {"C": [0.01, 1, 100]}, cv=3)
    >>> experiment = to_hiplot(search.fit(*load_iris(return_X_y=True)))
    >>> experiment.colorby
    'mean_test_score'
    """
    options = Options(color, order, hide, log, max_rows)
    if isinstance(obj, pd.DataFrame):
        check_level(level)
        schema = schema_of(obj.columns)
        if level not in (None, schema.level):
            raise ValueError(
                f"level={level!r}, but this frame has a row for each {schema.level}: "
                f"give to_hiplot the search or net itself."
            )
        info = plot_info(cells_of(obj), obj.index.tolist(), options, schema)
    else:
        table = table_of(obj, level)
        cells = list(table.columns.items())
        info = plot_info(cells, range(len(cells[0][1])), options, table.schema)
    return _experiment(info)


def _experiment(info: PlotInfo) -> Experiment:
    """Hand all decisions to HiPlot, which is to take none itself."""
    types = {k: hiplot.ValueDef(hiplot.ValueType(v)) for k, v in info.types.items()}
    if info.colors:
        types[info.color].colors = info.colors
    parents = info.parents or [None] * len(info.rows)
    points = [
        hiplot.Datapoint(row, uid=uid, from_uid=parent)
        for row, uid, parent in zip(info.rows, info.uids, parents, strict=True)
    ]
    experiment = Experiment(points, types, colormap="interpolateViridis")
    experiment.notice, experiment.letters = info.notice, info.letters
    experiment.colorby = info.color
    # HiPlot's first axis is the rightmost.
    experiment.display_data(hiplot.Displays.PARALLEL_PLOT).update(
        order=info.axes[::-1], hide=info.hidden, invert=info.inverted
    )
    experiment.display_data(hiplot.Displays.TABLE).update(
        order=list(info.types),
        order_by=[list(by) for by in info.sort],
        hide=["uid", "from_uid"],
    )
    shown = hiplot.Displays
    displays = [shown.PARALLEL_PLOT, shown.XY, shown.DISTRIBUTION, shown.TABLE]
    if not info.axes:  # the whole page would crash over an empty plot
        displays = [shown.TABLE]
    if info.curves is not None:
        displays = [shown.XY, *(one for one in displays if one != shown.XY)]
        x, y = info.curves
        experiment.display_data(shown.XY).update(_CURVES, axis_x=x, axis_y=y)
    experiment.enabledDisplays = displays
    return experiment

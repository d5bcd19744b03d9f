"""HiPlot pages of frames of results; pages are correct, safe and work offline.

HiPlot 0.1.33 has faults that nobody mends. `hiplot_page` plans what a page shows; only
this module and `hiplot_server` import HiPlot.
"""

import html
import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import hiplot
import pandas as pd

from skact.results.cv_results_frames import is_cv_results_frame
from skact.results.frames import table_of, to_frame
from skact.results.logged_fit import FitLog
from skact.results.schema import check_level, schema_of_frame
from skact.visualization.hiplot_page import (
    PageOptions,
    PagePlan,
    plan_page,
    scalars_of_frame,
)
from skact.visualization.hiplot_title import STYLE, title_of

# The policy allows scripts of the page and eval, and no address outside the page.
# HiPlot cuts words off at the edges, shrinks the last label, and scrolls the whole page
# with the table; the styles undo this. A plot with many axes is wider than the window,
# so that no word lies over the ticks of the next axis.
_HEAD = """<head>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:;
script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; font-src data:"/>
<style>
html { overflow-y: scroll }
div:has(> div > .pplot-root) { margin: 0 80px 0 LEFTpx; min-width: WIDTHpx }
div:has(> .pplot-root) { box-sizing: content-box !important; padding-bottom: 8px }
.pplot-root svg { overflow: visible !important }
.pplot-root .label-name { font-size: 15px !important; max-width: 218px;
  overflow: hidden; text-overflow: ellipsis }
.pplot-root .tick text { font-size: TICKpx !important }
.axis_render .tick text { font-size: 12px }
.axis_render .tick text[font-weight="bold"] { font-size: 15px }
.sample-table-container { overflow-x: auto }
.skact-notice { margin: 0; padding: 6px 12px; background: #fff3cd; color: #664d03 }
TITLE</style>"""


# how HiPlot draws curves
_CURVE_OPTIONS: dict[str, Any] = {
    "lines_thickness": 1.5,
    "lines_opacity": 0.8,
    "dots_thickness": 1.5,
    "height": 420,
}
_AXIS_PIXELS, _AROUND = 515, 80  # height of an axis, and room on both sides of all
# pixels of each plot in a notebook; other plots are hidden until the user opens them
_PIXELS = {hiplot.Displays.PARALLEL_PLOT: 650, hiplot.Displays.TABLE: 520}


class Experiment(hiplot.Experiment):
    """A :class:`hiplot.Experiment` whose pages keep their axes and work offline.

    A reload does not mirror the axes, the page loads nothing from other addresses, and
    a notebook shows the page in a sandbox.

    Examples
    --------
    >>> results = {"mean_test_score": [0.9, 0.8], "rank_test_score": [1, 2]}
    >>> isinstance(to_hiplot(results), hiplot.Experiment)
    True
    >>> page = to_hiplot(results).to_html()  # or .to_html("search.html"), or .display()
    """

    notice = ""  # a sentence above the plots
    title = ""  # HTML above the plots: what lines are, what colours mean
    n_pixels = 0  # of the longest word on the left; the page makes room
    width = 0  # pixels that the axes and their words need
    n_words = 0  # on the axis with the most words

    def to_html(self, file: Any = None, **opts: Any) -> str | None:  # type: ignore[override]
        """Write the page to a path or open file; without one, return it.

        The page needs no other file. It has more than a megabyte, so with a path
        `to_html` returns None, and a notebook does not show the text.
        """
        # with its state in the address, a page would mirror its axes on reload
        opts.setdefault("persistentState", None)
        with warnings.catch_warnings():
            # HiPlot does not close the file of the icon that it embeds
            warnings.filterwarnings("ignore", "unclosed file", ResourceWarning)
            page = super().to_html(None, **opts).replace("<head>", self._head(), 1)
        above = self.title
        if self.notice:
            above += f'<p class="skact-notice">{html.escape(self.notice)}</p>'
        if above:
            page = re.sub("<body[^>]*>", lambda tag: tag[0] + above, page, count=1)
        if file is None:
            return page
        if isinstance(file, str | Path):
            Path(file).write_text(page, encoding="utf-8")
        else:
            file.write(page)
        return None

    def _head(self) -> str:
        """Return the policy and the styles that suit the words of this page."""
        sizes = {
            "LEFT": max(70, self.n_pixels - 25),
            "WIDTH": self.width,
            "TICK": max(6, min(13, _AXIS_PIXELS // max(self.n_words, 1))),
            "TITLE": STYLE,
        }
        return re.sub("|".join(sizes), lambda name: str(sizes[name[0]]), _HEAD)

    def display(self, **opts: Any) -> None:  # type: ignore[override]
        """Show the page in a notebook; elsewhere use :meth:`to_html`."""
        import IPython.display  # slow, and only notebooks need it

        if not hasattr(IPython.get_ipython(), "kernel"):
            raise RuntimeError(
                "display() needs a notebook. Elsewhere write the page with "
                ".to_html(path) and open it in a browser."
            )
        IPython.display.display(IPython.display.HTML(self._repr_html_(**opts)))

    def _repr_html_(self, **opts: Any) -> str:
        height = sum(_PIXELS.get(display, 0) for display in self.enabledDisplays)
        height += 90 if self.title else 0
        if self.enabledDisplays[0] == hiplot.Displays.XY:
            height += 30 + _CURVE_OPTIONS["height"]
        style = f"width: 100%; height: {height}px; border: 0"
        page = html.escape(self.to_html(**opts) or "")
        frame = f'<iframe sandbox="allow-scripts" style="{style}" srcdoc="{page}">'
        return f"<div>{frame}</iframe></div>"  # IPython warns of a bare iframe


def to_hiplot(
    obj: Any,
    level: str | None = None,
    *,
    color: str | None = None,
    order: str | Iterable[str] = (),
    hide: str | Iterable[str] = (),
    log: str | Iterable[str] = (),
    max_rows: int | None = 20_000,
    max_columns: int | None = 100,
) -> Experiment:
    """Draw a page of results: a line through parameters and scores for each row.

    A row is a row of :func:`~skact.to_frame`. From left to right the axes of a search
    are the parameters, the time, the rank and the mean test score. Columns that do not
    vary, and details, are only in the table below; where there is too little room, also
    results that tell less than others, such as columns of a monitor that go least with
    the last losses. The title says what the colours mean, and which columns these are.
    A page of epochs begins with curves: the loss against the epoch, a curve for each
    fit.

    Parameters
    ----------
    obj : fitted search, study, dict, net, pipeline, log, several of them, or DataFrame
        As for :func:`~skact.to_frame`, or a frame from it, also with other columns or
        without some rows.
    level : {"candidate", "fold", "epoch"}, default=None
        What a line is, as for :func:`~skact.to_frame`; for a frame, its columns decide.
    color : str, default=None
        The column that colours the lines, here and below also by the name that the
        parameter has in the search. None: the mean test score; on a page of epochs, the
        activation if it was searched, otherwise the parameter that separates the curves
        best.
    order : str or iterable of str, default=()
        Columns whose axes come first, from left to right. Also details in `order` have
        an axis. Other axes follow as usual.
    hide : str or iterable of str, default=()
        Further columns without an axis. The table shows them.
    log : str or iterable of str, default=()
        Columns with a logarithmic axis. Positive parameters and times have one anyway
        if they span a factor of 100 or more; losses, ``lr`` and similar parameters of
        10.
    max_rows : int or None, default=20000
        The largest number of rows to show. Of more rows the page shows an even choice,
        and says so. None shows all rows.
    max_columns : int or None, default=100
        The largest number of columns to show. Of more columns the page shows those that
        options name, the rank and the score, then parameters that vary, then results
        that vary, and says so. None shows all columns.

    Returns
    -------
    Experiment
        A :class:`hiplot.Experiment`. A notebook shows it as the last line of a cell, or
        by ``display()``; ``to_html(path)`` writes a page.

    Raises
    ------
    NotFittedError, TypeError, ValueError
        As :func:`~skact.to_frame`; or if an option names a column that does not exist,
        if a logarithmic axis would have to show 0, or if there are no rows.

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
    options = PageOptions(color, order, hide, log, max_rows, max_columns)
    if isinstance(obj, FitLog):
        obj, level = to_frame(obj, level), None
    if isinstance(obj, pd.DataFrame) and not is_cv_results_frame(obj):
        check_level(level)
        schema = schema_of_frame(obj)
        if level not in (None, schema.level):
            raise ValueError(
                f"level={level!r}, but this frame has a row for each {schema.level}: "
                f"give to_hiplot the search or net itself."
            )
        plan = plan_page(scalars_of_frame(obj), obj.index.tolist(), options, schema)
    else:
        table = table_of(obj, level)
        cells = list(table.columns.items())
        plan = plan_page(cells, range(len(cells[0][1])), options, table.schema)
    return _make_experiment(plan)


def _make_experiment(plan: PagePlan) -> Experiment:
    """Build the experiment; the plan sets all that HiPlot would choose itself."""
    types = {k: hiplot.ValueDef(hiplot.ValueType(v)) for k, v in plan.types.items()}
    if plan.colors:
        types[plan.color].colors = plan.colors
    parents = plan.parents or [None] * len(plan.rows)
    points = [
        hiplot.Datapoint(row, uid=uid, from_uid=parent)
        for row, uid, parent in zip(plan.rows, plan.uids, parents, strict=True)
    ]
    experiment = Experiment(points, types, colormap="interpolateViridis")
    experiment.notice, experiment.title = plan.notice, title_of(plan)
    experiment.n_pixels, experiment.n_words = plan.n_pixels, plan.n_words
    experiment.width = _AROUND + plan.spacing * max(len(plan.axes) - 1, 0)
    experiment.colorby = plan.color
    # HiPlot's first axis is the rightmost axis
    experiment.display_data(hiplot.Displays.PARALLEL_PLOT).update(
        order=plan.axes[::-1], hide=plan.hidden, invert=plan.inverted
    )
    experiment.display_data(hiplot.Displays.TABLE).update(
        order=list(plan.types),
        order_by=[list(by) for by in plan.sort],
        hide=["uid", "from_uid"],
    )
    shown = hiplot.Displays
    displays = [shown.PARALLEL_PLOT, shown.XY, shown.DISTRIBUTION, shown.TABLE]
    if not plan.axes:  # an empty plot would crash the whole page
        displays = [shown.TABLE]
    if plan.curves is not None:
        displays = [shown.XY, *(one for one in displays if one != shown.XY)]
        x, y = plan.curves
        experiment.display_data(shown.XY).update(_CURVE_OPTIONS, axis_x=x, axis_y=y)
    experiment.enabledDisplays = displays
    return experiment

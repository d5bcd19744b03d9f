"""Frames of search results as HiPlot pages that are right, safe and offline.

HiPlot 0.1.33 is frozen and full of traps: only this module knows them, and imports it.
What a page shows is decided first, as plain values; HiPlot's objects come second.
"""

import html
import itertools
import math
import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hiplot
import pandas as pd

from skact.frames import RESULT_NAME, Scalar, name_values, to_frame

# Pages look words up in plain JavaScript objects, which know these from birth, and take
# some for missing numbers. Such words get a mark that nobody sees.
_JAVASCRIPT = re.compile(
    "__proto__|constructor|hasOwnProperty|isPrototypeOf|propertyIsEnumerable|valueOf|"
    "to(Locale)?String|__(define|lookup)[GS]etter__|-?inf|-?Infinity|NaN|null|undefined"
)
_NO_WIDTH = "\u200b\u200c"
_OWN = ("uid", "from_uid")  # columns that HiPlot adds
_RATES = {"lr", "learning_rate", "weight_decay", "alpha", "C", "gamma"}  # tried by tens
_MAX_CATEGORIES = 80  # on one axis: HiPlot would hide it if it had more
_LABEL_ROOM = 15  # letters that fit between the page's edge and the first axis
# A page needs its own scripts, eval, and nothing from anywhere else. HiPlot cuts words
# off at the edges, shrinks the last label, and scrolls the whole page with the table.
_HEAD = """<head>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:;
script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; font-src data:"/>
<style>
html { overflow-y: scroll }
div:has(> div > .pplot-root) { margin: 0 80px 0 70px }
div:has(> .pplot-root) { box-sizing: content-box !important; padding-bottom: 8px }
.pplot-root svg { overflow: visible !important }
.pplot-root .label-name { font-size: 15px !important }
.sample-table-container { overflow-x: auto }
</style>"""


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
            page = super().to_html(None, **opts).replace("<head>", _HEAD, 1)
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
        height = 1170 if self.enabledDisplays != [hiplot.Displays.TABLE] else 600
        style = f"width: 100%; height: {height}px; border: 0"
        page = html.escape(self.to_html(**opts) or "")
        frame = f'<iframe sandbox="allow-scripts" style="{style}" srcdoc="{page}">'
        return f"<div>{frame}</iframe></div>"  # IPython warns of HTML that is an iframe


def to_hiplot(
    search: Any,
    *,
    color: str | None = None,
    hide: str | Iterable[str] = (),
    log: str | Iterable[str] | None = None,
) -> Experiment:
    """Draw a search: a line through its parameters and scores for each candidate.

    From left to right the axes are the parameters, the time, the rank and the mean test
    score; what does not vary, or is a detail, is only in the table below.

    Parameters
    ----------
    search : fitted search, dict or DataFrame
        A search or a ``cv_results_`` dict as in :func:`~skact.frames.to_frame`, or a
        frame that it has made, perhaps with columns of yours or without some rows.
    color : str, default=None
        The column that colours the lines; None for the mean test score.
    hide : str or iterable of str, default=()
        Further columns without an axis. The table keeps them.
    log : str or iterable of str, default=None
        Columns with a logarithmic axis, besides those parameters and times that are
        positive and span a factor of 100 or more (10 for ``lr`` and its like).

    Returns
    -------
    Experiment
        Its ``display()`` shows it in a notebook, its ``to_html(path)`` writes a page.

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
    frame = search if isinstance(search, pd.DataFrame) else to_frame(search)
    return _experiment(plot_info(frame, color, hide, log))


@dataclass(frozen=True)
class PlotInfo:
    """What a page shows."""

    rows: list[dict[str, Scalar]]  # one a candidate; what is missing has no key
    uids: list[str]  # one a row, all different
    types: dict[str, str]  # all columns in the table's order -> their hiplot.ValueType
    axes: list[str]  # the columns drawn, from left to right; none: only a table
    hidden: list[str]  # the columns not drawn
    inverted: list[str]  # the axes with small values on top
    color: str  # the column that colours the lines
    sort: list[tuple[str, str]]  # the columns that order the table, and "asc" or "desc"


@dataclass(frozen=True)
class _Column:
    label: str  # in the frame
    name: str  # on the page
    cells: list[Any]  # numbers, or words; None: missing
    type: str

    @property
    def values(self) -> set[Any]:
        return set(self.cells) - {None}


def plot_info(frame: pd.DataFrame, color: Any, hide: Any, log: Any) -> PlotInfo:
    """Decide what a page shows of a frame; the options are those of to_hiplot."""
    if not len(frame):
        raise ValueError("search must have at least one candidate; got an empty frame.")
    labels = [str(label) for label in frame.columns]
    options = {"color": color, "hide": hide, "log": log}
    for option, wanted in options.items():
        given = [] if wanted is None else [wanted]
        options[option] = list(wanted) if pd.api.types.is_list_like(wanted) else given
        for label in set(options[option]).difference(labels):
            raise ValueError(f"{option} must name some of {labels!r}; got {label!r}.")
    names = _words((" ".join(label.split()) for label in labels), reserved=_OWN)
    columns = [
        _column(label, name, frame.iloc[:, i], log=label in options["log"])
        for i, (label, name) in enumerate(zip(labels, names, strict=True))
    ]
    ranks = [column for column in columns if column.label.startswith("rank_test_")]
    scores = [column for column in columns if column.label.startswith("mean_test_")]
    if ranks:  # the metric that ranks the candidates comes first
        scores.sort(key=lambda score: score.label[4:] != ranks[0].label[4:])
    axes = _axes([c for c in columns if c.label not in options["hide"]], scores)
    drawn = [axis.name for axis in axes]
    colors = [c for c in columns if c.label in options["color"]]
    colors += scores[:1] + axes[::-1] + columns  # the next best thing with values
    rounds = [c for c in columns if c.label == "iter" and "n_resources" in labels]
    return PlotInfo(
        rows=[
            {c.name: c.cells[i] for c in columns if c.cells[i] is not None}
            for i in range(len(frame))
        ],
        uids=_words(map(str, frame.index)),
        types={column.name: column.type for column in columns},
        axes=drawn,
        hidden=[*_OWN, *(name for name in names if name not in drawn)],
        inverted=[axis.name for axis in axes if axis in ranks],
        color=next((column.name for column in colors if column.values), ""),
        sort=[(c.name, "desc") for c in rounds if c.values]
        + [(c.name, "asc") for c in ranks[:1] if c.values],
    )


def _words(texts: Iterable[str], reserved: Sequence[str] = ()) -> list[str]:
    """Make words that a page can hold: all different, and none of them markup."""
    words: dict[str, None] = {}
    for text in texts:
        word = text.replace("<", "\u2039").replace(">", "\u203a") or "(empty)"
        if _JAVASCRIPT.fullmatch(word) or word in reserved:
            word += _NO_WIDTH[0]
        tries = (word if n == 1 else f"{word} #{n}" for n in itertools.count(1))
        words[next(word for word in tries if word not in words)] = None
    return list(words)


def _column(label: str, name: str, series: pd.Series, *, log: bool) -> _Column:
    """Convert a column to what a page can show, numbers or words, and type it."""
    gaps = series.isna()
    named = iter(name_values(series[~gaps].tolist()))
    shown: list[Any] = [None if gap else next(named) for gap in gaps]
    shown = [float(f"{v:.6g}") if isinstance(v, float) else v for v in shown]
    is_result = RESULT_NAME.fullmatch(label) is not None
    if is_result:  # an infinite score would be drawn above the best one
        shown = [None if v in (math.inf, -math.inf) else v for v in shown]
    values = {(type(v), v) for v in shown if v is not None}
    numeric = all(kind in (int, float) and abs(v) < 1e308 for kind, v in values)
    numbers = sorted(v for _, v in values) if numeric else []
    positive = min(numbers, default=0) > 0
    if log and not positive:
        some = sorted(str(v) for _, v in values)[:5]
        raise ValueError(f"log needs positive numbers; got {label!r} of {some!r}.")
    if not numeric:
        words = _in_order(values)
        shown = [None if v is None else words[type(v), v] for v in shown]
        return _Column(label, name, shown, "categorical")
    if positive and (label.endswith("_time") or not is_result):
        log = log or numbers[-1] >= (10 if label in _RATES else 100) * numbers[0]
    return _Column(label, name, shown, "numericlog" if log else "numeric")


def _in_order(values: Iterable[tuple[type, Any]]) -> dict[tuple[type, Any], str]:
    """Name values so that the page, which sorts words by letters, keeps their order."""
    ordered = sorted(values, key=_natural)
    words = _words(str(value) for _, value in ordered)
    if words != sorted(words):
        # Before each word its place, in ten characters that have no width.
        digits = str.maketrans("01", _NO_WIDTH)
        words = [f"{i:010b}".translate(digits) + word for i, word in enumerate(words)]
    return dict(zip(ordered, words, strict=True))


def _natural(value: tuple[type, Any]) -> tuple[bool, Any]:
    """Put numbers before words, and words in the order of the numbers inside them."""
    if value[0] in (int, float):
        return False, value[1]
    parts = re.split(r"(\d+(?:\.\d+)?)", str(value[1]))
    return True, [float(part) if i % 2 else part for i, part in enumerate(parts)]


def _axes(columns: Iterable[_Column], scores: Sequence[_Column]) -> list[_Column]:
    """Choose the columns to draw, and order them from left to right."""
    score = scores[0].label if scores else ""
    ends = [score.replace("mean", stat, 1) for stat in ("std", "rank", "mean")]
    way = ["mean_fit_time", "mean_train_.+", "mean_test_.+", *map(re.escape, ends)]
    axes = []
    for column in columns:
        places = [i for i, label in enumerate(way) if re.fullmatch(label, column.label)]
        if not RESULT_NAME.fullmatch(column.label):
            places = [-1 if column.type == "categorical" else -2]
        limit = _MAX_CATEGORIES if column.type == "categorical" else math.inf
        if places and 1 < len(column.values) <= limit:
            axes.append((places[-1], column))
    ordered = [column for _, column in sorted(axes, key=lambda axis: axis[0])]
    # The page cuts off long words on the left; the score stays on the right.
    for lead in ordered[:-1]:
        width = max(len(str(value).strip(_NO_WIDTH)) for value in lead.values)
        if lead.type != "categorical" or width <= _LABEL_ROOM:
            return [lead, *(column for column in ordered if column is not lead)]
    return ordered


def _experiment(info: PlotInfo) -> Experiment:
    """Hand all decisions to HiPlot, which is to take none itself."""
    types = {k: hiplot.ValueDef(hiplot.ValueType(v)) for k, v in info.types.items()}
    rows = zip(info.uids, info.rows, strict=True)
    points = [hiplot.Datapoint(dict(row), uid=uid) for uid, row in rows]
    experiment = Experiment(points, types, colormap="interpolateViridis")
    experiment.colorby = info.color
    # HiPlot's first axis is the rightmost.
    experiment.display_data(hiplot.Displays.PARALLEL_PLOT).update(
        order=info.axes[::-1], hide=info.hidden, invert=info.inverted
    )
    experiment.display_data(hiplot.Displays.TABLE).update(
        order=list(info.types), order_by=[list(by) for by in info.sort], hide=list(_OWN)
    )
    if not info.axes:  # the whole page would crash over an empty plot
        experiment.enabledDisplays = [hiplot.Displays.TABLE]
    return experiment

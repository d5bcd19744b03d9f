"""HiPlot's objects hold what was planned, and pages are safe and offline."""

import html.parser
import io
import json
import re
import types
import warnings
from pathlib import Path
from typing import Any

import hiplot
import hypothesis
import hypothesis.strategies as st
import IPython
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from skorch.dataset import ValidSplit

from skact import ActMLP, fused
from skact.results.frames import to_frame
from skact.results.schema import schema_of
from skact.visualization.hiplot_experiment import Experiment, to_hiplot
from skact.visualization.hiplot_page import (
    PageOptions,
    PagePlan,
    plan_page,
    scalars_of_frame,
)

X, y = load_iris(return_X_y=True)
HOSTILE = [
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "<!--<script>",
    "&lt;img src=x onerror=alert(1)&gt;",
    "__proto__",
    "constructor",
    "toString",
    "hasOwnProperty",
    "uid",
    "from_uid",
    "\"'`\\",
    "\u2028",
    "\x00",
    "NaN",
    "-inf",
    "null",
    "",
]
X32 = X.astype(np.float32)
TREE = DecisionTreeClassifier(random_state=0)
DEPTHS = {"max_depth": [1, 2, 3]}


def results_of(**columns: Any) -> dict[str, Any]:
    """Results whose candidates get worse from first to last."""
    n_candidates = len(next(iter(columns.values())))
    scores = np.linspace(0.9, 0.5, n_candidates)
    params = {
        name
        if re.match("mean_|std_|rank_|split|iter|n_res", name)
        else f"param_{name}": values
        for name, values in columns.items()
    }
    return {
        "mean_test_score": scores,
        "rank_test_score": np.arange(1, n_candidates + 1),
        **params,
    }


def plan_of(results: Any, level: str | None = None, **options: Any) -> PagePlan:
    frame = results if isinstance(results, pd.DataFrame) else to_frame(results, level)
    index = frame.index.tolist()
    return plan_page(
        scalars_of_frame(frame), index, PageOptions(**options), schema_of(frame.columns)
    )


def masked(*values: Any) -> Any:
    """A column as scikit-learn makes it; an Ellipsis stands for what is masked."""
    column = np.ma.MaskedArray(np.empty(len(values), dtype=object), mask=True)
    for i, value in enumerate(values):
        if value is not ...:
            column[i] = value
    return column


scalars = st.one_of(
    st.sampled_from([*HOSTILE, ...]),
    st.text(max_size=5),
    st.floats(),
    st.integers(),
    st.booleans(),
    st.none(),
    st.builds(complex),
)


@st.composite
def hostile_results(draw: Any) -> dict[str, Any]:
    n_candidates = draw(st.integers(1, 4))
    size = {"min_size": n_candidates, "max_size": n_candidates}
    names = st.sampled_from(HOSTILE) | st.text(max_size=5)
    params = draw(st.dictionaries(names, st.lists(scalars, **size), max_size=4))
    results = {f"param_{name}": masked(*values) for name, values in params.items()}
    metric = draw(names)
    for key in [f"mean_test_{metric}", f"split0_test_{metric}", "mean_fit_time"]:
        results[key] = np.array(draw(st.lists(st.floats(), **size)))
    results[f"rank_test_{metric}"] = draw(st.lists(st.integers(1, 9), **size))
    return results


class Net:
    """What a net looks like from outside."""

    history: Any = None

    def __init__(self, history: list[dict[str, Any]]):
        self.history_ = history


histories = st.lists(
    st.dictionaries(
        st.sampled_from([*HOSTILE, "train_loss", "valid_loss", "dur", "batches"])
        | st.text(max_size=5),
        scalars.filter(lambda value: value is not ...),
        max_size=4,
    ),
    min_size=1,
    max_size=4,
)


class Tags(html.parser.HTMLParser):
    """The tags of a page, with their attributes."""

    def __init__(self, page: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))


def without_id(page: str) -> str:
    """A page without the random id that HiPlot gives each."""
    return re.sub(r"hiplot_[0-9a-f]{32}", "", page)


def grid(estimator: Any, parameters: Any, **options: Any) -> GridSearchCV:
    return GridSearchCV(estimator, parameters, cv=3, **options).fit(X32, y)


def nets(**parameters: Any) -> Any:
    net = ActMLP(max_epochs=2, batch_size=50, random_state=0)
    return make_pipeline(StandardScaler(), net.set_params(**parameters))


@pytest.fixture(scope="module")
def net_grid() -> GridSearchCV:
    parameters = {"actmlp__activation": ["relu", "tanh"], "actmlp__lr": [0.1, 0.01]}
    with fused():
        return grid(nets(), parameters)


def fitted_net(**parameters: Any) -> ActMLP:
    split = ValidSplit(0.2, stratified=True, random_state=0)
    net = ActMLP(max_epochs=3, random_state=0, train_split=split)
    return net.set_params(**parameters).fit(X32, y)


def test_a_search_its_results_and_its_frame_give_one_picture() -> None:
    pipe = make_pipeline(StandardScaler(), SVC())
    search = GridSearchCV(pipe, {"svc__C": [0.1, 1.0], "svc__kernel": ["rbf", "poly"]})
    search.fit(X, y)
    pages = [
        to_hiplot(source)._asdict()
        for source in (search, search.cv_results_, to_frame(search))
    ]
    assert json.dumps(pages[0]) == json.dumps(pages[1]) == json.dumps(pages[2])


@pytest.mark.parametrize(
    ("results", "hide"),
    [
        (results_of(lr=[0.1], a=["x"]), ()),
        (
            results_of(lr=[0.1] * 3)
            | {"mean_test_score": [1] * 3, "rank_test_score": [1] * 3},
            (),
        ),
        (results_of(lr=[0.1, 0.2]), ["lr", "mean_test_score", "rank_test_score"]),
    ],
    ids=["one candidate", "nothing varies", "all hidden"],
)
def test_without_an_axis_there_is_only_a_table(results: Any, hide: Any) -> None:
    assert plan_of(results, hide=hide).axes == []
    experiment = to_hiplot(results, hide=hide).validate()
    assert experiment.enabledDisplays == [hiplot.Displays.TABLE]


@pytest.mark.filterwarnings("ignore:The columns .* contradict the mean scores")
@hypothesis.given(hostile_results())
@hypothesis.settings(deadline=None)
def test_whatever_is_searched_the_page_gets_plain_json_without_markup(
    results: Any,
) -> None:
    for obj in (results, {"<a>": results, "b": results}):
        for level in ("candidate", "fold"):
            experiment = to_hiplot(obj, level).validate()
            text = json.dumps(experiment._asdict(), allow_nan=False)
            assert "<" not in text
            assert ">" not in text
    plan = plan_of(results)
    assert len(set(plan.uids)) == len(plan.rows) == len(results["mean_fit_time"])
    assert len(plan.types) == len(to_frame(results).columns)
    for axis in plan.axes:
        assert len({row[axis] for row in plan.rows if axis in row}) > 1
    for row in plan.rows:
        for name, value in row.items():
            numeric = plan.types[name] != "categorical"
            assert type(value) in ((int, float) if numeric else (str,))


@hypothesis.given(st.lists(histories, min_size=1, max_size=3))
@hypothesis.settings(deadline=None)
def test_whatever_is_in_a_history_the_page_gets_plain_json_without_markup(
    found: list[list[dict[str, Any]]],
) -> None:
    nets = [
        Net([{**row, "epoch": i + 1} for i, row in enumerate(history)])
        for history in found
    ]
    for obj in (nets, nets[0]):
        experiment = to_hiplot(obj).validate()
        text = json.dumps(experiment._asdict(), allow_nan=False)
        assert "<" not in text
        assert len(experiment.datapoints) == len(to_frame(obj))


def test_only_searches_and_frames_are_drawn() -> None:
    with pytest.raises(NotFittedError, match="This GridSearchCV is not fitted yet"):
        to_hiplot(GridSearchCV(SVC(), {"C": [1.0]}))
    with pytest.raises(TypeError, match=r"obj must be .*; got '\[\]' of type list"):
        to_hiplot([])


def test_hiplot_gets_every_decision() -> None:
    results = results_of(lr=[0.001, 0.1], a=["x", "y"], mean_fit_time=[1.0, 2.0])
    experiment = to_hiplot(results)
    plan = plan_of(results)
    assert isinstance(experiment.validate(), Experiment)
    assert isinstance(experiment, hiplot.Experiment)
    assert [point.values for point in experiment.datapoints] == plan.rows
    assert [point.uid for point in experiment.datapoints] == plan.uids
    for name, definition in experiment.parameters_definition.items():
        definition.validate()
        assert definition.type == hiplot.ValueType(plan.types[name])
    assert experiment.colorby == plan.color == "mean_test_score"
    assert experiment.colormap == "interpolateViridis"
    assert experiment._asdict()["display_data"] == {
        "PARALLEL_PLOT": {
            "order": plan.axes[::-1],
            "hide": plan.hidden,
            "invert": plan.inverted,
        },
        "TABLE": {
            "order": list(plan.types),
            "order_by": [["rank_test_score", "asc"]],
            "hide": ["uid", "from_uid"],
        },
    }


def test_a_page_keeps_its_axes_and_loads_nothing(tmp_path: Path) -> None:
    page = to_hiplot(results_of(lr=[0.1, 0.2])).to_html()
    assert r"\"persistentState\": null" in page
    tags = Tags(page).tags
    policies = [tag for tag in tags if "http-equiv" in tag[1]]
    assert "default-src 'none'" in str(policies[0][1]["content"])
    for tag, attributes in tags:
        assert tag != "script" or "src" not in attributes
        assert tag != "link" or str(attributes["href"]).startswith("data:")


def test_a_page_goes_to_a_path_or_an_open_file_and_is_returned_otherwise(
    tmp_path: Path,
) -> None:
    experiment = to_hiplot(results_of(a=["ä", "\u2028"]))
    page = without_id(experiment.to_html())
    for path in (tmp_path / "a.html", str(tmp_path / "b.html")):
        experiment.to_html(path)
        assert without_id(Path(path).read_text(encoding="utf-8")) == page
    file = io.StringIO()
    assert experiment.to_html(file) is None  # or a cell would show a megabyte
    assert without_id(file.getvalue()) == page
    assert r"\"dark\": true" in experiment.to_html(dark=True)


def test_a_page_is_made_without_warnings() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        to_hiplot(results_of(lr=[0.1, 0.2])).to_html()
    assert caught == []


def test_a_notebook_shows_a_page_in_a_sandbox_that_it_cannot_leave() -> None:
    experiment = to_hiplot(results_of(lr=[0.1, 0.2]))
    div, frame = Tags(experiment._repr_html_()).tags
    assert div == ("div", {})
    assert frame[1]["sandbox"] == "allow-scripts"
    assert without_id(str(frame[1]["srcdoc"])) == without_id(experiment.to_html())


def test_display_needs_a_notebook_and_says_what_to_do_without() -> None:
    message = (
        "display() needs a notebook. Elsewhere write the page with .to_html(path) and "
        "open it in a browser."
    )
    with pytest.raises(RuntimeError, match=re.escape(message)):
        to_hiplot(results_of(lr=[0.1, 0.2])).display()


def test_display_shows_the_same_frame_in_a_notebook(monkeypatch: Any) -> None:
    cells: list[Any] = []
    shell = types.SimpleNamespace(kernel=None)
    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)
    monkeypatch.setattr(IPython.display, "display", cells.append)
    experiment = to_hiplot(results_of(lr=[0.1, 0.2]))
    assert experiment.display(dark=True) is None  # type: ignore[func-returns-value]
    (cell,) = cells
    assert without_id(cell.data) == without_id(experiment._repr_html_(dark=True))


def test_the_frame_of_each_level_gives_the_page_of_its_source(net_grid: Any) -> None:
    for source, level in [
        (net_grid, "candidate"),
        (net_grid, "fold"),
        (fitted_net(), "epoch"),
    ]:
        page = json.dumps(to_hiplot(source, level)._asdict())
        assert json.dumps(to_hiplot(to_frame(source, level))._asdict()) == page


def test_the_level_of_a_frame_is_what_its_rows_are() -> None:
    frame = to_frame(grid(TREE, DEPTHS))
    message = "level='fold', but this frame has a row for each candidate"
    with pytest.raises(ValueError, match=message):
        to_hiplot(frame, "fold")
    assert len(to_hiplot(frame, "candidate").datapoints) == 3

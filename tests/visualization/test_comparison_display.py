"""A critical-difference diagram joins values that do not differ."""

import itertools
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import stats
from sklearn.datasets import make_moons
from sklearn.model_selection import GridSearchCV, RepeatedStratifiedKFold
from sklearn.svm import SVC

from skact import ComparisonDisplay, compare


def results(scores: dict[Any, Any], **more: Any) -> dict[str, Any]:
    """Make the cv_results_ of candidates, by activation: (candidates, folds)."""
    rows = [(name, row) for name, of in scores.items() for row in np.atleast_2d(of)]
    table = np.array([row for _, row in rows], dtype=float)
    means = table.mean(axis=1)
    found = {
        "params": [{}] * len(rows),
        "param_activation": [name for name, _ in rows],
        "mean_test_score": means,
        "rank_test_score": stats.rankdata(-np.nan_to_num(means), "min").astype(int),
    }
    found |= {f"split{k}_test_score": table[:, k] for k in range(table.shape[1])}
    return found | {f"param_{name}": values for name, values in more.items()}


@pytest.fixture(scope="module")
def moons() -> Any:
    """The search of scikit-learn's example 'Statistical comparison of models'."""
    data, target = make_moons(noise=0.352, random_state=1, n_samples=100)
    grid = [
        {"kernel": ["linear"]},
        {"kernel": ["poly"], "degree": [2, 3]},
        {"kernel": ["rbf"]},
    ]
    cv = RepeatedStratifiedKFold(n_splits=10, n_repeats=10, random_state=0)
    search = GridSearchCV(SVC(random_state=0), grid, scoring="roc_auc", cv=cv)
    return search.fit(data, target)


@pytest.fixture
def _no_screen() -> Any:
    with mpl.rc_context({"backend": "Agg"}):
        yield
        plt.close("all")


@pytest.mark.usefixtures("_no_screen")
def test_bars_join_what_cannot_be_told_apart(moons: Any) -> None:
    found = compare(moons, ["kernel", "degree"])
    display = ComparisonDisplay.from_comparison(found)
    assert display.groups_ == [["poly, degree=3", "linear", "rbf"]]
    (bar,) = display.bars_
    ends = bar.get_xdata()
    means = found.means
    assert ends[0] <= means["poly, degree=3"] < means["rbf"] <= ends[1]
    assert ends[0] > means["poly, degree=2"]
    texts = [text.get_text() for text in display.ax_.texts]
    assert any("poly, degree=2" in text and "0.6852" in text for text in texts)
    assert display.ax_.get_xlabel() == "mean score of 100 folds"


@pytest.mark.usefixtures("_no_screen")
def test_no_bar_joins_a_pair_that_differs() -> None:
    rng = np.random.default_rng(0)
    common = rng.normal(0.9, 0.02, size=20)
    table = results(
        {f"f{i}": common - 0.004 * i + rng.normal(0, 0.004, 20) for i in range(7)}
    )
    found = compare(table)
    display = ComparisonDisplay.from_search(table)
    apart = {
        frozenset((row.a, row.b))
        for row in found.frame.itertuples()
        if row.p_holm < 0.05
    }
    assert apart
    assert len(display.groups_) >= 2
    joined = set()
    for group in display.groups_:
        pairs = {frozenset((a, b)) for a in group for b in group if a != b}
        assert not pairs & apart
        joined |= pairs
    # neighbours that do not differ are joined
    order = list(found.means.index)
    for a, b in itertools.pairwise(order):
        assert (frozenset((a, b)) in joined) != (frozenset((a, b)) in apart)


@pytest.mark.usefixtures("_no_screen")
def test_the_diagram_goes_where_it_is_told(moons: Any) -> None:
    figure, ax = plt.subplots()
    display = ComparisonDisplay.from_search(moons, ["kernel", "degree"], ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert display.plot() is display
    assert display.ax_ is not ax


def test_a_hostile_name_is_no_markup_and_no_mathematics() -> None:
    name = "<script>alert('$x$')</script>"
    found = compare(results({name: [0.9, 0.8, 0.7], "$\\broken{": [0.5, 0.5, 0.6]}))
    assert "<script>" not in found._repr_html_()
    with mpl.rc_context({"backend": "Agg"}):
        display = ComparisonDisplay.from_comparison(found)
        display.figure_.canvas.draw()
        plt.close("all")

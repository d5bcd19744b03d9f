"""A critical-difference diagram joins values that do not differ."""

import itertools
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from skact import ComparisonDisplay, compare


def test_bars_join_what_cannot_be_told_apart(moons: Any) -> None:
    found = compare(moons, ["kernel", "degree"])
    display = ComparisonDisplay.from_comparison(found)
    assert display.groups_ == [["poly, degree=3", "linear", "rbf"]]
    (bar,) = display.bars_
    ends = bar.get_xdata()
    means = found.means
    names = ["poly, degree=3", "linear", "rbf"]
    assert list(ends) == [means[name] for name in names]
    texts = [text.get_text() for text in display.ax_.texts]
    assert any("poly, degree=2" in text and "0.6852" in text for text in texts)
    assert display.ax_.get_xlabel() == "mean roc_auc of 100 folds"


def test_no_bar_joins_a_pair_that_differs(results: Any) -> None:
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
        if row.verdict == "a better"
    }
    assert apart
    assert len(display.groups_) >= 2
    joined = set()
    for group in display.groups_:
        pairs = {frozenset((a, b)) for a in group for b in group if a != b}
        assert not pairs & apart
        joined |= pairs
    for a, b in itertools.combinations(found.means.index, 2):
        assert (frozenset((a, b)) in joined) != (frozenset((a, b)) in apart)


def test_values_are_joined_past_a_value_that_differs(results: Any) -> None:
    """Runs of neighbours parted what the verdict could not part."""
    rng = np.random.default_rng(3)
    common = rng.normal(0.9, 0.02, 10)
    noise = [0.003, 0.02, 0.003, 0.003, 0.03, 0.003, 0.003]
    scores = {
        f"f{i}": common - 0.006 * i + rng.normal(0, noise[i], 10) for i in range(7)
    }
    display = ComparisonDisplay.from_search(results(scores))
    assert ["f4", "f0", "f1"] in display.groups_
    order = list(display.comparison.means.index[::-1])
    assert order.index("f1") - order.index("f4") > 2
    for bar, group in zip(display.bars_, display.groups_, strict=True):
        assert [order[i] for i in sorted(map(order.index, group))] == group
        means = display.comparison.means[group]
        assert bar.get_xdata().tolist() == means.tolist()


def test_a_difference_within_the_rope_parts_nothing(results: Any) -> None:
    """The verdict called them equivalent, the diagram parted them."""
    rng = np.random.default_rng(0)
    common = rng.normal(0.9, 0.02, 20)
    found = compare(
        results({"a": common, "b": common - 0.005 + rng.normal(0, 0.0005, 20)})
    )
    assert found.frame["p_holm"][0] < 0.05
    assert found.frame["verdict"][0] == "equivalent"
    assert ComparisonDisplay.from_comparison(found).groups_ == [["b", "a"]]


def test_the_diagram_goes_where_it_is_told(moons: Any) -> None:
    figure, ax = plt.subplots()
    display = ComparisonDisplay.from_search(moons, ["kernel", "degree"], ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert display.plot() is display
    assert display.ax_ is not ax


def test_a_hostile_name_is_no_markup_and_no_mathematics(results: Any) -> None:
    name = "<script>alert('$x$')</script>"
    found = compare(results({name: [0.9, 0.8, 0.7], "$\\broken{": [0.5, 0.5, 0.6]}))
    assert "<script>" not in found._repr_html_()
    ComparisonDisplay.from_comparison(found).figure_.canvas.draw()

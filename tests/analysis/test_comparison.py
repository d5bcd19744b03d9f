"""`compare` tells real differences from chance, and says what it cannot tell."""

import itertools
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.datasets import load_iris, make_moons
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    HalvingGridSearchCV,
    KFold,
    LeaveOneOut,
    PredefinedSplit,
    RepeatedKFold,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedShuffleSplit,
    TimeSeriesSplit,
)
from sklearn.svm import SVC

from skact import (
    ActMLP,
    ComparisonDisplay,
    compare,
    load_results,
    save_results,
    to_frame,
)
from skact.analysis.comparison import _test_ratio
from skact.analysis.paired_tests import holm, paired_test

X, y = load_iris(return_X_y=True)


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


# ------------------------------------------------------------- published examples


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


def test_the_published_example_comes_out_to_its_printed_digits(moons: Any) -> None:
    """https://scikit-learn.org/stable/auto_examples/model_selection/
    plot_grid_search_stats.html; its p-values are one-sided, and times 6."""
    found = compare(moons, ["kernel", "degree"], rope=0.01)
    assert found.test_ratio == pytest.approx(10 / 90)
    printed = {
        ("rbf", "linear"): (0.750, 1.000, 0.068, 0.500, 0.432),
        ("rbf", "poly, degree=3"): (1.657, 0.302, 0.018, 0.882, 0.100),
        ("rbf", "poly, degree=2"): (4.565, 0.000, 0.000, 1.000, 0.000),
        ("linear", "poly, degree=3"): (1.111, 0.807, 0.063, 0.750, 0.187),
        ("linear", "poly, degree=2"): (4.276, 0.000, 0.000, 1.000, 0.000),
        ("poly, degree=3", "poly, degree=2"): (3.851, 0.001, 0.000, 1.000, 0.000),
    }
    assert len(found.frame) == len(printed)
    for row in found.frame.itertuples():
        bonferroni = min(1, row.p / 2 * 6)
        ours = (row.t, bonferroni, row.b_better, row.a_better, row.equivalent)
        assert np.round(ours, 3).tolist() == list(printed[row.a, row.b])
    first = found.frame.iloc[0]
    assert round(first["p"] / 2, 3) == 0.227
    assert np.round([first["low"], first["high"]], 6).tolist() == [-0.016445, 0.036445]


def test_the_verdict_on_it_is_the_published_one(moons: Any) -> None:
    found = compare(moons, ["kernel", "degree"])
    verdicts = found.frame["verdict"].tolist()
    assert verdicts == ["undecided"] * 2 + ["a better", "undecided"] + ["a better"] * 2
    assert "rbf scores best: 0.94 (score, mean of 100 folds)" in found.verdict
    assert "poly, degree=2 (by 0.2548, p < .001) is worse" in found.verdict
    assert "neither shown to be worse nor to be equivalent" in found.verdict


def test_holm_s_method_on_the_usual_example() -> None:
    """https://en.wikipedia.org/wiki/Holm-Bonferroni_method: H4 and H1 are rejected."""
    adjusted = holm([0.01, 0.04, 0.03, 0.005])
    assert np.allclose(adjusted, [0.03, 0.06, 0.06, 0.02])
    assert (adjusted < 0.05).tolist() == [True, False, False, True]
    assert holm([]).tolist() == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_keeps_the_order_and_lies_between_p_and_bonferroni(p: list[float]) -> None:
    adjusted = holm(p)
    assert (adjusted >= np.array(p)).all()
    assert (adjusted <= np.minimum(1, np.array(p) * len(p)) + 1e-15).all()
    order = np.argsort(p, kind="stable")
    assert (np.diff(adjusted[order]) >= 0).all()


# ------------------------------------------------------------- the tests


@given(
    st.lists(st.floats(-1, 1), min_size=3, max_size=12),
    st.floats(0.01, 1),
    st.floats(0, 0.1),
)
def test_a_paired_test_is_consistent_with_itself(
    d: list[float], ratio: float, rope: float
) -> None:
    test = paired_test(d, ratio, rope)
    back = paired_test([-value for value in d], ratio, rope)
    assert test.above + test.within + test.below == pytest.approx(1)
    assert back.p == pytest.approx(test.p)
    assert back.above == pytest.approx(test.below, abs=1e-9)
    assert test.low <= test.difference <= test.high
    assert 0 <= test.p <= 1


def test_without_correlation_it_is_the_ordinary_t_test() -> None:
    d = [0.1, 0.3, -0.05, 0.2]
    test, usual = paired_test(d, 0.0), stats.ttest_1samp(d, 0)
    assert (test.t, test.p) == pytest.approx((usual.statistic, usual.pvalue))
    interval = usual.confidence_interval(0.95)
    assert (test.low, test.high) == pytest.approx((interval.low, interval.high))


def test_folds_without_any_variance_are_not_divided_by_it() -> None:
    same = paired_test([0.0, 0.0, 0.0], 0.5, rope=0.01)
    assert (same.t, same.p, same.within, same.effect_size) == (0, 1, 1, 0)
    apart = paired_test([0.2, 0.2, 0.2], 0.5, rope=0.01)
    assert (apart.p, apart.above, apart.within) == (0, 1, 0)


def equal_candidates(rng: np.random.Generator, n_values: int, n_cells: int) -> Any:
    """Cross-validate learners of which none is better than another by its making.

    Ridge classifiers that see two of eight equally good columns each: they differ from
    each other in a given data set, but not on the mean of all data sets.
    """
    n, k = 80, 5
    data = rng.normal(size=(n, 8))
    target = np.sign(data.sum(axis=1) + rng.normal(size=n) * 2)
    scores = np.empty((n_values, n_cells, k))
    for value in range(n_values):
        for cell in range(n_cells):
            seen = data[:, rng.choice(8, 2, replace=False)]
            for fold in range(k):
                test = np.arange(n) % k == fold
                A, b = seen[~test], target[~test]
                weights = np.linalg.solve(A.T @ A + np.eye(2), A.T @ b)
                right = np.sign(seen[test] @ weights) == target[test]
                scores[value, cell, fold] = right.mean()
    return scores


@pytest.mark.parametrize(
    ("n_cells", "select"), [(1, "nested"), (3, "nested"), (3, "mean")]
)
def test_equal_candidates_seldom_differ(n_cells: int, select: str) -> None:
    """The rate of false alarms, of any of three pairs, is at most the level.

    300 data sets: where the true rate is .05 more than 23 alarms (.077) have a
    probability under .03, and the seed is fixed.
    """
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(300):
        scores = equal_candidates(rng, 3, n_cells)
        table = results(
            {f"f{i}": scores[i] for i in range(3)}, cell=[*range(n_cells)] * 3
        )
        found = compare(table, select=select, test_ratio=1 / 4)
        alarms += (found.frame["p_holm"] < 0.05).any()
    assert alarms / 300 <= 0.05


def test_the_uncorrected_test_would_raise_too_many_alarms() -> None:
    """So the simulation can tell a wrong test from a right one."""
    rng = np.random.default_rng(0)
    wrong = right = 0
    for _ in range(300):
        a, b = equal_candidates(rng, 2, 1)[:, 0]
        wrong += paired_test(a - b, 0.0).p < 0.05
        right += paired_test(a - b, 1 / 4).p < 0.05
    assert right / 300 <= 0.05 < wrong / 300


def test_choosing_by_the_same_folds_flatters_and_nested_choice_does_not() -> None:
    """One value has one candidate, the other twenty that are no better."""
    rng = np.random.default_rng(1)
    gaps: dict[str, list[float]] = {"nested": [], "best": []}
    for _ in range(200):
        noise = rng.normal(size=(21, 5)) * 0.05
        table = results({"one": noise[:1], "many": noise[1:]}, cell=[0, *range(20)])
        for select, found in gaps.items():
            scores = compare(table, select=select, test_ratio=1 / 4).scores.mean()
            found.append(scores["many"] - scores["one"])
    assert np.mean(gaps["best"]) > 0.03
    error = np.std(gaps["nested"]) / np.sqrt(200)
    assert abs(np.mean(gaps["nested"])) < 3 * error


def test_a_real_difference_is_found_and_equality_too() -> None:
    rng = np.random.default_rng(0)
    common = rng.normal(0.9, 0.03, size=10)
    table = results(
        {
            "good": common,
            "as good": common + rng.normal(0, 0.001, 10),
            "bad": common - 0.05 + rng.normal(0, 0.005, 10),
        }
    )
    found = compare(table, rope=0.01)
    verdicts = found.frame.set_index(["a", "b"])["verdict"]
    assert set(verdicts.loc[["good", "as good"]].tolist()) == {"equivalent", "a better"}
    assert found.scores.columns[-1] == "bad"
    assert "is practically equivalent to it, within 0.01" in found.verdict
    assert "bad (by 0.0" in found.verdict
    assert "p < .001) is worse" in found.verdict


# ------------------------------------------------------------- what is paired


def test_each_value_is_taken_as_select_says() -> None:
    table = results(
        {"a": [[0.9, 0.1, 0.5], [0.6, 0.7, 0.4]], "b": [0.5, 0.5, 0.5]},
        lr=[0.1, 0.01, 0.1],
    )
    scores = {
        select: compare(table, select=select, test_ratio=0.5).scores["a"].tolist()
        for select in ("nested", "best", "mean")
    }
    # fold 0: the others' means are .3 and .55, so the second; fold 1: .7 and .5, the
    # first; fold 2: .5 and .65, the second
    assert scores["nested"] == [0.6, 0.1, 0.4]
    assert scores["best"] == [0.6, 0.7, 0.4]
    assert scores["mean"] == pytest.approx([0.75, 0.4, 0.45])


def test_seeds_are_averaged_before_anything_is_chosen() -> None:
    table = results(
        {"a": [[0.9, 0.7], [0.5, 0.7]], "b": [[0.6, 0.6], [0.6, 0.6]]},
        random_state=[0, 1, 0, 1],
    )
    found = compare(table, test_ratio=0.5)
    assert found.scores["a"].tolist() == pytest.approx([0.7, 0.7])
    chosen = compare(table, average=(), test_ratio=0.5)
    assert chosen.scores["a"].tolist() != pytest.approx([0.7, 0.7])
    assert "Each took, for every fold," in chosen.verdict
    assert "Each took" not in found.verdict


def test_a_search_of_any_estimator_and_all_that_to_frame_takes(tmp_path: Any) -> None:
    search = GridSearchCV(SVC(), {"C": [0.01, 1.0], "kernel": ["rbf", "linear"]}, cv=4)
    search.fit(X, y)
    expected = compare(search, "kernel")
    save_results(search, tmp_path / "saved")
    for other in (
        search.cv_results_,
        load_results(tmp_path / "saved"),
        to_frame(search, "fold"),
    ):
        found = compare(other, "kernel")
        pd.testing.assert_frame_equal(found.frame, expected.frame)
        assert "Taken as 4 folds without repetition" in found.verdict
    assert "Taken as" not in expected.verdict
    by_number = compare(search, "C")
    assert set(by_number.scores.columns) == {"C=0.01", "C=1.0"}
    assert len(compare(search, ["kernel", "C"]).frame) == 6


def test_several_searches_are_compared_by_model() -> None:
    searches = {
        name: GridSearchCV(SVC(kernel=name), {"C": [0.1, 1.0]}, cv=4).fit(X, y)
        for name in ("rbf", "linear")
    }
    assert set(compare(searches, "model").scores.columns) == {"rbf", "linear"}


def test_searches_of_other_folds_are_not_paired() -> None:
    searches = [
        GridSearchCV(SVC(kernel=name), {"C": [0.1, 1.0]}, cv=cv).fit(X, y)
        for name, cv in (("rbf", 3), ("linear", 5))
    ]
    with pytest.raises(ValueError, match=r"the same folds.*'SVC #1': 3"):
        compare(searches, "model")
    same = [searches[0], searches[0]]
    assert "taken to have had the same rows and folds" in compare(same, "model").verdict


def test_a_rope_that_suits_an_accuracy_is_doubted_for_other_scores() -> None:
    table = results(
        {"a": [-3000.0, -2900.0, -3100.0], "b": [-3050.0, -2950.0, -3090.0]}
    )
    assert "rope=0.01 is in units of the score" in compare(table).verdict
    assert "rope=0.01" not in compare(table, rope=100).verdict


def test_names_of_a_pipeline_s_grid_are_known() -> None:
    search = GridSearchCV(SVC(), {"C": [0.1, 1.0]}, cv=3).fit(X, y)
    assert compare(search, "svc__C").by == "C"
    with pytest.raises(ValueError, match="to_frame\\(search, 'fold'\\)"):
        compare(to_frame(search), "C")


def test_a_metric_can_be_named() -> None:
    scoring = ["accuracy", "neg_log_loss"]
    net = ActMLP(max_epochs=3, random_state=0)
    grid = {"activation": ["relu", "tanh"]}
    search = GridSearchCV(net, grid, cv=3, scoring=scoring, refit="neg_log_loss")
    search.fit(X, y)
    assert compare(search).metric == "test_neg_log_loss"
    assert compare(search, metric="accuracy").metric == "test_accuracy"
    with pytest.raises(ValueError, match=r"metric must be one of .* got 'f1'"):
        compare(search, metric="f1")


def test_what_failed_is_left_out_and_said() -> None:
    table = results(
        {"a": [[0.9, np.nan, 0.9], [0.6, 0.7, 0.4]], "b": [0.5, 0.5, 0.5]},
        lr=[0.1, 0.01, 0.1],
    )
    found = compare(table, test_ratio=0.5)
    assert found.scores["a"].tolist() == [0.6, 0.7, 0.4]
    assert "1 candidate failed on some fold and is left out." in found.notes


def test_of_halving_the_last_iteration_counts() -> None:
    search = HalvingGridSearchCV(
        ActMLP(random_state=0),
        {"activation": ["relu", "tanh", "silu", "sigmoid"]},
        resource="max_epochs",
        min_resources=1,
        max_resources=2,
        factor=2,
        cv=3,
    ).fit(X, y)
    found = compare(search)
    last = to_frame(search, "fold")
    last = last[last["iter"] == last["iter"].max()]
    assert set(found.scores.columns) == set(last["activation"])
    assert "only the last iteration" in found.verdict


@pytest.mark.parametrize(
    ("cv", "ratio"),
    [
        (None, 1 / 4),
        (3, 1 / 2),
        (KFold(4), 1 / 3),
        (GroupKFold(4), 1 / 3),
        (RepeatedKFold(n_splits=4, n_repeats=3), 1 / 3),
        (ShuffleSplit(5, test_size=0.25), 1 / 3),
        (ShuffleSplit(5), 1 / 9),
        (StratifiedShuffleSplit(5, train_size=0.5), 1),
        (StratifiedShuffleSplit(5, train_size=0.5, test_size=0.25), 1 / 2),
        (StratifiedShuffleSplit(5, train_size=60, test_size=30), 1 / 2),
        (TimeSeriesSplit(2), 3 / 4),
        (PredefinedSplit([0, 0, 1, 1]), 1),
        ([(np.arange(90), np.arange(90, 120))] * 3, 1 / 3),
    ],
)
def test_the_ratio_of_rows_is_that_of_the_search(cv: Any, ratio: float) -> None:
    search = GridSearchCV(SVC(), {"C": [1.0]}, cv=cv)
    if isinstance(cv, int | type(None)):
        n_folds = cv or 5
    elif isinstance(cv, list):
        n_folds = len(cv)
    else:
        n_folds = cv.get_n_splits(X, y, groups=np.arange(150) % 4)
    notes: list[str] = []
    assert _test_ratio(search, n_folds, notes) == pytest.approx(ratio)
    assert not notes


def test_a_ratio_that_cannot_be_known_is_asked_for() -> None:
    for cv in (ShuffleSplit(3, test_size=30), iter([])):
        search = GridSearchCV(SVC(), {"C": [1.0]}, cv=cv)
        with pytest.raises(ValueError, match="test_ratio is needed"):
            _test_ratio(search, 3, [])
    assert _test_ratio(GridSearchCV(SVC(), {}, cv=LeaveOneOut()), 150, []) == 1 / 149


def test_bad_input_is_named() -> None:
    table = results({"a": [0.9, 0.8], "b": [0.5, 0.5]}, lr=[1, 2])
    with pytest.raises(
        ValueError, match=r"by must name some of \['activation', 'lr'\]"
    ):
        compare(table, "width")
    with pytest.raises(ValueError, match=r"select must be one of .* got 'first'"):
        compare(table, select="first")
    with pytest.raises(ValueError, match="rope must be a finite number >= 0, got -1"):
        compare(table, rope=-1)
    with pytest.raises(ValueError, match=r"alpha must be .* \(0, 1\), got 2"):
        compare(table, alpha=2)
    with pytest.raises(ValueError, match=r"rope must be .* got 'small'"):
        compare(table, rope="small")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"two values at least.*\['a'\]"):
        compare(results({"a": [[0.9, 0.8], [0.5, 0.5]]}, lr=[1, 2]))
    with pytest.raises(ValueError, match="two folds at least; got 1"):
        compare(results({"a": [0.9], "b": [0.8]}))


def test_it_prints_the_verdict_and_the_table() -> None:
    found = compare(results({"a": [0.9, 0.8, 0.7], "b": [0.5, 0.5, 0.6]}))
    assert str(found).startswith(
        "No winner is shown. Of 2 values of activation, a scores best: 0.8"
    )
    assert "p_holm" in str(found)
    assert found.to_frame() is found.frame
    page = found._repr_html_()
    assert page.startswith("<p>No winner is shown. Of 2 values")
    assert "<table" in page


# ------------------------------------------------------------- the diagram


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


def test_many_values_of_many_parameters_take_no_more_room_than_candidates() -> None:
    """A table of all their combinations would have 10**8 rows."""
    rng = np.random.default_rng(0)
    numbers = {name: rng.random(100).tolist() for name in ("a", "b", "c", "d")}
    scores = {f"f{i}": rng.random((50, 4)) for i in range(2)}
    assert len(compare(results(scores, **numbers)).frame) == 1


def test_a_hostile_name_is_no_markup_and_no_mathematics() -> None:
    name = "<script>alert('$x$')</script>"
    found = compare(results({name: [0.9, 0.8, 0.7], "$\\broken{": [0.5, 0.5, 0.6]}))
    assert "<script>" not in found._repr_html_()
    with mpl.rc_context({"backend": "Agg"}):
        display = ComparisonDisplay.from_comparison(found)
        display.figure_.canvas.draw()
        plt.close("all")


def test_searches_with_the_same_splitter_tell_the_ratio() -> None:
    cv = RepeatedKFold(n_splits=4, n_repeats=2, random_state=0)
    searches = {
        name: GridSearchCV(SVC(kernel=name), {"C": [0.1, 1.0]}, cv=cv).fit(X, y)
        for name in ("rbf", "linear")
    }
    found = compare(searches, "model")
    assert found.test_ratio == pytest.approx(1 / 3)
    assert "Taken as" not in found.verdict

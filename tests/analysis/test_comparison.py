"""`compare` tells real differences from chance, and says what it cannot tell."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skact import (
    ActMLP,
    compare,
    load_results,
    save_results,
    to_frame,
    to_hiplot,
)

X, y = load_iris(return_X_y=True)


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


@pytest.mark.once
@pytest.mark.parametrize(
    ("n_cells", "select"), [(1, "nested"), (3, "nested"), (3, "mean")]
)
def test_equal_candidates_seldom_differ(
    equal_candidates: Any, n_cells: int, select: str, results: Any
) -> None:
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


@pytest.mark.parametrize(("n_folds", "n_rows"), [(2, 150), (2, 60), (3, 150), (5, 60)])
def test_of_eight_equal_models_no_pair_differs_though_folds_agree_by_chance(
    n_folds: int, n_rows: int, results: Any
) -> None:
    """Accuracies move in steps of a row, so all folds of a pair often differ alike.

    Then p was 0, and some pair of eight equal models was "better" in 90 % of such data
    with 2 folds. ``benchmarks/honest_compare.py`` simulates more, and more kinds.
    """
    rng, wrong, alike = np.random.default_rng(0), 0, 0
    for _ in range(40):
        easy = rng.normal(size=(1, n_folds, n_rows // n_folds)) * 0.9
        own = rng.normal(size=(8, n_folds, n_rows // n_folds)) * np.sqrt(1 - 0.9**2)
        scores = (easy + own > -1.6).mean(axis=2)
        found = compare(results({f"f{i}": scores[i] for i in range(8)}))
        verdicts = set(found.frame["verdict"])
        wrong += "a better" in verdicts
        # nobody can tell from so few rows that differences are below .01
        assert "equivalent" not in verdicts
        pairs = found.scores[found.frame["a"]].to_numpy()
        pairs = pairs - found.scores[found.frame["b"]].to_numpy()
        level = np.ptp(pairs, axis=0) < 1e-12
        alike += (level & (np.abs(pairs[0]) > 1e-12)).any()
    assert wrong <= 2
    assert n_folds == 5 or alike > 4  # so the simulation is of what it is to be of


def test_what_is_equal_on_all_folds_is_equivalent_only_of_many_rows(
    results: Any,
) -> None:
    """Of 60 rows it was equivalent, with a probability of "100.0 %"."""
    verdicts = {}
    for n_rows in (60, 150, 3000, 30_000):
        m = n_rows // 5
        right = np.array([0.8, 0.9, 0.75, 0.85, 0.95]) * m
        scores = right.round() / m
        found = compare(results({"a": scores, "b": scores, "c": scores - 1 / m}))
        row = found.frame[(found.frame["a"] == "a") & (found.frame["b"] == "b")]
        verdicts[n_rows] = row["verdict"].item()
        assert "100.0 %" not in found.verdict
    assert verdicts == {
        60: "undecided",
        150: "undecided",
        3000: "equivalent",
        30_000: "equivalent",
    }


def test_a_difference_that_no_chance_explains_is_shown_by_three_folds(
    results: Any,
) -> None:
    """A net that learned nothing, on iris: not to be sure is no way to be right."""
    scores = {f"f{i}": np.array([48, 47, 49 - i % 2]) / 50 for i in range(7)}
    scores["lost"] = np.array([17, 17, 16]) / 50
    found = compare(results(scores)).frame
    lost = found[(found["b"] == "lost")]
    assert set(lost["verdict"]) == {"a better"}
    assert set(found["verdict"][found["b"] != "lost"]) == {"undecided"}


def test_undecided_pairs_hide_none_that_tells_something(results: Any) -> None:
    """Of 28 pairs those of the best are printed, and those that are decided."""
    scores = {f"f{i}": np.array([48, 47, 49 - i % 2]) / 50 for i in range(7)}
    scores["lost"] = np.array([17, 17, 16]) / 50
    found = compare(results(scores))
    table = str(found).removeprefix(f"{found.verdict}\n\n")
    rows = [line.split() for line in table.splitlines()[1:14]]
    told = {(row[0], row[1]) for row in rows if row}
    best = found.frame["a"].iloc[0]
    expected = found.frame[
        (found.frame["a"] == best) | (found.frame["verdict"] != "undecided")
    ]
    assert told == set(zip(expected["a"], expected["b"], strict=True))
    assert len(told) == 13  # 7 of the best, 6 others of the lost one
    assert table.endswith("\n\n15 other pairs, all undecided, are in `frame`.")
    page = found._repr_html_()
    assert page.count("<tr>") == 30  # 28 pairs and two heads
    assert "<details><summary>15 other pairs, all undecided</summary>" in page
    few = compare(results({name: scores[name] for name in ("f0", "f1", "f2", "f3")}))
    assert "other pairs" not in str(few) + few._repr_html_()


def test_scores_that_do_not_tell_their_rows_are_said_to_tell_nothing(
    results: Any,
) -> None:
    """All candidates are right on all rows, of which there may be ten or a million."""
    found = compare(results({"a": [1.0] * 5, "b": [1.0] * 5}))
    assert found.frame["verdict"].tolist() == ["undecided"]
    assert "does not tell how many rows a fold has" in found.verdict
    assert found.headline.startswith("No winner is shown: a and b score best of 2")
    X, y = np.repeat([[0.0], [1.0]], 3000, axis=0), np.repeat([0, 1], 3000)
    folds = [(np.arange(i, 6000, 2), np.arange(1 - i, 6000, 2)) for i in (0, 1)]
    search = GridSearchCV(GaussianNB(), {"var_smoothing": [1e-9, 1e-3]}, cv=folds)
    found = compare(search.fit(X, y), "var_smoothing")
    assert (found.scores == 1).to_numpy().all()
    assert found.step == 1 / 3000
    assert found.frame["verdict"].tolist() == ["equivalent"]


@pytest.mark.once
def test_choosing_by_the_same_folds_flatters_and_nested_choice_does_not(
    results: Any,
) -> None:
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
        # columns alone do not say how rows were split
        is_guess = "Taken as 4 folds without repetition" in found.verdict
        assert is_guess == (other is search.cv_results_)
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
    assert "taken to have had the same rows." in compare(same, "model").verdict


def test_a_rope_that_suits_an_accuracy_is_not_that_of_other_scores(
    results: Any,
) -> None:
    table = results(
        {"a": [-3000.0, -2900.0, -3100.0], "b": [-3050.0, -2950.0, -3090.0]}
    )
    assert "count as equal, a tenth of the usual deviation" in compare(table).verdict
    assert compare(table).rope > 1
    assert "count as equal" not in compare(table, rope=100).verdict
    assert compare(table, rope=100).rope == 100


def test_names_of_a_pipeline_s_grid_are_known() -> None:
    pipe = make_pipeline(StandardScaler(), SVC())
    search = GridSearchCV(pipe, {"svc__C": [0.1, 1.0]}, cv=3).fit(X, y)
    assert compare(search, "svc__C").by == "C"
    with pytest.raises(ValueError, match="to_frame\\(search, 'fold'\\)"):
        compare(to_frame(search), "C")


def test_a_metric_can_be_named() -> None:
    scoring = ["accuracy", "neg_log_loss"]
    net = ActMLP(max_epochs=3, lr=0.01, init="auto", random_state=0)
    grid = {"activation": ["relu", "tanh"]}
    search = GridSearchCV(net, grid, cv=3, scoring=scoring, refit="neg_log_loss")
    search.fit(X, y)
    assert compare(search).metric == "test_neg_log_loss"
    assert compare(search, metric="accuracy").metric == "test_accuracy"
    with pytest.raises(ValueError, match=r"metric must be one of .* got 'f1'"):
        compare(search, metric="f1")


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
    "name", ["cv", "refit", "scoring", "error_score", "estimator", "steps", "study_"]
)
def test_a_column_of_a_frame_is_no_setting_of_a_search(name: str, results: Any) -> None:
    scores = {"a": [[0.9, 0.8], [0.7, 0.7]], "b": [[0.5, 0.5], [0.6, 0.4]]}
    frames = [
        to_frame(results(scores, **{column: [1, 2, 1, 2]}), "fold")
        for column in (name, "other")
    ]
    found, expected = map(compare, frames)
    assert str(found) == str(expected)
    table = pd.DataFrame(results(scores, lr=[1, 2, 1, 2])).assign(**{name: 1})
    assert set(compare([table, table], "model").means.index) == {
        "results #1",
        "results #2",
    }


def test_an_index_that_a_file_kept_tells_no_candidates_apart(
    results: Any, tmp_path: Any
) -> None:
    """Each row had a parameter of its own, so no candidate had all folds."""
    table = results({"a": [0.9, 0.8], "b": [0.5, 0.6]})
    frame = to_frame(table, "fold")
    expected = compare(frame)
    for _ in range(2):
        frame.to_csv(tmp_path / "folds.csv")
        frame = pd.read_csv(tmp_path / "folds.csv")
        assert str(compare(frame)) == str(expected)
    assert "Unnamed: 0.1" in frame
    assert len(to_hiplot(frame).datapoints) == len(frame)


def test_bad_input_is_named(results: Any) -> None:
    table = results({"a": [0.9, 0.8], "b": [0.5, 0.5]}, lr=[1, 2])
    with pytest.raises(
        ValueError, match=r"by must name some of \['activation', 'lr'\]"
    ):
        compare(table, "width")
    with pytest.raises(ValueError, match=r"select must be one of .* got 'first'"):
        compare(table, select="first")
    with pytest.raises(
        ValueError, match="rope must be None or a finite number >= 0, got -1"
    ):
        compare(table, rope=-1)
    with pytest.raises(ValueError, match=r"alpha must be .* \(0, 1\), got 2"):
        compare(table, alpha=2)
    with pytest.raises(ValueError, match=r"rope must be .* got 'small'"):
        compare(table, rope="small")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"two values at least.*\['a'\]"):
        compare(results({"a": [[0.9, 0.8], [0.5, 0.5]]}, lr=[1, 2]))
    with pytest.raises(ValueError, match="two folds at least; got 1"):
        compare(results({"a": [0.9], "b": [0.8]}))


def test_a_frame_without_scores_says_what_it_lacks(results: Any) -> None:
    frame = to_frame(results({"a": [0.9, 0.8], "b": [0.5, 0.5]}), "fold")
    with pytest.raises(ValueError, match="There are no scores of folds to compare"):
        compare(frame.drop(columns="test_score"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"test_ratio": value}, "test_ratio must be None or a finite number > 0")
        for value in (np.nan, 0, -1, True, "x")
    ]
    + [
        ({"average": 3}, "average must be a column or a list of columns, got 3"),
    ]
    + [
        ({"average": name}, rf"'{name}' is no column that tells .* are \['C', 'tol'\]")
        for name in ("random_sate", "test_score", "fold")
    ]
    + [
        ({"rope": True}, "rope must be None or a finite number >= 0, got True"),
        ({"alpha": True}, "alpha must be a number in .0, 1., got True"),
        ({"by": 3}, "by must be a column or a list of columns, got 3"),
        ({"by": None}, "by must be a column or a list of columns, got None"),
        ({"by": []}, r"by must be a column or a list of columns, got \[\]"),
        ({"by": ["C", "C"]}, r"by=\['C', 'C'\] names a column twice"),
    ],
)
def test_what_cannot_be_compared_is_refused_by_name(given, message) -> None:
    X, y = load_iris(return_X_y=True)
    grid = {"C": [0.1, 1.0], "tol": [0.001, 0.01]}
    search = GridSearchCV(SVC(), grid, cv=3).fit(X, y)
    with pytest.raises((TypeError, ValueError), match=message):
        compare(search, **{"by": "C"} | given)

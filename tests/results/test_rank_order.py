"""Ranks that the mean scores of the same table contradict are made anew, and said."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV
from sklearn.tree import DecisionTreeClassifier

from skact import compare, load_results, save_results, to_frame, to_hiplot
from skact.results.rank_order import ranks_in_place_of

X, y = load_iris(return_X_y=True)
TREE = DecisionTreeClassifier(random_state=0)
MESSAGE = r"\['rank_test_score'\] contradict the mean scores.*several searches put"


def search_of(*depths: int, **options: Any) -> GridSearchCV:
    return GridSearchCV(TREE, {"max_depth": list(depths)}, cv=5, **options).fit(X, y)


def put_together(*searches: Any) -> pd.DataFrame:
    tables = [pd.DataFrame(search.cv_results_) for search in searches]
    return pd.concat(tables, ignore_index=True)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return put_together(search_of(1), search_of(3, 2))


def test_two_searches_put_together_are_ranked_as_one(table: pd.DataFrame) -> None:
    expected = to_frame(search_of(1, 3, 2))["rank_test_score"]
    file = pd.read_csv(io.StringIO(table.to_csv()))
    for given in (table, file, table.to_dict("list")):
        for level in ("candidate", "fold"):
            with pytest.warns(UserWarning, match=MESSAGE) as said:
                frame = to_frame(given, level)
            assert len(said) == 1
            ranks = frame["rank_test_score"].unique()
            assert ranks.tolist() == expected.tolist() == [1, 2, 3]
            assert frame["max_depth"].iloc[[0, -1]].tolist() == [3, 1]


def test_all_that_takes_the_table_says_so_once(
    table: pd.DataFrame, tmp_path: Path
) -> None:
    for use in (to_hiplot, lambda x: compare(x, "max_depth")):
        with pytest.warns(UserWarning, match=MESSAGE) as said:
            use(table)
        assert len(said) == 1
    with pytest.warns(UserWarning, match=MESSAGE) as said:
        save_results(table, tmp_path)
    assert len(said) == 1
    saved = to_frame(load_results(tmp_path))
    assert saved["rank_test_score"].tolist() == [1, 2, 3]


def test_a_dict_of_the_tables_and_a_part_of_one_keep_their_ranks() -> None:
    searches = {"a": search_of(1), "b": search_of(3, 2)}
    tables = {name: pd.DataFrame(x.cv_results_) for name, x in searches.items()}
    pd.testing.assert_frame_equal(to_frame(tables), to_frame(searches))
    ranks = to_frame(pd.DataFrame(search_of(1, 2, 3).cv_results_)[1:])
    assert ranks["rank_test_score"].tolist() == [1, 2]


def test_each_metric_is_judged_by_its_own_means() -> None:
    several = {"scoring": ["accuracy", "f1_macro"], "refit": "accuracy"}
    table = put_together(search_of(1, **several), search_of(2, **several))
    table["rank_test_f1_macro"] = [2, 1]
    message = r"The columns \['rank_test_accuracy'\] contradict"
    with pytest.warns(UserWarning, match=message):
        assert to_frame(table)["max_depth"].tolist() == [2, 1]


def test_ranks_of_a_halving_search_are_judged_in_each_iteration() -> None:
    grid = {"max_depth": [1, 2, 3, 4]}
    halving = [
        HalvingGridSearchCV(TREE, grid, cv=3, random_state=seed, factor=2).fit(X, y)
        for seed in (0, 1)
    ]
    alone = pd.DataFrame(halving[0].cv_results_)
    pd.testing.assert_frame_equal(to_frame(alone), to_frame(halving[0]))
    by_iteration = alone.groupby("iter")["mean_test_score"]
    alone["rank_test_score"] = by_iteration.rank(ascending=False, method="min")
    assert set(to_frame(alone)["rank_test_score"]) <= {1, 2, 3, 4}
    with pytest.warns(UserWarning, match=MESSAGE):
        frame = to_frame(put_together(*halving))
    of_last = frame[frame["iter"] == frame["iter"].max()]
    assert of_last["mean_test_score"].is_monotonic_decreasing


@pytest.mark.parametrize("ending", ["failed", "pruned"])
def test_ranks_of_a_study_stay_those_of_its_direction(
    ending: str, tmp_path: Path
) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def objective(trial: Any) -> float:
        x = trial.suggest_int("x", 0, 9)
        trial.set_user_attr("mean_test_acc", float(x % 3))
        if x == 5:
            raise {"failed": ValueError, "pruned": optuna.TrialPruned}[ending]
        return float(x)

    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(sampler=sampler)
    study.optimize(objective, 12, catch=(ValueError,))
    save_results(study, tmp_path)
    kept = load_results(tmp_path)
    table = pd.DataFrame({k: list(v) for k, v in kept.cv_results_.items()})
    expected = to_frame(study)["rank_test_value"]
    assert expected.isna().any()
    for given in (kept, kept.cv_results_, table):
        ranks = to_frame(given)["rank_test_value"]
        assert ranks.dropna().tolist() == expected.dropna().tolist()
        assert ranks.isna().sum() == expected.isna().sum()


CASES: dict[str, tuple[list[Any], list[Any], list[Any] | None]] = {
    "agree": ([1, 2, 2, 4], [0.9, 0.8, 0.8, 0.1], None),
    "reversed": ([4, 2, 2, 1], [0.9, 0.8, 0.8, 0.1], None),
    "rounded means": ([1, 2, 3], [0.9, 0.9, 0.8], None),
    "shares": ([1.0, 0.5, 0.75], [0.9, 0.1, 0.8], None),
    "a last digit is lost": ([1, 1, 2], [0.9, 0.9 - 1e-16, 0.8], None),
    "infinite": ([1, 2, 3, 3], [np.inf, 1.0, -np.inf, -np.inf], None),
    "all failed": ([1, 1], [None, None], None),
    "equal ranks": ([1, 1], [0.1, 0.9], [2, 1]),
    "equal ranks and small means": ([1, 1], [1e-12, 2e-12], [2, 1]),
    "another order": ([1, 2, 3], [0.2, 0.1, 0.9], [2, 3, 1]),
    "ties": ([1, 1, 2, 2], [0.5, 0.9, 0.9, 0.1], [3, 1, 1, 4]),
    "failed": ([1, 1, 2, 2], [0.1, 0.9, None, None], [2, 1, 3, 3]),
    "infinite and failed": ([1, 1, 3], [-np.inf, 0.5, None], [2, 1, 3]),
    "no rank": ([1, None, 1, None], [0.1, 0.5, 0.9, None], [2, None, 1, None]),
}


@pytest.mark.parametrize("case", CASES)
def test_new_ranks_are_those_of_the_means(case: str) -> None:
    ranks, means, expected = CASES[case]
    assert ranks_in_place_of(ranks, means, [None] * len(ranks)) == expected

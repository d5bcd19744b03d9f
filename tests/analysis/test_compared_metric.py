"""Scores are compared if they are by one metric; what is not known is said."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.datasets import load_iris
from sklearn.exceptions import FitFailedWarning
from sklearn.feature_selection import RFE, RFECV
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegressionCV,
    PoissonRegressor,
    RANSACRegressor,
    Ridge,
)
from sklearn.metrics import accuracy_score, f1_score, make_scorer
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.svm import SVC
from sklearn.utils import get_tags

from skact import (
    ActMLP,
    ActMLPRegressor,
    TrainingLog,
    compare,
    load_results,
    save_results,
    to_frame,
)
from skact.analysis.compared_metric import (
    name_of_metric,
    notes_on_failed_fits,
    notes_on_same_metric,
)

X, y = load_iris(return_X_y=True)
GRID = {"C": [0.1, 1.0]}


def a_search(scoring: Any = None, estimator: Any = None, **options: Any) -> Any:
    return GridSearchCV(estimator or SVC(), GRID, scoring=scoring, cv=3, **options)


def accuracy(estimator: Any, X: Any, y: Any, scale: float = 1.0) -> Any:
    return scale * estimator.score(X, y)


def several(estimator: Any, X: Any, y: Any) -> dict[str, float]:
    return {"m": estimator.score(X, y)}


def one(estimator: Any, X: Any, y: Any) -> float:
    return 1.0


def test_scores_of_different_metrics_are_not_compared() -> None:
    searches = [
        GridSearchCV(KNeighborsClassifier(), grid, cv=3, scoring=scoring).fit(X, y)
        for grid, scoring in [
            ({"n_neighbors": [3]}, None),
            ({"n_neighbors": [9]}, "neg_log_loss"),
        ]
    ]
    with pytest.raises(ValueError, match=r"different metrics, .'accuracy', 'neg_"):
        compare(searches, by="n_neighbors")
    searches[1].set_params(scoring="accuracy").fit(X, y)
    assert compare(searches, by="n_neighbors").metric == "test_score"


def test_metrics_that_are_not_known_to_be_the_same_are_noted() -> None:
    f1 = make_scorer(f1_score, average="macro")
    searches = [
        GridSearchCV(SVC(), {"C": [number]}, cv=3, scoring=scoring).fit(X, y)
        for number, scoring in [(0.1, f1), (1.0, "accuracy")]
    ]
    assert "taken to have had the same metric, by scoring=" in str(
        compare(searches, by="C")
    )
    searches[1].set_params(scoring=f1).fit(X, y)
    assert "same metric" not in str(compare(searches, by="C"))


def test_a_search_without_the_metric_that_ranks_another_is_named() -> None:
    one = GridSearchCV(SVC(), {"C": [0.1, 1.0]}, cv=3).fit(X, y)
    scoring = {"score": "accuracy", "f1": "f1_macro"}
    other = GridSearchCV(SVC(), {"C": [2.0, 9.0]}, cv=3, scoring=scoring, refit="f1")
    searches = {"one": other.fit(X, y), "two": one}
    message = (
        r"searches \['two'\] have no scores by metric='f1'; metrics that all searches "
        r"have: \['score'\]"
    )
    with pytest.raises(ValueError, match=message):
        compare(searches, by="C")
    assert len(compare(searches, by="C", metric="score").scores.columns) == 4


NAMED = [
    ({"m": "accuracy"}, {"m": "neg_log_loss"}),
    (["m", "n"], {"m": "accuracy"}),
    ({"m": "neg_log_loss"}, TrainingLog().scorer({"m": "accuracy"})),
    ({"m": None}, {"m": "neg_log_loss"}),
]


@pytest.mark.parametrize("scorings", NAMED)
def test_a_metric_of_several_is_compared_by_what_it_is(scorings: Any) -> None:
    searches = [a_search(scoring, refit="m") for scoring in scorings]
    with pytest.raises(ValueError, match=r"searches have different metrics, \['"):
        notes_on_same_metric(searches, "test_m")


def test_searches_by_other_metrics_of_one_name_are_refused() -> None:
    scorings = {"a": {"m": "accuracy"}, "b": {"m": "neg_log_loss"}}
    searches = {
        name: a_search(scoring, KNeighborsClassifier(), refit="m")
        for name, scoring in scorings.items()
    }
    for found in searches.values():
        found.set_params(param_grid={"n_neighbors": [3, 9]}).fit(X, y)
    with pytest.raises(ValueError, match=r"metrics, \['accuracy', 'neg_log_loss'\]"):
        compare(searches, "model")


f1 = partial(make_scorer, f1_score)
EQUAL = {
    "a dict and a list": ({"m": "f1", "accuracy": "accuracy"}, ["accuracy", "f1"]),
    "a set and a name": ({"accuracy"}, {"accuracy": "accuracy"}),
    "a log's scorer and its own": (TrainingLog().scorer("accuracy"), "accuracy"),
    "a log's scorers": (TrainingLog().scorer(["f1", "accuracy"]), ["accuracy"]),
    "a name and its scorer": ("accuracy", make_scorer(accuracy_score)),
    "scorers": (f1(average="macro"), f1(average="macro")),
    "partial functions": (partial(accuracy, scale=2), partial(accuracy, scale=2)),
    "a function": (one, one),
    "a function of several": (several, several),
    "none and what it is": (None, {"accuracy": "accuracy"}),
}
OTHERS = {
    "scorers": (f1(average="macro"), f1(average="micro")),
    "functions of one name": (lambda e, X, y: 1.0, lambda e, X, y: 2.0),
    "partial functions": (partial(accuracy, scale=2), partial(accuracy, scale=3)),
    "functions of several": (several, partial(several)),
    "functions in dicts": ({"accuracy": one}, {"accuracy": accuracy}),
    "a name and a function": ("accuracy", one),
}


@pytest.mark.parametrize("scorings", EQUAL.values(), ids=EQUAL)
def test_equal_metrics_need_no_note(scorings: Any) -> None:
    assert notes_on_same_metric([*map(a_search, scorings)], "test_accuracy") == []


@pytest.mark.parametrize("scorings", OTHERS.values(), ids=OTHERS)
def test_functions_that_differ_are_said_to_be_taken_as_one_metric(
    scorings: Any,
) -> None:
    (note,) = notes_on_same_metric([*map(a_search, scorings)], "test_accuracy")
    assert note.startswith("The searches are taken to have had the same metric, by ")


@pytest.mark.parametrize(
    "estimators",
    [
        (SVC(), ActMLP()),
        (SVC(), KNeighborsClassifier()),
        (Ridge(), ActMLPRegressor()),
        (KMeans(), MiniBatchKMeans()),
        (make_pipeline(KMeans()), KMeans()),
        (a_search("accuracy"), SVC()),
        (RFE(SVC()), SVC()),
        (RFECV(SVC(), scoring="accuracy"), SelfTrainingClassifier(SVC())),
        (RANSACRegressor(), RANSACRegressor(Ridge())),
        (LogisticRegressionCV(), SVC()),
    ],
)
def test_estimators_of_one_score_need_no_note(estimators: Any) -> None:
    searches = [a_search(None, estimator) for estimator in estimators]
    assert notes_on_same_metric(searches, "test_score") == []


class ByLuck(BaseEstimator):
    """Scores as no estimator of scikit-learn does."""

    def score(self, X: Any, y: Any = None) -> float:
        return 0.5


@pytest.mark.parametrize(
    "estimators",
    [
        (KMeans(), GaussianMixture()),
        (LinearRegression(), PoissonRegressor()),
        (SVC(), ByLuck()),
        (SVC(), make_pipeline(ByLuck())),
        (a_search(one), SVC()),
    ],
)
def test_estimators_of_other_scores_are_said_to_be_ranked_by_their_own(
    estimators: Any,
) -> None:
    searches = [a_search(None, estimator) for estimator in estimators]
    (note,) = notes_on_same_metric(searches, "test_score")
    assert "a search without scoring has the score of its estimator." in note


class Within(BaseEstimator):
    """Scores as an estimator within it does."""

    def __init__(self, estimator: Any = None):
        self.estimator = estimator

    def __sklearn_tags__(self) -> Any:
        return get_tags(self.estimator)

    def score(self, X: Any, y: Any = None) -> float:
        return self.estimator.score(X, y)


def test_one_score_of_a_classifier_and_of_a_regressor_within_is_noted() -> None:
    within = [Within(SVC()), Within(Ridge()), Within(LinearRegression())]
    searches = [a_search(None, estimator) for estimator in within]
    assert notes_on_same_metric(searches[1:], "test_score") == []
    (note,) = notes_on_same_metric(searches, "test_score")
    assert note.startswith("The searches are taken to have had the same metric")
    for one in searches:
        one.set_params(scoring="r2")
    assert notes_on_same_metric(searches, "test_score") == []


@pytest.mark.parametrize(
    "estimators",
    [
        (SVC(), Ridge()),
        (RFE(SVC()), RFE(Ridge())),
        (RFE(SVC()), Ridge()),
        (RFECV(SVC()), RFECV(Ridge())),
        (RANSACRegressor(), SelfTrainingClassifier(SVC())),
        (make_pipeline(RFE(SVC())), RFE(make_pipeline(Ridge()))),
        (LogisticRegressionCV(scoring="r2"), LogisticRegressionCV(scoring="accuracy")),
        (LogisticRegressionCV(), Ridge()),
    ],
)
def test_classifiers_and_regressors_have_different_scores(estimators: Any) -> None:
    searches = [a_search(None, estimator) for estimator in estimators]
    with pytest.raises(
        ValueError, match=r"different metrics, \['(accur|r2).*(y|r2)'\]"
    ):
        notes_on_same_metric(searches, "test_score")


def test_of_results_without_a_search_the_metric_is_said_not_to_be_known(
    tmp_path: Any,
) -> None:
    search = a_search("accuracy").fit(X, y)
    save_results(search, tmp_path)
    note = "The metric is taken to be the same for all searches, which is not known"
    for other in (load_results(tmp_path), search.cv_results_):
        assert note in compare({"a": search, "b": other}, "model").verdict
    assert note in compare(to_frame([search, search], "fold"), "model").verdict
    assert note not in compare({"a": search, "b": search}, "model").verdict
    assert note not in compare(search.cv_results_, "C").verdict


def test_results_of_several_metrics_do_not_say_which_one_ranks(tmp_path: Any) -> None:
    search = a_search(["accuracy", "f1_macro"], refit="f1_macro").fit(X, y)
    note = "metric='accuracy' is compared, the first of ['accuracy', 'f1_macro']"
    pd.DataFrame(search.cv_results_).to_csv(tmp_path / "results.csv")
    for bare in (
        search.cv_results_,
        pd.DataFrame(search.cv_results_),
        pd.read_csv(tmp_path / "results.csv"),
        a_search(["accuracy", "f1_macro"], refit=False).fit(X, y),
    ):
        assert note in compare(bare, "C").verdict
        assert "metric=" not in compare(bare, "C", metric="accuracy").verdict
    save_results(search, tmp_path / "saved")
    for known in (search, load_results(tmp_path / "saved")):
        assert compare(known, "C").metric == "test_f1_macro"
        assert "metric=" not in compare(known, "C").verdict


def test_a_number_that_stands_for_failed_fits_is_said() -> None:
    searches = {
        number: a_search(error_score=number)
        for number in (0, -1.5, np.nan, -np.inf, "raise")
    }
    assert notes_on_failed_fits(searches) == [
        "Fits that failed count with a score of 0, by error_score.",
        "Fits that failed count with a score of -1.5, by error_score.",
    ]
    assert notes_on_failed_fits(searches[np.nan]) == []
    search = a_search(error_score=0).set_params(param_grid={"C": [-1.0, 1.0, 2.0]})
    with pytest.warns(FitFailedWarning, match="3 fits failed"):
        search.fit(X, y)
    found = compare(search, "C")
    assert found.means["C=-1.0"] == 0
    assert "Fits that failed count with a score of 0" in found.verdict


def test_the_name_of_a_metric_is_that_of_the_estimator_s_score_if_it_has_one() -> None:
    def search(estimator: Any, **options: Any) -> GridSearchCV:
        return GridSearchCV(estimator, {}, **options)

    for estimator, name in (
        (SVC(), "accuracy"),
        (Ridge(), "R2"),
        (make_pipeline("passthrough", ActMLP()), "accuracy"),
        (ActMLPRegressor(), "R2"),
        (KMeans(), "score"),
    ):
        assert name_of_metric(search(estimator), "test_score") == name
    assert name_of_metric(search(SVC(), scoring="f1_macro"), "test_score") == "f1_macro"
    both = search(SVC(), scoring=["accuracy", "f1_macro"], refit="f1_macro")
    assert name_of_metric(both, "test_f1_macro") == "f1_macro"
    assert name_of_metric([search(SVC()), search(Ridge())], "test_score") == "score"
    assert name_of_metric({"split0_test_score": [0.5]}, "test_score") == "score"

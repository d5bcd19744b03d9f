"""A logged fit knows its places in searches, and a log is found inside an estimator."""

from typing import Any

import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import BaggingClassifier, VotingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skact import ActMLP, ActMLPRegressor, TrainingLog
from skact.results.logged_fit import (
    FitLog,
    LoggedFit,
    SearchPlace,
    estimators_inside,
    log_of,
    logs_of,
)

INNER = SearchPlace(search="b", kind="GridSearchCV", number=3)
OUTER = SearchPlace(search="a", kind="GridSearchCV", number=1)
REFIT = SearchPlace(search="a", kind="GridSearchCV")
RANDOM = SearchPlace(search="c", kind="RandomizedSearchCV", number=0)


def fit_in(*places: SearchPlace) -> LoggedFit:
    return LoggedFit(run=0, searches=places, params={}, history={})


@pytest.mark.parametrize(
    ("places", "is_refit"),
    [
        ((), False),
        ((OUTER,), False),
        ((REFIT,), True),
        ((REFIT, REFIT), True),
        ((REFIT, INNER), False),
        ((OUTER, REFIT), False),
    ],
)
def test_a_fit_is_a_refit_if_no_search_around_it_scores_it(
    places: tuple[SearchPlace, ...], is_refit: bool
) -> None:
    assert fit_in(*places).is_refit is is_refit


def test_the_place_in_a_kind_of_search_is_that_in_the_innermost_one() -> None:
    fit = fit_in(OUTER, RANDOM, INNER)
    assert fit.place_in("GridSearchCV") is INNER
    assert fit.place_in("RandomizedSearchCV") is RANDOM
    assert fit.place_in("HalvingGridSearchCV") is None
    assert fit_in().place_in("GridSearchCV") is None


@pytest.mark.parametrize(
    "wrap",
    [
        lambda net: net,
        lambda net: make_pipeline(StandardScaler(), net),
        lambda net: BaggingClassifier(make_pipeline(StandardScaler(), net)),
    ],
    ids=["net", "pipeline", "pipeline in an ensemble"],
)
def test_the_log_of_a_net_is_found_wherever_the_net_is(wrap: Any) -> None:
    log = TrainingLog()
    estimator = wrap(ActMLP().set_callbacks(log))
    assert log_of(estimator) is log
    assert isinstance(log, FitLog)


def test_the_log_of_each_net_of_an_estimator_is_found() -> None:
    logs = [TrainingLog() for _ in range(3)]
    nets = [ActMLP().set_callbacks(logs[0]), ActMLP()]
    nets.append(ActMLP().set_callbacks(logs[1], logs[2]))
    voting = VotingClassifier([(f"net{i}", net) for i, net in enumerate(nets)])
    found = list(logs_of(voting))
    assert {id(log) for log in found} == {id(log) for log in logs[:2]}
    assert log_of(voting) is found[0]
    assert list(logs_of(nets[1])) == []


def test_an_estimator_whose_nets_have_no_log_has_no_log() -> None:
    for estimator in (None, SVC, SVC(), ActMLP(), make_pipeline(ActMLP())):
        assert log_of(estimator) is None


def test_an_estimator_contains_itself_and_its_inner_estimators_but_no_classes() -> None:
    net = ActMLPRegressor()
    pipeline = make_pipeline(StandardScaler(), net)
    target = TransformedTargetRegressor(pipeline, transformer=StandardScaler())
    inside = list(estimators_inside(target))
    assert inside[0] is target
    for part in (pipeline, pipeline[0], net, target.transformer):
        assert any(part is found for found in inside)
    assert not any(isinstance(found, type) for found in inside)
    assert list(estimators_inside(SVC)) == [SVC, SVC]  # the class itself, unopened

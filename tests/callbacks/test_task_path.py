"""A fit knows its places in the searches around it, whatever they are called."""

from typing import Any

import numpy as np
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skact import ActMLP, ActMLPRegressor, TrainingLog, to_frame
from skact.results.logged_fit import LoggedFit

RNG = np.random.default_rng(0)
X, y = RNG.normal(size=(60, 3)), np.arange(60) % 2


class Tuner(GridSearchCV):
    """A search whose name does not say so."""


def a_net(log: TrainingLog, kind: Any = ActMLP) -> Any:
    return kind(width=4, max_epochs=1, random_state=0).set_callbacks(log)


def places(fit: LoggedFit) -> list[tuple[str, int, int | None]]:
    return [(place.kind, place.iteration, place.number) for place in fit.searches]


@pytest.mark.parametrize("kind", [GridSearchCV, Tuner])
@pytest.mark.parametrize("steps", [(), (StandardScaler(),)], ids=["net", "pipeline"])
def test_every_candidate_and_fold_has_its_number_and_the_refit_none(
    kind: Any, steps: tuple
) -> None:
    log = TrainingLog()
    net = make_pipeline(*steps, a_net(log)) if steps else a_net(log)
    name = "actmlp__lr" if steps else "lr"
    kind(net, {name: [0.1, 0.01]}, cv=3).fit(X, y)
    found = [places(fit) for fit in log.fits]
    name = kind.__name__
    assert found == [[(name, 0, n)] for n in range(6)] + [[(name, 0, None)]]
    assert [fit.is_refit for fit in log.fits] == [False] * 6 + [True]


def test_a_search_at_the_end_of_a_pipeline_is_found() -> None:
    log = TrainingLog()
    search = Tuner(a_net(log), {"lr": [0.1, 0.01]}, cv=2)
    pipeline = make_pipeline(StandardScaler(), search).fit(X, y)
    assert [places(fit) for fit in log.fits] == [
        *([("Tuner", 0, n)] for n in range(4)),
        [("Tuner", 0, None)],
    ]
    assert log.fits[-1].is_refit
    frame = to_frame(pipeline[-1], "epoch")
    assert frame[["candidate", "fold"]].drop_duplicates().shape == (4, 2)
    assert log.to_frame()["refit"].sum() == 1


def test_a_search_in_a_transformed_target_regressor_is_found() -> None:
    log = TrainingLog()
    search = GridSearchCV(a_net(log, ActMLPRegressor), {"lr": [0.1, 0.01]}, cv=2)
    target = TransformedTargetRegressor(search, transformer=StandardScaler())
    target.fit(X, X[:, 0])
    frame = to_frame(target.regressor_, "epoch")
    assert frame[["candidate", "fold"]].drop_duplicates().shape == (4, 2)
    assert [fit.is_refit for fit in log.fits] == [False] * 4 + [True]


def test_a_scorer_of_the_log_sees_the_folds_of_a_search_in_a_pipeline(
    kept_weights: Any,
) -> None:
    log = TrainingLog()
    search = GridSearchCV(a_net(log), {"lr": [0.1]}, cv=2, scoring=log.scorer())
    pipeline = make_pipeline(StandardScaler(), search).fit(X, y)
    assert to_frame(pipeline[-1], "epoch")["fold_loss"].notna().all()
    assert kept_weights.n_received == 2 + 1
    assert kept_weights.n_alive == 0  # the refit, which nobody scores, is not kept


def test_halving_has_iterations() -> None:
    log = TrainingLog()
    HalvingGridSearchCV(
        a_net(log), {"lr": [0.1, 0.01, 0.001]}, cv=2, min_resources=20, factor=3
    ).fit(X, y)
    found = [places(fit)[0][1:] for fit in log.fits]
    first = [(0, n) for n in range(6)]
    assert found == [*first, (1, 0), (1, 1), (0, None)]


def test_nested_searches_are_told_apart() -> None:
    log = TrainingLog()
    inner = GridSearchCV(a_net(log), {"lr": [0.1, 0.01]}, cv=2)
    RandomizedSearchCV(
        inner, {"estimator__width": [4, 6]}, n_iter=2, cv=2, random_state=0
    ).fit(X, y)
    fits = log.fits
    assert len(fits) == 5 * 5
    for number in range(4):
        within = [fit for fit in fits if fit.searches[0].number == number]
        assert [fit.searches[1].number for fit in within] == [0, 1, 2, 3, None]
        assert len({fit.searches[1].search for fit in within}) == 1
        # the inner refit is what the outer search scores
        assert not any(fit.is_refit for fit in within)
    last = [fit for fit in fits if fit.searches[0].number is None]
    assert [fit.is_refit for fit in last] == [False] * 4 + [True]
    assert {fit.place_in("RandomizedSearchCV").number for fit in last} == {None}


def test_fits_outside_any_search_have_no_place() -> None:
    log = TrainingLog()
    cross_validate(a_net(log), X, y, cv=2)
    a_net(log).fit(X, y)
    assert [fit.searches for fit in log.fits] == [()] * 3
    assert not any(fit.is_refit for fit in log.fits)

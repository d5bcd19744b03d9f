"""In a session no fit is trained twice, and no number of any result changes."""

from io import StringIO

import joblib
import numpy as np
import pytest
import torch
from rich.console import Console
from scipy.stats import loguniform
from sklearn.base import clone
from sklearn.ensemble import BaggingClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skact import ActMLP, TrainingLog, fused, to_frame
from skact.backend.joblib_backends import FusingBackend, session_here
from skact.backend.progress import ProgressBar

NET = ActMLP(width=6, batch_size=32, max_epochs=4, random_state=0)


def assert_same_results(one, other):
    assert one.keys() == other.keys()
    for key in one:
        if not key.endswith("_time"):
            np.testing.assert_array_equal(one[key], other[key], err_msg=key)


def assert_same_nets(one, other):
    for a, b in zip(one.module_.parameters(), other.module_.parameters(), strict=True):
        np.testing.assert_array_equal(a.detach(), b.detach())
    for ours, theirs in zip(one.history, other.history, strict=True):
        assert {k: v for k, v in ours.items() if k != "dur"} == {
            k: v for k, v in theirs.items() if k != "dur"
        }


def halving(net, iris):
    return HalvingGridSearchCV(
        net,
        {"lr": [0.001, 0.003, 0.01, 0.03], "activation": ["relu", "tanh"]},
        resource="max_epochs",
        min_resources=2,
        max_resources=8,
        factor=2,
        cv=3,
        random_state=0,
    ).fit(*iris)


def grid(net, iris, **params):
    grid = {"lr": [0.001, 0.01], "activation": ["relu", "elu"], **params}
    return GridSearchCV(net, grid, cv=3, return_train_score=True).fit(*iris)


def finer(net, iris):
    grid(net, iris)
    return grid(net, iris, lr=[0.001, 0.003, 0.01])


def longer(net, iris):
    grid(net, iris)
    return grid(net.set_params(max_epochs=7), iris)


def random(net, iris):
    spaces = {"lr": loguniform(1e-3, 0.1), "width": [4, 6]}
    for n_iter in (3, 5):
        search = RandomizedSearchCV(net, spaces, n_iter=n_iter, cv=3, random_state=0)
        search.fit(*iris)
    return search


def piped(net, iris):
    pipe = make_pipeline(StandardScaler(), net)
    spaces = {"actmlp__lr": [0.001, 0.01], "actmlp__max_epochs": [2, 4]}
    GridSearchCV(pipe, spaces, cv=3).fit(*iris)
    return GridSearchCV(pipe, spaces, cv=3).fit(*iris)


SEARCHES = {  # search, fits restored, fits continued
    "halving": (halving, 0, 12 + 6),
    "a finer grid": (finer, 12, 0),
    "longer": (longer, 0, 12),
    "random": (random, 9, 0),
    "a pipeline": (piped, 12, 0),
}


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_that_goes_on_gives_the_results_of_one_that_does_not(
    name, n_jobs, iris
):
    search, n_restored, n_continued = SEARCHES[name]
    plain = search(clone(NET), iris)
    with fused(n_jobs=n_jobs) as session:
        together = search(clone(NET), iris)
    assert_same_results(plain.cv_results_, together.cv_results_)
    report = session.report
    # a refit is of other rows, but in "longer" and the like it was fitted before, too
    assert report.restored - n_restored in (0, 1)
    assert report.continued - n_continued in (0, 1)
    net = plain.best_estimator_
    ours = together.best_estimator_
    if name == "a pipeline":
        net, ours = net[-1], ours[-1]
    assert_same_nets(net, ours)


def test_nested_searches_meet_their_candidates_again(iris):
    search = GridSearchCV(NET, {"lr": [0.001, 0.01, 0.1]}, cv=2)

    def nested():
        return [cross_val_score(search, *iris, cv=3) for _ in range(2)]

    plain = nested()
    with fused() as session:
        together = nested()
    np.testing.assert_array_equal(plain, together)
    assert session.report.restored == 3 * (3 * 2 + 1)  # and the refits


@pytest.mark.usefixtures("kind")
def test_each_kind_of_net_goes_on_and_is_found_again(fits, kind):
    X, y = fits.data_of(kind)
    net = fits.net_of(kind)
    alone = [clone(net).set_params(max_epochs=n).fit(X, y) for n in (3, 6, 6, 2)]
    with fused() as session:
        found = [clone(net).set_params(max_epochs=n).fit(X, y) for n in (3, 6, 6, 2)]
    for one, other in zip(alone, found, strict=True):
        assert_same_nets(one, other)
    assert session.report.restored >= 1  # the second fit of six epochs


def test_a_fit_that_diverged_is_not_tried_again(iris):
    net = clone(NET).set_params(optimizer="sgd")
    with fused() as session:
        for _ in range(2):
            search = GridSearchCV(net, {"lr": [0.01, 1e30]}, cv=3, refit=False)
            with (
                pytest.warns(FitFailedWarning, match="3 fits failed"),
                pytest.warns(UserWarning, match="non-finite"),
            ):
                search.fit(*iris)
            scores = search.cv_results_["mean_test_score"]
            assert np.isnan(scores).tolist() == [False, True]
    assert (session.report.restored, session.report.failed) == (6, {"DivergedError": 6})


def test_an_early_stopped_fit_ends_where_it_ended_whatever_max_epochs(iris):
    net = ActMLP(early_stopping=True, patience=2, lr=0.3, random_state=0)
    whole = clone(net).set_params(max_epochs=90).fit(*iris)
    assert len(whole.history) < 50
    with fused() as session:
        clone(net).set_params(max_epochs=50).fit(*iris)
        again = clone(net).set_params(max_epochs=90).fit(*iris)
    assert session.report.restored == 1
    assert_same_nets(whole, again)


def test_what_draws_other_seeds_each_time_is_trained_each_time(iris):
    net = clone(NET).set_params(random_state=None)
    with fused() as session:
        for _ in range(2):
            cross_val_score(net, *iris, cv=3)
        for _ in range(2):
            cross_val_score(NET, *iris, cv=3)
    assert (session.report.n_fused, session.report.restored) == (9, 3)
    (reason,) = session.report.unnamed
    assert session.report.unnamed[reason] == 6
    assert f"6 fits could not be found again, because {reason}" in str(session.report)


def test_a_log_has_the_epochs_of_fits_that_were_restored(iris):
    frames = []
    with fused() as session:
        for _ in range(2):
            net = clone(NET).set_callbacks(TrainingLog())
            search = GridSearchCV(net, {"lr": [0.01, 0.1]}, cv=2, refit=False)
            frames.append(to_frame(search.fit(*iris), level="epoch"))
    assert session.report.restored == 4
    first, second = (frame.drop(columns="dur") for frame in frames)
    assert first.equals(second)
    assert len(first) == 4 * 4


def test_changing_a_fitted_net_changes_no_fit_to_come(iris):
    with fused():
        first = clone(NET).fit(*iris)
        with torch.no_grad():
            for parameter in first.module_.parameters():
                parameter.zero_()
        second = clone(NET).fit(*iris)
    assert_same_nets(second, clone(NET).fit(*iris))


def test_memory_bounds_what_is_kept(iris):
    with fused(memory=1) as session:
        for _ in range(2):
            cross_val_score(NET, *iris, cv=3)
    assert session.report.restored == 0
    assert len(session.train.kept) == 0


def test_bagged_nets_are_found_again(iris):
    bag = BaggingClassifier(NET, n_estimators=4, random_state=0)
    plain = bag.fit(*iris).predict_proba(iris[0])
    with fused() as session:
        for _ in range(2):
            again = clone(bag).fit(*iris).predict_proba(iris[0])
            np.testing.assert_array_equal(again, plain)
    assert session.report.restored == 4


def test_the_bar_counts_what_was_restored(iris):

    bar = ProgressBar(console=Console(file=StringIO()))
    session = session_here(progress=bar)
    with joblib.parallel_config(backend=FusingBackend(session)):
        for n_epochs in (2, 4, 4):
            cross_val_score(clone(NET).set_params(max_epochs=n_epochs), *iris, cv=3)
    assert (bar.done, bar.total) == (30, 30)

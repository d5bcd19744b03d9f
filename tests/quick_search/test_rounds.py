"""Rounds train the better candidates longer; a budget of seconds is kept."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_iris
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import cross_val_score

from skact import ActMLPRegressor, TrainingLog, checkpoints, search, to_frame
from skact.quick_search import rounds
from skact.quick_search.rounds import RoundsSearchCV, epochs_of_rounds, survivors_of

X, y = load_iris(return_X_y=True)


class Clock:
    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    one = Clock()
    monkeypatch.setattr(rounds, "time", one)
    return one


class Slow(ClassifierMixin, BaseEstimator):
    """Its score is `quality`, and better with more epochs; each epoch takes a while."""

    clock = None
    seconds = 0.1
    fails_below = -1.0

    def __init__(self, quality=0.0, n_epochs=1):
        self.quality, self.n_epochs = quality, n_epochs

    def fit(self, X, y):
        if self.quality < self.fails_below:
            raise ValueError("no")
        Slow.clock.now += self.seconds * self.n_epochs
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.zeros(len(X))

    def score(self, X, y):
        return self.quality - 1 / self.n_epochs


@pytest.fixture
def run(clock, monkeypatch):
    monkeypatch.setattr(Slow, "clock", clock)

    def run(seconds, n=40, **options):
        return RoundsSearchCV(
            Slow(),
            {"quality": np.linspace(0, 1, n)},
            resource="n_epochs",
            max_resources=24,
            deadline=clock.now + seconds,
            random_state=0,
            cv=2,
            **options,
        ).fit(X, y)

    return run


@pytest.mark.parametrize("seconds", [60, 150, 400, 1500])
def test_the_search_ends_in_time(run, clock, seconds):
    began = clock.now
    found = run(seconds)
    assert clock.now - began <= seconds
    assert [epochs for epochs, _ in found.rounds_] == [3, 6, 12, 24]
    counts = [number for _, number in found.rounds_]
    assert counts == sorted(counts, reverse=True)
    assert sum(counts) == len(found.cv_results_["params"])
    assert found.best_params_["n_epochs"] == 24


def test_much_time_tries_all_candidates_and_finds_the_best(run):
    found = run(10_000)
    assert found.rounds_ == [(3, 40), (6, 20), (12, 10), (24, 5)]
    assert found.best_params_ == {"quality": 1.0, "n_epochs": 24}
    assert found.n_candidates_ == 40


def test_hardly_any_time_tries_one_chunk(run):
    found = run(0.001)
    assert found.rounds_ == [(3, 1)]
    assert found.best_index_ == found.cv_results_["mean_test_score"].argmax()


@pytest.mark.parametrize(("seconds", "last"), [(10, 12), (12, 12), (30, 24)])
def test_a_share_in_which_no_candidate_fits_is_not_lost(run, clock, seconds, last):
    # a fourth of what is left is too short for a candidate
    began = clock.now
    assert run(seconds).rounds_[-1] == (last, 1)
    assert clock.now - began <= seconds


def test_without_a_deadline_all_candidates_are_tried_at_once(run, clock):
    found, timed = run(np.inf), run(10**6)
    assert found.rounds_ == timed.rounds_ == [(3, 40), (6, 20), (12, 10), (24, 5)]
    assert found.best_params_ == timed.best_params_
    tried = [one["quality"] for one in found.cv_results_["params"][:40]]
    assert tried == np.linspace(0, 1, 40).tolist()


class Overfits(Slow):
    """The more epochs, the worse, but for the first ones."""

    def score(self, X, y):
        return self.quality - abs(self.n_epochs - 6)


def test_the_best_number_of_epochs_wins_whatever_its_round(clock, monkeypatch):
    monkeypatch.setattr(Slow, "clock", clock)
    found = RoundsSearchCV(
        Overfits(),
        {"quality": [0.1, 0.2, 0.3, 0.4]},
        resource="n_epochs",
        max_resources=24,
        cv=2,
    ).fit(X, y)
    assert found.best_params_ == {"quality": 0.4, "n_epochs": 6}
    assert found.best_score_ == max(found.cv_results_["mean_test_score"])
    ranked = [found.cv_results_["params"][i] for i in found.rank_candidates()]
    # the last one was not in the second round
    assert [one["quality"] for one in ranked] == [0.4, 0.3, 0.2, 0.1]
    assert [one["n_epochs"] for one in ranked] == [6, 6, 6, 3]


def test_rounds_double_the_epochs_and_end_with_all():
    for n in (1, 2, 3, 5, 16, 100):
        found = epochs_of_rounds(n)
        assert found[-1] == n
        assert len(found) <= 4
        assert found == sorted(set(found))


def test_the_best_half_survives_and_the_best_of_each_activation():
    tried = [
        {"net__activation": name, "net__lr": i}
        for i, name in enumerate(["relu"] * 9 + ["tanh"] * 3)
    ]
    scores = [0.9, 0.91, 0.92, 0.93, 0.94, 0.95, 0.96, 0.97, 0.98, 0.5, 0.6, np.nan]
    kept = survivors_of(tried, scores)
    assert [one["net__lr"] for one in kept] == [8, 7, 6, 5, 4, 3, 10]
    kept = survivors_of(tried[:9], scores[:9])
    assert [one["net__lr"] for one in kept] == [8, 7, 6, 5, 4]
    kept = survivors_of(tried, [np.nan] * 12)
    assert len(kept) == 7


def test_a_search_says_what_its_budget_allowed(tmp_path):
    options = {
        "activations": ["relu", "tanh"],
        "n_candidates": 6,
        "width": 8,
        "depth": 1,
        "cv": 5,
        "max_epochs": 8,
        "budget": 0.001,
        "progress": False,
        "checkpoint": tmp_path,
    }
    found = search(X, y, **options)
    assert found.search_.rounds_ == [(1, 1)], str(found)
    assert (
        "The budget ended the search. Not tried: 5; more time may find better. None "
        "had all its epochs."
    ) in str(found)
    n_files = len(checkpoints(tmp_path))
    found = search(X, y, **options | {"budget": 10**6})
    assert found.search_.rounds_ == [(1, 6), (2, 3), (4, 3), (8, 3)]
    assert "The budget ended" not in str(found)
    assert "6 for 1, 3 for 2, 3 for 4, 3 for 8" in str(found)
    assert found.report_.restored >= 5
    assert found.report_.continued >= 3 * 3 * 5
    assert len(checkpoints(tmp_path)) > n_files


def test_each_row_is_what_a_search_of_these_epochs_alone_gives():
    options = {"activations": ["relu", "tanh"], "max_epochs": 8, "progress": False}
    found = search(X, y, n_candidates=6, width=8, cv=3, **options)
    pipe, results = found.search_.estimator, found.search_.cv_results_
    for i in (0, 7, len(results["params"]) - 1):
        alone = cross_val_score(pipe.set_params(**results["params"][i]), X, y, cv=3)
        fused = [results[f"split{k}_test_score"][i] for k in range(3)]
        np.testing.assert_array_equal(alone, fused)


@pytest.mark.parametrize("value", [0, -3, "60", True, np.nan, np.inf])
def test_a_budget_that_is_none_is_named(value):
    with pytest.raises(ValueError, match="budget must be None or a positive number"):
        search(X, y, budget=value)


def test_a_checkpoint_that_is_none_is_named():
    with pytest.raises(ValueError, match="checkpoint must be None or a folder"):
        search(X, y, checkpoint=3, progress=False)


@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
@pytest.mark.parametrize("seconds", [0.001, 300, 10_000])
def test_a_chunk_all_of_whose_fits_fail_ends_no_search(run, monkeypatch, seconds):
    monkeypatch.setattr(Slow, "fails_below", 0.9)  # 36 of 40
    with pytest.warns(FitFailedWarning):
        found = run(seconds)
    scores = found.cv_results_["mean_test_score"]
    assert np.isfinite(scores[found.best_index_])
    assert found.best_params_["quality"] >= 0.9
    assert sum(n for _, n in found.rounds_) == len(scores)
    if seconds == 10_000:
        assert found.rounds_[0] == (3, 40)
        assert np.isnan(scores[:40]).sum() == 36


def test_a_search_all_of_whose_fits_fail_says_so(run, monkeypatch):
    monkeypatch.setattr(Slow, "fails_below", 2.0)
    with pytest.raises(ValueError, match="fits failed"):
        run(10_000)


@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
def test_epochs_are_found_also_if_the_first_chunk_fails(diabetes):
    net = ActMLPRegressor(optimizer="sgd", batch_size=32, random_state=0)
    found = RoundsSearchCV(
        net.set_callbacks(TrainingLog()),
        {"lr": [1e30, 1e31, 1e32, 0.01, 0.001]},
        resource="max_epochs",
        max_resources=16,
        deadline=rounds.time.monotonic() + 10**6,
        random_state=0,
        cv=2,
    )
    first = np.random.default_rng(0).permutation(5)[0]
    assert first < 3  # the first chunk is this candidate alone, and diverges
    with pytest.warns(FitFailedWarning):
        found.fit(*diabetes)
    assert found.rounds_[0] == (2, 5)
    assert set(to_frame(found, level="epoch")["lr"]) >= {0.01, 0.001}
    assert found.best_params_["lr"] in (0.01, 0.001)

"""A budget of seconds is kept, whatever a candidate takes, and the result says so."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_iris
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import cross_val_score

from skact import ActMLPRegressor, TrainingLog, checkpoints, search, to_frame
from skact.quick_search import budget
from skact.quick_search.budget import BudgetedSearchCV, survivors_of

X, y = load_iris(return_X_y=True)


class Clock:
    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    one = Clock()
    monkeypatch.setattr(budget, "time", one)
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
        return BudgetedSearchCV(
            Slow(),
            {"quality": np.linspace(0, 1, n)},
            resource="n_epochs",
            max_resources=27,
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
    assert [epochs for epochs, _ in found.rounds_] == [3, 9, 27]
    counts = [number for _, number in found.rounds_]
    assert counts == sorted(counts, reverse=True)
    assert sum(counts) == len(found.cv_results_["params"])
    assert found.best_params_["n_epochs"] == 27


def test_much_time_tries_all_candidates_and_finds_the_best(run):
    found = run(10_000)
    assert found.rounds_ == [(3, 40), (9, 14), (27, 5)]
    assert found.best_params_ == {"quality": 1.0, "n_epochs": 27}
    assert found.n_candidates_ == 40


def test_hardly_any_time_tries_one_chunk(run):
    found = run(0.001)
    assert found.rounds_ == [(3, 1)]
    assert found.best_index_ == found.cv_results_["mean_test_score"].argmax()


def test_the_best_is_of_the_last_round(run):
    found = run(300)
    rounds = np.asarray(found.cv_results_["iter"])
    last = rounds == rounds.max()
    assert last[found.best_index_]
    best = np.nanmax(np.asarray(found.cv_results_["mean_test_score"])[last])
    assert found.best_score_ == best


def test_the_best_third_survives_and_one_of_another_activation():
    tried = [
        {"net__activation": name, "net__lr": i}
        for i, name in enumerate(["relu"] * 9 + ["tanh"] * 3)
    ]
    scores = [0.9, 0.91, 0.92, 0.93, 0.94, 0.95, 0.96, 0.97, 0.98, 0.5, 0.6, np.nan]
    kept = survivors_of(tried, scores)
    assert [one["net__lr"] for one in kept] == [8, 7, 6, 10]
    kept = survivors_of(tried[:9], scores[:9])
    assert [one["net__lr"] for one in kept] == [8, 7, 6]
    kept = survivors_of(tried, [np.nan] * 12)
    assert len(kept) == 4


def test_a_search_says_what_its_budget_allowed(tmp_path):
    options = {
        "activations": ["relu", "tanh"],
        "max_epochs": 9,
        "budget": 0.001,
        "progress": False,
        "checkpoint": tmp_path,
    }
    found = search(X, y, **options)
    assert found.search_.rounds_ == [(1, 1)], str(found)
    assert (
        "Of 6 candidates, the budget allowed 1 for 1 epoch. Not tried: 5; more time "
        "may find better. None had all its epochs."
    ) in str(found)
    n_files = len(checkpoints(tmp_path))
    found = search(X, y, **options | {"budget": 10**6})
    assert found.search_.rounds_ == [(1, 6), (3, 3), (9, 3)]
    assert "Of 6 candidates, the budget allowed 6 for 1 epoch, 3 for 3" in str(found)
    assert found.report_.restored >= 5
    assert found.report_.continued >= 5 * 6  # and perhaps the refit
    assert len(checkpoints(tmp_path)) > n_files
    # each row is what a search of these epochs alone gives
    pipe = found.search_.estimator
    for i in (0, len(found.search_.cv_results_["params"]) - 1):
        params = found.search_.cv_results_["params"][i]
        alone = cross_val_score(pipe.set_params(**params), X, y, cv=5)
        fused = [found.search_.cv_results_[f"split{k}_test_score"][i] for k in range(5)]
        np.testing.assert_array_equal(alone, fused)
    assert found.to_frame("epoch")["fold_loss"].notna().all()


@pytest.mark.parametrize("value", [0, -3, "60", True, np.nan, np.inf])
def test_a_budget_that_is_none_is_named(value):
    with pytest.raises(ValueError, match="budget must be None or a positive number"):
        search(X, y, budget=value)


def test_a_checkpoint_that_is_none_is_named():
    with pytest.raises(ValueError, match="checkpoint must be None or a folder"):
        search(X, y, checkpoint=3, progress=False)


def test_a_last_round_of_one_activation_is_printed_without_a_verdict(monkeypatch):
    monkeypatch.setattr(budget, "survivors_of", lambda tried, scores: tried[:1])
    options = {"activations": ["relu", "tanh"], "max_epochs": 9, "budget": 10**6}
    found = search(X, y, progress=False, **options)
    assert found.comparison is None
    assert "Of 6 candidates, the budget allowed 6 for 1 epoch, 1 for 3" in str(found)


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
    found = BudgetedSearchCV(
        net.set_callbacks(TrainingLog()),
        {"lr": [1e30, 1e31, 1e32, 0.01, 0.001]},
        resource="max_epochs",
        max_resources=18,
        deadline=budget.time.monotonic() + 10**6,
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

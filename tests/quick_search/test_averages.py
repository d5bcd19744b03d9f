"""An average is the mean of its members, and costs no training on the folds."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris

from skact import ActMLP, ActMLPRegressor, TrainingLog, search
from skact.quick_search.averages import average_of, best_size
from skact.quick_search.numbers import NumberEncoder
from skact.quick_search.pipelines import make_pipeline

X, y = load_iris(return_X_y=True)
XR, yr = load_diabetes(return_X_y=True)
OPTIONS = {
    "activations": ["relu", "tanh"],
    "width": 8,
    "depth": 1,
    "max_epochs": 8,
    "cv": 3,
    "progress": False,
}


def test_an_average_is_the_mean_of_what_its_members_say():
    net = ActMLP(max_epochs=3, width=8, random_state=0)
    pipe = make_pipeline(NumberEncoder(), net, is_regression=False)
    members = [
        {"net__activation": "relu", "columns__numbers": "clip", "net__max_epochs": 2},
        {"net__activation": "tanh", "columns__numbers": "standard"},
    ]
    found = average_of(pipe, members).fit(X, y)
    alone = [clone(pipe).set_params(**one).fit(X, y) for one in members]
    expected = np.mean([one.predict_proba(X) for one in alone], axis=0)
    assert np.array_equal(found.predict_proba(X), expected)
    assert set(pipe.get_params()["net__activation"]) == set("relu")  # not changed


def test_an_average_of_numbers_is_in_the_units_of_y():
    net = ActMLPRegressor(max_epochs=3, width=8, random_state=0)
    pipe = make_pipeline(NumberEncoder(), net, is_regression=True)
    members = [{"net__activation": "relu"}, {"net__activation": "tanh"}]
    found = average_of(pipe, members).fit(XR, yr).predict(XR)
    alone = [clone(pipe).set_params(**one).fit(XR, yr).predict(XR) for one in members]
    assert np.allclose(found, np.mean(alone, axis=0))
    assert 100 < found.mean() < 200


def test_members_do_not_write_into_the_log_of_the_search():
    log = TrainingLog()
    net = ActMLP(max_epochs=1, width=8, random_state=0).set_callbacks(log)
    pipe = make_pipeline(NumberEncoder(), net, is_regression=False)
    average_of(pipe, [{"net__lr": 0.01}, {"net__lr": 0.1}]).fit(X, y)
    assert len(log.fits) == 0


def test_averages_of_three_five_and_the_most_are_scored_without_training():
    found = search(X, y, n_candidates=8, average=6, **OPTIONS)
    names = [name for name in found.ranking_["model"] if name.startswith("average")]
    assert sorted(names) == [f"average of {n} nets" for n in (3, 5, 6)]
    n_folds = 3
    # each fit of a member on a fold is one that the rounds have made
    assert found.report_.restored >= (3 + 5 + 6) * n_folds
    best = found.average_scores_
    means = found.ranking_.set_index("model")["score"]
    assert best.mean() == pytest.approx(max(means[name] for name in names))


@pytest.mark.parametrize("size", [3, 5])
def test_the_score_of_an_average_is_that_of_its_members_on_the_folds(size):
    found = search(X, y, n_candidates=5, average=5, **OPTIONS)
    pipe, results = found.search_.estimator, found.search_.cv_results_
    best = [results["params"][i] for i in found.search_.rank_candidates()[:size]]
    expected = []
    for train, test in _folds():
        nets = [clone(pipe).set_params(**one).fit(X[train], y[train]) for one in best]
        mean = np.mean([one.predict_proba(X[test]) for one in nets], axis=0)
        expected.append((mean.argmax(1) == y[test]).mean())
    shown = found.ranking_.set_index("model").loc[f"average of {size} nets"]
    assert shown["score"] == pytest.approx(np.mean(expected))
    assert shown["std"] == pytest.approx(np.std(expected))


def _folds():
    from sklearn.model_selection import StratifiedKFold

    return StratifiedKFold(3).split(X, y)


@pytest.mark.parametrize("average", [1, 2])
def test_one_net_is_no_average(average):
    found = search(X, y, n_candidates=2, average=average, **OPTIONS)
    assert (found.average_scores_ is None) == (average == 1)


def test_what_scikit_learn_cannot_average_is_left_alone():
    both = np.column_stack([yr, yr])
    assert search(XR, both, n_candidates=2, **OPTIONS).average_scores_ is None
    weights = {0: 1.0, 1: 2.0, 2: 1.0}
    found = search(X, y, n_candidates=2, class_weight=weights, **OPTIONS)
    assert found.average_scores_ is None
    assert found.average_ is None


def test_of_equal_averages_the_smaller_is_taken():
    same = np.array([0.5, 0.7])
    assert best_size({3: same, 5: same, 8: same - 0.1}) == 3

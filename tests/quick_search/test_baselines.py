"""Models that are no nets are scored on the same folds, by the same score."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline

from skact.quick_search.baselines import (
    LINEAR,
    TREES,
    TRIVIAL,
    make_baselines,
    score_baselines,
)
from skact.quick_search.numbers import NumberEncoder

X, y = load_iris(return_X_y=True)
OPTIONS = {"refit": True, "scoring": None, "cv": 3, "fit_params": {}}


def test_scores_are_those_of_cross_validation():
    models = make_baselines(X, y, is_regression=False)
    found = score_baselines(X, y, NumberEncoder(), models, **OPTIONS)
    assert list(found) == [TRIVIAL, LINEAR, TREES]
    assert found[TRIVIAL] == pytest.approx(1 / 3, abs=0.02)
    trees = HistGradientBoostingClassifier(random_state=0)
    alone = make_pipeline(NumberEncoder(), trees)
    assert found[TREES].tolist() == cross_val_score(alone, X, y, cv=3).tolist()


def test_the_score_is_the_one_that_chooses_the_net():
    data, target = load_diabetes(return_X_y=True)
    models = make_baselines(data, target, is_regression=True)
    scoring = ["neg_mean_absolute_error", "r2"]
    options = {**OPTIONS, "scoring": scoring, "refit": "r2"}
    found = score_baselines(data, target, NumberEncoder(), models, **options)
    assert found[TRIVIAL] == pytest.approx(0, abs=0.02)
    assert 0.4 < found[LINEAR].mean() < 0.6


def test_weights_and_folds_are_those_of_the_search():
    weights = np.where(y == 2, 1e6, 1.0)
    options = {**OPTIONS, "fit_params": {"sample_weight": weights}}
    options["cv"] = StratifiedKFold(4, shuffle=True, random_state=1)
    models = make_baselines(X, y, is_regression=False)
    found = score_baselines(X, y, NumberEncoder(), models, **options)
    assert found[TRIVIAL].shape == (4,)
    assert found[TRIVIAL] == pytest.approx(1, abs=1e-4)  # the heavy class is predicted


def test_a_model_that_cannot_be_scored_is_left_out():
    class Broken(HistGradientBoostingClassifier):
        def fit(self, X, y, sample_weight=None):
            raise ValueError("no")

    models = {**make_baselines(X, y, is_regression=False), TREES: Broken()}
    found = score_baselines(X, y, NumberEncoder(), models, **OPTIONS)
    assert list(found) == [TRIVIAL, LINEAR]


def test_trees_take_neither_sparse_rows_nor_several_targets():
    assert TREES not in make_baselines(csr_array(X), y, is_regression=False)
    both = np.column_stack([y, y]).astype(float)
    assert TREES not in make_baselines(X, both, is_regression=True)

"""Inside scikit-learn's meta-estimators and searches, on real data."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy.stats import loguniform
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    cross_val_score,
    cross_validate,
    learning_curve,
    validation_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from torch import nn

from skact import ActMLP, ActMLPBinary, ActMLPRegressor

NET = ActMLP(max_epochs=10, lr=0.01, width=16, random_state=0)


def test_pipeline_and_grid_search_over_activation_width_and_lr(digits):
    X, y = digits
    pipe = make_pipeline(StandardScaler(), NET)
    grid = {
        "actmlp__activation": ["relu", "leaky_relu(0.2)"],
        "actmlp__width": [8, 32],
        "actmlp__lr": [0.1, 0.01],
    }
    search = GridSearchCV(pipe, grid, cv=2, error_score="raise").fit(X, y)
    assert search.best_score_ > 0.85
    assert np.unique(search.cv_results_["mean_test_score"]).size > 1
    assert search.best_estimator_[-1].width == search.best_params_["actmlp__width"]
    assert search.predict(X).shape == y.shape


def test_a_grid_over_module_instances_as_the_seed_has_it(digits):
    X, y = digits
    grid = {"activation": [nn.ReLU(), nn.Tanh(), nn.LeakyReLU()]}
    search = GridSearchCV(NET, grid, cv=2, refit=False, scoring="accuracy").fit(X, y)
    by_name = GridSearchCV(
        NET, {"activation": ["relu", "tanh", "leaky_relu"]}, cv=2, refit=False
    )
    np.testing.assert_array_equal(
        search.cv_results_["mean_test_score"],
        by_name.fit(X, y).cv_results_["mean_test_score"],
    )


def test_a_grid_over_architectures_per_layer_and_optimizers(digits):
    X, y = digits
    grid = [
        {"hidden": [(16, 8)], "activation": [("relu", "tanh"), "silu"]},
        {"depth": [0, 2], "optimizer": ["sgd", "adamw"], "norm": ["batch", None]},
    ]
    search = GridSearchCV(NET, grid, cv=2, error_score="raise").fit(X, y)
    assert len(search.cv_results_["params"]) == 10


def test_a_diverging_candidate_fails_alone(diabetes):
    X, y = diabetes
    net = ActMLPRegressor(optimizer="sgd", max_epochs=10, width=16, random_state=0)
    search = GridSearchCV(net, {"lr": [0.01, 1e6]}, cv=2)
    with (
        pytest.warns(FitFailedWarning, match="DivergedError: ActMLPRegressor diverged"),
        pytest.warns(
            UserWarning, match="One or more of the test scores are non-finite"
        ),
    ):
        search.fit(X, y)
    assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [False, True]
    assert search.best_params_ == {"lr": 0.01}


def test_randomized_search(digits):
    X, y = digits
    space = {
        "lr": loguniform(1e-3, 1e-1),
        "activation": ["relu", "tanh"],
        "dropout": [0, 0.2],
    }
    search = RandomizedSearchCV(NET, space, n_iter=4, cv=2, random_state=0).fit(X, y)
    assert search.best_score_ > 0.8


def test_halving_search_with_rows_and_with_epochs_as_the_resource(digits):
    X, y = digits
    grid = {"activation": ["relu", "tanh", "silu"], "lr": [0.1, 0.01]}
    rows = HalvingGridSearchCV(NET, grid, cv=2, random_state=0).fit(X, y)
    assert rows.score(X, y) > 0.8
    epochs = HalvingGridSearchCV(
        NET, grid, cv=2, resource="max_epochs", max_resources=9, random_state=0
    ).fit(X, y)
    assert epochs.best_estimator_.max_epochs == 9


def test_column_transformer_on_a_frame_with_categories(iris):
    X, y = iris
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    frame["size"] = np.where(X[:, 2] > 0, "large", "small")
    columns = ColumnTransformer(
        [
            ("numbers", StandardScaler(), ["a", "b"]),
            ("words", OneHotEncoder(sparse_output=False), ["size"]),
        ]
    )
    pipe = Pipeline([("columns", columns), ("net", NET)]).fit(frame, y)
    assert pipe.score(frame, y) > 0.6
    pipe.set_output(transform="pandas").fit(frame, y)
    assert "words__size_small" in pipe["net"].feature_names_in_


def test_cross_validate_keeps_the_histories_of_the_nets(digits):
    X, y = digits
    result = cross_validate(
        NET, X, y, cv=3, return_estimator=True, scoring=["accuracy", "neg_log_loss"]
    )
    assert [len(net.history) for net in result["estimator"]] == [10, 10, 10]
    assert result["test_accuracy"].mean() > 0.7


def test_learning_and_validation_curves(digits):
    X, y = digits
    _, _, by_rows = learning_curve(NET, X, y, cv=2, train_sizes=[0.3, 1.0])
    assert by_rows.mean(1)[1] > by_rows.mean(1)[0]
    _, by_width = validation_curve(
        NET, X, y, param_name="width", param_range=[1, 32], cv=2
    )
    assert by_width.mean(1)[1] > by_width.mean(1)[0]


def test_voting_is_between_the_nets(digits):
    X, y = digits
    nets = [
        ("relu", NET),
        ("tanh", ActMLP("tanh", max_epochs=10, lr=0.01, random_state=1)),
    ]
    voting = VotingClassifier(nets, voting="soft", n_jobs=2).fit(X, y)
    mean = np.mean([net.predict_proba(X) for net in voting.estimators_], axis=0)
    np.testing.assert_allclose(voting.predict_proba(X), mean)


def test_bagging_gives_each_net_its_own_seed(digits):
    X, y = digits
    bagging = BaggingClassifier(NET, n_estimators=3, random_state=0).fit(X, y)
    assert len({net.random_state for net in bagging.estimators_}) == 3
    assert bagging.score(X, y) > 0.85


def test_stacking(digits):
    X, y = digits
    stack = StackingClassifier(
        [
            ("relu", NET),
            ("linear", ActMLP(depth=0, max_epochs=10, lr=0.01, random_state=0)),
        ],
        final_estimator=LogisticRegression(),
        cv=2,
    )
    assert stack.fit(X, y).score(X, y) > 0.85


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_calibration(method, cancer):
    X, y = cancer
    calibrated = CalibratedClassifierCV(NET, method=method, cv=2).fit(X, y)
    assert calibrated.score(X, y) > 0.9


@pytest.mark.parametrize(
    "net", [NET, ActMLPBinary(max_epochs=10, lr=0.01, width=16, random_state=0)]
)
def test_one_versus_rest(net, iris):
    X, y = iris
    ovr = OneVsRestClassifier(net).fit(X, np.array(["a", "b", "c"])[y])
    assert ovr.score(X, np.array(["a", "b", "c"])[y]) > 0.8


def test_permutation_importance_finds_the_column_that_matters(iris):
    X, y = iris
    X = np.column_stack([np.random.default_rng(0).normal(size=len(X)), X[:, 2]])
    importance = permutation_importance(
        NET.fit(X, y), X, y, random_state=0
    ).importances_mean
    assert importance[1] > 10 * abs(importance[0])


def test_thresholds_are_scikit_learns(cancer):
    X, y = cancer
    net = ActMLPBinary(max_epochs=10, lr=0.01, random_state=0)
    strict = FixedThresholdClassifier(
        net, threshold=0.9, response_method="predict_proba"
    )
    expected = net.fit(X, y).predict_proba(X)[:, 1] >= 0.9
    np.testing.assert_array_equal(strict.fit(X, y).predict(X) == 1, expected)


def test_a_target_transformer_scales_y(diabetes):
    X, y = diabetes
    net = ActMLPRegressor(max_epochs=60, lr=0.01, width=16, random_state=0)
    scaled = TransformedTargetRegressor(net, transformer=StandardScaler())
    assert scaled.fit(X, 1000 + 50 * y).score(X, 1000 + 50 * y) > 0.5


def test_sample_weights_are_routed(digits):
    X, y = digits
    weight = (y != 3).astype(float)
    with sklearn.config_context(enable_metadata_routing=True):
        net = ActMLP(max_epochs=10, random_state=0).set_fit_request(sample_weight=True)
        routed = cross_validate(
            net.set_score_request(sample_weight=False),
            X,
            y,
            cv=2,
            params={"sample_weight": weight},
            return_estimator=True,
        )
    for fitted in routed["estimator"]:
        assert 3 not in fitted.predict(X)


def test_it_takes_the_place_of_mlpclassifier(digits):
    X, y = digits
    ours, theirs = (
        cross_val_score(make_pipeline(StandardScaler(), net), X, y, cv=3).mean()
        for net in (ActMLP(random_state=0), MLPClassifier(max_iter=500, random_state=0))
    )
    assert ours > theirs - 0.03

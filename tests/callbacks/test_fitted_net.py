"""The net inside an estimator, and the rows that reach it."""

import numpy as np
import pytest
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import make_pipeline as make_resampling_pipeline
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skact import ActMLP, ActMLPRegressor
from skact.callbacks.fitted_net import fitted_net_inside, inputs_of_net

X = np.random.default_rng(0).normal(size=(30, 3)) * 7 + 2
y = (np.arange(30) % 3 == 0).astype(int)


def a_net(kind=ActMLP):
    return kind(width=4, max_epochs=2, random_state=0)


ESTIMATORS = {
    "net": lambda: a_net(),
    "pipeline": lambda: make_pipeline(StandardScaler(), a_net()),
    "passthrough": lambda: Pipeline(
        [("a", "passthrough"), ("b", None), ("s", StandardScaler()), ("net", a_net())]
    ),
    "nested": lambda: make_pipeline(
        StandardScaler(), make_pipeline(StandardScaler(), a_net())
    ),
    "resampled": lambda: make_resampling_pipeline(
        StandardScaler(), RandomOverSampler(random_state=0), a_net()
    ),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_net_predicts_from_its_rows_what_the_estimator_predicts(name):
    estimator = ESTIMATORS[name]().fit(X, y)
    net = fitted_net_inside(estimator)
    assert isinstance(net, ActMLP)
    rows, labels = inputs_of_net(estimator, X, y)
    np.testing.assert_array_equal(net.predict_proba(rows), estimator.predict_proba(X))
    assert labels is y


@pytest.mark.parametrize("target", [X[:, 0] * 100, X[:, :2] * 100])
@pytest.mark.parametrize("piped", [False, True])
def test_the_target_is_the_transformed_one(target, piped):
    inner = a_net(ActMLPRegressor)
    inner = make_pipeline(StandardScaler(), inner) if piped else inner
    estimator = TransformedTargetRegressor(inner, transformer=StandardScaler())
    estimator.fit(X, target)
    net = fitted_net_inside(estimator)
    assert isinstance(net, ActMLPRegressor)
    rows, scaled = inputs_of_net(estimator, X, target)
    assert scaled.shape == target.shape
    assert abs(scaled).max() < 5
    np.testing.assert_allclose(
        StandardScaler()
        .fit(target.reshape(30, -1))
        .inverse_transform(net.predict(rows).reshape(30, -1)),
        estimator.predict(X).reshape(30, -1),
        rtol=1e-6,
    )


def test_another_estimator_is_itself():
    model = LogisticRegression().fit(X, y)
    assert fitted_net_inside(model) is model
    rows, labels = inputs_of_net(model, X, y)
    assert rows is X
    assert labels is y

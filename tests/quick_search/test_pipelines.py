"""A pipeline of the search: weights reach the net, y is standardised in the fold."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import r2_score
from sklearn.preprocessing import StandardScaler

from skact.quick_search.numbers import NumberEncoder
from skact.quick_search.pipelines import make_columns, make_pipeline
from skact.quick_search.tables import TableEncoder

X, y = load_iris(return_X_y=True)
XR, yr = load_diabetes(return_X_y=True)


def test_the_net_learns_a_standardised_y_and_answers_in_its_units():
    """As by hand: (y - mean) / deviation goes in, and comes back."""
    pipe = make_pipeline(NumberEncoder(), Ridge(), is_regression=True).fit(XR, yr)
    hand = Ridge().fit(NumberEncoder().fit_transform(XR), (yr - yr.mean()) / yr.std())
    expected = hand.predict(NumberEncoder().fit_transform(XR)) * yr.std() + yr.mean()
    assert np.allclose(pipe.predict(XR), expected)
    assert pipe.score(XR, yr) == pytest.approx(r2_score(yr, expected))
    assert is_regressor(pipe)
    assert not is_classifier(pipe)


class SeesY(Ridge):
    """Remembers the y that it was given."""

    def fit(self, X, y, sample_weight=None):
        self.seen_ = np.asarray(y)
        return super().fit(X, y, sample_weight)


def test_the_net_sees_y_of_mean_0_and_deviation_1_of_its_own_rows():
    pipe = make_pipeline(NumberEncoder(), SeesY(), is_regression=True)
    for rows in (slice(0, 100), slice(100, 400)):
        seen = clone(pipe).fit(XR[rows], yr[rows])[-1].seen_
        assert seen.mean() == pytest.approx(0, abs=1e-9)
        assert seen.std() == pytest.approx(1)


def test_several_columns_of_y_are_standardised_one_by_one():
    both = np.column_stack([yr, 1e6 * yr + 7])
    pipe = make_pipeline(NumberEncoder(), Ridge(), is_regression=True).fit(XR, both)
    found = pipe.predict(XR)
    assert found.shape == both.shape
    assert np.allclose(found[:, 1], 1e6 * found[:, 0] + 7)


@pytest.mark.parametrize("is_regression", [False, True])
def test_weights_reach_the_model(is_regression):
    data, target = (XR, yr) if is_regression else (X, y)
    model = Ridge() if is_regression else LogisticRegression()
    weights = np.where(target > np.median(target), 9.0, 0.1)
    pipe = make_pipeline(NumberEncoder(), model, is_regression=is_regression)
    plain = clone(pipe).fit(data, target).predict(data)
    weighted = clone(pipe).fit(data, target, sample_weight=weights).predict(data)
    assert weighted.mean() > plain.mean()
    once_more = clone(pipe).fit(data, target, weights).predict(data)
    assert (once_more == weighted).all()


def test_the_transformer_suits_the_table():
    assert isinstance(make_columns(X), NumberEncoder)
    assert isinstance(make_columns(csr_array(X)), StandardScaler)
    frame = pd.DataFrame({"a": [1.5, 2.5, 3.5], "w": ["x", "y", "x"]})
    found = make_columns(frame)
    assert isinstance(found, TableEncoder)
    assert found.kinds == ["number", "category"]
    with pytest.raises(ValueError, match="has no name"):
        make_columns(frame.rename(columns={"a": np.nan}))
    with pytest.raises(ValueError, match="Column 0 of X holds infinite values"):
        make_columns(np.array([[np.inf], [1.0]]))

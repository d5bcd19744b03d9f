"""Numbers reach a net without gaps, within limits, and alike in training and after."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.preprocessing import StandardScaler

from skact.quick_search.numbers import WAYS, NumberEncoder, ways_that_differ

RNG = np.random.default_rng(0)
COLUMNS = np.column_stack(
    [RNG.normal(5, 3, 200), RNG.lognormal(0, 3, 200), np.arange(200) % 3]
)


@pytest.mark.parametrize("way", WAYS)
def test_what_comes_out_is_finite_float32_with_a_name_for_each_column(way):
    X = COLUMNS.copy()
    X[::7, 0] = np.nan
    encoder = NumberEncoder(way).fit(X)
    found = encoder.transform(X)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    names = encoder.get_feature_names_out(["a", "b", "c"])
    assert found.shape[1] == len(names) == len(set(names)) == encoder.n_outputs_.sum()
    assert names[:3].tolist() == ["a", "b", "c"]


def test_standard_is_what_standard_scaler_does():
    expected = StandardScaler().fit_transform(COLUMNS)
    found = NumberEncoder("standard").fit_transform(COLUMNS)
    assert np.allclose(found, expected, atol=1e-6)


def test_clipped_numbers_keep_their_order_within_three_of_the_middle():
    X = np.array([[-1e9], [0.0], [1.0], [2.0], [3.0], [1e9]])
    found = NumberEncoder("clip").fit_transform(X)[:, 0]
    assert (np.diff(found) >= 0).all()
    assert np.abs(found).max() <= 3
    # near the middle nothing is bent: less the median, over the quartiles' distance
    assert found[2] == pytest.approx((1.0 - 1.5) / 2.5, abs=0.01)


def test_a_huge_number_is_at_the_limit_and_not_in_the_middle():
    X = np.array([[-1e300], [0.0], [1e-300], [2e-300], [3e-300], [1e200]])
    found = NumberEncoder("clip").fit_transform(X)[:, 0]
    assert found[0] == -3
    assert found[-1] == 3
    assert (np.diff(found) >= 0).all()


def test_one_outlier_moves_the_others_hardly():
    X = RNG.normal(size=(500, 1))
    wild = X.copy()
    wild[0] = 1e6
    for way in ("clip", "quantile", "piecewise"):
        calm, moved = (NumberEncoder(way).fit_transform(one)[1:] for one in (X, wild))
        # all but the ends, whose ranks the outlier has changed
        assert np.quantile(np.abs(calm - moved), 0.99) < 0.1, way
    calm, moved = (
        NumberEncoder("standard").fit_transform(one)[1:] for one in (X, wild)
    )
    assert np.abs(calm - moved).max() > 0.5  # so an outlier is what the others are for


def test_quantiles_make_any_order_of_numbers_normal():
    found = NumberEncoder("quantile").fit_transform(COLUMNS)
    assert np.abs(found[:, :2].mean(0)).max() < 0.1
    assert np.abs(found[:, :2].std(0) - 1).max() < 0.15
    # a monotone change of the numbers changes nothing
    again = NumberEncoder("quantile").fit_transform(np.cbrt(COLUMNS))
    assert np.allclose(found[:, :2], again[:, :2], atol=1e-3)


def test_bins_say_how_much_of_each_lies_below_a_number():
    X = np.arange(161.0)[:, None]
    found = NumberEncoder("piecewise").fit_transform(X)
    bins = found[:, 1:]
    assert bins.shape == (161, 16)
    assert np.allclose(bins.sum(1), np.arange(161) / 10, atol=1e-5)  # 10 to a bin
    assert ((bins >= 0) & (bins <= 1)).all()
    assert (np.diff(bins, axis=1) <= 1e-6).all()  # a bin is full before the next


def test_bins_of_no_width_hold_nothing():
    X = np.r_[np.zeros(100), np.arange(1.0, 61)][:, None]
    bins = NumberEncoder("piecewise").fit_transform(X)[:, 1:]
    assert bins.shape[1] == 16  # as many in each fold
    assert np.isfinite(bins).all()
    assert (bins[:100] == 0).all()


def test_gaps_are_middle_values():
    X = np.array([[1.0], [2.0], [np.nan], [9.0]])
    assert NumberEncoder("clip").fit_transform(X)[2, 0] == 0
    assert NumberEncoder("standard").fit_transform(X)[2, 0] == 0


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=25, deadline=None)
@given(
    hnp.arrays(
        float,
        st.tuples(st.integers(2, 40), st.integers(1, 3)),
        elements=st.floats(-1e12, 1e12) | st.just(np.nan),
    )
)
def test_any_numbers_are_encoded(way, X):
    with np.errstate(all="ignore"):
        X = np.where(np.isnan(X).all(0), 0.0, X)
        found = NumberEncoder(way).fit_transform(X)
    assert np.isfinite(found).all()


def test_what_cannot_be_encoded_is_named():
    with pytest.raises(ValueError, match=r"numbers must be one of .* got 'log'"):
        NumberEncoder("log").fit(COLUMNS)
    encoder = NumberEncoder("clip").fit(COLUMNS)
    with pytest.raises(
        ValueError, match=r"2 features, but NumberEncoder is expecting 3"
    ):
        encoder.transform(COLUMNS[:, :2])
    with pytest.raises(ValueError, match="infinity"):
        encoder.transform(np.full((1, 3), np.inf))


def test_ways_are_tried_only_where_they_differ():
    assert ways_that_differ(None) == ["standard"]
    assert ways_that_differ(COLUMNS[:, 2:]) == ["standard"]
    assert ways_that_differ(COLUMNS) == ["clip", "quantile", "piecewise"]
    wide = RNG.normal(
        size=(50, 100)
    )  # 1,600 inputs more would cost more than they give
    assert ways_that_differ(wide) == ["clip", "quantile"]

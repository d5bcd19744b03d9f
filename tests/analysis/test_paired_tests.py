"""Paired tests correct for shared rows, and Holm's method for the number of tests."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from skact.analysis.paired_tests import adjust_by_holm, paired_test


def test_holm_s_method_on_the_usual_example() -> None:
    """https://en.wikipedia.org/wiki/Holm-Bonferroni_method: H4 and H1 are rejected."""
    adjusted = adjust_by_holm([0.01, 0.04, 0.03, 0.005])
    assert np.allclose(adjusted, [0.03, 0.06, 0.06, 0.02])
    assert (adjusted < 0.05).tolist() == [True, False, False, True]
    assert adjust_by_holm([]).tolist() == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_keeps_the_order_and_lies_between_p_and_bonferroni(p: list[float]) -> None:
    adjusted = adjust_by_holm(p)
    assert (adjusted >= np.array(p)).all()
    assert (adjusted <= np.minimum(1, np.array(p) * len(p)) + 1e-15).all()
    order = np.argsort(p, kind="stable")
    assert (np.diff(adjusted[order]) >= 0).all()


@given(
    st.lists(st.floats(-1, 1), min_size=3, max_size=12),
    st.floats(0.01, 1),
    st.floats(0, 0.1),
)
def test_a_paired_test_is_consistent_with_itself(
    d: list[float], ratio: float, rope: float
) -> None:
    test = paired_test(d, ratio, rope)
    back = paired_test([-value for value in d], ratio, rope)
    assert test.above + test.within + test.below == pytest.approx(1)
    assert back.p == pytest.approx(test.p)
    assert back.above == pytest.approx(test.below, abs=1e-9)
    assert test.low <= test.difference <= test.high
    assert 0 <= test.p <= 1


def test_without_correlation_it_is_the_ordinary_t_test() -> None:
    d = [0.1, 0.3, -0.05, 0.2]
    test, usual = paired_test(d, 0.0), stats.ttest_1samp(d, 0)
    assert (test.t, test.p) == pytest.approx((usual.statistic, usual.pvalue))
    interval = usual.confidence_interval(0.95)
    assert (test.low, test.high) == pytest.approx((interval.low, interval.high))


def test_folds_without_any_variance_are_not_divided_by_it() -> None:
    same = paired_test([0.0, 0.0, 0.0], 0.5, rope=0.01)
    assert (same.t, same.p, same.within, same.effect_size) == (0, 1, 1, 0)
    apart = paired_test([0.2, 0.2, 0.2], 0.5, rope=0.01)
    assert (apart.p, apart.above, apart.within) == (0, 1, 0)


def test_the_uncorrected_test_would_raise_too_many_alarms(
    equal_candidates: Any,
) -> None:
    """So the simulation can tell a wrong test from a right one."""
    rng = np.random.default_rng(0)
    wrong = right = 0
    for _ in range(300):
        a, b = equal_candidates(rng, 2, 1)[:, 0]
        wrong += paired_test(a - b, 0.0).p < 0.05
        right += paired_test(a - b, 1 / 4).p < 0.05
    assert right / 300 <= 0.05 < wrong / 300

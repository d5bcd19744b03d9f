"""Paired tests correct for shared rows, and Holm's method for the number of tests."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from skact.analysis.paired_tests import PairedTest, adjust_by_holm, paired_test


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


def test_a_continuous_score_that_is_equal_on_all_folds_is_equal() -> None:
    same = paired_test([0.0, 0.0, 0.0], 0.5, rope=0.01)
    assert (same.t, same.p, same.within, same.effect_size) == (0, 1, 1, 0)


def test_folds_that_agree_by_chance_are_not_sure() -> None:
    """p was 0: the deviation is now that of folds of which one differs by a step."""
    for n, ratio in ((2, 1), (3, 1 / 2), (5, 1 / 4), (10, 1 / 9)):
        apart = paired_test([0.2] * n, ratio, step=0.02)
        least = paired_test([0.2] * (n - 1) + [0.22], ratio, step=0.02)
        assert apart.effect_size == pytest.approx(0.2 / (0.02 / np.sqrt(n)))
        assert 0 < least.p < apart.p
        # all folds differ by the same: so this is a step, if no other is known
        by_itself = paired_test([0.2] * n, ratio)
        assert by_itself.p == pytest.approx(paired_test([0.2] * n, ratio, step=0.2).p)
    assert paired_test([0.2] * 2, 1).p > 0.4
    assert paired_test([0.2] * 10, 1 / 9).p < 0.001


def test_models_equal_on_all_folds_may_differ_on_rows_that_were_not_seen() -> None:
    """The rule of three (Hanley & Lippman-Hand 1983): in 95 %, up to 3 of N rows."""

    def found(n_folds: int, n_rows: int) -> PairedTest:
        step = n_folds / n_rows
        return paired_test([0.0] * n_folds, 1 / (n_folds - 1), rope=0.01, step=step)

    ends = [found(n_folds, 1000).high for n_folds in (2, 3, 5, 10, 20, 100)]
    assert ends == sorted(ends, reverse=True)  # few folds tell less
    assert ends[-1] == pytest.approx(3 / 1000, rel=0.1)
    for n_folds in (2, 3, 5, 10, 20):
        assert found(n_folds, 60).within < 0.5  # it was 1
        assert found(n_folds, 60_000).within > 0.97


def test_repetitions_of_folds_add_no_rows() -> None:
    once = paired_test([0.0] * 10, 1 / 9, step=0.1)
    often = paired_test([0.0] * 100, 1 / 9, step=0.1)
    deviations = [
        test.high / stats.t.ppf(0.975, test.df) / np.sqrt(1 / (test.df + 1) + 1 / 9)
        for test in (once, often)
    ]
    assert deviations[0] == pytest.approx(deviations[1])


@given(st.lists(st.integers(-3, 3), min_size=2, max_size=8), st.integers(1, 50))
def test_steps_make_no_test_surer(right: list[int], m: int) -> None:
    d, ratio = np.array(right) / m, 1 / (len(right) - 1)
    with_step, without = (
        paired_test(d, ratio, rope=0.01, step=step) for step in (1 / m, 0)
    )
    if np.ptp(d) > 0:
        assert with_step.p >= without.p - 1e-12
        assert with_step.high - with_step.low >= without.high - without.low - 1e-12
    elif right[0]:
        assert 0 < with_step.p < 1
    else:
        assert with_step.within < 1


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

r"""Tests of differences between cross-validated scores, corrected for shared rows.

The scores of two models on the same n folds differ by :math:`d_1, \dots, d_n`, of mean
:math:`\bar d` and variance :math:`s^2`. The folds share training rows, so the
differences are correlated, and :math:`s^2 / n` is too small for the variance of the
mean. Nadeau and Bengio take

.. math:: \left(\frac{1}{n} + \frac{n_{test}}{n_{train}}\right) s^2

instead. Benavoli et al. show that the posterior of the mean difference is Student's t
with n - 1 degrees of freedom, location :math:`\bar d` and the same scale.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class PairedTest:
    """The result of a test of the mean of n paired differences.

    Attributes
    ----------
    difference : float
        The mean.
    t, df, p : float
        Statistic, degrees of freedom and two-sided p-value of the corrected resampled
        t-test that the mean is 0.
    low, high : float
        Ends of the 95 % interval of the mean; confidence and credible interval agree.
    above, within, below : float
        Posterior probabilities that the mean is above the region of practical
        equivalence, within it, and below it.
    effect_size : float
        The mean over the standard deviation of the differences (Cohen's d of pairs).
    """

    difference: float
    t: float
    df: int
    p: float
    low: float
    high: float
    above: float
    within: float
    below: float
    effect_size: float


def paired_test(
    differences: Sequence[float] | np.ndarray, test_ratio: float, rope: float = 0.0
) -> PairedTest:
    """Test whether the scores of two models on the same folds differ.

    Parameters
    ----------
    differences : array-like of shape (n_folds,)
        Score of the first minus score of the second, on each fold.
    test_ratio : float
        Test rows over training rows of a fold: 1 / (k - 1) for k folds.
    rope : float, default=0.0
        Half the width of the region of practical equivalence around 0.

    Returns
    -------
    PairedTest

    References
    ----------
    Nadeau & Bengio (2003), Inference for the Generalization Error, Machine Learning 52.
    Benavoli, Corani, Demsar & Zaffalon (2017), Time for a Change: a Tutorial for
    Comparing Multiple Classifiers Through Bayesian Analysis, JMLR 18(77).

    Examples
    --------
    >>> test = paired_test([0.02, 0.01, 0.03, 0.02, 0.02], test_ratio=1 / 4, rope=0.01)
    >>> print(f"{test.difference:.3f} {test.t:.2f} {test.p:.3f} {test.within:.2f}")
    0.020 4.22 0.014 0.05
    """
    # rounded, because means of equal scores may differ in their last bits
    d = np.asarray(differences, dtype=float).round(14)
    n, mean, deviation = len(d), float(d.mean()), float(d.std(ddof=1))
    scale = deviation * math.sqrt(1 / n + test_ratio)
    # all folds have the same difference, apart from rounding errors
    if scale <= 1e-12 * max(1.0, abs(mean)):
        is_zero = abs(mean) <= 1e-12
        t = 0.0 if is_zero else math.copysign(math.inf, mean)
        above, below = float(mean > rope), float(mean < -rope)
        size = 0.0 if is_zero else math.copysign(math.inf, mean)
        p, ends = float(is_zero), (mean, mean)
    else:
        posterior = stats.t(n - 1, loc=mean, scale=scale)
        t, p = mean / scale, float(2 * stats.t.sf(abs(mean / scale), n - 1))
        above, below = float(posterior.sf(rope)), float(posterior.cdf(-rope))
        ends = tuple(map(float, posterior.interval(0.95)))  # type: ignore[assignment]
        size = mean / deviation
    within = max(0.0, 1 - above - below)
    return PairedTest(mean, t, n - 1, p, *ends, above, within, below, size)


def adjust_by_holm(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Adjust p-values for the number of tests, step by step (Holm 1979).

    Parameters
    ----------
    p_values : array-like of shape (n_tests,)

    Returns
    -------
    ndarray of shape (n_tests,)
        Adjusted p-values. Reject test i where the adjusted p is below alpha; the
        family-wise error is then at most alpha.

    References
    ----------
    Holm (1979), A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian
    Journal of Statistics 6.

    Examples
    --------
    >>> adjust_by_holm([0.01, 0.04, 0.03, 0.005]).tolist()
    [0.03, 0.06, 0.06, 0.02]
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    n_left = np.arange(len(p), 0, -1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * n_left))
    return adjusted

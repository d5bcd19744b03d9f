r"""Tests of differences between cross-validated scores, corrected for shared rows.

The scores of two models on the same n folds differ by :math:`d_1, \dots, d_n`, of mean
:math:`\bar d` and variance :math:`s^2`. The folds share training rows, so the
differences are correlated, and :math:`s^2 / n` is too small for the variance of the
mean. Nadeau and Bengio take

.. math:: \left(\frac{1}{n} + \frac{n_{test}}{n_{train}}\right) s^2

instead. Benavoli et al. show that the posterior of the mean difference is Student's t
with n - 1 degrees of freedom, location :math:`\bar d` and the same scale.

Both take the differences as normal. Those of an accuracy on m rows move in steps of
:math:`h = 1/m`, so that few folds often agree by chance: then s = 0, and a test is sure
without reason. The least variance above 0 that n such differences can have, all equal
but one, by one step, is :math:`h^2 / n`. So `paired_test` never takes less:

.. math:: s^2 \ge h^2 / \min(n, 1 + n_{train} / n_{test})

(folds of repetitions have the same rows, so only those of one repetition count). Models
that are equal on n large folds, of N rows together, then differ by less than about
3 / N with a probability of .95, as by the "rule of three" (Hanley & Lippman-Hand 1983):
of N rows without an event, up to 3 / N of all rows may have it.
``benchmarks/honest_compare.py`` simulates how often `compare` is wrong.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit


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
        The mean over the standard deviation of the differences (Cohen's d of pairs), of
        which the test takes no less than the steps of the scores allow.
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
    differences: Sequence[float] | np.ndarray,
    test_ratio: float,
    rope: float = 0.0,
    step: float = 0.0,
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
    step : float, default=0.0
        The step in which scores move: 1 / m for the accuracy on m rows; 0 for a
        continuous score. Where all folds differ by the same, that is a step, too.

    Returns
    -------
    PairedTest

    References
    ----------
    Nadeau & Bengio (2003), Inference for the Generalization Error, Machine Learning 52.
    Benavoli, Corani, Demsar & Zaffalon (2017), Time for a Change: a Tutorial for
    Comparing Multiple Classifiers Through Bayesian Analysis, JMLR 18(77).
    Hanley & Lippman-Hand (1983), If Nothing Goes Wrong, Is Everything All Right?, JAMA
    249(13).

    Examples
    --------
    >>> test = paired_test([0.02, 0.01, 0.03, 0.02, 0.02], test_ratio=1 / 4, rope=0.01)
    >>> print(f"{test.difference:.3f} {test.t:.2f} {test.p:.3f} {test.within:.2f}")
    0.020 4.22 0.014 0.05

    Two folds of 75 rows, on both of which the first is right on two rows more:

    >>> print(f"{paired_test([2 / 75, 2 / 75], test_ratio=1, step=1 / 75).p:.2f}")
    0.26
    """
    d = np.asarray(differences, dtype=float)
    n, mean = len(d), float(d.mean())
    deviation = _deviation_of(d, test_ratio, step)
    scale = deviation * math.sqrt(1 / n + test_ratio)
    if scale == 0:  # a continuous score is equal on all folds
        return PairedTest(0.0, 0.0, n - 1, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0)
    t, half = mean / scale, scale * float(stdtrit(n - 1, 0.975))
    above = float(stdtr(n - 1, (mean - rope) / scale))
    below = float(stdtr(n - 1, (-rope - mean) / scale))
    return PairedTest(
        difference=mean,
        t=t,
        df=n - 1,
        p=float(2 * stdtr(n - 1, -abs(t))),
        low=mean - half,
        high=mean + half,
        above=above,
        within=max(0.0, 1 - above - below),
        below=below,
        effect_size=mean / deviation,
    )


def _deviation_of(d: np.ndarray, test_ratio: float, step: float) -> float:
    """Return the standard deviation of differences, or the least that steps allow."""
    n, deviation, size = len(d), float(d.std(ddof=1)), abs(float(d.mean()))
    if deviation <= 1e-9 * size:  # equal, apart from rounding errors
        deviation, step = 0.0, step or size
    n_distinct = min(n, 1 + 1 / test_ratio) if test_ratio else n
    return max(deviation, step / math.sqrt(n_distinct))


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

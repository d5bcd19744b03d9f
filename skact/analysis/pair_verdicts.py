"""The table of all pairs of values: their tests, and what these say together."""

import itertools
import math
from dataclasses import asdict

import numpy as np
import pandas as pd

from skact.analysis.paired_tests import adjust_by_holm, paired_test

BETTER, EQUIVALENT, UNDECIDED = "a better", "equivalent", "undecided"
_DIGITS = 12  # those of a difference beyond are rounding errors of its two scores


def best_first(scores: pd.DataFrame) -> pd.DataFrame:
    """Sort columns of scores by their means, without the rounding errors of these."""
    table = scores.to_numpy(dtype=float)
    means = _round_beside(table.mean(axis=0), table)
    return scores.iloc[:, np.argsort(-means, kind="stable")]


def table_of_pairs(
    scores: pd.DataFrame, test_ratio: float, rope: float, alpha: float, step: float
) -> pd.DataFrame:
    """Test all pairs of columns of scores, which stand best first; a row for a pair.

    Parameters
    ----------
    scores : DataFrame of shape (n_folds, n_values)
    test_ratio, rope, step : float
        As for `skact.analysis.paired_tests.paired_test`.
    alpha : float
        Level of the tests.

    Returns
    -------
    DataFrame
        As :class:`~skact.Comparison` describes it.
    """
    values, table = list(scores.columns), scores.to_numpy(dtype=float)
    means, rows = table.mean(axis=0), []
    for i, j in itertools.combinations(range(len(values)), 2):
        differences = _round_beside(table[:, i] - table[:, j], table[:, [i, j]])
        test = asdict(paired_test(differences, test_ratio, rope, step))
        names = {"above": "a_better", "within": "equivalent", "below": "b_better"}
        test = {names.get(key, key): value for key, value in test.items()}
        of_means = {"mean_a": means[i], "mean_b": means[j]}
        rows.append({"a": values[i], "b": values[j], **of_means, **test})
    frame = pd.DataFrame(rows)
    frame.insert(frame.columns.get_loc("p") + 1, "p_holm", adjust_by_holm(frame["p"]))
    verdicts = np.where(frame["p_holm"] < alpha, BETTER, UNDECIDED)
    frame["verdict"] = np.where(frame["equivalent"] > 1 - alpha, EQUIVALENT, verdicts)
    order = ["a", "b", "mean_a", "mean_b", "difference", "low", "high", "effect_size"]
    order += ["t", "df", "p", "p_holm", "a_better", "equivalent", "b_better", "verdict"]
    return frame[order]


def _round_beside(numbers: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Round numbers to the digits that the largest of some scores has."""
    largest = float(np.abs(scores).max())
    if largest == 0:
        return numbers
    return numbers.round(_DIGITS - 1 - math.floor(math.log10(largest)))

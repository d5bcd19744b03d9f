"""Pairs are tested best first, by differences without rounding errors."""

import itertools

import numpy as np
import pandas as pd
import pytest

from skact.analysis.pair_verdicts import best_first, table_of_pairs


def of(**scores: list[float]) -> pd.DataFrame:
    return pd.DataFrame(scores)


def test_every_pair_has_a_row_with_the_better_value_first() -> None:
    rng = np.random.default_rng(0)
    scores = best_first(pd.DataFrame(rng.random((5, 4)), columns=list("abcd")))
    frame = table_of_pairs(scores, 1 / 4, 0.01, 0.05, 0)
    assert list(zip(frame["a"], frame["b"], strict=True)) == list(
        itertools.combinations(scores.columns, 2)
    )
    assert (frame["difference"] > 0).all()


@pytest.mark.parametrize("unit", [1e-9, 1.0, 63_000.0])
def test_rounding_errors_are_no_differences_in_any_unit(unit: float) -> None:
    """They were printed as "-1.998e-15 less", and made an order of equal values."""
    parts = np.array([0.1, 0.2, 0.3])
    scores = of(a=list((parts * 3 - parts * 2) * unit), b=list(parts * unit))
    assert (scores["a"] != scores["b"]).any()
    (row,) = table_of_pairs(scores, 0.5, 0.0, 0.05, 0).itertuples()
    assert (row.difference, row.p, row.verdict) == (0, 1, "equivalent")
    assert list(best_first(scores).columns) == ["a", "b"]
    assert list(best_first(scores[["b", "a"]]).columns) == ["b", "a"]


@pytest.mark.parametrize("unit", [1e-9, 1.0, 63_000.0])
def test_the_unit_of_a_score_changes_no_verdict(unit: float) -> None:
    rng = np.random.default_rng(0)
    common = rng.normal(0.5, 0.1, 6)
    scores = of(
        a=list(common),
        b=list(common - 0.001 + rng.normal(0, 1e-4, 6)),
        c=list(common - 0.1 + rng.normal(0, 0.01, 6)),
    )
    found = table_of_pairs(scores * unit, 0.2, 0.01 * unit, 0.05, 0)
    assert found["verdict"].tolist() == ["equivalent", "a better", "a better"]
    expected = table_of_pairs(scores, 0.2, 0.01, 0.05, 0)
    np.testing.assert_allclose(found["p_holm"], expected["p_holm"], rtol=1e-6)


def test_scores_that_are_all_zero_are_equal() -> None:
    (row,) = table_of_pairs(of(a=[0.0] * 3, b=[0.0] * 3), 0.5, 0, 0.05, 0).itertuples()
    assert row.p == 1

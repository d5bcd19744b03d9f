"""Searches and scores that several tests compare."""

from typing import Any

import numpy as np
import pytest


@pytest.fixture
def equal_candidates() -> Any:
    """Scores of candidates of which none is better than another."""
    return _equal_candidates


def _equal_candidates(rng: np.random.Generator, n_values: int, n_cells: int) -> Any:
    """Cross-validate learners of which none is better than another by its making.

    Ridge classifiers that see two of eight equally good columns each: they differ from
    each other in a given data set, but not on the mean of all data sets.
    """
    n, k = 80, 5
    data = rng.normal(size=(n, 8))
    target = np.sign(data.sum(axis=1) + rng.normal(size=n) * 2)
    scores = np.empty((n_values, n_cells, k))
    for value in range(n_values):
        for cell in range(n_cells):
            seen = data[:, rng.choice(8, 2, replace=False)]
            for fold in range(k):
                test = np.arange(n) % k == fold
                A, b = seen[~test], target[~test]
                weights = np.linalg.solve(A.T @ A + np.eye(2), A.T @ b)
                right = np.sign(seen[test] @ weights) == target[test]
                scores[value, cell, fold] = right.mean()
    return scores

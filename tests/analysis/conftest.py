"""Searches and scores that several tests compare."""

from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn.datasets import make_moons
from sklearn.model_selection import GridSearchCV, RepeatedStratifiedKFold
from sklearn.svm import SVC


@pytest.fixture(scope="session")
def moons() -> Any:
    """The search of scikit-learn's example 'Statistical comparison of models'."""
    data, target = make_moons(noise=0.352, random_state=1, n_samples=100)
    grid = [
        {"kernel": ["linear"]},
        {"kernel": ["poly"], "degree": [2, 3]},
        {"kernel": ["rbf"]},
    ]
    cv = RepeatedStratifiedKFold(n_splits=10, n_repeats=10, random_state=0)
    search = GridSearchCV(SVC(random_state=0), grid, scoring="roc_auc", cv=cv)
    return search.fit(data, target)


@pytest.fixture
def results() -> Any:
    """The cv_results_ of given scores."""
    return _results


def _results(scores: dict[Any, Any], **more: Any) -> dict[str, Any]:
    """Make the cv_results_ of candidates, by activation: (candidates, folds)."""
    rows = [(name, row) for name, of in scores.items() for row in np.atleast_2d(of)]
    table = np.array([row for _, row in rows], dtype=float)
    means = table.mean(axis=1)
    found = {
        "params": [{}] * len(rows),
        "param_activation": [name for name, _ in rows],
        "mean_test_score": means,
        "rank_test_score": stats.rankdata(-np.nan_to_num(means), "min").astype(int),
    }
    found |= {f"split{k}_test_score": table[:, k] for k in range(table.shape[1])}
    return found | {f"param_{name}": values for name, values in more.items()}


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

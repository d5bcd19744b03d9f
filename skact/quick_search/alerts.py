"""What looks wrong with a table: columns that tell y, ids, nearly one class."""

from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy.stats import rankdata

from skact.quick_search.column_kinds import kind_of_column

_NEARLY_ALL = 0.995  # accuracy, or R2, of one column alone
_MOST_ROWS, _MOST_COLUMNS, _MOST_LEAVES = 2_000, 300, 64
_FEWEST_ROWS = 100
LEAK = "alone tells y"
_NEARLY_ONE_CLASS = 0.9


def find_alerts(X: Any, y: np.ndarray, task: str) -> list[str]:
    """Return sentences about columns that look like y, or like ids.

    Parameters
    ----------
    X : DataFrame or array of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
    task : {"classification", "regression"}

    Returns
    -------
    list of str
        Most important first; a sparse X has no columns to look at.
    """
    found: list[str] = []
    if sp.issparse(X) or len(y) < _FEWEST_ROWS:
        return found
    frame = X if isinstance(X, pd.DataFrame) else pd.DataFrame(np.asarray(X))
    columns = [frame.iloc[:, i] for i in range(min(frame.shape[1], _MOST_COLUMNS))]
    if len(columns) > 1 and y.ndim == 1:
        found += [
            sentence
            for column in columns
            if (sentence := _sentence_on_leak(column, y, task))
        ]
    ids = [repr(column.name) for column in columns if _looks_like_id(column)]
    if ids:
        found.append(
            f"Another whole number in every row, as ids have: {', '.join(ids)}. Drop "
            f"{'it' if len(ids) == 1 else 'them'}, unless the numbers mean something."
        )
    return found


def find_imbalance(y: np.ndarray, task: str, scoring: Any) -> list[str]:
    """Return a sentence if accuracy is the score, and nearly all rows are of a class.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
    task : {"classification", "regression"}
    scoring : str, callable, list, dict or None
        As in ``GridSearchCV``.
    """
    if task != "classification" or scoring not in (None, "accuracy"):
        return []
    labels, counts = np.unique(y, return_counts=True)
    share = counts.max() / len(y)
    if share < _NEARLY_ONE_CLASS or len(labels) < 2:
        return []
    rest = "'roc_auc'" if len(labels) == 2 else "'roc_auc_ovr'"
    return [
        f"{share:.1%} of the rows are of class {labels[counts.argmax()].item()!r}, so "
        f"accuracy says little about the others: consider scoring={rest} or "
        f"'balanced_accuracy'."
    ]


def _sentence_on_leak(column: pd.Series, y: np.ndarray, task: str) -> str:
    """Return a sentence if a column alone tells y, as a small tree finds out."""
    from sklearn.model_selection import cross_val_score
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    codes = _codes_of(column)
    if codes is None:
        return ""
    rows = np.random.default_rng(0).permutation(len(y))[:_MOST_ROWS]
    part = y[rows]
    kind: Any = DecisionTreeRegressor
    if task == "classification":
        labels, counts = np.unique(part, return_counts=True)
        kind, part = DecisionTreeClassifier, np.searchsorted(labels, part)
        if counts.max() / len(part) > _NEARLY_ALL or counts.min() < 2:
            return ""
    tree = kind(max_leaf_nodes=_MOST_LEAVES, random_state=0)
    score = float(cross_val_score(tree, codes[rows, None], part, cv=2).mean())
    if score < _NEARLY_ALL:
        return ""
    name = "accuracy" if task == "classification" else "R2"
    return (
        f"Column {column.name!r} {LEAK} ({name} {score:.4g}): if it is known "
        f"only after y, drop it, or all scores here mean nothing."
    )


def _codes_of(column: pd.Series) -> np.ndarray | None:
    """Return ranks of numbers, and codes of categories; None for other columns."""
    kind = kind_of_column(column)
    if kind == "number" and column.dtype.kind in "iufb":
        # ranks, because trees take no number that is too large for float32
        return rankdata(column.to_numpy(dtype=np.float64), "dense", nan_policy="omit")
    if kind == "category":
        return pd.factorize(column.astype(object).map(str))[0].astype(float)
    return None


def _looks_like_id(column: pd.Series) -> bool:
    """Whether a column of whole numbers has another one in every row."""
    if column.dtype.kind not in "iu" or len(column) < _FEWEST_ROWS:
        return False
    return bool(column.is_unique) and kind_of_column(column) == "number"

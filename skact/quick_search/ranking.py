"""What was tried, the best first: nets, their average, and models that are no nets."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from skact.naming import name_values
from skact.quick_search.rounds import RoundsSearchCV

NET = "net"
_ORDER = ("activation", "depth", "width", "lr")  # of columns; the others stand behind


def rank_models(
    search: RoundsSearchCV, others: Mapping[str, np.ndarray]
) -> pd.DataFrame:
    """Return a row for each model, the best first.

    Parameters
    ----------
    search : RoundsSearchCV
        Fitted. Each candidate is one row, at the number of epochs that scores best.
    others : dict
        The scores on each fold of models that are no candidates, by name.

    Returns
    -------
    DataFrame
        ``model``, ``score`` (mean over the folds), ``std``, and the parameters of nets.
    """
    metric = search.refit if isinstance(search.refit, str) else "score"
    rows, results = search.rank_candidates(), search.cv_results_
    params = [results["params"][i] for i in rows]
    names = sorted(params[0], key=_place_of) if params else []
    table = {
        "model": [NET] * len(rows) + [*others],
        "score": [results[f"mean_test_{metric}"][i] for i in rows],
        "std": [results[f"std_test_{metric}"][i] for i in rows],
    }
    table["score"] += [float(np.mean(scores)) for scores in others.values()]
    table["std"] += [float(np.std(scores)) for scores in others.values()]
    for name in names:
        values: list[Any] = name_values(one[name] for one in params)
        cells = pd.Series(values + [None] * len(others), dtype=object)
        table[name.rpartition("__")[2]] = cells.tolist()
    frame = pd.DataFrame(table)
    # of equal scores the simplest model first: those that are no nets stand behind
    order = np.lexsort([np.arange(len(frame))[::-1], frame["score"]])[::-1]
    return frame.iloc[order].reset_index(drop=True).infer_objects()


def _place_of(name: str) -> int:
    short = name.rpartition("__")[2]
    return _ORDER.index(short) if short in _ORDER else len(_ORDER)


def scores_of_row(search: RoundsSearchCV, row: int) -> np.ndarray:
    """Return the scores of a candidate on each fold."""
    metric = search.refit if isinstance(search.refit, str) else "score"
    names = [f"split{i}_test_{metric}" for i in range(search.n_splits_)]
    return np.array([search.cv_results_[name][row] for name in names], dtype=float)

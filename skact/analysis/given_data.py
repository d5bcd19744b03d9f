"""Rows that a user passes to `diagnose`: their scale, and the loss of a constant."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp

from skact.naming import short_name
from skact.results.cv_results import is_search, search_inside
from skact.results.data_facts import facts_of_data, largest_column
from skact.results.histories import is_net, net_of


@dataclass(frozen=True)
class GivenData:
    """What is known of rows that a user passed."""

    facts: dict[str, float] = field(default_factory=dict)  # as ActivationMonitor's
    largest: str = ""  # the column of X with the greatest values


def facts_of_given(obj: Any, X: Any, y: Any) -> GivenData:
    """Describe X and y as the net of a pipeline or search sees them.

    Raises
    ------
    ValueError
        If `obj` is neither a net nor a pipeline nor a search, or X is missing.
    """
    if X is None and y is None:
        return GivenData()
    search = search_inside(obj)
    if X is None:
        raise ValueError("X must be given with y.")
    if not (is_search(search) or is_net(obj)):
        raise ValueError(
            f"X and y can be given with one net, pipeline or search; obj is a "
            f"{type(obj).__name__}."
        )
    fitted = getattr(search, "best_estimator_", search)
    steps = getattr(fitted, "steps", None)
    if isinstance(steps, list) and len(steps) > 1:
        X = fitted[:-1].transform(X)
    names = list(getattr(X, "columns", ()))
    if not sp.issparse(X):
        X = np.asarray(X, dtype=np.float64)
    params = net_of(fitted).get_params(deep=False)
    criterion = short_name(params.get("criterion"))
    weight = params.get("class_weight")
    is_known = y is not None and (weight is None or isinstance(weight, str))
    facts = facts_of_data(
        X,
        np.zeros(0) if y is None else np.asarray(y),
        criterion if is_known else "",
        is_balanced=weight is not None,
    )
    at = largest_column(X)
    return GivenData(facts, repr(names[at]) if names else str(at))

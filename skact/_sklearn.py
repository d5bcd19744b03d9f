"""What skact leans on in scikit-learn that its documentation does not promise.

`tests/test_seams.py` tries each of them, and `pyproject.toml` caps the version.
"""

from typing import Any

# ------------------------------------------------------------------ callbacks

# attributes that an estimator has only while it is fitted
DURING_FIT = ("_callback_fit_ctx", "_skl_callbacks_to_teardown")

# tasks of a search, as contexts name them
HALVING_ITERATION = "halving-iteration"
CANDIDATE = "candidate-split-evaluation"
REFIT = "refit-with-best-params"


def callbacks_of(estimator: Any) -> list[Any]:
    """Return the callbacks that were set on an estimator: there is no getter."""
    return list(getattr(estimator, "_skl_callbacks", ()))


def path_to(context: Any) -> list[Any]:
    """Return the contexts from the outermost fit down to this one."""
    path = [context]
    while path[-1].parent is not None:
        path.append(path[-1].parent)
    return path[::-1]


# ------------------------------------------------------------------ searches

# the keys by which a result of `_fit_and_score`, which measures times, is known
FIT_AND_SCORE = {"fit_time", "score_time", "fit_error", "test_scores"}


def folds_of_repetition(cv: Any) -> int | None:
    """Return how many folds a repeated splitter has in each repetition."""
    options = getattr(cv, "cvargs", None)
    return None if options is None else int(options["n_splits"])


def default_test_size(cv: Any) -> float:
    """Return the share of the rows that a shuffled splitter tests if not told."""
    return float(getattr(cv, "_default_test_size", 0.1))

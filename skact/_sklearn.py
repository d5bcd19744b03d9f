"""Names and behaviour of scikit-learn that its documentation does not promise.

`tests/test_seams.py` tests each of them, and `pyproject.toml` caps the version.
"""

import inspect
from typing import Any

# ------------------------------------------------------------------ callbacks

# attributes that an estimator has only while it is fitted
# where an estimator keeps what `set_callbacks` gave it
CALLBACKS = "_skl_callbacks"
DURING_FIT = ("_callback_fit_ctx", "_skl_callbacks_to_teardown")

# names of a search's tasks in contexts
HALVING_ITERATION = "halving-iteration"
CANDIDATE = "candidate-split-evaluation"
REFIT = "refit-with-best-params"


def callbacks_of(estimator: Any) -> list[Any]:
    """Return the callbacks of an estimator: scikit-learn has no getter."""
    return list(getattr(estimator, CALLBACKS, ()))


def contexts_from_root(context: Any) -> list[Any]:
    """Return the contexts from the outermost fit down to this one."""
    path = [context]
    while path[-1].parent is not None:
        path.append(path[-1].parent)
    return path[::-1]


def accepts_sample_weight(scorer: Any) -> bool:
    """Whether a search without metadata routing passes sample weights to a scorer."""
    if hasattr(scorer, "_accept_sample_weight"):
        return bool(scorer._accept_sample_weight())
    try:
        return "sample_weight" in inspect.signature(scorer).parameters
    except ValueError:  # of a builtin function
        return False


# ------------------------------------------------------------------ searches

# a dict with these keys is a result of `_fit_and_score`, which measures times
FIT_AND_SCORE = {"fit_time", "score_time", "fit_error", "test_scores"}


def is_of_failed_fits(error: ValueError) -> bool:
    """Whether a search raised the error because all of its fits failed."""
    return "All the" in str(error) and "fits failed" in str(error)


def n_folds_of_repetition(cv: Any) -> int:
    """Return the number of folds in each repetition of a repeated splitter."""
    return int(cv.cvargs["n_splits"])


def default_test_size(cv: Any) -> float:
    """Return the default share of test rows of a shuffled splitter."""
    return float(cv._default_test_size)


def n_rows_of_halving(search: Any) -> int | None:
    """Return the number of rows that a halving search was given; None: no halving."""
    n_rows = getattr(search, "_n_samples_orig", None)
    return None if n_rows is None else int(n_rows)


# ------------------------------------------------------------------ estimators

# the classes whose `score` is a metric that has a name; most others inherit one of them
_CLASSES_BY_METRIC = {
    "accuracy": (
        *("ClassifierMixin", "DummyClassifier", "KNeighborsClassifier"),
        *("MultiOutputClassifier", "RadiusNeighborsClassifier"),
    ),
    "r2": ("RegressorMixin", "DummyRegressor"),
}
_METRIC_OF_METHOD = {
    f"{name}.score": metric
    for metric, names in _CLASSES_BY_METRIC.items()
    for name in names
}


# the classes whose `score` is what one of their parameters says
_PARAMETER_OF_METHOD = {
    "LogisticRegressionCV.score": "scoring",
    "RFECV.score": "scoring",
    "RANSACRegressor.score": "estimator",
    "RFE.score": "estimator",
    "SelfTrainingClassifier.score": "estimator",
}


def parameter_of_method(score: Any) -> str | None:
    """Return the parameter that says what a method `score` of scikit-learn is."""
    is_own = str(getattr(score, "__module__", "")).startswith("sklearn.")
    return _PARAMETER_OF_METHOD.get(score.__qualname__) if is_own else None


def metric_of_method(score: Any) -> str | None:
    """Return the metric that a method `score` of scikit-learn is, if it has a name."""
    is_own = str(getattr(score, "__module__", "")).startswith("sklearn.")
    return _METRIC_OF_METHOD.get(score.__qualname__) if is_own else None

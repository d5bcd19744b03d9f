"""Whether scores of the same number of fold are scores on the same rows."""

from collections.abc import Hashable
from numbers import Integral
from typing import Any

from sklearn.base import is_classifier
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    PredefinedSplit,
    RandomizedSearchCV,
    StratifiedKFold,
)

from skact.analysis.fold_sizes import positions_of, searches_in
from skact.naming import short_name

_UNPAIRED = (
    "so the scores are not paired. Folds of the same number are set against each "
    "other; this makes differences harder to see, and invents none."
)


def notes_on_pairs(search: Any, has_models: bool) -> list[str]:
    """Return what a report has to say about the folds of a search, or of several.

    A search with a random splitter and no seed draws its folds by itself. Most searches
    of scikit-learn draw them once for all candidates; others, such as ``BayesSearchCV``
    and ``OptunaSearchCV``, may draw them anew for each candidate. A frame may have the
    scores of several models without the searches.
    """
    searches = searches_in(search)
    drawn = [one for one in searches if _draws_anew(getattr(one, "cv", None))]
    if len(searches) == 1 and not (has_models and not hasattr(searches[0], "cv")):
        once = (GridSearchCV, RandomizedSearchCV)  # halving wants a seed
        if drawn and not isinstance(searches[0], once):
            return [
                f"{type(searches[0]).__name__} may split anew for each candidate, with "
                f"cv={searches[0].cv!r}, {_UNPAIRED}"
            ]
        return []
    rows = "All searches are taken to have had the same rows"
    if drawn:
        return [
            f"{rows}. cv={drawn[0].cv!r} splits them anew for each search, {_UNPAIRED}"
        ]
    folds = [_identity_of_folds(one) for one in searches]
    if None in folds:
        return [f"{rows} and folds, which is not known from what was given."]
    if len(set(folds)) > 1:
        splitters = list(dict.fromkeys(short_name(one.cv) for one in searches))
        return [f"{rows}. Their folds differ, by cv={splitters}, {_UNPAIRED}"]
    return [f"{rows}."]


def _draws_anew(cv: Any) -> bool:
    """Whether a splitter of scikit-learn gives other folds in each call."""
    seed = getattr(cv, "random_state", 0)
    is_random = getattr(cv, "shuffle", True)  # ShuffleSplit has no such parameter
    return bool(is_random) and not isinstance(seed, Integral)


def _identity_of_folds(search: Any) -> Hashable | None:
    """Return what is equal if the folds of the same rows are; None: not known."""
    if not hasattr(search, "cv"):
        return None
    cv: Any = 5 if search.cv is None else search.cv
    if isinstance(cv, Integral):
        kind = StratifiedKFold if is_classifier(search.estimator) else KFold
        return repr(kind(int(cv)))
    if isinstance(cv, list | tuple):
        return tuple(positions_of(rows).tobytes() for pair in cv for rows in pair)
    if isinstance(cv, PredefinedSplit):
        return cv.test_fold.tobytes()
    # of a custom splitter the repr may say nothing
    return repr(cv) if type(cv).__module__.startswith("sklearn.") else None

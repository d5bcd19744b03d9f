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

from skact.analysis.fold_lists import is_list_of_folds, positions_of
from skact.analysis.fold_sizes import searches_in
from skact.naming import short_name

_UNPAIRED = (
    "so the scores are not paired. Folds of the same number are set against each "
    "other; this makes differences harder to see, and invents none."
)


def notes_on_pairs(search: Any, are_several: bool) -> list[str]:
    """Return what a report has to say about the folds of a search, or of several.

    A search with a random splitter and no seed draws its folds by itself. Most searches
    of scikit-learn draw them once for all candidates; others, such as ``BayesSearchCV``
    and ``OptunaSearchCV``, may draw them anew for each candidate. A frame may have the
    scores of several models without the searches.
    """
    searches = searches_in(search)
    drawn = [one for one in searches if _draws_anew(getattr(one, "cv", None))]
    if len(searches) == 1 and not (are_several and not hasattr(searches[0], "cv")):
        # the types, and no subclasses, which may ask for the folds again; halving wants
        # a seed
        once = (GridSearchCV, RandomizedSearchCV)
        if drawn and type(searches[0]) not in once:
            return [
                f"{type(searches[0]).__name__} may split anew for each candidate, with "
                f"cv={short_name(searches[0].cv)}, {_UNPAIRED}"
            ]
        return []
    rows = "All searches are taken to have had the same rows"
    if any(reads_groups(getattr(one, "cv", None)) for one in searches):
        rows += " and groups"
    if drawn:
        return [
            f"{rows}. cv={short_name(drawn[0].cv)} splits them anew for each search, "
            f"{_UNPAIRED}"
        ]
    folds = [_identity_of_folds(one) for one in searches]
    if None in folds:
        return [f"{rows} and folds, which is not known from what was given."]
    if len(set(folds)) > 1:
        splitters = list(dict.fromkeys(short_name(one.cv) for one in searches))
        return [f"{rows}. Their folds differ, by cv={splitters}, {_UNPAIRED}"]
    return [f"{rows}."]


def reads_groups(cv: Any) -> bool:
    """Whether a splitter makes its folds of groups of rows."""
    if not hasattr(cv, "get_metadata_routing"):
        return False
    return bool(cv.get_metadata_routing().split.requests.get("groups"))


def _draws_anew(cv: Any) -> bool:
    """Whether a splitter of scikit-learn gives other folds in each call."""
    seed = getattr(cv, "random_state", 0)
    is_random = getattr(cv, "shuffle", True)  # ShuffleSplit has no such parameter
    return bool(is_random) and not isinstance(seed, Integral)


def _identity_of_folds(search: Any) -> Hashable | None:
    """Return what is equal if folds of the same rows and groups are; None: not known.

    The repr of a splitter says all of it only for those of scikit-learn.
    """
    if not hasattr(search, "cv"):
        return None
    cv: Any = 5 if search.cv is None else search.cv
    if isinstance(cv, Integral):
        kind = StratifiedKFold if is_classifier(search.estimator) else KFold
        return repr(kind(int(cv)))
    if is_list_of_folds(cv):
        return tuple(positions_of(rows).tobytes() for pair in cv for rows in pair)
    if type(cv) is PredefinedSplit:
        return cv.test_fold.tobytes()
    return repr(cv) if type(cv).__module__.startswith("sklearn.") else None

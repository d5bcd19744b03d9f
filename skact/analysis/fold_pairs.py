"""Whether scores of the same number of fold are scores on the same rows."""

import itertools
from collections.abc import Sequence
from numbers import Integral
from typing import Any

from sklearn.model_selection import GridSearchCV, RandomizedSearchCV

from skact.analysis.fold_identity import (
    are_same_folds,
    folds_of,
    rows_drawn_by_halving,
)
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
    found = [folds_of(one) for one in searches]
    if found[0] is not None and all(one is searches[0] for one in searches):
        return [f"{rows}."]
    if drawn:
        return [
            f"{rows}. cv={short_name(drawn[0].cv)} splits them anew for each search, "
            f"{_UNPAIRED}"
        ]
    same = [are_same_folds(a, b) for a, b in itertools.combinations(found, 2)]
    if False in same:
        return [f"{rows}. Their folds differ, {_causes_in(searches)}, {_UNPAIRED}"]
    if None in same or None in found:
        return [f"{rows} and folds, which is not known from what was given."]
    return [f"{rows}."]


def _causes_in(searches: Sequence[Any]) -> str:
    """Return what tells the folds of searches apart."""
    known = [one for one in searches if hasattr(one, "cv")]
    said = f"by cv={list(dict.fromkeys(short_name(one.cv) for one in known))}"
    halvings = [one for one in known if rows_drawn_by_halving(one) is not None]
    if not halvings:
        return said
    drawn = [
        f"n_resources={one.n_resources_[-1]}, random_state={one.random_state}"
        for one in halvings
    ]
    return f"{said}, of which halving drew rows ({'; '.join(dict.fromkeys(drawn))})"


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

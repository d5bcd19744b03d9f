"""What a splitter says of its folds, as plain facts that a file and a frame can keep.

A comparison needs the sizes of folds and which of them share rows. The splitters of
scikit-learn say so by their settings, of which the facts are made. The seed is left
out: which rows a fold has is not known from it without the rows.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import pandas as pd
from sklearn import model_selection

from skact._sklearn import n_folds_of_repetition

_REPEATED = ("RepeatedKFold", "RepeatedStratifiedKFold")
_NAMES = (
    *("KFold", "StratifiedKFold", "GroupKFold", "StratifiedGroupKFold"),
    *("LeaveOneOut", "LeavePOut", "LeaveOneGroupOut", "LeavePGroupsOut"),
    *("ShuffleSplit", "StratifiedShuffleSplit", "GroupShuffleSplit"),
    *("TimeSeriesSplit", *_REPEATED),
)
# The types, and no subclasses: what else has their attributes may split otherwise.
_KINDS = {name: getattr(model_selection, name) for name in _NAMES}


@dataclass(frozen=True)
class KeptFolds:
    """The facts that a frame has kept, where a search would stand.

    Parameters
    ----------
    splitter_ : dict
        As `facts_of` returns it.
    """

    splitter_: Mapping[str, Any]


def facts_of(search: Any) -> dict[str, Any] | None:
    """Return the facts of a search or of loaded results; None: they are not known."""
    if isinstance(search, pd.DataFrame):
        return None  # its columns would look like attributes
    if not hasattr(search, "cv"):
        return getattr(search, "splitter_", None)
    cv, n_folds = search.cv, getattr(search, "n_splits_", None)
    if not isinstance(n_folds, Integral):
        return None
    if cv is None or isinstance(cv, Integral):
        cv = model_selection.KFold(int(n_folds))  # a stratified one has equal sizes
    name = type(cv).__name__
    if _KINDS.get(name) is not type(cv):
        return None
    settings = dict(vars(cv))
    if name in _REPEATED:
        settings["n_splits"] = n_folds_of_repetition(cv)
    allowed = set(inspect.signature(type(cv)).parameters) - {"random_state"}
    options = {key: _plain(x) for key, x in settings.items() if key in allowed}
    facts = {"class": name, "options": options, "n_folds": int(n_folds)}
    try:
        splitter_of_facts(facts)
    except (TypeError, ValueError):  # a setting that is no number of Python
        return None
    return facts


def facts_of_all(searches: Any) -> dict[str, Any] | None:
    """Return the facts of several searches, if those that are known are the same.

    Results alone are taken to have had the folds of the searches beside them.
    """
    known = [facts for facts in map(facts_of, searches) if facts is not None]
    return known[0] if known and all(one == known[0] for one in known) else None


def splitter_of_facts(facts: Any) -> Any:
    """Return a splitter with these settings; None if there are no facts of it.

    Raises
    ------
    ValueError, TypeError
        If the facts are none that `facts_of` returns.
    """
    if facts is None:
        return None
    if not (
        isinstance(facts, Mapping)
        and {"class", "options", "n_folds"} <= facts.keys()
        and isinstance(facts["class"], str)
        and isinstance(facts["options"], Mapping)
        and type(facts["n_folds"]) is int
    ):
        raise ValueError("'splitter' is no description of folds")
    kind = _KINDS.get(facts["class"])  # one of a later version is not known
    return None if kind is None else kind(**facts["options"])


def _plain(value: Any) -> Any:
    """Return a setting as a number of Python, which a file can keep."""
    if value is None or isinstance(value, bool) or not isinstance(value, Real):
        return value if value is None or isinstance(value, bool) else str(value)
    return int(value) if isinstance(value, Integral) else float(value)

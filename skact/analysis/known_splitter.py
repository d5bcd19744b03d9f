"""The splitter of a search, or the one of which results and frames keep the facts."""

from contextlib import suppress
from typing import Any

from skact.analysis.fold_lists import splitter_of
from skact.results.splitter_facts import splitter_of_facts


def known_splitters(searches: Any, n_folds: int) -> list[tuple[Any, Any]]:
    """Return those searches whose splitter is known, each with its `cv`."""
    found = []
    for one in searches:
        is_known, cv = known_splitter(one, n_folds)
        if is_known:
            found.append((one, cv))
    return found


def known_splitter(search: Any, n_folds: int) -> tuple[bool, Any]:
    """Return whether the `cv` of a search is known, and the `cv`.

    Facts are those of all folds: they do not count for a frame that has lost some.
    """
    if hasattr(search, "cv"):
        return True, splitter_of(search)
    facts: Any = getattr(search, "splitter_", None)
    with suppress(TypeError, ValueError):  # somebody wrote into the attrs of a frame
        cv = splitter_of_facts(facts)
        if cv is not None and facts["n_folds"] == n_folds:
            return True, cv
    return False, None

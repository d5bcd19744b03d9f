"""The places of a fit in the searches around it, read from scikit-learn's contexts.

scikit-learn gives each fit the context of its task. A context knows its parent. A
context also knows the task of the meta-estimator, such as a search, that started the
fit.
"""

from collections.abc import Sequence
from typing import Any

from skact._sklearn import CANDIDATE, HALVING_ITERATION, REFIT, contexts_from_root
from skact.results.logged_fit import SearchPlace


def describe_task(context: Any) -> dict[str, Any]:
    """Describe the task of a fit in values that can be pickled.

    Parameters
    ----------
    context : sklearn.callback.CallbackContext
        The context of a net's fit.

    Returns
    -------
    dict
        ``run`` and ``began``: identity and start of the outermost fit; ``path``: the
        numbers of the tasks from the outermost fit down, by which fits are sorted;
        ``searches``: the places in the searches around the fit.
    """
    path = contexts_from_root(context)
    return {
        "run": context.root_uuid,
        "began": path[0].init_time,
        "path": tuple(task.task_id for task in path),
        "searches": search_places(path),
    }


def search_places(path: Sequence[Any]) -> tuple[SearchPlace, ...]:
    """Return the places of a fit in the searches around it, the outermost first."""
    places = []
    for depth, task in enumerate(path):
        if task.source_task_name == REFIT:
            places.append(_search_place(path, depth - 1))
        elif task.source_task_name == CANDIDATE:
            # from above: fit of the search, task "search", with halving an iteration
            parent = path[depth - 1]
            is_halving = parent.task_name == HALVING_ITERATION
            iteration = parent.task_id if is_halving else 0
            fit_of_search = depth - (3 if is_halving else 2)
            places.append(_search_place(path, fit_of_search, iteration, task.task_id))
    return tuple(places)


def _search_place(
    path: Sequence[Any], depth: int, iteration: int = 0, number: int | None = None
) -> SearchPlace:
    search = path[depth]
    ids = tuple(task.task_id for task in path[: depth + 1])
    return SearchPlace(
        (search.root_uuid, ids), search.estimator_name, iteration, number
    )

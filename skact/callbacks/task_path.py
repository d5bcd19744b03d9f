"""Where a fit stands among the tasks of scikit-learn: its places in searches.

scikit-learn hands each fit the context of its task. A context knows its parent, and the
task of a meta-estimator, such as a search, from which the fit was started.
"""

from collections.abc import Sequence
from typing import Any

from skact._sklearn import CANDIDATE, HALVING_ITERATION, REFIT, path_to
from skact.results.logged_fit import SearchPlace


def describe_task(context: Any) -> dict[str, Any]:
    """Describe the task of a fit in plain values, which may leave the process.

    Parameters
    ----------
    context : sklearn.callback.CallbackContext
        Of the fit of a net.

    Returns
    -------
    dict
        ``run`` and ``began`` of the outermost fit, ``path``, the numbers of the tasks
        on the way from there, which sort fits, and ``searches`` around the fit.
    """
    path = path_to(context)
    return {
        "run": context.root_uuid,
        "began": path[0].init_time,
        "path": tuple(task.task_id for task in path),
        "searches": searches_around(path),
    }


def searches_around(path: Sequence[Any]) -> tuple[SearchPlace, ...]:
    """Return the places of a fit in the searches around it, the outermost first."""
    places = []
    for depth, task in enumerate(path):
        above = depth - 1
        if task.source_task_name == REFIT:
            places.append(_place(path, above))
        elif task.source_task_name == CANDIDATE:
            halving = path[above].task_name == HALVING_ITERATION
            iteration = path[above].task_id if halving else 0
            # above is the task "search", and above that the fit of the search
            above -= 2 if halving else 1
            places.append(_place(path, above, iteration, task.task_id))
    return tuple(places)


def _place(
    path: Sequence[Any], depth: int, iteration: int = 0, number: int | None = None
) -> SearchPlace:
    search = path[depth]
    ids = tuple(task.task_id for task in path[: depth + 1])
    return SearchPlace(
        (search.root_uuid, ids), search.estimator_name, iteration, number
    )

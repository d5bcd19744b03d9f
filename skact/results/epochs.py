"""Which fits of a log are those of a search, and what they recorded."""

from collections.abc import Mapping, Sequence
from typing import Any

from skact.naming import name_values
from skact.results.cv_results import Results, results_of
from skact.results.histories import columns_of, net_of
from skact.results.logged_fit import FitLog, LoggedFit, log_of, parts_of
from skact.results.schema import MODEL, recorded_order


def epochs_of_search(
    search: Any, results: Results | None = None
) -> dict[str, list[Any]]:
    """Read the training log of a search: columns with a cell an epoch of a fit.

    Parameters
    ----------
    search : fitted search or loaded results
    results : Results, default=None
        Of this search, if they were read before.

    Raises
    ------
    ValueError
        If there are no epochs, with the reason.
    """
    saved = getattr(search, "epochs_", None)
    if saved is not None:
        return saved
    results = results_of([search]) if results is None else results
    log = _log_of_search(search)
    fits = {} if log is None else _fits_of_search(log, search, results)
    if not fits:
        raise ValueError(f"level='epoch': {_why_none(search, log)}")
    histories = {place: fit.history for place, fit in fits.items()}
    recorded = {"epoch": None}  # there is none if all fits failed at once
    recorded |= dict.fromkeys(key for history in histories.values() for key in history)
    taken = [*results.others, "candidate", "fold", MODEL, *recorded]
    short = results.short_names(taken)
    shared: dict[str, list[Any]] = {"candidate": list(results.candidates)}
    shared |= {name: results.values(f"param_{key}") for key, name in short.items()}
    shared |= {key: results.values(key) for key in results.others}
    cells: list[tuple[int, int, int]] = [
        (row, fold, epoch)
        for row in results.best_first()
        for fold in range(search.n_splits_)
        for epoch in range(len(histories.get((row, fold), {}).get("epoch", ())))
    ]
    columns = {
        key: [values[row] for row, *_ in cells] for key, values in shared.items()
    }
    columns["fold"] = [fold for _, fold, _ in cells]
    for key in recorded_order(recorded):
        columns[key] = [
            histories[row, fold][key][epoch] if key in histories[row, fold] else None
            for row, fold, epoch in cells
        ]
    return columns


def knows_epochs(search: Any, results: Results) -> bool:
    """Whether a search has a log that knows its fits, or is loaded with one."""
    if hasattr(search, "epochs_"):
        return search.epochs_ is not None
    log = _log_of_search(search)
    return log is not None and bool(_fits_of_search(log, search, results))


Placed = dict[tuple[int, int], LoggedFit]  # row in cv_results_, and fold -> the fit


def _fits_of_search(log: FitLog, search: Any, results: Results) -> Placed:
    """Return the fits of a search that a log knows, without the refit.

    Several searches may share a log. Its own are those whose parameters are those of
    its candidates; of these, those beside the refit that is `best_estimator_`, else the
    last ones.
    """
    kind = type(search).__name__
    searches: dict[Any, list[LoggedFit]] = {}
    for fit in log.fits:
        place = fit.place_in(kind)
        if place is not None:
            searches.setdefault(place.search, []).append(fit)
    own = [
        (fits, placed)
        for fits in searches.values()
        if _agree(placed := _placed(fits, search, results), results)
    ]
    best = getattr(search, "best_estimator_", None)
    if best is not None:
        history = columns_of(getattr(net_of(best), "history_", None) or [])
        own = [
            (fits, placed)
            for fits, placed in own
            if any(_is_refit_with(history, fit, kind) for fit in fits)
        ] or own
    return own[-1][1] if own else {}


def _is_refit_with(history: Mapping[str, Any], fit: LoggedFit, kind: str) -> bool:
    place = fit.place_in(kind)
    return place is not None and place.number is None and fit.history == history


def _placed(fits: Sequence[LoggedFit], search: Any, results: Results) -> Placed:
    """Place fits by the row of their candidate in cv_results_, and the fold."""
    rounds = results.columns.get("iter", [0] * len(results.searches))
    first = {iteration: rounds.index(iteration) for iteration in rounds}
    placed = {}
    for fit in fits:
        place = fit.place_in(type(search).__name__)
        if place is not None and place.number is not None:
            candidate, fold = divmod(place.number, search.n_splits_)
            row = first.get(place.iteration, len(rounds)) + candidate
            placed[row, fold] = fit
    return placed


def _agree(placed: Placed, results: Results) -> bool:
    """Whether fits have the parameters of a search's candidates."""
    params = results.columns.get("params", [])
    return bool(placed) and all(
        row < len(params) and _has(fit.params, params[row])
        for (row, _), fit in placed.items()
    )


def _has(own: Mapping[str, Any], candidate: Mapping[str, Any]) -> bool:
    """Whether a net's parameters are those of a candidate, as far as it names them."""
    for key, value in candidate.items():
        known = own.get(key.rpartition("__")[2])
        (said,) = name_values([value])
        # numbered names tell apart what one net alone has not
        comparable = known is not None and " #" not in f"{known}{said}"
        if comparable and type(known) is type(said) and known != said:
            return False
    return True


def _log_of_search(search: Any) -> FitLog | None:
    """Find the log of the searched net, or of a net among the candidates' values."""
    log = log_of(getattr(search, "estimator", None))
    results = getattr(search, "cv_results_", {})
    for params in () if log is not None else results.get("params", ()):
        for value in params.values():
            log = log or (log_of(value) if hasattr(value, "get_params") else None)
    return log


def _why_none(search: Any, log: FitLog | None) -> str:
    """Say why there are no epochs of a search, and what to do."""
    kind = type(search).__name__
    nets = parts_of(getattr(search, "estimator", None))
    net = next((type(n).__name__ for n in nets if hasattr(n, "history")), "ActMLP")
    if log is None:
        return (
            f"{kind} keeps no training history of its candidates. Attach a log to the "
            f"net before the search: {net}(...).set_callbacks(TrainingLog())."
        )
    if not log.fits:
        return (
            f"{kind} has a TrainingLog that knows no fits: was it attached before the "
            f"search was fitted?"
        )
    if not any(fit.place_in(kind) for fit in log.fits):
        return (
            f"{kind} has a TrainingLog of {len(log.fits)} fits, but scikit-learn tells "
            f"none of them its candidate and fold inside "
            f"{type(search.estimator).__name__}. log.to_frame() has them, numbered."
        )
    return f"{kind} has a TrainingLog, but its fits are those of other searches."

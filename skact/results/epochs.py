"""Which fits of a log are those of a search, and what they recorded."""

from collections.abc import Mapping, Sequence
from typing import Any

from skact.callbacks.training_log import Fit, TrainingLog, log_of, nets_in
from skact.naming import name_values
from skact.results.cv_results import Results, results_of
from skact.results.histories import columns_of, net_of


def knows_epochs(search: Any) -> bool:
    """Whether a search has a log that knows its fits, or is loaded with one."""
    if hasattr(search, "epochs_"):
        return search.epochs_ is not None
    log = _log_of(search)
    return log is not None and bool(fits_of(log, search))


def epochs_of_search(search: Any) -> dict[str, list[Any]]:
    """Read the training log of a search: columns with a cell an epoch of a fit."""
    saved = getattr(search, "epochs_", None)
    if saved is not None:
        return saved
    results = results_of([search])
    log = _log_of(search)
    fits = [] if log is None else fits_of(log, search)
    if not fits:
        raise ValueError(f"level='epoch': {_why_none(search, log)}")
    placed = _placed(fits, search, results)
    recorded = {"epoch": None}  # there is none if all fits failed at once
    recorded |= dict.fromkeys(key for history in placed.values() for key in history)
    taken = [*results.others, "candidate", "fold", "model", *recorded]
    short = results.short_names(taken)
    shared: dict[str, list[Any]] = {"candidate": list(results.candidates)}
    shared |= {name: results.values(f"param_{key}") for key, name in short.items()}
    shared |= {key: results.values(key) for key in results.others}
    cells: list[tuple[int, int, int]] = [
        (row, fold, epoch)
        for row in results.best_first()
        for fold in range(search.n_splits_)
        for epoch in range(len(placed.get((row, fold), {}).get("epoch", ())))
    ]
    columns = {
        key: [values[row] for row, *_ in cells] for key, values in shared.items()
    }
    columns["fold"] = [fold for _, fold, _ in cells]
    for key in sorted(recorded, key=lambda key: (key != "epoch") + (key == "dur")):
        columns[key] = [
            placed[row, fold][key][epoch] if key in placed[row, fold] else None
            for row, fold, epoch in cells
        ]
    return columns


def fits_of(log: TrainingLog, search: Any) -> list[Fit]:
    """Return the fits of a search that a log knows, without the refit.

    Several searches may share a log. Its own are those whose parameters are those of
    its candidates; of these, those beside the refit that is `best_estimator_`, else the
    last ones.
    """
    name = type(search).__name__
    searches: dict[tuple, list[Fit]] = {}
    for fit in log.fits:
        found = fit.search(name)
        if found is not None:
            searches.setdefault(found, []).append(fit)
    results = results_of([search])
    own = [fits for fits in searches.values() if _agree(fits, search, results)]
    best = getattr(search, "best_estimator_", None)
    if best is not None:
        history = columns_of(getattr(net_of(best), "history_", None) or [])
        own = [
            fits
            for fits in own
            if any(fit.place(name) is None and fit.history == history for fit in fits)
        ] or own
    return [fit for fit in own[-1] if fit.place(name)] if own else []


def _placed(
    fits: Sequence[Fit], search: Any, results: Results
) -> dict[tuple[int, int], dict[str, Any]]:
    """Return histories by the row of the candidate in cv_results_, and the fold."""
    places = _places(fits, search, results)
    return {place: fit.history for place, fit in zip(places, fits, strict=True)}


def _places(
    fits: Sequence[Fit], search: Any, results: Results
) -> list[tuple[int, int]]:
    rounds = results.columns.get("iter", [0] * len(results.searches))
    first = {iteration: rounds.index(iteration) for iteration in rounds}
    places = []
    for fit in fits:
        iteration, number = fit.place(type(search).__name__)  # type: ignore[misc]
        candidate, fold = divmod(number, search.n_splits_)
        places.append((first.get(iteration, len(rounds)) + candidate, fold))
    return places


def _agree(fits: Sequence[Fit], search: Any, results: Results) -> bool:
    """Whether fits have the parameters of a search's candidates."""
    name = type(search).__name__
    inside = [fit for fit in fits if fit.place(name)]
    params = results.columns.get("params", [])
    for fit, (row, _) in zip(inside, _places(inside, search, results), strict=True):
        if row >= len(params) or not _has(fit.params, params[row]):
            return False
    return bool(inside)


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


def _log_of(search: Any) -> TrainingLog | None:
    """Find the log of the searched net, or of a net among the candidates' values."""
    log = log_of(getattr(search, "estimator", None))
    results = getattr(search, "cv_results_", {})
    for params in () if log is not None else results.get("params", ()):
        for value in params.values():
            log = log or (log_of(value) if hasattr(value, "get_params") else None)
    return log


def _why_none(search: Any, log: TrainingLog | None) -> str:
    """Say why there are no epochs of a search, and what to do."""
    kind = type(search).__name__
    nets = nets_in(getattr(search, "estimator", None))
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
    if not any(fit.search(kind) for fit in log.fits):
        return (
            f"{kind} has a TrainingLog of {len(log.fits)} fits, but scikit-learn tells "
            f"none of them its candidate and fold inside "
            f"{type(search.estimator).__name__}. log.to_frame() has them, numbered."
        )
    return f"{kind} has a TrainingLog, but its fits are those of other searches."

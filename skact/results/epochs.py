"""Find the fits of a search in its log, and read their epochs as columns."""

from collections import Counter
from collections.abc import Mapping, Sequence, ValuesView
from typing import Any

from skact.naming import name_values
from skact.results.cv_results import Results, is_search, results_of, search_inside
from skact.results.histories import columns_of_history, is_net, net_of
from skact.results.logged_fit import LoggedFit, estimators_inside, logs_of
from skact.results.optuna_trials import study_of
from skact.results.schema import MODEL, sort_recorded


def epochs_of_search(
    search: Any, results: Results | None = None
) -> dict[str, list[Any]]:
    """Read the training log of a search: columns with a cell for each epoch of a fit.

    Parameters
    ----------
    search : fitted search or loaded results
    results : Results, default=None
        Results of this search, if they are read already.

    Raises
    ------
    ValueError
        If the search has no epochs; the message says why.
    """
    saved = getattr(search, "epochs_", None)
    if saved is not None:
        return saved
    results = results_of([search]) if results is None else results
    logged = _logged_fits(search)
    fits = _fits_of_search(logged or [], search, results)
    if not fits:
        raise ValueError(f"level='epoch': {_explain_missing_epochs(search, logged)}")
    histories = {place: fit.history for place, fit in fits.items()}
    recorded = {"epoch": None}  # fits that failed in the first epoch recorded nothing
    recorded |= dict.fromkeys(key for history in histories.values() for key in history)
    taken = [*results.other_keys, "candidate", "fold", MODEL, *recorded]
    short = results.short_param_names(taken)
    shared: dict[str, list[Any]] = {"candidate": list(results.candidate_of_row)}
    shared |= {name: results.values_of(f"param_{key}") for key, name in short.items()}
    shared |= {key: results.values_of(key) for key in results.other_keys}
    cells: list[tuple[int, int, int]] = [
        (row, fold, epoch)
        for row in results.rows_best_first()
        for fold in range(search.n_splits_)
        for epoch in range(len(histories.get((row, fold), {}).get("epoch", ())))
    ]
    columns = {
        key: [values[row] for row, *_ in cells] for key, values in shared.items()
    }
    columns["fold"] = [fold for _, fold, _ in cells]
    for key in sort_recorded(recorded):
        columns[key] = [
            histories[row, fold][key][epoch] if key in histories[row, fold] else None
            for row, fold, epoch in cells
        ]
    return columns


def has_epochs(search: Any, results: Results) -> bool:
    """Whether the log of a search, or the loaded results, have epochs."""
    if hasattr(search, "epochs_"):
        return search.epochs_ is not None
    return bool(_fits_of_search(_logged_fits(search) or [], search, results))


PlacedFits = dict[tuple[int, int], LoggedFit]  # (row in cv_results_, fold) -> fit


def _fits_of_search(
    logged: Sequence[LoggedFit], search: Any, results: Results
) -> PlacedFits:
    """Return the fits of one search among logged fits, without the refit.

    Several searches may share a log. The fits of this search have the parameters of its
    candidates. If there are several such groups of fits, the right group is the one
    whose refit has the history of `best_estimator_`; without a refit, the last group.
    """
    if not logged:
        return {}
    kind = type(search).__name__
    searches: dict[Any, list[LoggedFit]] = {}
    for fit in logged:
        place = fit.place_in(kind)
        if place is not None:
            searches.setdefault(place.search, []).append(fit)
    prefixes = _prefixes_of_nets(search, results)
    own = [
        (fits, placed)
        for fits in searches.values()
        if _have_params_of_candidates(
            placed := _place_fits(fits, search, results), results, prefixes
        )
    ]
    # a search that was broken off, or has other folds, has other places
    n_places = len(results.columns.get("params", [])) * search.n_splits_
    own = [one for one in own if len(one[1]) == n_places] or own
    best = getattr(search, "best_estimator_", None)
    if best is not None:
        history = columns_of_history(getattr(net_of(best), "history_", None) or [])
        own = [
            (fits, placed)
            for fits, placed in own
            if any(_is_refit_with_history(history, fit, kind) for fit in fits)
        ] or own
    if any(_histories(placed) != _histories(own[-1][1]) for _, placed in own):
        raise ValueError(
            f"level='epoch': several searches of class {kind} have written into the "
            f"same TrainingLog, and their fits have the parameters of this one: give "
            f"each search a log of its own, or clear the log between the searches."
        )
    return own[-1][1] if own else {}


def _histories(placed: PlacedFits) -> dict[tuple[int, int], Any]:
    untimed = {"dur"}  # all else is the same if a search was repeated
    return {
        place: {k: v for k, v in fit.history.items() if k not in untimed}
        for place, fit in placed.items()
    }


def _prefixes_of_nets(search: Any, results: Results) -> list[str]:
    """Return the prefixes of parameters of nets, such as "" or "actmlp__"."""
    estimator: Any = getattr(search, "estimator", None)
    prefixes = [""] if is_net(estimator) and net_of(estimator) is estimator else []
    inside = estimator.get_params(deep=True) if hasattr(estimator, "get_params") else {}
    candidates = results.columns.get("params", [])
    for params in [inside, *candidates]:
        for key, value in params.items():
            if is_net(value) and net_of(value) is value:
                prefixes.append(f"{key}__")
    return list(dict.fromkeys(prefixes))


def names_in_net(obj: Any, labels: Sequence[str]) -> dict[str, str]:
    """Return which columns of parameters are those of the net, and their names there.

    Another step of a pipeline may have a parameter of the same name.

    Parameters
    ----------
    obj : object
        What `to_frame` took. Unless it is a search, or several, all columns count.
    labels : sequence of str
        Names of the columns, as short as `to_frame` makes them.

    Returns
    -------
    dict of str to str
        Without columns of which one net cannot have both.
    """
    several = obj.values() if isinstance(obj, Mapping) else obj
    given = list(several) if isinstance(several, ValuesView | list | tuple) else [obj]
    searches = [one for one in map(search_inside, given) if is_search(one)]
    found: dict[str, set[str | None]] = {label: set() for label in labels}
    for search in searches:
        results = results_of([search])
        prefixes = sorted(_prefixes_of_nets(search, results), key=len, reverse=True)
        for label, names in found.items():
            key = _key_of_label(label, results.param_names)
            inside = (p for p in prefixes if key is not None and key.startswith(p))
            prefix = next(inside, None)
            if key is not None:
                names.add(None if prefix is None else key.removeprefix(prefix))
    certain = {k: names.pop() for k, names in found.items() if len(names) == 1}
    if not searches:
        return {label: label for label in labels}
    uses = Counter(certain.values())
    return {k: name for k, name in certain.items() if name and uses[name] == 1}


def _key_of_label(label: str, keys: Sequence[str]) -> str | None:
    """Return the whole key of a column of parameters, or None."""
    whole = [key for key in keys if label in (key, f"param_{key}")]
    ending = [key for key in keys if key.endswith(f"__{label}")]
    return next(iter(whole or ending), None)


def _is_refit_with_history(
    history: Mapping[str, Any], fit: LoggedFit, kind: str
) -> bool:
    place = fit.place_in(kind)
    return place is not None and place.number is None and fit.history == history


def _place_fits(fits: Sequence[LoggedFit], search: Any, results: Results) -> PlacedFits:
    """Find the place of each fit: the row of its candidate, and its fold."""
    rounds = results.columns.get("iter", [0] * len(results.search_of_row))
    first = {iteration: rounds.index(iteration) for iteration in rounds}
    placed = {}
    for fit in fits:
        place = fit.place_in(type(search).__name__)
        if place is not None and place.number is not None:
            candidate, fold = divmod(place.number, search.n_splits_)
            row = first.get(place.iteration, len(rounds)) + candidate
            placed[row, fold] = fit
    return placed


def _have_params_of_candidates(
    placed: PlacedFits, results: Results, prefixes: Sequence[str]
) -> bool:
    """Whether each fit has the parameters of the candidate in its row."""
    params = results.columns.get("params", [])
    return bool(placed) and all(
        row < len(params)
        and any(
            _has_params_of_candidate(fit.params, params[row], prefix)
            for prefix in prefixes
        )
        for (row, _), fit in placed.items()
    )


def _has_params_of_candidate(
    net_params: Mapping[str, Any], candidate: Mapping[str, Any], prefix: str
) -> bool:
    """Whether no parameter of a net differs from that of the candidate."""
    for key, value in candidate.items():
        is_of_net = key.startswith(prefix)
        known = net_params.get(key.removeprefix(prefix)) if is_of_net else None
        (tried,) = name_values([value])
        # a number in a name, such as "lambda #2", is not known from one net alone
        is_comparable = known is not None and " #" not in f"{known}{tried}"
        if is_comparable and type(known) is type(tried) and known != tried:
            return False
    return True


def _logged_fits(search: Any) -> list[LoggedFit] | None:
    """Return the fits in all logs of a search; None if no net of it has a log.

    The nets are the searched one and those among the candidates' values, each of which
    may have a log of its own.
    """
    results = getattr(search, "cv_results_", {})
    values = [x for params in results.get("params", ()) for x in params.values()]
    nets = [getattr(search, "estimator", None), *values]
    logs = [
        log
        for net in {id(net): net for net in nets}.values()
        if hasattr(net, "get_params")
        for log in logs_of(net)
    ]
    different = list({id(log): log for log in logs}.values())
    if not different:
        return None
    # the fits of each log are in the order in which they ran, and stay so
    fits = [fit for log in different for fit in log.fits]
    return fits if len(different) == 1 else sorted(fits, key=lambda fit: fit.began)


def _explain_missing_epochs(search: Any, logged: Sequence[LoggedFit] | None) -> str:
    """Say why a search has no epochs, and what the user can do."""
    kind = type(search).__name__
    if not hasattr(search, "estimator") and study_of(search) is not None:
        return (
            "a study keeps no training history of its trials. Give to_frame the nets "
            "of its trials, in a list or dict."
        )
    nets = estimators_inside(getattr(search, "estimator", None))
    net = next((type(n).__name__ for n in nets if hasattr(n, "history")), "ActMLP")
    # a search that is not scikit-learn's own
    is_mute = is_search(search) and not hasattr(search, "set_callbacks")
    if logged is None:
        advice = (
            f"{kind} keeps no training history of its candidates. Attach a log to the "
            f"net before the search: {net}(...).set_callbacks(TrainingLog())."
        )
        mute = (
            f" {kind} does not tell a fit its place: log.to_frame() numbers the fits."
        )
        return advice + mute * is_mute
    if not logged:
        return (
            f"{kind} has a TrainingLog that knows no fits: was it attached before the "
            f"search was fitted?"
        )
    places = [fit.place_in(kind) for fit in logged]
    if (any(places) or is_mute) and all(
        place is None or place.number is None for place in places
    ):
        return (
            f"{kind} has a TrainingLog of {len(logged)} fits, but it does not tell "
            f"scikit-learn's callbacks which candidate and fold a fit is. "
            f"log.to_frame() has these fits, numbered."
        )
    if not any(places):
        return (
            f"{kind} has a TrainingLog of {len(logged)} fits, but inside "
            f"{type(search.estimator).__name__} scikit-learn does not tell a fit its "
            f"candidate and fold. log.to_frame() has these fits, numbered."
        )
    return f"{kind} has a TrainingLog, but its fits are those of other searches."

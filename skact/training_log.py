"""The training history of every fit of a search, brought home from wherever it was.

scikit-learn throws the nets of a search away, and their histories with them. A callback
is shared by all clones of an estimator, and `ScoringMonitor` knows the way home from
other processes of this machine.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from sklearn.callback import ScoringMonitor

from skact.histories import columns_of, net_of
from skact.mailbox import post, register
from skact.names import Scalar, name_values
from skact.results import results_of


@dataclass(frozen=True)
class Fit:
    """One fit, as its log has it."""

    run: Any  # identifies the outermost fit that it belongs to
    path: tuple[tuple[str, str, int], ...]  # estimator, task and its number, from there
    params: dict[str, Any]  # of the net
    history: dict[str, list[Scalar | None]]  # columns, a cell an epoch

    @property
    def is_refit(self) -> bool:
        """Whether a search has refitted its best candidate by this."""
        names = [name for name, _, _ in self.path]
        tasks = [task for _, task, _ in self.path]
        return "SearchCV" in names[0] and "search" not in tasks

    def search(self, name: str) -> tuple | None:
        """Identify the innermost search of this class around the fit, if there is."""
        fits = [i for i, task in enumerate(self.path) if task[:2] == (name, "fit")]
        return (self.run, self.path[: fits[-1] + 1]) if fits else None

    def place(self, name: str) -> tuple[int, int] | None:
        """Return iteration (0 without halving) and number in that search.

        A refit has none.
        """
        search = self.search(name)
        inside = self.path[len(search[1]) :] if search is not None else ()
        if [task[:2] for task in inside[:1]] != [(name, "search")]:
            return None
        _, task, number = inside[1]
        return (number, inside[2][2]) if task == "halving-iteration" else (0, number)


class TrainingLog:
    """Keeps the history of each fit: every epoch's losses, scores and seconds.

    A callback of scikit-learn: a search clones its estimator for each fit, and all
    clones write into the one log that was set on it, also from other processes of the
    machine. ``to_frame(search, level="epoch")`` and ``to_hiplot(search,
    level="epoch")`` find it there.

    Notes
    -----
    Where scikit-learn tells a fit neither its candidate nor its fold (in
    ``cross_validate``, ``BaggingClassifier`` and the like), rows carry the number of
    the fit. There,
    ``cross_validate(..., return_estimator=True)`` is exact: it returns the nets in the
    order of the folds, and ``to_frame(result["estimator"])`` takes them.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skact import ActMLP, TrainingLog, to_frame
    >>> net = ActMLP(max_epochs=2, random_state=0).set_callbacks(TrainingLog())
    >>> search = GridSearchCV(net, {"lr": [0.1, 0.01]}, cv=3)
    >>> frame = to_frame(search.fit(*load_iris(return_X_y=True)), level="epoch")
    >>> frame[["candidate", "fold", "epoch"]].drop_duplicates().shape
    (12, 3)
    """

    ignores_epochs = True  # so the engine need not stop after each for this one

    def __init__(self) -> None:
        self._monitor = ScoringMonitor(scoring=_as_it_is)
        self._received: list[dict[str, Any]] = []
        self._address = uuid.uuid4().hex
        register(self._address, self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        register(self._address, self)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_received": list(self._received)}

    def receive(self, message: Any) -> None:
        """Take what a copy in a worker process has logged."""
        self._received.append(message)

    def setup(self, estimator: Any, context: Any) -> None:
        """Make ready for a fit; scikit-learn calls it."""
        self._monitor.setup(estimator, context)

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Do nothing: the history is complete when the fit ends."""

    def on_fit_task_end(self, estimator: Any, context: Any) -> None:
        """Do nothing: a fit that fails would not come here."""

    def teardown(self, estimator: Any, context: Any) -> None:
        """Take the history of a fit that has ended, well or not."""
        path, task = [], context
        while task is not None:
            path.append((task.estimator_name, task.task_name, task.task_id))
            task = task.parent
        row = {
            "began": _root_of(context).init_time,
            "run": context.root_uuid,
            "path": tuple(reversed(path)),
            "params": _plain_params(estimator),
            "history": columns_of(estimator.history_ or []),
        }
        if not post(self._address, row):
            # the score of a fit is what it has to tell
            self._monitor.on_fit_task_end(
                estimator, context, X=(), y=(), fitted_estimator=row
            )
        self._monitor.teardown(estimator, context)

    @property
    def fits(self) -> list[Fit]:
        """All fits there were, those of one run together, sorted by their places."""
        try:
            logs = self._monitor.get_logs("all")
        except ValueError:  # there were none
            logs = []
        rows = [*self._received, *(row for log in logs for row in log.data)]
        rows.sort(
            key=lambda row: (row["began"], [number for *_, number in row["path"]])
        )
        names = ("run", "path", "params", "history")
        return [Fit(*(row[name] for name in names)) for row in rows]

    def fits_of(self, search: Any) -> list[Fit]:
        """Return the fits of a search, without the refit.

        Of several searches that share the log it is the one that was refitted to
        ``best_estimator_``; without a refit, the last one of its class.
        """
        name = type(search).__name__
        searches: dict[tuple, list[Fit]] = {}
        for fit in self.fits:
            found = fit.search(name)
            if found is not None:
                searches.setdefault(found, []).append(fit)
        own = list(searches.values())
        best = getattr(search, "best_estimator_", None)
        if best is not None:
            history = columns_of(getattr(net_of(best), "history_", None) or [])
            own = [
                fits
                for fits in own
                if any(
                    fit.place(name) is None and fit.history == history for fit in fits
                )
            ] or own
        return [fit for fit in own[-1] if fit.place(name)] if own else []

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each epoch of each fit, whatever it was a part of.

        Returns
        -------
        DataFrame
            ``run`` numbers the outermost fits, ``fit`` the fits in each; ``refit`` says
            whether a search fitted its best candidate by it; then the net's parameters
            that differ between fits, and its history.
        """
        fits = self.fits
        runs = list(dict.fromkeys(fit.run for fit in fits))
        varying = [
            name
            for name in dict.fromkeys(name for fit in fits for name in fit.params)
            if len({repr(fit.params.get(name)) for fit in fits}) > 1
        ]
        params = {
            name: name_values(fit.params.get(name) for fit in fits) for name in varying
        }
        seen: dict[Any, int] = {}
        rows: list[dict[str, Any]] = []
        for i, fit in enumerate(fits):
            seen[fit.run] = number = seen.get(fit.run, -1) + 1
            of_fit: dict[str, Any] = {
                "run": runs.index(fit.run),
                "fit": number,
                "refit": fit.is_refit,
            }
            of_fit |= {name: values[i] for name, values in params.items()}
            for epoch in range(len(fit.history.get("epoch", ()))):
                cells = {key: column[epoch] for key, column in fit.history.items()}
                rows.append({**of_fit, **cells})
        return pd.DataFrame(rows)


def knows_epochs(search: Any) -> bool:
    """Whether a search has a log that knows its fits, or is loaded with one."""
    if hasattr(search, "epochs_"):
        return search.epochs_ is not None
    log = log_of(getattr(search, "estimator", None))
    return log is not None and bool(log.fits_of(search))


def epochs_of_search(search: Any) -> dict[str, list[Any]]:
    """Read the training log of a search: columns with a cell an epoch of a fit."""
    saved = getattr(search, "epochs_", None)
    if saved is not None:
        return saved
    results = results_of([search])
    log = log_of(getattr(search, "estimator", None))
    fits = [] if log is None else log.fits_of(search)
    if not fits:
        why = "keeps no" if log is None else "has a TrainingLog that knows no"
        raise ValueError(
            f"level='epoch': {type(search).__name__} {why} training history of its "
            f"candidates. Attach a log to the net before the search: "
            f"ActMLP(...).set_callbacks(TrainingLog())."
        )
    rounds = results.columns.get("iter", [0] * len(results.searches))
    first = {iteration: rounds.index(iteration) for iteration in rounds}
    placed: dict[tuple[int, int], Any] = {}
    for fit in fits:
        iteration, number = fit.place(type(search).__name__)  # type: ignore[misc]
        candidate, fold = divmod(number, search.n_splits_)
        placed[first[iteration] + candidate, fold] = fit.history
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


def _root_of(context: Any) -> Any:
    while context.parent is not None:
        context = context.parent
    return context


def log_of(estimator: Any) -> TrainingLog | None:
    """Return the log that was set on a net, or on the last step of a pipeline."""
    callbacks: Sequence[Any] = getattr(net_of(estimator), "_own_callbacks", ())
    return next((one for one in callbacks if isinstance(one, TrainingLog)), None)


def _plain_params(net: Any) -> dict[str, Scalar]:
    params = net.get_params(deep=False)
    return dict(zip(params, name_values(params.values()), strict=True))


def _as_it_is(row: Any, X: Any, y: Any) -> Any:
    return row

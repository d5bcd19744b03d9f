"""The training log: it keeps the history of every fit, also of the fits of a search.

A search of scikit-learn drops its nets, and with the nets their histories. But all
clones of an estimator share its callbacks. From other processes of this machine,
scikit-learn's `ScoringMonitor` returns the histories.
"""

import uuid
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import pandas as pd
from sklearn.callback import ScoringMonitor
from sklearn.metrics import get_scorer

from skact.backend.worker_messages import register_receiver, send_message
from skact.callbacks.fold_scorer import FoldScorer, fold_curves
from skact.callbacks.task_path import describe_task
from skact.engine.weights import Trajectory
from skact.naming import Scalar, name_values
from skact.results.histories import columns_of_history, is_net, net_of
from skact.results.logged_fit import FitLog, LoggedFit
from skact.results.schema import keep_schema, schema_of


@dataclass
class _UnscoredFit:
    """What the log keeps of a fit until a search scores the fit."""

    trajectory: Trajectory
    row: dict[str, Any] | None = None  # the row that was stored when the fit ended
    context: Any = None


class TrainingLog(FitLog):
    """Keeps the history of each fit: every epoch's losses, scores and seconds.

    A callback of scikit-learn: a search clones its estimator for each fit, and all
    clones write into the one log that was set on the estimator, also from other
    processes of the machine. ``to_frame(search, level="epoch")`` and
    ``to_hiplot(search, level="epoch")`` read that log.

    Notes
    -----
    In ``cross_validate``, ``BaggingClassifier`` and others, scikit-learn gives a fit
    neither its candidate nor its fold. There, the rows have the number of the fit. To
    get the folds, use ``cross_validate(..., return_estimator=True)`` and
    ``to_frame(result["estimator"])``: the nets are in the order of the folds.

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

    ignores_epochs = True  # so the engine need not stop after each epoch

    def __init__(self) -> None:
        self._monitor = ScoringMonitor(scoring=_return_row)
        self._received_rows: list[dict[str, Any]] = []
        self._receiver_name = uuid.uuid4().hex
        self._has_scorer = False
        self._unscored: WeakKeyDictionary[Any, _UnscoredFit] = WeakKeyDictionary()
        register_receiver(self._receiver_name, self)

    def __repr__(self) -> str:
        n = len(self.fits)
        return f"<TrainingLog of {n} fit{'s' * (n != 1)}>"

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _unscored=WeakKeyDictionary())
        register_receiver(self._receiver_name, self)

    def __getstate__(self) -> dict[str, Any]:
        state = {**vars(self), "_received_rows": list(self._received_rows)}
        del state["_unscored"]  # a net is scored in the process that fitted the net
        return state

    @property
    def wants_weights(self) -> bool:
        """Whether nets shall give the log their weights of every epoch."""
        return self._has_scorer

    def receive_weights(self, net: Any, trajectory: Trajectory) -> None:
        """Keep the weights of a net until a scorer validates the net."""
        self._unscored[net] = _UnscoredFit(trajectory)

    def scorer(self, scoring: Any = None) -> "FoldScorer":
        """Return a scorer with which a search validates every epoch on the fold.

        Then epoch rows have ``fold_loss`` and, of classifiers, ``fold_acc``: the mean
        loss and the accuracy on the rows that the search holds out and scores. These
        columns change no fit and no score. Fits that failed, and fits that no search
        scores, such as the refit, have no values in these columns.

        Parameters
        ----------
        scoring : str, callable, list, tuple, dict or None, default=None
            The metrics of the search, as its own `scoring`; if there are several,
            `refit` must name one. None is the net's ``score``.

        Returns
        -------
        callable
            The `scoring` for the search.

        Notes
        -----
        A search gives the fold only to the scorer, when the fit is over. So the log
        keeps the weights of every epoch until the fit is scored (``max_epochs`` times
        the size of the network, for all fits that train at the same time). Then the
        scorer passes the fold through the network once for each epoch. This time is
        part of ``mean_score_time``.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.model_selection import GridSearchCV
        >>> from skact import ActMLP, TrainingLog, to_frame
        >>> log = TrainingLog()
        >>> net = ActMLP(max_epochs=2, random_state=0).set_callbacks(log)
        >>> search = GridSearchCV(net, {"lr": [0.1, 0.01]}, scoring=log.scorer())
        >>> frame = to_frame(search.fit(*load_iris(return_X_y=True)), level="epoch")
        >>> bool(frame["fold_loss"].notna().all())
        True
        """
        names = [scoring] if isinstance(scoring, str) else scoring
        for name in names if isinstance(names, list | tuple) else ():
            get_scorer(name)  # raises at an unknown name, before any training
        self._has_scorer = True
        return FoldScorer(scoring)

    def clear(self) -> "TrainingLog":
        """Forget all fits.

        Returns
        -------
        TrainingLog
            This one.
        """
        self._received_rows.clear()
        self._monitor = ScoringMonitor(scoring=_return_row)
        return self

    def receive(self, message: Any) -> None:
        """Take the row of a fit from a copy of the log in a worker process."""
        self._received_rows.append(message)

    def setup(self, estimator: Any, context: Any) -> None:
        """Prepare for a fit; scikit-learn calls this method."""
        if not _is_net_itself(estimator):
            raise TypeError(
                f"A TrainingLog is set on the net, not on {type(estimator).__name__}: "
                f"ActMLP(...).set_callbacks(TrainingLog()), also inside a pipeline."
            )
        self._unscored.pop(estimator, None)  # of an earlier fit
        self._monitor.setup(estimator, context)

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Do nothing: the history is complete when the fit ends."""

    def on_fit_task_end(self, estimator: Any, context: Any) -> None:
        """Do nothing: scikit-learn does not call this method if a fit fails."""

    def teardown(self, estimator: Any, context: Any) -> None:
        """Store the history of a fit that has ended, also if the fit has failed."""
        if not _is_net_itself(estimator):  # `setup` has raised
            return
        row = {
            "id": uuid.uuid4().hex,
            **describe_task(context),
            "params": _params_as_scalars(estimator),
            "history": columns_of_history(estimator.history_ or []),
        }
        self._store_row(row, estimator, context)
        self._monitor.teardown(estimator, context)
        if estimator in self._unscored:
            if _logged_fit_from(row).is_refit:  # no search scores a refit
                del self._unscored[estimator]
            else:
                self._unscored[estimator].row = row
                self._unscored[estimator].context = context

    def validate(self, estimator: Any, X: Any, y: Any) -> None:
        """Validate every epoch of a net on rows that the net was not trained on.

        The log validates a fit once, and then drops the weights of the epochs.

        Parameters
        ----------
        estimator : estimator
            The fitted net, or a pipeline that ends in the net.
        X, y : array-like of shape (n_samples, n_features), array-like
            Rows and targets as for ``score``.
        """
        net = net_of(estimator)
        unscored = self._unscored.pop(net, None)
        if unscored is None or unscored.row is None:
            return
        if net is not estimator and len(estimator.steps) > 1:
            X = estimator[:-1].transform(X)
        history = dict(unscored.row["history"])
        trajectory = unscored.trajectory
        for name, cells in fold_curves(net, trajectory.epochs, X, y).items():
            history[name] = [None] * trajectory.first_epoch + cells
        for name in history.keys() - unscored.row["history"].keys():
            for epoch, cell in zip(net.history_, history[name], strict=True):
                if cell is not None:
                    epoch[name] = cell
        row = {**unscored.row, "history": history}
        self._monitor.setup(net, unscored.context)
        self._store_row(row, net, unscored.context)
        self._monitor.teardown(net, unscored.context)

    def _store_row(self, row: dict[str, Any], net: Any, context: Any) -> None:
        if not send_message(self._receiver_name, row):
            # `_return_row` is the scoring of the monitor: the row becomes the score
            self._monitor.on_fit_task_end(
                net, context, X=(), y=(), fitted_estimator=row
            )

    @property
    def fits(self) -> list[LoggedFit]:
        """All fits so far, sorted by run, and by their places in the run."""
        try:
            logs = self._monitor.get_logs("all")
        except ValueError:  # the monitor has no logs yet
            logs = []
        stored = [*self._received_rows, *(row for log in logs for row in log.data)]
        # a validated fit was stored twice, and its last row counts
        rows = list({row["id"]: row for row in stored}.values())
        rows.sort(key=lambda row: (row["began"], row["path"]))
        return list(map(_logged_fit_from, rows))

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each epoch of each fit, inside or outside of searches.

        Returns
        -------
        DataFrame
            ``run`` numbers the outermost fits, ``fit`` the fits in each run; ``refit``
            says whether the fit was the refit of a search. Then come the net's
            parameters that differ between fits, and the history.
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
        last_number: dict[Any, int] = {}  # run -> number of its last fit
        rows: list[dict[str, Any]] = []
        for i, fit in enumerate(fits):
            last_number[fit.run] = number = last_number.get(fit.run, -1) + 1
            fit_cells: dict[str, Any] = {
                "run": runs.index(fit.run),
                "fit": number,
                "refit": fit.is_refit,
            }
            fit_cells |= {name: values[i] for name, values in params.items()}
            for epoch in range(len(fit.history.get("epoch", ()))):
                cells = {key: column[epoch] for key, column in fit.history.items()}
                rows.append({**fit_cells, **cells})
        frame = pd.DataFrame(rows)
        return keep_schema(frame, schema_of(frame.columns, "epoch"))


def _is_net_itself(estimator: Any) -> bool:
    return is_net(estimator) and net_of(estimator) is estimator


def _params_as_scalars(net: Any) -> dict[str, Scalar]:
    params = net.get_params(deep=False)
    return dict(zip(params, name_values(params.values()), strict=True))


def _logged_fit_from(row: dict[str, Any]) -> LoggedFit:
    return LoggedFit(row["run"], row["searches"], row["params"], row["history"])


def _return_row(row: Any, X: Any, y: Any) -> Any:
    return row

"""The training log: it keeps the history of every fit, also of the fits of a search.

A search of scikit-learn drops its nets, and with the nets their histories. But all
clones of an estimator share its callbacks. Copies of the log in other processes send
the histories home: with the results of workers of skact, else to the postbox.
"""

import uuid
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import pandas as pd

from skact.backend.postbox import Address, is_here, own_address, post
from skact.backend.worker_messages import register_receiver, send_message
from skact.callbacks.fitted_net import fitted_net_inside, inputs_of_net
from skact.callbacks.fold_scorer import fold_curves, make_scorer
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
        self._rows: list[dict[str, Any]] = []
        self._home: Address | None = None  # of a copy: the process of the original
        self._receiver_name = uuid.uuid4().hex
        self._has_scorer = False
        self._unscored: WeakKeyDictionary[Any, _UnscoredFit] = WeakKeyDictionary()
        register_receiver(self._receiver_name, self)

    def __repr__(self) -> str:
        n = len(self.fits)
        return f"<TrainingLog of {n} fit{'s' * (n != 1)}>"

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _unscored=WeakKeyDictionary())
        if is_here(self._home):
            self._home = None
        register_receiver(self._receiver_name, self)

    def __getstate__(self) -> dict[str, Any]:
        # the rows grow in another thread while workers post theirs
        state = {**vars(self), "_rows": list(self._rows)}
        del state["_unscored"]  # a net is scored in the process that fitted the net
        state["_home"] = self._home or own_address()
        return state

    def __deepcopy__(self, memo: Any) -> "TrainingLog":
        """Return a log of its own, with the fits so far."""
        copied = type(self)()
        vars(copied).update(_rows=list(self._rows), _has_scorer=self._has_scorer)
        return copied

    @property
    def wants_weights(self) -> bool:
        """Whether nets shall give the log their weights of every epoch."""
        return self._has_scorer

    def receive_weights(self, net: Any, trajectory: Trajectory) -> None:
        """Keep the weights of a net until a scorer validates the net."""
        self._unscored[net] = _UnscoredFit(trajectory)

    def scorer(self, scoring: Any = None) -> Any:
        """Return a scorer with which a search validates every epoch on the fold.

        Then epoch rows have ``fold_loss`` and, of classifiers, ``fold_acc``: the mean
        loss and the accuracy on the rows that the search holds out and scores. These
        columns change no fit and no score. Fits that failed, and fits that no search
        scores, such as the refit, have no values in these columns.

        Parameters
        ----------
        scoring : str, callable, list, tuple, set, dict or None, default=None
            The metrics of the search, as its own `scoring`; if there are several,
            `refit` must name one. None is the net's ``score``.

        Returns
        -------
        callable or dict of callables
            The `scoring` for the search: the scores, and what the search does with
            sample weights and routed metadata, are those of `scoring` alone. Where
            the search hands sample weights to its scorer, the columns are weighted.

        Raises
        ------
        ValueError
            If a metric is not known, or named twice.

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
        scorer = make_scorer(scoring)
        self._has_scorer = True
        return scorer

    def clear(self) -> "TrainingLog":
        """Forget all fits.

        Returns
        -------
        TrainingLog
            This one.
        """
        self._rows.clear()
        return self

    def receive(self, message: Any) -> None:
        """Take the row of a fit from a copy of the log in a worker process."""
        self._rows.append(message)

    def setup(self, estimator: Any, context: Any) -> None:
        """Prepare for a fit; scikit-learn calls this method."""
        if not _is_net_itself(estimator):
            raise TypeError(
                f"A TrainingLog is set on the net, not on {type(estimator).__name__}: "
                f"ActMLP(...).set_callbacks(TrainingLog()), also inside a pipeline."
            )
        self._unscored.pop(estimator, None)  # of an earlier fit

    # static, because scikit-learn caches the signatures of these methods, and the cache
    # would keep many logs alive
    @staticmethod
    def on_fit_task_begin(estimator: Any, context: Any) -> None:
        """Do nothing: the history is complete when the fit ends."""

    @staticmethod
    def on_fit_task_end(estimator: Any, context: Any) -> None:
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
        self._store_row(row)
        if estimator in self._unscored:
            if _logged_fit_from(row).is_refit:  # no search scores a refit
                del self._unscored[estimator]
            else:
                self._unscored[estimator].row = row

    def validate(
        self, estimator: Any, X: Any, y: Any, sample_weight: Any = None
    ) -> None:
        """Validate every epoch of a net on rows that the net was not trained on.

        The log validates a fit once, and then drops the weights of the epochs.

        Parameters
        ----------
        estimator : estimator
            The fitted net, or a pipeline or TransformedTargetRegressor around it.
        X, y : array-like of shape (n_samples, n_features), array-like
            Rows and targets as for ``score``.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        """
        net = fitted_net_inside(estimator)
        unscored = self._unscored.pop(net, None)
        if unscored is None or unscored.row is None:
            return
        X, y = inputs_of_net(estimator, X, y)
        history = dict(unscored.row["history"])
        trajectory = unscored.trajectory
        curves = fold_curves(net, trajectory.epochs, X, y, sample_weight)
        for name, cells in curves.items():
            history[name] = [None] * trajectory.first_epoch + cells
        for name in history.keys() - unscored.row["history"].keys():
            for epoch, cell in zip(net.history_, history[name], strict=True):
                if cell is not None:
                    epoch[name] = cell
        self._store_row({**unscored.row, "history": history})

    def _store_row(self, row: dict[str, Any]) -> None:
        self._rows.append(row)  # a copy of the log, too, knows its own fits
        if not send_message(self._receiver_name, row) and self._home is not None:
            post(self._home, self._receiver_name, row)

    @property
    def fits(self) -> list[LoggedFit]:
        """All fits so far, sorted by run, and by their places in the run."""
        # a validated fit was stored twice, and its last row counts
        rows = list({row["id"]: row for row in list(self._rows)}.values())
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
    # each by itself, as a candidate's values are named when its fit is looked for
    return {key: name_values([value])[0] for key, value in params.items()}


def _logged_fit_from(row: dict[str, Any]) -> LoggedFit:
    names = "run", "searches", "params", "history", "began"
    return LoggedFit(**{name: row[name] for name in names})

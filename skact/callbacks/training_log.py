"""The training history of every fit of a search, brought home from wherever it was.

scikit-learn throws the nets of a search away, and their histories with them. A callback
is shared by all clones of an estimator, and `ScoringMonitor` knows the way home from
other processes of this machine.
"""

import uuid
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import pandas as pd
from sklearn.callback import ScoringMonitor
from sklearn.metrics import get_scorer

from skact.backend.worker_messages import post, register
from skact.callbacks.fold_scorer import FoldScorer, curves_on
from skact.callbacks.task_path import describe_task
from skact.engine.weights import Trajectory
from skact.naming import Scalar, name_values
from skact.results.histories import columns_of, is_net, net_of
from skact.results.logged_fit import FitLog, LoggedFit


@dataclass
class _Unscored:
    """What a fit keeps until a search shows its fold."""

    trajectory: Trajectory
    row: dict[str, Any] | None = None  # as it was sent when the fit ended
    context: Any = None


class TrainingLog(FitLog):
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
        self._keeps_weights = False
        self._unscored: WeakKeyDictionary[Any, _Unscored] = WeakKeyDictionary()
        register(self._address, self)

    def __repr__(self) -> str:
        n = len(self.fits)
        return f"<TrainingLog of {n} fit{'s' * (n != 1)}>"

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _unscored=WeakKeyDictionary())
        register(self._address, self)

    def __getstate__(self) -> dict[str, Any]:
        state = {**vars(self), "_received": list(self._received)}
        del state["_unscored"]  # nets are scored where they were fitted
        return state

    @property
    def wants_weights(self) -> bool:
        """Whether nets are to give it their weights of every epoch."""
        return self._keeps_weights

    def receive_weights(self, net: Any, trajectory: Trajectory) -> None:
        """Keep the weights of a net until a scorer shows it the fold."""
        self._unscored[net] = _Unscored(trajectory)

    def scorer(self, scoring: Any = None) -> "FoldScorer":
        """Give a scorer with which a search validates every epoch on its own fold.

        Epoch rows then have ``fold_loss`` and, of classifiers, ``fold_acc``: the mean
        loss and the accuracy on the rows that the search holds out and scores. Neither
        a fit nor a score knows of them. Rows without them are those of fits that failed
        or were not scored, such as the refit.

        Parameters
        ----------
        scoring : str, callable, list, tuple, dict or None, default=None
            What the search is to score by, as its own `scoring`; of several metrics
            `refit` must name one. None is the net's ``score``.

        Returns
        -------
        callable
            To be given to the search as `scoring`.

        Notes
        -----
        A search shows the fold to the scorer alone, when the fit is over. Hence each
        fit keeps its weights of every epoch until it is scored (``max_epochs`` times
        the size of the network, for all fits that are trained at the same time), and
        then passes the fold through the network once an epoch. That time is counted in
        ``mean_score_time``.

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
            get_scorer(name)  # says what there is, before anything is trained
        self._keeps_weights = True
        return FoldScorer(scoring)

    def clear(self) -> "TrainingLog":
        """Forget all fits.

        Returns
        -------
        TrainingLog
            This one.
        """
        self._received.clear()
        self._monitor = ScoringMonitor(scoring=_as_it_is)
        return self

    def receive(self, message: Any) -> None:
        """Take what a copy in a worker process has logged."""
        self._received.append(message)

    def setup(self, estimator: Any, context: Any) -> None:
        """Make ready for a fit; scikit-learn calls it."""
        if not _is_net_itself(estimator):
            raise TypeError(
                f"A TrainingLog is set on the net, not on {type(estimator).__name__}: "
                f"ActMLP(...).set_callbacks(TrainingLog()), wherever the net is."
            )
        self._unscored.pop(estimator, None)  # of a fit before this one
        self._monitor.setup(estimator, context)

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Do nothing: the history is complete when the fit ends."""

    def on_fit_task_end(self, estimator: Any, context: Any) -> None:
        """Do nothing: a fit that fails would not come here."""

    def teardown(self, estimator: Any, context: Any) -> None:
        """Take the history of a fit that has ended, well or not."""
        if not _is_net_itself(estimator):  # `setup` has refused it
            return
        row = {
            "id": uuid.uuid4().hex,
            **describe_task(context),
            "params": _plain_params(estimator),
            "history": columns_of(estimator.history_ or []),
        }
        self._send(row, estimator, context)
        self._monitor.teardown(estimator, context)
        if estimator in self._unscored:
            if _fit_of(row).is_refit:  # which no search scores
                del self._unscored[estimator]
            else:
                self._unscored[estimator].row = row
                self._unscored[estimator].context = context

    def validate(self, estimator: Any, X: Any, y: Any) -> None:
        """Look at every epoch of a net, or of a pipeline's, on rows it never saw.

        The first time after a fit; then the weights of the epochs are gone.

        Parameters
        ----------
        estimator : estimator
            The net that was fitted, or a pipeline that ends in it.
        X, y : array-like of shape (n_samples, n_features), array-like
            As they would be given to ``score``.
        """
        net = net_of(estimator)
        unscored = self._unscored.pop(net, None)
        if unscored is None or unscored.row is None:
            return
        if net is not estimator and len(estimator.steps) > 1:
            X = estimator[:-1].transform(X)
        history = dict(unscored.row["history"])
        epochs, before = unscored.trajectory.epochs, unscored.trajectory.first_epoch
        for name, cells in curves_on(net, epochs, X, y).items():
            history[name] = [None] * before + cells
        for name in history.keys() - unscored.row["history"].keys():
            for epoch, cell in zip(net.history_, history[name], strict=True):
                if cell is not None:
                    epoch[name] = cell
        row = {**unscored.row, "history": history}
        self._monitor.setup(net, unscored.context)
        self._send(row, net, unscored.context)
        self._monitor.teardown(net, unscored.context)

    def _send(self, row: dict[str, Any], net: Any, context: Any) -> None:
        if not post(self._address, row):
            # the score of a fit is what it has to tell
            self._monitor.on_fit_task_end(
                net, context, X=(), y=(), fitted_estimator=row
            )

    @property
    def fits(self) -> list[LoggedFit]:
        """All fits there were, those of one run together, sorted by their places."""
        try:
            logs = self._monitor.get_logs("all")
        except ValueError:  # there were none
            logs = []
        sent = [*self._received, *(row for log in logs for row in log.data)]
        rows = list({row["id"]: row for row in sent}.values())  # the last of each
        rows.sort(key=lambda row: (row["began"], row["path"]))
        return list(map(_fit_of, rows))

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


def _is_net_itself(estimator: Any) -> bool:
    return is_net(estimator) and net_of(estimator) is estimator


def _plain_params(net: Any) -> dict[str, Scalar]:
    params = net.get_params(deep=False)
    return dict(zip(params, name_values(params.values()), strict=True))


def _fit_of(row: dict[str, Any]) -> LoggedFit:
    return LoggedFit(row["run"], row["searches"], row["params"], row["history"])


def _as_it_is(row: Any, X: Any, y: Any) -> Any:
    return row

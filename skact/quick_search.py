"""Find the best activation for data in one call: pipeline, grid, search, verdict."""

import importlib.util
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.base import is_classifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skact.activations.param_grids import activation_grid
from skact.analysis.comparison import Comparison, compare
from skact.analysis.diagnosis import Diagnosis, diagnose
from skact.backend.context import fused
from skact.callbacks.activation_monitor import ActivationMonitor
from skact.callbacks.training_log import TrainingLog
from skact.naming import short_name
from skact.nets.estimators import ActMLP, ActMLPRegressor
from skact.results.frames import to_frame
from skact.results.schema import schema_of_frame
from skact.visualization.hiplot_experiment import Experiment, to_hiplot
from skact.visualization.training_display import TrainingDisplay

_HOW_TO_TRY = {
    "activation": "activations=[...]",
    "lr": "n_lr=..., or activation_grid(lr=...) and a search of your own",
    "hidden": "width=[...] and depth=[...]",
}
_MAX_NUMBER_CLASSES = 20  # y with more different numbers is a regression
_STEPS_TO_TRAIN = 300  # the learning rates of `activation_grid` are made for these
_MAX_CATEGORIES_OF_COLUMN = 50  # of a column of words; rarer words share a category


class SearchResult:
    """The result of `search`; it prints the ranking and the verdict.

    Parameters
    ----------
    search : GridSearchCV
        The fitted search.
    best : Pipeline or TransformedTargetRegressor
        The best candidate, fitted on all rows; X and y are as the user has them.
    log : TrainingLog
        The history of every fit.
    report : Report
        Report on the fused fits.

    Attributes
    ----------
    search_, best_estimator_, log_, report_
        The parameters.
    best_params_ : dict
        Hyperparameters of the net: activation, lr, width, ...
    best_score_ : float
        Mean score over the folds.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> found = search(
    ...     *load_wine(return_X_y=True), activations=["relu"], progress=False
    ... )
    >>> found.predict(load_wine().data[:2]).tolist()
    [0, 0]
    """

    def __init__(
        self, search: GridSearchCV, best: Any, log: TrainingLog, report: Any
    ) -> None:
        self.search_, self.best_estimator_ = search, best
        self.log_, self.report_ = log, report
        self.best_score_ = float(search.best_score_)
        self.best_params_ = {
            name.removeprefix("net__"): value
            for name, value in search.best_params_.items()
        }

    def predict(self, X: Any) -> np.ndarray:
        """Predict with the best estimator."""
        return self.best_estimator_.predict(X)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Predict class probabilities with the best estimator."""
        return self.best_estimator_.predict_proba(X)

    def score(self, X: Any, y: Any) -> float:
        """Return the accuracy, or R2, of the best estimator on other rows."""
        return float(self.best_estimator_.score(X, y))

    def to_frame(self, level: str = "candidate") -> pd.DataFrame:
        """Return a frame of candidates, folds or epochs by :func:`~skact.to_frame`."""
        return to_frame(self.search_, level)

    def to_hiplot(self, level: str = "candidate", **options: Any) -> Experiment:
        """Return a page of candidates, folds or epochs by :func:`~skact.to_hiplot`."""
        return to_hiplot(self.search_, level, **options)

    def compare(self, by: str | Sequence[str] = "activation", **options: Any) -> Any:
        """Test differences between activations by :func:`~skact.compare`."""
        return compare(self.search_, by, **options)

    def diagnose(self) -> Diagnosis:
        """Find candidates that train badly by :func:`~skact.diagnose`."""
        return diagnose(self.search_)

    def plot(self, **options: Any) -> TrainingDisplay:
        """Draw the curves of the best candidate of each activation."""
        return TrainingDisplay.from_estimator(self.search_, **options)

    @property
    def comparison(self) -> Comparison | None:
        """The comparison of activations; None if there is only one activation."""
        names = self.to_frame().get("activation", pd.Series(dtype=object))
        return self.compare() if names.nunique() > 1 else None

    def __str__(self) -> str:
        frame = self.to_frame()
        details = schema_of_frame(frame, "candidate").details
        table = frame[[name for name in frame if name not in details]].head(10)
        text = table.to_string(index=False, float_format=lambda value: f"{value:.4g}")
        more = f"\n... {len(frame) - 10} more" if len(frame) > 10 else ""
        found = self.comparison
        verdict = "" if found is None else f"\n\n{found.verdict}"
        table = f"{self._describe_search()}\n\n{text}{more}"
        return f"{table}{verdict}{self._describe_edge_rate()}"

    def _describe_search(self) -> str:
        """Name the task, the score, and the number of candidates and folds."""
        search = self.search_
        kind, usual, scoring = "Classification", "accuracy", search.scoring.scoring
        if not is_classifier(search.estimator):
            kind, usual = "Regression", "R2"
        score = usual if scoring is None else short_name(scoring)
        if kind == "Regression" and scoring is not None:
            score += " (in deviations of y)"
        n = len(search.cv_results_["params"])
        return (
            f"{kind}, scored by {score}: {n} candidate{'' if n == 1 else 's'} on "
            f"{search.n_splits_} folds."
        )

    def _describe_edge_rate(self) -> str:
        """Return a sentence if the best learning rate is the highest or lowest one."""
        best, params = self.best_params_, self.search_.cv_results_["params"]
        rates = sorted(
            {p["net__lr"] for p in params if p["net__activation"] == best["activation"]}
        )
        if len(rates) < 2 or best["lr"] not in (rates[0], rates[-1]):
            return ""
        is_highest = best["lr"] == rates[-1]
        way, other = ("highest", "higher") if is_highest else ("lowest", "lower")
        return (
            f" The best learning rate, {best['lr']:g}, is the {way} that was tried for "
            f"{best['activation']}: a {other} one may be better."
        )


def search(
    X: Any,
    y: Any,
    *,
    activations: Iterable[Any] | None = None,
    n_lr: int = 3,
    width: int | Sequence[int] = (100,),
    depth: int | Sequence[int] = (1,),
    cv: Any = 5,
    scoring: Any = None,
    task: str | None = None,
    max_epochs: int | None = None,
    random_state: int | None = 0,
    progress: bool | None = None,
    **parameters: Any,
) -> SearchResult:
    """Find the best activation, learning rate and width for data.

    Columns of numbers are standardised, and the mean replaces missing numbers; columns
    of words become a column for each category. Each activation is tried with learning
    rates from :func:`~skact.activation_grid`. All candidates and folds train together
    (:func:`~skact.fused`); every epoch is logged, and validated on its fold. The best
    candidate is fitted on all rows.

    Parameters
    ----------
    X : {array-like, DataFrame} of shape (n_samples, n_features)
        Numbers; in a frame also words, categories, booleans and missing values.
    y : array-like of shape (n_samples,)
        Labels, or numbers.
    activations : list of activation specs, default=None
        None: the default of :func:`~skact.activation_grid`.
    n_lr : int, default=3
        Number of learning rates for each activation.
    width : int or sequence of int, default=(100,)
        Numbers of units in each hidden layer to try.
    depth : int or sequence of int, default=(1,)
        Numbers of hidden layers to try.
    cv : int or splitter, default=5
        As in ``GridSearchCV``.
    scoring : str, callable or None, default=None
        As in ``GridSearchCV``: one score; None is accuracy, or R2.
    task : {"classification", "regression"} or None, default=None
        None: regression if y holds more than 20 different numbers.
    max_epochs : int or None, default=None
        Epochs of each fit; None: enough for 300 steps, but from 30 to 150.
    random_state : int or None, default=0
        Seed of all nets.
    progress : bool or None, default=None
        Whether to show a progress bar, which needs rich. None: if rich is installed.
    **parameters : dict
        More parameters of the net, such as ``early_stopping=True``, but not those that
        the search tries.

    Returns
    -------
    SearchResult
        It can be printed, and it predicts.

    Notes
    -----
    For regression, y is standardised once, before the search makes the folds. R2 does
    not change. A score with a unit, such as ``"neg_mean_squared_error"``, is in units
    of the standard deviation of y. `best_estimator_` predicts y in its own units.

    Raises
    ------
    ValueError, TypeError
        If the data or a parameter are invalid.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skact import search
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> found = search(X, y, activations=["relu", "tanh"], progress=False)
    >>> found.best_score_ > 0.9, sorted(found.best_params_)
    (True, ['activation', 'depth', 'lr', 'width'])
    """
    if task is None:
        task = "regression" if _has_many_numbers(y) else "classification"
    if task not in ("classification", "regression"):
        raise ValueError(
            f"task must be 'classification', 'regression' or None, got {task!r}."
        )
    for name, how in _HOW_TO_TRY.items():
        if name in parameters:
            raise TypeError(f"{name} is tried by the search: give it {how}.")
    if max_epochs is None:
        per_epoch = -(-len(y) // parameters.get("batch_size", 128))
        max_epochs = min(150, max(30, -(-_STEPS_TO_TRAIN // max(1, per_epoch))))
    log, regression = TrainingLog(), task == "regression"
    optimizer = parameters.get("optimizer", "adam")
    grid = activation_grid(
        activations,
        n_lr=n_lr,
        optimizer=optimizer if isinstance(optimizer, str) else "adam",
        prefix="net__",
        width=[width] if isinstance(width, int) else list(width),
        depth=[depth] if isinstance(depth, int) else list(depth),
    )
    net = (ActMLPRegressor if regression else ActMLP)(
        max_epochs=max_epochs, random_state=random_state, dtype="float32"
    )
    callbacks = parameters.pop("callbacks", None) or []
    if isinstance(callbacks, str):
        raise TypeError(f"callbacks must be a list, got {callbacks!r}.")
    callbacks = [*callbacks, ActivationMonitor()]
    net.set_params(**parameters, callbacks=callbacks).set_callbacks(log)
    if progress is None:
        progress = importlib.util.find_spec("rich") is not None
    pipeline = Pipeline([("columns", _make_preprocessing(X)), ("net", net)])
    found = GridSearchCV(pipeline, grid, cv=cv, scoring=log.scorer(scoring))
    target = StandardScaler() if regression else None
    with fused(progress=progress) as session:
        found.fit(X, y if target is None else _standardise(y, target))
    best = found.best_estimator_
    if target is not None:  # the same network, in the units of y
        from sklearn.compose import TransformedTargetRegressor

        net = pipeline.set_params(**found.best_params_)
        best = TransformedTargetRegressor(net, transformer=target).fit(X, y)
    return SearchResult(found, best, log, session.report)


def _has_many_numbers(y: Any) -> bool:
    values = np.asarray(y)
    return values.dtype.kind in "iuf" and len(np.unique(values)) > _MAX_NUMBER_CLASSES


def _standardise(y: Any, scaler: StandardScaler) -> np.ndarray:
    values = np.asarray(y, dtype=float)
    columns = values.reshape(len(values), -1)
    return scaler.fit_transform(columns).reshape(values.shape)


def _make_preprocessing(X: Any) -> Any:
    """Build the transformer from the user's columns to the input of a net."""
    # imported here, because these take a third of the time to import skact
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer

    if sp.issparse(X):  # centring would turn zeros into numbers and fill the memory
        return StandardScaler(with_mean=False)
    numbers = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler())
    if not isinstance(X, pd.DataFrame):
        return numbers
    numeric = X.select_dtypes("number").columns.tolist()
    words = [name for name in X.columns if name not in numeric]
    if not words:
        return numbers
    coded = OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        max_categories=_MAX_CATEGORIES_OF_COLUMN,
        sparse_output=False,
    )
    return make_column_transformer((numbers, numeric), (coded, words))

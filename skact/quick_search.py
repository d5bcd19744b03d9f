"""From data to an answer in one call: pipeline, fair grid, fused search, verdict."""

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
from skact.visualization.hiplot_experiment import Experiment, to_hiplot
from skact.visualization.training_display import TrainingDisplay

_TRIED = {
    "activation": "activations=[...]",
    "lr": "n_lr=..., or activation_grid(lr=...) and a search of your own",
    "hidden": "width=[...] and depth=[...]",
}
_MOST_CLASSES = 20  # that numbers are taken for, unless told otherwise
_STEPS = 300  # that the rates of `activation_grid` are for
_MOST_CATEGORIES = 50  # of a column of words; rarer ones share a column


class SearchResult:
    """What `search` found; printing it says which activation won, and by how much.

    Parameters
    ----------
    search : GridSearchCV
        Fitted.
    best : Pipeline or TransformedTargetRegressor
        Fitted on all rows; takes and gives what the user has.
    log : TrainingLog
        Every epoch of every fit.
    report : Report
        What was trained together.

    Attributes
    ----------
    search_, best_estimator_, log_, report_
        The same.
    best_params_ : dict
        Of the net: activation, lr, width, ...
    best_score_ : float
        Mean over the folds.

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
        """Predict by the best estimator."""
        return self.best_estimator_.predict(X)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Predict class probabilities by the best estimator."""
        return self.best_estimator_.predict_proba(X)

    def score(self, X: Any, y: Any) -> float:
        """Return the best estimator's accuracy, or R2, on rows it has not seen."""
        return float(self.best_estimator_.score(X, y))

    def to_frame(self, level: str = "candidate") -> pd.DataFrame:
        """Return candidates, folds or epochs, as :func:`~skact.to_frame` does."""
        return to_frame(self.search_, level)

    def to_hiplot(self, level: str = "candidate", **options: Any) -> Experiment:
        """Return a page of them, as :func:`~skact.to_hiplot` does."""
        return to_hiplot(self.search_, level, **options)

    def compare(self, by: str | Sequence[str] = "activation", **options: Any) -> Any:
        """Tell real differences from chance, as :func:`~skact.compare` does."""
        return compare(self.search_, by, **options)

    def diagnose(self) -> Diagnosis:
        """Say which candidates train badly, as :func:`~skact.diagnose` does."""
        return diagnose(self.search_)

    def plot(self, **options: Any) -> TrainingDisplay:
        """Draw the curves of the best candidate of each activation."""
        return TrainingDisplay.from_estimator(self.search_, **options)

    @property
    def comparison(self) -> Comparison | None:
        """The comparison of activations, if there are several."""
        names = self.to_frame().get("activation", pd.Series(dtype=object))
        return self.compare() if names.nunique() > 1 else None

    def __str__(self) -> str:
        frame = self.to_frame()
        dull = ("split", "std_fit_", "mean_score_time", "std_score_time")
        keep = [name for name in frame if not str(name).startswith(dull)]
        table = frame[keep].head(10)
        said = table.to_string(index=False, float_format=lambda value: f"{value:.4g}")
        more = f"\n... {len(frame) - 10} more" * (len(frame) > 10)
        found = self.comparison
        verdict = "" if found is None else f"\n\n{found.verdict}"
        return f"{self._heading()}\n\n{said}{more}{verdict}{self._edge()}"

    def _heading(self) -> str:
        """Say what was asked: of which kind, by which score."""
        search = self.search_
        kind, usual, scoring = "Classification", "accuracy", search.scoring.scoring
        if not is_classifier(search.estimator):
            kind, usual = "Regression", "R2"
        score = usual if scoring is None else short_name(scoring)
        if kind == "Regression" and scoring is not None:
            score += " (in deviations of y)"
        n = len(search.cv_results_["params"])
        return (
            f"{kind}, scored by {score}: {n} candidate{'s' * (n != 1)} on "
            f"{search.n_splits_} folds."
        )

    def _edge(self) -> str:
        """Say so if the best rate is the last that was tried on its side."""
        best, params = self.best_params_, self.search_.cv_results_["params"]
        rates = sorted(
            {p["net__lr"] for p in params if p["net__activation"] == best["activation"]}
        )
        if len(rates) < 2 or best["lr"] not in (rates[0], rates[-1]):
            return ""
        way = "highest" if best["lr"] == rates[-1] else "lowest"
        return (
            f" The best learning rate, {best['lr']:g}, is the {way} that was tried for "
            f"{best['activation']}: there may be better ones beyond."
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
    """Find the activation, learning rate and width that suit some data.

    Columns of numbers are standardised, missing ones filled with the mean; those of
    words become a column each category. Each activation is tried with learning rates
    around its own (:func:`~skact.activation_grid`), all candidates and folds train
    together (:func:`~skact.fused`), with every epoch logged and validated on its fold,
    and the best candidate is fitted on all rows.

    Parameters
    ----------
    X : {array-like, DataFrame} of shape (n_samples, n_features)
        Numbers; in a frame also words, categories, booleans and missing values.
    y : array-like of shape (n_samples,)
        Labels, or numbers.
    activations : list of activation specs, default=None
        None: those of :func:`~skact.activation_grid`.
    n_lr : int, default=3
        Learning rates of each.
    width : int or sequence of int, default=(100,)
        Units in each hidden layer to try.
    depth : int or sequence of int, default=(1,)
        Numbers of hidden layers to try.
    cv : int or splitter, default=5
        As in ``GridSearchCV``.
    scoring : str, callable or None, default=None
        As in ``GridSearchCV``: one score; None is accuracy, or R2.
    task : {"classification", "regression"} or None, default=None
        None: regression if y holds more than 20 different numbers.
    max_epochs : int or None, default=None
        Of each fit; None: as many as take 300 steps, from 30 to 150.
    random_state : int or None, default=0
        Of all nets.
    progress : bool or None, default=None
        Whether to show a bar; it needs rich. None: if that is installed.
    **parameters : dict
        More parameters of the net, such as ``early_stopping=True``; not those that are
        tried.

    Returns
    -------
    SearchResult
        Print it; it predicts, too.

    Notes
    -----
    For regression y is standardised once, before the folds are cut. That changes no R2,
    but a score with a unit, such as ``"neg_mean_squared_error"``, is in units of y's
    deviation. `best_estimator_` takes and gives y as it is.

    Raises
    ------
    ValueError, TypeError
        If the data or a parameter are not as they must be.

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
        task = "regression" if _holds_many_numbers(y) else "classification"
    if task not in ("classification", "regression"):
        raise ValueError(
            f"task must be 'classification', 'regression' or None, got {task!r}."
        )
    for name, instead in _TRIED.items():
        if name in parameters:
            raise TypeError(f"{name} is tried by the search: give it {instead}.")
    if max_epochs is None:
        per_epoch = -(-len(y) // parameters.get("batch_size", 128))
        max_epochs = min(150, max(30, -(-_STEPS // max(1, per_epoch))))
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
    pipeline = Pipeline([("columns", _preprocessing(X)), ("net", net)])
    found = GridSearchCV(pipeline, grid, cv=cv, scoring=log.scorer(scoring))
    target = StandardScaler() if regression else None
    with fused(progress=progress) as session:
        found.fit(X, y if target is None else _standardised(y, target))
    best = found.best_estimator_
    if target is not None:  # the same network, in the units of y
        from sklearn.compose import TransformedTargetRegressor

        net = pipeline.set_params(**found.best_params_)
        best = TransformedTargetRegressor(net, transformer=target).fit(X, y)
    return SearchResult(found, best, log, session.report)


def _holds_many_numbers(y: Any) -> bool:
    values = np.asarray(y)
    return values.dtype.kind in "iuf" and len(np.unique(values)) > _MOST_CLASSES


def _standardised(y: Any, scaler: StandardScaler) -> np.ndarray:
    values = np.asarray(y, dtype=float)
    columns = values.reshape(len(values), -1)
    return scaler.fit_transform(columns).reshape(values.shape)


def _preprocessing(X: Any) -> Any:
    """Make a net's input of columns as users have them."""
    # here, for they take a third of the time that it takes to import skact
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer

    if sp.issparse(X):  # what is not there is 0, and moving it would fill the memory
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
        max_categories=_MOST_CATEGORIES,
        sparse_output=False,
    )
    return make_column_transformer((numbers, numeric), (coded, words))

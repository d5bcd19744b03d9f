"""What a search found: printed, inspected, and used to predict."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier
from sklearn.model_selection import GridSearchCV

from skact.analysis.comparison import Comparison, compare
from skact.analysis.diagnosis import Diagnosis, diagnose
from skact.callbacks.training_log import TrainingLog
from skact.naming import short_name
from skact.quick_search.budget import BudgetedSearchCV
from skact.quick_search.tables import TableEncoder, as_table
from skact.results.frames import to_frame
from skact.results.schema import schema_of_frame
from skact.visualization.hiplot_experiment import Experiment, to_hiplot
from skact.visualization.training_display import TrainingDisplay


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
    test_ratio : float or None, default=None
        Test rows over training rows of a fold, for `compare`; None: it reads `cv`.

    Attributes
    ----------
    search_, best_estimator_, log_, report_, test_ratio_
        The parameters.
    best_params_ : dict
        Hyperparameters of the net: activation, lr, width, ...
    best_score_ : float
        Mean score over the folds.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from skact import search
    >>> found = search(
    ...     *load_wine(return_X_y=True), activations=["relu"], progress=False
    ... )
    >>> found.predict(load_wine().data[:2]).tolist()
    [0, 0]
    """

    def __init__(
        self,
        search: GridSearchCV,
        best: Any,
        log: TrainingLog,
        report: Any,
        test_ratio: float | None = None,
    ) -> None:
        self.search_, self.best_estimator_ = search, best
        self.log_, self.report_, self.test_ratio_ = log, report, test_ratio
        self.best_score_ = float(search.best_score_)
        self.best_params_ = {
            name.removeprefix("net__"): value
            for name, value in search.best_params_.items()
        }

    def predict(self, X: Any) -> np.ndarray:
        """Predict with the best estimator."""
        return self.best_estimator_.predict(as_table(X))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Predict class probabilities with the best estimator."""
        return self.best_estimator_.predict_proba(as_table(X))

    def score(self, X: Any, y: Any) -> float:
        """Return the accuracy, or R2, of the best estimator on other rows."""
        return float(self.best_estimator_.score(as_table(X), y))

    def to_frame(self, level: str = "candidate") -> pd.DataFrame:
        """Return a frame of candidates, folds or epochs by :func:`~skact.to_frame`."""
        return to_frame(self.search_, level)

    def to_hiplot(self, level: str = "candidate", **options: Any) -> Experiment:
        """Return a page of candidates, folds or epochs by :func:`~skact.to_hiplot`."""
        return to_hiplot(self.search_, level, **options)

    def compare(self, by: str | Sequence[str] = "activation", **options: Any) -> Any:
        """Test differences between activations by :func:`~skact.compare`."""
        return compare(self.search_, by, **{"test_ratio": self.test_ratio_} | options)

    def diagnose(self) -> Diagnosis:
        """Find candidates that train badly by :func:`~skact.diagnose`."""
        return diagnose(self.search_)

    def plot(self, **options: Any) -> TrainingDisplay:
        """Draw the curves of the best candidate of each activation."""
        return TrainingDisplay.from_estimator(self.search_, **options)

    @property
    def columns_(self) -> pd.DataFrame:
        """Kind of each column of a frame, and inputs it becomes; else no rows."""
        encoder = self.search_.best_estimator_[0]
        if not isinstance(encoder, TableEncoder):
            return pd.DataFrame({"column": [], "kind": [], "inputs": []})
        names = pd.Series(list(encoder.columns_), dtype=object)
        found = {"kind": encoder.kinds_, "inputs": encoder.count_outputs()}
        return pd.DataFrame({"column": names, **found})

    def _describe_columns(self) -> str:
        """Say which columns are not taken as they are."""
        said = {
            "id": "dropped as ids",
            "constant": "dropped as constants",
            "text": "hashed as free text",
            "date": "taken apart as dates",
        }
        found = self.columns_
        lines = [
            f"Columns {how}: {', '.join(map(str, names))}."
            for kind, how in said.items()
            if len(names := found["column"][found["kind"] == kind])
        ]
        return "\n" + "\n".join(lines) if lines else ""

    @property
    def comparison(self) -> Comparison | None:
        """The comparison of activations; None if there is only one activation."""
        frame = self.to_frame()
        if isinstance(self.search_, BudgetedSearchCV):  # the last round is compared
            frame = frame[frame["iter"] == frame["iter"].max()]
        names = frame.get("activation", pd.Series(dtype=object))
        return self.compare() if names.nunique() > 1 else None

    def __str__(self) -> str:
        frame = self.to_frame()
        details = schema_of_frame(frame, "candidate").details
        table = frame[[name for name in frame if name not in details]].head(10)
        text = table.to_string(index=False, float_format=lambda value: f"{value:.4g}")
        more = f"\n... {len(frame) - 10} more" if len(frame) > 10 else ""
        found = self.comparison
        verdict = "" if found is None else f"\n\n{found.verdict}"
        table = f"{self._describe_search()}{self._describe_columns()}\n\n{text}{more}"
        edge = self._describe_edge_rate()
        return f"{table}{self._describe_rounds()}{verdict}{edge}"

    def _describe_rounds(self) -> str:
        """Say how much of the grid a budget of seconds has allowed."""
        if not isinstance(self.search_, BudgetedSearchCV):
            return ""
        search = self.search_
        n, rounds = search.n_candidates_, search.rounds_
        parts = [
            f"{number} for {epochs} epoch{'s' * (epochs != 1)}"
            for epochs, number in rounds
        ]
        left = n - rounds[0][1]
        rest = f" Not tried: {left}; more time may find better." if left else ""
        whole = rounds[-1][0] == search.max_resources
        short = "" if whole else " None had all its epochs."
        return (
            f"\n\nOf {n} candidates, the budget allowed {', '.join(parts)}."
            f"{rest}{short}"
        )

    def _describe_search(self) -> str:
        """Name the task, the score, and the number of candidates and folds."""
        search = self.search_
        scorer = search.scoring  # of several scores, those by their names
        scoring = search.refit if isinstance(scorer, dict) else scorer.scoring
        kind, usual = "Classification", "accuracy"
        if not is_classifier(search.estimator):
            kind, usual = "Regression", "R2"
        score = usual if scoring is None else short_name(scoring)
        if isinstance(search.refit, str):
            score = search.refit
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

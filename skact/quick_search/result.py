"""What a search found: printed, inspected, and used to predict."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier

from skact.analysis.comparison import Comparison, compare
from skact.analysis.diagnosis import Diagnosis, diagnose
from skact.callbacks.training_log import TrainingLog
from skact.naming import short_name
from skact.quick_search.ranking import NET, rank_models
from skact.quick_search.rounds import RoundsSearchCV
from skact.quick_search.tables import TableEncoder, as_table
from skact.quick_search.words import (
    sentences_on_activations,
    sentences_on_next_steps,
    sentences_on_winner,
)
from skact.results.frames import to_frame
from skact.visualization.hiplot_experiment import Experiment, to_hiplot
from skact.visualization.search_display import SearchDisplay
from skact.visualization.training_display import TrainingDisplay

_ROWS_SHOWN = 10
_HEADING = [("text-align", "left"), ("padding", "2px 8px")]


class SearchResult:
    """The result of `search`; it prints the ranking, the verdict, and what to do next.

    Parameters
    ----------
    search : RoundsSearchCV
        The fitted search.
    log : TrainingLog
        The history of every fit.
    report : Report
        Report on the fused fits.
    average : estimator or None
        The average of the best nets, fitted on all rows, if it won.
    members : sequence of dict
        The parameters of the nets in the average.
    averages : dict of int to ndarray
        The scores of averages on each fold, by the number of their nets.
    baselines : dict
        The scores on each fold of models that are no nets.
    task : str
        The task, and why it is this one.
    alerts : sequence of str
        What looks wrong with the table.
    test_ratio : float or None, default=None
        Test rows over training rows of a fold, for `compare`; None: it reads `cv`.

    Attributes
    ----------
    best_estimator_ : estimator
        The winner, fitted on all rows; X and y are as the user has them.
    best_score_ : float
        Its mean score over the folds.
    best_params_ : dict
        Hyperparameters of the best net: activation, lr, width, ... It is the first
        member of an average.
    ranking_ : DataFrame
        All that was tried, the best first.
    average_scores_ : ndarray or None
        The scores of the best average on each fold; None: there was none to try.
    search_, log_, report_, average_, members_, baselines_, task_, alerts_, test_ratio_
        The parameters.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from skact import search
    >>> found = search(
    ...     *load_wine(return_X_y=True), activations=["relu"], n_candidates=4,
    ...     max_epochs=40, progress=False,
    ... )
    >>> found.predict(load_wine().data[:2]).tolist()
    [0, 0]
    """

    def __init__(
        self,
        search: RoundsSearchCV,
        log: TrainingLog,
        report: Any,
        *,
        average: Any,
        members: Sequence[Mapping[str, Any]],
        averages: Mapping[int, np.ndarray],
        baselines: Mapping[str, np.ndarray],
        task: str,
        alerts: Sequence[str],
        test_ratio: float | None = None,
    ) -> None:
        self.search_, self.log_, self.report_ = search, log, report
        self.average_, self.members_ = average, [*members]
        self.average_scores_ = averages.get(len(self.members_))
        self.baselines_ = dict(baselines)
        self.task_, self.alerts_, self.test_ratio_ = task, [*alerts], test_ratio
        self.best_estimator_ = search.best_estimator_ if average is None else average
        self.best_score_ = float(search.best_score_)
        if average is not None:
            self.best_score_ = float(averages[len(self.members_)].mean())
        self.best_params_ = {
            name.rpartition("__")[2]: value
            for name, value in search.best_params_.items()
        }
        others = {f"average of {n} nets": s for n, s in averages.items()}
        others |= {f"{name} (baseline)": s for name, s in self.baselines_.items()}
        self.ranking_ = rank_models(search, others)

    def predict(self, X: Any) -> np.ndarray:
        """Predict with the best estimator."""
        return self.best_estimator_.predict(as_table(X))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Predict class probabilities with the best estimator."""
        return self.best_estimator_.predict_proba(as_table(X))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the score that chose the winner, of the winner on other rows."""
        scorer: Any = self.search_.scorer_
        if isinstance(scorer, dict):
            scorer = scorer[self.search_.refit]
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        return float(scorer(self.best_estimator_, as_table(X), y, **weights))

    def to_frame(self, level: str = "candidate") -> pd.DataFrame:
        """Return a frame of candidates, folds or epochs by :func:`~skact.to_frame`."""
        return to_frame(self.search_, level)

    def to_hiplot(self, level: str = "candidate", **options: Any) -> Experiment:
        """Return a page of candidates, folds or epochs by :func:`~skact.to_hiplot`."""
        return to_hiplot(self.search_, level, **options)

    def compare(self, by: str | Sequence[str] = "activation", **options: Any) -> Any:
        """Test differences between activations by :func:`~skact.compare`.

        Each candidate counts at the number of epochs that scores best, and each value
        has the scores of its best candidate, as in the ranking.
        """
        defaults = {"test_ratio": self.test_ratio_, "select": "best"}
        found = compare(self._frame_of_best(), by, **defaults | options)
        is_own = "metric" not in options  # of a frame it is only "score"
        return replace(found, metric_name=self.score_name) if is_own else found

    def _frame_of_best(self) -> pd.DataFrame:
        """Return the folds of each candidate, at its best number of epochs."""
        frame = to_frame(self.search_, "fold")
        # in the order of the ranking, so that of equal values the same one is first
        place = {row: i for i, row in enumerate(self.search_.rank_candidates())}
        frame = frame[frame["candidate"].isin(place)]
        order = frame["candidate"].map(place).sort_values(kind="stable").index
        return frame.loc[order]

    def diagnose(self) -> Diagnosis:
        """Find candidates that train badly by :func:`~skact.diagnose`.

        Each candidate at the number of epochs that scores best.
        """
        found, best = diagnose(self.search_), set(self.search_.rank_candidates())
        kept = [one for one in found.findings if one[0].get("candidate") in best]
        n = found.looked_at.partition(". ")[0]  # the search itself scales X
        return replace(found, findings=kept, looked_at=f"{n}.")

    def plot(self, **options: Any) -> SearchDisplay:
        """Draw scores against learning rates by :class:`~skact.SearchDisplay`.

        A line for each activation; each candidate at its best number of epochs. Dashed
        lines are the baselines, but for those that are far below.
        """
        named = {} if "metric" in options else {"metric_name": self.score_name}
        display = SearchDisplay.from_estimator(self._frame_of_best(), **named | options)
        if named:
            self._draw_baselines(display.ax_)
        return display

    def _draw_baselines(self, ax: Any) -> None:
        low, high = ax.get_ylim()
        for name, scores in self.baselines_.items():
            if low < (mean := scores.mean()) < high:
                ax.axhline(mean, color="0.45", linestyle="--", linewidth=1, zorder=1)
                right = ax.get_yaxis_transform()
                look = {"transform": right, "color": "0.35", "fontsize": "small"}
                ax.text(0.01, mean, name, va="bottom", zorder=4, **look)

    def plot_curves(self, **options: Any) -> TrainingDisplay:
        """Draw the training of the best candidate of each activation.

        By :class:`~skact.TrainingDisplay`; each candidate at its best number of epochs.
        """
        frame = to_frame(self.search_, "epoch")
        shown: dict[str, int] = {}
        params = self.search_.cv_results_["params"]
        for row in self.search_.rank_candidates():
            shown.setdefault(repr(params[row]["net__activation"]), row)
        rows = frame[frame["candidate"].isin(shown.values())]
        return TrainingDisplay.from_estimator(rows, **{"by": "activation"} | options)

    @property
    def classes_(self) -> np.ndarray:
        """Labels, in the order of the columns of `predict_proba`."""
        return self.best_estimator_.classes_

    @property
    def columns_(self) -> pd.DataFrame:
        """Kind of each column of a frame, and inputs it becomes; else no rows."""
        encoder = self.search_.best_estimator_["columns"]
        if not isinstance(encoder, TableEncoder):
            return pd.DataFrame({"column": [], "kind": [], "inputs": []})
        names = pd.Series(list(encoder.columns_), dtype=object)
        found = {"kind": encoder.kinds_, "inputs": encoder.count_outputs()}
        return pd.DataFrame({"column": names, **found})

    @property
    def comparison(self) -> Comparison | None:
        """The comparison of activations; None if there is only one activation."""
        names = self.to_frame().get("activation", pd.Series(dtype=object))
        can_compare = names.nunique() > 1 and self.search_.n_splits_ > 1
        return self.compare() if can_compare else None

    @property
    def verdict(self) -> str:
        """Who won, and whether that is more than chance."""
        said = sentences_on_winner(self), sentences_on_activations(self)
        return "\n".join(" ".join(sentences) for sentences in said if sentences)

    @property
    def next_steps(self) -> list[str]:
        """What to do next, and why; what looks wrong with the table comes first."""
        return [*self.alerts_, *sentences_on_next_steps(self)]

    @property
    def score_name(self) -> str:
        """The name of the score that chose the winner."""
        search = self.search_
        if isinstance(search.refit, str):
            return search.refit
        usual = "accuracy" if is_classifier(search.estimator) else "R2"
        if search.scoring is None or isinstance(search.scoring, str):
            return search.scoring or usual
        return short_name(search.scoring)

    def __repr__(self) -> str:
        model = NET if self.average_ is None else self.ranking_["model"].iloc[0]
        name = _name_of_winner(self, model)
        return f"<SearchResult: {name}, {self.score_name} {self.best_score_:.4g}>"

    def __str__(self) -> str:
        text = self._table().to_string(index=False)
        steps = "\n".join(f"- {step}" for step in self.next_steps)
        return (
            f"{self._describe_search()}{self._describe_columns()}\n\n"
            f"{text}{self._describe_rest()}\n\n{self.verdict}"
            f"{self._describe_budget()}\n\nNext:\n{steps}"
        )

    def _repr_html_(self) -> str:
        # the name of a column or an activation may contain markup
        table = self._table().style.format(escape="html")
        table.set_properties(**{"text-align": "left", "padding": "2px 8px"})
        table.set_properties(subset=pd.IndexSlice[:0, :], **{"font-weight": "bold"})
        table.set_table_styles([{"selector": "th", "props": _HEADING}])
        steps = "".join(f"<li>{html.escape(step)}</li>" for step in self.next_steps)
        words = f"{self._describe_rest()}\n{self.verdict}{self._describe_budget()}"
        head = self._describe_search() + self._describe_columns()
        return (
            f"<p>{_in_html(head)}</p>{table.hide(axis='index').to_html()}"
            f"<p>{_in_html(words)}</p><p>Next:</p><ul>{steps}</ul>"
        )

    def _table(self) -> pd.DataFrame:
        """Return the best rows of the ranking, and all that are no nets, as texts."""
        table = self.ranking_
        shown = table[(table.index < _ROWS_SHOWN) | (table["model"] != NET)]
        places = {name: ".4f" if name in ("score", "std") else "g" for name in shown}
        return pd.DataFrame(
            {
                name: [_text_of(value, places[name]) for value in shown[name]]
                for name in shown
            }
        )

    def _describe_rest(self) -> str:
        n = len(self.ranking_) - len(self._table())
        return f"\n... {n} more net{'s' * (n != 1)}: found.ranking_" if n else ""

    def _describe_search(self) -> str:
        """Name the task, the score, and the number of candidates and folds."""
        n, search = len(self.search_.rank_candidates()), self.search_
        rounds = ", ".join(f"{number} for {n}" for n, number in search.rounds_)
        candidates = f"{n} candidate{'s' * (n != 1)}"
        folds = f"{search.n_splits_} fold{'s' * (search.n_splits_ != 1)}"
        return (
            f"{self.task_}\n{candidates} on {folds}, scored by {self.score_name}; in "
            f"rounds of epochs: {rounds}."
        )

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

    def _describe_budget(self) -> str:
        """Say how much of the candidates a budget of seconds has allowed."""
        search = self.search_
        left = search.n_candidates_ - search.rounds_[0][1]
        rest = f" Not tried: {left}; more time may find better." if left else ""
        whole = search.rounds_[-1][0] == search.max_resources
        short = "" if whole else " None had all its epochs."
        if not rest and whole:
            return ""
        return f"\n\nThe budget ended the search.{rest}{short}"


def _name_of_winner(found: SearchResult, model: str) -> str:
    if model != NET:
        return model
    best = found.best_params_
    return f"{short_name(best['activation'])}, {best['depth']} x {best['width']}"


def _text_of(value: Any, places: str) -> str:
    """Return a cell as text; a whole number in a column with gaps is one."""
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else f"{value:{places}}"
    return "" if value is None else str(value)


def _in_html(text: str) -> str:
    return html.escape(text.strip()).replace("\n", "<br>")

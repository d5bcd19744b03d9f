"""Compare activations: pair the scores of a search by fold, and test differences."""

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from skact.analysis.compared_metric import (
    name_of_metric,
    notes_on_choice,
    notes_on_failed_fits,
    notes_on_same_metric,
    score_column,
)
from skact.analysis.deciding_fold import DecidingFold, deciding_fold
from skact.analysis.default_rope import default_rope
from skact.analysis.fold_lists import notes_on_lists_of_folds, splitter_of
from skact.analysis.fold_overlaps import Overlaps, overlaps_of
from skact.analysis.fold_pairs import notes_on_pairs
from skact.analysis.fold_sizes import (
    ratio_of_fold_sizes,
    searches_in,
    size_of_test_folds,
)
from skact.analysis.known_splitter import known_splitters
from skact.analysis.pair_verdicts import best_first, table_of_pairs
from skact.analysis.paired_scores import (
    are_of_several_searches,
    check_rows_differ,
    notes_on_equal_folds,
    scores_of_candidates,
    select_scores,
    tried_columns,
)
from skact.analysis.score_direction import check_greatest_is_best
from skact.analysis.score_steps import step_of_scores
from skact.analysis.verdict import headline_of, verdict_of
from skact.results.cv_results_frames import is_cv_results_frame
from skact.results.frames import to_frame
from skact.results.schema import (
    MODEL,
    Schema,
    schema_of_frame,
)

_SELECTION_NOTES = {
    "nested": "Each value took, for every fold, the candidate that was best on the "
    "other folds: these means may be lower than those of a ranking, where the same "
    "folds choose and score.",
    "best": "Each value took the candidate that was best on all folds. "
    "These means are biased upwards, and more so with more candidates: the same folds "
    "choose and score.",
    "mean": "The score of each value is the mean of its candidates.",
}

_FEW_PAIRS = 10  # so many are printed, whatever they tell


@dataclass(frozen=True)
class Comparison:
    """The result of `compare`; it prints the verdict and the table.

    Parameters
    ----------
    frame : DataFrame
        A row for each pair, the better value as ``a``: ``difference`` of the mean
        scores, its 95 % interval (``low``, ``high``), ``effect_size`` (mean over
        standard deviation of the folds' differences), ``t``, ``df`` and ``p`` of the
        corrected resampled t-test, ``p_holm`` (adjusted for all pairs), ``a_better``,
        ``equivalent`` and ``b_better`` (posterior probabilities that the difference is
        above, within and below the rope), and the ``verdict``: "a better", "equivalent"
        or "undecided".
    scores : DataFrame of shape (n_folds, n_values)
        The paired scores; a column for each value of `by`, the best first.
    by : str
        The compared columns.
    metric : str
        The column of scores.
    rope : float
        Differences up to `rope` count as equal.
    alpha : float
        The level of the tests.
    test_ratio : float
        Test rows over training rows of a fold.
    notes : sequence of str, default=()
        Limits of the comparison.
    step : float, default=0.0
        The step in which the scores move, 1 / m for the accuracy on m rows; 0 if they
        are continuous. No test is surer than such steps allow.
    metric_name : str, default=""
        What sentences call the metric.
    deciding : DecidingFold or None, default=None
        A fold whose scores are unlike those of the others.

    Attributes
    ----------
    means : Series
        Mean score of each value of `by`, the best first.
    headline : str
        The answer in a sentence.
    verdict : str
        The answer on the first line, then how all values compare, then limits.

    Examples
    --------
    >>> results = {
    ...     "param_activation": ["relu", "tanh"],
    ...     "split0_test_score": [0.95, 0.80],
    ...     "split1_test_score": [0.94, 0.81],
    ...     "split2_test_score": [0.96, 0.80],
    ...     "mean_test_score": [0.95, 0.803],
    ...     "rank_test_score": [1, 2],
    ...     "params": [{}, {}],
    ... }
    >>> print(compare(results).headline)
    Winner: relu scores best of 2 values of activation (score 0.95, mean of 3 folds), \
and the other is worse.
    """

    frame: pd.DataFrame
    scores: pd.DataFrame
    by: str
    metric: str
    rope: float
    alpha: float
    test_ratio: float
    notes: Sequence[str] = ()
    step: float = 0.0
    metric_name: str = ""
    deciding: DecidingFold | None = None

    @property
    def means(self) -> pd.Series:
        """Mean score of each value of `by`, the best first."""
        return self.scores.mean()

    @property
    def headline(self) -> str:
        """The answer in a sentence."""
        return headline_of(self)

    @property
    def verdict(self) -> str:
        """The answer on the first line, then how all values compare, then limits."""
        return verdict_of(self)

    def to_frame(self) -> pd.DataFrame:
        """Return the table of pairs."""
        return self.frame

    def __str__(self) -> str:
        columns = ["a", "b", "difference", "low", "high", "effect_size", "p_holm"]
        columns += ["a_better", "equivalent", "b_better", "verdict"]
        told, others = self._pairs_to_tell()
        table = told[columns].to_string(
            index=False, float_format=lambda value: f"{value:.4g}"
        )
        more = f"\n\n{_say(others)}, are in `frame`." if len(others) else ""
        return f"{self.verdict}\n\n{table}{more}"

    def _repr_html_(self) -> str:
        answer, *rest = [html.escape(line) for line in self.verdict.split("\n")]
        said = "".join(f"<p>{line}</p>" for line in (f"<b>{answer}</b>", *rest))
        told, others = self._pairs_to_tell()
        found = f"{said}{_table_in_html(told)}"
        if len(others):
            summary = f"<summary>{_say(others)}</summary>"
            found += f"<details>{summary}{_table_in_html(others)}</details>"
        return found

    def _pairs_to_tell(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the pairs that tell something, and those that would hide them."""
        has_best = self.frame["a"] == self.frame["a"].iloc[0]
        tells = has_best | (self.frame["verdict"] != "undecided")
        if len(self.frame) <= _FEW_PAIRS:
            tells[:] = True
        return self.frame[tells], self.frame[~tells]


def _say(others: pd.DataFrame) -> str:
    return f"{len(others)} other pairs, all undecided"


def _table_in_html(pairs: pd.DataFrame) -> str:
    # the name of an activation may contain markup
    table = pairs.style.format(precision=4, escape="html").hide(axis="index")
    return str(table.to_html())


def compare(
    search: Any,
    by: str | Sequence[str] = "activation",
    *,
    select: str = "nested",
    average: str | Iterable[str] = ("random_state",),
    metric: str | None = None,
    rope: float | None = None,
    alpha: float = 0.05,
    test_ratio: float | None = None,
) -> Comparison:
    """Compare the activations of a search, or other hyperparameters, pair by pair.

    The scores of two values on the same folds are paired. Folds share training rows.
    If searches did not have the same folds, the report says so. Two tests correct for
    shared rows: the corrected resampled t-test, adjusted by Holm's
    method for all pairs, and the Bayesian correlated t-test. Only the Bayesian test can
    say that two values are equivalent. Accuracies move in steps of a row, so few folds
    often agree by chance: no test is surer than such steps allow. See
    :mod:`skact.analysis.paired_tests`.

    Parameters
    ----------
    search : fitted search, ``cv_results_``, loaded results, or several of them
        All that :func:`~skact.to_frame` takes with ``level="fold"``, of any estimator,
        or such a frame.
    by : str or list of str, default="activation"
        The columns of that frame whose values are compared, or the names that these
        parameters have in the search.
    select : {"nested", "best", "mean"}, default="nested"
        Which score an activation gets that was tried with several learning rates.
        "nested": on each fold, the score of the candidate with the best mean on the
        other folds that share no test rows with it, so the rows that score a candidate
        do not choose it; of equally good ones, their mean. Of ``RepeatedKFold`` these
        folds are those of the same repetition. Where a fold shares rows with all
        others, as with ``ShuffleSplit``, or where it is not known, the report says so.
        "best": the scores of the candidate that is best on all folds; they are biased
        upwards, and more so with more candidates. "mean": the mean of all candidates.
    average : str or sequence of str, default=('random_state',)
        Columns of repetitions: candidates that differ only in these columns are
        averaged first, because they are not independent. A name means that parameter in
        any step: ``random_state`` also ``actmlp__random_state``.
    metric : str or None, default=None
        Such as "accuracy"; None: the metric that ranks the search. Of results without
        the search the first metric is taken, and the notes say so.
    rope : float or None, default=None
        Region of practical equivalence: differences up to `rope` do not matter. In
        units of the score. None: 0.01 for accuracy, R2 and other scores that are 1 at
        best; for scores with a unit, such as errors, a tenth of their usual deviation
        from fold to fold, and a note says so.
    alpha : float, default=0.05
        Level of the tests. Two values are equivalent if the probability of equivalence
        is above 1 - alpha.
    test_ratio : float or None, default=None
        Test rows over training rows of a fold; None: taken from `cv` of the search. The
        settings of a splitter of scikit-learn are kept in frames of `to_frame` and by
        :func:`~skact.save_results`; those of a list of folds are not.

    Returns
    -------
    Comparison
        It can be printed, and drawn with :class:`~skact.ComparisonDisplay`.

    Raises
    ------
    ValueError
        If a column does not exist, if there are not two values and two folds, if
        searches had different metrics, if ranks have the lowest score as the best one,
        or if `test_ratio` is needed.

    References
    ----------
    Nadeau & Bengio (2003), Inference for the Generalization Error, Machine Learning 52.
    Benavoli, Corani, Demsar & Zaffalon (2017), Time for a Change, JMLR 18(77).
    Holm (1979), A Simple Sequentially Rejective Multiple Test Procedure.
    Hanley & Lippman-Hand (1983), If Nothing Goes Wrong, Is Everything All Right?, JAMA
    249(13).
    Kruschke (2018), Rejecting or Accepting Parameter Values in Bayesian Estimation,
    Advances in Methods and Practices in Psychological Science 1(2).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skact import ActMLP, compare
    >>> grid = {"activation": ["relu", "tanh"], "lr": [0.01, 0.001]}
    >>> net = ActMLP(max_epochs=20, random_state=0)
    >>> search = GridSearchCV(net, grid, cv=5).fit(*load_iris(return_X_y=True))
    >>> result = compare(search)
    >>> list(result.scores.columns) == [result.frame["a"][0], result.frame["b"][0]]
    True
    """
    if select not in _SELECTION_NOTES:
        raise ValueError(
            f"select must be one of {list(_SELECTION_NOTES)}; got {select!r}."
        )
    if rope is not None and not (_is_number(rope) and 0 <= rope < np.inf):
        raise ValueError(f"rope must be None or a finite number >= 0, got {rope!r}.")
    if not (_is_number(alpha) and 0 < alpha < 1):
        raise ValueError(f"alpha must be a number in (0, 1), got {alpha!r}.")
    _check_test_ratio(test_ratio)
    frame = search
    if not isinstance(search, pd.DataFrame) or is_cv_results_frame(search):
        frame = to_frame(search, level="fold")
    schema = schema_of_frame(frame, "fold")
    names = _names_of(by, schema)
    score = score_column(frame, schema, metric)
    _check_by(frame, schema, names)
    check_rows_differ(frame, schema)
    check_greatest_is_best(frame, schema, score)
    if schema.has_models:
        _check_same_folds(frame)
    several = are_of_several_searches(frame, schema)
    notes = notes_on_choice(search, schema) if metric is None else []
    notes += notes_on_same_metric(search, score) if several else []
    notes += notes_on_failed_fits(search)
    notes += notes_on_pairs(search, several)
    splitters = [splitter_of(x) for x in searches_in(search) if hasattr(x, "cv")]
    notes += notes_on_lists_of_folds(splitters)
    table = scores_of_candidates(frame, schema, names, score, average, notes)
    overlaps = overlaps_of(search, table.shape[1])
    scores = select_scores(table, select, overlaps.barred)
    if scores.shape[1] < 2:
        raise ValueError(
            f"by={by!r}: there must be two values at least to compare, got "
            f"{[str(value) for value in scores.columns]}. {' '.join(notes)}".strip()
        )
    if len(scores) < 2:
        raise ValueError(f"There must be two folds at least; got {len(scores)}.")
    if test_ratio is None:
        test_ratio = ratio_of_fold_sizes(search, len(scores), notes)
    are_known = bool(known_splitters(searches_in(search), len(scores)))
    notes += notes_on_equal_folds(table, are_known)
    if table.index.get_level_values("value").duplicated().any():
        notes += _notes_on_selection(select, overlaps)
    rope = default_rope(scores, notes) if rope is None else float(rope)
    step = _step_of(frame, score, size_of_test_folds(search, len(scores)), notes)
    scores = best_first(scores)
    return Comparison(
        frame=table_of_pairs(scores, test_ratio, rope, alpha, step),
        scores=scores,
        by=", ".join(names),
        metric=score,
        rope=rope,
        alpha=alpha,
        test_ratio=test_ratio,
        notes=notes,
        step=step,
        metric_name=name_of_metric(search, score),
        deciding=deciding_fold(scores, step),
    )


def _step_of(
    frame: pd.DataFrame, score: str, n_test: float | None, notes: list[str]
) -> float:
    """Return the step of all scores of a frame; note that it may be too large."""
    found = frame[[score, "fold"]].astype(float)
    place = found.groupby("fold").cumcount()
    table = found.assign(place=place).pivot(index="place", columns="fold", values=score)
    step = step_of_scores(table, n_test)
    if step == 1 and n_test is None:
        notes.append(
            "Each score is 0 or 1, which does not tell how many rows a fold has: so "
            "nothing can be said of chance."
        )
    return step


def _notes_on_selection(select: str, overlaps: Overlaps) -> list[str]:
    note = _SELECTION_NOTES[select]
    if select != "nested":
        return [note]
    if not overlaps.are_of_all:
        note = note.replace("other folds", "other folds that share no test rows", 1)
    return [note, *overlaps.notes]


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool | np.bool_)


def _names_of(by: Any, schema: Schema) -> list[str]:
    """Return the columns that `by` names, also by the full names of parameters."""
    names = [by] if isinstance(by, str) else by
    if not (
        isinstance(names, Iterable)
        and (names := list(names))
        and all(isinstance(name, str) for name in names)
    ):
        raise TypeError(f"by must be a column or a list of columns, got {by!r}.")
    names = [schema.column_of(name) for name in names]
    if len(set(names)) < len(names):
        raise ValueError(f"by={by!r} names a column twice.")
    return names


def _check_by(frame: pd.DataFrame, schema: Schema, names: Sequence[str]) -> None:
    tried = tried_columns(frame, schema)
    for name in names:
        if name not in tried:
            raise ValueError(f"by must name some of {tried!r}; got {name!r}.")


def _check_same_folds(frame: pd.DataFrame) -> None:
    """Raise ValueError if searches have different numbers of folds."""
    folds = frame.groupby(MODEL, sort=False)["fold"].nunique()
    if folds.nunique() > 1:
        raise ValueError(
            f"Searches must have the same folds to be compared; theirs are "
            f"{folds.to_dict()} in number."
        )


def _check_test_ratio(test_ratio: Any) -> None:
    if test_ratio is not None and not (
        _is_number(test_ratio) and 0 < test_ratio < np.inf
    ):
        raise ValueError(
            f"test_ratio must be None or a finite number > 0, test rows over training "
            f"rows, got {test_ratio!r}."
        )

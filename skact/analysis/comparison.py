"""Compare activations: pair the scores of a search by fold, and test differences."""

import html
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from skact.analysis.compared_metric import (
    notes_on_choice,
    notes_on_failed_fits,
    notes_on_same_metric,
    score_column,
)
from skact.analysis.fold_lists import notes_on_lists_of_folds, splitter_of
from skact.analysis.fold_overlaps import Overlaps, overlaps_of
from skact.analysis.fold_pairs import notes_on_pairs
from skact.analysis.fold_sizes import ratio_of_fold_sizes, searches_in
from skact.analysis.paired_scores import (
    are_of_several_searches,
    check_rows_differ,
    notes_on_equal_folds,
    scores_of_candidates,
    select_scores,
    tried_columns,
)
from skact.analysis.paired_tests import adjust_by_holm, paired_test
from skact.analysis.score_direction import check_greatest_is_best
from skact.analysis.verdict import verdict_of
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

    Attributes
    ----------
    means : Series
        Mean score of each value of `by`, the best first.
    verdict : str
        The result as a paragraph.

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
    >>> compare(results).verdict[:53]
    'Of 2 values of activation, relu scores best: 0.95 (sc'
    """

    frame: pd.DataFrame
    scores: pd.DataFrame
    by: str
    metric: str
    rope: float
    alpha: float
    test_ratio: float
    notes: Sequence[str] = ()

    @property
    def means(self) -> pd.Series:
        """Mean score of each value of `by`, the best first."""
        return self.scores.mean()

    @property
    def verdict(self) -> str:
        """The result as a paragraph."""
        return verdict_of(self)

    def to_frame(self) -> pd.DataFrame:
        """Return the table of pairs."""
        return self.frame

    def __str__(self) -> str:
        columns = ["a", "b", "difference", "low", "high", "effect_size", "p_holm"]
        columns += ["a_better", "equivalent", "b_better", "verdict"]
        table = self.frame[columns].to_string(
            index=False, float_format=lambda value: f"{value:.4g}"
        )
        return f"{self.verdict}\n\n{table}"

    def _repr_html_(self) -> str:
        # the name of an activation may contain markup
        table = self.frame.style.format(precision=4, escape="html").hide(axis="index")
        return f"<p>{html.escape(self.verdict)}</p>{table.to_html()}"


def compare(
    search: Any,
    by: str | Sequence[str] = "activation",
    *,
    select: str = "nested",
    average: str | Iterable[str] = ("random_state",),
    metric: str | None = None,
    rope: float = 0.01,
    alpha: float = 0.05,
    test_ratio: float | None = None,
) -> Comparison:
    """Compare the activations of a search, or other hyperparameters, pair by pair.

    The scores of two values on the same folds are paired. Folds share training rows.
    If searches did not have the same folds, the report says so. Two tests correct for
    shared rows: the corrected resampled t-test, adjusted by Holm's
    method for all pairs, and the Bayesian correlated t-test. Only the Bayesian test can
    say that two values are equivalent. See :mod:`skact.analysis.paired_tests`.

    Parameters
    ----------
    search : fitted search, cv_results_, loaded results, or several of them
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
    rope : float, default=0.01
        Region of practical equivalence: differences up to `rope` do not matter. In
        units of the score.
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
    if not (_is_number(rope) and 0 <= rope < np.inf):
        raise ValueError(f"rope must be a finite number >= 0, got {rope!r}.")
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
    notes += notes_on_equal_folds(table)
    if table.index.get_level_values("value").duplicated().any():
        notes += _notes_on_selection(select, overlaps)
    notes += _notes_on_rope(scores, rope)
    order = scores.mean().sort_values(ascending=False, kind="stable").index
    scores = scores[order]
    pairs = _table_of_pairs(scores, test_ratio, rope, alpha)
    label = ", ".join(names)
    return Comparison(pairs, scores, label, score, rope, alpha, test_ratio, notes)


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


def _notes_on_rope(scores: pd.DataFrame, rope: float) -> list[str]:
    """Return a note if the default rope, made for accuracies, may not fit the score."""
    if abs(float(scores.mean().mean())) <= 1 or rope != 0.01:
        return []
    return [
        "rope=0.01 is in units of the score, and may be far too small for this score: "
        "pass a rope below which differences do not matter to you."
    ]


def _table_of_pairs(
    scores: pd.DataFrame, test_ratio: float, rope: float, alpha: float
) -> pd.DataFrame:
    rows = []
    for a, b in itertools.combinations(scores.columns, 2):
        test = asdict(paired_test(scores[a] - scores[b], test_ratio, rope))
        names = {"above": "a_better", "within": "equivalent", "below": "b_better"}
        test = {names.get(key, key): value for key, value in test.items()}
        means = {"mean_a": scores[a].mean(), "mean_b": scores[b].mean()}
        rows.append({"a": a, "b": b, **means, **test})
    frame = pd.DataFrame(rows)
    frame.insert(frame.columns.get_loc("p") + 1, "p_holm", adjust_by_holm(frame["p"]))
    verdicts = np.where(frame["p_holm"] < alpha, "a better", "undecided")
    frame["verdict"] = np.where(frame["equivalent"] > 1 - alpha, "equivalent", verdicts)
    order = ["a", "b", "mean_a", "mean_b", "difference", "low", "high", "effect_size"]
    order += ["t", "df", "p", "p_holm", "a_better", "equivalent", "b_better", "verdict"]
    return frame[order]

"""Which activation is really better? The folds of a search, paired and tested."""

import html
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from skact.analysis.fold_sizes import test_ratio_of
from skact.analysis.paired_tests import holm, paired_test
from skact.analysis.verdict import verdict_of
from skact.results.frames import to_frame
from skact.results.schema import MODEL, Schema, schema_of

_HOW = {
    "nested": "Each took, for every fold, the candidate that was best on the others: "
    "these means may be lower than a ranking's, which has chosen by the same folds.",
    "best": "Each took the candidate that was best on all folds, which flatters those "
    "with more candidates: selection and comparison use the same folds.",
    "mean": "Each is the mean of its candidates.",
}


@dataclass(frozen=True)
class Comparison:
    """What `compare` found; printing it gives the verdict and the table.

    Parameters
    ----------
    frame : DataFrame
        A row a pair, the better one as ``a``: ``difference`` of the mean scores, its
        95 % interval (``low``, ``high``), ``effect_size`` (mean over standard deviation
        of the folds' differences), ``t``, ``df`` and ``p`` of the corrected resampled
        t-test, ``p_holm`` (adjusted for all pairs), ``a_better``, ``equivalent`` and
        ``b_better`` (posterior probabilities of more than the rope, within it, and
        less), and the ``verdict``: "a better", "equivalent" or "undecided".
    scores : DataFrame of shape (n_folds, n_values)
        What was paired; a column each value of `by`, the best first.
    by : str
        What was compared.
    metric : str
        The column of scores.
    rope : float
        Differences up to this count as none.
    alpha : float
        The level of the tests.
    test_ratio : float
        Test rows over training rows of a fold.
    notes : sequence of str, default=()
        What limits the comparison.

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
        # names of activations may be anything
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
    """Compare the activations of a search, or whatever else it tried, pair by pair.

    The scores of two of them on the same folds are paired. Folds share training rows,
    so the tests are those that know it: the corrected resampled t-test, adjusted by
    Holm's method for all pairs, and the Bayesian correlated t-test, which alone can say
    that two are practically equivalent. See :mod:`skact.analysis.paired_tests`.

    Parameters
    ----------
    search : fitted search, cv_results_, loaded results, or several of them
        Whatever :func:`~skact.to_frame` takes with ``level="fold"``, of any estimator,
        or such a frame.
    by : str or list of str, default="activation"
        The columns of that frame that tell apart what is compared.
    select : {"nested", "best", "mean"}, default="nested"
        What stands for an activation that was tried with several learning rates.
        "nested": on each fold the candidate that is best on the mean of the other
        folds, so no score has chosen itself. "best": the candidate that is best on all
        folds; biased upwards, the more the more candidates there are. "mean": the mean
        of all.
    average : str or sequence of str, default=('random_state',)
        Columns whose values are repetitions: candidates that differ in nothing else are
        averaged first, for they are not independent.
    metric : str or None, default=None
        Such as "accuracy"; None: the one that ranks.
    rope : float, default=0.01
        Region of practical equivalence: differences up to this, in units of the score,
        do not matter to you.
    alpha : float, default=0.05
        Level of the tests; and 1 - alpha is what the probability of equivalence must
        reach.
    test_ratio : float or None, default=None
        Test rows over training rows of a fold; None: as the search's `cv` says.

    Returns
    -------
    Comparison
        Print it. Draw it with :class:`~skact.ComparisonDisplay`.

    Raises
    ------
    ValueError
        If there is no such column, or nothing to compare, or if `test_ratio` is needed.

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
    if select not in _HOW:
        raise ValueError(f"select must be one of {list(_HOW)}; got {select!r}.")
    if not (isinstance(rope, Real) and 0 <= rope < np.inf):
        raise ValueError(f"rope must be a finite number >= 0, got {rope!r}.")
    if not (isinstance(alpha, Real) and 0 < alpha < 1):
        raise ValueError(f"alpha must be a number in (0, 1), got {alpha!r}.")
    frame = search
    if not isinstance(search, pd.DataFrame):
        frame = to_frame(search, level="fold")
    names = [by] if isinstance(by, str) else list(by)
    names = [x if x in frame else x.rpartition("__")[2] for x in names]
    schema = schema_of(frame.columns, "fold")
    score = _score_of(schema, metric)
    _check_columns(frame, schema, names)
    notes: list[str] = []
    if schema.several:
        _check_folds(frame, notes)
    table = _cells(frame, schema, names, score, average, notes)
    scores = _selected(table, select)
    if scores.shape[1] < 2:
        raise ValueError(
            f"by={by!r}: there must be two values at least to compare, got "
            f"{[str(value) for value in scores.columns]}."
        )
    if len(scores) < 2:
        raise ValueError(f"There must be two folds at least; got {len(scores)}.")
    if test_ratio is None:
        test_ratio = test_ratio_of(search, len(scores), notes)
    if table.index.get_level_values("value").duplicated().any():
        notes.append(_HOW[select])
    notes += _doubts(scores, rope)
    order = scores.mean().sort_values(ascending=False, kind="stable").index
    scores = scores[order]
    pairs = _pairs(scores, test_ratio, rope, alpha)
    label = ", ".join(names)
    return Comparison(pairs, scores, label, score, rope, alpha, test_ratio, notes)


def _score_of(schema: Schema, metric: str | None) -> str:
    if "fold" not in schema.ids:
        raise ValueError("A frame must have a row a fold: to_frame(search, 'fold').")
    wanted = schema.score if metric is None else f"test_{metric}"
    if wanted not in schema.scores:
        known = [name.removeprefix("test_") for name in schema.scores]
        raise ValueError(f"metric must be one of {known}; got {metric!r}.")
    return wanted


def _tried(frame: pd.DataFrame, schema: Schema) -> list[str]:
    """Return the columns that tell candidates apart."""
    known = {*schema.params, *schema.resources, MODEL}
    return [name for name in frame.columns if name in known]


def _check_columns(frame: pd.DataFrame, schema: Schema, names: Sequence[str]) -> None:
    tried = _tried(frame, schema)
    for name in names:
        if name not in tried:
            raise ValueError(f"by must name some of {tried!r}; got {name!r}.")


def _check_folds(frame: pd.DataFrame, notes: list[str]) -> None:
    """Refuse to pair folds that searches do not share, as far as one can tell."""
    folds = frame.groupby(MODEL, sort=False)["fold"].nunique()
    if folds.nunique() > 1:
        raise ValueError(
            f"Searches must have the same folds to be compared; theirs are "
            f"{folds.to_dict()} in number."
        )
    notes.append("All searches are taken to have had the same rows and folds.")


def _cells(
    frame: pd.DataFrame,
    schema: Schema,
    names: Sequence[str],
    score: str,
    average: str | Iterable[str],
    notes: list[str],
) -> pd.DataFrame:
    """Return scores: a row each cell of each value of `by`, a column a fold."""
    if schema.resources:
        last = frame["iter"].max()
        if (frame["iter"] != last).any():
            notes.append(
                "Of successive halving only the last iteration is compared: earlier "
                "candidates had fewer resources."
            )
        frame = frame[frame["iter"] == last]
    repeats = [average] if isinstance(average, str) else list(average)
    cell = [x for x in _tried(frame, schema) if x not in names and x not in repeats]
    values = frame[names].apply(lambda row: _label(row, names), axis=1)
    keyed = frame[[*cell, "fold", score]].assign(value=values)
    failed = keyed.groupby(["value", *cell], sort=False, dropna=False)[score]
    bad = int(failed.apply(lambda found: found.isna().any()).sum())
    if bad:
        failed_and_is = "candidate failed on some fold and is"
        failed_and_are = "candidates failed on some fold and are"
        said = failed_and_is if bad == 1 else failed_and_are
        notes.append(f"{bad} {said} left out.")
    # by number: a table of all combinations of their values could be enormous
    keyed["cell"] = keyed.groupby(["value", *cell], sort=False, dropna=False).ngroup()
    places = keyed.groupby(["value", "cell", "fold"], sort=False)[score]
    wide = places.agg(lambda found: found.mean(skipna=False)).unstack("fold")
    return wide.dropna(axis=0, how="any")


def _label(row: pd.Series, names: Sequence[str]) -> Any:
    if len(names) == 1:
        value = row[names[0]]
        return value if isinstance(value, str) else f"{names[0]}={value}"
    said = [(name, row[name]) for name in names if not pd.isna(row[name])]
    return ", ".join(v if isinstance(v, str) else f"{name}={v}" for name, v in said)


def _selected(table: pd.DataFrame, select: str) -> pd.DataFrame:
    """Choose what stands for each value of `by` on each fold: (folds, values)."""
    chosen = {}
    for value, cells in table.groupby(level="value", sort=False):
        scores = cells.to_numpy()  # (cells, folds)
        if select == "mean":
            chosen[value] = scores.mean(axis=0)
        elif select == "best":
            chosen[value] = scores[scores.mean(axis=1).argmax()]
        else:
            others = scores.sum(axis=1, keepdims=True) - scores
            # sums of the same scores may differ in their last bits
            best = others.round(12).argmax(axis=0)
            chosen[value] = scores[best, np.arange(scores.shape[1])]
    return pd.DataFrame(chosen, index=table.columns)


def _doubts(scores: pd.DataFrame, rope: float) -> list[str]:
    """Say so if the rope is what suits an accuracy, and the score is none."""
    if abs(float(scores.mean().mean())) <= 1 or rope != 0.01:
        return []
    return [
        "rope=0.01 is in units of the score, and may be far too small for this one: "
        "give what does not matter to you."
    ]


def _pairs(
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
    frame.insert(frame.columns.get_loc("p") + 1, "p_holm", holm(frame["p"]))
    verdicts = np.where(frame["p_holm"] < alpha, "a better", "undecided")
    frame["verdict"] = np.where(frame["equivalent"] > 1 - alpha, "equivalent", verdicts)
    order = ["a", "b", "mean_a", "mean_b", "difference", "low", "high", "effect_size"]
    order += ["t", "df", "p", "p_holm", "a_better", "equivalent", "b_better", "verdict"]
    return frame[order]

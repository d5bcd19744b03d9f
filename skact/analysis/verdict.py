"""The result of a comparison in words: the answer, the figures, the limits."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
from scipy.special import stdtrit

from skact.analysis.pair_verdicts import (
    BETTER,
    EQUIVALENT,
    UNDECIDED,
    best_first,
    table_of_pairs,
)
from skact.analysis.value_labels import join_with_and, quote_name
from skact.results.schema import metric_of_score

_N_NAMED = 3  # of values, in the first line
_FEW_FOLDS = 3
_MUCH = 3.0  # a fold is named that makes intervals this many times as wide


def headline_of(found: Any) -> str:
    """Say in one sentence which value is best, and whether the others are worse."""
    of_best = found.frame[found.frame["a"] == found.means.index[0]]
    kinds = set(of_best["verdict"])
    n = len(found.scores)
    tied = of_best["b"][of_best["difference"] == 0].tolist()
    best = [quote_name(x) for x in [found.means.index[0], *tied]]
    scores = "scores" if len(best) == 1 else "score"
    metric = found.metric_name or metric_of_score(found.metric)
    by = join_with_and(found.by.split(", "))
    what = (
        f"{join_with_and(best)} {scores} best of {len(found.means)} values of "
        f"{by} ({metric} {found.means.iloc[0]:.4g}, mean of {n} folds)"
    )
    if kinds == {BETTER}:
        others = "the other is" if len(of_best) == 1 else "the others are"
        return f"Winner: {what}, and {others} worse."
    if kinds == {EQUIVALENT}:
        others = "the other is" if len(of_best) == 1 else "the others are"
        return f"No winner: {what}, and {others} equivalent."
    rivals = of_best[(of_best["verdict"] != BETTER) & (of_best["difference"] != 0)]
    said = _rivals_of(rivals["b"].tolist(), len(of_best))
    if BETTER in kinds:
        return f"No single winner: {what}{said}."
    return f"No winner is shown: {what}{said}."


def _rivals_of(values: Sequence[Any], n_others: int) -> str:
    """Say which of the other values may be as good as the best."""
    if not values:  # they have the same mean
        return ""
    if len(values) <= _N_NAMED:
        return f", but {join_with_and(list(map(quote_name, values)))} may be as good"
    whole = len(values) == n_others
    return f", but {'the' if whole else len(values)} others may be as good"


def verdict_of(found: Any) -> str:
    """Say the answer on the first line, then how values compare, then the limits."""
    frame, best = found.frame, found.means.index[0]
    said = []
    of_best = frame[frame["a"] == best].set_index("b")
    for kind in (EQUIVALENT, BETTER, UNDECIDED):
        rows = of_best[of_best["verdict"] == kind]
        if len(rows):
            said.append(_sentence_on_values(kind, best, rows, found))
    rest = frame[frame["a"] != best]
    if len(rest):
        said.append(_sentence_on_rest(rest))
    lines = [headline_of(found), " ".join(said), _sentence_on_reach(found)]
    lines += [_sentence_on_fold(found), *found.notes]
    return "\n".join(filter(None, lines))


def _sentence_on_values(kind: str, best: Any, rows: pd.DataFrame, found: Any) -> str:
    """Say how some values compare with the best value."""
    details = {
        EQUIVALENT: lambda row: f"probability {_format_share(row.equivalent)}",
        BETTER: lambda row: f"by {row.difference:.4g}, p {_format_p(row.p_holm)}",
        UNDECIDED: lambda row: f"{_less(row)}, p {_format_p(row.p_holm)}",
    }[kind]
    listed = join_with_and(
        [f"{quote_name(row.Index)} ({details(row)})" for row in rows.itertuples()]
    )
    are, best = "is" if len(rows) == 1 else "are", quote_name(best)
    if kind == EQUIVALENT:
        within = f"within {found.rope:g}"
        return f"{listed} {are} practically equivalent to {best}, {within}."
    if kind == BETTER:
        return f"{listed} {are} worse than {best}."
    return f"{listed} {are} not shown to be worse than {best}, nor to be equivalent."


def _sentence_on_rest(rest: pd.DataFrame) -> str:
    """Count what is known of the pairs without the best value."""
    kinds = {
        BETTER: ("differs", "differ"),
        EQUIVALENT: ("is equivalent", "are equivalent"),
        UNDECIDED: ("cannot be told apart", "cannot be told apart"),
    }
    if len(rest) == 1:
        a, b, kind = rest[["a", "b", "verdict"]].iloc[0]
        if kind == BETTER:
            return f"{quote_name(b)} is worse than {quote_name(a)}."
        return f"{quote_name(a)} and {quote_name(b)} {kinds[kind][1]}."
    counts = rest["verdict"].value_counts()
    if len(counts) == 1:
        return f"The other {len(rest)} pairs {kinds[counts.index[0]][1]}."
    parts = [
        f"{counts[kind]} {one if counts[kind] == 1 else several}"
        for kind, (one, several) in kinds.items()
        if kind in counts
    ]
    return f"Of the other {len(rest)} pairs, {join_with_and(parts)}."


def _sentence_on_reach(found: Any) -> str:
    """Say how large a difference must be to be shown with these folds."""
    n, best, pairs = len(found.scores), found.means.index[0], len(found.frame)
    if UNDECIDED not in _answer_of(found)[1].values():
        return ""
    and_pairs = f" and {pairs} pairs" if pairs > 1 else ""
    difference = f"a difference from {quote_name(best)}"
    reach, scores = _reach_of(found), found.scores.to_numpy()
    if reach > 1 and scores.min() >= 0 and scores.max() <= 1:  # shares
        said = f"With these {n} folds{and_pairs} {difference} cannot"
    else:
        said = f"With these {n} folds{and_pairs} {difference} must reach about "
        said += f"{reach:.2g} to"
    said += " be told from chance"
    rest = _without_deciding_fold(found)
    if rest is not None and _reach_of(found) > _MUCH * _reach_of(rest):
        said += f"; without fold {found.deciding.fold}, about {_reach_of(rest):.2g}"
    elif n <= _FEW_FOLDS:
        said += f": {n} folds tell little of chance, 5 or 10 tell more"
    return f"{said}."


def _reach_of(found: Any) -> float:
    """Return the difference from the best value that is shown, adjusted for all pairs.

    Of several pairs it is the median, and that of undecided pairs if there are some.
    """
    rows = found.frame[found.frame["a"] == found.means.index[0]]
    undecided = rows[rows["verdict"] == UNDECIDED]
    rows, df = undecided if len(undecided) else rows, len(found.scores) - 1
    half = float(((rows["high"] - rows["low"]) / 2).median())
    adjusted = stdtrit(df, 1 - found.alpha / 2 / len(found.frame))
    return half * float(adjusted / stdtrit(df, 0.975))


def _sentence_on_fold(found: Any) -> str:
    """Name a fold without which the answer would be another, and that answer."""
    rest, odd = _without_deciding_fold(found), found.deciding
    if rest is None:
        return ""
    scores = (
        f"{quote_name(odd.value)} scores {odd.score:.4g} there, and {odd.low:.4g} to "
        f"{odd.high:.4g} on the other folds"
    )
    if _answer_of(rest) == _answer_of(found):
        return f"Fold {odd.fold} is unlike the others: {scores}."
    return (
        f"Fold {odd.fold} decides: {scores}. Without fold {odd.fold} the answer would "
        f"be: {headline_of(rest)}"
    )


def _without_deciding_fold(found: Any) -> Any:
    """Return the comparison without a fold unlike the others, if it changes much."""
    if found.deciding is None:
        return None
    scores = best_first(found.scores.drop(index=found.deciding.fold))
    frame = table_of_pairs(
        scores, found.test_ratio, found.rope, found.alpha, found.step
    )
    rest = replace(found, frame=frame, scores=scores, deciding=None)
    value, (best, verdicts) = found.deciding.value, _answer_of(found)
    is_open = value == best or verdicts[value] == UNDECIDED
    is_surer = is_open and _width_of(found, value) > _MUCH * _width_of(rest, value)
    return rest if is_surer or _answer_of(rest) != (best, verdicts) else None


def _width_of(found: Any, value: Any) -> float:
    """Return the median width of the intervals of all pairs with a value."""
    frame = found.frame
    rows = frame[(frame["a"] == value) | (frame["b"] == value)]
    return float((rows["high"] - rows["low"]).median())


def _answer_of(found: Any) -> tuple[Any, dict[Any, str]]:
    best = found.means.index[0]
    of_best = found.frame[found.frame["a"] == best].set_index("b")
    return best, of_best["verdict"].to_dict()


def _less(row: Any) -> str:
    return f"{row.difference:.4g} less" if row.difference else "the same mean"


def _format_p(value: float) -> str:
    return "< .001" if value < 0.001 else f"= {value:.2g}"


def _format_share(value: float) -> str:
    return "> 99.9 %" if value > 0.999 else f"{100 * value:.1f} %"

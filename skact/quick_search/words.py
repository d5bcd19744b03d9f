"""The result of a search in sentences: who won, is it real, what to do next."""

from typing import Any

import numpy as np
import pandas as pd

from skact.analysis.pair_verdicts import BETTER, EQUIVALENT, UNDECIDED
from skact.analysis.paired_tests import paired_test
from skact.quick_search.baselines import TREES, TRIVIAL
from skact.quick_search.ranking import scores_of_row

_WORDS_ON_PAIRS = {
    BETTER: "Worse",
    EQUIVALENT: "Practically the same",
    UNDECIDED: "Not told from it by these folds",
}


def sentences_on_winner(found: Any) -> list[str]:
    """Say which model won, by how much, and whether that is more than chance."""
    score, params = found.score_name, _name_of_net(found.best_params_)
    alone = scores_of_row(found.search_, found.search_.best_index_)
    if found.average_ is None:
        said = [f"The best net is {params}: {score} {found.best_score_:.4g}."]
        if found.average_scores_ is not None:
            mean = float(found.average_scores_.mean())
            said.append(
                f"An average of the {len(found.members_)} best nets is not better "
                f"({mean:.4g}), so the net stays alone."
            )
    else:
        said = [
            f"The average of the {len(found.members_)} best nets wins: {score} "
            f"{found.best_score_:.4g}. The best net alone is {params}: "
            f"{alone.mean():.4g}."
        ]
    scores = alone if found.average_ is None else found.average_scores_
    trees = found.baselines_.get(TREES)
    if trees is not None:
        said.append(_sentence_on_trees(scores, trees, found.ratio))
    return said


def _sentence_on_trees(scores: Any, trees: Any, ratio: float | None) -> str:
    difference = float(np.mean(scores) - np.mean(trees))
    size = f"{abs(difference):.2g}"
    if abs(difference) < 1e-12:
        return f"{TREES} scores the same."
    p = paired_test(scores - trees, ratio or 1 / len(scores)).p
    way = "more" if difference < 0 else "less"
    chance = "" if p < 0.05 else ", which may be chance"
    return f"{TREES} scores {np.mean(trees):.4g}, {size} {way}{chance}."


def sentences_on_activations(found: Any) -> list[str]:
    """Say how the other activations compare with the one of the best net."""
    comparison = found.comparison
    if comparison is None:
        return []
    frame = comparison.frame
    of_best = frame[frame["a"] == comparison.means.index[0]]
    said = [comparison.headline]
    for verdict, words in _WORDS_ON_PAIRS.items():
        rows = of_best[of_best["verdict"] == verdict]
        listed = [f"{row.b} ({row.difference:.2g} less)" for row in rows.itertuples()]
        if listed:
            said.append(f"{words}: {', '.join(listed)}.")
    return said


def sentences_on_next_steps(found: Any) -> list[str]:
    """Say what to do next, and why."""
    steps = []
    best, search = found.best_params_, found.search_
    trivial = found.baselines_.get(TRIVIAL)
    trees = found.baselines_.get(TREES)
    if trees is not None and np.mean(trees) > found.best_score_:
        steps.append(
            f"Look at {TREES}: trees are better on this table so far. Columns made of "
            f"others, such as ratios, help nets more than trees."
        )
    if best["max_epochs"] == search.max_resources:
        steps.append(
            f"Train longer: the best net had all {search.max_resources} epochs and was "
            f"still gaining. Try max_epochs={2 * search.max_resources}."
        )
    steps += _steps_at_edges(found)
    comparison = found.comparison
    if comparison is not None and not _is_decided(comparison.frame):
        steps.append(
            f"If the activation matters to you, use more folds: {search.n_splits_} "
            f"cannot part {comparison.means.index[0]} from "
            f"{comparison.means.index[1]}. If not, take the winner."
        )
    if not steps and trivial is not None:
        steps.append(
            "Use it: nothing at the edge of what was tried asks for more. "
            "found.predict(new_rows) predicts."
        )
    return steps


def _is_decided(frame: pd.DataFrame) -> bool:
    """Whether the best activation is told from the second, or is the same."""
    return frame["verdict"].iloc[0] != UNDECIDED


def _steps_at_edges(found: Any) -> list[str]:
    """Return advice on a rate, or a width, that is the last that was tried."""
    best, table = found.best_params_, found.ranking_
    nets = table[table["activation"] == _text(best["activation"])]
    steps = []
    rates = sorted(nets["lr"].dropna().unique())
    if len(rates) > 1 and best["lr"] in (rates[0], rates[-1]):
        is_highest = best["lr"] == rates[-1]
        way, other = ("highest", "higher") if is_highest else ("lowest", "lower")
        steps.append(
            f"Try a {other} learning rate: {best['lr']:g} is the {way} that was tried "
            f"for {_text(best['activation'])}."
        )
    widths = sorted(table["width"].dropna().unique())
    if len(widths) > 1 and best["width"] == widths[-1]:
        steps.append(
            f"Try wider layers: {best['width']} is the widest that was tried; "
            f"width=[{best['width']}, {2 * best['width']}]."
        )
    return steps


def _name_of_net(params: dict[str, Any]) -> str:
    """Return a net in words: "silu, 2 x 256, lr 0.0015, ...".."""
    rest = {
        k: v for k, v in params.items() if k not in ("activation", "depth", "width")
    }
    shown = [f"{key} {_text(value)}" for key, value in rest.items()]
    size = f"{params['depth']} x {params['width']}"
    return ", ".join([_text(params["activation"]), size, *shown])


def _text(value: Any) -> str:
    from skact.naming import short_name

    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else short_name(value)

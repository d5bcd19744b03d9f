"""Whether the greatest score is the best one, which the ranks of the same data say."""

import numpy as np
import pandas as pd

from skact.results.schema import MODEL, Schema, metric_of_score


def check_greatest_is_best(frame: pd.DataFrame, schema: Schema, score: str) -> None:
    """Raise ValueError if ranks have the lowest mean score as the best one.

    So they have if the scores changed their sign, or were minimized. Means of fewer
    folds than those of the ranks may have another order.
    """
    metric = metric_of_score(score)
    rank = f"rank_test_{metric}"
    if rank not in schema.ranks and len(schema.ranks) == 1:  # of a study: its value's
        (rank,) = schema.ranks
    folds = pd.unique(frame["fold"])
    candidates = [x for x in schema.ids if x != "fold"]
    is_ranked = rank in schema.ranks and "candidate" in candidates
    if not is_ranked or {*folds} != {*range(len(folds))}:
        return
    numbers = {
        "rank": frame[rank].to_numpy(float, na_value=np.nan),
        "score": frame[score].to_numpy(float, na_value=np.nan),
    }
    found = frame[candidates].assign(**numbers)
    found = found[np.isfinite(found["score"])]
    found = found.groupby(candidates, sort=False, as_index=False).agg(
        rank=("rank", "first"), mean=("score", "mean"), n=("score", "size")
    )
    found = found[(found["n"] == len(folds)) & found["rank"].notna()]
    models = found[MODEL] if schema.has_models else np.zeros(len(found))
    for _, of_search in found.groupby(models, sort=False):
        if _are_reversed(of_search["rank"], of_search["mean"]):
            raise ValueError(
                f"The scores by metric={metric!r} must be such that the greatest is "
                f"best; by {rank!r} of the same data the lowest is. Give scores with "
                f"the sign that scikit-learn gives them (such as "
                f"'neg_mean_squared_error'), or drop {rank!r} if it is wrong."
            )


def _are_reversed(ranks: pd.Series, means: pd.Series) -> bool:
    """Whether means rise from the best rank to the worst, and nowhere fall."""
    rising = means.to_numpy()[np.lexsort((-means, ranks))]
    slack = 1e-9 * np.abs(rising).max(initial=0)
    steps = np.diff(rising)
    return bool((steps >= -slack).all() and steps.sum() > slack)

"""How large a difference must be to matter, where the user does not say it."""

import numpy as np
import pandas as pd

_OF_SHARES = 0.01  # Benavoli et al. (2017), of accuracies
_OF_SPREAD = 0.1  # half of a small effect: Kruschke (2018)
_TO_NORMAL = 1.4826  # of a median absolute deviation: the standard deviation


def default_rope(scores: pd.DataFrame, notes: list[str]) -> float:
    """Return the rope of some scores, and note how it was found if that is not usual.

    Accuracy, R2, AUC and their like are 1 at best, and 0.01 suits them. Any other score
    has a unit, as the errors of prices have: its rope is relative to the spread of the
    scores of one value from fold to fold, a tenth of their standard deviation. It is
    that of the median fold and the median value, so one fold or one value with enormous
    errors makes nothing equivalent.

    Parameters
    ----------
    scores : DataFrame of shape (n_folds, n_values)
    notes : list of str
        Gets a note where the rope is relative.

    Returns
    -------
    float

    References
    ----------
    Benavoli, Corani, Demsar & Zaffalon (2017), Time for a Change, JMLR 18(77).
    Kruschke (2018), Rejecting or Accepting Parameter Values in Bayesian Estimation,
    Advances in Methods and Practices in Psychological Science 1(2).
    """
    table = scores.to_numpy()
    # less than a tenth of any score, so that small scores with a unit are none of these
    if table.max() <= 1 and table.mean(axis=0).max() >= 10 * _OF_SHARES:
        return _OF_SHARES
    deviations = np.abs(table - np.median(table, axis=0))
    spread = _TO_NORMAL * float(np.median(np.median(deviations, axis=0)))
    rope = float(f"{_OF_SPREAD * spread:.2g}")
    if rope == 0:
        notes.append(
            "This score moves too little from fold to fold to tell which differences "
            "matter, so none counts as equal: rope= sets what matters to you."
        )
        return rope
    notes.append(
        f"Differences up to {rope:g} count as equal, a tenth of the usual deviation of "
        f"this score from fold to fold: rope= sets what matters to you."
    )
    return rope

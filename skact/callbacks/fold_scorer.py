"""Validation on the fold that a search holds out, without a word to the fit.

A search tells a fit nothing of that fold: it gives it to the scorer, when the fit is
over. So the weights of each epoch are kept until then, and looked at afterwards.
Nothing of this can reach the training.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sklearn.metrics import check_scoring

from skact.engine.weights import Weights
from skact.nets.net_view import NetView
from skact.results.logged_fit import log_of
from skact.threads import one_thread


class FoldScorer:
    """Scores as a search would, and lets the net's log validate on the same fold."""

    def __init__(self, scoring: Any = None) -> None:
        self.scoring = scoring

    def __repr__(self) -> str:
        return f"FoldScorer({self.scoring!r})"

    def __call__(self, estimator: Any, X: Any, y: Any = None, **params: Any) -> Any:
        """Return the score of `estimator` on X and y, or a dict of several."""
        scores = check_scoring(estimator, self.scoring)(estimator, X, y, **params)
        log: Any = log_of(estimator)
        why = "the net has no TrainingLog"
        if log is not None and not log.wants_weights:
            log, why = None, "the scorer is of another log than the net's"
        try:
            if log is not None:
                log.validate(estimator, X, y)
        except Exception as error:  # a search must not fail by it
            log, why = None, repr(error)
        if log is None:
            warnings.warn(
                f"TrainingLog could not validate on the fold: {why}", stacklevel=2
            )
        return scores


def curves_on(
    net: Any, epochs: Sequence[Weights], X: Any, y: Any
) -> dict[str, list[float | None]]:
    """Pass rows through a net with the weights of each epoch.

    Parameters
    ----------
    net : ActMLP or another estimator of skact
        Fitted; it is left as it is.
    epochs : sequence of dicts
        The net's weights after each epoch.
    X, y : {array-like, sparse matrix} of shape (n_samples, n_features), array-like
        Rows that the net was not trained on.

    Returns
    -------
    dict
        ``fold_loss``, the mean over the rows, None where y has labels that the net
        has never seen; and of a classifier ``fold_acc``, the share of right labels.
    """
    view = NetView(net)
    X, targets = view.read(X, y)
    losses: list[float | None] = []
    scores: list[float | None] = []
    for outputs in view.outputs_of_epochs(epochs, X):
        n_epochs, n_rows = outputs.shape[:2]
        with one_thread(), torch.no_grad():
            rows = outputs.flatten(0, 1)  # (epochs * n, n_outputs)
            of_each: list[float | None] = [None] * n_epochs
            if targets is not None:
                again = targets.repeat(n_epochs, *[1] * (targets.ndim - 1))
                of_rows = view.losses(rows, again).view(n_epochs, n_rows)
                of_each = of_rows.mean(1).tolist()
            losses += of_each
            if view.classes is not None:
                right = view.labels(rows).reshape(n_epochs, n_rows) == np.asarray(y)
                scores += right.mean(1).tolist()
    return {
        "fold_loss": losses,
        **({} if view.classes is None else {"fold_acc": scores}),
    }

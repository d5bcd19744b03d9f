"""Validation of every epoch on the fold that a search holds out.

A search never shows the fold to a fit. The search gives the fold to the scorer when the
fit is over. So the log keeps the weights of each epoch until then, and the scorer
passes the fold through the network with each of them. The validation cannot change the
training.
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
from skact.threads import use_one_thread


class FoldScorer:
    """Scores an estimator, and makes the net's log validate on the same fold."""

    def __init__(self, scoring: Any = None) -> None:
        self.scoring = scoring

    def __repr__(self) -> str:
        return f"FoldScorer({self.scoring!r})"

    def __call__(self, estimator: Any, X: Any, y: Any = None, **params: Any) -> Any:
        """Return the score of `estimator` on X and y, or a dict of several."""
        scores = check_scoring(estimator, self.scoring)(estimator, X, y, **params)
        log: Any = log_of(estimator)
        reason = "the net has no TrainingLog"
        if log is not None and not log.wants_weights:
            log, reason = None, "the scorer is of another log than the net's"
        try:
            if log is not None:
                log.validate(estimator, X, y)
        except Exception as error:  # a search must not fail because of the validation
            log, reason = None, repr(error)
        if log is None:
            warnings.warn(
                f"TrainingLog could not validate on the fold: {reason}", stacklevel=2
            )
        return scores


def fold_curves(
    net: Any, epochs: Sequence[Weights], X: Any, y: Any
) -> dict[str, list[float | None]]:
    """Return loss and accuracy on some rows after each epoch.

    Parameters
    ----------
    net : ActMLP or another estimator of skact
        A fitted net; the function does not change the net.
    epochs : sequence of dicts
        The net's weights after each epoch.
    X, y : {array-like, sparse matrix} of shape (n_samples, n_features), array-like
        Rows that the net was not trained on.

    Returns
    -------
    dict
        ``fold_loss``: the mean loss of the rows, or None if y has labels that the
        training rows do not have. For a classifier also ``fold_acc``: the share of
        right labels.
    """
    view = NetView(net)
    X, targets = view.read_X_and_targets(X, y)
    losses: list[float | None] = []
    scores: list[float | None] = []
    for outputs in view.outputs_of_epochs(epochs, X):
        n_epochs, n_rows = outputs.shape[:2]
        with use_one_thread(), torch.no_grad():
            rows = outputs.flatten(0, 1)  # (epochs * n, n_outputs)
            epoch_losses: list[float | None] = [None] * n_epochs
            if targets is not None:
                repeated = targets.repeat(n_epochs, *[1] * (targets.ndim - 1))
                row_losses = view.losses_of_rows(rows, repeated).view(n_epochs, n_rows)
                epoch_losses = row_losses.mean(1).tolist()
            losses += epoch_losses
            if view.classes is not None:
                is_right = view.predicted_labels(rows).reshape(
                    n_epochs, n_rows
                ) == np.asarray(y)
                scores += is_right.mean(1).tolist()
    return {
        "fold_loss": losses,
        **({} if view.classes is None else {"fold_acc": scores}),
    }

"""Validation of every epoch on the fold that a search holds out.

A search never shows the fold to a fit. The search gives the fold to the scorer when the
fit is over. So the log keeps the weights of each epoch until then, and the scorer
passes the fold through the network with each of them. The validation cannot change the
training.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from sklearn import get_config
from sklearn.metrics import check_scoring, get_scorer
from sklearn.utils.metadata_routing import (
    MetadataRequest,
    MetadataRouter,
    MethodMapping,
    get_routing_for_object,
)

from skact._sklearn import accepts_sample_weight
from skact.callbacks.net_view import NetView
from skact.engine.weights import Weights
from skact.results.histories import is_net
from skact.results.logged_fit import estimators_inside, log_of
from skact.threads import use_one_thread


def make_scorer(scoring: Any) -> Any:
    """Return the scoring of a search that also validates; see `TrainingLog.scorer`.

    Several metrics are a dict, from which the search builds its scorer, as it does
    from the names alone; the first of them validates.
    """
    if scoring is None or callable(scoring):
        return FoldScorer(scoring)
    if isinstance(scoring, str):
        return FoldScorer(get_scorer(scoring), scoring)
    check_scoring(scoring=scoring)  # raises at an unknown name, or at a name twice
    several = scoring if isinstance(scoring, Mapping) else {k: k for k in scoring}
    scorers = {
        key: get_scorer(one) if isinstance(one, str) else one
        for key, one in several.items()
    }
    first = next(iter(scorers))
    return {**scorers, first: FoldScorer(scorers[first], several[first])}


class FoldScorer:
    """Scores an estimator, and makes the net's log validate on the same fold.

    A search treats it as the scorer inside: the same scores, sample weights and routed
    metadata.

    Parameters
    ----------
    scorer : callable or None
        None: the ``score`` of the estimator.
    scoring : object, default=None
        What the user gave, to be shown.
    """

    def __init__(self, scorer: Any = None, scoring: Any = None) -> None:
        self.scorer = scorer
        self.scoring = scorer if scoring is None else scoring
        self.requests: dict[str, Any] = {}  # those that the user has set

    def __repr__(self) -> str:
        return f"FoldScorer({self.scoring!r})"

    def __call__(self, estimator: Any, X: Any, y: Any = None, **params: Any) -> Any:
        """Return the score of `estimator` on X and y, or a dict of several."""
        scorer, metadata = check_scoring(estimator, self.scorer), params
        if self.scorer is None and not self.requests:
            metadata = _metadata_for_score(estimator, params)
        score = scorer(estimator, X, y, **metadata)
        reason = _validate(estimator, X, y, metadata.get("sample_weight"))
        if reason is not None:
            warnings.warn(
                f"TrainingLog could not validate on the fold: {reason}", stacklevel=2
            )
        return score

    def _accept_sample_weight(self) -> bool:
        """Return whether a search without metadata routing may pass sample weights."""
        return self.scorer is None or accepts_sample_weight(self.scorer)

    def set_score_request(self, **requests: Any) -> "FoldScorer":
        """Set which metadata the scorer requests, as scikit-learn's scorers do.

        Parameters
        ----------
        **requests : dict
            Such as ``sample_weight=True``.

        Returns
        -------
        FoldScorer
            This one.
        """
        if self.scorer is None:
            self.requests |= requests
        else:
            self.scorer.set_score_request(**requests)
        return self

    def get_metadata_routing(self) -> Any:
        """Return the metadata that the scorer inside requests."""
        if self.scorer is not None:
            return get_routing_for_object(self.scorer)
        # whose score it will be is known when it is called; then that estimator decides
        routing = MetadataRequest(owner="log.scorer()")
        for name, request in ({"sample_weight": True} | self.requests).items():
            routing.score.add_request(param=name, alias=request)
        return routing


def _metadata_for_score(estimator: Any, params: dict[str, Any]) -> dict[str, Any]:
    """Return those of the metadata that the ``score`` of an estimator requests."""
    if not (params and get_config()["enable_metadata_routing"]):
        return params
    to_score = MethodMapping().add(caller="score", callee="score")
    router = MetadataRouter(owner="log.scorer()")
    router.add(estimator=estimator, method_mapping=to_score)
    return dict(router.route_params(caller="score", params=params).estimator.score)


def _validate(estimator: Any, X: Any, y: Any, sample_weight: Any) -> str | None:
    """Validate on the fold; return why this was not possible, or None."""
    log: Any = log_of(estimator)
    if log is None:
        # a model that is no net, beside nets in one search, has nothing to validate
        is_of_nets = any(map(is_net, estimators_inside(estimator)))
        return "the net has no TrainingLog" if is_of_nets else None
    if not log.wants_weights:
        return "the scorer is of another log than the net's"
    try:
        log.validate(estimator, X, y, sample_weight)
    except Exception as error:  # a search must not fail because of the validation
        return repr(error)
    return None


def fold_curves(
    net: Any, epochs: Sequence[Weights], X: Any, y: Any, sample_weight: Any = None
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
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows; None weighs them equally.

    Returns
    -------
    dict
        ``fold_loss``: the mean loss of the rows, with their weights, or None if y has
        labels that the training rows do not have. For a classifier also ``fold_acc``:
        the share of right labels.
    """
    view = NetView(net)
    weight = None if sample_weight is None else np.asarray(sample_weight, dtype=float)
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
                epoch_losses = _mean_of_rows(row_losses, weight)
            losses += epoch_losses
            if view.classes is not None:
                is_right = view.predicted_labels(rows).reshape(
                    n_epochs, n_rows
                ) == np.asarray(y)
                scores += _mean_of_rows(is_right, weight)
    return {
        "fold_loss": losses,
        **({} if view.classes is None else {"fold_acc": scores}),
    }


def _mean_of_rows(values: Any, weight: np.ndarray | None) -> list[float | None]:
    """Return the mean over the rows of (epochs, n) values."""
    if weight is None or not weight.any():
        return values.mean(1).tolist()
    return np.average(np.asarray(values), axis=1, weights=weight).tolist()

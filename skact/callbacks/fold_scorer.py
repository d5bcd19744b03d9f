"""Validation on the fold that a search holds out, without a word to the fit.

A search tells a fit nothing of that fold: it gives it to the scorer, when the fit is
over. So the weights of each epoch are kept until then, and looked at afterwards.
Nothing of this can reach the training.
"""

import copy
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from sklearn.base import is_classifier
from sklearn.metrics import check_scoring
from skorch.utils import to_numpy
from torch import Tensor
from torch.func import functional_call, vmap

from skact.engine.batches import to_tensor
from skact.engine.weights import (
    Weights,
)
from skact.results.logged_fit import log_of
from skact.threads import one_thread, side_by_side

_VALUES = 2**22  # that a layer may hold for rows and epochs together
# multiplications below which threads are not worth the start
_LITTLE_WORK = 2**27


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
    y = np.asarray(y)
    labels = is_classifier(net)
    known = not labels or bool(np.isin(y, net.classes_).all())
    if known:
        X, y, codes = net._validate(X, y, reset=False, classes=None)
        targets = to_tensor(codes).to(net.module_.output.weight.device)
    else:
        X = net._check_X(X)
    nonlinearity = net._get_predict_nonlinearity()
    losses: list[float | None] = []
    scores: list[float | None] = []
    for outputs in outputs_of_epochs(net, epochs, X):
        n_epochs, n_rows = outputs.shape[:2]
        with one_thread(), torch.no_grad():
            rows = outputs.flatten(0, 1)  # (epochs * n, n_outputs)
            rows = net.shaped_as_loss_wants(rows)
            of_each = [None] * n_epochs
            if known:
                again = targets.repeat(n_epochs, *[1] * (targets.ndim - 1))
                of_rows = net.losses_of_rows(rows, again)
                of_each = of_rows.view(n_epochs, n_rows).mean(1).tolist()
            losses += of_each
            if labels:
                best = to_numpy(nonlinearity(rows)).argmax(axis=1)
                right = net.classes_[best].reshape(n_epochs, n_rows) == y
                scores += right.mean(1).tolist()
    return {"fold_loss": losses, **({"fold_acc": scores} if labels else {})}


def outputs_of_epochs(net: Any, epochs: Sequence[Weights], X: Any) -> Iterator[Tensor]:
    """Yield a net's outputs for checked X, (epochs, n, n_outputs): some epochs a time.

    Many epochs of a small network are one tensor program, as many networks are. What
    users brought goes through it epoch by epoch.
    """
    widest = max(max(w.shape, default=1) for w in net.module_.parameters())
    rows = max(256, _VALUES // widest)
    starts = range(0, X.shape[0], rows)
    foreign = net._has_foreign_parts()
    at_once = 1 if foreign else max(1, rows // X.shape[0])
    parts = [epochs[i : i + at_once] for i in range(0, len(epochs), at_once)]
    work = X.shape[0] * len(epochs) * sum(w.numel() for w in net.module_.parameters())
    little = foreign or work < _LITTLE_WORK
    n_threads = 1 if little else torch.get_num_threads()
    device = net.module_.output.weight.device

    def forward(part: Sequence[Weights]) -> Tensor:  # (epochs, n, n_outputs)
        # to call it with other weights changes a module for the time
        module = copy.deepcopy(net.module_).eval()
        together = {key: torch.stack([w[key] for w in part]) for key in part[0]}
        with torch.no_grad():
            outputs = []
            for start in starts:
                batch = to_tensor(X[start : start + rows]).to(device)
                if foreign:
                    with net._generators_for_foreign_parts(net.seeds_.noise):
                        outputs.append(functional_call(module, part[0], (batch,))[None])
                    continue

                def of_one(weights: Weights, batch: Tensor = batch) -> Tensor:
                    return functional_call(module, weights, (batch,))

                outputs.append(vmap(of_one)(together))
            return torch.cat(outputs, dim=1)

    yield from side_by_side(forward, parts, n_threads)

"""Weights in the scores of skorch's callbacks: a row of weight 3 is three rows."""

from typing import Any

from sklearn.metrics import check_scoring
from skorch.callbacks import EpochScoring

from skact._sklearn import accepts_sample_weight
from skact._skorch import replace_scoring, scoring_of


class WeightedScoring:
    """A scoring that gets the weights of the rows, if it takes `sample_weight`.

    Parameters
    ----------
    scoring : callable, str or None
        As skorch's callback resolved it; None is the ``score`` of the net.
    on_train : bool
        Whether it scores the rows that train.
    """

    def __init__(self, scoring: Any, on_train: bool) -> None:
        self.scoring, self.on_train = scoring, bool(on_train)

    def __call__(self, net: Any, X: Any, y: Any) -> Any:
        """Return the score of a net that trains."""
        scorer, weights = check_scoring(net, self.scoring), {}
        if net._loop is not None and accepts_sample_weight(scorer):
            weight = net._loop.weights_for_score(X, on_train=self.on_train)
            weights = {} if weight is None else {"sample_weight": weight}
        return scorer(net, X, y, **weights)


def weigh_scores(callbacks: list[tuple[str, Any]]) -> None:
    """Make the scorings among initialized callbacks count weights as rows."""
    for _, callback in callbacks:
        if isinstance(callback, EpochScoring):
            scoring = scoring_of(callback)
            if not isinstance(scoring, WeightedScoring):
                weighted = WeightedScoring(scoring, callback.on_train)
                replace_scoring(callback, weighted)

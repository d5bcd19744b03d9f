"""The engine serves GradientNormClipping of skorch, if nothing is changed in it."""

import math

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import GradientNormClipping

from skact import ActMLP, fused


class Own(GradientNormClipping):
    """May clip in a way of its own."""


def patched():
    callback = GradientNormClipping(1.0)
    callback.on_grad_computed = lambda *args, **kwargs: None
    return callback


@pytest.mark.parametrize(
    ("callbacks", "words"),
    [
        ([GradientNormClipping(0.1)], "the engine"),
        ([GradientNormClipping(1, math.inf)], "the engine"),
        ([GradientNormClipping(np.float32(1), "inf")], "the engine"),
        ([GradientNormClipping(None)], "the engine"),
        ([GradientNormClipping(0.1, 1)], "'GradientNormClipping' works batch by batch"),
        ([Own(0.1)], "'Own' works batch by batch"),
        ([patched()], "'GradientNormClipping' works batch by batch"),
        ([GradientNormClipping(0.1), GradientNormClipping(0.2)], "two callbacks clip"),
    ],
)
def test_the_net_says_who_clips(iris, callbacks, words):
    net = ActMLP(callbacks=callbacks, max_epochs=1, random_state=0).fit(*iris)
    assert words in net.trained_by_


def test_clipping_is_searched_like_any_other_parameter(iris):
    """A search is the same, fused or not, and clipping changes what is learned."""
    clips = [[GradientNormClipping(value)] for value in (0.05, 0.5, None)]
    grid = {"callbacks": clips, "activation": ["relu", "prelu"]}
    net = ActMLP(width=8, max_epochs=5, lr=0.5, optimizer="sgd", random_state=0)
    with fused(progress=False) as session:
        search = GridSearchCV(net, grid, cv=3, scoring="neg_log_loss").fit(*iris)
    assert session.report.n_fused == 18
    plain = GridSearchCV(net, grid, cv=3, scoring="neg_log_loss").fit(*iris)
    scores = search.cv_results_["mean_test_score"]
    assert (scores == plain.cv_results_["mean_test_score"]).all()
    assert len({*scores.tolist()}) == 6


def test_a_value_that_is_no_number_raises_as_in_skorch(iris):
    with pytest.raises((TypeError, ValueError)):
        ActMLP(callbacks=[GradientNormClipping("much")], max_epochs=1).fit(*iris)

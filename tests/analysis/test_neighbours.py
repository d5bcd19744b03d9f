"""A search confirms an advice, or contradicts it, or has not tried it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV

from skact import ActMLP, Finding, TrainingLog, to_frame
from skact.analysis.neighbours import Neighbours, neighbours_of

PARAMS = {
    (i,): {"lr": lr, "activation": activation}
    for i, (lr, activation) in enumerate(
        (lr, activation) for lr in (0.1, 0.01, 0.001) for activation in ("relu", "tanh")
    )
}
LOWER = Finding("high lr", "lr is high", "Try lr=0.002.", {"lr": 0.002}, 1.0, {})
OF_NET = {"lr": "lr", "activation": "activation"}


def search(*scores: float, has_scores: bool = True) -> Neighbours:
    return Neighbours(PARAMS, dict(zip(PARAMS, scores, strict=True)), has_scores)


def test_an_advice_that_the_search_shows_to_be_worse_is_dropped() -> None:
    # relu: .1 is best; tanh: .001 is best
    found = search(0.9, 0.1, 0.8, 0.2, 0.7, 0.3)
    assert found.weigh((0,), LOWER, OF_NET) is None
    assert found.weigh((1,), LOWER, OF_NET) is not None


def test_an_advice_that_the_search_confirms_names_its_best_value() -> None:
    weighed = search(0.2, 0.5, 0.7, 0.5, 0.8, 0.5).weigh((0,), LOWER, OF_NET)
    assert weighed == replace(
        LOWER,
        advice="Take lr=0.001: it scores 0.8, this one 0.2.",
        change={"lr": 0.001},
    )


def test_a_difference_that_is_small_among_all_is_no_reason() -> None:
    found = search(0.80, 0.0, 0.81, 0.5, 0.82, 0.5)
    assert found.weigh((0,), LOWER, OF_NET) is None
    dropout = replace(LOWER, change={"dropout": 0.2})
    assert found.with_best_step((0,), dropout) == dropout


def test_a_value_on_the_other_side_says_nothing() -> None:
    # nothing lower than .001 was tried
    found = search(0.9, 0.1, 0.8, 0.2, 0.7, 0.3)
    lower = replace(LOWER, change={"lr": 1e-5})
    assert found.weigh((4,), lower, OF_NET) == lower


def test_what_was_not_tried_is_not_weighed() -> None:
    found = search(*[0.5] * 6)
    dropout = replace(LOWER, change={"dropout": 0.2})
    assert found.weigh((0,), dropout, OF_NET) == dropout
    assert found.weigh((0,), LOWER, {}) == LOWER  # lr is that of another step
    assert Neighbours(PARAMS, {}, False).weigh((0,), LOWER, OF_NET) == LOWER


def test_an_advice_that_was_not_tried_comes_with_the_best_step_that_was() -> None:
    found = search(0.2, 0.5, 0.7, 0.5, 0.8, 0.9)
    dropout = Finding("dropout", "it is high", "Try dropout=0.2.", {}, 1.0, {})
    # .9 differs in two parameters from the first candidate, and is no step
    assert found.with_best_step((0,), dropout).advice == (
        "Try dropout=0.2. Tried, lr=0.001 did better: it scores 0.8, this one 0.2."
    )
    assert found.with_best_step((5,), dropout) == dropout  # the best of all
    weighed = found.weigh((0,), LOWER, OF_NET)
    assert weighed is not None
    assert found.with_best_step((0,), weighed) == weighed
    assert Neighbours({}, {}, False).with_best_step((0,), dropout) == dropout


def test_words_are_weighed_by_the_advised_one_alone() -> None:
    other = replace(LOWER, change={"activation": "tanh"})
    weighed = search(0.2, 0.5, 0.7, 0.5, 0.8, 0.5).weigh((0,), other, OF_NET)
    assert weighed is not None
    assert weighed.advice == "Take activation='tanh': it scores 0.5, this one 0.2."
    silu = replace(LOWER, change={"activation": "silu"})
    assert search(*[0.5] * 6).weigh((0,), silu, OF_NET) == silu


def test_a_fit_that_failed_has_less_than_any_score() -> None:
    found = search(-np.inf, 0.5, 0.7, 0.5, 0.8, 0.5)
    weighed = found.weigh((0,), LOWER, OF_NET)
    assert weighed is not None
    assert weighed.advice == "Take lr=0.001: it scores 0.8, this one none."
    assert found.cost_of((0,)) == pytest.approx(0.3)  # as the least that is known
    assert found.cost_of((2,)) == pytest.approx(0.1)


def test_losses_are_better_low() -> None:
    found = search(*[-2.0] * 4, -1.0, -1.0, has_scores=False)
    weighed = found.weigh((0,), LOWER, OF_NET)
    assert weighed is not None
    assert weighed.advice == ("Take lr=0.001: it has a held-out loss of 1, this one 2.")
    assert found.cost_of((0,)) is None


def test_scores_are_those_of_the_search() -> None:
    net = ActMLP(max_epochs=1, random_state=0).set_callbacks(TrainingLog())
    fitted = GridSearchCV(net, {"lr": [0.1, 1e-5]}, cv=2).fit(
        *load_iris(return_X_y=True)
    )
    epochs = to_frame(fitted, "epoch")
    found = neighbours_of(fitted, epochs, ["candidate"], ["lr"])
    means = fitted.cv_results_["mean_test_score"]
    assert found.scores == {(i,): pytest.approx(mean) for i, mean in enumerate(means)}
    assert found.params == {(0,): {"lr": 0.1}, (1,): {"lr": 1e-5}}
    assert found.has_scores


def test_a_frame_of_epochs_has_its_held_out_losses() -> None:
    columns: dict[str, Any] = {
        "candidate": [0, 0, 0, 0, 1, 1],
        "lr": [0.1] * 4 + [0.01] * 2,
        "fold": [0, 0, 1, 1, 0, 0],
        "epoch": [1, 2, 1, 2, 1, 2],
        "train_loss": [1.0] * 6,
        "fold_loss": [9.0, 1.0, 9.0, 2.0, 9.0, 5.0],
    }
    frame = pd.DataFrame(columns)
    found = neighbours_of(frame, frame, ["candidate"], ["lr"])
    assert (found.scores, found.has_scores) == ({(0,): -1.5, (1,): -5.0}, False)
    bare = frame.drop(columns="fold_loss")
    assert neighbours_of(bare, bare, ["candidate"], ["lr"]).scores == {}
    assert neighbours_of(bare, bare, [], ["lr"]).params == {}

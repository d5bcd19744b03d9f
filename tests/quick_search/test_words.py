"""What the result says is what its numbers say: winner, doubt, next steps."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from skact import compare
from skact.quick_search.baselines import TREES, TRIVIAL
from skact.quick_search.words import (
    sentences_on_activations,
    sentences_on_next_steps,
    sentences_on_winner,
)

SCORES = np.array([0.90, 0.91, 0.92])
MORE = np.array([0.02, 0.021, 0.019])
PARAMS = {
    "activation": "silu",
    "depth": 2,
    "width": 128,
    "lr": 0.0015,
    "max_epochs": 32,
}


def result(**changed):
    """A result as `search` makes it, of numbers that a test can choose."""
    results = {f"split{i}_test_score": [score] for i, score in enumerate(SCORES)}
    search = SimpleNamespace(
        cv_results_=results, best_index_=0, n_splits_=3, refit=True, max_resources=64
    )
    table = pd.DataFrame(
        {
            "activation": ["silu", "silu", "silu", "relu"],
            "lr": [0.0015, 0.0003, 0.008, 0.0015],
            "width": [128, 128, 256, 128],
        }
    )
    facts = {
        "search_": search,
        "ranking_": table,
        "score_name": "accuracy",
        "best_params_": PARAMS,
        "best_score_": 0.91,
        "members_": [{}] * 5,
        "average_": None,
        "average_scores_": None,
        "baselines_": {},
        "comparison": None,
        "ratio": 0.5,
    }
    return SimpleNamespace(**facts | changed)


def test_the_net_is_named_with_its_score():
    (found,) = sentences_on_winner(result())
    assert found == (
        "The best net is silu, 2 x 128, lr 0.0015, max_epochs 32: accuracy 0.91."
    )


def test_an_average_that_does_not_help_is_not_taken_and_one_that_does_is():
    found = sentences_on_winner(result(average_scores_=SCORES - 0.01))
    assert found[1] == (
        "An average of the 5 best nets is not better (0.9), so the net stays alone."
    )
    won = result(average_=object(), average_scores_=SCORES + 0.01, best_score_=0.92)
    (found,) = sentences_on_winner(won)
    assert found.startswith("The average of the 5 best nets wins: accuracy 0.92. The")
    assert found.endswith("silu, 2 x 128, lr 0.0015, max_epochs 32: 0.91.")


@pytest.mark.parametrize(
    ("trees", "text"),
    [
        (SCORES, "HistGradientBoosting scores the same."),
        (SCORES + MORE, "HistGradientBoosting scores 0.93, 0.02 more."),
        (SCORES - MORE, "HistGradientBoosting scores 0.89, 0.02 less."),
        (SCORES[::-1] + 0.001, "0.001 more, which may be chance."),
    ],
)
def test_trees_are_compared_with_the_winner(trees, text):
    assert sentences_on_winner(result(baselines_={TREES: trees}))[-1].endswith(text)


def comparison(*columns):
    scores = {
        f"split{i}_test_score": list(row)
        for i, row in enumerate(zip(*columns, strict=True))
    }
    names = ["silu", "relu", "tanh"][: len(columns)]
    means = [float(np.mean(column)) for column in columns]
    return compare(
        {
            "param_activation": names,
            "params": [{"activation": name} for name in names],
            **scores,
            "mean_test_score": means,
            "rank_test_score": np.argsort(np.argsort(-np.array(means))) + 1,
        },
        test_ratio=0.25,
    )


def test_activations_are_parted_as_the_comparison_parts_them():
    rng = np.random.default_rng(0)
    first = 0.9 + 0.01 * rng.normal(size=10)
    worse = first - 0.1 + 0.001 * rng.normal(size=10)
    open_ = first - 0.005 + 0.02 * rng.normal(size=10)
    found = sentences_on_activations(result(comparison=comparison(first, worse, open_)))
    text = " ".join(found)
    assert "silu scores best of 3 values of activation" in found[0]
    assert "Worse: relu (0.1 less)." in text
    assert "Not told from it by these folds: tanh" in text
    assert sentences_on_activations(result()) == []


def test_next_steps_come_from_the_edges_of_what_was_tried():
    steps = sentences_on_next_steps(result(baselines_={TRIVIAL: SCORES - 0.4}))
    assert steps == [
        "Use it: nothing at the edge of what was tried asks for more. "
        "found.predict(new_rows) predicts."
    ]
    edge = PARAMS | {"lr": 0.008, "width": 256, "max_epochs": 64}
    steps = sentences_on_next_steps(result(best_params_=edge))
    assert steps[0].startswith("Train longer: the best net had all 64 epochs")
    assert "Try a higher learning rate: 0.008 is the highest" in steps[1]
    assert "Try wider layers: 256 is the widest" in steps[2]
    low = sentences_on_next_steps(result(best_params_=PARAMS | {"lr": 0.0003}))
    assert "Try a lower learning rate" in low[0]


def test_trees_that_are_better_come_first():
    steps = sentences_on_next_steps(result(baselines_={TREES: SCORES + 0.01}))
    assert steps[0].startswith("Look at HistGradientBoosting")


def test_activations_that_cannot_be_parted_ask_for_folds():
    first = np.array([0.9, 0.91, 0.92])
    undecided = comparison(first, first[::-1] - 0.001)
    (step,) = sentences_on_next_steps(result(comparison=undecided))
    assert step.startswith("If the activation matters to you, use more folds: 3 cannot")

"""What the result says is what its numbers say: winner, doubt, next steps."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from skact import compare
from skact.quick_search.baselines import LINEAR, TREES, TRIVIAL
from skact.quick_search.words import (
    sentences_on_activations,
    sentences_on_next_steps,
    sentences_on_winner,
)

SCORES = np.array([0.90, 0.91, 0.92, 0.93])
SURE = np.array([0.02, 0.021, 0.019, 0.02])  # as a difference: told from chance
LUCK = np.array([0.05, -0.06, 0.05, -0.03])
NET = {"activation": "silu", "depth": 2, "width": 128, "lr": 0.0015, "max_epochs": 32}
NAME = "the net silu, 2 x 128, lr 0.0015, max_epochs 32"


class Search:
    """A search as `RoundsSearchCV` leaves it, of rows that a test can choose."""

    refit, resource, n_splits_ = True, "net__max_epochs", len(SCORES)

    def __init__(self, rows, max_resources):
        self.max_resources = max_resources
        self.n_candidates_, self.rounds_ = len(rows), [(1, len(rows))]
        params = [{f"net__{k}": v for k, v in one.items()} for one, _ in rows]
        scores = np.array([of_row for _, of_row in rows])
        self.cv_results_ = {"params": params} | {
            f"split{i}_test_score": scores[:, i] for i in range(self.n_splits_)
        }
        self.order = np.argsort(-scores.mean(1), kind="stable").tolist()
        self.best_index_ = self.order[0]

    def rank_candidates(self):
        return self.order


def result(*others, net=NET, **changed):
    """A result whose best net is `net`, beside other (params, scores)."""
    search = Search([(net, SCORES), *others], changed.pop("max_resources", 64))
    table = pd.DataFrame([net, *(params for params, _ in others)])
    facts = {
        "search_": search,
        "ranking_": table,
        "score_name": "accuracy",
        "best_params_": net,
        "best_score_": float(SCORES.mean()),
        "members_": [{}] * 5,
        "average_": None,
        "average_scores_": None,
        "baselines_": {},
        "comparison": None,
        "test_ratio_": 1 / 3,
        "alerts_": [],
    }
    return SimpleNamespace(**facts | changed)


def test_the_net_is_named_with_its_score():
    assert sentences_on_winner(result()) == [f"Best is {NAME}: accuracy 0.915."]


def test_an_average_that_does_not_help_is_not_taken_and_one_that_does_is():
    found = sentences_on_winner(result(average_scores_=SCORES - 0.01))
    assert found[-1] == "An average of the 5 best nets is not better (0.905)."
    better = {"average_scores_": SCORES + 0.01, "best_score_": 0.925}
    first, last = sentences_on_winner(result(average_=object(), **better))
    assert first == "Best is the average of the 5 best nets: accuracy 0.925."
    assert last == f"Alone, {NAME} is best: 0.915."


@pytest.mark.parametrize(
    ("name", "scores", "text"),
    [
        (TREES, SCORES - SURE, "HistGradientBoosting scores 0.895, 0.02 less."),
        (TREES, SCORES - LUCK - 0.01, "0.0125 less, which may be chance."),
        (LINEAR, SCORES - SURE, "Linear model scores 0.895, 0.02 less."),
        (
            LINEAR,
            SCORES + SURE,
            "The best model is no net: Linear model scores 0.935. Of nets, "
            f"{NAME} is best: accuracy 0.915, 0.02 less.",
        ),
        (TREES, SCORES + LUCK + 0.01, "less, which may be chance."),
    ],
)
def test_the_strongest_other_model_is_compared_with_the_best_net(name, scores, text):
    weak = {TRIVIAL: SCORES - 0.4, "other": SCORES - 0.3}
    found = sentences_on_winner(result(baselines_={**weak, name: scores}))
    if "0.0125" in text:
        text = text.replace("0.0125", f"{0.01 + LUCK.mean():.2g}")
    assert " ".join(found).endswith(text)
    assert "wins" not in " ".join(found)


@pytest.mark.parametrize(("n_more", "doubt"), [(1, True), (3, False)])
def test_folds_that_agree_are_as_sure_as_the_steps_of_an_accuracy(n_more, doubt):
    """Of 30 rows a fold: one more on each of four is nothing, three more are."""
    scores, others = np.full(4, 25 / 30), np.full(4, (25 - n_more) / 30)
    found = result(baselines_={TREES: others}, best_score_=25 / 30)
    found.search_.cv_results_ |= {f"split{i}_test_score": scores[:1] for i in range(4)}
    text = sentences_on_winner(found)[-1]
    assert text.endswith("less, which may be chance.") == doubt


def comparison(*columns):
    splits = enumerate(zip(*columns, strict=True))
    means = [float(np.mean(column)) for column in columns]
    names = ["silu", "relu", "tanh"][: len(columns)]
    return compare(
        {
            "param_activation": names,
            "params": [{"activation": name} for name in names],
            **{f"split{i}_test_score": list(row) for i, row in splits},
            "mean_test_score": means,
            "rank_test_score": np.argsort(np.argsort(-np.array(means))) + 1,
        },
        test_ratio=0.25,
    )


def test_activations_are_parted_as_the_comparison_parts_them():
    rng = np.random.default_rng(0)
    first = 0.9 + 0.01 * rng.normal(size=10)
    worse = first - 0.1 + 0.001 * rng.normal(size=10)
    near = first - 0.005 + 0.02 * rng.normal(size=10)
    found = sentences_on_activations(result(comparison=comparison(first, worse, near)))
    assert "silu scores best of 3 values of activation" in found[0]
    few = "Some activations had 1 candidate only: this says more of these nets than of "
    assert found[1:] == ["Worse: relu (0.1 less).", f"{few}the activations."]
    three = {"comparison": comparison(first, worse, near)}
    found = sentences_on_activations(result(*[(NET, SCORES - SURE)] * 2, **three))
    assert found[1:] == ["Worse: relu (0.1 less)."]
    assert sentences_on_activations(result()) == []


def test_with_nothing_to_ask_for_the_model_is_to_be_used():
    steps = sentences_on_next_steps(result(baselines_={TRIVIAL: SCORES - SURE * 9}))
    assert steps == [
        "Use it: found.predict(new_rows). Nothing that was tried asks for more."
    ]


def test_a_net_that_may_be_no_better_than_the_majority_is_said_first():
    steps = sentences_on_next_steps(result(baselines_={TRIVIAL: SCORES - LUCK}))
    assert steps[0].startswith("First look at the columns: always predicting the")


def test_a_linear_model_that_is_as_good_is_to_be_taken():
    (step,) = sentences_on_next_steps(result(baselines_={LINEAR: SCORES + 0.001}))
    assert step.startswith("Take the linear model")


def test_trees_are_to_be_taken_only_if_they_are_shown_to_be_better():
    (step,) = sentences_on_next_steps(result(baselines_={TREES: SCORES + SURE}))
    assert step.startswith("Take HistGradientBoosting")
    (step,) = sentences_on_next_steps(result(baselines_={TREES: SCORES + LUCK + 0.01}))
    assert step.startswith("Use it: found.predict(new_rows). It predicts with the best")
    assert "net, not with HistGradientBoosting." in step


def test_longer_training_is_advised_only_where_the_last_round_gained():
    full = NET | {"max_epochs": 64}
    for before, gains in ((SCORES - SURE, True), (SCORES - LUCK - 0.01, False)):
        found = result((NET, before), net=full)
        steps = sentences_on_next_steps(found)
        text = "the last round, from 32 to 64 epochs, still gained 0.02. Try max_epochs"
        assert (text in steps[0]) == gains


def test_a_net_that_learns_by_heart_is_said():
    later = (NET | {"max_epochs": 64}, SCORES - SURE)
    step, last = sentences_on_next_steps(result(later))
    assert last == "Use it: found.predict(new_rows)."
    assert step.startswith("The best net learns by heart after 32 epochs: 64 epochs")
    assert "0.02 less" in step


def test_edges_are_advised_against_only_where_they_are_better_than_what_is_near():
    high = NET | {"lr": 0.008}
    step = sentences_on_next_steps(result((NET, SCORES - SURE), net=high))[0]
    assert "activations=['silu'], lr=[0.008, 0.016]" in step
    low = NET | {"lr": 0.0003}
    step = sentences_on_next_steps(result((NET, SCORES - SURE), net=low))[0]
    assert "lower learning rate" in step
    assert "lr=[0.0003, 0.00015]" in step
    wide = NET | {"width": 256}
    step = sentences_on_next_steps(result((NET, SCORES - SURE), net=wide))[0]
    assert "width=[256, 512]" in step
    for net in (high, low, wide):
        steps = sentences_on_next_steps(result((NET, SCORES - LUCK - 0.01), net=net))
        assert steps[0].startswith("Use it")


def test_more_folds_are_advised_only_where_they_can_help():
    rng = np.random.default_rng(1)
    noise = 0.06 * rng.normal(size=10)
    far = comparison(SCORES.mean() + noise, SCORES.mean() - 0.025 + noise[::-1])
    step = sentences_on_next_steps(result(comparison=far))[0]
    assert step.startswith("If the activation matters to you, take more folds")
    near = comparison(SCORES.mean() + noise, SCORES.mean() - 1e-4 + noise[::-1])
    assert sentences_on_next_steps(result(comparison=near))[0].startswith("Use it")


def test_nets_that_all_lose_with_more_epochs_are_said_to_learn_by_heart():
    rows = [
        (NET | {"lr": lr, "max_epochs": epochs}, SCORES - 0.01 - down * SURE)
        for lr in (0.001, 0.002, 0.003)
        for epochs, down in ((4, 0), (8, 2))
    ]
    step, _ = sentences_on_next_steps(result(*rows))
    assert step.startswith(
        "Nets learn by heart: with more epochs, they score 0.04 less"
    )
    assert len(sentences_on_next_steps(result(*rows[:4]))) == 1


def test_after_a_leak_nothing_else_is_advised():
    alert = "Column 'a' alone tells y (accuracy 1): if it is known only after y, ..."
    (step,) = sentences_on_next_steps(result(alerts_=[alert]))
    assert step.startswith("Then search again")


def test_a_budget_that_ended_asks_for_more_time():
    found = result()
    found.search_.n_candidates_ = 9
    step, last = sentences_on_next_steps(found)
    assert step.startswith("Give it more time")
    assert "Nothing" not in last


@pytest.mark.parametrize(
    ("score", "said"),
    [
        (
            "roc_auc",
            "found.predict_proba(new_rows), and choose a threshold: found.pred",
        ),
        ("neg_log_loss", "found.predict_proba(new_rows). Nothing"),
        ("f1_macro", "found.predict(new_rows). Nothing"),
    ],
)
def test_probabilities_that_were_scored_are_to_be_used(score, said):
    assert said in sentences_on_next_steps(result(score_name=score))[-1]


def test_a_model_that_scores_the_same_is_not_called_less():
    found = sentences_on_winner(result(baselines_={TREES: SCORES}))
    assert found[-1] == "HistGradientBoosting scores 0.915, as much."

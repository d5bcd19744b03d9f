"""Wrong arguments are named with what is allowed, before anything is trained."""

import numpy as np
import pytest
from sklearn.metrics import make_scorer, r2_score

from skact import ActMLP
from skact.quick_search.arguments import (
    check_arguments,
    check_names_of_scores,
    check_parameters,
    rates_of,
    reads_rows,
    score_to_refit,
    sizes_of,
    ways_of,
)

GOOD = {
    "n_candidates": 8,
    "n_lr": 3,
    "average": 5,
    "cv": None,
    "progress": None,
    "budget": None,
}


def test_good_arguments_pass():
    check_arguments(**GOOD)
    check_arguments(**GOOD | {"budget": np.float32(3), "cv": np.int64(3)})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_candidates": True}, "n_candidates must be an int >= 1, got True"),
        ({"n_lr": 1.5}, "n_lr must be an int >= 1, got 1.5"),
        ({"average": 0}, "average must be an int >= 1, got 0"),
        ({"cv": 1}, "cv must be an int >= 2, got 1"),
        ({"budget": -1}, "budget must be None or a positive number of seconds, got -1"),
        ({"progress": 1}, "progress must be True, False or None, got 1"),
    ],
)
def test_wrong_arguments_are_named(wrong, message):
    with pytest.raises((TypeError, ValueError), match=message):
        check_arguments(**GOOD | wrong)


def test_sizes_are_lists_of_whole_numbers():
    assert sizes_of("width", 8, 1) == [8]
    assert sizes_of("width", (np.int64(8), 16), 1) == [8, 16]
    assert sizes_of("depth", None, 0) is None
    with pytest.raises(TypeError, match="width must be an int or a list of ints"):
        sizes_of("width", "8", 1)
    with pytest.raises(ValueError, match="depth must be an int >= 0, got -1"):
        sizes_of("depth", [1, -1], 0)


def test_ways_are_known_ones():
    assert ways_of("clip") == ["clip"]
    assert ways_of(("clip", "standard")) == ["clip", "standard"]
    with pytest.raises(ValueError, match=r"numbers must be some of .* got 'log'"):
        ways_of(["clip", "log"])
    with pytest.raises(TypeError, match=r"numbers must be some of .* got 3"):
        ways_of(3)


def test_rates_are_positive_numbers():
    assert rates_of(None) is None
    assert rates_of(0.1) == [0.1]
    assert rates_of((np.float32(0.5), 1)) == [0.5, 1.0]
    for wrong in (0, -1.0, [0.1, np.nan], [np.inf], [True], ["0.1"], []):
        with pytest.raises(ValueError, match="lr must"):
            rates_of(wrong)
    for wrong in ("0.1", object()):
        with pytest.raises(TypeError, match="lr must be a number or a list"):
            rates_of(wrong)


def test_the_first_of_several_scores_chooses():
    assert score_to_refit(None, None) is None
    assert score_to_refit(None, ["f1", "accuracy"]) == "f1"
    assert score_to_refit("accuracy", ["f1", "accuracy"]) == "accuracy"
    with pytest.raises(ValueError, match=r"refit must be .* got 'r2'"):
        score_to_refit("r2", ["f1", "accuracy"])
    with pytest.raises(ValueError, match=r"scoring must name a score, got \[\]"):
        score_to_refit(None, [])


@pytest.mark.parametrize(
    ("scoring", "said"),
    [
        ("auc", "got 'auc'; did you mean 'roc_auc'"),
        ("RMSE", "got 'RMSE'; did you mean 'neg_root_mean_squared_error'"),
        (["accuracy", "acuracy"], "got 'acuracy'; did you mean 'accuracy'"),
        ({"mine": "log_loss"}, "got 'log_loss'; did you mean 'neg_log_loss'"),
        ("zzz", "got 'zzz'$"),
    ],
)
def test_a_score_that_does_not_exist_is_named_with_what_is_meant(scoring, said):
    with pytest.raises(ValueError, match=f"scoring must name a score .*{said}"):
        check_names_of_scores(scoring)


def test_scores_that_exist_pass():
    mine = make_scorer(r2_score)
    for scoring in (None, "r2", mine, ["r2", "accuracy"], {"a": mine, "b": "f1"}):
        check_names_of_scores(scoring)


def test_parameters_of_the_net_are_known_or_nearly():
    own = ["width", "depth", "X", "y", "parameters"]
    check_parameters(ActMLP(), {"dropout": 0.1, "callbacks": None}, own)
    with pytest.raises(TypeError, match="hidden is tried by the search: give it"):
        check_parameters(ActMLP(), {"hidden": (8,)}, own)
    with pytest.raises(TypeError, match="'widht'; did you mean 'width'"):
        check_parameters(ActMLP(), {"widht": 3}, own)
    with pytest.raises(TypeError, match="callbacks must be a list, got 'disable'"):
        check_parameters(ActMLP(), {"callbacks": "disable"}, own)


def test_a_plain_function_may_read_rows_and_a_scorer_may_not():
    assert reads_rows(lambda estimator, X, y: 0.0)
    assert reads_rows({"a": "accuracy", "b": lambda estimator, X, y: 0.0})
    assert not reads_rows("accuracy")
    assert not reads_rows(["r2", make_scorer(r2_score)])
    assert not reads_rows(None)


def test_names_of_others_for_arguments_of_the_search_lead_to_them():
    for name, ours in {"time": "budget", "metric": "scoring"}.items():
        with pytest.raises(TypeError, match=f"'{name}'; did you mean '{ours}'"):
            check_parameters(ActMLP(), {name: 60}, ["budget", "scoring"])

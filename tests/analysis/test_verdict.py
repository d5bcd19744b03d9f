"""A verdict says in words which value is best, and what is not shown."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC

from skact import Comparison, compare
from skact.analysis.verdict import verdict_of


def test_the_verdict_on_it_is_the_published_one(moons: Any) -> None:
    found = compare(moons, ["kernel", "degree"])
    verdicts = found.frame["verdict"].tolist()
    assert verdicts == ["undecided"] * 2 + ["a better", "undecided"] + ["a better"] * 2
    assert found.headline == (
        "No single winner: rbf scores best of 4 values of kernel and degree (roc_auc "
        '0.94, mean of 100 folds), but linear and "poly, degree=3" may be as good.'
    )
    assert '"poly, degree=2" (by 0.2548, p < .001) is worse than rbf.' in found.verdict
    assert "are not shown to be worse than rbf, nor to be equivalent" in found.verdict


def test_a_real_difference_is_found_and_equality_too(results: Any) -> None:
    rng = np.random.default_rng(0)
    common = rng.normal(0.9, 0.03, size=10)
    table = results(
        {
            "good": common,
            "as good": common + rng.normal(0, 0.001, 10),
            "bad": common - 0.05 + rng.normal(0, 0.005, 10),
        }
    )
    found = compare(table, rope=0.01)
    verdicts = found.frame.set_index(["a", "b"])["verdict"]
    assert set(verdicts.loc[["good", "as good"]].tolist()) == {"equivalent", "a better"}
    assert found.scores.columns[-1] == "bad"
    first = found.headline.split(" scores best")[0]
    assert first in ("No single winner: good", "No single winner: as good")
    assert "(probability > 99.9 %) is practically equivalent to " in found.verdict
    assert ", within 0.01." in found.verdict
    assert "bad (by 0.0" in found.verdict
    assert "p < .001) is worse" in found.verdict


def test_it_prints_the_verdict_and_the_table(results: Any) -> None:
    found = compare(results({"a": [0.9, 0.8, 0.7], "b": [0.5, 0.5, 0.6]}))
    answer, _, rest = str(found).partition("\n")
    assert answer == found.headline == found.verdict.split("\n")[0]
    assert answer.startswith(
        "No winner is shown: a scores best of 2 values of activation (score 0.8, mean "
        "of 3 folds), but b may be as good."
    )
    assert rest
    assert "p_holm" in str(found)
    assert found.to_frame() is found.frame
    page = found._repr_html_()
    assert page.startswith("<p><b>No winner is shown: a scores best")
    assert "<table" in page


def found_for(*pairs: tuple[str, str, str]) -> Comparison:
    """A comparison of values whose pairs have these verdicts, the best value first."""
    rows = [
        {"a": a, "b": b, "difference": 0.1, "low": 0.0, "high": 0.2, "p_holm": 0.0004}
        | {"equivalent": 0.97, "verdict": verdict}
        for a, b, verdict in pairs
    ]
    values = list(dict.fromkeys([name for a, b, _ in pairs for name in (a, b)]))
    means = {name: [1 - 0.1 * i] * 3 for i, name in enumerate(values)}
    frame, scores = pd.DataFrame(rows), pd.DataFrame(means)
    return Comparison(frame, scores, "activation", "test_acc", 0.01, 0.05, 0.25, ["N."])


def test_each_kind_of_pair_has_its_own_sentence_and_notes_come_last() -> None:
    found = found_for(
        ("r", "s", "equivalent"),
        ("r", "t", "a better"),
        ("r", "u", "a better"),
        ("r", "v", "undecided"),
        ("s", "t", "a better"),
        ("s", "u", "undecided"),
    )
    answer, text, reach, note = verdict_of(found).split("\n")
    assert answer == (
        "No single winner: r scores best of 5 values of activation (acc 1, mean of 3 "
        "folds), but s and v may be as good."
    )
    assert text == (
        "s (probability 97.0 %) is practically equivalent to r, within 0.01. "
        "t (by 0.1, p < .001) and u (by 0.1, p < .001) are worse than r. "
        "v (0.1 less, p < .001) is not shown to be worse than r, nor to be equivalent. "
        "Of the other 2 pairs, 1 differs and 1 cannot be told apart."
    )
    assert reach.startswith(
        "With these 3 folds and 6 pairs a difference from r must reach about 0.25 to "
        "be told from chance"
    )
    assert note == "N."


@pytest.mark.parametrize(
    ("verdicts", "answer"),
    [
        (["a better"], "Winner: r{} 2{}, and the other is worse."),
        (["a better"] * 3, "Winner: r{} 4{}, and the others are worse."),
        (["equivalent"], "No winner: r{} 2{}, and the other is equivalent."),
        (["equivalent"] * 2, "No winner: r{} 3{}, and the others are equivalent."),
        (["undecided"], "No winner is shown: r{} 2{}, but s0 may be as good."),
        (
            ["equivalent", "undecided"],
            "No winner is shown: r{} 3{}, but s0 and s1 may be as good.",
        ),
        (["undecided"] * 5, "No winner is shown: r{} 6{}, but the others may be"),
        (
            ["a better"] + ["undecided"] * 4,
            "No single winner: r{} 6{}, but 4 others may be as good.",
        ),
    ],
)
def test_the_first_line_is_the_answer(verdicts: list[str], answer: str) -> None:
    pairs = [("r", f"s{i}", verdict) for i, verdict in enumerate(verdicts)]
    parts = " scores best of", " values of activation (acc 1, mean of 3 folds)"
    assert found_for(*pairs).headline.startswith(answer.format(*parts))


def test_pairs_without_the_best_value_make_no_winner() -> None:
    lost = verdict_of(found_for(("r", "s", "undecided"), ("s", "t", "a better")))
    assert lost.startswith("No winner is shown: r scores best of 3 values")
    assert "t is worse than s." in lost


def test_values_with_the_best_mean_are_all_named(results: Any) -> None:
    scores = {"a": [0.9, 0.8, 0.7], "b": [0.8, 0.9, 0.7], "c": [0.5, 0.9, 0.1]}
    found = compare(results(scores))
    assert found.headline.startswith("No winner is shown: a and b score best of 3")
    assert found.headline.endswith(
        "(score 0.8, mean of 3 folds), but c may be as good."
    )
    assert "b (the same mean, p = 1)" in found.verdict


def test_one_pair_needs_no_adjustment_and_few_folds_are_called_few() -> None:
    text = verdict_of(found_for(("r", "s", "undecided")))
    assert "With these 3 folds a difference from r must reach about 0.1 to be" in text
    assert "chance: 3 folds tell little of chance, 5 or 10 tell more.\nN." in text


def test_where_all_is_decided_nothing_must_be_reached() -> None:
    assert "must reach" not in verdict_of(found_for(("r", "s", "a better")))


def test_names_with_commas_are_quoted(results: Any) -> None:
    """A list of names was read as of more values: "relu, tanh (by 0.1) and ..."."""
    found = compare(
        results({"('relu', 'tanh')": [0.9, 0.8, 0.7], "b": [0.5, 0.5, 0.6]})
    )
    assert "\"('relu', 'tanh')\" scores best of 2 values" in found.headline


def test_the_metric_of_a_search_is_named() -> None:
    X, y = load_iris(return_X_y=True)
    search = GridSearchCV(SVC(), {"C": [0.1, 1.0]}, cv=3).fit(X, y)
    assert "(accuracy 0." in compare(search, "C").headline
    again = GridSearchCV(SVC(), {"C": [0.1, 1.0]}, scoring="f1_macro", cv=3).fit(X, y)
    assert "(f1_macro 0." in compare(again, "C").headline
    assert "(score 0." in compare(search.cv_results_, "C").headline


def test_a_share_must_not_reach_more_than_one(results: Any) -> None:
    """A difference of accuracies had to reach 21."""
    rng = np.random.default_rng(0)
    table = results({f"f{i}": rng.integers(60, 75, 2) / 75 for i in range(8)})
    text = compare(table).verdict
    assert "With these 2 folds and 28 pairs a difference from " in text
    assert "cannot be told from chance: 2 folds tell little of chance" in text
    assert "must reach" not in text

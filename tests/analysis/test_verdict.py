"""A verdict says in words which value is best, and what is not shown."""

from typing import Any

import numpy as np
import pandas as pd

from skact import Comparison, compare
from skact.analysis.verdict import verdict_of


def test_the_verdict_on_it_is_the_published_one(moons: Any) -> None:
    found = compare(moons, ["kernel", "degree"])
    verdicts = found.frame["verdict"].tolist()
    assert verdicts == ["undecided"] * 2 + ["a better", "undecided"] + ["a better"] * 2
    assert "rbf scores best: 0.94 (score, mean of 100 folds)" in found.verdict
    assert "poly, degree=2 (by 0.2548, p < .001) is worse" in found.verdict
    assert "neither shown to be worse nor to be equivalent" in found.verdict


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
    assert "is practically equivalent to it, within 0.01" in found.verdict
    assert "bad (by 0.0" in found.verdict
    assert "p < .001) is worse" in found.verdict


def test_it_prints_the_verdict_and_the_table(results: Any) -> None:
    found = compare(results({"a": [0.9, 0.8, 0.7], "b": [0.5, 0.5, 0.6]}))
    assert str(found).startswith(
        "No winner is shown. Of 2 values of activation, a scores best: 0.8"
    )
    assert "p_holm" in str(found)
    assert found.to_frame() is found.frame
    page = found._repr_html_()
    assert page.startswith("<p>No winner is shown. Of 2 values")
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
    text = verdict_of(found)
    assert text.startswith("Of 5 values of activation, r scores best: 1 (acc, mean of ")
    assert "s (probability 97.0%) is practically equivalent to it, within 0.01." in text
    assert "t (by 0.1, p < .001) and u (by 0.1, p < .001) are worse." in text
    assert "v (0.1 less, p < .001) is neither shown to be worse nor to be" in text
    assert "Of the other 2 pairs, 1 differs, 1 cannot be told apart." in text
    assert text.endswith("more after the adjustment for 6 pairs. N.")


def test_a_winner_is_shown_only_if_the_best_value_beats_another() -> None:
    lost = verdict_of(found_for(("r", "s", "undecided"), ("s", "t", "a better")))
    assert lost.startswith("No winner is shown. Of 3 values")
    won = verdict_of(found_for(("r", "s", "undecided"), ("r", "t", "a better")))
    assert won.startswith("Of 3 values")


def test_one_pair_needs_no_adjustment() -> None:
    text = verdict_of(found_for(("r", "s", "a better")))
    assert "must reach about 0.1 to be told from chance. N." in text
    assert "adjustment" not in text

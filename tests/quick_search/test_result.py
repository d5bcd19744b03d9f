"""A result can be printed, shown in a notebook, and asked; all forms agree."""

import re

import pytest
from sklearn.datasets import load_diabetes, load_iris

from skact import diagnose, search

X, y = load_iris(return_X_y=True, as_frame=True)
OPTIONS = {"width": 8, "depth": 1, "cv": 2, "max_epochs": 4, "progress": False}


@pytest.fixture(scope="module")
def found():
    names = ["relu", lambda x: x.clip(min=0) + 0.01 * x]
    names[1].__name__ = "<b>bold</b>"
    return search(X, y, activations=names, n_candidates=4, **OPTIONS)


def test_the_first_of_several_scores_chooses() -> None:
    options = OPTIONS | {"activations": ["relu"], "n_candidates": 1}
    found = search(X, y, scoring=["f1_macro", "accuracy"], **options)
    assert found.search_.refit == found.score_name == "f1_macro"
    assert "scored by f1_macro" in str(found)


def test_the_short_form_names_winner_and_score(found):
    text = repr(found)
    assert len(text) < 120
    assert text.startswith("<SearchResult: ")
    assert f"accuracy {found.best_score_:.4g}>" in text


def test_what_is_printed_has_task_table_verdict_and_next_steps(found):
    text = str(found)
    assert text.startswith(
        "Classification: y holds 3 different whole numbers; if their"
    )
    assert "4 candidates on 2 folds, scored by accuracy; in rounds of epochs" in text
    assert found.verdict in text
    assert "\nNext:\n- " in text
    for model in found.ranking_["model"]:
        assert model in text


def test_the_winner_is_the_first_of_the_ranking(found):
    assert found.ranking_["score"].max() == found.ranking_["score"].iloc[0]
    nets = found.ranking_[~found.ranking_["model"].str.contains("baseline")]
    assert nets["score"].iloc[0] == pytest.approx(found.best_score_)


def test_a_notebook_shows_the_same_and_no_markup_of_names(found):
    page = found._repr_html_()
    assert "<b>bold" not in page
    assert "&lt;b&gt;bold" in page
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", page)
    assert {"net", "relu"} <= set(cells)
    for step in found.next_steps:
        assert step.split(":")[0].replace("<", "&lt;").replace(">", "&gt;") in page


def test_a_regression_is_shown_with_its_reason():
    data, target = load_diabetes(return_X_y=True, as_frame=True)
    options = OPTIONS | {"activations": ["relu"], "n_candidates": 2}
    found = search(data, target, **options)
    assert str(found).startswith("Regression: y holds 214 different whole numbers")
    assert found.score_name == "R2"
    assert found.columns_["inputs"].sum() >= 10
    # the ten columns hold more than ten different numbers, but for one
    assert set(found.ranking_["numbers"].dropna()) <= {"clip", "quantile", "piecewise"}


def test_what_was_tried_is_there_as_frames(found):
    assert set(found.to_frame("fold")["fold"]) == {0, 1}
    assert len(found.to_frame("epoch")) > 0
    comparison = found.compare()
    assert comparison.means.index[0] in found.verdict


def test_a_single_activation_may_be_a_name_and_labels_are_those_of_y(found):
    one = search(X, y, activations="tanh", n_candidates=2, **OPTIONS)
    assert set(one.ranking_["activation"].dropna()) == {"tanh"}
    assert found.classes_.tolist() == [0, 1, 2]


def test_the_plot_names_the_score_and_draws_the_baselines_that_are_near(found):
    mpl = pytest.importorskip("matplotlib")
    with mpl.rc_context({"backend": "Agg"}):
        ax = found.plot().ax_
        assert ax.get_ylabel() == "test accuracy: mean ± std of 2 folds"
        low, high = ax.get_ylim()
        near = [name for name, of in found.baselines_.items() if low < of.mean() < high]
        assert [text.get_text() for text in ax.texts] == near
        assert not found.plot(metric="score").ax_.texts


def test_diagnose_asks_a_result_which_of_its_rows_count(found):
    own = found.diagnose()
    assert str(diagnose(found)) == str(own)
    assert "pass X and y" not in own.looked_at  # the search scales X itself

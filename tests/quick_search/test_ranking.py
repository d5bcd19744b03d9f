"""The ranking has each candidate once, at its best, and the other models beside it."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris

from skact import search
from skact.quick_search.ranking import NET, rank_models, scores_of_row

X, y = load_iris(return_X_y=True)


@pytest.fixture(scope="module")
def found():
    options = {"activations": ["relu", "tanh"], "width": 8, "depth": 1, "cv": 3}
    return search(X, y, n_candidates=12, max_epochs=8, progress=False, **options)


def test_each_candidate_stands_once_at_its_best_score(found):
    table, results = found.ranking_, found.search_.cv_results_
    nets = table[table["model"] == NET]
    assert len(nets) == 12
    for row in nets.itertuples():
        same = [
            score
            for params, score in zip(
                results["params"], results["mean_test_score"], strict=True
            )
            if all(
                value == getattr(row, name.rpartition("__")[2])
                for name, value in params.items()
                if not name.endswith("max_epochs")
            )
        ]
        assert row.score == max(same)


def test_the_best_stands_first_and_other_models_are_marked(found):
    table = found.ranking_
    assert (np.diff(table["score"]) <= 0).all()
    others = set(table["model"]) - {NET}
    assert others == {
        "average of 3 nets",
        "average of 5 nets",
        "average of 8 nets",
        "majority or mean (baseline)",
        "linear model (baseline)",
        "HistGradientBoosting (baseline)",
    }
    assert list(table.columns[:7]) == [
        *("model", "score", "std", "activation", "depth", "width", "lr"),
    ]


def test_a_net_stands_before_another_model_of_the_same_score(found):
    best = scores_of_row(found.search_, found.search_.best_index_)
    table = rank_models(found.search_, {"other": best})
    assert table["model"].tolist()[:2] == [NET, "other"]


def test_the_scores_of_a_row_have_its_mean(found):
    for row in found.search_.rank_candidates():
        mean = found.search_.cv_results_["mean_test_score"][row]
        assert scores_of_row(found.search_, row).mean() == pytest.approx(mean)


def test_the_comparison_has_the_scores_of_the_ranking(found):
    """Each activation at its best candidate, though folds might choose another."""
    compared = found.compare().scores
    for name in ("relu", "tanh"):
        row = next(
            row
            for row in found.search_.rank_candidates()
            if found.search_.cv_results_["params"][row]["net__activation"] == name
        )
        own = scores_of_row(found.search_, row)
        assert compared[name].tolist() == own.tolist()


def test_winner_parameters_and_verdict_name_the_same_net(found):
    table = found.ranking_
    first = table[table["model"] == NET].iloc[0]
    for name in ("activation", "lr", "max_epochs"):
        assert first[name] == found.best_params_[name]
    assert found.comparison.means.index[0] == first["activation"]
    assert f"{first['activation']} scores best" in found.verdict
    assert isinstance(table, pd.DataFrame)

"""The winner of a search leaves Python, if its columns are numbers."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes

from skact import search, to_onnx
from skact.quick_search.averages import average_of

OPTIONS = {"n_candidates": 4, "max_epochs": 8, "progress": False, "average": 1}


@pytest.fixture(scope="module", params=["standard", "clip", "piecewise"])
def numbers(request):
    return request.param


@pytest.mark.parametrize("is_frame", [True, False])
def test_a_classifier_and_its_average_with_gaps(numbers, is_frame, check):
    rows, y = load_breast_cancer(return_X_y=True, as_frame=True)
    rows = rows.mask(np.random.default_rng(0).random(rows.shape) < 0.05)
    rows["constant"], rows["few"] = 1.0, np.arange(len(rows)) % 3
    rows = rows if is_frame else rows.drop(columns="constant").to_numpy()
    found = search(rows, y, numbers=numbers, **OPTIONS)
    best = found.best_estimator_
    check(to_onnx(best, X=rows), best, rows)
    members = found.search_.cv_results_["params"][:3]
    average = average_of(best, members).fit(rows, y)
    check(to_onnx(average, X=rows), average, rows)


def test_a_regressor_and_its_average(numbers, run):
    rows, y = load_diabetes(return_X_y=True)
    found = search(rows, y, numbers=numbers, **OPTIONS)
    best = found.best_estimator_
    members = found.search_.cv_results_["params"][:3]
    for model in (best, average_of(best, members).fit(rows, y)):
        (predicted,) = run(to_onnx(model), rows)
        expected = model.predict(rows)
        np.testing.assert_allclose(predicted[:, 0], expected, rtol=1e-4)


def test_what_has_no_form_is_named():
    rows, y = load_breast_cancer(return_X_y=True, as_frame=True)
    found = search(rows, y, numbers="quantile", **OPTIONS)
    with pytest.raises(ValueError, match="cannot write numbers='quantile' of NumberEn"):
        to_onnx(found.best_estimator_, X=rows)
    rows["word"] = np.where(rows["mean area"] > 500, "large", "small")
    rows["day"] = pd.Timestamp("2024-05-01")
    rows.loc[0, "day"] = pd.Timestamp("2023-05-01")
    found = search(rows, y, numbers="clip", **OPTIONS)
    said = "the columns 'word', 'day' of TableEncoder: they are of kind category, date"
    with pytest.raises(ValueError, match=said):
        to_onnx(found.best_estimator_, X=rows)
    with pytest.raises(ValueError, match="got SearchResult: pass best_estimator_"):
        to_onnx(found)

"""Folds that all candidates of a search share."""

import gc
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler

from skact import search
from skact.quick_search.folds import SharedFolds, SharedTransformer
from skact.quick_search.numbers import NumberEncoder
from skact.quick_search.tables import TableEncoder

N = 60
NUMBERS = np.random.default_rng(0).normal(size=(N, 2))
WORDS = np.random.default_rng(1).choice(["u", "v", "w"], N)
SPARSE = csr_array(NUMBERS)
FRAME = pd.DataFrame(NUMBERS, columns=["a", "b"]).assign(word=WORDS)
LABELS = np.where(NUMBERS[:, 0] > 0, "yes", "no")
OPTIONS: dict[str, Any] = {
    "activations": ["relu", "tanh"],
    "n_lr": 2,
    "max_epochs": 1,
    "width": 8,
    "depth": 1,
    "numbers": "clip",
    "n_candidates": 4,
    "average": 1,
    "progress": False,
}


def count_calls(monkeypatch: Any, kind: type, *names: str) -> Counter:
    """Count the calls of methods, of all objects of a class."""
    calls: Counter = Counter()

    def counted(name: str, method: Any) -> Any:
        def call(self: Any, *args: Any, **options: Any) -> Any:
            calls[name] += 1
            return method(self, *args, **options)

        return call

    for name in names:
        monkeypatch.setattr(kind, name, counted(name, getattr(kind, name)))
    return calls


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"cv": GroupKFold(3), "groups": np.arange(N) % 6},
        {"scoring": ["accuracy", "f1_macro"], "sample_weight": np.ones(N)},
    ],
    ids=["plain", "groups", "scores"],
)
def test_a_fold_is_transformed_once_for_all_candidates(
    monkeypatch: pytest.MonkeyPatch, options: dict
) -> None:
    for X, kind in ((FRAME, TableEncoder), (NUMBERS, NumberEncoder)):
        with monkeypatch.context() as patch:
            patch.setattr(
                "skact.quick_search.search.score_baselines", lambda *a, **k: {}
            )
            calls = count_calls(patch, kind, "fit", "transform")
            search(X, LABELS, **{"cv": 3, **options, **OPTIONS})
        # three folds, and all rows for the refit; held-out rows are not fitted on.
        # `ways_that_differ` is not asked, because `numbers` is given
        assert calls == {"fit": 3 + 1, "transform": 2 * 3 + 1}


@pytest.mark.parametrize("dtype", ["float32", "float64", "auto"])
def test_sharing_folds_changes_no_bit_of_a_search(dtype: str) -> None:
    for X in (FRAME, NUMBERS, NUMBERS.tolist(), SPARSE):
        way = None if X is SPARSE else "clip"  # which is only scaled
        options = OPTIONS | {"numbers": way, "dtype": dtype}
        found = search(X, LABELS, cv=3, **options)
        alone = clone(found.search_)  # a plain search of scikit-learn's, not fused
        alone.fit(X, LABELS)
        for name in alone.cv_results_:
            if "test_score" in name:
                expected = alone.cv_results_[name]
                assert (found.search_.cv_results_[name] == expected).all()
        proba = alone.best_estimator_.predict_proba(X)
        assert (found.predict_proba(X) == proba).all()


def test_nothing_is_shared_after_the_search() -> None:
    found = search(FRAME, LABELS, cv=3, **OPTIONS)
    for pipeline in (found.search_.estimator, found.best_estimator_):
        assert type(pipeline[0]) is TableEncoder
    assert found.best_estimator_.predict(FRAME).shape == (N,)
    assert not found.search_.get_params().keys() & {"estimator__columns__folds"}


def test_a_score_that_writes_into_its_rows_disturbs_no_other_candidate() -> None:
    def spoil(estimator: Any, X: Any, y: Any) -> float:
        score = estimator.score(X, y)
        X["a"] *= 0
        return score

    plain = search(FRAME, LABELS, cv=3, **OPTIONS)
    spoiled = search(FRAME, LABELS, cv=3, scoring=spoil, **OPTIONS)
    name = "mean_test_score"
    results = plain.search_.cv_results_[name], spoiled.search_.cv_results_[name]
    assert (results[0] == results[1]).all()


@pytest.mark.parametrize("table", [FRAME, NUMBERS], ids=["frame", "array"])
def test_a_fold_lives_as_long_as_a_candidate_holds_it(table: Any) -> None:
    folds, rows = SharedFolds(), np.arange(10)
    X = folds.share(table)

    def cut(rows: np.ndarray) -> Any:
        return X.take(rows) if isinstance(X, pd.DataFrame) else X[rows, ...]

    fold, same, other = cut(rows), cut(rows.copy()), cut(rows + 1)
    assert fold is same
    assert type(fold) is type(table)
    assert other is not fold
    results = folds.results_of(fold)
    results["found"] = 1
    assert folds.results_of(same) == {"found": 1}
    assert folds.results_of(other) == {}
    del fold, same
    gc.collect()
    assert folds.results_of(cut(rows)) == {}


def test_a_shared_table_is_otherwise_a_table() -> None:
    folds = SharedFolds()
    frame, array = folds.share(FRAME), folds.share(NUMBERS)
    assert frame.take([0, 1]).equals(FRAME[:2])
    assert frame.take(np.array([1]), axis=1).equals(FRAME[["b"]])
    assert frame[frame["a"] > 0].equals(FRAME[FRAME["a"] > 0])
    assert (array[1:3, 0] == NUMBERS[1:3, 0]).all()
    assert (array[array[:, 0] > 0] == NUMBERS[NUMBERS[:, 0] > 0]).all()
    assert ((array + 1)[np.array([2]), ...] == NUMBERS[[2]] + 1).all()
    sparse = csr_array(NUMBERS)
    assert folds.share(sparse) is sparse


def test_each_way_to_encode_numbers_is_fitted_once_on_a_fold() -> None:
    folds = SharedFolds()
    X = folds.share(NUMBERS)
    fold = X[np.arange(10), ...]
    ways = ["clip", "piecewise", "clip", "standard"]
    shared = [
        SharedTransformer(NumberEncoder(), folds, numbers=way).fit(fold) for way in ways
    ]
    first, bins, again, plain = (one.transformer_ for one in shared)
    assert first is again
    assert [first.numbers, bins.numbers, plain.numbers] == [ways[0], ways[1], ways[3]]
    assert bins.n_outputs_.sum() == shared[1].transform(fold).shape[1]
    for one in shared:
        alone = NumberEncoder(one.numbers).fit_transform(NUMBERS[:10])
        assert (one.transform(fold) == alone).all()


def test_what_no_float32_can_hold_is_left_to_the_net_to_refuse() -> None:
    wide = np.array([[1.0], [1e300]])
    scaler = StandardScaler(with_mean=False, with_std=False)
    shared = SharedTransformer(scaler, SharedFolds(), "float32")
    assert shared.fit_transform(wide).dtype == "float64"
    assert shared.fit_transform(wide[:1]).dtype == "float32"

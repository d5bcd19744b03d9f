"""Columns that users have become numbers for a net."""

import pickle
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from skact import search
from skact.quick_search.tables import TableEncoder, as_table, kind_of_column

N = 60
NUMBERS = np.random.default_rng(0).normal(size=N)
SECONDS = (NUMBERS * 1e6).astype(int)
DATES = pd.Timestamp("2024-01-01") + pd.to_timedelta(SECONDS, unit="s")
COLUMNS = {
    "object": (pd.Series(NUMBERS, dtype=object), "number"),
    "decimal": ([Decimal(repr(float(v))) for v in NUMBERS], "number"),
    "nullable": (pd.array([True, None] * 29 + [False, True]), "number"),
    "date": (DATES, "date"),
    "date objects": ([d.date() for d in DATES], "date"),
    "duration": (pd.to_timedelta(SECONDS, unit="s"), "duration"),
    "mixed": ([1, 2.5, "three"] * 20, "category"),
    "ordered": (pd.Categorical(["a", "b"] * 30, ordered=True), "category"),
    "empty": ([np.nan] * N, "constant"),
    "same": (["x"] * N, "constant"),
    "running": (range(5, N + 5), "id"),
    "unique": ([f"id{i}" for i in range(N)], "id"),
    "text": ([f"some long words {i}" for i in range(N)], "text"),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_each_column_is_known_for_what_it_is(name: str) -> None:
    values, kind = COLUMNS[name]
    assert kind_of_column(pd.Series(values)) == kind


def test_all_kinds_become_finite_numbers_with_names() -> None:
    frame = pd.DataFrame({name: values for name, (values, _) in COLUMNS.items()})
    encoder = TableEncoder().fit(frame)
    found = encoder.transform(frame)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert found.shape[1] == len(encoder.get_feature_names_out())
    again = pickle.loads(pickle.dumps(clone(encoder).fit(frame)))
    assert (again.transform(frame) == found).all()
    assert (encoder.transform(frame[frame.columns[::-1]]) == found).all()


def test_rows_to_predict_may_hold_what_no_row_had() -> None:
    frame = pd.DataFrame({"n": [1.0, 2.0, 4.0], "word": ["u", "v", "u"]})
    encoder = TableEncoder().fit(frame)
    for word in (None, np.nan, pd.NA, 3, "never seen"):
        row = pd.DataFrame({"n": [None], "word": [word]})
        assert encoder.transform(row).tolist() == [[0, 0, 0]]
    assert encoder.transform(frame.iloc[0]).shape == (1, 3)
    with pytest.raises(ValueError, match=r"lacks columns .*\['word'\]"):
        encoder.transform(frame[["n"]])
    with pytest.raises(ValueError, match="Column 'n' of X holds infinite values"):
        encoder.transform(frame.assign(n=np.inf))


@pytest.mark.parametrize(
    "names", [[2, 1], ["a", 7], [0.5, 1.5], ["a", "a"], [("a", 1), ("a", 2)]]
)
def test_names_of_columns_are_no_positions(names: list) -> None:
    frame = pd.DataFrame({"word": ["u", "v", "u"], "n": [1.0, 2.0, 4.0]})
    expected = TableEncoder().fit_transform(frame)
    frame.columns = pd.Index(names)
    assert (TableEncoder().fit_transform(frame) == expected).all()


def test_lists_and_structured_arrays_are_tables() -> None:
    assert as_table([[1, "a"], [2, "b"]])[0].tolist() == [1, 2]
    records = np.array([(1, 2.0)], dtype=[("a", int), ("b", float)])
    assert list(as_table(records)) == ["a", "b"]
    with pytest.raises(ValueError, match="equal lengths"):
        as_table([[1], [1, 2]])


def test_the_result_says_what_was_done_with_columns() -> None:
    frame = pd.DataFrame({"n": NUMBERS, "key": range(N), "same": 1})
    options = {"activations": ["relu"], "n_lr": 1, "max_epochs": 1, "progress": False}
    found = search(frame, NUMBERS > 0, cv=2, **options)
    assert found.columns_["kind"].tolist() == ["number", "id", "constant"]
    assert "Columns dropped as ids: key.\n" in str(found)
    with pytest.raises(ValueError, match="nothing but constants and ids"):
        TableEncoder().fit(frame[["key", "same"]])

"""Columns that users have become numbers for a net."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone

from skact import search
from skact.quick_search.column_kinds import kind_of_column
from skact.quick_search.tables import TableEncoder, as_table
from tests.quick_search.test_column_kinds import COLUMNS, DATES, NUMBERS, SECONDS, N


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


FLAGS = np.array([True, False, None] * 20, dtype=object)
WORDS = np.array(["u", "v", None, "w"] * 15, dtype=object)
WHOLE = np.array([1, 2, 3, None, 5, 7] * 10, dtype=object)
AS_OBJECTS = pd.DataFrame({"n": NUMBERS, "flag": FLAGS, "word": WORDS, "whole": WHOLE})
NULLABLE = {"n": "Float64", "flag": "boolean", "word": "string", "whole": "Int64"}
FORMS = {
    "nullable": AS_OBJECTS.astype(NULLABLE),
    "converted": AS_OBJECTS.convert_dtypes(),
    "floats": AS_OBJECTS.astype({"n": float, "flag": float, "whole": float}),
    "NaN": AS_OBJECTS.where(AS_OBJECTS.notna(), np.nan),
    "NA": AS_OBJECTS.where(AS_OBJECTS.notna(), pd.NA),
    "categories": AS_OBJECTS.astype({"word": "category"}),
}


@pytest.mark.parametrize("form", FORMS)
def test_equal_values_are_encoded_equally_whatever_their_dtype(form: str) -> None:
    expected = TableEncoder().fit_transform(AS_OBJECTS)
    assert (TableEncoder().fit_transform(FORMS[form]) == expected).all()
    encoder = TableEncoder().fit(AS_OBJECTS)
    assert (encoder.transform(FORMS[form]) == expected).all()


def test_a_whole_number_is_one_category_with_and_without_a_gap() -> None:
    mixed = pd.DataFrame({"grade": [1, 2, "none"] * 5}, dtype=object)
    encoder = TableEncoder().fit(mixed)
    with_gap = pd.DataFrame({"grade": [1.0, 2.0, np.nan]})
    assert encoder.transform(with_gap).tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_it_counts_what_each_column_becomes() -> None:
    frame = pd.DataFrame({name: values for name, (values, _) in COLUMNS.items()})
    many = [f"k{i % 55}" for i in range(N)]  # more than there may be categories
    frame.insert(0, "many", many)
    encoder = TableEncoder(["category", *TableEncoder().fit(frame).kinds_[1:]])
    counts = encoder.fit(frame).count_outputs()
    assert sum(counts) == encoder.transform(frame).shape[1]
    named = dict(zip(frame.columns, counts, strict=True))
    assert named["many"] == 50
    assert (named["date"], named["mixed"], named["unique"]) == (6, 3, 0)
    assert named["text"] == 32


def test_what_is_no_number_in_rows_to_predict_is_said_or_refused() -> None:
    numbers = pd.DataFrame({"n": NUMBERS, "day": DATES, "time": SECONDS.tolist()})
    numbers["time"] = pd.to_timedelta(numbers["time"], unit="s")
    encoder = TableEncoder().fit(numbers)
    missing = numbers.assign(n=np.nan)
    with pytest.warns(UserWarning, match=r"'n' .* no number, such as 'x', in 60 of 60"):
        lost = encoder.transform(numbers.assign(n="x"))
    assert (lost == encoder.transform(missing)).all()
    with pytest.warns(UserWarning, match="'day' of X holds what is no date"):
        encoder.transform(numbers.assign(day="soon"))
    with pytest.warns(UserWarning, match="'time' of X holds what is no duration"):
        encoder.transform(numbers.assign(time="long"))
    for words in ("?", "", None):  # words for a gap are no surprise
        assert (encoder.transform(numbers.assign(n=words)) == lost).all()
    assert (encoder.transform(numbers.astype({"n": str, "day": str}))).shape == (N, 8)
    for name, other in (("n", "day"), ("day", "n"), ("time", "n")):
        swapped = numbers.assign(**{name: numbers[other]})
        with pytest.raises(TypeError, match=f"'{name}' of X holds .*, and the search"):
            encoder.transform(swapped)


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


def test_frames_of_other_libraries_are_read_or_refused() -> None:
    class Polars:
        columns = ("a", "b")

        def to_dicts(self) -> list:
            raise AssertionError("slow")

        def to_dict(self, *, as_series: bool) -> dict:
            assert not as_series
            return {"a": [1, 2], "b": ["u", "v"]}

    class Table:
        columns = ()

        def to_pandas(self) -> pd.DataFrame:
            return AS_OBJECTS

    class LazyFrame:
        def collect(self) -> None: ...

    assert as_table(Polars()).to_dict("list") == {"a": [1, 2], "b": ["u", "v"]}
    assert as_table(Table()) is AS_OBJECTS
    with pytest.raises(TypeError, match=r"X is a LazyFrame, .*: call its collect\(\)"):
        as_table(LazyFrame())
    other = type("Frame", (), {"columns": ()})()
    with pytest.raises(TypeError, match="turn it into a pandas DataFrame"):
        as_table(other)


def test_names_of_several_levels_are_names() -> None:
    names = pd.MultiIndex.from_tuples([("n", "a"), ("w", "b")])
    frame = pd.DataFrame({"a": NUMBERS, "b": ["u", "v"] * 30}).set_axis(names, axis=1)
    encoder = TableEncoder().fit(frame)
    found = encoder.transform(frame)
    assert (encoder.transform(frame.iloc[:, ::-1]) == found).all()
    assert (encoder.transform(frame.iloc[0]) == found[:1]).all()
    with pytest.raises(ValueError, match=r"lacks columns .*\('w', 'b'\)"):
        encoder.transform(frame[["n"]])


def test_the_result_says_what_was_done_with_columns() -> None:
    frame = pd.DataFrame({"n": NUMBERS, "key": range(N), "same": 1})
    options = {"activations": ["relu"], "n_lr": 1, "max_epochs": 1, "progress": False}
    found = search(frame, NUMBERS > 0, cv=2, **options)
    assert found.columns_["kind"].tolist() == ["number", "id", "constant"]
    assert found.columns_["inputs"].tolist() == [1, 0, 0]
    arrays = search(NUMBERS[:, None], NUMBERS > 0, cv=2, **options)
    assert arrays.columns_.empty
    assert "Columns dropped as ids: key.\n" in str(found)
    with pytest.raises(ValueError, match="nothing but constants and ids"):
        TableEncoder().fit(frame[["key", "same"]])


def test_bytes_are_words_and_numbers() -> None:
    """As pandas reads them from files of SAS."""
    numbers = [f"{value:.3f}".encode() for value in NUMBERS]
    frame = as_table(pd.DataFrame({"n": numbers, "w": [b"a", b"b"] * 30}))
    assert [kind_of_column(frame[name]) for name in "nw"] == ["number", "category"]
    encoder = TableEncoder().fit(frame)
    assert encoder.get_feature_names_out().tolist() == ["n", "w_a", "w_b"]
    assert kind_of_column(as_table(np.array([[b"a"], [b"b"]]))[0]) == "category"
    fixed = pd.DataFrame(index=range(len(numbers)))
    fixed["n"], fixed["w"] = np.array(numbers, "S"), np.array(["a", "b"] * 30, "S")
    assert (TableEncoder().fit_transform(fixed) == encoder.transform(frame)).all()


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (None, "X must be a table of rows and columns, got None"),
        ("abc", "X must be a table of rows and columns, got 'abc'"),
        (NUMBERS, r"got an array of shape \(60,\). If X is one column, pass X.reshape"),
        (NUMBERS[None, None], r"got an array of shape \(1, 1, 60\)"),
        (torch.ones(3, 2, dtype=torch.bfloat16), "X is a tensor of torch.bfloat16"),
    ],
)
def test_what_is_no_table_is_refused(X, message) -> None:
    with pytest.raises(ValueError, match=message):
        as_table(X)


def test_an_array_in_place_of_a_frame_is_told_what_it_lacks() -> None:
    encoder = TableEncoder().fit(pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 5.0]}))
    with pytest.raises(ValueError, match=r"had: .'a', 'b'.. It has no names: pass a"):
        encoder.transform(np.zeros((1, 2)))

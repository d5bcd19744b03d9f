"""Columns that users have become numbers for a net."""

import datetime
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
    "one or none": (["x", None] * 30, "category"),
    "one number or none": ([1.0, np.nan] * 30, "category"),
    "empty": ([np.nan] * N, "constant"),
    "same": (["x"] * N, "constant"),
    "running": (range(5, N + 5), "id"),
    "unique": ([f"id{i}" for i in range(N)], "id"),
    "nearly unique": (["id0", "id1", *(f"id{i}" for i in range(N - 2))], "id"),
    "text": ([f"some long words {i}" for i in range(N)], "text"),
    "names": ([f"Ann B{i}" for i in range(N)], "text"),
    "phrases": (["it is late", "it is early"] * 30, "category"),
    "numbers in words": ([f"{v:.3f}" for v in NUMBERS[1:]] + ["?"], "number"),
    "few numbers in words": (["1", "02"] * 30, "category"),
    "dates in words": ([str(d.date()) for d in DATES], "date"),
    "times in words": ([d.isoformat() for d in DATES], "date"),
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


@pytest.mark.parametrize("word", ["${}", "{} %", "5/13/{}", "{},5"])
def test_digits_in_words_that_are_not_read_are_said(word: str) -> None:
    frame = pd.DataFrame({"n": NUMBERS, "w": [word.format(i) for i in range(N)]})
    options = {"activations": ["relu"], "n_lr": 1, "max_epochs": 1, "progress": False}
    with pytest.warns(UserWarning, match="Column 'w' of X holds digits in words"):
        search(frame, NUMBERS > 0, cv=2, **options)


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


GAPS = [" ", "", "?", "nan", "NaN", "NULL", "missing", "n/a", "Unknown", None]


@pytest.mark.parametrize("gap", GAPS)
@pytest.mark.parametrize("share", [0.005, 0.3])
def test_a_word_for_missing_makes_no_column_of_numbers_or_dates_another(gap, share):
    rng = np.random.default_rng(0)
    numbers = pd.Series([f"{value:.2f}" for value in rng.normal(50, 20, size=400)])
    dates = pd.Series([f"2024-{i % 12 + 1:02}-{i % 28 + 1:02}" for i in range(400)])
    rows = rng.random(400) < share
    rows[7] = True
    for column, kind in [(numbers, "number"), (dates, "date")]:
        column[rows] = gap
        assert kind_of_column(column) == kind
        encoded = TableEncoder([kind]).fit_transform(column.to_frame("c"))
        assert np.isfinite(encoded).all()


def test_a_few_other_words_among_numbers_are_named_and_many_make_words():
    column = pd.Series([f"{value:.3f}" for value in np.linspace(0, 1, 200)], name="c")
    column[[3, 5]] = "broken"
    assert kind_of_column(column) == "number"
    with pytest.warns(UserWarning, match="holds what is no number, such as 'b"):
        TableEncoder(["number"]).fit_transform(column.to_frame())
    column[:100] = "broken"
    assert kind_of_column(column) != "number"


@pytest.mark.parametrize(
    "dates",
    [
        ["9999-12-31", "1200-01-01"] * 3,
        [datetime.date(9999, 12, 31), datetime.date(1200, 1, 1)] * 3,
        np.array(["9999-12-31", "1200-01-01"] * 3, "datetime64[s]"),
        pd.period_range("2024-01", periods=6, freq="M"),
        list(pd.period_range("2024-01-01", periods=6, freq="D")),
    ],
    ids=["words", "dates", "seconds", "months", "days"],
)
def test_dates_of_all_times_and_periods_are_dates(dates):
    column = pd.Series(dates, name="c")
    assert kind_of_column(column) == "date"
    encoded = TableEncoder(["date"]).fit_transform(column.to_frame())
    assert np.isfinite(encoded).all()
    assert (np.ptp(encoded, axis=0) > 0).any()


@pytest.mark.parametrize("impossible", ["2020-02-30", "0000-00-00"])
def test_a_date_that_no_calendar_has_is_a_gap_and_is_named(impossible):
    days = pd.date_range("2020-01-01", periods=60)
    column = pd.Series([str(day.date()) for day in days], name="c")
    column[5] = impossible
    assert kind_of_column(column) == "date"
    with pytest.warns(UserWarning, match=f"no date, such as '{impossible}', in 1 of"):
        TableEncoder(["date"]).fit_transform(column.to_frame())

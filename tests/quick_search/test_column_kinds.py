"""A column is numbers, dates, words or ids by what it holds."""

import datetime
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from skact import search
from skact.quick_search.column_kinds import kind_of_column, warn_of_digits
from skact.quick_search.tables import TableEncoder

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


@pytest.mark.parametrize(
    "word", ["${}", "{} %", "5/13/{}", "{},5", "{}kg", "USD {}", "{}-May-24"]
)
@pytest.mark.parametrize("n_others", [0, 9])
def test_numbers_in_words_that_are_not_read_are_said(word: str, n_others: int) -> None:
    words = [word.format(i) for i in range(N - n_others)] + ["low"] * n_others
    column = pd.Series(words, name="w")
    with pytest.warns(UserWarning, match="Column 'w' of X holds numbers in words"):
        warn_of_digits(column, kind_of_column(column))


def test_a_search_says_which_numbers_in_words_it_does_not_read() -> None:
    frame = pd.DataFrame({"n": NUMBERS, "w": [f"${i}" for i in range(N)]})
    options = {"activations": ["relu"], "n_lr": 1, "max_epochs": 1, "progress": False}
    with pytest.warns(UserWarning, match="Column 'w' of X holds numbers in words"):
        search(frame, NUMBERS > 0, cv=2, **options)


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


def test_names_that_begin_with_letters_are_not_said_to_be_numbers() -> None:
    column = pd.Series([f"user_{i}" for i in range(N)], name="c")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_digits(column, kind_of_column(column))


@pytest.mark.parametrize("cell", [np.ones(3), [1, 2], {"a": 1}])
def test_arrays_in_cells_are_refused(cell) -> None:
    column = pd.Series([cell, *[cell] * 30], name="embedding")
    with pytest.raises(TypeError, match=r"'embedding' of X holds a \w+ in a cell"):
        kind_of_column(column)


def test_times_of_the_day_count_from_midnight() -> None:
    times = [datetime.time(i % 24, i) for i in range(N)]
    frame = pd.DataFrame({"t": times})
    assert kind_of_column(frame["t"]) == "duration"
    hours = np.array([one.hour + one.minute / 60 for one in times])
    found = TableEncoder().fit_transform(frame)[:, 0]
    np.testing.assert_allclose(found, (hours - hours.mean()) / hours.std(), atol=1e-5)


def test_infinity_in_words_is_refused_before_any_fold() -> None:
    words = [f"{value:.3f}" for value in NUMBERS[1:]] + ["inf"]
    with pytest.raises(ValueError, match="Column 'c' of X holds infinite values"):
        kind_of_column(pd.Series(words, name="c"))

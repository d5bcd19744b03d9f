"""What is allowed takes Python's and numpy's numbers, and no booleans for numbers."""

from fractions import Fraction

import numpy as np
import pytest

from skact.parameters.allowed import (
    BOOL,
    allow_int_from,
    allow_one_of,
    is_finite_number,
    is_int,
)


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_integers_count_from_the_lowest(value):
    assert is_int(value, 3)
    assert not is_int(value, 4)
    allowed = allow_int_from(4)
    assert (allowed.is_met_by(value), allowed.description) == (False, "an int >= 4")


@pytest.mark.parametrize("value", [True, 3.0, "3", None, np.array(3)])
def test_what_is_no_integer(value):
    assert not is_int(value, 0)


@pytest.mark.parametrize("value", [0, -1.5, np.float32(2), Fraction(1, 3), 10**300])
def test_numbers_that_a_float_holds(value):
    assert is_finite_number(value)


@pytest.mark.parametrize("value", [10**400, float("nan"), np.inf, True, "1", 1j, None])
def test_what_is_no_finite_number(value):
    assert not is_finite_number(value)


def test_one_of_some_strings_compares_no_arrays():
    allowed = allow_one_of(None, "a")
    assert [allowed.is_met_by(x) for x in (None, "a", "b", np.array(["a", "b"]))] == [
        *(True, True, False, False)
    ]
    assert allowed.description == "one of None, 'a'"
    assert not allow_one_of("a").is_met_by(None)


def test_booleans_of_numpy_are_booleans_and_numbers_are_none():
    assert [BOOL.is_met_by(x) for x in (True, np.False_, 0, 1.0, "True")] == [
        *(True, True, False, False, False)
    ]

"""Errors can be copied, pickled and caught as what they are."""

import copy
import pickle

import pytest

from skact import DivergedError
from skact.exceptions import copy_error


@pytest.mark.parametrize(
    "duplicate", [copy.copy, lambda e: pickle.loads(pickle.dumps(e))]
)
def test_a_diverged_error_keeps_its_message_and_epoch(duplicate):
    error = duplicate(DivergedError("the loss is nan", 7))
    assert type(error) is DivergedError
    assert (str(error), error.epoch) == ("the loss is nan", 7)


def test_a_diverged_error_is_an_arithmetic_error():
    with pytest.raises(ArithmeticError, match="the loss is nan"):
        raise DivergedError("the loss is nan", 7)


def test_copies_have_tracebacks_of_their_own_and_name_the_original_as_cause():
    error = ValueError("three")
    copies = [copy_error(error) for _ in range(2)]
    for one in copies:
        assert type(one) is ValueError
        assert one.args == ("three",)
        assert one.__cause__ is error
        with pytest.raises(ValueError, match="three"):
            raise one
    first, second = (one.__traceback__ for one in copies)
    assert first is not second
    assert error.__traceback__ is None


def test_a_copy_keeps_the_attributes_of_the_error():
    assert copy_error(DivergedError("the loss is nan", 7)).epoch == 7


def test_an_error_that_cannot_be_copied_becomes_a_runtime_error_that_names_it():
    # a class of this test alone: dask, once imported, makes all known classes copyable
    class PickyError(Exception):
        def __init__(self, one, two):
            super().__init__(f"{one} and {two}")

    error = PickyError("this", "that")
    other = copy_error(error)
    assert type(other) is RuntimeError
    assert str(other) == "PickyError: this and that"
    assert other.__cause__ is error

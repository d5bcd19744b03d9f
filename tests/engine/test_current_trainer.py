"""The trainer of a context is the one of the innermost block."""

import contextvars
import threading

import pytest

from skact.engine.current_trainer import current_trainer, hand_fits_to


def test_without_a_block_each_fit_trains_by_itself():
    assert current_trainer() is None


def test_the_innermost_block_counts_and_the_outer_one_comes_back():
    outer, inner = object(), object()
    with hand_fits_to(outer):
        with hand_fits_to(inner):
            assert current_trainer() is inner
            with hand_fits_to(None):
                assert current_trainer() is None
        assert current_trainer() is outer
    assert current_trainer() is None


def test_after_an_error_the_outer_trainer_comes_back():
    def fail():
        with hand_fits_to(object()):
            raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        fail()
    assert current_trainer() is None


def test_a_new_thread_has_no_trainer_but_a_copy_of_the_context_has():
    found: list = []
    trainer = object()
    with hand_fits_to(trainer):
        context = contextvars.copy_context()
        for run in (
            threading.Thread(target=lambda: found.append(current_trainer())),
            threading.Thread(target=lambda: found.append(context.run(current_trainer))),
        ):
            run.start()
            run.join()
    assert found == [None, trainer]

"""Memory keeps what was used last, and never more than it may."""

import pickle
from types import SimpleNamespace

from skact.resuming.kept_fits import KeptFits, leave, take_left


def state(n_epochs, nbytes=10):
    return SimpleNamespace(n_epochs=n_epochs, nbytes=nbytes)


def test_the_state_with_most_epochs_that_are_not_too_many_is_found():
    kept = KeptFits(100)
    for n in (2, 9, 5):
        kept.keep("a", state(n))
    found = [kept.find("a", n) for n in (1, 2, 8, 9, 99)]
    assert [one and one.n_epochs for one in found] == [None, 2, 5, 9, 9]
    assert kept.find("b", 9) is None


def test_the_longest_unused_go_first_when_memory_is_full():
    kept = KeptFits(30)
    for name in "abc":
        kept.keep(name, state(1))
    kept.find("a", 1)
    kept.keep("d", state(1))
    assert [name for name in "abcd" if kept.find(name, 1)] == ["a", "c", "d"]
    assert (kept.nbytes, len(kept)) == (30, 3)
    kept.keep("e", state(1, nbytes=25))
    assert [name for name in "abcde" if kept.find(name, 1)] == ["e"]
    assert kept.nbytes == 25


def test_what_is_larger_than_all_memory_is_not_kept():
    kept = KeptFits(30)
    kept.keep("a", state(1))
    kept.keep("b", state(1, nbytes=31))
    assert (kept.find("b", 1), len(kept)) == (None, 1)


def test_a_state_is_kept_once():
    kept = KeptFits(30)
    for _ in range(3):
        kept.keep("a", state(1))
    assert (kept.nbytes, len(kept)) == (10, 1)


def test_a_worker_gets_an_empty_store():
    kept = KeptFits(30)
    kept.keep("a", state(1))
    other = pickle.loads(pickle.dumps(kept))
    assert (other.limit, len(other)) == (30, 0)


def test_what_an_interrupted_session_has_left_is_taken_once():
    kept = KeptFits(30)
    kept.keep("a", state(1))
    leave(kept)
    taken = take_left(50)
    assert taken is kept
    assert taken.limit == 50
    assert len(take_left(50)) == 0

"""What workers post comes to the right object, once, or to nobody."""

import gc
from typing import Any

from skact.backend.worker_messages import collecting, deliver, post, register


class Box:
    def __init__(self) -> None:
        self.messages: list[Any] = []

    def receive(self, message: Any) -> None:
        self.messages.append(message)


def test_nothing_is_taken_where_nobody_collects() -> None:
    assert not post("a", 1)


def test_what_was_collected_is_delivered_to_its_addressee() -> None:
    box, other = Box(), Box()
    register("box", box)
    register("other", other)
    with collecting() as letters:
        assert post("box", 1)
        assert post("other", 2)
        assert post("nobody", 3)
    assert box.messages == []
    deliver(letters)
    assert (box.messages, other.messages) == ([1], [2])
    assert not post("box", 4)


def test_a_copy_in_the_same_process_gets_no_letters_of_the_original() -> None:
    original, copy = Box(), Box()
    register("original", original)
    register("original", copy)
    deliver([("original", 1)])
    assert (original.messages, copy.messages) == ([1], [])


def test_an_addressee_that_is_gone_is_not_kept_alive() -> None:
    box = Box()
    register("gone", box)
    del box
    gc.collect()
    deliver([("gone", 1)])
    late = Box()
    register("gone", late)
    deliver([("gone", 2)])
    assert late.messages == [2]


def test_a_worker_inside_a_worker_passes_letters_on() -> None:
    box = Box()
    register("outer", box)
    with collecting() as outer:
        with collecting() as inner:
            post("outer", 1)
        deliver(inner)
    assert box.messages == []
    assert outer == [("outer", 1)]

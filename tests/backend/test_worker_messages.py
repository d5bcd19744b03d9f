"""What workers send comes to the right object, once, or to nobody."""

import gc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from skact.backend.worker_messages import (
    collect_messages,
    deliver_messages,
    register_receiver,
    send_message,
)


class Box:
    def __init__(self) -> None:
        self.messages: list[Any] = []

    def receive(self, message: Any) -> None:
        self.messages.append(message)


def test_nothing_is_taken_where_nobody_collects() -> None:
    assert not send_message("a", 1)


def test_what_was_collected_is_delivered_to_its_receiver() -> None:
    box, other = Box(), Box()
    register_receiver("box", box)
    register_receiver("other", other)
    with collect_messages() as messages:
        assert send_message("box", 1)
        assert send_message("other", 2)
        assert send_message("nobody", 3)
    assert box.messages == []
    deliver_messages(messages)
    assert (box.messages, other.messages) == ([1], [2])
    assert not send_message("box", 4)


def test_a_copy_in_the_same_process_gets_no_messages_of_the_original() -> None:
    original, copy = Box(), Box()
    register_receiver("original", original)
    register_receiver("original", copy)
    deliver_messages([("original", 1)])
    assert (original.messages, copy.messages) == ([1], [])


def test_a_receiver_that_is_gone_is_not_kept_alive() -> None:
    box = Box()
    register_receiver("gone", box)
    del box
    gc.collect()
    deliver_messages([("gone", 1)])
    late = Box()
    register_receiver("gone", late)
    deliver_messages([("gone", 2)])
    assert late.messages == [2]


def test_a_worker_inside_a_worker_sends_messages_on() -> None:
    box = Box()
    register_receiver("outer", box)
    with collect_messages() as outer:
        with collect_messages() as inner:
            send_message("outer", 1)
        deliver_messages(inner)
    assert box.messages == []
    assert outer == [("outer", 1)]


def test_after_a_block_this_thread_collects_no_more() -> None:
    with pytest.raises(ZeroDivisionError), collect_messages():
        raise ZeroDivisionError
    assert not send_message("a", 1)


def test_each_thread_collects_its_own_messages() -> None:
    with collect_messages() as messages, ThreadPoolExecutor(1) as pool:
        assert not pool.submit(send_message, "a", 1).result()
    assert messages == []

"""Messages from other processes arrive; one thread serves all who wait for them."""

import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from joblib import Parallel, delayed

from skact.backend.postbox import Address, is_here, own_address, post
from skact.backend.worker_messages import register_receiver


class Receiver:
    def __init__(self):
        self.messages = []

    def receive(self, message):
        self.messages.append(message)


def n_files():
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def receiver():
    one = Receiver()
    register_receiver("a receiver", one)
    return one


def test_messages_of_workers_arrive_before_their_results(receiver):
    def work(i, address):
        return post(address, "a receiver", (i, os.getpid()))

    address = own_address()
    assert all(Parallel(2)(delayed(work)(i, address) for i in range(20)))
    assert sorted(i for i, _ in receiver.messages) == list(range(20))
    assert os.getpid() not in {process for _, process in receiver.messages}


def test_a_process_has_one_postbox_for_all(receiver):
    own_address()
    before = threading.active_count(), n_files()
    for i in range(50):
        assert post(own_address(), "a receiver", i)
    assert receiver.messages == list(range(50))
    for thread in threading.enumerate():
        if thread.name.endswith("(_take)"):
            thread.join(5)
    assert (threading.active_count(), n_files()) == before


def test_a_message_to_nobody_is_dropped(receiver):
    assert post(own_address(), "somebody who is gone", 1)
    assert receiver.messages == []


def test_who_does_not_know_the_key_is_not_heard(receiver):
    home = own_address()
    stranger = Address(home.socket, b"another key", home.process)
    with pytest.raises(multiprocessing.AuthenticationError):
        post(stranger, "a receiver", "evil")
    assert post(home, "a receiver", "good")
    assert receiver.messages == ["good"]


def test_a_process_that_has_ended_gets_no_mail():
    code = (
        "import pickle, sys; from skact.backend.postbox import own_address;"
        "sys.stdout.buffer.write(pickle.dumps(own_address()))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    address = pickle.loads(run.stdout)
    assert not is_here(address)
    assert not post(address, "a receiver", 1)


def test_the_address_is_here_only_in_its_own_process():
    assert is_here(own_address())
    assert not is_here(None)
    found = Parallel(2)(delayed(is_here)(own_address()) for _ in range(2))
    assert found == [False, False]

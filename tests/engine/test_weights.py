"""What looks at networks between epochs runs side by side, and changes no bit."""

import threading

import pytest
import torch

from skact.engine.train import evaluate
from skact.threads import threads


class Look:
    """Notes where it ran; raises if told to."""

    def __init__(self, work, fails=False):
        self.work, self.fails = work, fails
        self.thread = self.torch_threads = None

    def __call__(self):
        self.thread = threading.current_thread()
        self.torch_threads = torch.get_num_threads()
        if self.fails:
            raise ValueError("nothing to see")


@pytest.mark.parametrize("work", [1, 2**30])
def test_each_computes_on_one_thread_and_the_callers_number_stays(work):
    looks = [Look(work) for _ in range(5)]
    with threads(3):
        assert evaluate(looks, 2) == [None] * 5
        assert torch.get_num_threads() == 3
        seen = []
        other = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
        other.start()
        other.join()
        assert seen == [3]
    assert {look.torch_threads for look in looks} == {1}


def test_small_ones_run_where_they_are_called():
    looks = [Look(1) for _ in range(5)]
    evaluate(looks, 2)
    assert {look.thread for look in looks} == {threading.current_thread()}


def test_large_ones_run_in_other_threads_unless_there_is_one_only():
    looks = [Look(2**30) for _ in range(5)]
    evaluate(looks, 2)
    assert threading.current_thread() not in {look.thread for look in looks}
    evaluate(looks, 1)
    assert {look.thread for look in looks} == {threading.current_thread()}


@pytest.mark.parametrize("work", [1, 2**30])
def test_what_one_raises_is_its_own(work):
    looks = [Look(work, fails=i == 1) for i in range(3)]
    first, second, third = evaluate(looks, 2)
    assert first is third is None
    assert str(second) == "nothing to see"


def test_nothing_to_do_is_done():
    assert evaluate([], 2) == []

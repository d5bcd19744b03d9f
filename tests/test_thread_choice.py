"""Threads are used while they gain time, and given up when they lose time."""

import pytest

from skact.thread_choice import ThreadChoice


def run(choice, seconds_of, n_steps):
    """Note steps with their times; return the threads of each step."""
    threads = []
    for step in range(n_steps):
        threads.append(choice.n_threads)
        choice.note_step(seconds_of(choice.n_threads, step))
    return threads


def test_threads_that_are_faster_are_kept():
    threads = run(ThreadChoice(2), lambda threads, step: 1.0 / threads, 60)
    assert threads[-1] == 2
    assert threads.count(1) == 5


def test_threads_that_are_slower_are_left_after_a_short_trial():
    threads = run(ThreadChoice(2), lambda threads, step: 1.0 * threads, 60)
    assert threads[-1] == 1
    assert threads.count(2) <= 5


def test_much_slower_threads_are_tried_for_two_steps_only():
    threads = run(
        ThreadChoice(4), lambda threads, step: 1.0 if threads == 1 else 40.0, 60
    )
    assert threads.count(4) == 2


def test_a_first_step_that_makes_the_threads_does_not_count():
    slow_once = iter([30.0])
    threads = run(
        ThreadChoice(2),
        lambda threads, _: 1.0 if threads == 1 else next(slow_once, 0.5),
        60,
    )
    assert threads[-1] == 2


def test_one_thread_is_never_left_where_no_more_are_safe():
    assert set(run(ThreadChoice(1), lambda threads, step: 1.0, 200)) == {1}


def test_threads_are_given_up_as_soon_as_they_have_lost_what_they_may():
    def seconds(threads, step):  # other processes come after 20 steps
        return 1.0 if threads == 1 else (0.5 if step < 20 else 3.0)

    threads = run(ThreadChoice(2), seconds, 60)
    assert threads[15] == 2
    assert threads[20:].count(2) == 3  # each of them loses 2, and 5 are allowed


def test_a_single_slow_step_does_not_end_threads():
    def seconds(threads, step):
        return 4.0 if step == 30 else 1.0 / threads

    assert run(ThreadChoice(2), seconds, 50)[-1] == 2


@pytest.mark.parametrize("better", [1, 2])
def test_the_choice_is_tried_anew_now_and_then(better):
    def seconds(threads, step):  # what was better is worse after 40 steps
        return 1.0 if (threads == better) == (step < 40) else 1.2

    threads = run(ThreadChoice(2), seconds, 1600)
    assert threads[35] == better
    assert threads[-1] != better


def test_a_short_training_never_leaves_one_thread():
    threads = run(ThreadChoice(2), lambda threads, step: 1e-4, 150)
    assert set(threads) == {1}


def test_what_trials_lose_where_cores_are_busy_is_a_small_share():
    def seconds(threads, step):
        return 0.001 if threads == 1 else 0.1

    taken = [seconds(n, 0) for n in run(ThreadChoice(2), seconds, 20_000)]
    assert sum(taken) < 1.15 * 0.001 * 20_000


def test_one_slow_step_does_not_end_threads_however_long():
    def seconds(threads, step):
        return 200.0 if step == 30 else 1.0 / threads

    assert set(run(ThreadChoice(2), seconds, 200)[30:]) == {2}


def test_slow_steps_in_a_row_end_threads_for_ten_times_the_time_they_lost():
    def seconds(threads, step):
        return 10.0 if step in (30, 31) else 1.0 / threads

    threads = run(ThreadChoice(2), seconds, 400)
    back = threads.index(2, 32)
    assert set(threads[32:back]) == {1}
    assert 180 <= back - 32 <= 190  # twice 9, ten times, and a trial
    assert threads[-1] == 2

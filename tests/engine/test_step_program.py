"""A step fetches rows, fills the gradients and moves the values."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from skact.engine.batches import Tables
from skact.engine.layers import HalvedLinear, StackedLinear
from skact.engine.stack import Stack
from skact.engine.step_program import StepProgram

WIDE = np.random.default_rng(0).normal(size=(160, 512))


def steps_of(stack, max_steps=64):
    return list(stack.batches.steps_of_epoch([0] * len(stack.jobs), max_steps))


def by_autograd(job, steps, step, lane):
    """Return the loss and the gradients of a lane's batch by autograd."""
    rows = torch.from_numpy(job.X)[steps.index[step, lane]]
    targets, weight = steps.targets[step, lane, 0], steps.weight[step, lane, 0]
    outputs = job.module(rows)
    if job.loss == "cross_entropy":
        losses = F.cross_entropy(outputs, targets, reduction="none")
    else:
        losses = (outputs[:, 0] - targets).square()
    loss = (losses * weight).sum()
    parameters = [p for p in job.module.parameters() if p.numel()]
    return loss.item(), torch.autograd.grad(loss, parameters)


@pytest.mark.parametrize("is_last", [True, False])
@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
@pytest.mark.parametrize("norm", [None, "layer"])
def test_gradients_and_losses_of_a_step_are_those_of_autograd(
    make_job, loss, norm, is_last
):
    activations = "relu", "prelu", torch.sin
    jobs = [
        make_job(a, loss=loss, norm=norm, hidden=(6, 5), seed=i)
        for i, a in enumerate(activations)
    ]
    stack = Stack(jobs, Tables())
    (steps,) = [found for found in steps_of(stack) if found.is_last == is_last]
    program = StepProgram(stack, is_last, len(steps.index))
    expected = [by_autograd(job, steps, 0, lane) for lane, job in enumerate(jobs)]
    with torch.inference_mode():
        program.load_steps(steps)
        fetch, calls = program.steps[0]
        for call in (fetch, *calls):
            call()
        losses = program.losses_of_batches(steps)
    for lane, (value, slopes) in enumerate(expected):
        assert losses[0, lane].item() == pytest.approx(value)
        places = stack.layout.parameters_of(jobs[lane].module)
        places = [place for place in places if place[0].numel()]
        by_id = {
            id(p): slope
            for p, slope in zip(
                (p for p in jobs[lane].module.parameters() if p.numel()),
                slopes,
                strict=True,
            )
        }
        for parameter, block, part in places:
            found = stack.grads[block][lane, part].view_as(parameter)
            torch.testing.assert_close(found, by_id[id(parameter)])


def test_as_many_steps_are_taken_as_there_are_batches(make_job):
    stack = Stack([make_job(optimizer=torch.optim.Adam)], Tables())
    first, last = steps_of(stack)
    stack.optimizer.begin_epoch(6)
    with torch.inference_mode():
        losses = StepProgram(stack, False, 5).take_steps(first)
        assert losses.shape == (5, 1)
        assert stack.optimizer.steps_of(0) == 5
        StepProgram(stack, True, 1).take_steps(last)
    assert stack.optimizer.steps_of(0) == 6


def test_fewer_steps_than_there_is_room_for_are_taken(make_job):
    stack = Stack([make_job()], Tables())
    portions = steps_of(stack, max_steps=3)
    assert [len(steps.index) for steps in portions] == [3, 2, 1]
    program = StepProgram(stack, False, 3)
    stack.optimizer.begin_epoch(6)
    with torch.inference_mode():
        shapes = [program.take_steps(steps).shape for steps in portions[:2]]
    assert shapes == [(3, 1), (2, 1)]


def test_rows_that_fill_a_batch_up_have_no_part_in_the_loss(make_job):
    stack = Stack([make_job()], Tables())
    (*_, last) = steps_of(stack)
    program = StepProgram(stack, True, 1)
    stack.optimizer.begin_epoch(6)
    last.targets[..., 3:] = torch.inf
    with torch.inference_mode():
        assert torch.isfinite(program.take_steps(last)).all()


def large_stack(make_job, n_lanes, n_threads):
    jobs = [
        make_job(X=WIDE, hidden=(128, 33), batch_size=128, seed=i)
        for i in range(n_lanes)
    ]
    return Stack(jobs, Tables(), n_threads)


def kinds_of_linear(stack):
    layers = StepProgram(stack, False, 1).layers
    return [type(layer) for layer in layers if isinstance(layer, StackedLinear)]


def test_only_large_layers_of_one_network_are_halved_and_only_with_threads(make_job):
    whole = [StackedLinear] * 3
    assert kinds_of_linear(large_stack(make_job, 1, 1)) == whole
    assert kinds_of_linear(large_stack(make_job, 2, 2)) == whole
    expected = [HalvedLinear, StackedLinear, StackedLinear]
    assert kinds_of_linear(large_stack(make_job, 1, 2)) == expected


def test_each_step_with_threads_is_noted_and_one_thread_comes_back(
    make_job, monkeypatch
):
    stack = large_stack(make_job, 1, 2)
    assert stack.thread_choice.max_threads == 2
    noted: list = []

    def note_step(seconds):
        noted.append(seconds)
        assert torch.get_num_threads() == 1  # losses are computed on one thread

    monkeypatch.setattr(stack.thread_choice, "note_step", note_step)
    stack.thread_choice.n_threads = 2
    before = torch.get_num_threads()
    try:
        stack.run_epoch([0])
        assert torch.get_num_threads() == before
    finally:
        torch.set_num_threads(before)
    assert len(noted) == 2
    assert min(noted) > 0

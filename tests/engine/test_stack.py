"""A stack holds its networks' values while they train, and gives them back."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from skact.engine.batches import Tables
from skact.engine.stack import Stack
from skact.engine.train import train
from skact.engine.weights import weights_of


def storage_of(tensor):
    return tensor.untyped_storage().data_ptr()


def is_view_of(stack, module):
    blocks = {storage_of(block) for block in stack.values}
    found = {storage_of(p) in blocks for p in module.parameters() if p.numel()}
    assert len(found) == 1
    return found.pop()


@pytest.fixture
def jobs(make_job):
    options = {"options": {"momentum": 0.9}, "norm": "batch"}
    return [make_job(a, seed=i, **options) for i, a in enumerate(("relu", "prelu"))]


def test_building_a_stack_changes_no_value_of_a_network(jobs):
    before = [weights_of(job.module) for job in jobs]
    stack = Stack(jobs, Tables())
    for job, weights in zip(jobs, before, strict=True):
        assert is_view_of(stack, job.module)
        for name, value in weights_of(job.module).items():
            assert torch.equal(value, weights[name])


def test_an_epoch_changes_the_networks_themselves(jobs):
    before = [weights_of(job.module) for job in jobs]
    records = Stack(jobs, Tables()).run_epoch([0, 0])
    for job, weights, record in zip(jobs, before, records, strict=True):
        after = weights_of(job.module)
        assert not torch.equal(after["output.weight"], weights["output.weight"])
        assert after["hidden.0.norm.num_batches_tracked"] == 6
        assert record.batch_sizes == [16] * 5 + [3]


def test_the_loss_of_an_epoch_is_the_weighted_mean_of_its_batches(make_job):
    weight = np.random.default_rng(1).choice([0.0, 0.5, 2.0], 83)
    job = replace(make_job(), sample_weight=weight)
    (record,) = Stack([job], Tables()).run_epoch([0])
    assert sum(record.batch_weights) == pytest.approx(weight.sum())
    total = np.dot(record.batch_losses, record.batch_weights)
    assert record.train_loss == pytest.approx(total / weight.sum())


def test_without_any_weight_the_loss_is_the_plain_mean(make_job):
    job = replace(make_job(), sample_weight=np.zeros(83))
    (record,) = Stack([job], Tables()).run_epoch([0])
    assert record.train_loss == 0.0
    assert record.is_finite


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam])
def test_a_detached_network_has_its_own_storage_and_state(make_job, optimizer):
    options = {"momentum": 0.9} if optimizer is torch.optim.SGD else {}
    pair = [make_job(seed=i, optimizer=optimizer, options=options) for i in (0, 1)]
    stack = Stack(pair, Tables())
    stack.run_epoch([0, 0])
    stack.detach_network(1)
    assert is_view_of(stack, pair[0].module)
    assert not is_view_of(stack, pair[1].module)
    expected = {
        "SGD": {"momentum_buffer"},
        "Adam": {"step", "exp_avg", "exp_avg_sq"},
    }[optimizer.__name__]
    for parameter in pair[1].module.parameters():
        if parameter.numel():
            state = pair[1].optimizer.state[parameter]
            assert set(state) == expected
            assert int(state.get("step", 6)) == 6
            for value in state.values():
                if value.dim():
                    size = value.numel() * value.element_size()
                    assert value.untyped_storage().nbytes() == size


def test_what_is_written_into_a_detached_network_trains_on(jobs):
    stack = Stack(jobs, Tables())
    stack.run_epoch([0, 0])
    stack.detach_network(1)
    module = jobs[1].module
    with torch.no_grad():
        module.output.weight.fill_(0.25)
        module.output.bias.data = torch.full((1,), 3.0, dtype=torch.float64)
        module.hidden[0].norm.running_mean.fill_(7.0)
        state = jobs[1].optimizer.state[module.output.weight]
        state["momentum_buffer"].fill_(0.5)
    stack.reattach_networks()
    assert is_view_of(stack, module)
    weight, bias = (segment.view_in(stack.values) for segment in stack.layout.linear[1])
    assert (weight[1] == 0.25).all()
    assert bias[1].item() == 3.0
    assert (stack.running[0][0, 1] == 7.0).all()
    buffers = stack.optimizer.state["momentum_buffer"]
    assert (stack.layout.linear[1][0].view_in(buffers)[1] == 0.5).all()


def test_detaching_and_reattaching_changes_no_bit_of_the_training(make_job):
    def trained(detach):
        made = [
            make_job("prelu", seed=i, optimizer=torch.optim.Adam, norm="batch")
            for i in (0, 1)
        ]
        stack = Stack(made, Tables())
        for epoch in range(3):
            stack.run_epoch([epoch, epoch])
            if detach:
                stack.detach_network(epoch % 2)
                stack.reattach_networks()
        stack.detach_networks()
        return [weights_of(job.module) for job in made]

    for ours, theirs in zip(trained(True), trained(False), strict=True):
        for name, value in ours.items():
            assert torch.equal(value, theirs[name])


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam])
def test_a_new_stack_goes_on_where_the_last_one_ended(make_job, optimizer):
    def trained(n_stacks):
        options = {"momentum": 0.9} if optimizer is torch.optim.SGD else {}
        job = make_job(optimizer=optimizer, options=options, norm="batch")
        stack = None
        for epoch in range(4):
            if epoch < n_stacks:
                if stack is not None:
                    stack.detach_networks()
                stack = Stack([job], Tables())
            stack.run_epoch([epoch])
        stack.detach_networks()
        return weights_of(job.module)

    once, often = trained(1), trained(4)
    for name, value in once.items():
        assert torch.equal(value, often[name])


def test_copied_weights_are_those_of_the_epoch_and_do_not_train(jobs):
    stack = Stack(jobs, Tables())
    for epoch in range(2):
        stack.run_epoch([epoch, epoch])
        stack.copy_weights(0)
        assert not is_view_of(stack, jobs[0].module)
        weight = stack.layout.linear[1][0].view_in(stack.values)[0]
        assert torch.equal(jobs[0].module.output.weight, weight)
        jobs[0].module.output.weight.data.fill_(math.nan)  # the stack does not see it
    assert all(torch.isfinite(block).all() for block in stack.values)


def test_after_the_training_no_network_holds_on_to_the_stack(jobs):
    stack = Stack(jobs, Tables())
    stack.run_epoch([0, 0])
    stack.detach_networks()
    for job in jobs:
        assert not is_view_of(stack, job.module)
        for parameter in job.module.parameters():
            size = parameter.numel() * parameter.element_size()
            assert parameter.untyped_storage().nbytes() == size


def test_a_scratch_buffer_grows_and_is_shared(jobs):
    stack = Stack(jobs, Tables())
    large = stack.scratch_buffer("z", 4, 8)
    small = stack.scratch_buffer("z", 2, 3)
    assert storage_of(large) == storage_of(small)
    assert stack.scratch_buffer("z", 9, 9).shape == (9, 9)
    assert storage_of(stack.scratch_buffer("out", 4, 8)) != storage_of(large)


@pytest.mark.parametrize("at_once", [1, 2, 64])
def test_the_number_of_steps_at_once_changes_no_bit(make_job, monkeypatch, at_once):
    monkeypatch.setattr("skact.engine.stack._STEPS_AT_ONCE", at_once)
    job, other = make_job("tanh"), make_job("tanh")
    stack = Stack([job], Tables())
    losses = [stack.run_epoch([epoch])[0].batch_losses for epoch in range(4)]
    stack.detach_networks()
    monkeypatch.undo()
    (outcome,) = train([other]).outcomes
    assert losses == [record.batch_losses for record in outcome.records]
    assert torch.equal(job.module.output.weight, other.module.output.weight)


def test_a_second_thread_is_for_a_large_network_by_itself_only(make_job):
    wide = np.zeros((128, 512))
    small = [make_job(seed=i) for i in range(2)]
    large = [make_job(X=wide, hidden=(128,), batch_size=128, seed=i) for i in range(2)]
    assert Stack(small[:1], Tables(), 4).thread_choice.max_threads == 1
    assert Stack(large[:1], Tables(), 1).thread_choice.max_threads == 1
    assert Stack(large, Tables(), 4).thread_choice.max_threads == 1
    assert Stack(large[:1], Tables(), 4).thread_choice.max_threads == 2

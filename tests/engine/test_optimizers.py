"""A step on a stack is the step of torch.optim in each lane."""

import numpy as np
import pytest
import torch

from skact.engine.optimizers import STACKED, shared_coefficients_of, stacked_form

BUILDERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "decay": lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=0.2),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.8, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.02),
    "betas": lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.95), eps=1e-6),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.3),
}
KINDS = {
    "sgd": ["sgd", "momentum", "momentum", "decay", "nesterov"],
    "adam": ["adam", "adam", "betas"],
    "adamw": ["adamw", "adamw"],
}


def weight():
    return [torch.nn.Parameter(torch.zeros(2))]


@pytest.mark.parametrize("name", BUILDERS)
def test_plain_optimizers_of_torch_have_a_stacked_form(name):
    expected = {"adam": "adam", "betas": "adam", "adamw": "adamw"}.get(name, "sgd")
    assert stacked_form(BUILDERS[name](weight())) == expected


def test_adam_with_decoupled_decay_is_adamw():
    if "decoupled_weight_decay" not in torch.optim.Adam(weight()).param_groups[0]:
        pytest.skip("this torch has no such option")
    decoupled = torch.optim.Adam(weight(), decoupled_weight_decay=True)
    assert stacked_form(decoupled) == "adamw"


class OwnSGD(torch.optim.SGD):
    """Steps in a way of its own, perhaps."""


@pytest.mark.parametrize(
    "build",
    [
        OwnSGD,
        torch.optim.RMSprop,
        lambda p: torch.optim.SGD(p, maximize=True),
        lambda p: torch.optim.SGD(p, momentum=0.9, dampening=0.1),
        lambda p: torch.optim.Adam(p, amsgrad=True),
        lambda p: torch.optim.Adam(p, lr=torch.tensor(0.1)),
        lambda p: torch.optim.SGD([{"params": p}, {"params": weight(), "lr": 0.1}]),
    ],
)
def test_other_options_have_no_stacked_form(build):
    assert stacked_form(build(weight())) is None


def test_lanes_share_a_call_unless_betas_or_eps_differ():
    shared = {n: shared_coefficients_of(BUILDERS[n](weight())) for n in BUILDERS}
    assert len({shared[name] for name in KINDS["sgd"]}) == 1
    assert shared["adam"] == shared["adamw"] != shared["betas"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_number_of_calls_does_not_grow_with_that_of_learning_rates(kind, draw):
    def count_calls(rates):
        values = [draw(len(rates), 64)]
        build = BUILDERS[KINDS[kind][0]]
        optimizers = [build(weight()) for _ in rates]
        for optimizer, rate in zip(optimizers, rates, strict=True):
            optimizer.param_groups[0]["lr"] = rate
        stacked = STACKED[kind](optimizers, values, [torch.zeros_like(values[0])])
        stacked.begin_epoch(3)
        return len(stacked.calls)

    assert count_calls([0.1, 0.2, 0.3, 0.4, 0.5]) == count_calls([0.1])


def build_stack(kind, draw):
    """Return torch's optimizers with their parameters, and the stacked optimizer."""
    names = KINDS[kind]
    values = [draw(len(names), size, seed=size) for size in (64, 128)]
    grads = [torch.zeros_like(block) for block in values]
    lanes = [
        [torch.nn.Parameter(block[i].clone()) for block in values]
        for i in range(len(names))
    ]
    theirs = [BUILDERS[n](lane) for n, lane in zip(names, lanes, strict=True)]
    return lanes, theirs, STACKED[kind](theirs, values, grads)


def take_steps(lanes, theirs, stacked, draw, seeds):
    stacked.begin_epoch(len(seeds))
    for seed in seeds:
        for i, block in enumerate(stacked.grads):
            block.copy_(draw(*block.shape, seed=100 * seed + i))
            for lane, parameters in enumerate(lanes):
                parameters[i].grad = block[lane].clone()
        stacked.step()
        for optimizer in theirs:
            optimizer.step()


def assert_equal_values(lanes, stacked):
    for lane, parameters in enumerate(lanes):
        for block, parameter in zip(stacked.values, parameters, strict=True):
            torch.testing.assert_close(block[lane], parameter.detach())


@pytest.mark.parametrize("kind", KINDS)
def test_each_lane_takes_the_steps_of_torch_over_several_epochs(kind, draw):
    lanes, theirs, stacked = build_stack(kind, draw)
    take_steps(lanes, theirs, stacked, draw, (1, 2, 3))
    take_steps(lanes, theirs, stacked, draw, (4, 5))
    assert_equal_values(lanes, stacked)


@pytest.mark.parametrize("kind", KINDS)
def test_a_changed_learning_rate_counts_from_the_next_epoch_on(kind, draw):
    lanes, theirs, stacked = build_stack(kind, draw)
    take_steps(lanes, theirs, stacked, draw, (1, 2))
    theirs[1].param_groups[0]["lr"] = 0.7
    take_steps(lanes, theirs, stacked, draw, (3,))
    assert_equal_values(lanes, stacked)


@pytest.mark.parametrize("kind", KINDS)
def test_lanes_with_a_schedule_have_a_rate_for_each_step(kind, draw):
    lanes, theirs, stacked = build_stack(kind, draw)
    rates = {0: np.array([0.1, 0.05, 0.2]), 1: np.array([0.0, 0.3, 0.01])}
    ours = [BUILDERS[n](weight()) for n in KINDS[kind]]  # `theirs` has other rates
    stacked.optimizers = ours
    for epoch in range(2):
        stacked.begin_epoch(3, rates)
        for step in range(3):
            for i, block in enumerate(stacked.grads):
                block.copy_(draw(*block.shape, seed=10 * epoch + step + i))
                for lane, parameters in enumerate(lanes):
                    parameters[i].grad = block[lane].clone()
            for lane, of_steps in rates.items():
                theirs[lane].param_groups[0]["lr"] = of_steps[step]
            stacked.step()
            for optimizer in theirs:
                optimizer.step()
    assert_equal_values(lanes, stacked)
    assert [ours[lane].param_groups[0]["lr"] for lane in rates] == [0.2, 0.01]


@pytest.mark.parametrize("kind", KINDS)
def test_the_state_has_the_names_and_values_of_torch(kind, draw):
    lanes, theirs, stacked = build_stack(kind, draw)
    take_steps(lanes, theirs, stacked, draw, (1, 2, 3))
    for lane, optimizer in enumerate(theirs):
        ours = stacked.state_of(lane)
        for i, parameter in enumerate(lanes[lane]):
            state = optimizer.state[parameter]
            expected = {n: v for n, v in state.items() if n != "step" and v is not None}
            assert expected.keys() == ours.keys()
            for name, value in expected.items():
                torch.testing.assert_close(ours[name][i], value)
            assert stacked.steps_of(lane) == (
                int(state["step"]) if "step" in state else None
            )


def test_a_lane_may_have_taken_more_steps_than_its_neighbours(draw):
    lanes, theirs, stacked = build_stack("adam", draw)
    take_steps(lanes, theirs, stacked, draw, (1, 2))
    for parameter in lanes[0]:  # as if it had trained before
        theirs[0].state[parameter]["step"] += 5
    stacked.set_steps(0, 7)
    take_steps(lanes, theirs, stacked, draw, (3, 4))
    assert [stacked.steps_of(lane) for lane in range(3)] == [9, 4, 4]
    assert_equal_values(lanes, stacked)

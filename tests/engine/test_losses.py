"""Losses and their gradients are those of torch, weighted by rows."""

import pytest
import torch
from torch.nn import functional as F

from skact.engine.losses import LOSSES

STEPS, LANES, SIZE = 3, 2, 8
WIDTHS = {"cross_entropy": 4, "bce_with_logits": 1, "squared_error": 3}


def losses_of(kind, outputs, targets):
    """Return the loss of each row by torch; outputs are (rows, columns)."""
    if kind == "cross_entropy":
        return F.cross_entropy(outputs, targets[:, 0].long(), reduction="none")
    if kind == "bce_with_logits":
        loss = F.binary_cross_entropy_with_logits(outputs, targets, reduction="none")
        return loss[:, 0]
    return (outputs - targets).square().mean(1)


def draw_targets(kind, draw, n_steps):
    shape = n_steps, LANES, 1, SIZE
    generator = torch.Generator().manual_seed(5)
    if kind == "cross_entropy":
        return torch.randint(0, 4, shape, generator=generator)
    if kind == "bce_with_logits":
        return torch.randint(0, 2, shape, generator=generator).double()
    return draw(n_steps, LANES, 3, SIZE, seed=5)


def draw_weights(draw, n_steps):
    weight = draw(n_steps, LANES, 1, SIZE, seed=6).abs()
    weight[..., 6:] = 0  # rows that only fill the batch up
    return weight / weight.sum(3, keepdim=True)


@pytest.mark.parametrize("n_steps", [STEPS, 2])  # all that there is room for, or fewer
@pytest.mark.parametrize("kind", LOSSES)
def test_each_step_has_the_gradient_and_the_losses_of_torch(kind, n_steps, draw):
    outputs = torch.zeros(LANES, WIDTHS[kind], SIZE, dtype=torch.float64)
    grad = torch.zeros_like(outputs)
    loss = LOSSES[kind](outputs, grad, STEPS)
    for seed in (0, 1):  # a second use finds nothing of the first
        targets, weight = draw_targets(kind, draw, n_steps), draw_weights(draw, n_steps)
        targets = targets.roll(seed, 3)
        loss.load_targets(targets, weight)
        expected = []
        for step in range(n_steps):
            outputs.copy_(draw(*outputs.shape, seed=10 * seed + step))
            for call in loss.calls(step):
                call()
            for lane in range(LANES):
                z = outputs[lane].T.clone().requires_grad_()
                rows = losses_of(kind, z, targets[step, lane].T)
                expected.append(rows.detach())
                total = (rows * weight[step, lane, 0]).sum()
                (slope,) = torch.autograd.grad(total, z)
                torch.testing.assert_close(grad[lane].T, slope)
        found = loss.losses_of_rows(targets)
        assert found.shape == (n_steps, LANES, 1, SIZE)
        torch.testing.assert_close(found.view(-1, SIZE), torch.stack(expected))


@pytest.mark.parametrize("kind", LOSSES)
def test_rows_without_weight_have_no_gradient(kind, draw):
    outputs = draw(LANES, WIDTHS[kind], SIZE)
    grad = torch.ones_like(outputs)
    loss = LOSSES[kind](outputs, grad, 1)
    loss.load_targets(draw_targets(kind, draw, 1), draw_weights(draw, 1))
    for call in loss.calls(0):
        call()
    assert not grad[..., 6:].any()
    assert grad[..., :6].all()


def test_large_outputs_have_finite_losses():
    outputs = torch.tensor([[[-800.0, 800.0]]])
    loss = LOSSES["bce_with_logits"](outputs, torch.zeros_like(outputs), 1)
    targets = torch.tensor([[[[1.0, 0.0]]]])
    loss.load_targets(targets, torch.full_like(targets, 0.5))
    for call in loss.calls(0):
        call()
    assert loss.losses_of_rows(targets).flatten().tolist() == [800.0, 800.0]

"""A network trains in a stack, or the part that has no stacked form is named."""

import re

import pytest
import torch
from torch import nn

from skact.nets.stacked_forms import reason_against_stack
from skact.network.mlp import MLP


def network(**options):
    module = MLP(5, 1, hidden=(6,), dtype=torch.float64, seed=0, **options)
    return module, torch.optim.SGD(module.parameters(), lr=0.1)


def changed(name, part):
    def change(module, optimizer):
        owner, _, last = name.rpartition(".")
        setattr(module.get_submodule(owner), last, part)

    return change


def frozen(module, optimizer):
    module.output.bias.requires_grad = False


def hooked(module, optimizer):
    module.output.register_forward_hook(lambda *args: None)


def hooked_optimizer(module, optimizer):
    optimizer.register_step_post_hook(lambda *args: None)


def replaced(module, optimizer):
    module.output.forward = module.output.forward


CHANGES = {
    "hidden.0.norm is LayerNorm": changed("hidden.0.norm", nn.LayerNorm(6, eps=1e-3)),
    "hidden.0.dropout is AlphaDropout": changed("hidden.0.dropout", nn.AlphaDropout()),
    "output is Linear": changed("output", nn.Linear(6, 1)),
    "the parameter output.bias is not trained": frozen,
    "a hook is registered on output": hooked,
    "a hook is registered on the optimizer": hooked_optimizer,
    "forward of output was replaced": replaced,
}


def test_a_plain_network_has_a_stacked_form():
    for norm in (None, "batch", "layer"):
        assert reason_against_stack(*network(norm=norm, dropout=0.1)) is None


@pytest.mark.parametrize("reason", CHANGES)
def test_the_part_without_a_stacked_form_is_named(reason):
    module, optimizer = network()
    CHANGES[reason](module, optimizer)
    found = reason_against_stack(module, optimizer)
    assert re.match(re.escape(reason), str(found))


def test_other_modules_and_optimizers_are_named():
    module = nn.Sequential(nn.Linear(5, 1))
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    assert reason_against_stack(module, optimizer) == "the module is a Sequential"
    module = network()[0]
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, maximize=True)
    found = reason_against_stack(module, optimizer)
    assert found == "the optimizer SGD(maximize=True) has no stacked form"

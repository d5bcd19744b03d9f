"""The weights of a network are copies, by torch's names."""

import torch

from skact.engine.weights import weights_of


def test_parameters_and_running_statistics_have_the_names_of_torch(make_job):
    module = make_job("prelu", norm="batch").module
    weights = weights_of(module)
    assert weights.keys() == module.state_dict().keys()
    assert {"hidden.0.norm.running_mean", "hidden.0.activation.weight"} <= set(weights)
    for name, value in module.state_dict().items():
        assert torch.equal(weights[name], value)


def test_training_on_does_not_change_a_copy(make_job):
    module = make_job(norm="batch").module
    weights = weights_of(module)
    before = {name: value.clone() for name, value in weights.items()}
    with torch.no_grad():
        for value in (*module.parameters(), *module.buffers()):
            value.add_(1)
    for name, value in weights.items():
        assert torch.equal(value, before[name])
        assert not value.requires_grad

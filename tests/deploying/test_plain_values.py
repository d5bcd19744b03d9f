"""Values of parameters in JSON: they come back as they were, and nothing is run."""

import json
import math

import numpy as np
import pytest
import torch
from skorch.dataset import ValidSplit
from torch import nn

from skact.activations.modules import FunctionActivation, SwishBeta
from skact.deploying.plain_values import (
    NotPlainError,
    from_json,
    named_classes,
    to_json,
)


def round_trip(value):
    return from_json(json.loads(json.dumps(to_json(value), allow_nan=False)))


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, 3, 2**80, "text", "\ud800", 0.1, -0.0, 5e-324, math.inf),
        *([], [1, [2.0, None]], (), (1, (2, [3]))),
        {1: 2.0, "a": (1,), None: [], False: 0, (1, 2): {}},
        {"tuple": [1]},
        *(np.float32(0.1), np.float64(0.1), np.int64(3), np.bool_(True), np.str_("a")),
        *(torch.float32, torch.device("cuda:1"), np.dtype("float32"), np.float64),
        *(nn.ReLU, nn.MSELoss, torch.optim.Adam, SwishBeta),
    ],
    ids=repr,
)
def test_a_value_comes_back(value):
    found = round_trip(value)
    assert found == value
    assert type(found) is type(value)
    assert math.copysign(1, found) == math.copysign(1, value) if value == 0.0 else True


@pytest.mark.parametrize(
    "array",
    [
        np.array([0.1, math.nan, -math.inf]),
        np.array([[1, 2], [3, 4]], dtype=np.int8),
        np.array(["a", "bcd"]),
        np.array(["a", None, 1.5, (1,)], dtype=object),
        np.array([True, False]),
        np.array([], dtype=np.float32),
        np.array(2**63, dtype=np.uint64),
    ],
    ids=repr,
)
def test_an_array_comes_back(array):
    found = round_trip(array)
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    np.testing.assert_array_equal(found, array)
    if array.dtype.kind in "fib" and array.size:
        tensor = round_trip(torch.from_numpy(array))
        assert torch.equal(
            torch.nan_to_num(tensor), torch.nan_to_num(torch.tensor(array))
        )


@pytest.mark.parametrize(
    "module",
    [
        nn.LeakyReLU(0.3),
        nn.PReLU(3, init=0.5),
        SwishBeta(2.0),
        nn.Threshold(0.1, 0.2),
        nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0]), label_smoothing=0.1),
        nn.BCEWithLogitsLoss(pos_weight=torch.tensor([2.0])),
        nn.HuberLoss(delta=0.5),
        nn.GELU("tanh").eval(),
    ],
    ids=repr,
)
def test_a_module_comes_back_with_its_values(module):
    for parameter in module.parameters():
        parameter.data.add_(1.0)  # as after some training
    found = round_trip(module)
    assert repr(found) == repr(module)
    assert found.training == module.training
    assert found.state_dict().keys() == module.state_dict().keys()
    for name, value in module.state_dict().items():
        assert torch.equal(found.state_dict()[name], value)


def test_a_split_and_a_random_state_come_back():
    split = round_trip(ValidSplit(0.3, stratified=True, random_state=4))
    assert (split.cv, split.stratified, split.random_state) == (0.3, True, 4)
    state = np.random.RandomState(5)
    state.normal()
    assert round_trip(state).normal(size=3).tolist() == state.normal(size=3).tolist()


def changed(module):
    module.forward = torch.sin
    return module


def hooked(module):
    module.register_forward_hook(print)
    return module


class OwnModule(nn.ReLU):
    pass


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (torch.sin, "<built-in method sin"),
        (OwnModule, r"the class .*\.OwnModule"),
        (OwnModule(), r"OwnModule\(\), which is no activation or loss of torch"),
        (FunctionActivation(torch.sin), "which is no activation or loss"),
        (nn.Sequential(nn.ReLU()), "which is no activation or loss"),
        (changed(nn.ReLU()), r"ReLU\(\), which was changed after it was built"),
        (hooked(nn.ReLU()), r"ReLU\(\), which was changed after it was built"),
        ({"a": [1, {2}]}, r"\{2\}"),
        (object, r"the class builtins\.object"),
        (np.array([1 + 1j]), "an array of complex128"),
        (np.array(["2020-01-01"], dtype="M8[D]"), "an array of datetime64"),
        (np.ma.array([1]), "masked_array"),
        (torch.zeros(2, dtype=torch.bfloat16), r"a tensor of torch\.bfloat16"),
        (1j, "1j"),
        (ValidSplit(iter([])), "list_iterator"),
    ],
)
def test_what_is_not_plain_is_named(value, message):
    with pytest.raises(NotPlainError, match=message):
        to_json(value)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (
            {"class": "os.system"},
            "it names the class 'os.system', which is not allowed",
        ),
        ({"class": "torch.nn.Sequential"}, "which is not allowed"),
        ({"class": 1}, "it names the class 1, which is not allowed"),
        ({"pickle": "x"}, "a value of an unknown kind: 'pickle'"),
        ({"tuple": [], "list": []}, "which stands for no value"),
        ({"array": ["<U99999999", [9], ["a"] * 9]}, "it holds an array of <U9999"),
        ({"array": ["V8", [1], [1]]}, r"it holds an array of \|V8"),
        ({"array": ["<f8", [3], [1.0]]}, "cannot reshape"),
        ({"torch_dtype": "torch.load"}, "it names the dtype 'torch.load'"),
        ({"float": "1e5"}, "it holds '1e5' for a number"),
        (
            {"module": {"class": "torch.optim.Adam", "options": {}, "state": {}}},
            "it builds Adam, which is no module",
        ),
    ],
)
def test_what_to_json_does_not_write_is_refused(written, message):
    with pytest.raises(ValueError, match=message):
        from_json(written)


def test_a_module_of_absurd_size_is_not_built():
    written = to_json(nn.PReLU(2))
    written["module"]["options"]["num_parameters"] = 10**14
    with pytest.raises(ValueError, match="the values of PReLU are of other shapes"):
        from_json(written)


def test_the_list_of_classes_is_short_and_known():
    classes = named_classes()
    assert {"torch.nn.ReLU", "torch.nn.MSELoss", "skact.RReLU"} < classes.keys()
    assert {"torch.optim.SGD", "torch.DataLoader", "skorch.Dataset"} < classes.keys()
    prefixes = {name.rpartition(".")[0] for name in classes}
    assert prefixes == {"torch.nn", "torch.optim", "torch", "skorch", "skact", "numpy"}
    assert FunctionActivation not in classes.values()
    assert torch.optim.Optimizer not in classes.values()

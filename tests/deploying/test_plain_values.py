"""What a net is made of comes back from JSON; code and strange names do not."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from skact.deploying.plain_values import from_json, to_json

PLAIN = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
)
KEYS = st.integers() | st.text() | st.booleans()
VALUES = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(KEYS, inner)
    ),
    max_leaves=8,
)


def again(value):
    return from_json(json.loads(json.dumps(to_json(value))))


@given(VALUES)
def test_plain_values_of_any_depth_come_back(value):
    found = again(value)
    assert found == value
    assert repr(found) == repr(value)


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["a", "bcd"]),
        np.array(["a", "bcd"], dtype=object),
        np.array([1, "a", 2.5, True], dtype=object),
        np.array([-1, 5], dtype=np.int8),
        np.array([0.1, 1e300]),
        np.array([0.1], dtype=np.float32),
        np.array([False, True]),
        np.array([2**64 - 1], dtype=np.uint64),
    ],
    ids=repr,
)
def test_labels_keep_their_dtype(labels):
    found = again(labels)
    assert found.dtype == labels.dtype
    np.testing.assert_array_equal(found, labels)
    assert [type(x) for x in found.tolist()] == [type(x) for x in labels.tolist()]


def test_numbers_of_numpy_are_those_of_python():
    assert again(np.float32(0.5)) == 0.5
    assert again({np.int64(3): np.bool_(True)}) == {3: True}


@pytest.mark.parametrize(
    "kind",
    [nn.Tanh, nn.CrossEntropyLoss, torch.optim.RMSprop, torch.utils.data.DataLoader],
)
def test_classes_of_torch_are_found_again(kind):
    assert again(kind) is kind


@pytest.mark.parametrize(
    "module",
    [nn.LeakyReLU(0.3), nn.ELU(0.5, inplace=True), nn.Hardtanh(-2, 3), nn.GELU("tanh")],
    ids=repr,
)
def test_modules_of_torch_are_built_with_their_arguments(module):
    assert repr(again(module)) == repr(module)


class Mine(nn.Tanh):
    pass


@pytest.mark.parametrize(
    "code", [len, lambda x: x, Mine, Mine(), object(), np.zeros((2, 2)), {1, 2}]
)
def test_code_and_what_has_no_form_are_refused(code):
    with pytest.raises(TypeError):
        to_json(code)


def test_a_module_with_an_argument_that_is_forgotten_is_named():
    with pytest.raises(TypeError, match="argument 'd_model' cannot be read"):
        to_json(nn.TransformerEncoderLayer(8, 2))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"class": "os.system"}, "the class 'os.system' is not among"),
        ({"class": ["a"]}, "unhashable"),
        ({"module": "subprocess.Popen", "arguments": {"args": "ls"}}, "'subprocess.P"),
        ({"eval": "1"}, "'eval' is no kind of value"),
        ({}, "is no value"),
        ([1], "is no value"),
        ({"array": [1], "dtype": "datetime64[s]"}, "of labels is not known"),
    ],
)
def test_what_to_json_never_writes_is_refused(value, said):
    with pytest.raises((ValueError, TypeError), match=said):
        from_json(value)

"""What is dumped comes back; large arrays are mapped from files, each once."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch import nn

from skact.backend.shared_arrays import SharedArrays, _Pickler, dump, load


@pytest.fixture
def shared():
    one = SharedArrays()
    yield one
    one.remove()


LARGE = np.random.default_rng(0).normal(size=(500, 20))


def test_equal_arrays_are_stored_once_and_mapped(shared):
    message = shared.dump({"X": LARGE, "again": LARGE.copy(), "other": LARGE + 1})
    assert len(message) < 1000
    assert len(list(shared.folder.iterdir())) == 2
    found = load(message, shared.folder)
    assert found["X"] is found["again"]
    np.testing.assert_array_equal(found["other"], LARGE + 1)


def test_a_mapped_array_is_no_copy_and_writing_to_it_changes_no_file(shared):
    message = shared.dump(LARGE)
    mapped = load(message, shared.folder)
    assert isinstance(mapped.base, np.memmap)
    torch.from_numpy(mapped)[0] = 7  # torch takes it without a warning
    np.testing.assert_array_equal(load(message, shared.folder), LARGE)


@pytest.mark.parametrize("of_class", [sp.csr_matrix, sp.csr_array])
def test_a_sparse_matrix_is_mapped_in_its_parts(shared, of_class):
    matrix = of_class(np.where(LARGE > 1, LARGE, 0))
    found = load(shared.dump([matrix, matrix.copy()]), shared.folder)
    assert type(found[0]) is of_class
    assert found[0] is found[1]
    np.testing.assert_array_equal(found[0].toarray(), matrix.toarray())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64])
@pytest.mark.parametrize("shape", [(), (3,), (0,), (2, 3)], ids=str)
def test_tensors_come_back_with_dtype_and_shape(dtype, shape):
    tensor = torch.arange(np.prod(shape, dtype=int)).view(shape).to(dtype)
    (found,) = load(dump([tensor]), None)
    assert found.dtype == dtype
    assert torch.equal(found, tensor)
    found += 1  # it can be written to


def test_parameters_stay_parameters_and_stay_shared():
    linear = nn.Linear(3, 2)
    linear.bias.requires_grad_(False)
    optimizer = torch.optim.Adam(linear.parameters())
    copy, of_copy = load(dump((linear, optimizer)), None)
    assert isinstance(copy.weight, nn.Parameter)
    assert not copy.bias.requires_grad
    assert of_copy.param_groups[0]["params"][0] is copy.weight
    assert torch.equal(copy.weight, linear.weight)


def test_the_folder_is_gone_at_the_end():
    one = SharedArrays()
    one.dump(LARGE)
    one.remove()
    assert not one.folder.exists()


def test_numbers_of_a_record_cost_no_call_of_python_each(shared, monkeypatch):
    calls, reduce = [], _Pickler.reducer_override
    monkeypatch.setattr(
        _Pickler,
        "reducer_override",
        lambda self, value: calls.append(value) or reduce(self, value),
    )
    values = [[float(i), i, str(i), None] for i in range(1000)]
    array = np.arange(2000.0)
    message = shared.dump((values, array))
    # the array, and the function and the class that build it
    assert len(calls) <= 3
    assert "persistent_id" not in vars(_Pickler)  # it would be called for each
    found, same = load(message, shared.folder)
    assert found == values
    np.testing.assert_array_equal(same, array)

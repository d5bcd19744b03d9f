"""Rows and the datasets made of them: each row keeps its y, target and weight."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given
from hypothesis import strategies as st
from skorch.dataset import Dataset
from torch.utils.data import DataLoader, Subset

from skact.parameters.rows import (
    CollatedRows,
    EpochOrder,
    Rows,
    TrainingData,
    collate_rows,
    has_collated_rows,
    rows_of,
)


def make_rows(n=10, *, weighted=False, sparse=False):
    """Return rows whose number can be read from each of their values."""
    number = np.arange(n)
    X = np.column_stack([number, -number]).astype(np.float32)
    labels = np.array([f"label {i}" for i in number])
    weight = number / n if weighted else None
    return Rows(sp.csr_array(X) if sparse else X, labels, number, weight)


@given(st.lists(st.integers(0, 9), max_size=20), st.booleans(), st.booleans())
def test_taken_rows_keep_their_y_target_and_weight(indices, weighted, sparse):
    rows = make_rows(weighted=weighted, sparse=sparse)
    taken = rows.take(np.array(indices, dtype=int))
    assert len(taken) == len(indices)
    assert taken.targets.tolist() == indices
    assert taken.y.tolist() == [f"label {i}" for i in indices]
    X = taken.X.toarray() if sparse else taken.X
    assert X[:, 0].tolist() == indices
    if weighted:
        assert taken.sample_weight.tolist() == [i / 10 for i in indices]
    else:
        assert taken.sample_weight is None


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_loader_gets_whole_batches_of_codes_and_dense_rows(weighted, sparse):
    data = TrainingData.of_rows(make_rows(weighted=weighted, sparse=sparse))
    loader = DataLoader(data, batch_size=4, collate_fn=collate_rows)
    batches = list(loader)
    assert [len(targets) for _, targets in batches] == [4, 4, 2]
    for X, targets in batches:
        if weighted:
            torch.testing.assert_close(
                X["sample_weight"], targets / 10.0, check_dtype=False
            )
            X = X["X"]
        assert X.dtype == torch.float32
        assert torch.equal(X[:, 0], targets.float())


def test_a_dataset_of_rows_keeps_what_the_user_gave():
    rows = make_rows()
    data = TrainingData.of_rows(rows)
    assert data.X is rows.X
    assert data.y is rows.y
    assert len(data) == 10


@pytest.mark.parametrize("weighted", [False, True])
def test_one_sample_is_a_row_of_its_batch(weighted):
    data = TrainingData.of_rows(make_rows(weighted=weighted))
    X, target = data[np.int64(7)]
    assert target == 7
    if weighted:
        assert X["sample_weight"] == 0.7
        X = X["X"]
    assert X.tolist() == [7.0, -7.0]


@pytest.mark.parametrize("weighted", [False, True])
def test_collated_rows_are_a_sequence_of_samples(weighted):
    batch = TrainingData.of_rows(make_rows(weighted=weighted)).__getitems__([3, 1, 4])
    assert isinstance(batch, CollatedRows)
    assert [int(target) for _, target in batch] == [3, 1, 4]
    X = [sample["X"] if weighted else sample for sample, _ in batch]
    assert [int(row[0]) for row in X] == [3, 1, 4]
    assert collate_rows(batch) == (batch.X, batch.y)


def test_rows_are_found_in_subsets_and_nowhere_else():
    rows, (X, y) = make_rows(), (np.ones((3, 2)), np.arange(3))
    data = TrainingData.of_rows(rows)
    assert rows_of(data) is rows
    inner = Subset(data, [8, 6, 4, 2])
    assert rows_of(Subset(inner, [3, 0])).targets.tolist() == [2, 8]
    assert rows_of(Dataset(X, y)) is None
    assert rows_of(Subset(Dataset(X, y), [0])) is None
    assert (
        rows_of(type("Mine", (TrainingData,), {}).of_rows(rows)) is None
    )  # it may transform
    assert rows_of(None) is None


def test_subsets_of_training_data_need_the_collation():
    data = TrainingData.of_rows(make_rows())
    mine = type("Mine", (TrainingData,), {}).of_rows(make_rows())
    for dataset in (data, mine, Subset(data, [1]), Subset(Subset(data, [1]), [0])):
        assert has_collated_rows(dataset)
    plain = Dataset(np.ones((3, 2)), np.arange(3))
    assert not has_collated_rows(plain)
    assert not has_collated_rows(Subset(plain, [1]))


@given(st.integers(1, 50), st.integers(0, 2**63 - 1), st.integers(0, 5))
def test_each_epoch_is_a_new_order_that_seed_and_epoch_determine(n, seed, first):
    order = EpochOrder(n, seed, first)
    epochs = [list(order) for _ in range(3)]
    assert all(sorted(epoch) == list(range(n)) for epoch in epochs)
    assert len(order) == n
    # one that begins later goes the same way
    later = EpochOrder(n, seed, first + 1)
    assert [list(later), list(later)] == epochs[1:]
    if n > 20:
        assert epochs[0] != epochs[1]

"""Whatever a train_split returns: classes and weights of rows are kept, or refused."""

import copy
import re

import numpy as np
import pytest
import torch
from skorch.dataset import Dataset, ValidSplit
from skorch.helper import predefined_split
from torch.utils.data import ConcatDataset, Subset, TensorDataset, random_split

from skact import ActMLP, ActMLPBinary, ActMLPRegressor

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 3)).astype("float32")
Y = (X[:, 0] > 0).astype(int)
TRAIN, VALID = np.arange(40), np.arange(40, 60)


def subsets(dataset, y=None):
    return Subset(dataset, TRAIN), Subset(dataset, VALID)


def same_type(dataset, y=None):
    kind, X, y = type(dataset), dataset.X, dataset.y
    return kind(X[TRAIN], y[TRAIN]), kind(X[VALID], y[VALID])


def of_skorch(dataset, y=None):
    X, y = dataset.X, dataset.y
    return Dataset(X[TRAIN], y[TRAIN]), Dataset(X[VALID], y[VALID])


def from_the_y_of_the_split(dataset, y=None):
    return Dataset(dataset.X[TRAIN], y[TRAIN]), Dataset(dataset.X[VALID], y[VALID])


def of_tensors(dataset, y=None):
    X, y = torch.from_numpy(dataset.X), torch.from_numpy(np.asarray(dataset.y))
    return TensorDataset(X[TRAIN], y[TRAIN]), TensorDataset(X[VALID], y[VALID])


def subset_of_another(dataset, y=None):
    whole = Dataset(dataset.X, dataset.y)
    return Subset(whole, TRAIN), Subset(whole, VALID)


def subset_of_a_subset(dataset, y=None):
    inner = Subset(dataset, np.arange(60)[::-1].copy())
    return Subset(inner, 59 - TRAIN), Subset(inner, 59 - VALID)


def of_samples(dataset, y=None):
    samples = [dataset[i] for i in range(len(dataset))]
    xs, ys = np.stack([x for x, _ in samples]), np.array([y for _, y in samples])
    return Dataset(xs[TRAIN], ys[TRAIN]), Dataset(xs[VALID], ys[VALID])


def of_a_deep_copy(dataset, y=None):
    return subsets(copy.deepcopy(dataset))


def only_the_held_out(dataset, y=None):
    return Subset(dataset, TRAIN), of_skorch(dataset)[1]


REBUILT = [same_type, of_skorch, from_the_y_of_the_split, only_the_held_out]
ALL = [*REBUILT, of_tensors, subset_of_another, subset_of_a_subset]
ALL += [of_samples, of_a_deep_copy]
LOOPS = pytest.mark.parametrize("loop", [{}, {"iterator_train__num_workers": 0}])


def fitted(split, labels, kind=ActMLP, weight=None, **params):
    net = kind(width=4, max_epochs=3, random_state=0, train_split=split, **params)
    return net.fit(X, labels, sample_weight=weight)


def assert_same_fit(net, other):
    for name in ("train_loss", "valid_loss"):
        assert net.history[:, name] == other.history[:, name], name
    for p, q in zip(net.module_.parameters(), other.module_.parameters(), strict=True):
        assert torch.equal(p, q)


@LOOPS
@pytest.mark.parametrize("split", ALL)
@pytest.mark.parametrize(
    ("kind", "labels"),
    [
        (ActMLP, Y),
        (ActMLP, Y + 1),
        (ActMLP, np.array(["no", "yes"])[Y]),
        (ActMLPBinary, (2 * Y - 1).astype("float32")),
        (ActMLPRegressor, X[:, 1]),
        (ActMLPRegressor, X[:, :2]),
    ],
    ids=["codes", "1 and 2", "words", "-1 and 1", "numbers", "two columns"],
)
def test_datasets_of_a_split_train_as_the_subsets_of_the_same_rows(
    split, kind, labels, loop
):
    if split is of_tensors and labels.dtype.kind == "U":
        pytest.skip("no tensor holds words")
    params = {**loop, "dtype": "float32"}
    net = fitted(split, labels, kind, **params)
    assert_same_fit(net, fitted(subsets, labels, kind, **params))
    assert ("skorch" in net.trained_by_) == bool(loop)


@LOOPS
@pytest.mark.parametrize("split", ALL)
@pytest.mark.parametrize("class_weight", ["balanced", {1: 100.0}])
def test_weights_of_classes_are_kept_in_any_dataset(split, class_weight, loop):
    params = {**loop, "class_weight": class_weight}
    net = fitted(split, Y, **params)
    assert_same_fit(net, fitted(subsets, Y, **params))
    unweighted = fitted(split, Y, **loop)
    assert net.history[:, "train_loss"] != unweighted.history[:, "train_loss"]
    assert net.history[:, "valid_loss"] != unweighted.history[:, "valid_loss"]


@pytest.mark.parametrize("split", [same_type, of_skorch, of_tensors, subset_of_another])
def test_weights_of_rows_are_not_lost_but_refused(split):
    with pytest.raises(ValueError, match=r"lost the sample_weight .* Return .*Subset"):
        fitted(split, Y, weight=np.linspace(1, 2, 60))
    with pytest.raises(ValueError, match="lost the sample_weight"):
        fitted(split, X[:, :2], ActMLPRegressor, weight=np.linspace(1, 2, 60))


def test_weights_that_y_tells_are_kept():
    weight = np.linspace(1, 2, 60)
    nets = [
        fitted(split, X[:, 0], ActMLPRegressor, weight)
        for split in (of_skorch, subsets)
    ]
    assert_same_fit(*nets)


def test_weights_of_rows_stay_with_subsets_and_held_out_rows_of_ones_own_count_once():
    weight = np.linspace(1, 2, 60)
    net = fitted(only_the_held_out, Y, weight=weight)
    other = fitted(subsets, Y, weight=weight)
    assert net.history[:, "train_loss"] == other.history[:, "train_loss"]
    assert net.history[:, "valid_loss"] != other.history[:, "valid_loss"]


def test_a_dataset_may_bring_its_weights_as_in_skorch():
    weight = np.linspace(1, 2, 60).astype("float32")

    def split(dataset, y=None):
        return tuple(
            Dataset({"X": X[rows], "sample_weight": weight[rows]}, dataset.y[rows])
            for rows in (TRAIN, VALID)
        )

    net = fitted(split, np.array(["b", "a"])[Y], weight=weight)
    assert_same_fit(net, fitted(subsets, np.array(["b", "a"])[Y], weight=weight))


def test_a_random_split_of_torch_keeps_all():
    def split(dataset, y=None):
        seed = torch.Generator().manual_seed(0)
        return random_split(dataset, [40, 20], generator=seed)

    assert fitted(split, Y + 5, weight=np.linspace(1, 2, 60)).trained_by_ == (
        "the engine"
    )


@pytest.mark.parametrize("y_valid", [None, np.full(20, 7)])
def test_held_out_rows_without_y_or_of_new_classes_are_refused(y_valid):
    with pytest.raises(ValueError, match=r"In a dataset that train_split returned"):
        fitted(lambda dataset, y: (dataset, Dataset(X[VALID], y_valid)), Y)


def test_a_split_may_hold_out_nothing():
    net = fitted(lambda dataset, y: (dataset, None), Y + 1)
    assert "valid_loss" not in net.history[-1]


def test_held_out_rows_may_come_from_elsewhere():
    names = np.array(["b", "a"])[Y]
    net = fitted(predefined_split(Dataset(X[VALID], names[VALID])), names)
    assert net.history[-1, "valid_acc"] >= 0


class Doubled(torch.utils.data.Dataset):
    """A dataset of one's own over that of the fit: its samples keep their codes."""

    def __init__(self, dataset, labels=None):
        self.dataset, self.labels = dataset, labels

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, i):
        x, y = self.dataset[i]
        return x, y if self.labels is None else self.labels[i]


def test_samples_of_a_class_of_ones_own_train_if_they_keep_codes():
    def split(dataset, y=None):
        return Doubled(dataset), None

    net = fitted(split, np.array(["b", "a"])[Y])
    assert net.trained_by_.startswith("skorch's loop, because train_split")
    assert set(net.predict(X)) <= {"a", "b"}


@pytest.mark.parametrize("labels", [Y + 1, 2 * Y - 1])
def test_samples_that_are_labels_are_refused(labels):
    def split(dataset, y=None):
        return Doubled(dataset, labels), None

    with pytest.raises(ValueError, match="samples have lost class codes"):
        fitted(split, labels)


def test_samples_without_weights_or_with_targets_of_another_shape_are_refused():
    def split(dataset, y=None):
        plain = TensorDataset(torch.from_numpy(X), torch.from_numpy(X[:, 0]))
        return ConcatDataset([plain]), None

    with pytest.raises(ValueError, match="lost the shape of the targets"):
        fitted(split, X[:, 0], ActMLPRegressor)
    codes = TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
    with pytest.raises(ValueError, match="ConcatDataset, whose samples have lost weig"):
        fitted(
            lambda *_: (ConcatDataset([codes]), None), Y, weight=np.linspace(1, 2, 60)
        )


def test_the_dataset_that_a_split_gets_has_the_labels_of_the_user():
    seen = []

    def split(dataset, y=None):
        seen.extend([dataset.y.tolist(), list(y), len(dataset)])
        return ValidSplit(3)(dataset, y)

    names = np.array(["b", "a"])[Y]
    fitted(split, names)
    assert seen == [names.tolist(), names.tolist(), 60]


@pytest.mark.parametrize(
    ("split", "error", "message"),
    [
        (lambda d, y: d, TypeError, "must return two datasets"),
        (lambda d, y: (d.X[:40], d.X[40:]), TypeError, "of ['ndarray', 'ndarray']"),
        (lambda d, y: (d, d, d), TypeError, "must return two datasets"),
        (lambda d, y: None, TypeError, "got NoneType"),
        (lambda d, y: (Subset(d, []), d), ValueError, "returns no rows to train on"),
        (lambda d, y: (Subset(d, [99]), d), ValueError, "cannot use train_split="),
        (
            lambda d, y: (d, Subset(d, [])),
            ValueError,
            "no rows to hold out: return None",
        ),
    ],
    ids=["one", "arrays", "three", "none", "no train", "no such row", "no held-out"],
)
@LOOPS
def test_a_split_that_returns_something_else_is_told_what_it_must(
    split, error, message, loop
):
    with pytest.raises(error, match=re.escape(message)):
        fitted(split, Y, **loop)


def of_tensors_from_samples(dataset, y=None):
    parts = []
    for rows in (TRAIN, VALID):
        xs, ys = zip(*[dataset[i] for i in rows], strict=True)
        parts.append(TensorDataset(torch.stack(xs), torch.stack(ys)))
    return tuple(parts)


@LOOPS
@pytest.mark.parametrize("split", [of_samples, of_tensors_from_samples, subsets])
@pytest.mark.parametrize("dtype", ["int8", "float32", "float64"])
def test_samples_show_labels_to_a_split_also_where_codes_are_labels_too(
    split, dtype, loop
):
    labels = (np.arange(60) % 3 + 1).astype(dtype)
    labels[VALID] = np.arange(20) % 2 + 2  # 2 and 3, whose codes are 1 and 2
    net = fitted(split, labels, **loop)
    assert_same_fit(net, fitted(subsets, labels, **loop))
    right = net.predict(X[VALID]) == labels[VALID]
    assert net.history[-1, "valid_acc"] == right.mean()


def test_samples_show_the_weights_of_the_user_to_a_split():
    def split(dataset, y=None):
        parts = []
        for rows in (TRAIN, VALID):
            samples = [dataset[i] for i in rows]
            shown = {
                "X": np.stack([x["X"] for x, _ in samples]),
                "sample_weight": np.array([x["sample_weight"] for x, _ in samples]),
            }
            parts.append(Dataset(shown, np.array([y for _, y in samples])))
        return tuple(parts)

    options = {"class_weight": {1: 3.0}, "weight": np.linspace(1, 2, 60)}
    for labels in (Y, Y + 1):
        net = fitted(split, labels, **options)
        assert_same_fit(net, fitted(subsets, labels, **options))


class Kept(torch.utils.data.Dataset):
    """A dataset of one's own that keeps the samples that a split sees."""

    def __init__(self, dataset):
        self.samples = [dataset[i] for i in range(len(dataset))]

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, i):
        return self.samples[i]


def test_samples_that_a_class_of_ones_own_keeps_are_refused_where_values_are_lost():
    def split(dataset, y=None):
        return Kept(dataset), None

    with pytest.raises(ValueError, match="samples have lost class codes"):
        fitted(split, np.where(Y, 1, 2))
    weight = np.linspace(1, 2, 60)
    with pytest.raises(ValueError, match="samples have lost class weights"):
        fitted(split, Y, weight=weight, class_weight={1: 3.0})
    assert "skorch" in fitted(split, Y, weight=weight).trained_by_


def test_what_reads_samples_in_training_gets_codes_and_the_weights_of_classes():
    options = {"weight": np.linspace(1, 2, 60), "class_weight": {2: 3.0}}
    nets = [
        fitted(lambda dataset, y, kind=kind: (kind(dataset), None), Y + 1, **options)
        for kind in (Doubled, lambda dataset: ConcatDataset([dataset]), lambda d: d)
    ]
    np.testing.assert_allclose(*[net.loss_curve_ for net in nets[:2]], rtol=1e-5)
    np.testing.assert_allclose(*[net.loss_curve_ for net in nets[1:]], rtol=1e-5)


@LOOPS
def test_rows_without_any_weight_neither_train_nor_validate(loop):
    for rows, does in ((TRAIN, "leaves to train"), (VALID, "holds out")):
        weight = np.ones(60)
        weight[rows] = 0
        message = f"All rows that train_split {does} have weight 0"
        with pytest.raises(ValueError, match=message):
            fitted(subsets, Y, weight=weight, **loop)
    labels = np.where(np.isin(np.arange(60), VALID), 1, 0)
    with pytest.raises(ValueError, match="holds out have weight 0"):
        fitted(subsets, labels, class_weight={1: 0.0}, **loop)
    net = ActMLPRegressor(early_stopping=True, **loop)
    with pytest.raises(ValueError, match=r"All rows that early_stopping=True .* weig"):
        net.fit(X, X[:, 0], sample_weight=np.eye(60)[3])  # on one side there is none

"""Labels of any kind: encoded, weighed, predicted and scored."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score

from skact import ActMLP, ActMLPBinary

CLASSIFIERS = [ActMLP, ActMLPBinary]
X, Y = np.arange(20.0).reshape(10, 2), np.tile([0, 1], 5)


def two_classes(X, y):
    return X[y < 2], y[y < 2]


@pytest.mark.parametrize("net", CLASSIFIERS)
@pytest.mark.parametrize(
    "labels",
    [
        np.array([5, 7]),
        np.array(["no", "yes"]),
        np.array(["no", "yes"], dtype=object),
        np.array([False, True]),
        np.array([-1.0, 1.0]),
    ],
    ids=str,
)
def test_labels_of_any_kind_come_back_as_they_went_in(net, labels, iris, same):
    X, codes = two_classes(*iris)
    plain = net(max_epochs=20, lr=0.01, random_state=0).fit(X, codes)
    named = net(max_epochs=20, lr=0.01, random_state=0).fit(X, labels[codes])
    assert same(plain, named)
    np.testing.assert_array_equal(named.classes_, labels)
    np.testing.assert_array_equal(named.predict(X), labels[plain.predict(X)])
    assert named.score(X, labels[codes]) > 0.95


@pytest.mark.parametrize("net", CLASSIFIERS)
def test_class_weights_are_sample_weights(net, iris, same):
    X, y = two_classes(*iris)
    X, y = X[20:], y[20:]
    names = np.array(["a", "b"])[y]
    counts = np.bincount(y)
    by_hand = (len(y) / (2 * counts))[y]
    options = {"max_epochs": 3, "random_state": 0}
    expected = net(**options).fit(X, names, sample_weight=by_hand)
    balanced = net(**options, class_weight="balanced").fit(X, names)
    named = net(
        **options, class_weight=dict(zip("ab", len(y) / (2 * counts), strict=True))
    )
    assert same(expected, balanced)
    assert same(expected, named.fit(X, names))


def test_class_weights_and_sample_weights_multiply(iris, same):
    X, y = iris
    weight = np.random.default_rng(0).uniform(0.5, 2, len(X))
    options = {"max_epochs": 3, "random_state": 0}
    both = ActMLP(**options, class_weight={0: 2, 1: 1, 2: 1}).fit(
        X, y, sample_weight=weight
    )
    product = ActMLP(**options).fit(
        X, y, sample_weight=weight * np.where(y == 0, 2.0, 1.0)
    )
    assert same(both, product)


def test_classes_without_a_weight_count_as_one_also_chunk_by_chunk(iris, same):
    X, y = iris
    net = ActMLP(max_epochs=1, class_weight={0: 2.0}, random_state=0)
    net.partial_fit(X, y, classes=[0, 1, 2]).partial_fit(X[y > 0], y[y > 0])
    assert len(net.history) == 2
    by_hand = ActMLP(max_epochs=1, random_state=0)
    by_hand.partial_fit(X, y, sample_weight=np.where(y == 0, 2.0, 1.0))
    assert same(
        by_hand, ActMLP(max_epochs=1, class_weight={0: 2.0}, random_state=0).fit(X, y)
    )


@pytest.mark.parametrize("labels", ["ints", "strings", "booleans", "list", "objects"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_score_is_scikit_learns_accuracy(iris, labels, weighted):
    X, y = iris
    y = {
        "ints": y,
        "strings": np.array(["b", "a", "c"])[y],
        "booleans": y == 1,
        "list": y.tolist(),
        "objects": np.array(["b", "a", "c"], dtype=object)[y],
    }[labels]
    weight = np.linspace(0, 1, len(X)) if weighted else None
    net = ActMLP(max_epochs=2, random_state=0).fit(X, y)
    expected = accuracy_score(y, net.predict(X), sample_weight=weight)
    assert net.score(X, y, sample_weight=weight) == expected
    assert type(net.score(X, y, weight)) is float


def test_a_score_refuses_what_scikit_learns_accuracy_refuses(iris):
    X, y = iris
    net = ActMLP(max_epochs=1).fit(X, y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        net.score(X, y[:-1])
    with pytest.raises(ValueError, match="Classification metrics can't handle"):
        net.score(X, y + 0.5)
    assert net.score(X, y.astype(float)) == net.score(X, y)


@pytest.mark.parametrize("net", CLASSIFIERS)
def test_one_class_is_learnt_for_certain(net, iris):
    X, _ = iris
    fitted = net(max_epochs=2).fit(X, np.full(len(X), "only"))
    np.testing.assert_array_equal(fitted.predict(X), np.full(len(X), "only"))
    np.testing.assert_array_equal(fitted.predict_proba(X), np.ones((len(X), 1)))


@pytest.mark.parametrize(
    ("weights", "allowed"),
    [
        ({0: -1}, "weights that are finite, >= 0"),
        ({0: np.nan}, "weights that are finite, >= 0"),
        ({0: 10**400}, "weights that are finite, >= 0"),
        ({0: 0, 1: 0}, "weights that are finite, >= 0 and not all 0"),
        ({0: "heavy"}, "numbers"),
        ({0: 1j}, "numbers"),
        ({0: None}, "numbers"),
        ({0: np.datetime64("2020-01-01")}, "numbers"),
        ({0: 1, "no such label": 2}, "weights to labels among [0, 1]"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_class_weights_are_checked(weights, allowed):
    message = f"'class_weight' parameter of ActMLP must give {allowed}"
    with pytest.raises(ValueError, match=re.escape(message)):
        ActMLP(class_weight=weights).fit(X, Y)


@pytest.mark.parametrize("net", CLASSIFIERS)
def test_a_fold_may_lack_a_class_that_has_a_weight(net):
    both = net(max_epochs=2, random_state=0, class_weight={0: 1, 1: 3, 2: 5})
    same = net(max_epochs=2, random_state=0, class_weight={0: 1, 1: 3})
    np.testing.assert_array_equal(
        both.fit(X, Y).predict_proba(X), same.fit(X, Y).predict_proba(X)
    )


def test_classes_cannot_change_between_calls_of_partial_fit():
    net = ActMLP(max_epochs=1).partial_fit(X, Y, classes=[0, 1, 2])
    message = (
        "classes=[0, 1] differs from the classes of the first call of partial_fit: "
        "[0, 1, 2]."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        net.partial_fit(X, Y, classes=[0, 1])


@pytest.mark.parametrize("classes", [3, "012", [0, 1, None], [[0, 1, 2]], [0, np.nan]])
def test_classes_that_are_no_list_of_labels_are_refused(classes):
    with pytest.raises(ValueError, match="classes must be a list of all labels, got"):
        ActMLP(max_epochs=1).partial_fit(X, Y, classes=classes)


def test_labels_that_differ_in_nearly_every_row_are_warned_of_as_in_scikit_learn():
    table, labels = np.arange(60.0).reshape(30, 2), np.arange(30)
    with pytest.warns(UserWarning, match="unique classes is greater than 50%"):
        net = ActMLP(max_epochs=1, random_state=0).fit(table, labels)
    assert net.score(table, labels) == np.mean(net.predict(table) == labels)


@pytest.mark.parametrize(
    ("y", "types"),
    [
        (np.array(["a"] * 15 + [1.5] * 15, dtype=object), "float, str"),
        (pd.Series(["a"] * 15 + [1] * 15, dtype=object), "int, str"),
    ],
)
def test_labels_without_an_order_are_named(y, types):
    X = np.random.default_rng(0).normal(size=(30, 3))
    with pytest.raises(ValueError, match=f"^y holds labels of type {types}: labels"):
        ActMLP(max_epochs=1).fit(X, y)

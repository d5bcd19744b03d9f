"""Nets are found wherever they are, taken out and put back."""

import functools
import threading

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.utils import Bunch

from skact._sklearn import CALLBACKS
from skact.deploying.net_places import (
    NetPlace,
    first_difference,
    replace_inside,
    walk,
)


class Holder:
    def __init__(self, **attributes):
        vars(self).update(attributes)


def ways(root, stop=()):
    return [path for path, _ in walk(root, "root", stop)]


def test_walk_tells_the_way_to_each_part():
    cells = np.array([None, "x"], dtype=object)
    root = Holder(steps=[("a", 1)], by_name=Bunch(b=2.5), cells=cells)
    assert ways(root) == [
        *("root", "root.steps", "root.steps[0]"),
        *("root.steps[0][0]", "root.steps[0][1]"),
        *("root.by_name", "root.by_name['b']"),
        *("root.cells", "root.cells[0]", "root.cells[1]"),
    ]


def test_walk_yields_a_part_once_and_ends_in_a_circle():
    inner = Holder()
    root = Holder(one=[inner], two=[inner])
    inner.up = root
    assert ways(root) == ["root", "root.one", "root.one[0]", "root.two"]


def test_walk_does_not_look_into_what_it_shall_not():
    root = [Holder(inner=Holder()), sp.csr_array(np.eye(2)), Holder, np.zeros(3)]
    assert ways(root, (Holder,)) == ["root", *(f"root[{i}]" for i in range(4))]


def test_callbacks_are_not_looked_at_and_not_copied():
    root = Holder(**{CALLBACKS: [threading.Lock()]}, inner=Holder(**{CALLBACKS: [1]}))
    assert ways(root) == ["root", "root.inner"]
    found = replace_inside(root, {})
    assert vars(found)[CALLBACKS] == vars(found.inner)[CALLBACKS] == []
    assert len(vars(root)[CALLBACKS]) == 1


def test_replace_inside_copies_and_keeps_what_is_shared():
    net = Holder(weights=np.ones(2))
    root = Holder(one=[net, (net,)], two={"net": net}, numbers=np.arange(3))
    place = NetPlace(0)
    found = replace_inside(root, {id(net): place})
    assert found.one[0] is found.one[1][0] is found.two["net"] is place
    assert found.numbers is not root.numbers
    assert root.one[0] is net
    assert replace_inside(net, {id(net): place}) is place


def values():
    return {
        "float": 0.1,
        "nan": float("nan"),
        "array": np.array([1.0, np.nan]),
        "objects": np.array(["a", None], dtype=object),
        "sparse": sp.csr_array(np.eye(2)),
        "set": {1, "a"},
        "state": np.random.RandomState(0),
        "holder": Holder(a=(1, [True])),
        "ufunc": np.log1p,
        "none": None,
    }


def test_equal_objects_do_not_differ():
    assert first_difference(values(), values()) is None
    circle = Holder()
    circle.up = circle
    assert first_difference(circle, circle) is None


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("float", 0.2),
        ("float", np.float64(0.1)),
        ("nan", 0.0),
        ("array", np.array([1.0, 2.0])),
        ("array", np.array([1.0, np.nan], dtype=np.float32)),
        ("sparse", sp.csr_array(2 * np.eye(2))),
        ("sparse", sp.csr_array(np.eye(3))),
        ("set", {1}),
        ("state", np.random.RandomState(1)),
        ("ufunc", np.exp),
        ("none", False),
        ("holder", functools.partial(print)),
    ],
)
def test_the_first_difference_is_named(name, other):
    changed = {**values(), name: other}
    assert first_difference(values(), changed) == f"estimator[{name!r}]"


def test_a_difference_deep_inside_is_named():
    found = first_difference([Holder(a=(1, [True]))], [Holder(a=(1, [False]))])
    assert found == "estimator[0].a[1][0]"
    assert first_difference([Holder(a=1)], [Holder(a=1, b=2)]) == "estimator[0]"
    assert first_difference({1: 2}, {1: 2, 3: 4}) == "estimator"

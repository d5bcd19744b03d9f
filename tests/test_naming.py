"""Values of any kind become scalars that can be shown, and different values differ."""

import datetime
import decimal
import functools
import math
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from skorch.callbacks import EarlyStopping, LRScheduler
from skorch.dataset import ValidSplit
from torch import nn
from torch.optim.lr_scheduler import ExponentialLR, StepLR

from skact import ActMLP
from skact.naming import name_values, short_name


class Constant(BaseEstimator):
    def fit(self, X: Any, y: Any) -> "Constant":
        return self


class Plain:
    def __init__(self, a: Any):
        self.a = a


def half(x: Any) -> Any:
    return x / 2


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (nn.ReLU, "ReLU"),
        (nn.LeakyReLU(0.2), "LeakyReLU(negative_slope=0.2)"),
        (Constant, "Constant"),
        (half, "half"),
        (len, "len"),
        (np.tanh, "tanh"),
        (lambda x: x, "lambda"),
        (functools.partial(nn.LeakyReLU, 0.2), "partial(LeakyReLU, 0.2)"),
        (functools.partial(half, x=1), "partial(half, x=1)"),
        (functools.partial(lambda x: x, 1), "partial(lambda, 1)"),
        (SVC(C=2), "SVC(C=2)"),
        (SVC(C=np.float64(2)), "SVC(C=2.0)"),
        (FunctionTransformer(half), "FunctionTransformer(func=half)"),
        (object(), "object()"),
        ((64, 32), "(64, 32)"),
        ((np.int64(64), np.True_), "(64, True)"),
        ([nn.ReLU, nn.Tanh()], "[ReLU, Tanh()]"),
        ({0: 1, 1: 5}, "{0: 1, 1: 5}"),
        (None, "None"),
        (math.nan, "nan"),
        (np.bool_(True), True),
        (np.int16(3), 3),
        (np.str_("relu"), "relu"),
    ],
)
def test_other_values_become_short_names(value: Any, name: Any) -> None:
    (shown,) = name_values([value])
    assert shown == name
    assert type(shown) is type(name)


def test_long_values_become_one_short_line() -> None:
    many = nn.Sequential(*(nn.Linear(2, 2) for _ in range(10)))
    steps = make_pipeline(StandardScaler(), PCA(), LogisticRegression(C=0.1, tol=0.1))
    for name in name_values([many, steps, np.arange(200).reshape(2, 100)]):
        assert isinstance(name, str)
        assert len(name) == 60
        assert name.endswith("…")
        assert "\n" not in name
        assert "  " not in name


def test_no_name_tells_a_memory_address() -> None:
    values = [
        half,
        object(),
        object,
        Constant().fit,
        [half, object()],
        nn.ReLU().forward,
    ]
    for name in name_values([*values, *(functools.partial(half, v) for v in values)]):
        assert "0x" not in str(name)
        assert "<" not in str(name)


def test_strings_of_numpy_are_strings() -> None:
    assert name_values(["relu", np.str_("relu")]) == ["relu", "relu"]


def test_numbers_booleans_and_strings_are_their_own_names() -> None:
    values = [True, 2, 2.5, "relu", math.inf]
    names = name_values(values)
    assert names == values
    assert list(map(type, names)) == list(map(type, values))


def test_dates_and_decimals_are_written_as_people_write_them() -> None:
    values = [
        datetime.date(2026, 11, 24),
        datetime.timedelta(seconds=90),
        decimal.Decimal("0.10"),
    ]
    assert name_values(values) == ["2026-11-24", "0:01:30", "0.10"]


def test_different_values_of_one_name_are_numbered_in_their_order() -> None:
    first, second = (lambda x: x), (lambda x: -x)
    assert name_values([first, second, first]) == [
        "lambda #1",
        "lambda #2",
        "lambda #1",
    ]
    assert name_values([None, "None"]) == ["None #1", "None #2"]
    assert name_values([math.nan, "nan"]) == ["nan #1", "nan #2"]


def test_a_number_is_not_given_twice() -> None:
    first, second = (lambda x: x), (lambda x: -x)
    names = name_values([first, "lambda #1", second])
    assert names == ["lambda #2", "lambda #1", "lambda #3"]


def test_copies_of_one_value_share_their_name() -> None:
    copies = [nn.LeakyReLU(0.2), nn.LeakyReLU(0.2)]
    assert name_values(copies) == ["LeakyReLU(negative_slope=0.2)"] * 2
    others = [functools.partial(half, x=1), functools.partial(half, x=1)]
    assert name_values(others) == ["partial(half, x=1)"] * 2


def test_values_that_cannot_be_pickled_count_as_different() -> None:
    class Shy:
        def __repr__(self) -> str:
            return "Shy()"

        def __reduce__(self) -> Any:
            raise OSError("not today")

    one = Shy()
    assert name_values([one, Shy(), one]) == ["Shy() #1", "Shy() #2", "Shy() #1"]


def test_an_empty_column_has_no_names() -> None:
    assert name_values([]) == []


def test_a_short_name_of_a_bound_method_is_the_name_of_the_method() -> None:
    assert short_name(Constant().fit) == "fit"
    assert short_name([Constant().fit]) == "[fit]"


def test_callbacks_are_named_by_what_differs() -> None:
    step = LRScheduler(StepLR, step_size=1)
    assert name_values([step, LRScheduler(ExponentialLR, gamma=0.9), None]) == [
        "LRScheduler(policy=StepLR, step_size=1)",
        "LRScheduler(policy=ExponentialLR, gamma=0.9)",
        "None",
    ]
    stops = [[EarlyStopping("train_loss", patience=n)] for n in (1, 9)]
    assert name_values([None, *stops, [("stop", stops[1][0])]]) == [
        "None",
        "[EarlyStopping(monitor='train_loss', patience=1)]",
        "[EarlyStopping(monitor='train_loss', patience=9)]",
        "[('stop', EarlyStopping(monitor='train_loss', patience=9))]",
    ]


@pytest.mark.parametrize(
    ("hold", "name"),
    [
        (lambda stop: {"stop": stop}, "{'stop': EarlyStopping(patience=%s)}"),
        (lambda stop: functools.partial(half, stop), "partial(half, %s)"),
        (lambda stop: functools.partial(half, x=stop), "partial(half, x=%s)"),
        (lambda stop: ActMLP(callbacks=[stop]), "ActMLP(callbacks=[%s])"),
        (lambda stop: [({"a": (stop,)},)], "[({'a': (%s,)},)]"),
    ],
)
def test_what_holds_callbacks_is_named_by_what_differs_in_them(
    hold: Any, name: str
) -> None:
    names = name_values([hold(EarlyStopping(patience=n)) for n in (1, 9)])
    stops = ["EarlyStopping(patience=1)", "EarlyStopping(patience=9)"]
    name = name.replace("EarlyStopping(patience=%s)", "%s")
    assert names == [name % stop for stop in stops]


def test_classes_and_functions_of_one_name_are_told_apart_by_their_modules() -> None:
    kinds = [type("Swish", (), {"__module__": f"pack.{n}"}) for n in ("one", "two")]
    assert name_values(kinds) == ["Swish (pack.one)", "Swish (pack.two)"]
    assert name_values([kinds[0], kinds[0]]) == ["Swish", "Swish"]
    same = [type("Swish", (), {"__module__": "pack"}) for _ in range(2)]
    assert name_values(same) == ["Swish #1", "Swish #2"]
    taken = name_values([*kinds, "Swish (pack.one)"])
    assert taken == ["Swish #1", "Swish #2", "Swish (pack.one)"]


def test_plain_objects_are_told_apart_by_their_attributes() -> None:
    found = [Plain(1), Plain(2), Plain(1)]
    assert name_values(found) == ["Plain(a=1)", "Plain(a=2)", "Plain(a=1)"]
    assert name_values([Plain(1)]) == ["Plain()"]


def test_names_that_differ_only_late_show_where() -> None:
    layers = [[nn.LeakyReLU(0.1), nn.LeakyReLU(0.25), nn.LeakyReLU(x)] for x in (1, 2)]
    names = name_values(layers)
    assert names == [f"[LeakyReLU(negative_…ive_slope={n})]" for n in (1, 2)]
    assert all(len(str(name)) <= 60 for name in names)


def test_splits_of_skorch_are_told_apart() -> None:
    """They define a repr that says nothing."""
    splits = [ValidSplit(3), ValidSplit(0.1), ValidSplit(0.1, stratified=True)]
    names = name_values(splits)
    pairs = zip((3, 0.1, 0.1), names, strict=True)
    assert all(f"cv={cv}" in str(name) for cv, name in pairs)
    assert len({*map(str, names)}) == 3

"""The report of a session says what was fused, in few lines that can be told apart."""

from collections import Counter

import numpy as np
from joblib import Parallel, delayed

from skact import ActMLP, fused
from skact.backend.report import Report
from skact.engine.jobs import StackReport


def lines_of(**fields):
    return str(Report(**fields)).splitlines()


def test_stacks_alike_share_a_line():
    stacks = (
        StackReport(3, 0.5, "a"),
        StackReport(2, 0.25, "a"),
        StackReport(3, 1.0, "a"),
    )
    lines = lines_of(stacks=stacks, fit_seconds=(0.2,) * 8, waves=3, seconds=1.75)
    assert lines == [
        "8 fits fused into 3 stacks in 3 waves: 1.75 s of training, 0.219 s a fit",
        "  2 x 3 networks, 1.5 s: a",
        "  2 networks, 0.25 s: a",
    ]


def test_time_between_epochs_is_told_if_it_is_much():
    stack = (StackReport(2, 1.0, "a"),)
    much = lines_of(stacks=stack, fit_seconds=(0.5, 0.5), waves=1, seconds=3.0)
    assert much[-1] == "  2 s: callbacks between epochs, and preparations"
    little = lines_of(stacks=stack, fit_seconds=(0.5, 0.5), waves=1, seconds=1.05)
    assert len(little) == 2


def test_a_reason_takes_one_line():
    reason = "the activation Sequential(\n  (0): Tanh()\n) draws"
    assert lines_of(not_fused=Counter({reason: 2})) == [
        "2 fits not fused: the activation Sequential( (0): Tanh() ) draws"
    ]


def test_stacks_that_are_apart_have_descriptions_of_their_own():
    X, y = np.random.default_rng(0).normal(size=(90, 3)), np.arange(90) % 2
    base = {"width": 4, "max_epochs": 1, "random_state": 0, "batch_size": 32}
    kinds = [
        {},
        {"norm": "batch"},
        {"norm": "layer"},
        {"dropout": 0.5},
        {"norm": "batch", "dropout": 0.5},
        {"depth": 0},
        {"depth": 2},
        {"optimizer": "sgd"},
        {"batch_size": 16},
        {"batch_size": -1},
        {"dtype": "float32"},
    ]
    with fused() as session:
        Parallel()(delayed(ActMLP(**{**base, **kind}).fit)(X, y) for kind in kinds)
        Parallel()(delayed(ActMLP(**base).fit)(X[:n], y[:n]) for n in (90, 60))
    descriptions = [stack.description for stack in session.report.stacks]
    assert len(descriptions) == len(kinds) + 2
    # the first kind, and the same fit once more
    assert len(set(descriptions)) == len(kinds) + 1
    assert "3-4-2, batch norm, dropout, cross_entropy, adam, 3 batches of 32, " in (
        " ".join(descriptions)
    )


def test_the_report_of_nothing_says_so():
    assert str(Report()) == "Nothing was trained."

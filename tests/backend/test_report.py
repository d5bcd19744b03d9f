"""The report of a session says what was fused, in few lines that can be told apart."""

import html
import re
from collections import Counter

import numpy as np
import pytest
from joblib import Parallel, delayed
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GridSearchCV

from skact import ActMLP, fused
from skact.backend.report import Report
from skact.engine.jobs import Outcome, StackReport


def lines_of(**fields):
    return str(Report(**fields)).splitlines()


A, B = {"widths": "8", "dtypes": "float32"}, {"widths": "16", "dtypes": "float32"}


def test_stacks_alike_share_a_line():
    stacks = (
        StackReport(3, 0.5, A),
        StackReport(2, 0.25, A),
        StackReport(3, 1.0, A),
    )
    lines = lines_of(stacks=stacks, fit_seconds=(0.2,) * 8, waves=3, seconds=1.75)
    assert lines == [
        "8 fits fused into 3 stacks in 3 waves: 1.75 s of training, 0.219 s a fit",
        "  on average 2.67 networks take each step together; 3 stacks, because there "
        "were 3 waves",
        "  2 x 3 networks, 1.5 s: 8, float32",
        "  2 networks, 0.25 s: 8, float32",
    ]


def reason_of(*stacks, waves=1):
    reports = tuple(StackReport(lanes, 1.0, traits) for lanes, traits in stacks)
    return lines_of(stacks=reports, waves=waves)[1].strip()


def test_what_keeps_networks_apart_is_said_in_the_words_of_the_user():
    together = "4 networks take each step together"
    assert reason_of((4, A)) == together
    assert reason_of((4, A), (4, B)) == (
        f"{together}; 2 stacks, because widths (8, 16) differ"
    )
    many = [(1, {**A, "batches": f"{n} batches"}) for n in range(49)]
    assert reason_of(*many) == (
        "fusing saved nothing: each network has a stack of its own; 49 stacks, because "
        "batches (0 batches, 1 batches, 2 batches, 3 batches, ...) differ"
    )
    both = {**B, "norms": "batch norm"}
    assert reason_of((4, {**A, "norms": ""}), (4, both)).endswith(
        "because widths (8, 16) and norms (none, batch norm) differ"
    )
    assert reason_of((4, A), (4, A)).endswith(
        "because a stack takes only so many networks"
    )
    assert reason_of((1, A), (1, A)).endswith(
        "because large networks, and what workers take, train one by one"
    )
    assert reason_of((1, A), (1, A), waves=2).endswith("because there were 2 waves")
    assert reason_of((4, A), (4, A), (4, B), waves=2).endswith(
        "because widths (8, 16) differ and there were 2 waves"
    )


def test_time_between_epochs_is_told_if_it_is_much():
    stack = (StackReport(2, 1.0, A),)
    much = lines_of(stacks=stack, fit_seconds=(0.5, 0.5), waves=1, seconds=3.0)
    assert much[-1] == "  2 s beside them: preparations, and callbacks, if any"
    little = lines_of(stacks=stack, fit_seconds=(0.5, 0.5), waves=1, seconds=1.05)
    assert len(little) == 3


@pytest.mark.filterwarnings("ignore:One or more of the test scores:UserWarning")
def test_fits_that_failed_before_training_are_counted_each_with_its_error():
    net = ActMLP(max_epochs=1, random_state=0)
    X, y = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 2
    grid = [{"width": [0, 4]}, {"optimizer": ["adma"]}]
    with fused() as session, pytest.warns(FitFailedWarning):
        GridSearchCV(net, grid, cv=3, refit=False).fit(X, y)
    report = session.report
    assert sorted(report.failed_early.values()) == [3, 3]
    assert not report.failed
    assert report.tasks_without_fit == 0
    text = str(report)
    assert text.count("3 fits failed before training: ValueError: ") == 2
    assert "got 'adma'" in text


def test_many_errors_before_training_take_few_lines():
    errors = Counter({f"ValueError: got {n}": 2 for n in range(30)})
    lines = lines_of(failed_early=errors)
    assert len(lines) == 6
    assert lines[-1] == "50 more fits failed before training"


def test_what_ctrl_c_cut_off_is_told():
    stacks = (StackReport(4, 1.0, A), StackReport(4, 2.0, B))
    lines = lines_of(
        stacks=stacks,
        fit_seconds=(0.25,) * 4,
        waves=1,
        seconds=3.0,
        interrupted=(11, 12, 12, 12),
        cancelled=8,
    )
    assert lines[0] == "4 fits fused into 2 stacks in 1 wave: 3 s of training"
    assert lines[-2:] == [
        "4 fits interrupted after 11 to 12 epochs",
        "8 tasks cancelled",
    ]


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
        again = {**base, "random_state": 1}
        Parallel()(delayed(ActMLP(**again).fit)(X[:n], y[:n]) for n in (90, 60))
    descriptions = [stack.description for stack in session.report.stacks]
    assert len(descriptions) == len(kinds) + 2
    # the first kind, and a fit of the same shape once more
    assert len(set(descriptions)) == len(kinds) + 1
    assert "3-4-2, batch norm, dropout, cross_entropy, adam, 3 batches of 32, " in (
        " ".join(descriptions)
    )


def test_the_report_of_nothing_says_so():
    assert str(Report()) == "Nothing was trained."


def test_the_report_says_what_was_not_trained_again():
    found = Outcome([None] * 3, is_over=True, restored_epochs=3)
    went_on = Outcome([None] * 5, is_over=True, restored_epochs=2)
    new = Outcome([None] * 5, is_over=True, why_unnamed="dice were thrown")
    report = Report.of_outcomes([found, went_on, new])
    assert (report.restored, report.continued, report.saved_epochs) == (1, 1, 5)
    assert str(report) == (
        "1 fit restored, 1 fit continued from where the same fit stood: 5 epochs not "
        "trained again\n"
        "  1 fit could not be found again, because dice were thrown"
    )
    assert str(Report.of_outcomes([new])) == "Nothing was trained."


def test_a_report_is_one_line_in_a_shell_and_more_in_print():
    stacks = tuple(StackReport(n, 1.0, A) for n in range(1, 200))
    report = Report(stacks=stacks, fit_seconds=(1.0,) * 400, waves=1, seconds=199.0)
    assert repr(report) == (
        "<Report: 400 fits fused into 199 stacks in 1 wave: 199 s of training, "
        "0.497 s a fit; print it for more>"
    )
    assert repr(Report()) == "<Report: nothing was trained>"
    failed = Report(failed=Counter({"ValueError: two\nlines": 1}))
    assert repr(failed) == "<Report: 1 fit failed: ValueError: two lines>"


def test_a_notebook_shows_all_that_print_shows():
    hostile = "ValueError: got <script>alert(1)</script>"
    report = Report(
        stacks=(StackReport(3, 1.0, A), StackReport(3, 0.5, A), StackReport(2, 9, B)),
        fit_seconds=(1.0,) * 8,
        waves=1,
        seconds=20.0,
        failed=Counter({hostile: 2}),
        alone_seconds=(1.0,),
        alone=Counter({"a refit": 1}),
    )
    shown = report._repr_html_()
    assert "<script>" not in shown
    words = html.unescape(re.sub("<[a-z/][^>]*>", " ", shown.replace("&lt;", "\x00")))
    words = " ".join(words.replace("\x00", "<").split())
    lines = [line.strip() for line in str(report).splitlines()]
    told = [line for line in lines if "network" not in line]
    assert len(told) == 4  # what was fused, beside stacks, alone, failed
    for line in told:
        assert line in words
    rows = re.findall("<tr>(<td>.*?)</tr>", shown)
    assert [re.findall("<td.*?>(.*?)</td>", row) for row in rows] == [
        ["1", "2", "9", "16, float32"],
        ["2", "3", "1.5", "8, float32"],
    ]
    assert Report()._repr_html_() == "<div><p><b>Nothing was trained.</b></p></div>"


def test_many_kinds_of_stacks_are_folded():
    kinds = tuple(StackReport(1, n, {**A, "batches": f"{n}"}) for n in range(1, 31))
    shown = Report(stacks=kinds, waves=1, seconds=465.0)._repr_html_()
    before, after = shown.split("<details>")
    assert before.count("<td>1</td><td>1</td>") == 10
    assert after.count("<td>1</td><td>1</td>") == 20
    assert "20 more kinds of stacks" in after

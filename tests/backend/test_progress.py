"""The progress bar counts what is trained, and is not there unless asked for."""

import contextlib
import io
import os
import subprocess
import sys
import time

import joblib
import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from skact.backend import progress
from skact.backend.context import fused
from skact.backend.joblib_backends import FusingBackend, WorkersBackend
from skact.backend.progress import ProgressBar
from skact.backend.session import Session
from skact.engine.current_trainer import current_trainer, hand_fits_to
from skact.engine.jobs import FitJob, Outcome, Seeds, Training

console = pytest.importorskip("rich.console")


@pytest.fixture
def screen():
    return io.StringIO()


@pytest.fixture
def bar(screen):
    terminal = console.Console(file=screen, force_terminal=True, width=100)
    bar = ProgressBar(console=terminal)
    yield bar
    bar.close()


def train(jobs, *, outcomes, stacks, n_threads=None, progress):
    """Stand in for the engine: the first fit stops after one epoch."""
    for epoch in range(3):
        progress(len(jobs) - (epoch > 0))
    return Training(outcomes, [])


def fit(n_epochs):
    X = np.zeros((4, 2))
    job = FitJob(
        X=X,
        targets=X,
        sample_weight=None,
        seeds=Seeds(0, 0, 0, 0),
        n_epochs=n_epochs,
        first_epoch=0,
        batch_size=-1,
        shuffle=True,
        loss="squared_error",
        module=torch.nn.Linear(2, 2),
        optimizer=None,
    )
    current_trainer().fit(job, Outcome())


def test_it_counts_epochs_of_all_fits_and_grows_with_the_waves(bar, screen):
    session = Session(train, progress=bar)
    with joblib.parallel_config(backend=FusingBackend(session)), hand_fits_to(session):
        joblib.Parallel()(joblib.delayed(fit)(3) for _ in range(4))
        assert (bar.done, bar.total) == (12, 12)  # also those that were not needed
        fit(3)
        assert (bar.done, bar.total) == (15, 15)
    bar.close()
    assert "15/15 epochs" in screen.getvalue()


def test_it_counts_tasks_when_workers_train(bar, screen):
    backend = WorkersBackend(Session(train), "loky", 1, bar)
    with joblib.parallel_config(backend=backend):
        joblib.Parallel()(joblib.delayed(abs)(i) for i in range(5))
    assert (bar.done, bar.total) == (5, 5)


def test_work_that_failed_counts_no_more(bar):
    def failing():
        with bar.count_work(3) as outer:
            outer(1)
            with bar.count_work(10) as inner:
                inner(4)
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        failing()
    assert (bar.done, bar.total) == (11, 11)


def test_after_ctrl_c_the_bar_does_not_end_full(bar, screen):
    def interrupted():
        with bar.count_work(10) as advance:
            advance(4)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    bar.close()
    assert (bar.done, bar.total) == (4, 10)
    assert "4/10 epochs" in screen.getvalue()
    assert "10/10" not in screen.getvalue()


def lines_in_a_file(work):
    file = io.StringIO()
    bar = ProgressBar(console=console.Console(file=file))
    work(bar)
    bar.close()
    return [line.partition(",")[0] for line in file.getvalue().splitlines()]


def test_a_file_gets_a_line_for_each_tenth_of_the_work(monkeypatch):
    def work(bar):
        for _ in range(2):
            with bar.count_work(400) as advance:
                for _ in range(400):
                    advance(1)

    first = [f"Training {n}/400 epochs" for n in range(40, 401, 40)]
    second = [f"Training {n}/800 epochs" for n in range(480, 801, 80)]
    monkeypatch.setattr(progress, "_FEWEST_SECONDS", 0)
    assert lines_in_a_file(work) == first + second


def test_work_that_grows_is_not_told_of_all_the_time(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    def work(bar):
        for _ in range(120):  # each tells of a new total
            clock[0] += 0.5
            with bar.count_work(100) as advance:
                advance(100)

    lines = lines_in_a_file(work)
    assert 10 <= len(lines) <= 20
    assert lines[-1] == "Training 12000/12000 epochs"


def test_a_file_gets_a_last_line_and_one_a_minute(monkeypatch):
    now = iter(range(0, 7000, 70))
    monkeypatch.setattr(time, "monotonic", lambda: next(now))

    def work(bar):
        with bar.count_work(100) as advance:
            for _ in range(3):
                advance(1)
            raise KeyboardInterrupt

    def interrupted(bar):
        with pytest.raises(KeyboardInterrupt):
            work(bar)

    lines = lines_in_a_file(interrupted)
    assert lines == [f"Training {n}/100 epochs" for n in (1, 2, 3)]
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)
    assert lines_in_a_file(interrupted) == ["Training 3/100 epochs"]


def test_it_shows_nothing_when_nothing_is_trained(capfd):
    with fused(progress=True) as session:
        cross_val_score(LogisticRegression(), np.eye(20), np.arange(20) % 2, cv=2)
    assert session.report.tasks == 2
    assert capfd.readouterr() == ("", "")


def test_it_gives_the_terminal_back_after_an_error(bar):
    session = Session(train, progress=bar)

    def failing():
        with hand_fits_to(session), contextlib.closing(bar):
            fit(3)
            raise ZeroDivisionError

    out = sys.stdout
    with pytest.raises(ZeroDivisionError):
        failing()
    assert sys.stdout is out


CELL = """
import numpy as np
from sklearn.model_selection import GridSearchCV
from skact import ActMLP, fused
X, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
search = GridSearchCV(ActMLP(max_epochs=5), {"lr": [0.1, 0.01]}, cv=2, refit=False)
with fused(progress=True):
    search.fit(X, y)
"""


def test_the_bar_of_a_notebook_reaches_its_end():
    nbformat = pytest.importorskip("nbformat")
    client = pytest.importorskip("nbclient").NotebookClient
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    client(book, timeout=600, kernel_name="python3").execute()
    (widgets,) = book.metadata.widgets.values()
    states = [widget["state"] for widget in widgets["state"].values()]
    (text,) = [
        output["data"]["text/plain"]
        for state in states
        for output in state.get("outputs", [])
    ]
    assert "20/20 epochs" in text


def test_rich_is_named_when_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "rich", None)
    with (
        pytest.raises(ImportError, match=r'pip install "skact\[progress\]"'),
        fused(progress=True),
    ):
        pass


def test_nothing_is_imported_or_printed_when_not_asked():
    script = (
        "import sys, numpy as np\n"
        "import skorch  # brings parts of rich along\n"
        "extras = lambda: {m for m in sys.modules\n"
        "    if m.split('.')[0] in {'rich', 'distributed', 'dask'}}\n"
        "before = extras()\n"
        "from sklearn.linear_model import LogisticRegression\n"
        "from sklearn.model_selection import cross_val_score\n"
        "from skact.backend.context import fused\n"
        "with fused():\n"
        "    cross_val_score(LogisticRegression(), np.eye(20), np.arange(20) % 2)\n"
        "assert extras() == before\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True
    )
    assert (done.stdout, done.stderr) == (b"", b"")


SEARCH = """
import sys, numpy as np
from sklearn.callback import ProgressBar
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from skact import ActMLP, TrainingLog, fused, to_frame
bar, validated, together = sys.argv[1:]
log = TrainingLog()
net = ActMLP(max_epochs=5, random_state=0).set_callbacks(log)
scoring = log.scorer() if validated == "validated" else None
search = GridSearchCV(net, {"lr": [0.01, 0.001]}, cv=2, scoring=scoring)
if bar == "sklearn":
    search.set_callbacks(ProgressBar())
X, y = load_iris(return_X_y=True)
if together == "fused":
    with fused(progress=bar == "skact"):
        search.fit(X, y)
else:
    search.fit(X, y)
assert len(to_frame(search, "epoch")) == 2 * 2 * 5
"""


def printed(*arguments):
    script = [sys.executable, "-W", "error", "-c", SEARCH, *arguments]
    wide = {**os.environ, "COLUMNS": "150"}
    done = subprocess.run(script, capture_output=True, text=True, check=True, env=wide)
    return done.stdout + done.stderr


@pytest.mark.parametrize("validated", ["validated", "not"])
def test_the_bar_counts_the_epochs_of_a_search_with_a_log(validated):
    text = printed("skact", validated, "fused")
    lines = text.splitlines()
    assert lines[-1].startswith("Training 25/25 epochs")  # the refit is the 5th fit
    assert len(lines) == len(set(lines))
    assert "\x1b" not in text  # the output is no terminal: no control codes


@pytest.mark.parametrize("together", ["fused", "one by one"])
@pytest.mark.parametrize("validated", ["validated", "not"])
def test_the_bars_of_sklearn_end_at_the_end_with_a_log(validated, together):
    lines = [
        line
        for line in printed("sklearn", validated, together).splitlines()
        if "ActMLP - fit" in line
    ]
    assert len(lines) == 2 * 2 + 1
    assert all("100%" in line for line in lines), lines

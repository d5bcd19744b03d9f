"""A search that is killed at any moment goes on, and ends as an undisturbed one."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import cross_val_score

from skact import ActMLP, checkpoints, fused
from skact.resuming.checkpoint_files import files_in

# 100 fits of several shapes, some of which stop early; each finished fit is told of
SCRIPT = """
import json, os, sys
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
import skact
from skact.resuming import checkpoint_folder

folder, trained, kind = sys.argv[1:4]
write = checkpoint_folder.replace_file

def note(path, content):
    write(path, content)
    if "-part" not in path.name:
        with open(trained, "a") as file:
            file.write(path.name + "\\n")

checkpoint_folder.replace_file = note
X, y = load_digits(return_X_y=True)
X, y = (X[:300] / 16).astype("float32"), y[:300]
net = skact.ActMLP(max_epochs=40, batch_size=32, random_state=0, dropout=0.1)
lrs = [0.001, 0.003, 0.01, 0.03, 0.1]
grid = [
    {"lr": lrs, "width": [16, 24]},
    {"early_stopping": [True], "lr": lrs, "width": [9, 24]},
]
search = GridSearchCV(net, grid, cv=5, refit=False)
options = {"checkpoint": folder, "checkpoint_seconds": 0.05} if folder != "none" else {}
options |= {"inner": "loky", "n_jobs": 2} if kind == "loky" else {"n_jobs": 1}
skact.fused  # all is imported

def run():
    print("begins", os.getpid(), flush=True)
    with skact.fused(**options) as session:
        search.fit(X, y)
    found, report = search.cv_results_, session.report
    results = {k: list(map(str, found[k])) for k in found if "time" not in k}
    counts = [report.n_fused, report.restored, report.continued]
    print("results " + json.dumps([results, counts]), flush=True)

if kind == "forks":  # a process of its own for each line that comes in
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            run()
            os._exit(0)
        os.waitpid(child, 0)
        print("over", flush=True)
else:
    run()
"""


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "search.py"
    path.write_text(SCRIPT)
    return path


def start(script, folder, kind="one process"):
    arguments = [sys.executable, script, folder, script.parent / "trained", kind]
    return subprocess.Popen(
        list(map(str, arguments)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def begin(runner):
    """Have a search begin in a process of its own; return its number."""
    print("go", file=runner.stdin, flush=True)
    return int(runner.stdout.readline().removeprefix("begins "))


def read_until(runner, last):
    """Return the results that a search has printed before it ended."""
    lines = []
    while (line := runner.stdout.readline().strip()) != last:
        assert line, "the runner died"
        lines.append(line.removeprefix("results "))
    return lines


def wait_for_a_file_more(folder, n_files, child):
    end = time.monotonic() + 120
    while len(list(files_in(folder))) <= n_files and time.monotonic() < end:
        if not Path(f"/proc/{child}").exists():
            return
        time.sleep(0.01)


def kill(process):
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    process.stdin.close()


def results_of(process):
    out, _ = process.communicate(timeout=600)
    assert process.returncode == 0
    return json.loads(out.splitlines()[-1].removeprefix("results "))


@pytest.mark.once
def test_a_search_that_is_killed_twenty_times_ends_as_if_undisturbed(script, tmp_path):
    expected, _ = results_of(start(script, "none"))
    folder = tmp_path / "runs"
    moments, kills = random.Random(0), 0
    with start(script, folder, "forks") as runner:
        while kills < 20:
            child = begin(runner)
            time.sleep(moments.uniform(0.02, 0.25))
            os.kill(child, signal.SIGKILL)
            if read_until(runner, "over"):  # it was faster
                break
            kills += 1
            # progress first, or a slow machine would never come to an end
            n_files = len(list(files_in(folder)))
            if kills % 5 == 0 and n_files < 100:
                child = begin(runner)
                wait_for_a_file_more(folder, n_files, child)
                os.kill(child, signal.SIGKILL)
                read_until(runner, "over")
        begin(runner)
        results, counts = json.loads(read_until(runner, "over")[-1])
        n_trained, n_restored, _ = counts
        assert results == expected
        assert n_trained + n_restored == 100
        written = (tmp_path / "trained").read_text().split()
        assert len(written) == len(set(written))  # none was trained twice
        # a kill between the write of a file and its note takes the note
        assert 100 - kills - kills // 5 <= len(written) <= 100
        begin(runner)  # and now all is done
        results, counts = json.loads(read_until(runner, "over")[-1])
        assert (results, counts) == (expected, [0, 100, 0])
        runner.stdin.close()
    assert runner.returncode == 0


@pytest.mark.once
@pytest.mark.parametrize("kind", ["loky"])
def test_workers_share_a_folder_and_go_on_after_a_kill(script, tmp_path, kind):
    expected, _ = results_of(start(script, "none"))
    folder = tmp_path / "runs"
    process = start(script, folder, kind)
    end = time.monotonic() + 120
    while len(list(files_in(folder))) < 20 and process.poll() is None:
        assert time.monotonic() < end, "nothing was written"
        time.sleep(0.01)
    kill(process)
    assert len(checkpoints(folder)) >= 20
    results, counts = results_of(start(script, folder, kind))
    assert results == expected
    assert counts[1] + counts[2] >= 20
    results, counts = results_of(start(script, folder))  # in one process, the same
    assert (results, counts) == (expected, [0, 100, 0])


LIMITED = """
import resource, signal, sys, warnings
import numpy as np
from sklearn.datasets import load_iris
from sklearn.model_selection import cross_val_score
import skact

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))  # every disk is full
X, y = load_iris(return_X_y=True)
net = skact.ActMLP(max_epochs=3, random_state=0)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    with skact.fused(checkpoint=sys.argv[1]):
        scores = cross_val_score(net, X, y, cv=5)
(message,) = [str(one.message) for one in caught]
assert "Checkpoints cannot be written" in message and sys.argv[1] in message, message
assert np.array_equal(scores, cross_val_score(net, X, y, cv=5))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of POSIX")
def test_a_full_disk_is_said_and_the_search_goes_on(tmp_path):
    folder = tmp_path / "runs"
    subprocess.run([sys.executable, "-c", LIMITED, str(folder)], check=True)
    assert [path for path in folder.rglob("*") if path.is_file()] == []


@pytest.mark.skipif(
    sys.platform == "win32" or not hasattr(os, "geteuid") or os.geteuid() == 0,
    reason="root may write everywhere",
)
def test_a_folder_that_is_read_only_is_said_and_the_search_goes_on(tmp_path, iris):
    (tmp_path / "runs").mkdir(mode=0o500)
    net = ActMLP(max_epochs=2, random_state=0)
    with (
        fused(checkpoint=tmp_path / "runs"),
        pytest.warns(UserWarning, match="cannot be written"),
    ):
        scores = cross_val_score(net, *iris)
    np.testing.assert_array_equal(scores, cross_val_score(net, *iris))


def test_a_file_where_a_folder_of_fits_would_be_is_said(tmp_path, iris):
    """What root may not do either: to write below a file."""
    net, folder = ActMLP(max_epochs=2, random_state=0), tmp_path / "runs"
    folder.mkdir()
    for i in range(256):
        (folder / f"{i:02x}").write_text("")
    with (
        fused(checkpoint=folder),
        pytest.warns(UserWarning, match="cannot be written"),
    ):
        scores = cross_val_score(net, *iris)
    np.testing.assert_array_equal(scores, cross_val_score(net, *iris))
    assert all(Path(path).is_file() for path in folder.iterdir())


# what presses Ctrl-C at some moment of each search, until one ends undisturbed
INTERRUPTED = """
import os, random, signal, sys, threading
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_validate
from skact import ActMLP, fused

signal.signal(signal.SIGINT, signal.default_int_handler)
X, y = load_digits(return_X_y=True)
X, y = X[:600] / 16, y[:600]
options = {"n_jobs": int(sys.argv[1])}
if sys.argv[2] != "none":
    options["checkpoint"] = sys.argv[2]
moments, n_interrupts, n_kept = random.Random(0), 0, 0

def nets():
    found = []
    for params in ({}, {"early_stopping": True, "patience": 100}, {"dropout": 0.2}):
        net = ActMLP(width=16, max_epochs=300, batch_size=16, random_state=0, **params)
        found += cross_validate(net, X, y, cv=3, return_estimator=True)["estimator"]
    return found

alone = nets()
for turn in range(12):
    timer = threading.Timer(
        moments.uniform(0.02, 0.3), lambda: os.kill(os.getpid(), signal.SIGINT)
    )
    if turn < 11:
        timer.start()
    try:
        with fused(**options) as session:
            together = nets()
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # too late
            break
    except KeyboardInterrupt:
        n_interrupts += 1
    finally:
        timer.cancel()
        if timer.is_alive():
            timer.join()
        n_kept += session.report.saved_epochs
for one, other in zip(together, alone, strict=True):
    keys = {"train_loss", "valid_loss"}.intersection(one.history[0])
    for key in keys:
        assert one.history[:, key] == other.history[:, key]
    for a, b in zip(one.module_.parameters(), other.module_.parameters(), strict=True):
        assert np.array_equal(a.detach(), b.detach())
print(n_interrupts, n_kept)
"""


@pytest.mark.once
@pytest.mark.skipif(sys.platform == "win32", reason="needs signals of POSIX")
@pytest.mark.parametrize("where", ["memory", "folder"])
def test_a_search_that_ctrl_c_interrupts_at_any_moment_ends_as_if_undisturbed(
    tmp_path, where
):
    folder = tmp_path / "runs" if where == "folder" else "none"
    found = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, "1", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert found.returncode == 0, found.stderr[-3000:]
    n_interrupts, n_kept = map(int, found.stdout.split())
    assert n_interrupts > 0
    assert n_kept > 0

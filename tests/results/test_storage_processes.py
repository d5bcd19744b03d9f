"""Processes that save at once, are killed or may not write leave whole results."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import skact
from skact import load_results

pytestmark = pytest.mark.once

# Runs a part of a test in a process of its own, which may fork and be limited.
IN_A_PROCESS = """
import os, resource, signal, sys, time
from pathlib import Path
from skact.results.storage import load_results, save_results

folder = Path(sys.argv[1])
os.chdir(folder.parent)
folder = Path(folder.name)

def results(number):
    scores = {"mean_test_score": [number / 10] * 500, "rank_test_score": [1] * 500}
    return {**scores, f"param_{number}": [number] * 500}

def check_that_results_are_whole():
    loaded = load_results(folder).cv_results_
    (name,) = loaded["params"][0]
    assert loaded["mean_test_score"].tolist() == [int(name) / 10] * 500

def fork(work):
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)

def end_of(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""


def run_in_a_process(script: str, folder: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", IN_A_PROCESS + script, str(folder)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(skact.__file__).parents[1])},
    )
    assert run.returncode == 0, run.stderr


def test_several_processes_save_and_load_at_once(tmp_path: Path) -> None:
    script = """
def work(number):
    for _ in range(10):
        save_results(results(number), folder)
        check_that_results_are_whole()

pids = [fork(lambda number=n: work(number)) for n in range(4)]
assert [end_of(pid) for pid in pids] == [0] * 4
"""
    run_in_a_process(script, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"results.csv", "results.json"}
    (name,) = load_results(tmp_path).cv_results_["params"][0]
    assert f"param_{name}" in (tmp_path / "results.csv").read_text()


def test_a_process_that_is_killed_leaves_whole_results(tmp_path: Path) -> None:
    script = """
def work():
    while True:
        for number in (1, 2):
            save_results(results(number), folder)

save_results(results(0), folder)
for i in range(12):
    pid = fork(work)
    time.sleep(0.02 + 0.003 * i)
    os.kill(pid, signal.SIGKILL)
    assert end_of(pid) == -signal.SIGKILL
    check_that_results_are_whole()
save_results(results(3), folder)
check_that_results_are_whole()
"""
    run_in_a_process(script, tmp_path)


def test_files_that_cannot_grow_leave_the_old_results_and_no_parts(
    tmp_path: Path,
) -> None:
    script = """
save_results(results(0), folder)
before = {path.name: path.read_bytes() for path in folder.iterdir()}
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
try:
    save_results(results(1), folder)
except OSError:
    pass
else:
    raise AssertionError("no error")
assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
"""
    run_in_a_process(script, tmp_path)


def test_a_folder_that_may_not_be_written_stays_as_it_was(tmp_path: Path) -> None:
    script = """
save_results(results(0), folder)
before = {path.name: path.read_bytes() for path in folder.iterdir()}
folder.chmod(0o555)

def work():
    if os.getuid() == 0:  # root may write everywhere
        os.setuid(65534)
    try:
        save_results(results(1), folder)
    except PermissionError:
        return
    raise AssertionError("no error")

assert end_of(fork(work)) == 0
assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
folder.chmod(0o755)
"""
    folder = tmp_path / "readable"
    tmp_path.chmod(0o755)
    folder.mkdir()
    run_in_a_process(script, folder)

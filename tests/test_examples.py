"""The examples run as a user runs them, in their quick mode."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).parent.parent
QUICK = {
    "digits_search.py": ["--epochs", "2"],
    "mnist_activations.py": ["--quick"],
}


def run(name, *arguments, cwd, **environment):
    return subprocess.run(
        [sys.executable, str(ROOT / "examples" / name), *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


# those of examples/articles have tests of their own
NAMES = sorted(path.name for path in (ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(QUICK)))
def test_an_example_runs_without_a_warning_and_leaves_no_file(name, tmp_path):
    script = ROOT / "examples" / name
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("path", sorted((ROOT / "examples").rglob("*.py")), ids=str)
def test_an_example_begins_with_a_title_that_the_gallery_can_read(path):
    title, line, rest = ast.get_docstring(ast.parse(path.read_text())).split("\n", 2)
    assert set(line) == {"="}
    assert len(line) >= len(title)
    assert len(rest.strip()) > 40


@pytest.mark.parametrize("name", QUICK)
def test_an_example_prints_a_table_and_says_where_the_page_is(name, tmp_path):
    result = run(name, *QUICK[name], cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "activation" in result.stdout
    page = re.search(r"HiPlot page: file://(\S+)", result.stdout)[1]
    assert Path(page).parent == tmp_path
    assert Path(page).stat().st_size > 1_000_000


def test_the_mnist_example_writes_the_curves_of_all_fits(tmp_path):
    result = run("mnist_activations.py", "--quick", cwd=tmp_path)
    page = re.search(r"All curves: file://(\S+)", result.stdout)[1]
    assert Path(page).stat().st_size > 1_000_000
    assert "50/50 epochs" in result.stderr  # 9 fits and the refit, 5 epochs each


def test_the_demo_shows_its_progress(tmp_path):
    result = run("digits_search.py", "--epochs", "1", cwd=tmp_path)
    assert "Training" in result.stderr
    assert "61/61" in result.stderr  # the refit, too
    assert "60 networks trained" in result.stdout


def test_without_data_the_mnist_example_says_what_it_needs(tmp_path):
    environment = {
        key: value for key, value in os.environ.items() if key != "SKACT_DATA"
    }
    result = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "mnist_activations.py")],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert (
        "SKACT_DATA must name a folder that holds mnist/train-images" in result.stderr
    )

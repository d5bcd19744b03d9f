"""The pages of the site: their code runs, and they leave out no public name."""

import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import skact

pytestmark = pytest.mark.once

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = {
    path.relative_to(DOCS).as_posix(): path.read_text()
    for path in sorted([DOCS / "getting_started.md", *(DOCS / "guide").glob("*.md")])
}


def code_of(page):
    return re.findall(r"^```python\n(.*?)^```$", page, flags=re.M | re.S)


@pytest.mark.parametrize(
    "name", [name for name, page in PAGES.items() if code_of(page)]
)
def test_the_code_of_a_page_runs_from_top_to_bottom(name, tmp_path):
    run_code("\n".join(code_of(PAGES[name])), tmp_path)


def run_code(code, folder):
    (folder / "page.py").write_text(code)
    run = subprocess.run(
        [sys.executable, "-W", "error", "page.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr


@pytest.fixture
def node_modules(tmp_path):
    """onnxruntime for Node.js, in a folder of its own."""
    npm = shutil.which("npm")
    if npm is None:
        if os.environ.get("CI") == "true":
            pytest.fail("Node.js and npm are missing")
        pytest.skip("needs Node.js and npm")
    subprocess.run(
        [npm, "install", "--no-audit", "--no-fund", "onnxruntime-node@1.30.0"],
        cwd=tmp_path,
        # what it brings along is enough: it would also fetch files for GPUs
        env={**os.environ, "ONNXRUNTIME_NODE_INSTALL": "skip"},
        check=True,
    )
    return tmp_path


def test_a_pipeline_predicts_the_same_in_node(node_modules):
    page = PAGES["guide/deploying.md"]
    (script,) = re.findall(r"^```js\n(.*?)^```$", page, flags=re.M | re.S)
    (node_modules / "row.mjs").write_text(script)
    saved = "json.dump(probabilities.tolist(), open('python.json', 'w'))"
    code = "\n".join(["import json", *code_of(page), saved])
    run_code(code, node_modules)
    printed = subprocess.run(
        ["node", "row.mjs"],
        cwd=node_modules,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    label, values = re.fullmatch(
        r"BigInt64Array\(1\) \[ (\d)n \] Float32Array\(2\) \[ (.*) \]\n", printed
    ).groups()
    expected = json.loads((node_modules / "python.json").read_text())[0]
    assert [float(value) for value in values.split(", ")] == pytest.approx(expected)
    assert int(label) == np.argmax(expected)


def test_each_page_of_the_guide_says_first_what_a_reader_can_do_after_it():
    for name, page in PAGES.items():
        if name.startswith("guide/") and name != "guide/index.md":
            first = re.search(r"^# .*\n\n(.*)", page, flags=re.M)[1]
            assert first.startswith("After this page you "), name


def test_each_page_of_the_guide_is_in_its_index():
    listed = set(re.findall(r"^(\w+)$", PAGES["guide/index.md"], flags=re.M))
    pages = {Path(name).stem for name in PAGES if name.startswith("guide/")}
    assert pages - {"index"} == listed


def test_every_public_name_is_in_the_reference():
    page = (DOCS / "reference" / "index.md").read_text()
    listed = re.findall(r"^   (\w+)$", page, flags=re.M)
    assert sorted(listed) == sorted(skact.__all__)


def test_every_hyperparameter_is_in_the_table():
    table = PAGES["guide/estimators.md"].split("## Hyperparameters")[1]
    table = table.split("\n## ")[0]
    for name, parameter in inspect.signature(skact.ActMLP).parameters.items():
        if name != "kwargs":
            assert f"`{name}`" in table, name
            if parameter.default in (None, True, False) or isinstance(
                parameter.default, str | int | float
            ):
                told = str(parameter.default), f'"{parameter.default}"'
                row = next(
                    r for r in table.splitlines() if f"`{name}`" in r[: r.find("|", 1)]
                )
                assert any(f"`{one}`" in row for one in told) or "skorch's" in row, row


def test_links_between_pages_lead_somewhere():
    examples = {path.stem for path in (ROOT / "examples").rglob("*.py")}
    for name, page in PAGES.items():
        for target in re.findall(r"\]\(([^)#:]+)\)", page):
            path = (DOCS / name).parent / target
            if path.suffix == ".rst":  # the gallery writes it
                assert path.stem in examples or path.stem == "index", target
            else:
                assert path.exists(), f"{name}: {target}"

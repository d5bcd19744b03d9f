"""The pages of the site: their code runs, and they leave out no public name."""

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import skact

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
    script = tmp_path / "page.py"
    script.write_text("\n".join(code_of(PAGES[name])))
    run = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr


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

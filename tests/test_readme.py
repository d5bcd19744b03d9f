"""The README is short and right on a package index, and its code runs as it stands."""

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.once

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README, flags=re.M | re.S)
PRINTED = re.findall(r"^```text\n(.*?)^```$", README, flags=re.M | re.S)


def run(block, folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "block.py").write_text(block)
    runpy.run_path(str(folder / "block.py"))


def test_the_quick_start_prints_what_the_readme_says(tmp_path, monkeypatch, capsys):
    run(BLOCKS[0], tmp_path, monkeypatch)
    shown, printed = (
        [line.split() for line in text.strip().splitlines()]
        for text in (PRINTED[0], capsys.readouterr().out)
    )
    assert printed[0] == shown[0]
    # processors round otherwise, so that candidates that are nearly equal may swap
    assert sorted(row[1:3] for row in printed[1:]) == sorted(
        row[1:3] for row in shown[1:]
    )
    for column in (3, 4):
        one, other = (
            np.array([row[column] for row in rows[1:]], float)
            for rows in (shown, printed)
        )
        np.testing.assert_allclose(one, other, atol=0.01)
    assert (tmp_path / "search.html").stat().st_size > 1_000_000


def test_the_one_call_prints_what_the_readme_says(tmp_path, monkeypatch, capsys):
    run(BLOCKS[1], tmp_path, monkeypatch)
    printed = capsys.readouterr().out
    for line in PRINTED[1].strip().splitlines():
        # figures, and what is best of equals, differ between processors
        start = re.split(r"\d|relu", line)[0]
        assert start in printed, start


def test_it_is_short():
    assert len(README.encode()) <= 9_000
    assert len(BLOCKS[0].strip().splitlines()) <= 15


def test_no_link_or_picture_is_relative():
    targets = re.findall(r"\]\(([^)]+)\)", README)
    assert len(targets) > 15
    assert [one for one in targets if not one.startswith("https://")] == []


def test_links_lead_to_files_and_pages_that_exist():
    site, source = (
        "https://skact.github.io/skact/",
        "https://github.com/skact/skact/blob/main/",
    )
    raw = "https://raw.githubusercontent.com/skact/skact/main/"
    built = {"gallery/index", "reference/index"}
    for target in re.findall(r"\]\(([^)]+)\)", README):
        if target.startswith(site):
            page = target.removeprefix(site).removesuffix(".html")
            assert page in built or (ROOT / "docs" / f"{page}.md").exists(), target
        for start in (source, raw):
            if target.startswith(start):
                assert (ROOT / target.removeprefix(start)).exists(), target


def test_the_commands_named_are_targets_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"`?make (\w+)", README)):
        assert re.search(rf"^{target}:", makefile, flags=re.M), target


def test_the_picture_shows_the_ranking_that_the_demo_prints(tmp_path):
    """`make picture` makes it anew."""
    demo = ROOT / "examples" / "digits_search.py"
    command = [sys.executable, demo, "--page", tmp_path / "page.html"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    picture = runpy.run_path(str(ROOT / "docs" / "picture.py"))
    printed = picture["ranking_of"](done.stdout)
    drawn = json.loads(Image.open(picture["PICTURE"]).text["ranking"])
    assert len(printed) == len(drawn) == 12
    scores = {tuple(row[:3]): float(row[3]) for row in drawn}
    for row in printed:  # processors round otherwise
        assert abs(scores[tuple(row[:3])] - float(row[3])) < 0.01

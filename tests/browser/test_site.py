"""The site builds without a warning; in a browser it is found, read and searched."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sphinx", reason="needs the extra 'docs'")
pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
PARTS = ["docs", "examples", "benchmarks/README.md", "CHANGES.md"]
# what a reader types, and the page that answers
QUESTIONS = {
    "replace MLPClassifier": "guide/from_mlpclassifier",
    "pipeline ColumnTransformer": "guide/from_mlpclassifier",
    "hidden layers GridSearchCV": "guide/searches",
    "why does my net not learn": "guide/diagnosing",
    "resume interrupted search": "guide/resuming",
    "go on after a crash": "guide/resuming",
    "deploy without Python": "guide/deploying",
    "pipeline": "guide/from_mlpclassifier",
    "search widths": "guide/searches",
    "does not learn": "guide/diagnosing",
    "resume": "guide/resuming",
    "16 cores": "guide/large_machines",
    "without Python": "guide/deploying",
    "select best": "guide/comparing",
}
# how many pixels of the lines have a colour; the script that counts lines is not loaded
# in a frame of another origin
PIXELS = """
const canvas = document.querySelector('.pplot-root canvas');
if (!canvas) return 0;
const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
return data.filter((value, i) => i % 4 === 3 && value > 0).length;
"""
# results are shown one after the other, and counted at the end
RESULTS = """
const links = [...document.querySelectorAll('#search-results ul.search li > a')];
const summary = document.querySelector('#search-results .search-summary');
const count = summary?.innerText.match(/found (one|\\d+) page/)?.[1];
const n = count === 'one' ? 1 : Number(count ?? NaN);
return links.length === n ? links.map((a) => a.getAttribute('href')) : null;
"""


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site; of the examples, only one is run."""
    folder = tmp_path_factory.mktemp("site")
    for part in PARTS:
        (folder / part).parent.mkdir(exist_ok=True)
        source = ROOT / part
        if source.is_dir():
            made = ("_build", "gallery", "generated", "backreferences", "__pycache__")
            skip = shutil.ignore_patterns(*made)
            shutil.copytree(source, folder / part, ignore=skip)
        else:
            shutil.copy(source, folder / part)
    options = ["-W", "--keep-going", "-q", "-b", "html"]
    run = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, "docs", "html"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "SKACT_DOCS_RUN": "digits_search"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return folder / "html"


def show(driver: Any, url: str, width: int) -> None:
    resize(driver, width)
    driver.get(url)


def resize(driver: Any, width: int) -> None:
    size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


@pytest.fixture
def screen(driver: Any) -> Any:
    yield driver
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def pages_of(site: Path) -> list[Path]:
    names = ["reference/index", "reference/generated/skact.ActMLP"]
    found = [
        page
        for folder in (".", "guide", "gallery")
        for page in site.glob(f"{folder}/*.html")
    ]
    return found + [site / f"{name}.html" for name in names]


def test_no_page_is_wider_than_the_screen(site: Path, screen: Any) -> None:
    wide = {}
    for page in pages_of(site):
        show(screen, page.as_uri(), 1400)
        for width in (1400, 400):
            resize(screen, width)
            taken = screen.execute_script("return document.documentElement.scrollWidth")
            if taken > width:
                wide[page.relative_to(site).as_posix(), width] = taken
    assert wide == {}


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_search_leads_to_the_page_that_answers(
    site: Path, screen: Any, question: str
) -> None:
    query = question.replace(" ", "+")
    show(screen, f"{(site / 'search.html').as_uri()}?q={query}", 1400)
    found = None
    for _ in range(200):
        found = screen.execute_script(RESULTS)
        if found is not None:
            break
        time.sleep(0.1)
    places = [place for place, link in enumerate(found) if QUESTIONS[question] in link]
    assert places, found
    assert places[0] < 3, found


def test_the_site_asks_for_nothing_from_the_network(site: Path, screen: Any) -> None:
    for name in ("index", "guide/searches", "gallery/digits_search", "reference/index"):
        text = (site / f"{name}.html").read_text()
        assert re.findall(r'(?:src=|@import |stylesheet" href=)"?https?:', text) == []


def test_the_page_of_an_example_is_alive(site: Path, screen: Any) -> None:
    show(screen, (site / "gallery/digits_search.html").as_uri(), 1400)
    frame = screen.find_element("css selector", "iframe")
    screen.execute_script("arguments[0].scrollIntoView()", frame)
    screen.switch_to.frame(frame)
    drawn = 0
    for _ in range(200):  # lines are drawn one after the other
        last, drawn = drawn, screen.execute_script(PIXELS)
        if drawn and drawn == last:
            break
        time.sleep(0.1)
    assert drawn > 1_000
    text = screen.execute_script("return document.body.innerText")
    assert re.search(r"Selected:\s*12/12", text)

"""A headless Chromium that opens pages and tells what they draw, say and ask for."""

import itertools
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.actions.action_builder import ActionBuilder

FLAGS = [
    "--headless=new",
    "--no-sandbox",  # containers run as root, where Chromium refuses its own sandbox
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,1000",
]

# Before anything else in each page: counts a canvas' lines since it was last cleared,
# and keeps alerts from stopping the browser.
HOOK = """
const proto = CanvasRenderingContext2D.prototype, {stroke, clearRect} = proto;
window.alerts = [];
window.alert = (message) => window.alerts.push(String(message));
proto.stroke = function () {
  this.canvas.lines = (this.canvas.lines ?? 0) + 1;
  return stroke.apply(this, arguments);
};
proto.clearRect = function () {
  this.canvas.lines = 0;
  return clearRect.apply(this, arguments);
};
"""
LINES = "return document.querySelector('.pplot-root canvas')?.lines ?? 0"
# of the plot of curves: its canvases have no name that lasts
SEGMENTS = """
const ours = [...document.querySelectorAll('canvas')];
const others = ours.filter((canvas) => !canvas.closest('.pplot-root'));
return Math.max(0, ...others.map((canvas) => canvas.lines ?? 0));
"""
BRUSH = """
const plot = document.querySelector('.pplot-root');
plot.scrollIntoView({block: 'center'});
const middle = (node) => {
  const {left, width} = node.getBoundingClientRect();
  return left + width / 2;
};
const labels = [...plot.querySelectorAll('.label-name')];
const label = labels.find((node) => node.textContent === arguments[0]);
const near = (node) => Math.abs(middle(node) - label.getBoundingClientRect().left);
const axes = [...plot.querySelectorAll('.overlay')];
const axis = axes.reduce((best, node) => near(node) < near(best) ? node : best);
const {top, height} = axis.getBoundingClientRect();
return {x: middle(axis), top, height};
"""
CELLS = "return document.querySelectorAll('.sample-rows-table tbody td').length"
TEXTS = """
return [...document.querySelectorAll(arguments[0])].map((node) => {
  const {left, right, top} = node.getBoundingClientRect();
  return {text: node.textContent, left, right, top};
})
"""
# the corners of all names, words and lines of ticks, each with the number of its axis
BOXES = """
const boxes = [];
[...document.querySelectorAll('.pplot-root .dimension')].forEach((axis, i) => {
  const add = (text, left, top, right, bottom) => boxes.push({axis: i, text,
    corners: [[left, top], [right, top], [right, bottom], [left, bottom]]});
  for (const node of axis.querySelectorAll('.tick text')) {
    const {left, right, top, bottom} = node.getBoundingClientRect();
    if (node.textContent) add(node.textContent, left, top, right, bottom);
  }
  const {right, top, bottom} = axis.querySelector('.domain').getBoundingClientRect();
  add('|', right - 6, top, right, bottom);
  const name = axis.querySelector('.label-name'), w = name.offsetWidth;
  const h = name.offsetHeight, rect = name.getBoundingClientRect();
  const turn = Math.PI * (360 - /rotate\\((.*)deg/.exec(name.style.transform)[1]) / 180;
  const [cos, sin] = [Math.cos(turn), Math.sin(turn)];
  const [x, y] = [rect.left + h * sin, rect.bottom];  // its lower left corner
  boxes.push({axis: i, text: name.textContent, corners: [[x, y],
    [x + w * cos, y - w * sin], [x + w * cos - h * sin, y - w * sin - h * cos],
    [x - h * sin, y - h * cos]]});
});
return boxes;
"""


def are_apart(one: list[list[float]], other: list[list[float]]) -> bool:
    """Whether a straight line lies between two rectangles, which may be turned."""
    for corners in (one, other):
        for (x0, y0), (x1, y1) in itertools.pairwise(corners[:3]):
            along = [
                [x * (x1 - x0) + y * (y1 - y0) for x, y in box] for box in (one, other)
            ]
            if max(along[0]) <= min(along[1]) or max(along[1]) <= min(along[0]):
                return True
    return False


class Page:
    """A page of one experiment, settled."""

    def __init__(
        self, driver: Chrome, url: str, *, in_frame: bool, patience: float = 20
    ):
        self.driver = driver
        self.url = url
        self.patience = patience
        for log in ("browser", "performance"):
            driver.get_log(log)  # what earlier pages have left
        driver.get(url)
        if in_frame:
            driver.switch_to.frame(0)
        self.settle()

    def settle(self) -> None:
        """Wait for the table, and until no more lines are drawn: there is no event."""
        seen, since, start = None, time.monotonic(), time.monotonic()
        while seen is None or time.monotonic() - since < 0.4:
            now = (self.lines, self.segments, self.run(CELLS))
            if now != seen or not now[2]:
                seen, since = now, time.monotonic()
            if time.monotonic() - start > self.patience:
                raise TimeoutError(
                    f"{self.url} does not settle; it shows {self.text!r}."
                )
            time.sleep(0.05)

    def run(self, script: str, *args: Any) -> Any:
        return self.driver.execute_script(script, *args)  # type: ignore[no-untyped-call]

    @property
    def lines(self) -> int:
        return self.run(LINES)

    @property
    def segments(self) -> int:
        """How many lines the plot of curves has: one from each point to the next."""
        return self.run(SEGMENTS)

    @property
    def selected(self) -> int:
        """How many rows the page says are selected."""
        return int(re.search(r"Selected:\s*(\d+)", self.text)[1])  # type: ignore[index]

    def brush(self, axis: str, low: float, high: float) -> None:
        """Drag the mouse along an axis, from one share of its height to another."""
        place = self.run(BRUSH, axis)
        actions = ActionBuilder(self.driver)
        for i, share in enumerate((low, high)):
            y = place["top"] + share * place["height"]
            actions.pointer_action.move_to_location(int(place["x"]), int(y))
            if i == 0:
                actions.pointer_action.pointer_down()
        actions.pointer_action.pointer_up()
        actions.perform()
        self.settle()

    @property
    def text(self) -> str:
        return self.run("return document.body.innerText")

    def texts(self, selector: str) -> list[dict[str, Any]]:
        """Give text and place of each node, from left to right."""
        return sorted(self.run(TEXTS, selector), key=lambda node: node["left"])

    @property
    def axes(self) -> list[str]:
        return [node["text"] for node in self.texts(".pplot-root .label-name")]

    @property
    def overlaps(self) -> list[tuple[str, str]]:
        """The words of an axis that lie over words or ticks of another axis."""
        pairs = itertools.combinations(self.run(BOXES), 2)
        return [
            (one["text"], other["text"])
            for one, other in pairs
            if one["axis"] != other["axis"]
            and not are_apart(one["corners"], other["corners"])
        ]

    @property
    def errors(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser")]

    @property
    def requests(self) -> list[str]:
        log = [
            json.loads(entry["message"]) for entry in self.driver.get_log("performance")
        ]
        sent = [
            entry["message"]["params"]["request"]["url"]
            for entry in log
            if entry["message"]["method"] == "Network.requestWillBeSent"
        ]
        # the tab with which the browser begins may still load its own parts
        own = ("data:", "chrome://")
        return [url for url in sent if not url.startswith(own)]


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """Start the browser once, or skip; in CI on Linux there is no skipping."""
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or chromedriver is None:
        reason = "needs chromium and chromedriver on the PATH"
        # elsewhere the browser has other names, and shows the same pages
        if os.environ.get("CI") == "true" and sys.platform == "linux":
            pytest.fail(reason)
        pytest.skip(reason)
    options = ChromeOptions()
    options.binary_location = chromium
    options.set_capability(
        "goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"}
    )
    for flag in [*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"]:
        options.add_argument(flag)
    with Chrome(options=options, service=Service(chromedriver)) as driver:
        driver.execute_cdp_cmd(
            "Page.addScriptToEvaluateOnNewDocument", {"source": HOOK}
        )
        yield driver


@pytest.fixture
def open_page(driver: Chrome, tmp_path: Path) -> Callable[..., Page]:
    """Give a function that opens a page from a file."""

    def open_html(page: str, in_frame: bool = False, patience: float = 20) -> Page:
        path = tmp_path / "page.html"
        path.write_text(page, encoding="utf-8")
        return Page(driver, path.as_uri(), in_frame=in_frame, patience=patience)

    return open_html

"""HiPlot pages: what making them costs, and how soon Chromium has drawn them.

    python benchmarks/pages.py           # 2 minutes; needs chromium, chromedriver
    python benchmarks/pages.py --quick   # seconds, no benchmark

`to_hiplot` of results, and of a frame; HiPlot's own `to_html` of what it made; and from
the start of the navigation until the last line is drawn, in headless Chromium.
"""

import functools
import itertools
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hiplot
import numpy as np
import pandas as pd
from common import Row, Section, alternate, argument_parser, report, timed

from skact import to_hiplot

SECTIONS = ("epochs", "candidates")
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1400,1000")
HOOK = """
const {stroke} = CanvasRenderingContext2D.prototype;
CanvasRenderingContext2D.prototype.stroke = function () {
  window.lastLine = performance.now();
  return stroke.apply(this, arguments);
};
"""
TABLE_IS_THERE = "return document.querySelector('.sample-rows-table tbody td') !== null"


def epochs(n_folds: int, n_epochs: int) -> pd.DataFrame:
    """Training curves of three activations."""
    names = ("relu", "tanh", "leaky_relu(0.2)")
    rows = [
        (name, candidate, fold, epoch, (1 + candidate) / epoch, 1.1 / epoch)
        for (candidate, name), fold, epoch in itertools.product(
            enumerate(names), range(n_folds), range(1, n_epochs + 1)
        )
    ]
    columns = ["activation", "candidate", "fold", "epoch", "train_loss", "valid_loss"]
    return pd.DataFrame(rows, columns=columns)


def candidates(n: int) -> dict[str, Any]:
    """Results of a search over four parameters, as scikit-learn keeps them."""
    rng = np.random.default_rng(0)
    names = np.array(["relu", "tanh", "silu"], dtype=object)
    scores = rng.uniform(0.5, 1, n)
    return {
        "param_lr": np.ma.array(rng.uniform(0.001, 1, n)),
        "param_width": np.ma.array(rng.integers(8, 512, n)),
        "param_depth": np.ma.array(rng.integers(1, 5, n)),
        "param_activation": np.ma.array(names[rng.integers(0, 3, n)]),
        "mean_test_score": scores,
        "rank_test_score": np.argsort(np.argsort(-scores)) + 1,
    }


def drawn(driver: Any, path: Path) -> float:
    """Open a page; return the seconds until its last line, when no more has come."""
    driver.get("about:blank")
    driver.get(path.as_uri())
    last, since = None, time.monotonic()
    while time.monotonic() - since < 1:
        now = driver.execute_script("return window.lastLine ?? null")
        if now != last or not driver.execute_script(TABLE_IS_THERE):
            last, since = now, time.monotonic()
        time.sleep(0.05)
    return last / 1000


def browser(profile: str) -> Any:
    """Start Chromium, or return None where there is none."""
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or chromedriver is None:
        return None
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    driver = Chrome(options=options, service=Service(chromedriver))
    hook = "Page.addScriptToEvaluateOnNewDocument"
    driver.execute_cdp_cmd(hook, {"source": HOOK})
    return driver


def page_section(name: str, obj: Any, n_rows: int, repeats: int) -> Section:
    experiment = to_hiplot(obj)
    assert len(experiment.datapoints) == n_rows
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        page = Path(folder) / "page.html"
        experiment.to_html(page)
        kept: list[Any] = []

        def making() -> float:
            kept.clear()  # to throw the last one away is not to make one
            return timed(lambda: kept.append(to_hiplot(obj)))

        clocks = {
            "to_hiplot": making,
            "HiPlot's own to_html": functools.partial(
                timed, lambda: hiplot.Experiment.to_html(experiment)
            ),
        }
        notes = [f"{page.stat().st_size / 2**20:.1f} MiB of HTML"]
        driver = browser(f"{folder}/profile")
        if driver is None:
            notes.append("no chromium and chromedriver on the PATH: nothing was drawn")
        else:
            clocks["drawn in Chromium"] = functools.partial(drawn, driver, page)
        try:
            seconds = alternate(clocks, repeats)
        finally:
            if driver is not None:
                driver.quit()
    rows = [Row(peer, readings) for peer, readings in seconds.items()]
    title = f"{name}: a page of {n_rows:,} rows"
    return Section(f"{name}_{n_rows}", title, rows, "to_hiplot", notes=notes)


def sections(args: Any) -> Iterator[Section]:
    repeats = args.repeats or (1 if args.quick else 7)
    n_epochs, n_candidates = (5, 50) if args.quick else (25, 20_000)
    if "epochs" in (args.only or SECTIONS):
        yield page_section("epochs", epochs(5, n_epochs), 15 * n_epochs, repeats)
    if "candidates" in (args.only or SECTIONS):
        results = candidates(n_candidates)
        yield page_section("candidates", results, n_candidates, repeats)


if __name__ == "__main__":
    arguments = argument_parser(__doc__, SECTIONS).parse_args()
    report("pages", sections(arguments), arguments)

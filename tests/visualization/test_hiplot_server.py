"""The fetcher opens saved results, and nothing else, in HiPlot's real web server."""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hiplot
import pytest
from hiplot.fetchers import NoFetcherFound
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC

from skact import hiplot_fetcher, save_results, to_hiplot

RESULTS = {
    "param_lr": [0.1, 0.01],
    "param_<b>": ["</script><script>alert(1)</script>", "x"],
    "split0_test_score": [0.9, float("nan")],
    "split1_test_score": [0.8, 0.7],
    "mean_test_score": [0.85, float("nan")],
    "rank_test_score": [1, 2],
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("results")
    save_results(RESULTS, root / "run 1" / "digits")
    save_results(RESULTS, root.parent / "secret")
    (root / "table.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    return root


@pytest.mark.parametrize("uri", ["skact://run 1/digits", "skact://run%201/digits"])
def test_an_address_opens_the_page_of_the_search(root: Path, uri: str) -> None:
    page = hiplot_fetcher(root)(uri)._asdict()
    assert json.dumps(page) == json.dumps(to_hiplot(RESULTS)._asdict())


def test_an_address_may_ask_for_the_folds(root: Path) -> None:
    page = hiplot_fetcher(str(root))("skact://run 1/digits?level=fold")._asdict()
    assert json.dumps(page) == json.dumps(to_hiplot(RESULTS, "fold")._asdict())


@pytest.mark.parametrize("uri", ["demo", "table.csv", "/etc/passwd.csv", "skact:/x"])
def test_other_addresses_are_left_to_other_fetchers(root: Path, uri: str) -> None:
    with pytest.raises(hiplot.ExperimentFetcherDoesntApply, match="skact://"):
        hiplot_fetcher(root)(uri)


@pytest.mark.parametrize(
    "uri",
    ["skact://../secret", "skact://%2e%2e/secret", "skact://run 1/../../secret"],
)
def test_no_address_leads_out_of_the_folder(root: Path, uri: str) -> None:
    with pytest.raises(NoFetcherFound, match="leads out of the folder that is served"):
        hiplot_fetcher(root)(uri)


def test_an_absolute_address_stays_in_the_folder(root: Path) -> None:
    with pytest.raises(NoFetcherFound, match="there are no saved results"):
        hiplot_fetcher(root)(f"skact://{root.parent}/secret")


def test_a_link_does_not_lead_out_of_the_folder(root: Path) -> None:
    (root / "link").symlink_to(root.parent / "secret")
    with pytest.raises(NoFetcherFound, match="leads out of the folder that is served"):
        hiplot_fetcher(root)("skact://link")


@pytest.mark.parametrize(
    ("level", "message"),
    [("folds", "level must be 'candidate'"), ("epoch", "keeps no training history")],
)
def test_an_address_has_the_levels_of_a_search(
    root: Path, level: str, message: str
) -> None:
    with pytest.raises(NoFetcherFound, match=message):
        hiplot_fetcher(root)(f"skact://run 1/digits?level={level}")


@pytest.fixture(scope="module")
def server(root: Path) -> Iterator[str]:
    """HiPlot's server as the README starts it, on a port that is free."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = (
        "from hiplot.server import run_server\n"
        "from skact import hiplot_fetcher\n"
        f"run_server([hiplot_fetcher({str(root)!r})], port={port})\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(address, timeout=10).close()
                break
            except urllib.error.URLError:
                assert process.poll() is None
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait()


def ask(server: str, uri: str) -> Any:
    query = urllib.parse.urlencode({"uri": uri})
    with urllib.request.urlopen(f"{server}/data?{query}", timeout=30) as answer:
        text = answer.read().decode()
    assert "NaN" not in text
    return json.loads(text)


def test_the_server_opens_saved_results(server: str) -> None:
    answer = ask(server, "skact://run 1/digits")["experiment"]
    expected = json.loads(json.dumps(to_hiplot(RESULTS)._asdict()))
    assert answer == expected
    assert "<" not in json.dumps(answer)


def test_the_server_opens_no_other_file(server: str, root: Path) -> None:
    assert "No fetcher found" in ask(server, str(root / "table.csv"))["error"]


def test_the_server_says_what_can_be_opened(server: str) -> None:
    error = ask(server, "skact://nosuch")["error"]
    assert "there are no saved results" in error
    assert "skact://run 1/digits" in error


def test_words_that_an_address_does_not_have_are_refused(root: Path) -> None:
    with pytest.raises(NoFetcherFound, match=r"there is no 'levle': after \? may"):
        hiplot_fetcher(root)("skact://nosuch?levle=fold")


@pytest.mark.parametrize("name", ["run#2", "why?", "50%"])
def test_addresses_that_are_offered_can_be_opened(name: str, tmp_path: Path) -> None:
    search = GridSearchCV(SVC(), {"C": [0.1, 1.0]}, cv=2)
    save_results(search.fit(*load_iris(return_X_y=True)), tmp_path / name)
    fetch = hiplot_fetcher(tmp_path)
    with pytest.raises(NoFetcherFound) as raised:
        fetch("skact://nosuch")
    offered = str(raised.value).partition("can be opened: ")[2].rstrip(".'")
    assert len(fetch(offered).datapoints) == 2

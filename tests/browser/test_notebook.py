"""The example notebook, run in a real kernel, exported, and opened in Chromium."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter

Open = Callable[..., Any]
PATH = Path(__file__).parents[2] / "examples" / "explore_hiplot.ipynb"
HAS_COLOURS = """
return [...document.querySelectorAll('canvas')].some((canvas) => {
  const {width, height} = canvas;
  if (!width || !height) return false;
  const {data} = canvas.getContext('2d').getImageData(0, 0, width, height);
  return data.some((value) => value > 0);
});
"""


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    notebook = nbformat.read(PATH, as_version=4)
    folder = str(tmp_path_factory.mktemp("notebook"))
    return NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        resources={"metadata": {"path": folder}},
    ).execute()


def outputs(notebook: Any) -> list[Any]:
    cells = (cell for cell in notebook.cells if cell.cell_type == "code")
    return [output for cell in cells for output in cell.outputs]


def test_the_notebook_is_kept_without_outputs() -> None:
    notebook = nbformat.read(PATH, as_version=4)
    nbformat.validate(notebook)
    assert outputs(notebook) == []
    counts = [c.execution_count for c in notebook.cells if c.cell_type == "code"]
    assert set(counts) == {None}


def test_every_cell_runs_in_a_kernel_without_a_word_of_warning(executed: Any) -> None:
    kinds = [output.output_type for output in outputs(executed)]
    assert set(kinds) == {"execute_result"}
    pages = [o for o in outputs(executed) if "<iframe" in o.data.get("text/html", "")]
    assert len(pages) == 3


def test_the_export_draws_each_page_and_nothing_of_ours_fails(
    executed: Any, open_page: Open
) -> None:
    html, _ = HTMLExporter().from_notebook_node(executed)
    page = open_page(html, in_frame=True)
    page.driver.switch_to.default_content()
    frames = page.driver.find_elements("css selector", "iframe")
    assert len(frames) == 3
    for frame in frames:
        page.driver.execute_script("arguments[0].scrollIntoView()", frame)
        page.driver.switch_to.frame(frame)
        page.settle()
        assert page.run(HAS_COLOURS)
        assert page.run("return self.origin") == "null"
        page.driver.switch_to.default_content()
    # the export asks for MathJax and the like, which are not there
    assert [error for error in page.errors if "cdn" not in error] == []
